"""`cond`: one of two branches, chosen while the graph runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.control.captures import aligned, joined
from adcore.control.statements import Plain, out_of
from adcore.errors import InputError
from adcore.graph import Graph, Value
from adcore.registry import find_op
from adcore.trace import Trace, array_type, caller, current
from adcore.tracer import Tracer
from adcore.tracing import is_leaf, trace_graph
from adcore.transform.splice import closed, splice
from adcore.tree import flatten, paths, unflatten


def cond(p: Any, f: Callable[..., Any], g: Callable[..., Any], *xs: Any) -> Any:
    """f(*xs) if p, else g(*xs); only that branch runs.

    p: one bool. xs: nested as you like. f, g: may also use values of the function around them; their
    results have one nesting and the same shapes; of two dtypes the wider is taken.
    Raises: InputError when p is no single bool or the results do not fit each other.

    >>> import adcore as ad
    >>> f = lambda x: cond(x > 0, lambda x: x * x, lambda x: -x, x)
    >>> ad.grad(f)(3.0), ad.grad(f)(-3.0)
    (np.float64(6.0), np.float64(-1.0))
    """
    trace = current()
    if trace is None or not isinstance(p, Tracer):
        if np.ndim(p) or np.asarray(p).dtype.kind not in "biu":
            raise InputError(f"the predicate of cond is {p!r}", f"at {caller()}", "give one bool")
        return f(*xs) if p else g(*xs)
    if p.shape or p.dtype.kind != "b":
        raise InputError(f"the predicate of cond is a traced {p._type}", f"at {caller()}", "give one bool")
    leaves, _ = flatten(xs, is_leaf)
    traced = [trace_graph(branch, xs, name=getattr(branch, "__name__", "branch")) for branch in (f, g)]
    _same_results(*(graph for graph, _ in traced))
    dtypes = [
        np.result_type(array_type(a).dtype, array_type(b).dtype)
        for a, b in zip(*(graph.outputs for graph, _ in traced), strict=True)
    ]
    plains = [_with_checks_of_both(traced, i, dtypes) for i in (0, 1)]
    captured = joined([found for _, found in traced])
    yes, no = (
        aligned(plain.graph, len(leaves), found, captured) for plain, (_, found) in zip(plains, traced, strict=True)
    )
    args = [trace.wrap(trace.lift(x)) for x in leaves] + [trace.wrap(v) for v in captured]
    found = find_op("core::cond")(p, *args, yes=yes, no=no)
    results = list(found) if isinstance(found, tuple) else [found]
    n = len(dtypes)
    plains[0].restate(trace, results[n:])
    return unflatten(traced[0][0].out_tree, results[:n])


def _same_results(f: Graph, g: Graph) -> None:
    """Raise InputError unless both branches give the same nesting and shapes."""
    if f.out_tree != g.out_tree:
        shown = [", ".join(paths(x.out_tree, "y")) for x in (f, g)]
        raise InputError(
            f"the branches of cond return {shown[0]} and {shown[1]}", f"{f.name} and {g.name}, at {caller()}",
            "return the same nesting from both",
        )  # fmt: skip
    for a, b, name in zip(f.outputs, g.outputs, f.output_names, strict=True):
        if array_type(a).shape != array_type(b).shape:
            raise InputError(
                f"the branches of cond return {name} as {a.type} and as {b.type}",
                f"{f.name} and {g.name}, at {caller()}", "return the same shapes from both",
            )  # fmt: skip


def _with_checks_of_both(traced: list[tuple[Graph, list[Value]]], i: int, dtypes: list[Any]) -> Plain:
    """Branch i, its results in these dtypes, giving the checks and reports of both: a check not reached is true."""
    graph, both = traced[i][0], [g for g, _ in traced]
    inner = Trace()
    inputs = [Value(v.type) for v in graph.inputs]
    found = splice(inner, out_of(graph).graph, inputs)
    outputs = [inner.convert(v, d) for v, d in zip(found, dtypes, strict=False)]
    said = found[len(outputs) :]
    n = sum(1 + len(c.shown) for c in graph.checks)
    checks: list[Value] = []
    reports: list[Value] = []
    for k, other in enumerate(both):
        if k == i:
            checks += said[:n]
            reports += said[n:]
            continue
        for c in other.checks:
            checks += [_quiet(inner, c.value, True), *(_quiet(inner, v, False) for v in c.shown)]
        reports += [_quiet(inner, v, False) for _, v in other.reports]
    names = [f"y{j}" for j in range(len(outputs) + len(checks) + len(reports))]
    made = closed(
        inner, inputs, graph.input_names, [*outputs, *checks, *reports], names, graph.in_tree, name=graph.name
    )  # fmt: skip
    return Plain(made, tuple(c for g in both for c in g.checks), tuple(n for g in both for n, _ in g.reports))


def _quiet(trace: Trace, v: Value, ok: bool) -> Value:
    t = array_type(v)
    return trace.constant(np.full(t.shape, ok, t.dtype))
