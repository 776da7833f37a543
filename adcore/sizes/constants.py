"""Constants that hold sizes: a count, np.arange(n), np.ones(n), np.eye(n), as a few nodes.

What differs from size to size cannot stay a constant. Each recipe here looks at one array and says how
to make it from `core::integers`, an array of start + sum(steps * index); it is used only if that gives
every bit. The numbers in it are then sizes like any other, and are fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from adcore.graph import Check, Graph, Source, Value
from adcore.registry import find_op
from adcore.trace import Trace
from adcore.types import Array

Integers: TypeAlias = Callable[..., Any]
Make: TypeAlias = Callable[[Integers], Any]
"""Makes an array, given what makes integers: numbers, or nodes."""


def computed(graphs: Sequence[Graph]) -> list[Graph]:
    """The same graphs, with nodes in place of the constants that differ between them, where a recipe is known."""
    rows = list(zip(*(g.constants.values() for g in graphs), strict=False))
    makes: dict[int, list[Make]] = {}
    for i, arrays in enumerate(rows):
        if not all(same(a, arrays[0]) for a in arrays):
            found = _recipe(arrays)
            if found is not None:
                makes[i] = found
    if not makes:
        return list(graphs)
    return [_rewritten(g, {i: found[k] for i, found in makes.items()}) for k, g in enumerate(graphs)]


def same(a: Array, b: Array) -> bool:
    """True for arrays of the same type and bytes."""
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def _recipe(arrays: Sequence[Array]) -> list[Make] | None:
    """How each of the arrays is made, all in the same way."""
    run = find_op("core::integers").run
    for recipe in RECIPES:
        makes = [recipe(a) for a in arrays]
        good = [m for m, a in zip(makes, arrays, strict=True) if m is not None and same(np.asarray(m(run)), a)]
        if len(good) == len(arrays):
            return good
    return None


def _rewritten(graph: Graph, makes: Mapping[int, Make]) -> Graph:
    """The graph with some constants, by place, made by nodes at its start."""
    trace = Trace()
    env: dict[Value, Value] = {}
    constants = list(graph.constants.items())
    trace.constants.update((v, a) for i, (v, a) in enumerate(constants) if i not in makes)

    def integers(**params: Any) -> Any:
        return trace.wrap(trace.record(find_op("core::integers"), (), params)[0])

    with trace:
        for i, make in makes.items():
            trace.source = _user(graph, constants[i][0])
            env[constants[i][0]] = trace.lift(make(integers))
    nodes = [replace(node, inputs=tuple([env.get(v, v) for v in node.inputs])) for node in graph.nodes]
    return replace(
        graph, nodes=(*trace.nodes, *nodes), constants=dict(trace.constants),
        outputs=tuple([env.get(v, v) for v in graph.outputs]),
        checks=tuple([
            Check(env.get(c.value, c.value), c.message, tuple([env.get(v, v) for v in c.shown]), c.source)
            for c in graph.checks
        ]),
        reports=tuple([(name, env.get(v, v)) for name, v in graph.reports]),
    )  # fmt: skip


def _user(graph: Graph, value: Value) -> Source | None:
    """Where a constant is first used."""
    return next((node.source for node in graph.nodes if value in node.inputs), None)


# --- recipes -------------------------------------------------------------------------------------


def _progression(a: Array) -> Make | None:
    """Whole numbers that rise by the same along each axis: a count, np.arange."""
    if a.size == 0 or not np.isfinite(a.flat[0]):
        return None
    found = []
    for axis in range(a.ndim):
        second = tuple(1 if i == axis else 0 for i in range(a.ndim))
        found.append(a[second] if a.shape[axis] > 1 else a.flat[0])
    start, *others = [complex(x).real for x in (a.flat[0], *found)]
    steps = [x - start for x in others]
    if not all(abs(x) < 2**53 and x == int(x) for x in (start, *steps)):
        return None
    params = {"shape": a.shape, "start": int(start), "steps": tuple(map(int, steps)), "dtype": a.dtype}
    return lambda integers: integers(**params)


def _multiples(a: Array) -> Make | None:
    """A number times such whole numbers: 0.1 * np.arange(n)."""
    if a.dtype.kind != "f" or a.size < 2:
        return None
    unit = np.ravel(a)[1] - np.ravel(a)[0] or (a[(1,) + (0,) * (a.ndim - 1)] - a.flat[0] if len(a) > 1 else 0)
    if not np.isfinite(unit) or unit == 0:
        return None
    whole = _progression(np.rint(a / unit))
    return None if whole is None else lambda integers: whole(integers) * unit


def _reciprocal(a: Array) -> Make | None:
    """One over such a number: a step 1 / (n - 1)."""
    if a.dtype.kind != "f" or a.ndim or not a or not np.isfinite(a):
        return None
    whole = _progression(np.rint(1 / a))
    return None if whole is None else lambda integers: np.ones((), a.dtype)[()] / whole(integers)


def _filled(a: Array) -> Make | None:
    """One number in every place: np.full(n, 0.5)."""
    if a.size == 0 or a.ndim == 0:
        return None
    params = {"shape": a.shape, "start": 1, "steps": (0,) * a.ndim, "dtype": a.dtype}
    return lambda integers: integers(**params) * a.flat[0]


def _diagonals(a: Array) -> Make | None:
    """The same along each diagonal of the last two axes but at its ends; far from the middle one number on either side.

    np.eye, np.tri, a difference matrix, one with boundaries.
    """
    if a.ndim < 2 or min(a.shape[-2:]) <= 4 * BAND:
        return None
    plain = (0,) * (a.ndim - 2)
    whole = {"shape": a.shape, "dtype": np.dtype(np.int64)}
    m = a[plain]
    rows, columns = m.shape
    middle = min(m.shape) // 2
    below, above = m[-1, 0], m[0, -1]
    band = {k: m[middle + max(k, 0), middle - min(k, 0)] for k in range(-BAND, BAND + 1)}

    def make(integers: Integers) -> Any:
        below_by = integers(start=0, steps=(*plain, 1, -1), **whole)
        y = np.where(below_by > 0, below, above)
        for k, value in band.items():
            if value.tobytes() != (below if k > 0 else above).tobytes():
                y = np.where(below_by == k, value, y)
        for last in (False, True):  # the first corner, and the last one, counted from its end
            for i, j in np.ndindex(BAND, BAND):
                value = m[-1 - i, -1 - j] if last else m[i, j]
                k = rows - columns + j - i if last else i - j
                if value.tobytes() != band.get(k, below if k > 0 else above).tobytes():
                    i_at = integers(start=rows - 1 if last else 0, steps=(*plain, -1 if last else 1, 0), **whole)
                    j_at = integers(start=columns - 1 if last else 0, steps=(*plain, 0, -1 if last else 1), **whole)
                    y = np.where((i_at == i) & (j_at == j), value, y)
        return y

    return make


BAND = 4
"""How far from the middle a diagonal may be of its own."""

RECIPES: tuple[Callable[[Array], Make | None], ...] = (_progression, _reciprocal, _filled, _multiples, _diagonals)
"""Tried in this order."""
