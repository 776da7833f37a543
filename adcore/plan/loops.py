"""Loops that leave a trail and the loops that read it backwards, as a plan sees them.

A pair is a node F that leaves trails and the one node R that reads them all, in the opposite direction.
Such a pair may be run under a schedule: F goes on until Turn, R does the rest. Then R runs steps of F
again, so it reads F's other inputs (xs, trails, constants) besides its own, and it can read the trail
only once. The pieces of F's step that a schedule needs, by name:

    step     carries, ys, records        Tape, before Turn
    advance  carries, ys                 Advance, before Turn
    tape     carries, records            Tape, after Turn: ys are already there
    again    carries                     Advance, after Turn

What the schedule keeps lies in one range, the place of F's first trail: snapshots in slots from its
start, residuals of taped ranges from its end.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from adcore.errors import PlanError
from adcore.graph import Graph, Node, Value, numbering
from adcore.plan.actions import Back, Drop, Save, Tape
from adcore.plan.arena import Arena, padded
from adcore.plan.replay import ScheduleCost, Sizes, replay
from adcore.plan.schedule import Schedule, Whole
from adcore.registry import find_op
from adcore.transform.splice import pruned
from adcore.tree import LEAF, Tree
from adcore.types import Trail, Type

if TYPE_CHECKING:
    from adcore.plan.steps import Plan


@dataclass(frozen=True, slots=True)
class Loop:
    """How a node loops; an op with loops says it by its `loop`.

    step: the graph of one step, (carries, ...) -> (carries, ys, records).
    length: None if it is a value. reverse: from the last row to the first.
    carries, ys: how many inputs and outputs are carries, how many outputs are stacked.
    asks: whether it asks a condition before each step. Of unknown length, only such a loop can be led by a
    schedule; its number of steps is the output after the carries.
    """

    step: Graph
    length: int | None
    carries: int
    ys: int
    reverse: bool
    asks: bool = False


@dataclass(frozen=True)
class Pair:
    """A loop that leaves trails and the one that reads them: positions of the nodes, and the trails.

    reads: inputs of the forward node, carries apart, which the reverse node needs too.
    """

    forward: int
    back: int
    trails: tuple[Value, ...]
    reads: tuple[Value, ...]
    loop: Loop

    @cached_property
    def state(self) -> int:
        """Bytes of one snapshot."""
        return padded(sum(padded(v.type.nbytes, 16) for v in self.loop.step.outputs[: self.loop.carries]))

    @cached_property
    def record(self) -> tuple[Type, ...]:
        """The types of one step's residuals, of all trails."""
        return tuple(t for v in self.trails for t in v.type.record)  # type: ignore[union-attr]

    @property
    def record_bytes(self) -> int:
        """Bytes of one step's residuals."""
        return sum(t.nbytes for t in self.record)

    @cached_property
    def pieces(self) -> dict[str, Graph]:
        """The graphs of the four pieces of the step, by name; equal ones are one graph."""
        step, n = self.loop.step, self.loop.carries
        m = n + self.loop.ys
        advance = _part(step, step.outputs[:m])
        if not self.loop.ys:
            return {"step": step, "advance": advance, "tape": step, "again": advance}
        tape = _part(step, (*step.outputs[:n], *step.outputs[m:]))
        return {"step": step, "advance": advance, "tape": tape, "again": _part(step, step.outputs[:n])}


def _part(step: Graph, outputs: tuple[Value, ...]) -> Graph:
    """The step with these of its outputs, and no node that they do not need."""
    names = tuple(f"out{i}" for i in range(len(outputs)))
    tree = Tree("tuple", (), (LEAF,) * len(outputs))
    return pruned(replace(step, outputs=outputs, output_names=names, out_tree=tree))


def loop_of(node: Node) -> Loop | None:
    """How a node loops, or None."""
    op = find_op(node.op)
    return op.loop(tuple(v.type for v in node.inputs), node.params) if op.loop is not None else None


_pairs: WeakKeyDictionary[Graph, tuple[Pair, ...]] = WeakKeyDictionary()


def pairs(graph: Graph) -> tuple[Pair, ...]:
    """The pairs of a graph, in the order of their forward nodes."""
    if graph not in _pairs:
        _pairs[graph] = tuple(_find_pairs(graph))
    return _pairs[graph]


def _find_pairs(graph: Graph) -> list[Pair]:
    readers: dict[Value, list[int]] = {}
    for i, node in enumerate(graph.nodes):
        for v in node.inputs:
            if isinstance(v.type, Trail):
                readers.setdefault(v, []).append(i)
    found: list[Pair] = []
    taken: set[int] = set()  # a loop that reads one trail and leaves another is led by the first only
    for i, node in enumerate(graph.nodes):
        trails = tuple(v for v in node.outputs if isinstance(v.type, Trail))
        if not trails or len({tuple(readers.get(v, ())) for v in trails}) != 1 or len(readers.get(trails[0], ())) != 1:
            continue
        loop, (j,) = loop_of(node), readers[trails[0]]
        back = loop_of(graph.nodes[j])
        if loop and back and _may_pair(loop, back) and taken.isdisjoint((i, j)):
            taken.update((i, j))
            reads = tuple(v for v in node.inputs[loop.carries :])
            found.append(Pair(i, j, trails, reads, loop))
    return found


def _may_pair(forward: Loop, back: Loop) -> bool:
    known = forward.length is not None or forward.asks
    return known and back.length == forward.length and back.reverse != forward.reverse


