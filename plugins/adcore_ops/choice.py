"""`where`, and the NumPy functions that choose, bound or compare elements.

np.clip has derivative 1 inside its bounds, 0 outside, halves at them (ties of maximum and minimum).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.extend import Sample, TraceError, Type, along, caller, each, elementwise, op
from adcore_ops.shape import lifted


def _where_infer(c: Type, a: Type, b: Type) -> Type:
    if c.dtype.kind != "b":
        raise TypeError("the condition must be a bool")
    return Type(np.result_type(a.dtype, b.dtype), np.broadcast_shapes(c.shape, a.shape, b.shape))


@op(
    "core::where",
    rule=elementwise(
        None,
        along(lambda t, y, c, a, b: np.where(c, t, 0.0)),
        along(lambda t, y, c, a, b: np.where(c, 0.0, t)),
    ),
    infer=_where_infer,
    elementwise=True,
    out=True,
    numbers=each("({1} if {0} else {2})", "?dd"),
    samples=(
        Sample(((2, 3), (2, 3), (2, 3)), dtypes=("bool", "float64", "float64")),
        Sample(((5, 1), (3,), ()), dtypes=("bool", "float64", "float64")),
        Sample(((2, 3), (2, 3), (3,)), dtypes=("bool", "complex128", "float64")),
    ),
)
def choose_by(c: Any, a: Any, b: Any, out: Any = None) -> Any:
    """a where c is true, b elsewhere."""
    if out is None:
        return np.where(c, a, b)
    np.copyto(out, b)
    np.copyto(out, a, where=c)
    return out


def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """np.where with three arguments."""
    if x is None or y is None:
        raise TraceError(
            "np.where with one argument gives as many positions as there are, which is not known while tracing",
            f"at {caller()}",
            "use np.where(condition, a, b)",
        )
    c = lifted(condition)
    return choose_by(c if c.dtype.kind == "b" else c != 0, x, y)


def clip(a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """np.clip."""
    low, high = (a_min if a_min is not None else min), (a_max if a_max is not None else max)
    if low is None and high is None:
        return a.copy()
    if low is not None:
        a = np.maximum(a, low)
    return a if high is None else np.minimum(a, high)


def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """np.nan_to_num. Elements that are replaced have derivative 0."""
    if x.dtype.kind == "c":
        return nan_to_num(np.real(x), copy, nan, posinf, neginf) + 1j * nan_to_num(
            np.imag(x), copy, nan, posinf, neginf
        )
    if x.dtype.kind != "f":
        return x
    info = np.finfo(x.dtype)
    y = np.where(np.isnan(x), nan, x)
    y = np.where(x == np.inf, float(info.max) if posinf is None else posinf, y)
    y = np.where(x == -np.inf, float(info.min) if neginf is None else neginf, y)
    if not copy:
        x[...] = y
    return y


def isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """np.isclose."""
    a, b = lifted(a), lifted(b)
    near = (np.abs(a - b) <= atol + rtol * np.abs(b)) & np.isfinite(b) | (a == b)
    return near | (np.isnan(a) & np.isnan(b)) if equal_nan else near


def allclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """np.allclose, as a traced bool."""
    return np.all(isclose(a, b, rtol, atol, equal_nan))


def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    """np.array_equal: False for other shapes, else a traced bool."""
    a, b = lifted(a1), lifted(a2)
    if a.shape != b.shape:
        return False
    return np.all((a == b) | (np.isnan(a) & np.isnan(b)) if equal_nan else a == b)


def array_equiv(a1: Any, a2: Any) -> Any:
    """np.array_equiv: the same after broadcasting."""
    a, b = lifted(a1), lifted(a2)
    try:
        np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        return False
    return np.all(a == b)


def isin(
    element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False, *, kind: Any = None
) -> Any:
    """np.isin, by comparing every element with every other."""
    found = np.any(lifted(element)[..., None] == np.reshape(lifted(test_elements), -1), axis=-1)
    return np.logical_not(found) if invert else found


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.where: where,
    np.clip: clip,
    np.nan_to_num: nan_to_num,
    np.isclose: isclose,
    np.allclose: allclose,
    np.array_equal: array_equal,
    np.array_equiv: array_equiv,
    np.isin: isin,
    np.isposinf: lambda x, out=None: x == np.inf,
    np.isneginf: lambda x, out=None: x == -np.inf,
}
if hasattr(np, "in1d"):  # removed in NumPy 2.4
    FUNCTIONS[np.in1d] = lambda ar1, ar2, **options: isin(np.reshape(lifted(ar1), -1), ar2, **options)
OPS = [choose_by]
