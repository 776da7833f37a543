"""The validator: replays a plan on sets and byte counters. It knows no planner and trusts none.

The law of plans: a node runs only when its inputs are live; only live values are dropped; at the
end everything the graph keeps is live and nothing else; every trail has a schedule that obeys the
law of schedules; the ranges of the layout that live at one time do not overlap.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass

from adcore.errors import PlanError
from adcore.graph import Node, Value, bodies, kept, values
from adcore.plan.layout import direct_outputs, place_bytes, views
from adcore.plan.steps import Plan, Run


@dataclass(frozen=True, slots=True)
class Cost:
    """What a plan costs, known before it runs.

    peak_bytes: inputs, arena, results of ops that make their own, and outputs, at their largest together.
    live_bytes: the same if every value took just its own bytes and gave them back at once: a lower bound.
    arena_bytes: of the arena. input_bytes, output_bytes, constant_bytes: of those (constants are not in the peak).
    runs: nodes executed, once for every step of a loop. recomputed: runs beyond the first of a node.
    forward_steps: executions of bodies of loops that leave a trail, recomputed ones included.
    disk_read, disk_written: bytes.
    binds: the step at which live_bytes is reached.
    """

    peak_bytes: int
    live_bytes: int
    arena_bytes: int
    input_bytes: int
    output_bytes: int
    constant_bytes: int
    runs: int
    recomputed: int
    forward_steps: int
    disk_read: int
    disk_written: int
    binds: int


def check(plan: Plan) -> Cost:
    """The cost of a plan. Raises PlanError, naming step and op, if it breaks the law of plans."""
    _obey(plan)
    return _replay(plan)


def _obey(plan: Plan) -> None:
    """Liveness: what every step reads is there, and at the end just what the graph keeps."""
    graph = plan.graph
    where = f"in graph {graph.name}"
    number = tuple(values(graph))
    owned = {*graph.inputs, *graph.constants}
    live = set(owned)
    for i, step in enumerate(plan.steps):
        if not isinstance(step, Run):
            v = _numbered(number, step.value, i)
            if v not in live or v in owned:
                raise PlanError(f"step {i} drops value {step.value}, which is not live", where)
            live.discard(v)
            continue
        node = _node(plan, step.node, i)
        for v in node.inputs:
            if v not in live:
                raise PlanError(
                    f"step {i} runs node {step.node} ({node.op}), whose input of type {v.type} was dropped or not made",
                    f"at {node.source or 'source unknown'} {where}",
                )
        if not live.isdisjoint(node.outputs):
            raise PlanError(f"step {i} runs node {step.node} ({node.op}) while its result is live", where)
        live.update(node.outputs)
        for name, _ in bodies(node):
            if (step.node, name) not in plan.bodies:
                raise PlanError(f"node {step.node} ({node.op}) has no plan for its sub-graph {name}", where)
    wanted = set(kept(graph))
    for v in wanted - live:
        raise PlanError(f"an output of type {v.type} is not live at the end", where)
    left = live - wanted - owned
    if left:
        raise PlanError(f"{len(left)} values are still live at the end, one of type {next(iter(left)).type}", where)


class _Ledger:
    """Live values, and the bytes of the storages that they share."""

    def __init__(self, plan: Plan) -> None:
        graph = plan.graph
        self.owned = {*graph.inputs, *graph.constants}
        self.root: dict[Value, Value] = {v: v for v in self.owned}
        self.live: set[Value] = set(self.owned)
        self.sharing: dict[Value, int] = {}
        self.bytes = 0
        self.fresh = 0  # bytes outside the arena
        self.outside: set[Value] = set()

    def start(self, v: Value, base: Value, outside: bool) -> None:
        """A value becomes live, in the storage of its base."""
        self.live.add(v)
        self.root[v] = base
        if base in self.owned:
            return
        self.sharing[base] = self.sharing.get(base, 0) + 1
        if self.sharing[base] == 1:
            self.bytes += base.type.nbytes
            if outside:
                self.fresh += base.type.nbytes
                self.outside.add(base)

    def end(self, v: Value) -> None:
        """A value is dropped; its storage is free when no other value shares it."""
        self.live.discard(v)
        base = self.root[v]
        if base in self.owned:
            return
        self.sharing[base] -= 1
        if not self.sharing[base]:
            self.bytes -= base.type.nbytes
            if base in self.outside:
                self.outside.discard(base)
                self.fresh -= base.type.nbytes


@dataclass(frozen=True, slots=True)
class Moment:
    """What a plan occupies at one step, in bytes, inputs included and constants not.

    node: that runs, None for a drop. again: whether it has run before. during: of live values and scratch
    while the step runs, after: of live values when it is done. held: what is taken from the machine, which
    is the whole arena, results of ops that make their own, and outputs.
    """

    step: int
    node: int | None
    again: bool
    during: int
    after: int
    held: int


def walk(plan: Plan) -> Iterator[Moment]:
    """The moments of a plan that obeys the law, one per step; ranges of its layout that overlap are errors."""
    graph, layout = plan.graph, plan.layout
    number = tuple(values(graph))
    ledger = _Ledger(plan)
    ranges = _Ranges()
    seen: set[int] = set()
    base = sum(v.type.nbytes for v in graph.inputs)
    for i, (step, places, scratch) in enumerate(zip(plan.steps, layout.places, layout.scratch, strict=True)):
        held = base + layout.arena_bytes
        if not isinstance(step, Run):
            during = base + ledger.bytes
            ledger.end(number[step.value])
            ranges.end(number[step.value], ledger)
            yield Moment(i, None, False, during, base + ledger.bytes, held + ledger.fresh)
            continue
        node = graph.nodes[step.node]
        need = layout.needs[step.node].nbytes if step.node in layout.needs else 0
        for v, place in zip(node.outputs, places, strict=True):
            ledger.start(v, ledger.root[node.inputs[0]] if place == "view" else v, place in ("fresh", "output"))
            if isinstance(place, int):
                ranges.start(v, place, place_bytes(v.type), i)
        if need:
            ranges.meanwhile(scratch, need, i)
        after = base + ledger.bytes
        yield Moment(i, step.node, step.node in seen, after + need, after, held + ledger.fresh)
        seen.add(step.node)
    if ranges.high > layout.arena_bytes:
        raise PlanError(f"the layout needs {ranges.high} bytes in an arena of {layout.arena_bytes}")


def _replay(plan: Plan) -> Cost:
    """The bytes and runs of a plan that obeys the law, added up."""
    graph, layout = plan.graph, plan.layout
    inputs = sum(v.type.nbytes for v in graph.inputs)
    live = held = inputs
    binds = forward_steps = runs = recomputed = 0
    last = Moment(-1, None, False, inputs, inputs, inputs + layout.arena_bytes)
    for last in walk(plan):
        if last.during > live:
            live, binds = last.during, last.step
        held = max(held, last.held)
        if last.node is not None:
            recomputed += last.again
            own, steps = _body_runs(plan, last.node, graph.nodes[last.node])
            runs += own
            forward_steps += steps
    copied = _copied_outputs(plan)
    return Cost(
        peak_bytes=max(held, last.held + copied),
        live_bytes=max(live, last.after + copied),
        arena_bytes=layout.arena_bytes,
        input_bytes=inputs,
        output_bytes=sum(v.type.nbytes for v in graph.outputs),
        constant_bytes=sum(a.nbytes for a in graph.constants.values()),
        runs=runs,
        recomputed=recomputed,
        forward_steps=forward_steps,
        disk_read=0,
        disk_written=0,
        binds=binds,
    )


class _Ranges:
    """The ranges of the arena that are live, by storage; overlaps are errors."""

    def __init__(self) -> None:
        self.live: dict[Value, tuple[int, int]] = {}
        self.high = 0
        self._sorted: list[tuple[int, int]] = []

    def start(self, v: Value, offset: int, nbytes: int, step: int) -> None:
        """A storage takes its range."""
        self._clear(offset, nbytes, step)
        if nbytes:
            insort(self._sorted, (offset, offset + nbytes))
        self.live[v] = (offset, offset + nbytes)
        self.high = max(self.high, offset + nbytes)

    def end(self, v: Value, ledger: _Ledger) -> None:
        """A value is dropped: its storage's range is free if nothing shares it."""
        base = ledger.root[v]
        if base in self.live and not ledger.sharing.get(base):
            span = self.live.pop(base)
            if span[0] != span[1]:
                del self._sorted[bisect_left(self._sorted, span)]

    def meanwhile(self, offset: int, nbytes: int, step: int) -> None:
        """A range that lives during one step only."""
        self._clear(offset, nbytes, step)
        self.high = max(self.high, offset + nbytes)

    def _clear(self, offset: int, nbytes: int, step: int) -> None:
        i = bisect_left(self._sorted, (offset, offset))
        after = self._sorted[i] if i < len(self._sorted) else None
        before = self._sorted[i - 1] if i else None
        if nbytes and ((after and after[0] < offset + nbytes) or (before and before[1] > offset)):
            raise PlanError(f"step {step} places {nbytes} bytes at {offset}, where another value is live")


