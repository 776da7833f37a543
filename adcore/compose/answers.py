"""What is made of the two directions: gradients, Jacobians, products with the Hessian, Hessians."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from adcore.compose.directions import vjp
from adcore.compose.passes import columns, rows
from adcore.compose.work import Work
from adcore.errors import DifferentiationError
from adcore.graph import Graph
from adcore.strategy import Budget, Request, Strategy
from adcore.trace import Trace, array_type
from adcore.transform.jvp import jvp as forward
from adcore.transform.simplify import simplify
from adcore.transform.splice import closed, derived_name
from adcore.tree import Tree

# --- gradients -----------------------------------------------------------------------------------


def value_and_grad(work: Work) -> Graph:
    """xs -> (ys, x_bars), for one output that is a number.

    Cotangents of complex inputs are conjugated, so that a step against the gradient goes downhill; those
    of a holomorphic function are not: they are its complex derivative.
    """
    graph = work.graph
    of = _scalar_output(work)
    both = vjp(work)
    one = np.ones((), array_type(graph.outputs[of]).dtype)
    one.flags.writeable = False
    made = replace(
        both,
        inputs=graph.inputs, input_names=graph.input_names, in_tree=graph.in_tree, signature=graph.signature,
        constants={**both.constants, both.inputs[-1]: one}, name=f"value_and_grad({graph.name})",
    )  # fmt: skip
    return made if work.request.holomorphic else _conjugated(made, len(graph.outputs))


def _scalar_output(work: Work) -> int:
    graph, request = work.graph, work.request
    if len(request.of) != 1:
        raise DifferentiationError(
            f"a gradient is of one output; {graph.name} has {len(request.of)}",
            instead="name it with of=, or ask for the jacobian",
        )
    y = graph.outputs[request.of[0]]
    t = array_type(y)
    made = next((f"made by {n.op} at {n.source or 'source unknown'}" for n in graph.nodes if y in n.outputs), "")
    if t.shape:
        raise DifferentiationError(
            f"a gradient is of one number; {graph.name} gives {t}", made, "sum it up, or ask for the jacobian"
        )
    complex_inputs = [graph.input_names[i] for i in request.wrt if array_type(graph.inputs[i]).dtype.kind == "c"]
    if request.holomorphic and (t.dtype.kind != "c" or len(complex_inputs) != len(request.wrt)):
        raise DifferentiationError(
            "a holomorphic function has complex arguments and a complex result",
            f"{graph.name} gives {t}; complex arguments: {', '.join(complex_inputs) or 'none'}",
            "pass complex numbers, or leave holomorphic=True out",
        )
    if t.dtype.kind == "c" and not request.holomorphic:
        raise DifferentiationError(
            f"a gradient is of one real number; {graph.name} gives {t}",
            made,
            "take the real part, or say holomorphic=True if it is",
        )
    return request.of[0]


def _conjugated(made: Graph, first: int) -> Graph:
    """The graph with the complex ones of its outputs from `first` on conjugated."""
    if all(array_type(v).dtype.kind != "c" for v in made.outputs[first:]):
        return made
    trace = Trace()
    trace.nodes, trace.constants = list(made.nodes), dict(made.constants)
    with trace:
        bars = [trace.lift(np.conjugate(trace.wrap(v))) for v in made.outputs[first:]]
    return replace(made, nodes=tuple(trace.nodes), outputs=(*made.outputs[:first], *bars))


def grad(work: Work) -> Graph:
    """xs -> x_bars, for one output that is a real number."""
    both = value_and_grad(work)
    n = len(work.graph.outputs)
    return replace(
        both, outputs=both.outputs[n:], output_names=both.output_names[n:], out_tree=work.tree,
        name=f"grad({work.graph.name})",
    )  # fmt: skip


# --- Jacobians -----------------------------------------------------------------------------------


def jacobian(work: Work) -> Graph:
    """xs -> (ys, Js): in place of each output, the blocks by input."""
    graph, request = work.graph, work.request
    trace = Trace()
    trace.constants.update(graph.constants)
    n_in = sum(array_type(graph.inputs[i]).size for i in request.wrt)
    n_out = sum(array_type(graph.outputs[i]).size for i in request.of)
    by_columns = "jvp" in work.strategy.kinds and ("vjp" not in work.strategy.kinds or n_in <= n_out)
    with trace:
        trace.nodes += graph.nodes
        blocks = _blocks_of_columns(trace, work) if by_columns else _blocks_of_rows(trace, work)
        outputs = [trace.lift(block) for block in blocks]
    trace.checks, trace.reports = list(graph.checks), list(graph.reports)
    names = [
        f"{derived_name(graph.output_names[i], 'jac')}:{graph.input_names[j]}" for i in request.of for j in request.wrt
    ]
    return closed(
        trace, graph.inputs, graph.input_names, (*graph.outputs, *outputs), (*graph.output_names, *names),
        graph.in_tree, Tree("tuple", (), (graph.out_tree, _with_blocks(graph.out_tree, request.of, work.tree))),
        graph.signature, f"jacobian({graph.name})",
    )  # fmt: skip


def _with_blocks(tree: Tree, of: Sequence[int], nested: Tree) -> Tree:
    """The tree of results with each differentiated leaf replaced by the tree of its blocks."""
    position = iter(range(tree.leaves))

    def walk(t: Tree) -> Tree:
        if t.kind == "leaf":
            return nested if next(position) in of else Tree("static")
        return replace(t, children=tuple(walk(c) for c in t.children))

    return walk(tree)


def _blocks_of_columns(trace: Trace, work: Work) -> list[Any]:
    graph, request = work.graph, work.request
    found = columns(trace, work, lambda dots: [dots[k] for k in request.of])
    blocks = []
    for i, stacked in zip(request.of, found, strict=True):
        shape, start = array_type(graph.outputs[i]).shape, 0
        for j in request.wrt:
            t = array_type(graph.inputs[j])
            block: Any = np.moveaxis(stacked[start : start + t.size], 0, -1)
            blocks.append(np.reshape(block, shape + t.shape))
            start += t.size
    return blocks


def _blocks_of_rows(trace: Trace, work: Work) -> list[Any]:
    graph, request = work.graph, work.request
    found: list[Any] = rows(trace, work, lambda bars: bars)
    blocks, start = [], 0
    for i in request.of:
        t = array_type(graph.outputs[i])
        for j, stacked in zip(request.wrt, found, strict=True):
            block: Any = np.reshape(stacked[start : start + t.size], t.shape + array_type(graph.inputs[j]).shape)
            blocks.append(block if block.dtype == t.dtype else block.astype(t.dtype))  # as columns have it
        start += t.size
    return blocks


# --- second order: forward over what the strategy makes ------------------------------------------


def hvp(work: Work) -> Graph:
    """(xs, vs) -> (x_bars, H vs)."""
    made = forward(simplify(grad(work)), work.request.wrt, work.strategy.methods)
    args, kwargs = made.in_tree.children
    nested = Tree("tuple", (), (*args.children[:-1], work.tree))
    return replace(made, in_tree=Tree("tuple", (), (nested, kwargs)), name=f"hvp({work.graph.name})")


def hessian(work: Work) -> Graph:
    """xs -> (x_bars, H)."""
    gradient = simplify(grad(work))
    request = replace(work.request, kind="jacobian", of=tuple(range(len(gradient.outputs))))
    outer = Work(gradient, request, _Forward(methods=work.strategy.methods), work.budget, work.tree)
    return replace(jacobian(outer), name=f"hessian({work.graph.name})")


class _Forward(Strategy):
    """Plain forward mode, for the outer derivative of a Hessian."""

    name = "forward"
    kinds = frozenset({"jvp"})

    def differentiate(self, graph: Graph, request: Request, budget: Budget) -> Graph:
        return forward(graph, request.wrt, self.methods)
