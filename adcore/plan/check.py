"""The validator: replays a plan on sets and byte counters. It knows no planner and trusts none.

The law of plans: a node runs only when its inputs are live; only live values are dropped; at the
end everything the graph keeps is live and nothing else; every trail has a schedule that obeys the
law of schedules; the ranges of the layout that live at one time do not overlap.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from adcore.errors import PlanError
from adcore.graph import Graph, Node, Value, bodies, kept, numbering, values
from adcore.plan.layout import body_keys, direct_outputs, own_heap, reads, views
from adcore.plan.loops import Pair, executions, schedule_cost, scheduled
from adcore.plan.schedule import Schedule
from adcore.plan.steps import Plan, Run


@dataclass(frozen=True, slots=True)
class Cost:
    """What a plan costs, known before it runs.

    peak_bytes: inputs, arena, results of ops that make their own, and outputs, at their largest together.
    live_bytes: the same if every value took just its own bytes and gave them back at once: a lower bound.
    arena_bytes: of the arena. input_bytes, output_bytes, constant_bytes: of those (constants are not in the peak).
    fresh_bytes: the most that results take which ops make themselves, in sub-graphs too.
    runs: nodes executed, once for every step of a loop. recomputed: runs beyond the first of a node.
    forward_steps: executions of bodies of loops that leave a trail, recomputed ones included.
    disk_read, disk_written: bytes.
    binds: the step at which live_bytes is reached.
    """

    peak_bytes: int
    live_bytes: int
    arena_bytes: int
    fresh_bytes: int
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
    loops = scheduled(plan)
    spent: set[Value] = set()  # trails that their schedule has consumed
    root = _roots(graph)
    sharing = Counter(root[v] for v in live)
    for i, step in enumerate(plan.steps):
        if not isinstance(step, Run):
            v = _numbered(number, step.value, i)
            if v not in live or v in owned:
                raise PlanError(f"step {i} drops value {step.value}, which is not live", where)
            live.discard(v)
            sharing[root[v]] -= 1
            continue
        node = _node(plan, step.node, i)
        for v in reads(graph, step.node, loops):
            if v in spent:
                raise PlanError(
                    f"step {i} runs node {step.node} ({node.op}), which reads a trail that its schedule has consumed",
                    f"at {node.source or 'source unknown'} {where}",
                    "run the loop that leaves the trail before it, again",
                )
            if v not in live:
                raise PlanError(
                    f"step {i} runs node {step.node} ({node.op}), whose input of type {v.type} was dropped or not made",
                    f"at {node.source or 'source unknown'} {where}",
                )
        if not live.isdisjoint(node.outputs):
            raise PlanError(f"step {i} runs node {step.node} ({node.op}) while its result is live", where)
        if any(root[v] is v and sharing[v] for v in node.outputs):
            raise PlanError(
                f"step {i} runs node {step.node} ({node.op}) while a view of its former result is live", where,
                "drop the views first, or keep the result, which costs no bytes",
            )  # fmt: skip
        live.update(node.outputs)
        sharing.update(root[v] for v in node.outputs)
        pair = loops.get(step.node)
        if pair is not None:
            (spent.update if pair.back == step.node else spent.difference_update)(pair.trails)
        for key in body_keys(graph, step.node, loops):
            if key not in plan.bodies:
                raise PlanError(
                    f"node {key[0]} ({graph.nodes[key[0]].op}) has no plan for its sub-graph {key[1]}", where
                )
    wanted = set(kept(graph))
    for v in wanted - live:
        raise PlanError(f"an output of type {v.type} is not live at the end", where)
    left = live - wanted - owned
    if left:
        raise PlanError(f"{len(left)} values are still live at the end, one of type {next(iter(left)).type}", where)


def _roots(graph: Graph) -> dict[Value, Value]:
    """The value whose storage each value shares."""
    viewed = views(graph)
    root = {v: v for v in (*graph.inputs, *graph.constants)}
    for node in graph.nodes:
        root.update((v, root[node.inputs[0]] if v in viewed else v) for v in node.outputs)
    return root


class _Ledger:
    """Live values, and the bytes of the storages that they share."""

    def __init__(self, plan: Plan) -> None:
        graph = plan.graph
        self.trails = plan.layout.trails
        self.owned = {*graph.inputs, *graph.constants}
        self.root: dict[Value, Value] = {v: v for v in self.owned}
        self.live: set[Value] = set(self.owned)
        self.sharing: dict[Value, int] = {}
        self.bytes = 0
        self.fresh = 0  # bytes outside the arena
        self.made = 0  # of them, of results that ops make themselves
        self.outside: dict[Value, str] = {}

    def start(self, v: Value, base: Value, place: int | str) -> None:
        """A value becomes live, in the storage of its base."""
        self.live.add(v)
        self.root[v] = base
        if base in self.owned:
            return
        self.sharing[base] = self.sharing.get(base, 0) + 1
        if self.sharing[base] == 1:
            self.bytes += self.nbytes(base)
            if place in ("fresh", "output"):
                self.fresh += base.type.nbytes
                self.made += base.type.nbytes if place == "fresh" else 0
                self.outside[base] = str(place)

    def nbytes(self, v: Value) -> int:
        """Bytes of a storage."""
        return self.trails.get(v, v.type.nbytes)

    def end(self, v: Value) -> None:
        """A value is dropped; its storage is free when no other value shares it."""
        self.live.discard(v)
        base = self.root[v]
        if base in self.owned:
            return
        self.sharing[base] -= 1
        if not self.sharing[base]:
            self.bytes -= self.nbytes(base)
            place = self.outside.pop(base, "")
            if place:
                self.fresh -= base.type.nbytes
                self.made -= base.type.nbytes if place == "fresh" else 0


@dataclass(frozen=True, slots=True)
class Moment:
    """What a plan occupies at one step, in bytes, inputs included and constants not.

    node: that runs, None for a drop. again: whether it has run before. during: of live values and scratch
    while the step runs, after: of live values when it is done. held: what is taken from the machine, which
    is the whole arena, results of ops that make their own, what an op takes while it runs, and outputs.
    made: of these what ops take, those inside sub-graphs too.
    """

    step: int
    node: int | None
    again: bool
    during: int
    after: int
    held: int
    made: int


def walk(plan: Plan) -> Iterator[Moment]:
    """The moments of a plan that obeys the law, one per step; ranges of its layout that overlap are errors."""
    graph, layout = plan.graph, plan.layout
    number = tuple(values(graph))
    ledger = _Ledger(plan)
    ranges = _Ranges()
    seen: set[int] = set()
    loops = scheduled(plan)
    base = sum(v.type.nbytes for v in graph.inputs)
    for i, (step, places, scratch) in enumerate(zip(plan.steps, layout.places, layout.scratch, strict=True)):
        held = base + layout.arena_bytes
        if not isinstance(step, Run):
            during = base + ledger.bytes
            ledger.end(number[step.value])
            ranges.end(number[step.value], ledger)
            yield Moment(i, None, False, during, base + ledger.bytes, held + ledger.fresh, ledger.made)
            continue
        node = graph.nodes[step.node]
        need = layout.needs[step.node].nbytes if step.node in layout.needs else 0
        for v, place in zip(node.outputs, places, strict=True):
            ledger.start(v, ledger.root[node.inputs[0]] if place == "view" else v, place)
            if isinstance(place, int):
                ranges.start(v, place, layout.nbytes(v), i)
        if need:
            ranges.meanwhile(scratch, need, i)
        after, inside = base + ledger.bytes, own_heap(node)
        for key in body_keys(graph, step.node, loops):
            inside = max(inside, plan.bodies[key].cost.fresh_bytes)
        held, made = held + ledger.fresh + inside, ledger.made + inside
        yield Moment(i, step.node, step.node in seen, after + need + inside, after, held, made)
        seen.add(step.node)
    if ranges.high > layout.arena_bytes:
        raise PlanError(f"the layout needs {ranges.high} bytes in an arena of {layout.arena_bytes}")


def _replay(plan: Plan) -> Cost:
    """The bytes and runs of a plan that obeys the law, added up."""
    graph, layout = plan.graph, plan.layout
    inputs = sum(v.type.nbytes for v in graph.inputs)
    live = held = inputs
    fresh = 0
    binds = runs = recomputed = 0
    total = _Loops()
    led = _led(plan)
    last = Moment(-1, None, False, inputs, inputs, inputs + layout.arena_bytes, 0)
    for last in walk(plan):
        if last.during > live:
            live, binds = last.during, last.step
        held, fresh = max(held, last.held), max(fresh, last.made)
        if last.node is not None:
            recomputed += last.again
            runs += 1
            total.add(_loop_runs(plan, last.node, led))
    copied = _copied_outputs(plan)
    return Cost(
        peak_bytes=max(held, last.held + copied),
        live_bytes=max(live, last.after + copied),
        arena_bytes=layout.arena_bytes,
        fresh_bytes=fresh,
        input_bytes=inputs,
        output_bytes=sum(v.type.nbytes for v in graph.outputs),
        constant_bytes=sum(a.nbytes for a in graph.constants.values()),
        runs=runs + total.runs,
        recomputed=recomputed,
        forward_steps=total.steps,
        disk_read=total.read,
        disk_written=total.written,
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


@dataclass(slots=True)
class _Loops:
    """What the sub-graphs of nodes add up to: nodes run, steps of loops that leave trails, bytes on disk."""

    runs: int = 0
    steps: int = 0
    read: int = 0
    written: int = 0

    def add(self, other: _Loops, times: int = 1) -> None:
        """That, so many times."""
        self.runs += times * other.runs
        self.steps += times * other.steps
        self.read += times * other.read
        self.written += times * other.written

    @classmethod
    def of(cls, cost: Cost) -> _Loops:
        """One run of a sub-graph."""
        return cls(cost.runs, cost.forward_steps, cost.disk_read, cost.disk_written)


_Led = dict[int, tuple[Pair, Schedule]]


def _led(plan: Plan) -> _Led:
    """By node: the pair that it belongs to and the schedule that leads it, which is run here and must obey its law."""
    number = numbering(plan.graph)
    found: _Led = {}
    for i, pair in scheduled(plan).items():
        schedule = plan.trails[number[pair.trails[0]]]
        cost, room = schedule_cost(schedule, pair), plan.layout.trails[pair.trails[0]]
        if cost is not None and cost.peak_stored > room:
            raise PlanError(f"a schedule keeps {cost.peak_stored} bytes in a range of {room}", f"{schedule!r}")
        found[i] = pair, schedule
    return found


def _loop_runs(plan: Plan, i: int, led: _Led) -> _Loops:
    """What one run of a node does in its sub-graphs. A loop of unknown length counts as one step."""
    node, total = plan.graph.nodes[i], _Loops()
    pair, schedule = led.get(i, (None, None))
    if pair is None or pair.back == i:
        times = node.params.get("length", 1)
        times = times if isinstance(times, int) else 1
        for name, _ in bodies(node):
            total.add(_Loops.of(plan.bodies[i, name].cost), times)
        total.steps += times if node.params.get("trails") else 0
    if pair is None or schedule is None:
        return total
    for name, times in executions(schedule, pair, pair.forward == i).items():
        total.add(_Loops.of(plan.bodies[pair.forward, name].cost), times)
        total.steps += times
    cost = schedule_cost(schedule, pair)
    if cost is not None:
        total.written += cost.disk_saves * pair.state if pair.forward == i else 0
        total.read += cost.disk_loads * pair.state if pair.back == i else 0
    return total


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
