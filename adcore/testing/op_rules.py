"""The laws of an op's derivatives, and of its batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from adcore.errors import RuleError
from adcore.graph import Graph
from adcore.testing.case import Case, results
from adcore.testing.measure import (
    broken,
    close,
    derivative,
    direction,
    draw,
    lawful,
    loosened,
    moved,
    pairing,
    run,
    vector,
    worst,
)
from adcore.transform.jvp import jvp
from adcore.transform.vjp import vjp
from adcore.transform.vmap import vmap
from adcore.types import Array

FIRST, SECOND, DOT, BATCH = 1e-9, 1e-8, 1e-11, 1e-11


def stated(case: Case) -> None:
    """An op without a rule says so, by name, when a derivative is asked for."""
    between = [(n.inputs, n.outputs) for n in case.nodes]
    if case.op.rule is not None or not any(all(any(v.type.differentiable for v in vs) for vs in b) for b in between):
        return
    for transform in (jvp, vjp):
        try:
            transform(case.graph)
        except RuleError as e:
            if case.op.name in str(e):
                continue
        raise broken(
            "stated", f"{transform.__name__} of an op without a rule gives a graph", case.where, "raise RuleError"
        )


def tangents(case: Case) -> None:
    """jvp along a random direction agrees with extrapolated differences."""
    if _has_rule(case) and case.sample.smooth:
        against_differences("tangents", case.graph, case.tangent, case.arrays, FIRST, case.where)


def transposes(case: Case) -> None:
    """vjp is the transpose of jvp: Re sum(y_bar * y_dot) = Re sum(x_bar * x_dot)."""
    if _has_rule(case):
        dot_product("transposes", case.graph, case.tangent, case.cotangent, case.arrays, case.where)


def second_order(case: Case) -> None:
    """The derivatives of jvp and of vjp, in both modes, agree with differences of them and with each other."""
    if not _has_rule(case):
        return
    rng = np.random.default_rng(13)
    for graph in (case.tangent, case.cotangent):
        arrays = [*case.arrays, *direction([v.type for v in graph.inputs[len(case.arrays) :]], rng)]
        forward = results(lawful(jvp(graph)), len(graph.outputs))
        backward = results(lawful(vjp(graph)), len(graph.outputs))
        where = f"{case.where}, second order through {graph.name}"
        if case.sample.smooth:
            against_differences("second_order", graph, forward, arrays, SECOND, where)
        dot_product("second_order", graph, forward, backward, arrays, where)


def _has_rule(case: Case) -> bool:
    return case.op.rule is not None and bool(case.active) and any(v.type.differentiable for v in case.graph.outputs)


def against_differences(
    law: str, graph: Graph, tangent: Graph, arrays: Sequence[Array], rtol: float, where: str
) -> None:
    """Raise LawError unless the tangent graph agrees with differences of the graph along a random direction."""
    active = [i for i, v in enumerate(graph.inputs) if v.type.differentiable]
    dots = direction([graph.inputs[i].type for i in active], np.random.default_rng(11))
    along = dict(zip(active, dots, strict=True))
    floats = [i for i, v in enumerate(graph.outputs) if v.type.differentiable]

    def at(t: float) -> Array:
        ys = run(graph, [moved([x], [along[i]], t)[0] if i in along else x for i, x in enumerate(arrays)])
        return vector([ys[i] for i in floats])

    wanted, error = derivative(at)
    found = vector(run(tangent, [*arrays, *dots]))
    if not close(found, wanted, loosened(rtol, graph), error):
        raise broken(
            law, worst(found, wanted), where,
            "compare the rule with differences; a kink or pole near the sample is excluded by its ranges",
        )  # fmt: skip


def dot_product(law: str, graph: Graph, tangent: Graph, cotangent: Graph, arrays: Sequence[Array], where: str) -> None:
    """Raise LawError unless cotangent is the transpose of tangent at random directions."""
    rng = np.random.default_rng(17)
    dots = direction([v.type for v in tangent.inputs[len(arrays) :]], rng)
    bars = direction([v.type for v in cotangent.inputs[len(arrays) :]], rng)
    y_dots, x_bars = run(tangent, [*arrays, *dots]), run(cotangent, [*arrays, *bars])
    left, size = pairing(bars, y_dots)
    right, other = pairing(x_bars, dots)
    if not abs(left - right) <= loosened(DOT, graph) * (size + other + 1e-300) and not (
        np.isnan(left) and np.isnan(right)
    ):
        raise broken(
            law, f"<y_bar, J x_dot> = {left:.16g}, <J^T y_bar, x_dot> = {right:.16g}", where,
            "state one half of the rule and let the engine derive the other",
        )  # fmt: skip


# --- batches -------------------------------------------------------------------------------------


def batches(case: Case) -> None:
    """vmap equals a loop: every input batched, or one of them; sizes 0, 1 and that of an axis; nested."""
    for flags, size in _batchings(case):
        _batch_equals_loop("batches", case, case.graph, flags, size)
    if case.arrays:
        flags = [True] * len(case.arrays)
        _batch_equals_loop("batches", case, vmap(case.graph, flags, 2), flags, 3, inner=2)


def batched_rules(case: Case) -> None:
    """vmap of jvp and of vjp equals a loop."""
    if not _has_rule(case):
        return
    for graph in (case.tangent, case.cotangent):
        seeds = len(graph.inputs) - len(case.arrays)
        for flags in ([True] * len(graph.inputs), [False] * len(case.arrays) + [True] * seeds):
            _batch_equals_loop("batched_rules", case, graph, flags, _axis(case))


def _axis(case: Case) -> int:
    return max((n for s in case.sample.shapes for n in s[:1]), default=3) or 2


def _batchings(case: Case) -> Iterator[tuple[list[bool], int]]:
    n = len(case.arrays)
    if not n:
        return
    for size in {0, 1, _axis(case)}:
        yield [True] * n, size
    if n > 1:
        for i in range(n):
            yield [i == j for j in range(n)], 4


def _batch_equals_loop(law: str, case: Case, graph: Graph, flags: Sequence[bool], size: int, inner: int = 0) -> None:
    """Compare vmap(graph) with the graph applied case by case. inner: the graph has a batch of that size already."""
    rng = np.random.default_rng(19)
    n = len(case.arrays)

    def one() -> list[Any]:
        rows = [draw(case.sample, rng) for _ in range(inner)] if inner else []
        xs = [np.stack(column) for column in zip(*rows, strict=True)] if inner else list(draw(case.sample, rng))
        return [*xs, *direction([v.type for v in graph.inputs[n:]], rng)]

    lanes = [one() for _ in range(max(size, 1))]
    shared = lanes[0]
    given: list[Any] = [
        np.stack([lane[i] for lane in lanes])[:size] if flag else shared[i] for i, flag in enumerate(flags)
    ]
    found = run(lawful(vmap(graph, flags, size)), given)
    loop = [run(graph, [x[k] if flag else x for x, flag in zip(given, flags, strict=True)]) for k in range(size)]
    shown = f"{case.where}, {graph.name}, {size} cases, batched inputs {[i for i, f in enumerate(flags) if f]}"
    for j, (y, v) in enumerate(zip(found, graph.outputs, strict=True)):
        wanted_shape = (size, *v.type.shape)  # type: ignore[union-attr]
        if y.shape != wanted_shape:
            raise broken(law, f"shape {y.shape} in place of {wanted_shape}", shown, "see adcore.transform.vmap")
        a, b = vector([y]), vector([np.stack([ys[j] for ys in loop])]) if size else vector([y])
        if not close(a, b, loosened(BATCH, graph)):
            raise broken(law, worst(a, b), shown, "leading axes are the batch: act on trailing axes only")
