"""Optional improver: a CP-SAT interval model, started from a schedule at hand.

Source: Bartan, Li, Teague, Lott, Dilkina 2023, "Moccasin: efficient tensor rematerialization for neural networks":
integer variables for the start and the end of a bounded number of residency intervals per block, one cumulative
constraint for memory. Here tasks first run in the order of the hint and every task may run up to `copies` times in
all; time has a slot per task and gap, so that recomputations may be placed anywhere between first runs.

Slots: the first run of the i-th task of the order is at time i * (n + 1) + n, n tasks in all; a recomputation of task
k at time i * (n + 1) + k falls just before it. Two runs never share a time, and recomputations between two first
runs follow the order, which is a valid one.

Needs `ortools` (pip install adcore[plan]); `available()` says whether it is there, and `refine` returns None if not.
The search is sequential and stops at a deterministic time, so it gives the same answer on every run.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

from .problem import Problem, Steps
from .sequence import Core, expand, fits, reduce_problem, sweep

__all__ = ["available", "plan", "refine"]


def available() -> bool:
    """Whether ortools can be imported."""
    return importlib.util.find_spec("ortools") is not None


def plan(problem: Problem, budget: int, seconds: float = 20.0) -> Steps | None:
    """The schedule within the budget (bytes) that the solver makes of the best greedy one, or None."""
    from .greedy import candidates

    core = reduce_problem(problem)
    hints = list(candidates(core, budget - core.base))
    if not hints:
        return None
    hint = min(hints, key=lambda runs: sweep(core, runs).cost)
    return expand(core, refine(core, hint, budget - core.base, seconds) or hint)


def refine(core: Core, runs: Sequence[int], budget: int, seconds: float, copies: int = 2) -> list[int] | None:
    """A cheaper sequence within the budget (bytes, without the base), or None if none was found or ortools is absent.

    runs: a feasible sequence; its first runs fix the order.   seconds: deterministic time, not by the clock.
    copies: runs allowed per task; more where the hint has more.
    """
    if not available():
        return None
    from ortools.sat.python import cp_model

    runs = sweep(core, runs).runs
    model = _Model(core, runs, budget, copies, cp_model.CpModel())
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 0
    solver.parameters.max_deterministic_time = seconds
    status = solver.solve(model.model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    found = model.runs(solver)
    cost = fits(core, found, budget)
    return found if cost is not None and cost < sweep(core, runs).cost else None


class _Model:
    """Variables and constraints, and the way back from a solution to a sequence."""

    def __init__(self, core: Core, hint: list[int], budget: int, copies: int, model: Any) -> None:
        self.core, self.model = core, model
        self.order = list(dict.fromkeys(hint))
        self.rank = {task: i for i, task in enumerate(self.order)}
        self.count = len(self.order)
        self.horizon = (self.count + 1) * (self.count + 1)
        self.hints = self._times(hint)
        self.start: dict[tuple[int, int], Any] = {}
        self.active: dict[tuple[int, int], Any] = {}
        self.end: dict[tuple[int, int], Any] = {}  # (block, copy)
        for task in self.order:
            self._copies(task, max(copies, len(self.hints[task])))
        self._memory(budget)
        for task in self.order:
            for copy in range(self._number(task)):
                for block in core.ins[task]:
                    self._covered(block, self.start[task, copy], self.active[task, copy], (task, copy))
        for block in core.final:
            self._covered(block, self.horizon, 1, None)
        scale = _integer_costs(core)
        model.minimize(sum(scale[task] * active for (task, _), active in self.active.items()))

    def _number(self, task: int) -> int:
        return sum(1 for key in self.start if key[0] == task)

    def _times(self, hint: list[int]) -> dict[int, list[int]]:
        """Time of every run of the hint. Reruns between two first runs get the time of their task there."""
        times: dict[int, list[int]] = {task: [] for task in self.order}
        seen: set[int] = set()
        for task in hint:
            slot = len(seen) * (self.count + 1)
            if task in seen:
                times[task].append(slot + self.rank[task])
            else:
                times[task].append(slot + self.count)
                seen.add(task)
        return times

    def _copies(self, task: int, copies: int) -> None:
        """Runs of one task: the first at its time, the others optional, later, in increasing order."""
        model, rank, step = self.model, self.rank[task], self.count + 1
        times = self.hints[task]
        for copy in range(copies):
            if copy == 0:
                self.start[task, 0] = rank * step + self.count
                self.active[task, 0] = 1
            else:
                slot = model.new_int_var(rank + 1, self.count, f"slot {task} {copy}")
                self.start[task, copy] = slot * step + rank
                active = model.new_bool_var(f"active {task} {copy}")
                self.active[task, copy] = active
                used = copy < len(times)
                model.add_hint(active, used)
                model.add_hint(slot, times[copy] // step if used else self.count)
                if copy > 1:
                    model.add_implication(active, self.active[task, copy - 1])
                    model.add(self.start[task, copy] > self.start[task, copy - 1]).only_enforce_if(active)
            for block in self.core.outs[task]:
                end = model.new_int_var(0, self.horizon + 1, f"end {block} {copy}")
                self.end[block, copy] = end
                model.add(end > self.start[task, copy])
                if copy:  # the residency before ends before this one begins
                    model.add(self.end[block, copy - 1] <= self.start[task, copy]).only_enforce_if(active)

    def _memory(self, budget: int) -> None:
        """All residencies, and the scratch of every run, share the budget at every time."""
        model, core = self.model, self.core
        intervals, demands = [], []
        for (block, copy), end in self.end.items():
            task = core.maker[block]
            start, active = self.start[task, copy], self.active[task, copy]
            length = model.new_int_var(0, self.horizon + 1, f"length {block} {copy}")
            intervals.append(model.new_optional_interval_var(start, length, end, active, f"hold {block} {copy}"))
            demands.append(core.sizes[block])
        for (task, copy), start in self.start.items():
            scratch = core.load[task] - sum(core.sizes[b] for b in core.outs[task])
            if scratch:
                active = self.active[task, copy]
                intervals.append(model.new_optional_fixed_size_interval_var(start, 1, active, f"run {task} {copy}"))
                demands.append(scratch)
        model.add_cumulative(intervals, demands, budget)

    def _covered(self, block: int, time: Any, active: Any, key: tuple[int, int] | None) -> None:
        """If the run is active, some residency of the block holds at its time."""
        model, maker = self.model, self.core.maker[block]
        covers = []
        for copy in range(self._number(maker)):
            cover = model.new_bool_var(f"cover {block} {copy} {key}")
            covers.append(cover)
            model.add(self.start[maker, copy] < time).only_enforce_if(cover)
            model.add(self.end[block, copy] > time).only_enforce_if(cover)
            if copy:
                model.add_implication(cover, self.active[maker, copy])
        if key is None or key[1] == 0:
            model.add_bool_or(covers)
        else:
            model.add_bool_or(covers).only_enforce_if(active)

    def runs(self, solver: Any) -> list[int]:
        """The runs of the solution in order of time."""
        found = [
            (solver.value(start), task)
            for (task, copy), start in self.start.items()
            if copy == 0 or solver.value(self.active[task, copy])
        ]
        return [task for _, task in sorted(found)]


def _integer_costs(core: Core) -> list[int]:
    """Costs as integers, to a millionth of the largest."""
    largest = max(core.cost, default=1.0) or 1.0
    if all(float(c).is_integer() for c in core.cost) and sum(core.cost) < 2**40:
        return [int(c) for c in core.cost]
    return [round(c / largest * 1_000_000) for c in core.cost]
