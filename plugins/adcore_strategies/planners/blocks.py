"""Ways to run a block of a large graph: a small curve of (bytes, cost, runs) per block.

`chain` splits a graph at the points where one storage crosses. Inside a block, reversing it is a small problem of
its own: the blocks that come from outside are there at the start, the ones that go on must be there at the end. For
that problem we keep the plain way and a few leaner ones, found by `improve` at budgets between its least peak and
its plain peak; the interval tables then choose a way per block and place, which is the dynamic programme over the
curves of the blocks.

Running example: a residual block whose reversal holds three inner blocks at once, or two with one run more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from . import improve
from .sequence import Core, sweep

__all__ = ["Way", "Ways"]

_LEVELS = 3
_WORK = 4_000


@dataclass(frozen=True)
class Way:
    """Runs that reverse a block, their cost, and the bytes they need."""

    need: int
    cost: float
    runs: tuple[int, ...]


class Ways:
    """Finds the ways of the blocks of one core, the same for blocks of the same shape.

    sizes: bytes per block of the core (0 for those accounted for elsewhere).   load: per task, likewise.
    """

    def __init__(self, core: Core, sizes: Sequence[int], load: Sequence[int]) -> None:
        self.core, self.sizes, self.load = core, sizes, load
        self.known: dict[object, list[tuple[int, float, list[int]]]] = {}

    def find(self, tasks: Sequence[int], after: set[int], held: set[int], search: bool) -> tuple[Way, ...]:
        """Ways to run the tasks so that `after` lives at the end, the plain one first, then leaner and dearer ones.

        held: blocks there at the start, whatever the tasks read of it (left out if one of the tasks makes it).
        search: False asks for the plain way only.
        """
        tasks = list(dict.fromkeys(tasks))
        made = {b for t in tasks for b in self.core.outs[t]}
        outside = sorted(({b for t in tasks for b in self.core.ins[t]} | after | held) - made)
        local = self._local(tasks, outside, after)
        key = (local.ins, local.outs, local.cost, local.load, local.sizes, local.final)
        if key not in self.known:
            self.known[key] = self._search(local, search)
        return tuple(Way(need, cost, tuple(tasks[i - 1] for i in runs)) for need, cost, runs in self.known[key])

    def _local(self, tasks: list[int], outside: list[int], after: set[int]) -> Core:
        """The block as a core whose task 0 makes everything that comes from outside, at a forbidding cost."""
        core = self.core
        blocks = [*outside, *(b for t in tasks for b in core.outs[t])]
        index = {b: i for i, b in enumerate(blocks)}
        ins = [(), *(tuple(sorted(index[b] for b in core.ins[t])) for t in tasks)]
        outs = [tuple(range(len(outside))), *(tuple(index[b] for b in core.outs[t]) for t in tasks)]
        sizes = tuple(self.sizes[b] for b in blocks)
        maker = {b: t for t, made in enumerate(outs) for b in made}
        cost = [core.cost[t] for t in tasks]
        return Core(
            problem=core.problem,
            ins=tuple(ins),
            outs=tuple(outs),
            cost=(1e3 * (1.0 + sum(cost)), *cost),
            load=(sum(sizes[: len(outside)]), *(self.load[t] for t in tasks)),
            sizes=sizes,
            maker=tuple(maker[b] for b in range(len(blocks))),
            readers=tuple(tuple(t for t, read in enumerate(ins) if b in read) for b in range(len(blocks))),
            final=tuple(sorted(index[b] for b in after)),
            base=0,
            names=tuple(range(len(tasks) + 1)),
            end_scratch=0,
        )

    def _search(self, local: Core, search: bool) -> list[tuple[int, float, list[int]]]:
        """(bytes, cost, local tasks) of each way, by falling bytes and rising cost."""
        plain = sweep(local, local.order)
        found = [(plain.peak, plain.cost, plain.runs)]
        if search and len(local.ins) > 3:
            floor = max(plain.bytes[0], sum(local.sizes[b] for b in local.final))
            lean = improve.squeeze(local, plain.runs, _WORK, floor)
            for level in range(_LEVELS):
                budget = plain.peak - 1 - (plain.peak - 1 - lean.peak) * level // (_LEVELS - 1)
                start = improve.repair(local, local.order, budget) or (lean.runs if lean.peak <= budget else None)
                if start is not None:
                    swept = improve.improve(local, start, budget, _WORK)
                    found.append((swept.peak, swept.cost, swept.runs))
        ways: list[tuple[int, float, list[int]]] = []
        for need, cost, runs in sorted(found, key=lambda way: (way[1], way[0])):
            if runs.count(0) <= 1 and (not ways or need < ways[-1][0]):
                ways.append((need, cost - local.cost[0] * runs.count(0), [t for t in runs if t != 0]))
        return ways