def _numbered(number: tuple[Value, ...], i: int, step: int) -> Value:
    if not 0 <= i < len(number):
        raise PlanError(f"step {step} names value {i}, of {len(number)}", instead="is the plan of another graph?")
    return number[i]


def _node(plan: Plan, i: int, step: int) -> Node:
    nodes = plan.graph.nodes
    if not 0 <= i < len(nodes):
        raise PlanError(f"step {step} runs node {i}, of {len(nodes)}", instead="is the plan of another graph?")
    return nodes[i]


def _body_runs(plan: Plan, i: int, node: Node) -> tuple[int, int]:
    """Nodes executed by one run of a node, and executions of taped loop bodies among them."""
    length = node.params.get("length", 1)
    times = length if isinstance(length, int) else 1
    runs, steps = 1, 0
    for name, _ in bodies(node):
        cost = plan.bodies[i, name].cost
        runs += times * cost.runs
        steps += times * cost.forward_steps
    if node.params.get("trails"):
        steps += times
    return runs, steps


def _copied_outputs(plan: Plan) -> int:
    """Bytes of outputs that are copied at the end: inputs, constants, views, and any named twice."""
    direct = direct_outputs(plan.graph, views(plan.graph))
    seen: set[Value] = set()
    copied = 0
    for v in plan.graph.outputs:
        if v not in direct or v in seen:
            copied += v.type.nbytes
        seen.add(v)
    return copied
