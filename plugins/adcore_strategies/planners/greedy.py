"""Greedy planners: run the tasks in some order, evict by a score when memory is short, recompute on demand.

Scores (the block with the least score goes first; `remake` is the cost of making it again with the dead blocks it
needs):
- `stale`: remake / (size * time since last use). Source: Kirisame et al. 2021, "Dynamic tensor rematerialization",
  section 2, h_DTR.
- `distance`: remake / (size * distance to next use), Belady's rule with costs.
- `belady`: 1 / distance to next use.   `lru`: 1 / time since last use.   `cheap`: remake / size.

Inputs of a task that waits for another input to be recomputed are evicted only when nothing else is left, and are
then recomputed in turn: that repairs the deadlocks in which every block is pinned by someone who waits.

Orders: the graph's own; `lean_order`, which runs next what leaves the least memory behind; `late_order`, which runs
each task just before the first reader needs it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from .problem import Problem, Steps
from .sequence import Core, expand, reduce_problem, sweep

__all__ = ["POLICIES", "candidates", "evict", "late_order", "lean_order", "orders", "plan"]

POLICIES = ("distance", "stale", "belady", "cheap", "lru")


def plan(problem: Problem, budget: int) -> Steps | None:
    """The cheapest schedule within the budget (bytes) that any policy on any order finds, or None.

    >>> from .problem import Task
    >>> chain = Problem((Task((0,), (1,)), Task((1,), (2,))), (4, 8, 8), (0, 1, 2), frozenset({0}), (2,))
    >>> plan(chain, 20)
    (('run', 0), ('run', 1), ('drop', 1))
    """
    core = reduce_problem(problem)
    found = list(candidates(core, budget - core.base))
    return expand(core, min(found, key=lambda runs: sweep(core, runs).cost)) if found else None


def candidates(core: Core, budget: int) -> Iterator[list[int]]:
    """Run sequences within the budget (bytes, without the base).

    Every policy on the graph order, then the policies (for large problems: the best two) on the other orders;
    beyond 300 tasks only the three policies that weigh costs, on the graph order.
    """
    for order in orders(core):
        if sweep(core, order).peak <= budget:
            yield order
            return  # every task once: nothing is cheaper
    large = len(core.ins) > 300
    ranked: list[tuple[float, int, str]] = []
    for rank, policy in enumerate(("distance", "stale", "cheap") if large else POLICIES):
        runs = evict(core, core.order, budget, policy)
        ranked.append((math.inf if runs is None else sweep(core, runs).cost, rank, policy))
        if runs is not None:
            yield runs
    ranked.sort()
    chosen = ranked if len(core.ins) <= 100 else ranked[:2]
    for order in () if large else orders(core)[1:]:
        for _, _, policy in chosen:
            runs = evict(core, order, budget, policy)
            if runs is not None:
                yield runs


def orders(core: Core) -> list[list[int]]:
    """The distinct topological orders worth trying, the graph's first."""
    found: list[list[int]] = []
    for order in (core.order, lean_order(core), late_order(core)):
        if order not in found:
            found.append(order)
    return found


def lean_order(core: Core) -> list[int]:
    """A topological order that always runs the ready task which leaves the fewest bytes; ties in graph order."""
    waiting = [len({core.maker[b] for b in blocks}) for blocks in core.ins]
    left = [len(readers) + (b in core.final) for b, readers in enumerate(core.readers)]
    ready = [t for t in core.order if waiting[t] == 0]
    order: list[int] = []
    while ready:
        task = min(ready, key=lambda t: (_growth(core, t, left), t))
        ready.remove(task)
        order.append(task)
        for b in core.ins[task]:
            left[b] -= 1
        followers = {r for b in core.outs[task] for r in core.readers[b]}
        for reader in sorted(followers):
            waiting[reader] -= 1
            if waiting[reader] == 0:
                ready.append(reader)
    return order


def _growth(core: Core, task: int, left: list[int]) -> int:
    """Bytes alive after the task minus bytes alive before it."""
    made = sum(core.sizes[b] for b in core.outs[task] if left[b])
    return made - sum(core.sizes[b] for b in core.ins[task] if left[b] == 1)


def late_order(core: Core) -> list[int]:
    """A topological order that runs a task just before the first task, in graph order, that cannot do without it.

    Only tasks nobody reads are taken in graph order; a long forward part stays as it is.
    """
    done = [False] * len(core.ins)
    order: list[int] = []
    ends = [t for t in core.order if any(b in core.final for b in core.outs[t])]
    for end in ends:
        stack = [end]
        while stack:
            task = stack[-1]
            waits = sorted({core.maker[b] for b in core.ins[task] if not done[core.maker[b]]})
            if done[task]:
                stack.pop()
            elif waits:
                stack.append(waits[-1])
            else:
                done[task] = True
                order.append(task)
                stack.pop()
    return order


def evict(core: Core, order: list[int], budget: int, policy: str = "distance") -> list[int] | None:
    """Runs of the tasks in `order` with recomputation, within the budget (bytes, without the base), or None.

    Gives up after 12 runs per task: near the least feasible budget recomputation can explode.
    """
    pool = _Pool(core, order, budget, policy)
    for position, task in enumerate(order):
        pool.now = position
        if any(not pool.live[b] for b in core.outs[task]) and not pool.make(task):
            return None
    for b in core.final:
        pool.now = len(order)
        if not pool.live[b] and not pool.make(core.maker[b], pinned=core.final):
            return None
    if not all(pool.live[b] for b in core.final):
        return None
    found = sweep(core, pool.runs)
    return found.runs if found.peak <= budget else None


