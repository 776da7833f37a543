"""Ops that carry graphs: `call` (a named sub-graph) and `scan` (a loop of known length).

scan[step](c, xs, trails, consts) -> c', ys, trails'

The step maps (c, x, records, consts) at one position to (c', y, records'). Its derivative is again
a scan. Forward: the step carries tangents along. Reverse: the step of the forward scan also leaves
what its backward part reads as records of a trail; a scan in the other direction reads them,

    c_bar, consts_bar <- back(c_bar, ys_bar, records, consts),

last step first. Trails behave as xs and ys do, but only a plan decides whether they exist in full.
Source: Griewank and Walther 2008, "Evaluating Derivatives", section 12.1 (evolutions and their adjoints).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adcore.extend import (
    BOOL,
    GRAPH,
    INT,
    INTS,
    SIZE,
    STR,
    AnyType,
    Graph,
    Kind,
    Node,
    Op,
    Rule,
    Taped,
    Trace,
    Trail,
    Type,
    Value,
    affected,
    closed,
    current,
    jvp,
    linear,
    op_call,
    padded,
    pruned,
    simplify,
    split,
    vjp,
    zeros,
)

scan_call, add = op_call("core::scan"), op_call("core::add")


@dataclass(frozen=True, slots=True)
class Parts:
    """Positions of a scan's inputs and outputs, of its node and of its step.

    Inputs are carries, then xs, trails, consts; outputs are carries, then ys, trails.
    """

    carries: int
    scanned: int
    trails_in: tuple[int, ...]  # records of each trail that is read
    consts: int
    ys: int
    trails_out: tuple[int, ...]

    @property
    def groups(self) -> list[range]:
        """For each input of the node, the inputs of the step that it feeds."""
        found, at = [], 0
        for n in (*(1,) * (self.carries + self.scanned), *self.trails_in, *(1,) * self.consts):
            found.append(range(at, at + n))
            at += n
        return found

    @property
    def out_groups(self) -> list[range]:
        """For each output of the node, the outputs of the step that make it."""
        found, at = [], 0
        for n in (*(1,) * (self.carries + self.ys), *self.trails_out):
            found.append(range(at, at + n))
            at += n
        return found


def parts_of(types: Sequence[AnyType], p: Any) -> Parts:
    """The parts of a scan from the types of its inputs and its params."""
    trails_in = tuple(len(t.record) for t in types if isinstance(t, Trail))
    consts = len(types) - p["carries"] - p["scanned"] - len(trails_in)
    ys = len(p["step"].outputs) - p["carries"] - sum(p["trails"])
    return Parts(p["carries"], p["scanned"], trails_in, consts, ys, tuple(p["trails"]))


def _scan_infer(*types: AnyType, step: Graph, length: int, carries: int, scanned: int, trails: Any, reverse: bool) -> Any:
    parts = parts_of(types, {"step": step, "carries": carries, "scanned": scanned, "trails": trails})
    fed: list[Type] = []
    for i, t in enumerate(types):
        if isinstance(t, Trail):
            if t.length != length:
                raise ValueError(f"a trail of {t.length} records is read in {length} steps")
            fed += t.record
        elif carries <= i < carries + scanned:
            if not t.shape or t.shape[0] != length:
                raise ValueError(f"an array of shape {t.shape} is scanned in {length} steps")
            fed.append(Type(t.dtype, t.shape[1:]))
        else:
            fed.append(t)
    if fed != [v.type for v in step.inputs]:
        raise TypeError(f"its step takes {', '.join(str(v.type) for v in step.inputs)}")
    made = [v.type for v in step.outputs]
    if made[:carries] != fed[:carries]:
        raise TypeError("its step does not give back carries of the types that it takes")
    stacked = [Type(t.dtype, (length, *t.shape)) for t in made[carries : carries + parts.ys]]
    records = [Trail(tuple(made[i] for i in r), length) for r in parts.out_groups[carries + parts.ys :]]
    return (*made[:carries], *stacked, *records)


# --- running -------------------------------------------------------------------------------------


def _scan_kernel(node: Node, lower: Any) -> Callable[..., None]:
    """The loop as generated Python: carries alternate between two places, rows are written in place."""
    p = node.params
    parts = parts_of([v.type for v in node.inputs], p)
    body, n = lower.body("step"), p["length"]
    spare = [lower.buffer(v.type) for v in node.inputs[: parts.carries]]
    c = range(parts.carries)
    first, last = ("S", "C") if n % 2 == 0 else ("C", "S")
    ins = [f"c{i}" for i in c] + [f"x{i}" for i in range(parts.scanned)]
    ins += [f"t{i}" for i in range(len(parts.trails_in))] + [f"k{i}" for i in range(parts.consts)]
    outs = [f"C{i}" for i in c] + [f"Y{i}" for i in range(parts.ys)]
    outs += [f"T{i}" for i in range(len(parts.trails_out))]
    rows = [f"x{i}[i, ...]" for i in range(parts.scanned)]
    rows += [f"t{i}[{j}][i, ...]" for i, m in enumerate(parts.trails_in) for j in range(m)]
    made = [f"Y{i}[i, ...]" for i in range(parts.ys)]
    made += [f"T{i}[{j}][i, ...]" for i, m in enumerate(parts.trails_out) for j in range(m)]
    args = [*(f"a{i}" for i in c), *rows, *ins[len(ins) - parts.consts :], *(f"p{i}" for i in c), *made]
    text = [f"def loop({', '.join(ins + outs)}):"]
    for i in c:
        text.append(f"    a{i}, p{i}, q{i} = c{i}, {first}{i}, {last}{i}")
    text.append(f"    for i in {f'range({n - 1}, -1, -1)' if p['reverse'] else f'range({n})'}:")
    text.append(f"        body({', '.join(args)})")
    for i in c:
        text.append(f"        a{i}, p{i}, q{i} = p{i}, q{i}, p{i}")
    if n == 0:
        text[-1:] = [*text[-1:], *(f"    copyto(C{i}, c{i})" for i in c)]
    names: dict[str, Any] = {"body": body, "copyto": np.copyto, **{f"S{i}": b for i, b in enumerate(spare)}}
    exec("\n".join([*text, "    return None"]), names)
    loop: Callable[..., None] = names["loop"]
    return loop


def _scan_scratch(types: Any, p: Any) -> int:
    return sum(padded(t.nbytes) for t in types[: p["carries"]])


def _scan_run(*arrays: Any, **params: Any) -> Any:
    raise TypeError("a scan runs in a compiled graph; call ad.scan")


# --- forward -------------------------------------------------------------------------------------


def _carry_activity(step: Graph, seeds: set[int], carries: int) -> set[int]:
    """The step's inputs that depend on the seeds, carries fed back until nothing changes."""
    seeds = {i for i in seeds if step.inputs[i].type.differentiable}
    while True:
        reached = affected(step, [step.inputs[i] for i in seeds])
        more = {i for i in range(carries) if step.outputs[i] in reached and step.inputs[i].type.differentiable}
        if more <= seeds:
            return seeds
        seeds |= more


