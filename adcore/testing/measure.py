"""What the laws measure with: seeded arrays, directions, and derivatives that know nothing of rules.

Source of the differences: Richardson 1911, "The approximate arithmetical solution by finite differences";
the table is Romberg's, as in Stoer and Bulirsch 1980, "Introduction to Numerical Analysis", section 3.5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adcore.errors import LawError
from adcore.evaluate import program_of
from adcore.graph import Graph, Value, bodies, check
from adcore.registry import check_node, find_op
from adcore.samples import Sample
from adcore.types import Array, Type, type_of

STEP = 2.0**-8
"""The largest step of a difference. Samples keep farther than this from kinks."""


def draw(sample: Sample, rng: np.random.Generator) -> tuple[Array, ...]:
    """One array per input of a sample: uniform in its range; the imaginary part of a complex one in (-0.7, 0.7)."""
    dtypes = sample.dtypes or ("float64",) * len(sample.shapes)
    ranges = sample.ranges if len(sample.ranges) == len(sample.shapes) else sample.ranges[:1] * len(sample.shapes)
    return tuple(
        _draw(rng, shape, np.dtype(dtype), *span)
        for shape, dtype, span in zip(sample.shapes, dtypes, ranges, strict=True)
    )


def _draw(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any], low: float, high: float) -> Array:
    if dtype.kind == "b":
        return np.asarray(rng.integers(0, 2, shape), dtype)
    if dtype.kind in "iu":
        return np.asarray(rng.integers(int(low), max(int(high), int(low) + 1), shape), dtype)
    real = rng.uniform(low, high, shape)
    return np.asarray(real + 1j * rng.uniform(-0.7, 0.7, shape) if dtype.kind == "c" else real, dtype)


def direction(types: Sequence[Any], rng: np.random.Generator) -> tuple[Array, ...]:
    """A random tangent or cotangent for every type, which all are differentiable."""
    return tuple(
        np.asarray(rng.normal(size=t.shape) + (1j * rng.normal(size=t.shape) if t.dtype.kind == "c" else 0.0), t.dtype)
        for t in types
    )


def run(graph: Graph, arrays: Sequence[Any]) -> tuple[Array, ...]:
    """The outputs of a graph; arithmetic warnings are the business of the values, not of a law.

    Node by node where that can be, which is faster than to compile for a few runs, else compiled.
    """
    with np.errstate(all="ignore"):
        if graph.checks or any(True for node in graph.nodes for _ in bodies(node)):
            return program_of(graph).all(*arrays)
        return interpreted(graph, arrays)


def interpreted(graph: Graph, arrays: Sequence[Any]) -> tuple[Array, ...]:
    """The meaning of a graph without sub-graphs: `run` of every op, results C-contiguous unless they are views."""
    env: dict[Value, Any] = dict(zip(graph.inputs, arrays, strict=True))
    env.update(graph.constants)
    for node in graph.nodes:
        op = find_op(node.op)
        y = op.run(*[env[v] for v in node.inputs], **node.params)
        for v, a in zip(node.outputs, y if isinstance(y, tuple) else (y,), strict=True):
            env[v] = np.asarray(a) if op.view else np.asarray(a, order="C")
    return tuple([np.asarray(env[v]) for v in graph.outputs])


def lawful(graph: Graph) -> Graph:
    """The graph, checked node by node: structure, params and types, those of its sub-graphs too."""
    check(graph)
    _check_nodes(graph)
    return graph


def _check_nodes(graph: Graph) -> None:
    for node in graph.nodes:
        check_node(node)
        for _, body in bodies(node):
            _check_nodes(body)


def vector(arrays: Sequence[Any]) -> Array:
    """All elements as one real vector; a complex one counts as two."""
    parts = []
    for a in arrays:
        flat = np.ravel(np.asarray(a))
        parts += [flat.real, flat.imag] if flat.dtype.kind == "c" else [flat]
    return np.concatenate(parts).astype(np.float64) if parts else np.zeros(0)


def pairing(bars: Sequence[Any], dots: Sequence[Any]) -> tuple[float, float]:
    """Re sum(bar * dot), without conjugate, and the sum of the magnitudes, which says how exact it can be."""
    terms = [np.ravel(np.asarray(b * d, complex)) for b, d in zip(bars, dots, strict=True)]
    flat = np.concatenate(terms) if terms else np.zeros(0, complex)
    return float(flat.real.sum()), float(np.abs(flat).sum())


def moved(arrays: Sequence[Any], dots: Sequence[Any], t: float) -> list[Any]:
    """arrays + t * dots."""
    return [np.asarray(x + t * d, x.dtype) for x, d in zip(arrays, dots, strict=True)]


def derivative(f: Callable[[float], Array], levels: int = 4, step: float = STEP) -> tuple[Array, Array]:
    """d/dt f(t) at 0 for a vector-valued f, and an estimate of its error, by differences extrapolated to step 0."""
    table: list[Any] = []
    error: Any = np.zeros(0)
    for k in range(levels):
        h = step / 2**k
        row = [(f(h).astype(np.longdouble) - f(-h)) / (2 * h)]
        for j, before in enumerate(table, 1):
            row.append(row[j - 1] + (row[j - 1] - before) / (4**j - 1))
        error = np.abs(row[-1] - table[-1]) if table else np.abs(row[0])
        table = row
    return table[-1].astype(np.float64), error.astype(np.float64)


def close(found: Array, wanted: Array, rtol: float, error: Any = 0.0) -> bool:
    """True when two vectors agree relative to the largest element, or within their error."""
    if found.shape != wanted.shape:
        return False
    if np.array_equal(found, wanted, equal_nan=True):
        return True
    with np.errstate(all="ignore"):
        finite = np.isfinite(wanted)
        if not np.array_equal(found[~finite], wanted[~finite], equal_nan=True) or not np.isfinite(found[finite]).all():
            return False
        scale = 1.0 + np.max(np.abs(wanted[finite]), initial=0.0)
        allowed = np.broadcast_to(rtol * scale + 20.0 * error, wanted.shape)
        return bool(np.all(np.abs(found - wanted)[finite] <= allowed[finite]))


def loosened(rtol: float, graph: Graph) -> float:
    """The tolerance, or what single precision allows where it occurs among the inputs of a graph."""
    narrow = any(isinstance(v.type, Type) and v.type.dtype.name in NARROW for v in graph.inputs)
    return max(rtol, 1e-3) if narrow else rtol


NARROW = frozenset(("float16", "float32", "complex64"))


def worst(found: Array, wanted: Array) -> str:
    """The element where two vectors differ most, in words."""
    if found.shape != wanted.shape:
        return f"{found.size} numbers in place of {wanted.size}"
    with np.errstate(all="ignore"):
        gap = np.where(np.isfinite(found) & np.isfinite(wanted), np.abs(found - wanted), np.inf)
        gap[(found == wanted) | (np.isnan(found) & np.isnan(wanted))] = 0.0
    i = int(np.argmax(gap))
    return f"{found[i]:.16g} in place of {wanted[i]:.16g} (element {i} of {found.size})"


def same_bits(a: Any, b: Any) -> bool:
    """True when two arrays have the same type and the same bytes; all NaN count as one."""
    x, y = np.asarray(a), np.asarray(b)
    if type_of(x) != type_of(y):
        return False
    if x.tobytes() == y.tobytes():
        return True
    nan = np.isnan(x) & np.isnan(y) if x.dtype.kind in "fc" else np.zeros(x.shape, bool)
    return np.where(nan, 0, x).tobytes() == np.where(nan, 0, y).tobytes()


def float_types(types: Sequence[Any]) -> list[Type]:
    """Those of the types that are arrays of floats."""
    return [t for t in types if isinstance(t, Type) and t.differentiable]


def broken(law: str, what: str, where: str, instead: str) -> LawError:
    """The error for a law that does not hold."""
    return LawError(f"the law {law!r} does not hold: {what}", where, instead)