class _Pool:
    """Live blocks while a greedy planner walks an order."""

    def __init__(self, core: Core, order: list[int], budget: int, policy: str) -> None:
        self.core, self.budget = core, budget
        self.live = [False] * len(core.sizes)
        self.heavy: set[int] = set()  # live blocks that take bytes
        self.held = 0
        self.now = 0
        self.clock = 0
        self.touched = [0] * len(core.sizes)
        self.runs: list[int] = []
        self.limit = 12 * len(order) + 100
        at = {task: position for position, task in enumerate(order)}
        ends = set(core.final)
        self.uses = [
            sorted(at[r] for r in readers) + ([len(order)] if b in ends else [])
            for b, readers in enumerate(core.readers)
        ]
        self.cursor = [0] * len(core.sizes)
        self.score: Callable[[int, float], float] = getattr(self, f"_{policy}")

    def make(self, task: int, pinned: tuple[int, ...] = ()) -> bool:
        """Run the task, first making what it reads; False when memory or patience is exhausted.

        pinned: blocks to spare as long as anything else can go.
        """
        core = self.core
        stack = [task]
        while stack:
            task = stack[-1]
            missing = [b for b in core.ins[task] if not self.live[b]]
            if missing:
                if len(stack) > len(core.ins):
                    return False  # evicting each other's inputs in a circle
                dearest = max(missing, key=lambda b: (self.remake(b), b)) if len(missing) > 1 else missing[0]
                stack.append(core.maker[dearest])
                continue
            if len(self.runs) >= self.limit:
                return False
            waiting = {b for waiter in stack[:-1] for b in core.ins[waiter]}.union(pinned)
            if not self._make_room(task, waiting):
                return False
            self._run(task)
            stack.pop()
        return True

    def _run(self, task: int) -> None:
        self.clock += 1
        self.runs.append(task)
        for b in self.core.outs[task]:
            if not self.live[b]:
                self.live[b] = True
                self.held += self.core.sizes[b]
                if self.core.sizes[b]:
                    self.heavy.add(b)
        for b in (*self.core.ins[task], *self.core.outs[task]):
            self.touched[b] = self.clock

    def _make_room(self, task: int, waiting: set[int]) -> bool:
        """Drop blocks by score until the task fits; blocks a waiting task has ready go last."""
        core = self.core
        for b in core.outs[task]:  # a second copy would be thrown away
            if self.live[b]:
                self._drop(b)
        excess = self.held + core.load[task] - self.budget
        if excess <= 0:
            return True
        needed = set(core.ins[task])
        free = sorted(self.heavy - needed)
        for spare in (waiting, set()):
            pool = [b for b in free if self.live[b] and b not in spare]
            while excess > 0 and pool:
                victim = self._victim(pool)
                pool.remove(victim)
                self._drop(victim)
                excess -= core.sizes[victim]
        return excess <= 0

    def _victim(self, pool: list[int]) -> int:
        """The block of the least score, the first of equal ones; a score is computed only as far as it may win."""
        best, victim = math.inf, pool[0]
        for b in pool:
            score = self.score(b, best)
            if score < best:
                best, victim = score, b
        return victim

    def _drop(self, b: int) -> None:
        self.live[b] = False
        self.heavy.discard(b)
        self.held -= self.core.sizes[b]

    def remake(self, b: int, limit: float = math.inf) -> float:
        """Cost of making the block again: its maker, and the makers of the dead blocks it would need.

        Given up as soon as it reaches the limit.
        """
        ins, maker, cost, live = self.core.ins, self.core.maker, self.core.cost, self.live
        stack = [maker[b]]
        seen = {maker[b]}
        total = 0.0
        while stack:
            task = stack.pop()
            total += cost[task]
            if total >= limit:
                break
            for x in ins[task]:
                if not live[x] and maker[x] not in seen:
                    seen.add(maker[x])
                    stack.append(maker[x])
        return total

    def distance(self, b: int) -> float:
        """Tasks of the order until the block is read next; infinite if never."""
        uses, cursor = self.uses[b], self.cursor[b]
        while cursor < len(uses) and uses[cursor] < self.now:
            cursor += 1
        self.cursor[b] = cursor
        return uses[cursor] - self.now + 1.0 if cursor < len(uses) else math.inf

    def _stale(self, b: int, best: float) -> float:
        if math.isinf(self.distance(b)):
            return -1.0
        weight = self.core.sizes[b] * (self.clock - self.touched[b] + 1)
        return self.remake(b, best * weight) / weight

    def _distance(self, b: int, best: float) -> float:
        weight = self.core.sizes[b] * self.distance(b)
        return self.remake(b, best * weight) / weight if math.isfinite(weight) else 0.0

    def _belady(self, b: int, best: float) -> float:
        return 1.0 / self.distance(b)

    def _lru(self, b: int, best: float) -> float:
        return 1.0 / (self.clock - self.touched[b] + 1.0)

    def _cheap(self, b: int, best: float) -> float:
        if math.isinf(self.distance(b)):
            return -1.0
        size = self.core.sizes[b]
        return self.remake(b, best * size) / size