def _scan_jvp(ts: Any, y: Any, *xs: Any, **p: Any) -> Any:
    trace = current()
    assert trace is not None
    values = [trace.lift(x) for x in xs]
    parts, step = parts_of([v.type for v in values], p), p["step"]
    groups, out_groups = parts.groups, parts.out_groups
    active = _carry_activity(step, {i for g, t in zip(groups, ts, strict=True) if t is not None for i in g}, parts.carries)
    fed = [any(i in active for i in g) for g in groups]  # node inputs that have a tangent
    wrt = sorted(active)
    doubled = jvp(step, wrt)
    dot_in = dict(zip(wrt, doubled.inputs[len(step.inputs) :], strict=True))
    differentiable = [i for i, v in enumerate(step.outputs) if v.type.differentiable]
    dot_out = dict(zip(differentiable, doubled.outputs[len(step.outputs) :], strict=True))
    reached = affected(step, [step.inputs[i] for i in wrt])
    gives = [any(step.outputs[i] in reached for i in g) for g in out_groups[: parts.carries + parts.ys]]
    gives[: parts.carries] = fed[: parts.carries]
    gives += [any(i in dot_out for i in g) for g in out_groups[parts.carries + parts.ys :]]
    cut = [0, parts.carries, parts.carries + parts.scanned, parts.carries + parts.scanned + len(parts.trails_in), len(xs)]
    inputs: list[Value] = []
    args: list[Any] = []
    for a, b in zip(cut, cut[1:], strict=False):
        inputs += [step.inputs[i] for g in groups[a:b] for i in g]
        inputs += [dot_in[i] for j, g in enumerate(groups[a:b], a) if fed[j] for i in g if i in dot_in]
        args += values[a:b]
        args += [trace.lift(ts[j]) if ts[j] is not None else trace.lift(zeros(trace, values[j].type)) for j in range(a, b) if fed[j]]
    out_cut = [0, parts.carries, parts.carries + parts.ys, len(out_groups)]
    outputs: list[Value] = []
    for a, b in zip(out_cut, out_cut[1:], strict=False):
        outputs += [step.outputs[i] for g in out_groups[a:b] for i in g]
        outputs += [dot_out[i] for j, g in enumerate(out_groups[a:b], a) if gives[j] for i in g if i in dot_out]
    trails = [*parts.trails_out]
    trails += [
        sum(i in dot_out for i in g)
        for j, g in enumerate(out_groups)
        if j >= out_cut[2] and gives[j]
    ]
    found = _record_scan(
        trace, doubled, inputs, outputs, args, p,
        carries=parts.carries + sum(fed[: parts.carries]),
        scanned=parts.scanned + sum(fed[cut[1] : cut[2]]), trails=tuple(trails), reverse=p["reverse"],
    )  # fmt: skip
    dots: list[Any] = []
    at = 0
    for a, b in zip(out_cut, out_cut[1:], strict=False):
        at += b - a
        for j in range(a, b):
            dots.append(trace.wrap(found[at]) if gives[j] else None)
            at += gives[j]
    return tuple(dots)


