"""Run sequences of one problem for all budgets, so that more memory does not cost more.

Budgets lie on a grid that rises by a few per cent, from the least bytes that any single run needs to where every task
runs once; it depends on the problem only. What is planned for a budget is the best of the grid's points up to it: of
its own block of points and the block below, for further below all is dearer. Each point gets the whole portfolio,
which starts from the best of its block so far. The interval tables of a chain give their whole curve at once.

Running example: at 12, 12.2 and 12.5 MB the portfolio happens to cost 9, 10 and 8 runs; the pool has 9, 9 and 8.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from . import chain, exact, greedy, improve
from .portfolio import Effort, attempt, trial
from .problem import Problem, Steps
from .sequence import Core, footprint, reduce_problem, sweep

__all__ = ["EFFORTS", "Entry", "Pool", "Sequencer"]

Sequencer = Callable[[Problem, int], Steps | None]
"""A planner of problems: steps within a number of bytes, or None."""


@dataclass(frozen=True)
class _Pace:
    """For problems of up to `tasks` tasks: growth from point to point, points of a block, effort at each."""

    tasks: int
    growth: float
    block: int
    effort: Effort


EFFORTS: dict[str, tuple[_Pace, ...]] = {
    "quick": (_Pace(10**9, 1.06, 2, Effort(20_000, 50_000)),),
    "normal": (
        _Pace(60, 1.02, 6, Effort(500_000, 400_000)),
        _Pace(150, 1.02, 5, Effort(200_000, 0)),
        _Pace(10**9, 1.03, 4, Effort(100_000, 0)),
    ),
    "high": (
        _Pace(60, 1.02, 6, Effort(3_000_000, 3_000_000)),
        _Pace(150, 1.02, 6, Effort(2_000_000, 1_000_000)),
        _Pace(10**9, 1.02, 5, Effort(1_000_000, 0)),
    ),
}
"""How much to spend. Normal is a few seconds for a few hundred nodes, quick a tenth of that, high ten times."""

_LEAN = ("stale", "cheap", "distance")  # policies that are asked for lean sequences, the best at it first
_PROVABLE = 80  # tasks up to which the exact search may prove the leanest sequence


@dataclass(frozen=True)
class Entry:
    """A run sequence of the core, its peak in bytes (without the base) and its cost."""

    peak: int
    cost: float
    runs: tuple[int, ...]


class Pool:
    """What is known for one problem, found when it is asked for.

    sequencer: plans the points, in place of the portfolio.
    """

    def __init__(self, problem: Problem, sequencer: Sequencer | None = None, effort: str = "normal") -> None:
        self.problem, self.sequencer = problem, sequencer
        self.core: Core = reduce_problem(problem)
        self.floor = self._floor()
        self.pace = next(pace for pace in EFFORTS[effort] if len(self.core.ins) <= pace.tasks)
        self.always = [self._entry(order) for order in greedy.orders(self.core)]
        self.grid = self._grid(min(entry.peak for entry in self.always))
        self.chain = chain.detect(self.core) if sequencer is None and len(self.grid) > 1 else None
        self._tables: dict[int, list[Entry]] = {}
        self._points: dict[int, Entry | None] = {}
        self._leanest: Entry | None = None
        self.proven = False  # that no sequence is leaner than the leanest; found out by `lean`

    def front(self, budget: int, lean: bool = False) -> list[Entry]:
        """Sequences within the budget, without the base, by falling cost and rising peak; empty if none is known.

        lean: also such as leave much of the budget to others.
        """
        known = (*self.always, *self._tabled(budget), *self._at(budget), *(self._below(budget) if lean else ()))
        found = _front(e for e in known if e.peak <= budget)
        if not found and self.floor <= budget:
            found = [e for e in (self.lean(),) if e.peak <= budget]
        return found

    def curve(self, points: int) -> list[Entry]:
        """Sequences for about so many budgets, evenly spread over the grid."""
        last = len(self.grid) - 1
        chosen = sorted({last * k // max(points - 1, 1) for k in range(points)})
        found = [self._visit(k, None) for k in chosen]
        return _front([*self.always, *self._tabled(self.grid[-1]), *(e for e in found if e is not None)])

    def lean(self) -> Entry:
        """The sequence with the least peak that is found: by bisection on the grid, then by squeezing."""
        if self._leanest is None:
            core, work = self.core, self.pace.effort.search
            known = [min((*self.always, *self._tabled(self.floor)), key=_leanness)]
            low, high = self.floor, known[0].peak - 1
            while high - low > high // 20:
                middle = (low + high) // 2
                found = next((runs for p in _LEAN if (runs := greedy.evict(core, core.order, middle, p))), None)
                known += [] if found is None else [self._entry(found)]
                low, high = (middle + 1, high) if found is None else (low, known[-1].peak - 1)
            for start in (min(known, key=_leanness).runs, core.order):
                if min(known, key=_leanness).peak > self.floor:
                    known.append(self._entry(improve.squeeze(core, start, work, self.floor).runs))
            least = min(known, key=_leanness)
            self.proven = least.peak == self.floor
            if not self.proven and len(core.ins) <= _PROVABLE:
                _, runs, self.proven = exact.least_peak(core, self.floor, least.peak, 4 * work)
                known += [] if runs is None else [self._entry(runs)]
            self._leanest = min(known, key=_leanness)
        return self._leanest

    def _tabled(self, budget: int) -> list[Entry]:
        """Of a chain, the sequences from the interval tables of the budget's octave and of the one below it."""
        if self.chain is None:
            return []
        top, octave = self.grid[-1], 0
        while top >> octave + 1 >= max(budget, 1):
            octave += 1
        for k in (octave, octave + 1):
            if k not in self._tables:
                self._tables[k] = [self._entry(s.runs) for s in chain.frontier(self.core, top >> k, self.chain)]
        return self._tables[octave] + self._tables[octave + 1]

    def _at(self, budget: int) -> list[Entry]:
        """What the points of the budget's block, up to it, and of the block below have given."""
        k = bisect_right(self.grid, budget) - 1
        first = k // self.pace.block
        found: list[Entry] = []
        for block in (first - 1, first):
            best: Entry | None = None
            for point in range(max(0, block * self.pace.block), min((block + 1) * self.pace.block, k + 1)):
                if point not in self._points:
                    self._points[point] = self._visit(point, best)
                best = self._points[point] or best
                found += [] if best is None else [best]
        return found

    def _below(self, budget: int) -> list[Entry]:
        """What the first points of every other block below the budget have given."""
        found = []
        for point in range(0, bisect_right(self.grid, budget), 2 * self.pace.block):
            if point not in self._points:
                self._points[point] = self._visit(point, None)
            entry = self._points[point]
            found += [] if entry is None else [entry]
        return found

    def _visit(self, point: int, best: Entry | None) -> Entry | None:
        """The best sequence for a point of the grid, given one for a point below it."""
        core, budget = self.core, self.grid[point]
        known = (*self.always, *self._tabled(budget), *([] if best is None else [best]))
        known = tuple(e for e in known if e.peak <= budget)
        start = min(known, key=lambda e: e.cost, default=None)
        if start is not None and start.cost <= core.least_cost * (1 + 1e-12):
            return start
        if self.sequencer is not None:
            steps = self.sequencer(self.problem, budget + core.base)
            return start if steps is None else self._entry(self._runs(steps))
        starts = [] if start is None else [trial(core, "pool", list(start.runs))]
        found = attempt(core, budget, self.pace.effort, starts, tables=False)
        return start if found is None else self._entry(found[0].runs)

    def _entry(self, runs: Sequence[int]) -> Entry:
        swept = sweep(self.core, runs)
        return Entry(swept.peak, swept.cost, tuple(swept.runs))

    def _runs(self, steps: Steps) -> list[int]:
        place = {name: i for i, name in enumerate(self.core.names)}
        return [place[index] for kind, index in steps if kind == "run" and index in place]

    def _floor(self) -> int:
        core = self.core
        ends = sum(core.sizes[b] for b in core.final) + core.end_scratch
        return max([ends, *(footprint(core, t) for t in core.order)])

    def _grid(self, top: int) -> list[int]:
        points = [self.floor]
        while points[-1] < top:
            points.append(max(points[-1] + 1, int(points[-1] * self.pace.growth)))
        return points


def _leanness(entry: Entry) -> tuple[int, float]:
    return entry.peak, entry.cost


def _front(entries: Iterable[Entry]) -> list[Entry]:
    """Entries by rising peak and falling cost, none worse than another."""
    found: list[Entry] = []
    for entry in sorted(entries, key=lambda e: (e.peak, e.cost)):
        if not found or entry.cost < found[-1].cost:
            found.append(entry)
    return found
