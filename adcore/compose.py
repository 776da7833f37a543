"""What is asked for, composed of what a strategy supplies (jvp, vjp, or both).

kind            arguments        results           from a strategy with vjp       with jvp only
jvp             xs, x_dots       ys, y_dots        one pass per output element    itself
vjp             xs, y_bars       ys, x_bars        itself                         one pass per input element
value_and_grad  xs               y, x_bars         vjp with y_bar = 1
grad            xs               x_bars            vjp with y_bar = 1
jacobian        xs               ys, Js            one pass per output element    one per input element
hvp             xs, vs           gs, H vs          jvp of grad: forward over the strategy
hessian         xs               gs, H             jacobian of grad, forward

Passes are batched (vector mode): all unit vectors at once where that fits the memory for lanes, else in
chunks, by a scan whose step makes its own unit vectors. What does not depend on them runs once a chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from adcore.errors import DifferentiationError, StrategyError
from adcore.graph import Graph, Value
from adcore.plan.steps import default_plan
from adcore.registry import find_op
from adcore.strategy import Budget, Request, Strategy
from adcore.trace import Trace, array_type, current
from adcore.tracer import Tracer
from adcore.transform.jvp import jvp as forward
from adcore.transform.jvp import with_argument
from adcore.transform.linear import or_zeros
from adcore.transform.simplify import simplify
from adcore.transform.splice import call_graph, closed, derived_name
from adcore.transform.vmap import vmap
from adcore.tree import LEAF, Tree, select
from adcore.types import Type

KINDS = ("jvp", "vjp", "grad", "value_and_grad", "jacobian", "hvp", "hessian")


def differentiate(
    graph: Graph,
    request: Request,
    strategy: Strategy,
    budget: Budget | None = None,
    wrt_tree: Tree | None = None,
) -> Graph:
    """The graph of a derivative, simplified. wrt_tree: how results by input are nested (default: a tuple).

    Raises DifferentiationError when the question has no answer, StrategyError for an unknown kind.
    """
    if request.kind not in KINDS:
        raise StrategyError(f"no kind of derivative is called {request.kind!r}", f"known: {', '.join(KINDS)}")
    _check_request(graph, request)
    tree = Tree("tuple", (), (LEAF,) * len(request.wrt)) if wrt_tree is None else wrt_tree
    make = _MAKERS[request.kind]
    return simplify(make(_Work(graph, request, strategy, budget or Budget(), tree)))


class _Work:
    def __init__(self, graph: Graph, request: Request, strategy: Strategy, budget: Budget, tree: Tree) -> None:
        self.graph, self.request, self.strategy, self.budget, self.tree = (
            graph,
            request,
            strategy,
            budget,
            tree,
        )

    def base(self, kind: str) -> Graph:
        """jvp or vjp as the strategy itself makes it."""
        request = replace(self.request, kind=kind)
        return simplify(self.strategy.differentiate(self.graph, request, self.budget))


def _check_request(graph: Graph, request: Request) -> None:
    for i in request.wrt:
        t = graph.inputs[i].type
        if not t.differentiable:
            raise DifferentiationError(
                f"{graph.input_names[i]} is {t}, which has no derivative", f"in graph {graph.name}",
                "pass a float, or leave it out of wrt",
            )  # fmt: skip
    for i in request.of:
        t = graph.outputs[i].type
        if not t.differentiable:
            raise DifferentiationError(
                f"{graph.output_names[i]} is {t}, which has no derivative", f"in graph {graph.name}"
            )


# --- the two directions --------------------------------------------------------------------------


def _vjp(work: _Work) -> Graph:
    made = work.base("vjp") if "vjp" in work.strategy.kinds else _vjp_by_columns(work)
    y_tree, _ = made.out_tree.children
    return replace(made, out_tree=Tree("tuple", (), (y_tree, work.tree)))


def _jvp(work: _Work) -> Graph:
    made = work.base("jvp") if "jvp" in work.strategy.kinds else _jvp_by_rows(work)
    args, kwargs = made.in_tree.children
    nested = Tree("tuple", (), (*args.children[:-1], work.tree))
    return replace(made, in_tree=Tree("tuple", (), (nested, kwargs)))


def _vjp_by_columns(work: _Work) -> Graph:
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
                total = total + np.sum(y_bar * dots[i])
            return [total]

        (sums,) = _columns(trace, work, product)
        x_bars = [s._read() for s in _cut(sums, work)]
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


def _jvp_by_rows(work: _Work) -> Graph:
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
                total = total + np.sum(x_bar * x_dot)
            return [total]

        (sums,) = _rows(trace, work, product)
        cut = _cut_by(sums, [graph.outputs[i].type for i in request.of])
        y_dots = dict(zip(request.of, cut, strict=True))
        has = [v.type.differentiable for v in graph.outputs]
        found = [(i, or_zeros(y_dots.get(i), trace, v.type)._read()) for i, v in enumerate(graph.outputs) if has[i]]
    trace.checks, trace.reports = list(graph.checks), list(graph.reports)
    return closed(
        trace, (*graph.inputs, *dots),
        (*graph.input_names, *(derived_name(graph.input_names[i], "dot") for i in request.wrt)),
        (*graph.outputs, *(v for _, v in found)),
        (*graph.output_names, *(derived_name(graph.output_names[i], "dot") for i, _ in found)),
        with_argument(graph.in_tree, work.tree), Tree("tuple", (), (graph.out_tree, select(graph.out_tree, has))),
        (*graph.signature, "tangents") if graph.signature else (), f"jvp({graph.name})",
    )  # fmt: skip


# --- passes over unit vectors ---------------------------------------------------------------------

Product = Callable[[list[Any]], list[Any]]

LANES = 1 << 26
"""Bytes that the lanes of a batched pass may take, where the budget and the strategy say nothing."""


def _columns(trace: Trace, work: _Work, product: Product) -> list[Tracer]:
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

    return _passes(trace, work, [array_type(graph.inputs[i]) for i in request.wrt], one_pass)


def _rows(trace: Trace, work: _Work, product: Product) -> list[Tracer]:
    """The same for the input cotangents, over the unit vectors of the outputs."""
    graph, request = work.graph, work.request
    cotangent = work.base("vjp")

    def one_pass(args: list[Tracer], units: list[Tracer]) -> list[Any]:
        return product(call_graph(_now(), cotangent, [*args, *units])[len(graph.outputs) :])

    return _passes(trace, work, [array_type(graph.outputs[i]) for i in request.of], one_pass)


def _now() -> Trace:
    trace = current()
    assert trace is not None
    return trace


def _passes(trace: Trace, work: _Work, types: Sequence[Type], one_pass: Callable[..., list[Any]]) -> list[Tracer]:
    """What `one_pass` makes of every unit vector of these types, stacked: in one batched pass or in chunks."""
    graph = work.graph
    n = sum(t.size for t in types)
    inner = Trace(trace)
    units = [Value(t) for t in types]
    with inner:
        args = [inner.wrap(inner.value_of(trace.wrap(v))) for v in graph.inputs]
        results = [inner.lift(r) for r in one_pass(args, [inner.wrap(u) for u in units])]
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
        return call_graph(trace, batched, [*shared, *_units(types, 0, lanes)])
    return _chunked(trace, batched, shared, types, lanes, -(-n // lanes), n)


def _lanes(work: _Work, single: Graph, n: int) -> int:
    """How many passes go in one batch: what the strategy says, else what fits."""
    asked = getattr(work.strategy.options, "chunk", None)
    if asked is not None:
        return max(1, min(int(asked), n))
    room = LANES if work.budget.memory is None else work.budget.memory // 4
    per_lane = max(1, default_plan(single).cost.live_bytes)
    return max(1, min(n, room // per_lane))


def _units(types: Sequence[Type], start: Any, lanes: int) -> list[Any]:
    """Unit vectors start, start + 1, ... (lanes of them) of these types, as batches; zero past the last."""
    rows = np.arange(lanes)[:, None] + start
    found, at = [], 0
    for t in types:
        hot: Any = np.equal(rows, np.arange(at, at + t.size)[None, :]).astype(t.dtype)
        found.append(np.reshape(hot, (lanes, *t.shape)))
        at += t.size
    return found


def _chunked(
    trace: Trace, batched: Graph, shared: list[Tracer], types: Sequence[Type], lanes: int, passes: int, n: int
) -> list[Tracer]:
    """The batched pass as the step of a scan that counts its chunks."""
    inner = Trace(trace)
    counter = Value(Type(np.dtype(np.int64), ()))
    with inner:
        start = inner.wrap(counter)
        args = [inner.wrap(inner.value_of(x)) for x in shared]
        found = call_graph(inner, batched, [*args, *_units(types, start, lanes)])
        following = start + lanes
        outputs = [following._read(), *(x._read() for x in found)]
    captured = list(inner.captured)
    step = closed(
        inner, [counter, *inner.captured.values()], [f"in{k}" for k in range(1 + len(captured))],
        outputs, [f"out{k}" for k in range(len(outputs))], name=batched.name,
    )  # fmt: skip
    first = trace.wrap(trace.constant(np.zeros((), np.int64)))
    stacked = find_op("core::scan")(
        first, *(trace.wrap(v) for v in captured),
        step=simplify(step), length=passes, carries=1, scanned=0, trails=(), reverse=False,
    )  # fmt: skip
    return [np.reshape(x, (passes * lanes, *x.shape[2:]))[:n] for x in stacked[1:]]


def _cut(stacked: Tracer, work: _Work) -> list[Tracer]:
    return _cut_by(stacked, [work.graph.inputs[i].type for i in work.request.wrt])


def _cut_by(stacked: Tracer, types: Sequence[Any]) -> list[Tracer]:
    """A vector over all elements, cut into arrays of these types."""
    found, start = [], 0
    for t in types:
        part: Any = stacked[start : start + t.size]
        part = np.reshape(part, t.shape)
        found.append(part if part.dtype == t.dtype else part.astype(t.dtype))
        start += t.size
    return found


# --- what is made of them ------------------------------------------------------------------------


def _scalar_output(work: _Work) -> int:
    graph, request = work.graph, work.request
    if len(request.of) != 1:
        raise DifferentiationError(
            f"a gradient is of one output; {graph.name} has {len(request.of)}",
            instead="name it with of=, or ask for the jacobian",
        )
    t = array_type(graph.outputs[request.of[0]])
    if t.shape or t.dtype.kind != "f":
        raise DifferentiationError(
            f"a gradient is of one real number; {graph.name} gives {t}",
            instead="sum it up, or ask for the jacobian" if t.shape else "a complex result needs holomorphic=True",
        )
    return request.of[0]


def _value_and_grad(work: _Work) -> Graph:
    of = _scalar_output(work)
    both = _vjp(work)
    graph = work.graph
    one = np.ones((), array_type(graph.outputs[of]).dtype)
    one.flags.writeable = False
    return replace(
        both,
        inputs=graph.inputs, input_names=graph.input_names, in_tree=graph.in_tree, signature=graph.signature,
        constants={**both.constants, both.inputs[-1]: one}, name=f"value_and_grad({graph.name})",
    )  # fmt: skip


def _grad(work: _Work) -> Graph:
    both = _value_and_grad(work)
    n = len(work.graph.outputs)
    return replace(
        both,
        outputs=both.outputs[n:],
        output_names=both.output_names[n:],
        out_tree=work.tree,
        name=f"grad({work.graph.name})",
    )


def _jacobian(work: _Work) -> Graph:
    graph, request = work.graph, work.request
    trace = Trace()
    trace.constants.update(graph.constants)
    n_in = sum(array_type(graph.inputs[i]).size for i in request.wrt)
    n_out = sum(array_type(graph.outputs[i]).size for i in request.of)
    by_columns = "jvp" in work.strategy.kinds and ("vjp" not in work.strategy.kinds or n_in <= n_out)
    with trace:
        trace.nodes += graph.nodes
        blocks = _jacobian_columns(trace, work) if by_columns else _jacobian_rows(trace, work)
        outputs = [b._read() for b in blocks]
    trace.checks, trace.reports = list(graph.checks), list(graph.reports)
    names = [
        f"{derived_name(graph.output_names[i], 'jac')}:{graph.input_names[j]}" for i in request.of for j in request.wrt
    ]
    nested = iter([work.tree] * len(request.of))
    return closed(
        trace, graph.inputs, graph.input_names, (*graph.outputs, *outputs), (*graph.output_names, *names),
        graph.in_tree, Tree("tuple", (), (graph.out_tree, _replace_leaves(graph.out_tree, request.of, nested))),
        graph.signature, f"jacobian({graph.name})",
    )  # fmt: skip


def _replace_leaves(tree: Tree, of: Sequence[int], nested: Any) -> Tree:
    """The tree of results with each differentiated leaf replaced by the tree of its blocks."""
    position = iter(range(tree.leaves))

    def walk(t: Tree) -> Tree:
        if t.kind == "leaf":
            return next(nested) if next(position) in of else Tree("static")
        return replace(t, children=tuple(walk(c) for c in t.children))

    return walk(tree)


def _jacobian_columns(trace: Trace, work: _Work) -> list[Any]:
    graph, request = work.graph, work.request
    stacked = _columns(trace, work, lambda dots: [dots[i] for i in request.of])
    blocks = []
    for i, columns in zip(request.of, stacked, strict=True):
        shape, start = graph.outputs[i].type.shape, 0  # type: ignore[union-attr]
        for j in request.wrt:
            t: Any = graph.inputs[j].type
            block = np.moveaxis(columns[start : start + t.size], 0, -1)
            blocks.append(np.reshape(block, shape + t.shape))
            start += t.size
    return blocks


def _jacobian_rows(trace: Trace, work: _Work) -> list[Any]:
    graph, request = work.graph, work.request
    stacked = _rows(trace, work, lambda bars: bars)
    blocks, start = [], 0
    for i in request.of:
        t: Any = graph.outputs[i].type
        for j, rows in zip(request.wrt, stacked, strict=True):
            shape = graph.inputs[j].type.shape  # type: ignore[union-attr]
            blocks.append(np.reshape(rows[start : start + t.size], t.shape + shape))
        start += t.size
    return blocks


def _hvp(work: _Work) -> Graph:
    gradient = simplify(_grad(work))
    made = forward(gradient, work.request.wrt, work.strategy.methods)
    args, kwargs = made.in_tree.children
    nested = Tree("tuple", (), (*args.children[:-1], work.tree))
    return replace(made, in_tree=Tree("tuple", (), (nested, kwargs)), name=f"hvp({work.graph.name})")


class _Forward(Strategy):
    """Plain forward mode, for the outer derivative of a Hessian."""

    name = "forward"
    kinds = frozenset({"jvp"})

    def differentiate(self, graph: Graph, request: Request, budget: Budget) -> Graph:
        return forward(graph, request.wrt, self.methods)


def _hessian(work: _Work) -> Graph:
    gradient = simplify(_grad(work))
    request = Request("jacobian", work.request.wrt, tuple(range(len(gradient.outputs))))
    outer = _Work(gradient, request, _Forward(methods=work.strategy.methods), work.budget, work.tree)
    return replace(_jacobian(outer), name=f"hessian({work.graph.name})")


_MAKERS: dict[str, Callable[[_Work], Graph]] = {
    "jvp": _jvp, "vjp": _vjp, "grad": _grad, "value_and_grad": _value_and_grad, "jacobian": _jacobian, "hvp": _hvp,
    "hessian": _hessian,
}  # fmt: skip