def _record_scan(
    trace: Trace, whole: Graph, inputs: list[Value], outputs: list[Value], args: list[Value], p: Any, **params: Any
) -> list[Value]:
    """Record a scan whose step is a part of `whole`, from these inputs to these outputs."""
    step = _step_graph(whole.constants, whole.nodes, inputs, outputs, p["step"].name)
    node = trace.record(SCAN, args, {"step": step, "length": p["length"], **params})
    return list(node)


def _step_graph(constants: Any, nodes: Any, inputs: Sequence[Value], outputs: Sequence[Value], name: str) -> Graph:
    body = Trace()
    body.nodes, body.constants = list(nodes), dict(constants)
    # an output that is also an input, or is named twice, is fine; names are positions
    graph = closed(
        body, inputs, [f"in{i}" for i in range(len(inputs))], outputs, [f"out{i}" for i in range(len(outputs))], name=name
    )
    return simplify(pruned(graph))


# --- reverse -------------------------------------------------------------------------------------


def _scan_tape(node: Node, active: tuple[bool, ...]) -> Taped:
    p, step = node.params, node.params["step"]
    parts = parts_of([v.type for v in node.inputs], p)
    groups = parts.groups
    seeds = _carry_activity(step, {i for g, a in zip(groups, active, strict=True) if a for i in g}, parts.carries)
    wrt = sorted(seeds)
    reached = affected(step, [step.inputs[i] for i in wrt])
    of = [
        i for i, v in enumerate(step.outputs)
        if v.type.differentiable and (v in reached or i >= parts.carries + parts.ys) and (i >= parts.carries or i in seeds)
    ]  # fmt: skip
    joint = vjp(step, wrt, of)
    cut = split(joint, step)
    position = {v: i for i, v in enumerate(step.inputs)}
    # residuals that the backward loop can read elsewhere: scanned arrays, read trails, constants of the loop
    reread = {v: position[v] for v in cut.residuals if position.get(v, 0) >= parts.carries}
    records = [v for v in cut.residuals if v not in reread]
    taped = _step_graph(step.constants, cut.forward, step.inputs, (*step.outputs, *records), step.name)
    params = {**p, "step": taped, "trails": (*parts.trails_out, len(records))}
    trail = Trail(tuple(v.type for v in records), p["length"])  # type: ignore[arg-type]
    bars = dict(zip(of, joint.inputs[len(step.inputs) :], strict=True))
    grads = dict(zip(wrt, joint.outputs[len(step.outputs) :], strict=True))
    plan = _Back(node, parts, joint, cut.back, records, reread, bars, grads)
    return Taped(params, (trail,), lambda g, y, xs, residuals: plan.record(g, xs, residuals[0]))