def scheduled(plan: Plan) -> dict[int, Pair]:
    """The pairs that a plan runs under a schedule other than Whole, by the positions of both of their nodes.

    Raises PlanError when a schedule is given to what is no trail of a pair, or to some trails of a loop only.
    """
    chosen = {v: s for v, s in plan.trails.items() if not isinstance(s, Whole)}
    if not chosen:
        return {}
    number, found = numbering(plan.graph), {}
    for pair in pairs(plan.graph):
        mine = [number[v] for v in pair.trails]
        given = {chosen.pop(v, None) for v in mine}
        if given == {None}:
            continue
        if len(given) != 1:
            raise PlanError(
                f"the trails {mine} of one loop have different schedules", f"in graph {plan.graph.name}",
                "give all trails of a loop the same schedule",
            )  # fmt: skip
        found[pair.forward] = found[pair.back] = pair
    if chosen:
        raise PlanError(
            f"value {min(chosen)} has a schedule and is no trail that one loop leaves and another reads backwards",
            f"in graph {plan.graph.name}",
            "leave its schedule out: it is kept whole",
        )
    return found


# --- what a schedule keeps -----------------------------------------------------------------------


def tape_bytes(record: tuple[Type, ...], steps: int) -> int:
    """Bytes of the residuals of that many steps: one stacked buffer for each array of a record."""
    return sum(padded(steps * t.nbytes) for t in record)


class Places:
    """Where snapshots and residuals lie in the range of a trail while its schedule runs.

    Snapshots take the lowest free slot from the start of the range; buffers of residuals stand one
    before the other at its end, and are found by their distance from it.
    state: bytes of a snapshot. record: types of one step's residuals.
    high: the most bytes taken at one time, from both ends together.
    """

    def __init__(self, state: int, record: tuple[Type, ...]) -> None:
        self.state, self.record = state, record
        self.high = 0
        self._slots: dict[int, int] = {}  # step -> slot
        self._free: list[int] = []
        self._count = 0
        self._tapes: dict[int, tuple[int, int]] = {}  # start -> distance of its end, bytes
        self._arena = Arena()

    @property
    def empty(self) -> bool:
        """Whether neither snapshots nor residuals are there."""
        return not self._slots and not self._tapes

    def save(self, step: int) -> int:
        """The offset of a slot for the carry at this step."""
        if not self._free:
            self._free.append(self._count)
            self._count += 1
        self._slots[step] = self._free.pop(0)
        self._measure()
        return self.snapshot(step)

    def snapshot(self, step: int) -> int:
        """The offset of the snapshot of this step."""
        return self._slots[step] * self.state

    def drop(self, step: int) -> None:
        """Give the slot of this step back."""
        insort(self._free, self._slots.pop(step))

    def tape(self, start: int, stop: int) -> int:
        """The distance from the end of a buffer for the residuals of these steps."""
        need = tape_bytes(self.record, stop - start)
        self._tapes[start] = self._arena.take(need), need
        self._measure()
        return self.buffer(start)

    def buffer(self, start: int) -> int:
        """The distance from the end of the buffer for the steps from here on."""
        return sum(self._tapes[start])

    def back(self, start: int) -> None:
        """Give the buffer for the steps from here on back."""
        self._arena.give(*self._tapes.pop(start))

    def _measure(self) -> None:
        slots = max(self._slots.values(), default=-1) + 1
        self.high = max(self.high, slots * self.state + self._arena.top)


def extent(schedule: Schedule, pair: Pair) -> int:
    """Bytes of the range that a schedule needs for the trail of a pair, found by running its actions."""
    return _extent(schedule, pair.loop.length, pair.state, pair.record)


@lru_cache(maxsize=1024)
def _extent(schedule: Schedule, length: int | None, state: int, record: tuple[Type, ...]) -> int:
    if length is None:
        snapshots, steps = schedule.bounds()
        return padded(snapshots * state) + tape_bytes(record, steps)
    places = Places(state, record)
    for action in schedule.actions(length):
        match action:
            case Save(step, "memory"):
                places.save(step)
            case Drop(step, "memory"):
                places.drop(step)
            case Tape(start, stop):
                places.tape(start, stop)
            case Back(start, _):
                places.back(start)
    return padded(places.high)


def schedule_cost(schedule: Schedule, pair: Pair) -> ScheduleCost | None:
    """What a schedule does on the trail of a pair; None if the length shows only when it runs.

    Raises: ScheduleError if the schedule breaks the law of schedules.
    """
    length = pair.loop.length
    return None if length is None else _replayed(schedule, length, pair.state, pair.record_bytes)


@lru_cache(maxsize=1024)
def _replayed(schedule: Schedule, length: int, state: int, record: int) -> ScheduleCost:
    return replay(schedule, length, sizes=Sizes(state=state, record=record))


def executions(schedule: Schedule, pair: Pair, forward: bool) -> dict[str, int]:
    """How often each piece of the forward step is executed by the forward node, or by the reverse one.

    A loop of unknown length counts as one step, taped at once.
    """
    cost = schedule_cost(schedule, pair)
    if cost is None:
        return {"step": 1} if forward else {}
    if forward:
        return {"step": cost.first_taped, "advance": cost.first_steps - cost.first_taped}
    taped = cost.taped_steps - cost.first_taped
    return {"tape": taped, "again": cost.forward_steps - cost.first_steps - taped}
