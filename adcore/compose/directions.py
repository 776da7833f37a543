"""The two directions: jvp and vjp, each made of passes of the other where the strategy lacks it.

Both are read off the pairing Re sum(y_bar * y_dot) = Re sum(x_bar * x_dot): with a unit vector on one side,
the other side is one element of what is looked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from adcore.compose.passes import columns, directions_of, rows
from adcore.compose.work import Work
from adcore.graph import Graph, Value
from adcore.trace import Trace, array_type
from adcore.tracer import Tracer
from adcore.transform.jvp import with_argument
from adcore.transform.linear import or_zeros
from adcore.transform.splice import closed, derived_name
from adcore.tree import Tree, select
from adcore.types import Type


def vjp(work: Work) -> Graph:
    """(xs, y_bars) -> (ys, x_bars)."""
    made = work.base("vjp") if "vjp" in work.strategy.kinds else _vjp_by_columns(work)
    y_tree, _ = made.out_tree.children
    return replace(made, out_tree=Tree("tuple", (), (y_tree, work.tree)))


def jvp(work: Work) -> Graph:
    """(xs, x_dots) -> (ys, y_dots)."""
    made = work.base("jvp") if "jvp" in work.strategy.kinds else _jvp_by_rows(work)
    args, kwargs = made.in_tree.children
    nested = Tree("tuple", (), (*args.children[:-1], work.tree))
    return replace(made, in_tree=Tree("tuple", (), (nested, kwargs)))


def _vjp_by_columns(work: Work) -> Graph:
    graph, request = work.graph, work.request
    trace = Trace()
    trace.constants.update(graph.constants)
    bars = [Value(graph.outputs[i].type) for i in request.of]
    with trace:
        trace.nodes += graph.nodes
        y_bars = [trace.wrap(v) for v in bars]

        def product(dots: list[Tracer]) -> list[Any]:
            total: Any = 0.0
            for i, y_bar in zip(request.of, y_bars, strict=True):
                total = total + np.real(np.sum(y_bar * dots[i]))
            return [total]

        (pairings,) = columns(trace, work, product, real=True)
        x_bars = [trace.lift(x) for x in _read_off(pairings, [array_type(graph.inputs[i]) for i in request.wrt])]
    trace.checks, trace.reports = list(graph.checks), list(graph.reports)
    return closed(
        trace, (*graph.inputs, *bars),
        (*graph.input_names, *(derived_name(graph.output_names[i], "bar") for i in request.of)),
        (*graph.outputs, *x_bars),
        (*graph.output_names, *(derived_name(graph.input_names[i], "bar") for i in request.wrt)),
        with_argument(graph.in_tree, select(graph.out_tree, [i in request.of for i in range(len(graph.outputs))])),
        Tree("tuple", (), (graph.out_tree, work.tree)),
        (*graph.signature, "cotangents") if graph.signature else (), f"vjp({graph.name})",
    )  # fmt: skip


def _jvp_by_rows(work: Work) -> Graph:
    graph, request = work.graph, work.request
    trace = Trace()
    trace.constants.update(graph.constants)
    dots = [Value(graph.inputs[i].type) for i in request.wrt]
    with trace:
        trace.nodes += graph.nodes
        x_dots = [trace.wrap(v) for v in dots]

        def product(bars: list[Tracer]) -> list[Any]:
            total: Any = 0.0
            for x_dot, x_bar in zip(x_dots, bars, strict=True):
                total = total + np.real(np.sum(x_bar * x_dot))
            return [total]

        (pairings,) = rows(trace, work, product, real=True)
        read = _read_off(pairings, [array_type(graph.outputs[i]) for i in request.of])
        y_dots = dict(zip(request.of, read, strict=True))
        has = [v.type.differentiable for v in graph.outputs]
        found = [(i, trace.lift(or_zeros(y_dots.get(i), trace, v.type))) for i, v in enumerate(graph.outputs) if has[i]]
    trace.checks, trace.reports = list(graph.checks), list(graph.reports)
    return closed(
        trace, (*graph.inputs, *dots),
        (*graph.input_names, *(derived_name(graph.input_names[i], "dot") for i in request.wrt)),
        (*graph.outputs, *(v for _, v in found)),
        (*graph.output_names, *(derived_name(graph.output_names[i], "dot") for i, _ in found)),
        with_argument(graph.in_tree, work.tree), Tree("tuple", (), (graph.out_tree, select(graph.out_tree, has))),
        (*graph.signature, "tangents") if graph.signature else (), f"jvp({graph.name})",
    )  # fmt: skip


def _read_off(pairings: Any, types: Sequence[Type]) -> list[Any]:
    """The arrays x of these types, from Re(x_k) for every element k, and -Im(x_k) = Re(i x_k) for complex ones."""
    found, start = [], 0
    for t in types:
        parts: list[Any] = []
        for _ in directions_of(t, real=True):
            parts.append(np.reshape(pairings[start : start + t.size], t.shape))
            start += t.size
        x = parts[0] if len(parts) == 1 else parts[0] - 1j * parts[1]
        found.append(x if x.dtype == t.dtype else x.astype(t.dtype))
    return found
