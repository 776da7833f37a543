"""Binomial checkpointing of a uniform loop of known length: the fewest forward steps for a number of slots.

Let beta(s, r) = C(s + r, s), the longest loop that s slots can reverse when no step is run more than r times
before its taped run, and let r be the least integer with beta(s, r) >= l. Then l steps take

    F(l, s) = (r + 1) l - C(s + r, s + 1)                                                              (1)

forward steps, taped ones counted and carry 0 in a slot of its own; no schedule takes fewer. From a snapshot
at the start of a range the next one goes j steps further, where any j with

    beta(s, r-2) <= j <= beta(s, r-1)   and   beta(s-1, r-1) <= l - j <= beta(s-1, r)                  (2)

is optimal. j = l - beta(s-1, r-1) - beta(s-2, r-1), moved into the first interval, also writes the fewest
snapshots. One action costs a few binomials, and what is pending is one entry per slot.

Source: Griewank and Walther 2000, "Algorithm 799: revolve", equations (2.2) and (2.5).

>>> forward_steps(10, 3), forward_steps(10_000, 20)
(25, 47976)
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from math import comb
from typing import ClassVar

from adcore.extend import (
    Action,
    Advance,
    Back,
    Drop,
    Load,
    Save,
    Schedule,
    Tape,
    register_schedule,
)
from adcore_strategies.schedules.shared import require_counts, require_length, turn_after


@register_schedule
@dataclass(frozen=True)
class Binomial(Schedule):
    """At most `slots` snapshots in memory, carry 0 included, and the fewest forward steps: equation (1).

    leaf: steps that are taped at once. Blocks of `leaf` steps take the place of steps in (1), so there are
    about `leaf` times fewer actions, and `leaf` records live at a time; the last block may be shorter.

    >>> Binomial(slots=20).forward_steps(10_000)
    47976
    >>> sum(1 for _ in Binomial(slots=20, leaf=100).actions(10_000))
    557
    """

    name: ClassVar[str] = "binomial"
    slots: int
    leaf: int = 1

    def __post_init__(self) -> None:
        require_counts(self, slots=1, leaf=1)

    def actions(self, length: int | None) -> Generator[Action, int | None, None]:
        """Streamed: constant work and `slots` pending ranges, whatever the length."""
        steps = require_length(self, length)
        blocks = -(-steps // self.leaf)
        yield from turn_after(steps, reverse_range(0, blocks, self.slots, self.leaf, steps))

    def forward_steps(self, length: int) -> int:
        """Equation (1) in blocks; the last block, which may be short, is run once."""
        blocks = -(-length // self.leaf)
        return self.leaf * forward_steps(blocks, self.slots) - (blocks * self.leaf - length)


def beta(slots: int, runs: int) -> int:
    """The longest loop that `slots` slots reverse with at most `runs` runs of a step before its taped one."""
    return comb(slots + runs, slots) if slots >= 0 <= runs else 0


def repetition(length: int, slots: int) -> int:
    """The least r with beta(slots, r) >= length, by bisection."""
    high = 1
    while beta(slots, high) < length:
        high *= 2
    low = 0
    while low < high:
        middle = (low + high) // 2
        if beta(slots, middle) < length:
            low = middle + 1
        else:
            high = middle
    return low


def forward_steps(length: int, slots: int) -> int:
    """Equation (1). Without a slot only one step can be reversed.

    >>> [forward_steps(n, 1) for n in range(5)]
    [0, 1, 3, 6, 10]
    """
    if length < 2:
        return length
    r = repetition(length, slots)
    return (r + 1) * length - comb(slots + r, slots + 1)


def reverse_range(start: int, stop: int, slots: int, leaf: int, end: int, stored: bool = False) -> Iterator[Action]:
    """Actions that reverse blocks start..stop-1 from the current carry, which is at `start`.

    stored: whether that carry is already in one of the slots. It is dropped in any case.

    Block k has the steps k * leaf to (k + 1) * leaf, none past `end`. There is no Turn among the actions.
    """
    if start == stop:
        return
    pending: list[tuple[int, int, int]] = []  # first block, length and r of each part to the left
    length = stop - start
    r = repetition(length, slots) if length > 1 else 0
    while True:
        step = start * leaf
        if length > 1:
            if not stored:
                yield Save(step, "memory")
            free = slots - len(pending)
            if beta(free, r - 1) >= length:  # a part at the lower end of (2) needs one run less
                r -= 1
            ahead = length - beta(free - 1, r - 1) - beta(free - 2, r - 1)
            ahead = max(1, beta(free, r - 2), min(ahead, beta(free, r - 1)))
            yield Advance(step, step + ahead * leaf)
            pending.append((start, ahead, r - 1))
            start, length, stored = start + ahead, length - ahead, False
            continue
        if stored:
            yield Drop(step, "memory")
        edge = min(step + leaf, end)
        yield Tape(step, edge)
        yield Back(step, edge)
        if not pending:
            return
        start, length, r = pending.pop()
        yield Load(start * leaf, "memory")
        stored = True
