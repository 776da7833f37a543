"""The rematerialisation problem, its schedules, and the validator that trusts no planner.

A problem is a straight-line program: tasks in a valid order, each reading and writing values; a value occupies a
storage of so many bytes. A schedule is a tuple of steps, `("run", task)` or `("drop", value)`. The rules, all of
which `simulate` enforces:

- A task runs only when all its inputs are live. It then makes live every output of it that is dead. An output
  that is still live is made a second time in a fresh buffer and thrown away: its bytes count twice during the run.
- A storage occupies its bytes while any of its values is live. A view is a task whose outputs all share the
  storage of an input: it allocates nothing, needs its base live to run, and keeps the storage occupied while it lives.
- A storage is one buffer: its producer may run again only when every value in it is dead, or when the producer's own
  output in it is live (and is kept).
- During a run the inputs, the outputs, the scratch and everything else live count. The peak is the largest such sum.
- Given values are live from the start to the end; nothing may drop them.
- At the end exactly the given and the wanted values are live: what else lives is a leak.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from adcore.extend import BudgetError as TooLittle
from adcore.extend import PlanError

__all__ = [
    "BudgetError",
    "Outcome",
    "Problem",
    "ProblemError",
    "ScheduleError",
    "Step",
    "Steps",
    "Task",
    "plain",
    "simulate",
]

Step = tuple[Literal["run", "drop"], int]
Steps = tuple[Step, ...]


class ProblemError(PlanError):
    """A problem that contradicts itself: a value made twice, an input nobody makes, a half view."""


class ScheduleError(PlanError):
    """A step that may not be taken where it stands; `step` is its index in the schedule."""

    def __init__(self, message: str, step: int) -> None:
        super().__init__(message)
        self.step = step


class BudgetError(TooLittle):
    """No schedule is known within the budget.

    minimum: bytes that suffice.   proven: True if fewer bytes than `minimum` cannot.   task: the one that binds there.
    """

    def __init__(self, message: str, *, minimum: int, proven: bool, task: int) -> None:
        super().__init__(message)
        self.minimum, self.proven, self.task = minimum, proven, task


@dataclass(frozen=True)
class Task:
    """One application of an op: values read, values written, cost (any unit), scratch in bytes during the run."""

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    cost: float = 1.0
    scratch: int = 0


@dataclass(frozen=True)
class Problem:
    """Tasks in a valid order, the bytes of each storage, the storage of each value, what is given and wanted.

    sizes: bytes per storage.   storage: storage per value (a view shares its base's).   given: values live from the
    start to the end, whose bytes always count.   wanted: values that must be live at the end.

    >>> chain = Problem((Task((0,), (1,)), Task((1,), (2,))), (8, 8, 8), (0, 1, 2), frozenset({0}), (2,))
    >>> chain.producer[2], chain.is_view(1)
    (1, False)
    """

    tasks: tuple[Task, ...]
    sizes: tuple[int, ...]
    storage: tuple[int, ...]
    given: frozenset[int]
    wanted: tuple[int, ...]
    producer: dict[int, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        made: dict[int, int] = {}
        live = set(self.given)
        for value in (*self.given, *self.wanted, *(v for t in self.tasks for v in (*t.inputs, *t.outputs))):
            if not 0 <= value < len(self.storage):
                raise ProblemError(
                    f"value {value} has no storage\n  the problem names {len(self.storage)} values, 0 to "
                    f"{len(self.storage) - 1}\n  give every value an entry in `storage`"
                )
        for index, task in enumerate(self.tasks):
            for value in task.inputs:
                if value not in live:
                    raise ProblemError(
                        f"value {value} is read before it is made\n  by task {index}\n"
                        "  put the tasks in a valid order, or list the value as given"
                    )
            shared = [self.storage[v] in {self.storage[x] for x in task.inputs} for v in task.outputs]
            if any(shared) and not all(shared):
                raise ProblemError(
                    f"task {index} makes a view and a fresh value at once\n  its outputs are {task.outputs}\n"
                    "  split it in two tasks, or give the view a storage of its own"
                )
            for value in task.outputs:
                if value in live:
                    raise ProblemError(
                        f"value {value} is made twice\n  again by task {index}\n"
                        "  a value has one producer, or is given and has none"
                    )
                live.add(value)
                made[value] = index
            self._reject_shared_buffers(index, task, made, all(shared))
        for value in self.wanted:
            if value not in live:
                raise ProblemError(
                    f"value {value} is wanted but never made\n  by any of {len(self.tasks)} tasks\n"
                    "  add its producer, or list it as given"
                )
        object.__setattr__(self, "producer", made)

    def _reject_shared_buffers(self, index: int, task: Task, made: dict[int, int], view: bool) -> None:
        fresh = {self.storage[v] for v in task.outputs}
        taken = {self.storage[v] for v in self.given} | {self.storage[v] for v, t in made.items() if t != index}
        if not view and (fresh & taken or len(fresh) < len(task.outputs)):
            raise ProblemError(
                f"task {index} writes into a storage that has another producer\n  its outputs are {task.outputs}\n"
                "  only a view shares a storage, and it must read a value of that storage"
            )

    def is_view(self, task: int) -> bool:
        """Whether the task allocates nothing because its outputs share the storage of an input."""
        return task in self.views

    @cached_property
    def views(self) -> frozenset[int]:
        """Tasks whose outputs share the storage of an input."""
        return frozenset(
            index
            for index, task in enumerate(self.tasks)
            if task.outputs and self.storage[task.outputs[0]] in {self.storage[v] for v in task.inputs}
        )

    @cached_property
    def base_bytes(self) -> int:
        """Bytes of the given values: what is occupied before the first step, in bytes."""
        return sum(self.sizes[s] for s in {self.storage[v] for v in self.given})

    @cached_property
    def needed(self) -> tuple[int, ...]:
        """Tasks some wanted value depends on, in order: the only ones a schedule has to run."""
        keep: set[int] = set()
        alive = set(self.wanted)
        for index in range(len(self.tasks) - 1, -1, -1):
            if alive.intersection(self.tasks[index].outputs):
                keep.add(index)
                alive.update(self.tasks[index].inputs)
        return tuple(sorted(keep))


@dataclass(frozen=True)
class Outcome:
    """What a schedule does: peak in bytes, cost, number of runs, where the peak is, and runs per task.

    step, task: the run at which the peak is reached first (-1 and -1 for a schedule without runs).
    """

    peak: int
    cost: float
    runs: int
    step: int
    task: int
    counts: tuple[int, ...] = field(repr=False)

    @property
    def recomputed(self) -> int:
        """Runs beyond the first of each task."""
        return self.runs - sum(1 for count in self.counts if count)


class _Ledger:
    """Live values and occupied bytes, step by step."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.live = set(problem.given)
        self.holders: dict[int, int] = {}
        self.dropped: dict[int, int] = {}
        self.bytes = 0
        for value in problem.given:
            self.hold(value)

    def hold(self, value: int) -> None:
        storage = self.problem.storage[value]
        self.holders[storage] = self.holders.get(storage, 0) + 1
        if self.holders[storage] == 1:
            self.bytes += self.problem.sizes[storage]
        self.live.add(value)

    def release(self, value: int) -> None:
        storage = self.problem.storage[value]
        self.holders[storage] -= 1
        if self.holders[storage] == 0:
            self.bytes -= self.problem.sizes[storage]
        self.live.remove(value)

    def run(self, index: int, step: int) -> int:
        """Bytes occupied during the run."""
        problem = self.problem
        task = problem.tasks[index]
        for value in task.inputs:
            if value not in self.live:
                past = f"was dropped at step {self.dropped[value]}" if value in self.dropped else "was never made"
                raise ScheduleError(
                    f"step {step} runs task {index}, which reads value {value}, and that is not live\n"
                    f"  value {value} {past}\n  run its producer, task {problem.producer[value]}, before step {step}",
                    step,
                )
        dead = [value for value in task.outputs if value not in self.live]
        if not dead:
            raise ScheduleError(
                f"step {step} runs task {index} for nothing: all its outputs {task.outputs} are live\n"
                f"  they were made before step {step}\n  remove the step, or drop the outputs first",
                step,
            )
        twice = 0
        if not problem.is_view(index):
            for value in dead:
                storage = problem.storage[value]
                if self.holders.get(storage, 0):
                    views = sorted(v for v in self.live if problem.storage[v] == storage)
                    raise ScheduleError(
                        f"step {step} makes value {value} again while views {views} of it are live\n"
                        f"  they occupy storage {storage}, which is one buffer\n"
                        f"  keep value {value} (it costs no bytes) or drop its views first",
                        step,
                    )
            twice = sum(problem.sizes[problem.storage[v]] for v in task.outputs if v in self.live)
        for value in dead:
            self.hold(value)
        return self.bytes + twice + task.scratch

    def drop(self, value: int, step: int) -> None:
        if value in self.problem.given:
            raise ScheduleError(
                f"step {step} drops value {value}, which is given\n  given values stay to the end\n  remove the step",
                step,
            )
        if value not in self.live:
            past = f"it was dropped at step {self.dropped[value]}" if value in self.dropped else "it was never made"
            raise ScheduleError(
                f"step {step} drops value {value}, which is not live\n  {past}\n  remove the step", step
            )
        self.release(value)
        self.dropped[value] = step


def simulate(problem: Problem, steps: Iterable[Step]) -> Outcome:
    """What the schedule costs and occupies, after checking that every step of it is legal.

    Returns: an Outcome; its peak includes the given values, in bytes.
    Raises: ScheduleError at the first illegal step, at a missing wanted value and at a value left over.

    >>> two = Problem((Task((0,), (1,)), Task((1,), (2,))), (8, 8, 8), (0, 1, 2), frozenset({0}), (2,))
    >>> simulate(two, [("run", 0), ("run", 1), ("drop", 1)])
    Outcome(peak=24, cost=2.0, runs=2, step=1, task=1)
    """
    ledger = _Ledger(problem)
    peak, where, which, cost = ledger.bytes, -1, -1, 0.0
    counts = [0] * len(problem.tasks)
    step = -1
    for step, (kind, index) in enumerate(steps):
        if kind == "run" and 0 <= index < len(problem.tasks):
            occupied = ledger.run(index, step)
            counts[index] += 1
            cost += problem.tasks[index].cost
            if occupied > peak or which < 0:
                peak, where, which = max(peak, occupied), step, index
        elif kind == "drop" and 0 <= index < len(problem.storage):
            ledger.drop(index, step)
        else:
            raise ScheduleError(
                f"step {step} is {(kind, index)!r}, which names nothing\n  the problem has {len(problem.tasks)} tasks "
                f'and {len(problem.storage)} values\n  a step is ("run", task) or ("drop", value)',
                step,
            )
    missing = sorted(set(problem.wanted) - ledger.live)
    if missing:
        raise ScheduleError(
            f"the schedule ends without the wanted values {missing}\n  after {step + 1} steps\n"
            "  run their producers, and do not drop them afterwards",
            step + 1,
        )
    left = sorted(ledger.live - problem.given - set(problem.wanted))
    if left:
        raise ScheduleError(
            f"the schedule ends with values {left} still live\n  after {step + 1} steps\n"
            "  drop each after its last use",
            step + 1,
        )
    return Outcome(peak, cost, sum(counts), where, which, tuple(counts))


def plain(problem: Problem) -> Steps:
    """The reference schedule: the needed tasks once each in graph order, every value dropped at its last use.

    >>> two = Problem((Task((0,), (1,)), Task((1,), (2,))), (8, 8, 8), (0, 1, 2), frozenset({0}), (2,))
    >>> plain(two)
    (('run', 0), ('run', 1), ('drop', 1))
    """
    return tuple(_plain(problem))


def _plain(problem: Problem) -> Iterator[Step]:
    last: dict[int, int] = {}
    for index in problem.needed:
        task = problem.tasks[index]
        for value in (*task.outputs, *task.inputs):
            last[value] = index
    keep = problem.given | set(problem.wanted)
    for index in problem.needed:
        yield "run", index
        task = problem.tasks[index]
        for value in dict.fromkeys((*task.inputs, *task.outputs)):
            if last[value] == index and value not in keep:
                yield "drop", value
