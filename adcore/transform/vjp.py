"""Reverse mode: the graph as it is, then a cotangent for each value, last node first.

x_bar = J^T y_bar under the pairing Re sum(y_bar * x_dot). One pass gives one row of the Jacobian;
every intermediate value that a rule uses is kept until then.
Source: Griewank and Walther 2008, "Evaluating Derivatives", section 3.2 (adjoint recursion).

The order in which cotangents are added is fixed here, by the order of the nodes, once and for all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from adcore.errors import RuleError
from adcore.graph import Graph, Node, Value, affected
from adcore.rules import Rule
from adcore.trace import Trace
from adcore.tracer import Tracer
from adcore.transform.derive import vjp_from_jvp
from adcore.transform.jvp import with_argument
from adcore.transform.linear import Methods, as_tuple, in_force, one_or_all, or_zeros, rule_of, times, zeros
from adcore.transform.splice import closed, derived_name
from adcore.transform.sums import Sum, fit_bar
from adcore.tree import LEAF, Tree, select
from adcore.types import AnyType, Trail

Back = Callable[[tuple[Tracer | None, ...]], tuple[Any, ...]]
"""From the cotangents of a node's outputs to those of its inputs."""


def vjp(
    graph: Graph,
    wrt: Sequence[int] | None = None,
    of: Sequence[int] | None = None,
    methods: Methods | None = None,
) -> Graph:
    """The graph of (xs, y_bars) -> (ys, x_bars).

    wrt, of: positions of inputs and outputs (default: all that are differentiable). The cotangents
    are one further argument, a tuple, whose leaves are named y_bar.
    Raises RuleError when an op on the way has no rule.
    """
    wrt = [i for i, v in enumerate(graph.inputs) if v.type.differentiable] if wrt is None else list(wrt)
    of = [i for i, v in enumerate(graph.outputs) if v.type.differentiable] if of is None else list(of)
    trace = Trace()
    trace.constants.update(graph.constants)
    trace.checks, trace.reports = list(graph.checks), list(graph.reports)  # rules may add their own
    y_bars = [Value(graph.outputs[i].type) for i in of]
    with trace, in_force(methods) as chosen:
        pull = record_forward(trace, graph, [graph.inputs[i] for i in wrt], chosen)
        seeds = [(graph.outputs[i], trace.wrap(v)) for i, v in zip(of, y_bars, strict=True)]
        found = pull(seeds)
        x_bars = [or_zeros(found.get(graph.inputs[i]), trace, graph.inputs[i].type) for i in wrt]
        bars = [x._read() for x in x_bars]
    return closed(
        trace,
        (*graph.inputs, *y_bars),
        (*graph.input_names, *(derived_name(graph.output_names[i], "bar") for i in of)),
        (*graph.outputs, *bars),
        (*graph.output_names, *(derived_name(graph.input_names[i], "bar") for i in wrt)),
        with_argument(graph.in_tree, select(graph.out_tree, [i in of for i in range(len(graph.outputs))])),
        Tree("tuple", (), (graph.out_tree, Tree("tuple", (), (LEAF,) * len(wrt)))),
        (*graph.signature, "cotangents") if graph.signature else (),
        f"vjp({graph.name})",
    )


Pull = Callable[[Sequence[tuple[Value, Tracer]]], dict[Value, Tracer]]


