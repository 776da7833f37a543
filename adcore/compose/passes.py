"""Passes over unit vectors, batched (vector mode): columns and rows of the Jacobian.

All unit vectors go in one batch where that fits the memory for lanes, else in chunks, by a scan whose
step makes its own unit vectors. What does not depend on them runs once a chunk. For what is linear over the
reals only (`real`), a complex element has two unit vectors: 1 and i.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adcore.compose.work import Work
from adcore.graph import Graph, Value
from adcore.plan.steps import default_plan
from adcore.registry import find_op
from adcore.trace import Trace, array_type, current
from adcore.tracer import Tracer
from adcore.transform.simplify import simplify
from adcore.transform.splice import call_graph, closed
from adcore.transform.vmap import vmap
from adcore.types import Type

Product = Callable[[list[Any]], list[Any]]

LANES = 1 << 26
"""Bytes that the lanes of a batched pass may take, where the budget and the strategy say nothing."""


def columns(trace: Trace, work: Work, product: Product, real: bool = False) -> list[Tracer]:
    """What `product` makes of the output tangents, stacked over the unit vectors of the inputs.

    product: from the tangents of all outputs (by position; missing ones are None) to arrays.
    """
    graph, request = work.graph, work.request
    tangent = work.base("jvp")
    n_y = len(graph.outputs)
    differentiable = [i for i, v in enumerate(graph.outputs) if v.type.differentiable]

    def one_pass(args: list[Tracer], units: list[Tracer]) -> list[Any]:
        found = dict(zip(differentiable, call_graph(_now(), tangent, [*args, *units])[n_y:], strict=True))
        return product([found.get(i) for i in range(n_y)])

    return _passes(trace, work, [array_type(graph.inputs[i]) for i in request.wrt], real, one_pass)


def rows(trace: Trace, work: Work, product: Product, real: bool = False) -> list[Tracer]:
    """The same for the input cotangents, over the unit vectors of the outputs."""
    graph, request = work.graph, work.request
    cotangent = work.base("vjp")

    def one_pass(args: list[Tracer], units: list[Tracer]) -> list[Any]:
        return product(call_graph(_now(), cotangent, [*args, *units])[len(graph.outputs) :])

    return _passes(trace, work, [array_type(graph.outputs[i]) for i in request.of], real, one_pass)


def directions_of(t: Type, real: bool) -> tuple[complex, ...]:
    """The unit numbers of an element: 1, and i for complex ones over the reals."""
    return (1, 1j) if real and t.dtype.kind == "c" else (1,)


def _now() -> Trace:
    trace = current()
    assert trace is not None
    return trace


def _passes(
    trace: Trace, work: Work, types: Sequence[Type], real: bool, one_pass: Callable[..., list[Any]]
) -> list[Tracer]:
    """What `one_pass` makes of every unit vector of these types, stacked: in one batched pass or in chunks."""
    graph = work.graph
    n = sum(t.size * len(directions_of(t, real)) for t in types)
    inner = Trace(trace)
    units = [Value(t) for t in types]
    with inner:
        args = [inner.wrap(inner.value_of(trace.wrap(v))) for v in graph.inputs]
        results = [inner.lift(r) for r in one_pass(args, [inner.wrap(u) for u in units])]
    inner.checks, inner.reports = [], []  # those of the graph, which hold once and not for every pass
    captured = list(inner.captured)
    names = [f"in{k}" for k in range(len(captured) + len(units))]
    single = closed(
        inner, [*inner.captured.values(), *units], names, results, [f"out{k}" for k in range(len(results))],
        name=f"pass({graph.name})",
    )  # fmt: skip
    single = simplify(single)
    lanes = _lanes(work, single, n)
    batched = simplify(vmap(single, [False] * len(captured) + [True] * len(units), lanes))
    shared = [trace.wrap(v) for v in captured]
    if lanes >= n:
        zero = trace.wrap(trace.constant(np.zeros((), np.int64)))  # traced, so that no identity matrix is kept
        return call_graph(trace, batched, [*shared, *_units(types, real, zero, lanes)])

    def chunk(inner: Trace, args: list[Tracer], start: Tracer) -> list[Tracer]:
        return call_graph(inner, batched, [*args, *_units(types, real, start, lanes)])

    return [x[:n] for x in _chunked(trace, batched.name, shared, chunk, lanes, -(-n // lanes))]


def _lanes(work: Work, single: Graph, n: int) -> int:
    """How many passes go in one batch: what the strategy says, else what fits."""
    asked = getattr(work.strategy.options, "chunk", None)
    if asked is not None:
        return max(1, min(int(asked), n))
    room = LANES if work.budget.memory is None else work.budget.memory // 4
    per_lane = max(1, default_plan(single).cost.live_bytes)
    return max(1, min(n, room // per_lane))


def _units(types: Sequence[Type], real: bool, start: Tracer, lanes: int) -> list[Any]:
    """Unit vectors start, start + 1, ... (lanes of them) of these types, as batches; zero past the last."""
    rows: Any = np.arange(lanes)[:, None] + start
    found, at = [], 0
    for t in types:
        batch: Any = 0
        for number in directions_of(t, real):
            hot: Any = np.equal(rows, np.arange(at, at + t.size)[None, :]).astype(t.dtype)
            batch = hot if number == 1 else batch + number * hot
            at += t.size
        found.append(np.reshape(batch, (lanes, *t.shape)))
    return found


def _chunked(
    trace: Trace, name: str, shared: list[Tracer], chunk: Callable[..., list[Tracer]], lanes: int, passes: int
) -> list[Any]:
    """The batched pass as the step of a scan that counts its chunks."""
    inner = Trace(trace)
    counter = Value(Type(np.dtype(np.int64), ()))
    with inner:
        start = inner.wrap(counter)
        args = [inner.wrap(inner.value_of(x)) for x in shared]
        found = chunk(inner, args, start)
        outputs = [inner.lift(start + lanes), *(inner.lift(x) for x in found)]
    captured = list(inner.captured)
    step = closed(
        inner, [counter, *inner.captured.values()], [f"in{k}" for k in range(1 + len(captured))],
        outputs, [f"out{k}" for k in range(len(outputs))], name=name,
    )  # fmt: skip
    first = trace.wrap(trace.constant(np.zeros((), np.int64)))
    stacked = find_op("core::scan")(
        first, *(trace.wrap(v) for v in captured),
        step=simplify(step), length=passes, carries=1, scanned=0, trails=(), reverse=False,
    )  # fmt: skip
    return [np.reshape(x, (passes * lanes, *x.shape[2:])) for x in stacked[1:]]
