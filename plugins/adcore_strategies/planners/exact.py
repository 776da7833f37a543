"""Exact search for small problems: the oracle of the tests, and the planner where it can afford to be.

A state is the set of live blocks; nothing else of the past matters. From a state, a task whose inputs live may run,
after dropping just enough: only inclusion-minimal drops are tried, because of two states at the same cost the larger
can do whatever the smaller can. For the same reason a run that drops nothing and costs nothing (any run, where cost
does not matter) is the only one tried. A* with the cost of the tasks that any continuation must run (the closure of the
missing wanted blocks) as a lower bound; it is consistent, so the first time the goal leaves the queue is optimal.

Work is exponential in the number of blocks in the worst case: `limit` bounds it (tasks looked at, plus ten per move
made; about a million per second), and the answer says whether the search was complete.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass

from .problem import Problem, Steps
from .sequence import Core, expand, footprint, reduce_problem, sweep

__all__ = ["Found", "least_peak", "plan", "search"]


@dataclass(frozen=True)
class Found:
    """The runs (None if none was found), and whether the search was complete, so that the answer is proven.

    bound: no sequence below the ceiling costs less.   work: what the search has done, in units of its limit.
    """

    runs: list[int] | None
    complete: bool
    bound: float = 0.0
    work: int = 0


def plan(problem: Problem, budget: int, limit: int = 20_000_000) -> Steps | None:
    """The cheapest schedule within the budget in bytes, or None if there is none or the search was cut short.

    >>> from .problem import Task
    >>> chain = Problem((Task((0,), (1,)), Task((1,), (2,))), (4, 8, 8), (0, 1, 2), frozenset({0}), (2,))
    >>> plan(chain, 20), plan(chain, 19)
    ((('run', 0), ('run', 1), ('drop', 1)), None)
    """
    core = reduce_problem(problem)
    found = search(core, budget - core.base, limit)
    return None if found.runs is None or not found.complete else expand(core, found.runs)


def search(
    core: Core, budget: int, limit: int = 20_000_000, cost_matters: bool = True, ceiling: float = math.inf
) -> Found:
    """The cheapest run sequence within the budget (bytes, without the base), by A* over sets of live blocks.

    cost_matters: False asks for any feasible sequence, sooner.   ceiling: look only for less than this cost.
    """
    masks = _Masks(core)
    if sum(core.sizes[b] for b in core.final) + core.end_scratch > budget:
        return Found(None, True)
    if any(footprint(core, t) > budget for t in core.order):
        return Found(None, True)
    best = {0: 0.0}
    came: dict[int, tuple[int, int]] = {}
    queue: list[tuple[float, float, int, int]] = [(masks.least(0), 0.0, 0, 0)]
    closed: set[int] = set()
    count = work = 0
    while queue:
        least_total, _, _, live = heapq.heappop(queue)
        if live in closed:
            continue
        closed.add(live)
        if live & masks.final == masks.final:
            return Found(_trace(came, live), True, best[live], work)
        work += len(core.ins)
        spent = best[live]
        for task, kept in masks.moves(live, budget, cost_matters):
            after = kept | masks.outs[task]
            work += 10
            if work > limit:
                return Found(None, False, least_total if cost_matters else 0.0, work)
            cost = spent + core.cost[task]
            if after in closed or best.get(after, math.inf) <= cost:
                continue
            least = masks.least(after)
            if cost + least >= ceiling:
                continue
            best[after] = cost
            came[after] = (live, task)
            count += 1
            # among equals prefer the state closer to the end, then the older one: deterministic
            key = cost + least if cost_matters else least
            heapq.heappush(queue, (key, least, count, after))
    return Found(None, True, 0.0, work)


def least_peak(core: Core, low: int, high: int, limit: int = 2_000_000) -> tuple[int, list[int] | None, bool]:
    """The least feasible peak between `low` and `high` (bytes, without the base; `high` is known to be feasible).

    Returns: (bytes, a sequence that reaches it or None if that is `high` itself, whether it is proven).
    """
    unit = math.gcd(*core.sizes, *core.load, core.end_scratch) or 1
    low = -(-low // unit)
    top, runs = high // unit, None
    while low < top:
        middle = (low + top) // 2
        found = search(core, middle * unit, limit, cost_matters=False)
        limit -= found.work
        if not found.complete:
            return top * unit, runs, False
        if found.runs is None:
            low = middle + 1
        else:
            runs = found.runs
            top = min(middle, sweep(core, runs).peak // unit)
    return top * unit, runs, True


class _Masks:
    """A core as bit sets, with the lower bound of every state met so far."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.ins = [sum(1 << b for b in blocks) for blocks in core.ins]
        self.outs = [sum(1 << b for b in blocks) for blocks in core.outs]
        self.final = sum(1 << b for b in core.final)
        self.bounds: dict[int, float] = {}

    def bytes(self, mask: int) -> int:
        sizes = self.core.sizes
        return sum(sizes[b] for b in _bits(mask))

    def least(self, live: int) -> float:
        """Cost every continuation must still pay: makers of missing wanted blocks, of their missing inputs, ..."""
        if live in self.bounds:
            return self.bounds[live]
        stack = list(_bits(self.final & ~live))
        seen: set[int] = set()
        while stack:
            task = self.core.maker[stack.pop()]
            if task not in seen:
                seen.add(task)
                stack.extend(_bits(self.ins[task] & ~live))
        bound = sum(self.core.cost[t] for t in sorted(seen))
        self.bounds[live] = bound
        return bound

    def moves(self, live: int, budget: int, cost_matters: bool) -> Iterator[tuple[int, int]]:
        """(task, blocks kept before it runs) for every task that can run and every minimal drop that lets it fit."""
        free = budget - self.bytes(live)
        ready = [t for t in range(len(self.ins)) if not self.ins[t] & ~live and self.outs[t] & ~live]
        for task in ready:
            if self.core.load[task] <= free and not (cost_matters and self.core.cost[task]):
                yield task, live
                return
        for task in ready:
            excess = self.core.load[task] - free
            if excess <= 0:
                yield task, live
                continue
            others = [(self.core.sizes[b], b) for b in _bits(live & ~self.ins[task]) if self.core.sizes[b]]
            for dropped in _minimal_covers(others, excess):
                yield task, live & ~dropped


def _minimal_covers(items: list[tuple[int, int]], need: int) -> Iterator[int]:
    """Masks of the inclusion-minimal subsets of (size, bit) whose sizes sum to `need` or more."""
    items = sorted(items, reverse=True)
    rest = [0] * (len(items) + 1)
    for i in range(len(items) - 1, -1, -1):
        rest[i] = rest[i + 1] + items[i][0]

    def extend(start: int, need: int, mask: int) -> Iterator[int]:
        # sizes descend, so the last item taken is the smallest: the set is minimal when it alone covers the rest
        for i in range(start, len(items)):
            if rest[i] < need:
                return
            size, bit = items[i]
            if size >= need:
                yield mask | 1 << bit
            else:
                yield from extend(i + 1, need - size, mask | 1 << bit)

    yield from extend(0, need, 0)


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def _trace(came: dict[int, tuple[int, int]], live: int) -> list[int]:
    runs = []
    while live in came:
        live, task = came[live]
        runs.append(task)
    runs.reverse()
    return runs
