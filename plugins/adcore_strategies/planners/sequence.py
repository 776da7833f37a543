"""Run sequences: the form in which every planner here thinks.

A schedule is determined, up to useless residency, by the sequence of its runs alone: a storage made at one run is
best kept exactly until its last use before the next run of its producer, and dropped there. (If a task runs again
anyway, its outputs need not be carried from the run before to any later use.) So a planner chooses a list of tasks
with repetitions, `sweep` computes its memory by one backward liveness pass, and `expand` writes the steps.

`reduce_problem` removes what planners need not see. A view costs nothing to keep while its base lives, so views
vanish: whoever reads a view reads the storages the view needs, and `expand` runs the view again where it is due.
Given storages are never dropped, so they vanish too, into a constant number of bytes. What is left is a `Core`:
blocks (storages) and tasks over them, both numbered from 0.

Running example: a chain x -> a -> b with x given, where the second task reads a.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .problem import Problem, Step, Steps

__all__ = ["Core", "Sweep", "expand", "fits", "footprint", "reduce_problem", "survivors", "sweep"]


@dataclass(frozen=True)
class Core:
    """A problem without views and given values.

    ins, outs: blocks read and made, per task.   cost: per task.   load: bytes of outputs and scratch, per task.
    sizes: bytes per block.   maker: the task that makes a block.   readers: tasks that read a block.
    final: blocks alive at the end.
    base: bytes of the given storages.   names: index of each task in the problem.   end_scratch: bytes the views
    among the wanted values need at the end.
    """

    problem: Problem
    ins: tuple[tuple[int, ...], ...]
    outs: tuple[tuple[int, ...], ...]
    cost: tuple[float, ...]
    load: tuple[int, ...]
    sizes: tuple[int, ...]
    maker: tuple[int, ...]
    readers: tuple[tuple[int, ...], ...]
    final: tuple[int, ...]
    base: int
    names: tuple[int, ...]
    end_scratch: int

    @property
    def least_cost(self) -> float:
        """Cost of running every task once: a lower bound on the cost of any schedule."""
        return sum(self.cost)

    @property
    def order(self) -> list[int]:
        """The graph order: every task once."""
        return list(range(len(self.ins)))


@dataclass(frozen=True)
class Sweep:
    """What a run sequence occupies: the runs that matter, bytes during each (without the base), their total cost."""

    runs: list[int]
    bytes: list[int]
    cost: float
    peak: int


def reduce_problem(problem: Problem) -> Core:
    """The core of a problem: its needed tasks that allocate, over its storages that are not given.

    >>> from .problem import Task
    >>> chain = Problem((Task((0,), (1,)), Task((1,), (2,))), (4, 8, 8), (0, 1, 2), frozenset({0}), (2,))
    >>> core = reduce_problem(chain)
    >>> core.ins, core.outs, core.base, core.final
    (((), (0,)), ((0,), (1,)), 4, (1,))
    """
    fixed = {problem.storage[v] for v in problem.given}
    names = [t for t in problem.needed if not problem.is_view(t)]
    made = [problem.storage[v] for t in names for v in problem.tasks[t].outputs]
    block = {storage: index for index, storage in enumerate(made)}

    reads: dict[int, tuple[frozenset[int], int]] = {}

    def closure(value: int) -> tuple[frozenset[int], int]:
        """Storages that must live for the value to be there or be viewed again, and the scratch of the views."""
        if value not in reads:
            own = frozenset({problem.storage[value]}) - fixed
            scratch = 0
            task = problem.producer.get(value, -1)
            if task >= 0 and problem.is_view(task):
                for other in problem.tasks[task].inputs:
                    more, inner = closure(other)
                    own, scratch = own | more, max(scratch, inner)
                scratch = max(scratch, problem.tasks[task].scratch)
            reads[value] = own, scratch
        return reads[value]

    for index in problem.needed:  # in order, so that the recursion stays shallow
        for value in problem.tasks[index].inputs:
            closure(value)
    ins, scratches = [], []
    for t in names:
        found = [closure(v) for v in problem.tasks[t].inputs]
        ins.append(tuple(sorted({block[s] for storages, _ in found for s in storages})))
        scratches.append(max([problem.tasks[t].scratch, *(scratch for _, scratch in found)]))
    ends = [closure(v) for v in problem.wanted]
    readers: list[list[int]] = [[] for _ in made]
    for index, blocks in enumerate(ins):
        for b in blocks:
            readers[b].append(index)
    maker = [0] * len(made)
    outs = [tuple(block[problem.storage[v]] for v in problem.tasks[t].outputs) for t in names]
    for index, blocks in enumerate(outs):
        for b in blocks:
            maker[b] = index
    return Core(
        problem=problem,
        ins=tuple(ins),
        outs=tuple(outs),
        cost=tuple(problem.tasks[t].cost for t in names),
        load=tuple(
            sum(problem.sizes[problem.storage[v]] for v in problem.tasks[t].outputs) + scratch
            for t, scratch in zip(names, scratches, strict=True)
        ),
        sizes=tuple(problem.sizes[s] for s in made),
        maker=tuple(maker),
        readers=tuple(tuple(r) for r in readers),
        final=tuple(sorted({block[s] for storages, _ in ends for s in storages})),
        base=problem.base_bytes,
        names=tuple(names),
        end_scratch=max([0, *(scratch for _, scratch in ends)]),
    )


def footprint(core: Core, task: int) -> int:
    """Bytes any run of the task occupies at least: inputs, outputs, scratch, without the base."""
    return sum(core.sizes[b] for b in core.ins[task]) + core.load[task]


def sweep(core: Core, runs: Sequence[int]) -> Sweep:
    """Liveness of a run sequence, backward; runs that make nothing anyone reads are left out.

    runs: tasks in execution order; each must find its inputs made before it.
    Returns: a Sweep over the runs that remain.
    Raises: AssertionError if a run reads a block that no earlier run makes.
    """
    ins, outs, sizes, load = core.ins, core.outs, core.sizes, core.load
    alive = bytearray(len(sizes))
    held = 0
    for b in core.final:
        alive[b] = 1
        held += sizes[b]
    peak = held + core.end_scratch
    kept: list[int] = []
    occupied: list[int] = []
    for task in reversed(runs):
        useful = False
        for b in outs[task]:
            if alive[b]:
                useful = True
                alive[b] = 0
                held -= sizes[b]
        if not useful:
            continue
        for b in ins[task]:
            if not alive[b]:
                alive[b] = 1
                held += sizes[b]
        # now `held` is what lives before the run: its inputs, and all that survives it and is not its output
        total = held + load[task]
        kept.append(task)
        occupied.append(total)
        if total > peak:
            peak = total
    assert not any(alive), "a run reads a block that no earlier run makes"
    kept.reverse()
    occupied.reverse()
    cost = core.cost
    return Sweep(kept, occupied, sum(cost[task] for task in kept), peak)


def fits(core: Core, runs: Sequence[int], budget: int) -> float | None:
    """Cost of the sequence if its peak (without the base) is within the budget in bytes, else None.

    The same pass as `sweep`, which stops at the first byte too many.
    """
    ins, outs, sizes, load, costs = core.ins, core.outs, core.sizes, core.load, core.cost
    alive = bytearray(len(sizes))
    held = 0
    for b in core.final:
        alive[b] = 1
        held += sizes[b]
    if held + core.end_scratch > budget:
        return None
    cost = 0.0
    for task in reversed(runs):
        useful = False
        for b in outs[task]:
            if alive[b]:
                useful = True
                alive[b] = 0
                held -= sizes[b]
        if not useful:
            continue
        for b in ins[task]:
            if not alive[b]:
                alive[b] = 1
                held += sizes[b]
        if held + load[task] > budget:
            return None
        cost += costs[task]
    return None if any(alive) else cost


def survivors(core: Core, runs: Sequence[int]) -> list[frozenset[int]]:
    """Blocks alive after each run of a swept sequence."""
    alive = set(core.final)
    after: list[frozenset[int]] = []
    for task in reversed(runs):
        after.append(frozenset(alive))
        alive.difference_update(core.outs[task])
        alive.update(core.ins[task])
    after.reverse()
    return after


def expand(core: Core, runs: Sequence[int]) -> Steps:
    """The schedule of a run sequence: views run where they are due, every value dropped when its block dies.

    Returns: steps that `simulate` accepts, with the peak that `sweep` found (plus the base).
    """
    problem = core.problem
    runs = sweep(core, runs).runs
    fixed = {problem.storage[v] for v in problem.given}
    made = [problem.storage[v] for t in core.names for v in problem.tasks[t].outputs]  # numbered as in the core
    blocks = {storage: b for b, storage in enumerate(made)}
    live: set[int] = set(problem.given)
    steps: list[Step] = []

    def ensure(value: int) -> None:
        if value in live:
            return
        task = problem.producer[value]
        assert problem.is_view(task), "a sweep keeps the base of every view that is read"
        for other in problem.tasks[task].inputs:
            ensure(other)
        steps.append(("run", task))
        live.update(problem.tasks[task].outputs)

    for task, after in zip(runs, survivors(core, runs), strict=True):
        entry = problem.tasks[core.names[task]]
        for value in entry.inputs:
            ensure(value)
        steps.append(("run", core.names[task]))
        live.update(entry.outputs)
        for value in sorted(live):
            storage = problem.storage[value]
            if storage not in fixed and blocks[storage] not in after:
                steps.append(("drop", value))
                live.remove(value)
    for value in problem.wanted:
        ensure(value)
    steps.extend(("drop", value) for value in sorted(live - problem.given - set(problem.wanted)))
    return tuple(steps)
