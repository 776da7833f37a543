"""The door to the planners: the best schedule within a budget, the least budget, and the curve between.

`best` tries, in this order: the graph as it is and two other orders (nothing to recompute: optimal); the interval
tables when the problem is a chain; every greedy policy; repair; then local search on the best few; then exact
search, which either improves the answer or proves it. Everything is counted in work, nothing is timed, and every
random choice has a fixed seed, so planning twice gives the same steps.

Running example: x -> a -> b -> c with a, b and c of 8 bytes and c wanted: 16 bytes are the least, and they suffice
without recomputation, so `best` answers with planner "order" and `proven`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from . import chain, exact, greedy, improve
from .problem import BudgetError, Outcome, Problem, Steps, simulate
from .sequence import Core, Sweep, expand, footprint, reduce_problem, sweep

__all__ = ["EFFORTS", "Effort", "Least", "Planned", "Point", "Trial", "attempt", "best", "curve", "minimum", "trial"]


_PROVABLE = 80  # tasks; beyond, exact search proves nothing within its limit


@dataclass(frozen=True)
class Effort:
    """How much to spend.

    search: runs local search may look at (about 2 million per second).   proof: work of exact search (about a million
    per second).   solver: deterministic seconds for the CP-SAT solver, if it is installed; 0 leaves it out.
    """

    search: int
    proof: int
    solver: float = 0.0


EFFORTS = {
    "quick": Effort(100_000, 150_000),
    "normal": Effort(2_000_000, 2_000_000),
    "high": Effort(20_000_000, 6_000_000),
    "solver": Effort(20_000_000, 6_000_000, 20.0),
}


@dataclass(frozen=True)
class Planned:
    """A schedule, validated, and how good it is.

    bound: no schedule within the budget costs less.   planner: who found it.   reason: one sentence for the user.
    """

    steps: Steps
    outcome: Outcome
    bound: float
    planner: str
    reason: str

    @property
    def proven(self) -> bool:
        """Whether no schedule within the budget is cheaper."""
        return self.outcome.cost <= self.bound

    @property
    def gap(self) -> float:
        """Cost over the bound, minus 1: at most this fraction could still be saved."""
        return 0.0 if self.proven else self.outcome.cost / self.bound - 1.0 if self.bound else float("inf")


@dataclass(frozen=True)
class Least:
    """The least budget in bytes for which a schedule is known, that schedule, and the task that binds.

    proven: no schedule gets by with less.   bound: bytes below which none exists.
    """

    budget: int
    proven: bool
    bound: int
    task: int
    steps: Steps


@dataclass(frozen=True)
class Point:
    """One point of a curve: a budget in bytes and the plan for it."""

    budget: int
    planned: Planned


@dataclass(frozen=True)
class Trial:
    """A sequence within the budget, what it costs and who found it."""

    cost: float
    planner: str
    runs: list[int]


def best(problem: Problem, budget: int, effort: str | Effort = "normal") -> Planned:
    """The cheapest schedule found within the budget in bytes, validated.

    effort: "quick", "normal", "high", "solver" or an Effort.
    Raises: BudgetError, with the least sufficient bytes and the binding task, if none is found.

    >>> from .problem import Task
    >>> line = Problem((Task((0,), (1,)), Task((1,), (2,)), Task((2,), (3,))), (0, 8, 8, 8), (0, 1, 2, 3),
    ...                frozenset({0}), (3,))
    >>> plan = best(line, 16)
    >>> plan.outcome.cost, plan.planner, plan.proven
    (3.0, 'order', True)
    """
    effort = EFFORTS[effort] if isinstance(effort, str) else effort
    return _best(reduce_problem(problem), budget, effort, ())


def minimum(problem: Problem, effort: str | Effort = "normal") -> Least:
    """The least budget for which a schedule is known, in bytes, and whether it is proven to be the least."""
    effort = EFFORTS[effort] if isinstance(effort, str) else effort
    return _minimum(reduce_problem(problem), effort)


def curve(problem: Problem, points: int = 12, effort: str | Effort = "quick") -> tuple[Point, ...]:
    """Plans for budgets from the least to the plain peak; a larger budget never costs more.

    points: how many budgets, evenly spaced.   Each plan is the best of all planned at its budget or below.
    """
    effort = EFFORTS[effort] if isinstance(effort, str) else effort
    core = reduce_problem(problem)
    least = _minimum(core, effort)
    top = max(least.budget, core.base + min(sweep(core, order).peak for order in greedy.orders(core)))
    count = max(1, points - 1)
    budgets = sorted({least.budget + (top - least.budget) * i // count for i in range(count + 1)})
    tables = chain.frontier(core)
    found: list[Point] = []
    known: list[Trial] = [trial(core, "least", [core.names.index(t) for t in _runs(least.steps, core)])]
    for budget in budgets:
        ready = [s for s in tables if s.peak + core.base <= budget]
        starts = [*known, *(Trial(s.cost, "chain", s.runs) for s in ready[-1:])]
        planned = _best(core, budget, effort, starts)
        if found and found[-1].planned.outcome.cost < planned.outcome.cost:
            planned = found[-1].planned
        known = [trial(core, planned.planner, [core.names.index(t) for t in _runs(planned.steps, core)])]
        found.append(Point(budget, planned))
    return tuple(found)


def _runs(steps: Steps, core: Core) -> list[int]:
    views = core.problem.views
    return [index for kind, index in steps if kind == "run" and index not in views]


def trial(core: Core, planner: str, runs: list[int]) -> Trial:
    """A sequence and what it costs."""
    return Trial(sweep(core, runs).cost, planner, runs)


def _best(core: Core, budget: int, effort: Effort, starts: Sequence[Trial]) -> Planned:
    free = budget - core.base
    for number, order in enumerate(greedy.orders(core)):
        if sweep(core, order).peak <= free:
            way = "in graph order" if number == 0 else "in an order that frees memory sooner"
            reason = f"every task runs once {way} and fits; nothing is recomputed"
            return _planned(core, trial(core, "order", order), core.least_cost, reason)
    if _floor(core) > free:
        raise _refuse(core, budget, effort)
    found = attempt(core, free, effort, starts)
    if found is None:
        least = _minimum(core, effort)
        if least.budget > budget:
            raise _refusal(core, budget, least)
        lean = trial(core, "least", [core.names.index(t) for t in _runs(least.steps, core)])
        found = attempt(core, free, effort, [lean])
        assert found is not None, "the leanest schedule fits"
    chosen, bound = found
    return _planned(core, chosen, bound, _reason(core, chosen, bound))


def attempt(
    core: Core, free: int, effort: Effort, starts: Sequence[Trial], tables: bool = True
) -> tuple[Trial, float] | None:
    """The best sequence within a number of bytes (without the base) that is found, and a bound on the cost of any.

    starts: sequences within it that are known already. tables: whether to ask the interval tables of a chain.
    """
    found = [Trial(s.cost, "chain", s.runs) for s in chain.candidates(core, free)[:2]] if tables else []
    thorough = not starts and effort.search > EFFORTS["quick"].search
    trials = [*starts, *found, *_candidates(core, free, many=thorough)]
    if not trials:
        return None
    trials.sort(key=lambda trial: trial.cost)
    chosen = _polish(core, free, effort, trials)
    if effort.proof and len(core.ins) <= _PROVABLE and chosen.cost > core.least_cost * (1 + 1e-12):
        return _prove(core, free, effort, chosen)
    return chosen, core.least_cost


def _candidates(core: Core, free: int, many: bool) -> list[Trial]:
    """Sequences within the budget from the planners that serve every graph. many: repair in several ways."""
    found = [trial(core, "greedy", runs) for runs in greedy.candidates(core, free)]
    if found and len(core.ins) > 300:
        return found
    for order in greedy.orders(core):
        for seed in (None, 1, 2) if many and len(core.ins) <= 150 else (None,):
            runs = improve.repair(core, order, free, seed)
            if runs is not None:
                found.append(trial(core, "repair", runs))
    return found


def _polish(core: Core, free: int, effort: Effort, trials: Sequence[Trial]) -> Trial:
    """Local search from the best few starts of different planners; the first gets half of the work."""
    starts: list[Trial] = []
    for trial in trials:
        if len(starts) < 3 and all(trial.planner != s.planner or trial.cost > s.cost for s in starts):
            starts.append(trial)
    chosen = trials[0]
    for rank, start in enumerate(starts):
        share = effort.search // 2 if rank == 0 else effort.search // (2 * (len(starts) - 1))
        swept = improve.improve(core, start.runs, free, share, seed=rank)
        if swept.cost < chosen.cost:
            chosen = Trial(swept.cost, f"{start.planner} + search", swept.runs)
    if effort.solver:
        from . import solver

        runs = solver.refine(core, chosen.runs, free, effort.solver)
        if runs is not None and sweep(core, runs).cost < chosen.cost:
            chosen = trial(core, "solver", runs)
    return chosen


def _prove(core: Core, free: int, effort: Effort, chosen: Trial) -> tuple[Trial, float]:
    """Exact search below the cost at hand: a cheaper sequence, or the proof that there is none, or neither."""
    found = exact.search(core, free, effort.proof, ceiling=chosen.cost)
    if found.runs is not None:
        better = trial(core, "exact", found.runs)
        return better, better.cost
    if found.complete:
        return chosen, chosen.cost
    return chosen, max(core.least_cost, found.bound)


def _planned(core: Core, chosen: Trial, bound: float, reason: str) -> Planned:
    steps = expand(core, chosen.runs)
    outcome = simulate(core.problem, steps)
    views = outcome.cost - chosen.cost  # views are all but free, and counted at last
    return Planned(steps, outcome, bound + views, chosen.planner, reason)


def _reason(core: Core, chosen: Trial, bound: float) -> str:
    again = len(chosen.runs) - len(core.ins)
    extra = chosen.cost / core.least_cost - 1.0 if core.least_cost else 0.0
    text = f"{chosen.planner} recomputes {again} tasks for {extra:.1%} more cost"
    if chosen.cost <= bound:
        return f"{text}, which is proven to be the least"
    return f"{text}; at most {chosen.cost / bound - 1.0:.1%} could still be saved"


def _floor(core: Core) -> int:
    """Bytes (without the base) below which no schedule exists: the largest single run, or what must live at the end."""
    ends = sum(core.sizes[b] for b in core.final) + core.end_scratch
    return max([ends, *(footprint(core, t) for t in core.order)])


def _minimum(core: Core, effort: Effort) -> Least:
    floor = _floor(core)
    pool = [sweep(core, order) for order in greedy.orders(core)]
    pool += chain.frontier(core)[:1]
    lean = min(pool, key=lambda swept: (swept.peak, swept.cost))
    for start in sorted(pool, key=lambda swept: (swept.peak, swept.cost))[:3]:
        if lean.peak > floor:
            lean = min(lean, improve.squeeze(core, start.runs, effort.search // 4, floor), key=lambda s: s.peak)
    lean = _greedy_least(core, lean.peak, floor) or lean
    proven = lean.peak <= floor
    bound = floor
    if not proven and len(core.ins) <= _PROVABLE:
        peak, runs, proven = exact.least_peak(core, floor, lean.peak, effort.proof)
        lean = lean if runs is None else sweep(core, runs)
        assert lean.peak <= peak, "the exact search knows the peak of its own answer"
        bound = peak if proven else floor
    steps = expand(core, lean.runs)
    outcome = simulate(core.problem, steps)
    return Least(outcome.peak, proven, bound + core.base, outcome.task, steps)


def _greedy_least(core: Core, peak: int, floor: int) -> Sweep | None:
    """A sequence of less peak by bisection on the budget of the greedy policies, or None."""
    found = None
    low, high = floor, peak - 1
    for _ in range(12):
        if low > high:
            break
        middle = (low + high) // 2
        runs = greedy.evict(core, core.order, middle, "stale") or greedy.evict(core, core.order, middle, "cheap")
        if runs is None:
            low = middle + 1
        else:
            found = sweep(core, runs)
            high = found.peak - 1
    return found


def _refuse(core: Core, budget: int, effort: Effort) -> BudgetError:
    return _refusal(core, budget, _minimum(core, effort))


def _refusal(core: Core, budget: int, least: Least) -> BudgetError:
    exactly = "the exact minimum" if least.proven else f"the least known; below {least.bound} none exists"
    return BudgetError(
        f"no schedule fits in {budget} bytes\n"
        f"  {least.budget} bytes are needed ({exactly}); task {least.task} binds there\n"
        f"  ask for at least {least.budget} bytes, or make task {least.task} smaller",
        minimum=least.budget,
        proven=least.proven,
        task=least.task,
    )
