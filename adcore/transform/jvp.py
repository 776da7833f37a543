"""Forward mode: a tangent beside each value, in the order of the graph.

y_dot = J x_dot. One pass gives one column of the Jacobian (for x_dot a unit vector) and keeps
nothing but what the primal itself still needs.
Source: Griewank and Walther 2008, "Evaluating Derivatives", section 3.1 (tangent propagation).
"""

from __future__ import annotations

from collections.abc import Sequence

from adcore.errors import RuleError
from adcore.graph import Graph, Node, Value, affected
from adcore.rules import Rule
from adcore.trace import Trace
from adcore.tracer import Tracer
from adcore.transform.derive import jvp_from_vjp
from adcore.transform.linear import Methods, add, as_tuple, fit, in_force, one_or_all, or_zeros, rule_of, times, zeros
from adcore.transform.splice import closed, derived_name
from adcore.tree import LEAF, Tree, select
from adcore.types import tangent_type


def jvp(graph: Graph, wrt: Sequence[int] | None = None, methods: Methods | None = None) -> Graph:
    """The graph of (xs, x_dots) -> (ys, y_dots).

    wrt: positions of the inputs that get a tangent (default: all differentiable ones). The tangents
    are further arguments, named x_dot; an output without derivative has none.
    Raises RuleError when an op on the way has no rule.
    """
    wrt = [i for i, v in enumerate(graph.inputs) if v.type.differentiable] if wrt is None else list(wrt)
    trace = Trace()
    trace.constants.update(graph.constants)
    seeds = {graph.inputs[i]: Value(graph.inputs[i].type) for i in wrt}
    with trace, in_force(methods) as chosen:
        tangents = {x: trace.wrap(x_dot) for x, x_dot in seeds.items()}
        push(trace, graph, tangents, chosen)
        dots = [
            (i, or_zeros(tangents.get(v), trace, v.type)._read())
            for i, v in enumerate(graph.outputs)
            if v.type.differentiable
        ]
    trace.checks, trace.reports = list(graph.checks), list(graph.reports)
    has_dot = [v.type.differentiable for v in graph.outputs]
    return closed(
        trace,
        (*graph.inputs, *seeds.values()),
        (*graph.input_names, *(derived_name(graph.input_names[i], "dot") for i in wrt)),
        (*graph.outputs, *(v for _, v in dots)),
        (*graph.output_names, *(derived_name(graph.output_names[i], "dot") for i, _ in dots)),
        with_argument(graph.in_tree, Tree("tuple", (), (LEAF,) * len(wrt))),
        Tree("tuple", (), (graph.out_tree, select(graph.out_tree, has_dot))),
        (*graph.signature, "tangents") if graph.signature else (),
        f"jvp({graph.name})",
    )


def push(trace: Trace, graph: Graph, tangents: dict[Value, Tracer], methods: Methods) -> None:
    """Append the nodes of the graph to the trace, each followed by the tangents of its outputs."""
    active = affected(graph, tangents)
    try:
        for node in graph.nodes:
            trace.nodes.append(node)
            if active.isdisjoint(node.outputs) or not any(v in tangents for v in node.inputs):
                continue
            trace.source = node.source
            found = zip(node.outputs, push_node(trace, node, tangents, methods), strict=True)
            tangents.update({y: y_dot for y, y_dot in found if y_dot is not None})
    except RuleError as e:
        raise e.located(trace.source) from None
    trace.source = None


def push_node(trace: Trace, node: Node, tangents: dict[Value, Tracer], methods: Methods) -> tuple[Tracer | None, ...]:
    """The tangents of a node's outputs; None is zero."""
    op, rule = rule_of(node, methods)
    xs = tuple([trace.wrap(v) for v in node.inputs])
    ts = tuple([tangents.get(v) for v in node.inputs])
    y = one_or_all(tuple([trace.wrap(v) for v in node.outputs]))
    if rule.kind == "zero":
        return (None,) * len(node.outputs)
    if rule.kind == "elementwise":
        found: Tracer | None = None
        for partial, t in zip(rule.partials, ts, strict=True):
            if t is not None:
                found = add(
                    found,
                    fit(times(partial, t, y, xs, node.params), node.outputs[0].type, trace, node, False),
                )
        return (found,)
    if rule.kind == "linear":
        filled = [t if t is not None else zeros(trace, v.type) for t, v in zip(ts, node.inputs, strict=True)]
        return as_tuple(op(*filled, **node.params))
    if rule.kind == "multilinear":
        total: Tracer | None = None
        for i, t in enumerate(ts):
            if t is not None and rule.transposes[i] is not None:
                total = add(total, op(*xs[:i], t, *xs[i + 1 :], **node.params))
        return (total,)
    return _by_rule(trace, node, rule, ts, y, xs)


def _by_rule(
    trace: Trace, node: Node, rule: Rule, ts: tuple[Tracer | None, ...], y: Tracer, xs: tuple[Tracer, ...]
) -> tuple[Tracer | None, ...]:
    """Tangents by the op's own jvp, or one derived from its vjp."""
    if rule.tape is not None and rule.jvp is not None:
        results = as_tuple(rule.jvp(ts, y, *xs, **node.params))
    else:
        filled = tuple(
            t if t is not None or not v.type.differentiable else zeros(trace, v.type)
            for t, v in zip(ts, node.inputs, strict=True)
        )
        if rule.jvp is not None:
            results = as_tuple(rule.jvp(filled, y, *xs, **node.params))
        else:
            results = jvp_from_vjp(trace, node, rule, filled)
    types = [tangent_type(v.type) for v in node.outputs]
    return tuple(fit(r, t, trace, node, False) if t is not None else None for r, t in zip(results, types, strict=True))


def with_argument(in_tree: Tree, extra: Tree) -> Tree:
    """The tree of (args, kwargs) with one more positional argument; kwargs become positional before it."""
    args, kwargs = in_tree.children
    return Tree("tuple", (), (Tree("tuple", (), (*args.children, *kwargs.children, extra)), Tree("dict")))