@dataclass(frozen=True, slots=True)
class _Back:
    """What the backward scan is made of. bars, grads: cotangents by output and by input of the step."""

    node: Node
    parts: Parts
    joint: Graph
    nodes: tuple[Node, ...]
    records: list[Value]
    reread: dict[Value, int]
    bars: dict[int, Value]
    grads: dict[int, Value]

    def record(self, gs: tuple[Any, ...], xs: tuple[Any, ...], trail: Any) -> tuple[Any, ...]:
        """Record the backward scan; the cotangents of the forward scan's inputs."""
        trace = current()
        assert trace is not None
        parts, step, groups = self.parts, self.node.params["step"], self.parts.groups
        c, s = parts.carries, parts.scanned
        fed = {i: j for j, g in enumerate(groups) for i in g}  # step input -> node input
        active_carries = [i for i in range(c) if i in self.grads]
        consts = [i for i in self.grads if fed[i] >= len(groups) - parts.consts]
        inner = Trace()
        inner.nodes, inner.constants = list(self.nodes), dict(self.joint.constants)
        # carries: cotangents of the carries, and of the constants, summed up
        sums = {i: Value(step.inputs[i].type) for i in consts}
        carry_in = [self.bars[i] for i in active_carries] + list(sums.values())
        with inner:
            totals = [add(inner.wrap(sums[i]), inner.wrap(self.grads[i]))._read() for i in consts]
            missing = self._zeros_for_missing(inner, gs)
        carry_out = [self.grads[i] for i in active_carries] + totals
        init = [self._lift(trace, gs[i], step.outputs[i].type) for i in active_carries]
        init += [trace.lift(zeros(trace, step.inputs[i].type)) for i in consts]
        # scanned: cotangents of ys, and scanned arrays that the step reads again
        out_groups = parts.out_groups
        ys = [j for j in range(c, c + parts.ys) if j in self.bars and gs[j] is not None]
        again = sorted({fed[i] for i in self.reread.values()})
        scanned = [j for j in again if j < c + s]
        at_scan = {fed[i]: v for v, i in self.reread.items()}
        scan_in = [self.bars[j] for j in ys] + [at_scan[j] for j in scanned]
        scan_args = [trace.lift(gs[j]) for j in ys] + [trace.lift(xs[j]) for j in scanned]
        # trails: the residuals, trails read again, cotangents of trails left by the forward scan
        trails_in, trail_args = [list(self.records)], [trace.lift(trail)]
        for j in again:
            if c + s <= j < len(groups) - parts.consts:
                trails_in.append([step.inputs[i] for i in groups[j]])
                trail_args.append(trace.lift(xs[j]))
        for j in range(c + parts.ys, len(out_groups)):
            if gs[j] is not None:
                trails_in.append([self.bars[i] for i in out_groups[j] if i in self.bars])
                trail_args.append(trace.lift(gs[j]))
        const_values = [v for v, i in self.reread.items() if fed[i] >= len(groups) - parts.consts]
        const_args = [trace.lift(xs[fed[self.reread[v]]]) for v in const_values]
        # what comes out: one row or record for every active scanned array or trail
        rows = [i for i in self.grads if c <= fed[i] < c + s]
        trail_out = [j for j in range(c + s, len(groups) - parts.consts) if any(i in self.grads for i in groups[j])]
        records_out = [[self.grads[i] for i in groups[j] if i in self.grads] for j in trail_out]
        graph = _step_graph(
            inner.constants, [*missing, *inner.nodes],
            [*carry_in, *scan_in, *(v for t in trails_in for v in t), *const_values],
            [*carry_out, *(self.grads[i] for i in rows), *(v for t in records_out for v in t)],
            f"back({step.name})",
        )  # fmt: skip
        found = trace.record(
            SCAN, [*init, *scan_args, *trail_args, *const_args],
            {"step": graph, "length": self.node.params["length"], "carries": len(carry_in), "scanned": len(scan_in),
             "trails": tuple(len(t) for t in records_out), "reverse": not self.node.params["reverse"]},
        )  # fmt: skip
        result: list[Any] = [None] * len(groups)
        targets = [fed[i] for i in active_carries] + [fed[i] for i in consts] + [fed[i] for i in rows] + trail_out
        for j, v in zip(targets, found, strict=True):
            result[j] = trace.wrap(v)
        return tuple(result)

    def _zeros_for_missing(self, inner: Trace, gs: tuple[Any, ...]) -> list[Node]:
        """Nodes that make the cotangents that did not arrive: zeros, under the values that the step reads."""
        groups = self.parts.out_groups
        nodes: list[Node] = []
        for j, group in enumerate(groups):
            if j < self.parts.carries or gs[j] is not None:
                continue
            for i in group:
                if i in self.bars:
                    before = len(inner.nodes)
                    zero = inner.lift(zeros(inner, self.bars[i].type))
                    nodes += inner.nodes[before:]
                    del inner.nodes[before:]
                    nodes.append(Node("core::convert", (zero,), {"dtype": zero.type.dtype}, (self.bars[i],)))  # type: ignore[union-attr]
        return nodes

    @staticmethod
    def _lift(trace: Trace, g: Any, t: AnyType) -> Value:
        return trace.lift(g if g is not None else zeros(trace, t))


SCAN = Op(
    "core::scan", _scan_run, _scan_infer, Rule(jvp=_scan_jvp, tape=_scan_tape),
    {"step": GRAPH, "length": SIZE, "carries": INT, "scanned": INT, "trails": INTS, "reverse": BOOL},
    out=True, kernel=_scan_kernel, scratch=_scan_scratch,
    doc="A loop of known length: scan[step](carries, xs, trails, consts) -> carries, ys, trails.",
)  # fmt: skip


