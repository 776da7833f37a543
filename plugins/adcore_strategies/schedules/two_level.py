"""Snapshots in memory and on disk: the least time for a uniform loop of known length.

Let a forward step take uf, a write to disk wd, a read rd; memory is free to use. With S slots in memory and
k free slots on disk let E(l, k) be the least time to run and tape l steps whose first carry is current and
not stored, D(l, k) the same when it is also on disk, in a slot not counted in k. With the binomial count F,

    E(l, k) = min( uf F(l, S),   wd + D(l, k-1) )                                                      (1)
    D(l, k) = min( uf F(l, S),   min over 0 < j < l of  uf j + E(l-j, k) + rd + D(j, k) )              (2)

F(l, S) stands for a range that is reversed from memory alone: its snapshot on disk, if any, is dropped first.
The l reverse steps cost the same in every schedule. So disk snapshots enclose memory snapshots and not the
other way round; an exhaustive search over all placements, moves and overwrites finds no better schedule
(`tests/plan/test_schedule_two_level.py`). Every snapshot is dropped explicitly, right after its last Load.

Source: Herrmann and Pallez 2020, "H-Revolve: a framework for adjoint computation on synchronous hierarchical
platforms", section 3, with the costs of forward and reverse steps kept apart.

>>> TwoLevel(memory=1, disk=2, forward=3, write=2, read=2).makespan(10, back=1)
100.0
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from adcore.extend import Action, Advance, Drop, Load, Save, Schedule, ScheduleError, register_schedule
from adcore_strategies.schedules import binomial
from adcore_strategies.schedules.shared import require_counts, require_length, turn_after


@register_schedule
@dataclass(frozen=True)
class TwoLevel(Schedule):
    """At most `memory` and `disk` snapshots, carry 0 included, and the least time.

    forward, write, read: time of one forward step, one write to disk, one read, in any unit.
    leaf: steps that are taped at once and stand for one step in (1) and (2); the last block may be shorter.
    """

    name: ClassVar[str] = "two_level"
    memory: int
    disk: int
    forward: float = 1.0
    write: float = 2.0
    read: float = 2.0
    leaf: int = 1

    def __post_init__(self) -> None:
        require_counts(self, memory=0, disk=0, leaf=1)
        for field in ("forward", "write", "read"):
            value = getattr(self, field)
            if not 0 <= value < float("inf"):
                raise ScheduleError(
                    f"{field}={value!r} is not a finite time of at least 0",
                    f"schedule {self.name!r}",
                    "pass seconds, or any other unit that the three share",
                )
        if self.memory + self.disk < 1:
            raise ScheduleError(
                "memory=0 and disk=0 leave no slot for a snapshot",
                f"schedule {self.name!r}",
                "carry 0 needs one: pass memory=1 or more",
            )

    def actions(self, length: int | None) -> Generator[Action, int | None, None]:
        """From the tables of (1) and (2), which are made on the first call for a length and kept."""
        steps = require_length(self, length)
        yield from turn_after(steps, self._reverse(steps))

    def makespan(self, length: int, back: float = 0.0) -> float:
        """The time of the schedule, with that of the reverse steps. The last block counts as a full one."""
        blocks = -(-length // self.leaf)
        return float(self._tables(blocks).start[blocks, -1]) + back * length

    def _tables(self, blocks: int) -> _Tables:
        step = self.forward * self.leaf
        return _tabulate(blocks, self.memory, min(self.disk, max(blocks - 1, 0)), step, self.write, self.read)

    def _reverse(self, length: int) -> Iterator[Action]:
        blocks = -(-length // self.leaf)
        tables = self._tables(blocks)
        # what is still to do, last first: start, length, free disk slots, and whether the start is on disk
        todo = [(0, blocks, min(self.disk, max(blocks - 1, 0)), False)] if blocks else []
        while todo:
            start, size, free, stored = todo.pop()
            step = start * self.leaf
            if stored:
                yield Load(step, "disk")
            elif tables.spill[size, free]:
                yield Save(step, "disk")
                free, stored = free - 1, True
            ahead = int(tables.ahead[size, free]) if stored else 0
            if ahead:
                yield Advance(step, step + ahead * self.leaf)
                todo += [(start, ahead, free, True), (start + ahead, size - ahead, free, False)]
                continue
            if stored:
                yield Drop(step, "disk")
            yield from binomial.reverse_range(start, start + size, self.memory, self.leaf, length)


@dataclass(frozen=True, eq=False)
class _Tables:
    """E, and what attains the minima: whether to write the first carry, and j (0: from memory alone)."""

    start: NDArray[np.float64]
    spill: NDArray[np.bool_]
    ahead: NDArray[np.int32]


@lru_cache(maxsize=8)
def _tabulate(length: int, memory: int, disk: int, step: float, write: float, read: float) -> _Tables:
    """Rows 0..length, columns 0..disk free slots. Length squared times disk additions."""
    start = np.zeros((length + 1, disk + 1))
    stored = np.zeros_like(start)
    lefts = np.zeros_like(start)  # uf j + rd + D(j, k)
    ahead = np.zeros(start.shape, dtype=np.int32)
    spill = np.zeros(start.shape, dtype=bool)
    for size in range(1, length + 1):
        alone = step * binomial.forward_steps(size, memory) if memory or size == 1 else np.inf
        stored[size] = alone
        if size > 1:
            times = start[size - 1 : 0 : -1] + lefts[1:size]
            best = times.argmin(axis=0)
            least = times[best, np.arange(disk + 1)]
            ahead[size] = np.where(least < alone, best + 1, 0)
            stored[size] = np.minimum(least, alone)
        start[size] = alone
        spill[size, 1:] = write + stored[size, :-1] < alone
        start[size, 1:] = np.minimum(alone, write + stored[size, :-1])
        lefts[size] = step * size + read + stored[size]
    return _Tables(start, spill, ahead)