def record_forward(trace: Trace, graph: Graph, seeds: Sequence[Value], methods: Methods) -> Pull:
    """Append the graph's nodes to the trace, those that carry graphs made again to keep residuals.

    Gives the backward pass: from (value, cotangent) pairs to the cotangents of all values reached.
    """
    active = affected(graph, seeds)
    backs: list[tuple[Node, Back]] = []
    for node in graph.nodes:
        if active.isdisjoint(node.inputs) or active.isdisjoint(node.outputs):
            trace.nodes.append(node)
            continue
        made, back = _taped(trace, node, rule_of(node, methods)[1], active)
        trace.nodes.append(made)
        backs.append((node, back))

    def pull(pairs: Sequence[tuple[Value, Tracer]]) -> dict[Value, Tracer]:
        sums: defaultdict[Value, Sum] = defaultdict(Sum)
        for value, bar in pairs:
            sums[value].add(bar)
        try:
            for node, back in reversed(backs):
                if sums.keys().isdisjoint(node.outputs):
                    continue
                trace.source = node.source
                gs = tuple([sums.pop(v).total(trace, v.type) if v in sums else None for v in node.outputs])
                for x, x_bar in zip(node.inputs, back(gs), strict=True):
                    if x_bar is not None and x in active:
                        sums[x].add(x_bar)
        except RuleError as e:
            raise e.located(trace.source) from None
        trace.source = None
        return {value: found.total(trace, value.type) for value, found in sums.items()}

    return pull


def _taped(trace: Trace, node: Node, rule: Rule, active: set[Value]) -> tuple[Node, Back]:
    """The node as it goes into the forward pass, and its part of the backward pass."""
    if rule.tape is None:
        return node, lambda gs: pull_node(trace, node, rule, gs, active)
    taped = rule.tape(node, tuple([v in active for v in node.inputs]))
    residuals = tuple([Value(t) for t in taped.residuals])
    made = Node(node.op, node.inputs, taped.params, (*node.outputs, *residuals), node.source)

    def back(gs: tuple[Tracer | None, ...]) -> tuple[Any, ...]:
        y = tuple([trace.wrap(v) for v in node.outputs])
        xs = tuple([trace.wrap(v) for v in node.inputs])
        x_bars = taped.back(gs, y, xs, tuple([trace.wrap(v) for v in residuals]))
        return _fitted(trace, node, as_tuple(x_bars), False)

    return made, back


def _has_zero(t: AnyType) -> bool:
    """Whether there is a zero cotangent of this type: a trail of unknown length has none, and its rule sees None."""
    return t.differentiable and not (isinstance(t, Trail) and t.length is None)


def pull_node(
    trace: Trace, node: Node, rule: Rule, gs: tuple[Tracer | None, ...], active: set[Value]
) -> tuple[Any, ...]:
    """The cotangents of a node's inputs from those of its outputs; None is zero."""
    if rule.kind == "zero":
        return (None,) * len(node.inputs)
    xs = tuple([trace.wrap(v) for v in node.inputs])
    y = one_or_all(tuple([trace.wrap(v) for v in node.outputs]))
    filled = tuple(
        [
            g if g is not None or not _has_zero(v.type) else zeros(trace, v.type)
            for g, v in zip(gs, node.outputs, strict=True)
        ]
    )
    g = one_or_all(filled)
    if rule.kind == "elementwise":
        bars = tuple(
            [
                times(1 if partial == -1 else partial, g, y, xs, node.params) if v in active else None
                for partial, v in zip(rule.partials, node.inputs, strict=True)
            ]
        )
        fitted = _fitted(trace, node, bars, True)  # summed first where the input was broadcast, then negated
        return tuple([
            -bar if partial == -1 and bar is not None else bar
            for partial, bar in zip(rule.partials, fitted, strict=True)
        ])  # fmt: skip
    if rule.kind == "linear":
        bars = as_tuple(rule.transposes[0](g, *xs, **node.params))  # type: ignore[misc]
    elif rule.kind == "multilinear":
        bars = tuple(
            [
                transpose(g, *xs, **node.params) if transpose is not None and v in active else None
                for transpose, v in zip(rule.transposes, node.inputs, strict=True)
            ]
        )
    elif rule.vjp is not None:
        bars = as_tuple(rule.vjp(g, y, *xs, **node.params))
    else:
        bars = vjp_from_jvp(trace, node, rule, filled)
    return _fitted(trace, node, bars, rule.broadcasts)


def _fitted(trace: Trace, node: Node, bars: tuple[Any, ...], spread: bool) -> tuple[Any, ...]:
    return tuple(
        [
            fit_bar(bar, v.type, trace, node, spread) if v.type.differentiable else None
            for bar, v in zip(bars, node.inputs, strict=True)
        ]
    )