# --- trails --------------------------------------------------------------------------------------

TYPES = Kind(
    "type*",
    tuple,
    tuple,
    lambda ts: [[t.dtype.name, list(t.shape)] for t in ts],
    lambda data: tuple(Type(np.dtype(d), tuple(s)) for d, s in data),
)


def _zero_trail(out: Any = None, *, types: Any, length: int) -> Any:
    for a in out:
        a[...] = 0
    return out


def _add_trails(a: Any, b: Any, out: Any = None) -> Any:
    for x, y, z in zip(a, b, out, strict=True):
        np.add(x, y, z)
    return out


ZERO_TRAIL = Op(
    "core::zero_trail", _zero_trail, lambda *, types, length: Trail(types, length), None,
    {"types": TYPES, "length": SIZE}, out=True, doc="A trail of zeros.",
)  # fmt: skip
ADD_TRAILS = Op(
    "core::add_trails", _add_trails, lambda a, b: a, linear(lambda g, a, b: (g, g)), out=True,
    doc="The sum of two trails, record by record.",
)  # fmt: skip


# --- call ----------------------------------------------------------------------------------------


def _call_infer(*types: Any, graph: Graph, name: str) -> Any:
    if list(types) != [v.type for v in graph.inputs]:
        raise TypeError(f"it takes {', '.join(str(v.type) for v in graph.inputs)}")
    return tuple(v.type for v in graph.outputs)


def _call_jvp(ts: Any, y: Any, *xs: Any, graph: Graph, name: str) -> Any:
    trace = current()
    assert trace is not None
    wrt = [i for i, t in enumerate(ts) if t is not None and graph.inputs[i].type.differentiable]
    doubled = jvp(graph, wrt)
    dots = [i for i, v in enumerate(graph.outputs) if v.type.differentiable]
    outputs = doubled.outputs[len(graph.outputs) :]
    inputs = [*xs, *(ts[i] for i in wrt)]
    step = _step_graph(doubled.constants, doubled.nodes, doubled.inputs, outputs, f"jvp({graph.name})")
    found = dict(zip(dots, _as_tuple(CALL(*inputs, graph=step, name=f"jvp({name})")), strict=True))
    return tuple(found.get(i) for i in range(len(graph.outputs)))


def _as_tuple(x: Any) -> tuple[Any, ...]:
    return x if isinstance(x, tuple) else (x,)


def _call_tape(node: Node, active: tuple[bool, ...]) -> Taped:
    graph, name = node.params["graph"], node.params["name"]
    wrt = [i for i, a in enumerate(active) if a]
    of = [i for i, v in enumerate(graph.outputs) if v.type.differentiable]
    joint = vjp(graph, wrt, of)
    cut = split(joint, graph)
    kept = [v for v in cut.residuals if v not in graph.inputs]
    taped = _step_graph(graph.constants, cut.forward, graph.inputs, (*graph.outputs, *kept), graph.name)
    back = _step_graph(
        joint.constants, cut.back, (*cut.residuals, *joint.inputs[len(graph.inputs) :]),
        joint.outputs[len(graph.outputs) :], f"back({graph.name})",
    )  # fmt: skip
    position = {v: i for i, v in enumerate(graph.inputs)}

    def record(gs: Any, y: Any, xs: Any, residuals: Any) -> Any:
        trace = current()
        assert trace is not None
        have = dict(zip(kept, residuals, strict=True))
        args = [xs[position[v]] if v in position else have[v] for v in cut.residuals]
        bars = [gs[i] if gs[i] is not None else zeros(trace, graph.outputs[i].type) for i in of]
        found = dict(zip(wrt, _as_tuple(CALL(*args, *bars, graph=back, name=f"back({name})")), strict=True))
        return tuple(found.get(i) for i in range(len(xs)))

    return Taped({"graph": taped, "name": name}, tuple(v.type for v in kept), record)


def _call_kernel(node: Node, lower: Any) -> Any:
    return lower.body("graph")


CALL = Op(
    "core::call", _scan_run, _call_infer, Rule(jvp=_call_jvp, tape=_call_tape),
    {"graph": GRAPH, "name": STR}, out=True, kernel=_call_kernel, doc="A named sub-graph.",
)  # fmt: skip

OPS = [SCAN, CALL, ZERO_TRAIL, ADD_TRAILS]
FUNCTIONS: dict[Any, Callable[..., Any]] = {}

