"""Running sums, products and extremes along an axis, and differences: their opposites.

cumsum         linear; its transpose is the running sum from the other end (`reverse`)
cumprod        see `recurrence`
cummax, cummin the tangent of the element chosen, the first of equal ones
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.extend import BOOL, INT, Op, Rule, Sample, Type, linear, op
from adcore_ops.create import counting
from adcore_ops.join import np_concatenate
from adcore_ops.recurrence import cumprod
from adcore_ops.reduce import NOTHING, given
from adcore_ops.shape import axis_of, lifted, moveaxis, np_reshape

SAMPLES = (
    Sample(((5,),), params={"axis": -1}),
    Sample(((2, 3, 5),), params={"axis": -2}),
    Sample(((2, 0),), params={"axis": -1}),
)


def along(x: Type, axis: int) -> None:
    """Raise ValueError unless x has that axis, counted from the end."""
    if not -x.ndim <= axis < 0:
        raise ValueError(f"axis {axis} is not one of its {x.ndim} axes, counted from the end")


def _accumulated(ufunc: np.ufunc) -> Callable[..., Type]:
    def infer(x: Type, *, axis: int, reverse: bool = False) -> Type:
        along(x, axis)
        return Type(ufunc.accumulate(np.empty(0, x.dtype)).dtype, x.shape)

    return infer


@op(
    "core::cumsum",
    pattern="axis",
    params={"axis": INT, "reverse": BOOL},
    infer=_accumulated(np.add),
    rule=linear(lambda g, x, *, axis, reverse: cumsum(g, axis=axis, reverse=not reverse)),
    batch="core",
    out=True,
    samples=tuple(
        Sample(s.shapes, params={**s.params, "reverse": r}) for s, r in zip(SAMPLES, (False, True, False), strict=True)
    ),
)
def cumsum(x: Any, out: Any = None, *, axis: int, reverse: bool) -> Any:
    """Sums of the elements so far; with `reverse` from the last element on."""
    if not reverse:
        return np.add.accumulate(x, axis, None, out)
    out = np.empty(x.shape, np.add.accumulate(np.empty(0, x.dtype)).dtype) if out is None else out
    np.add.accumulate(np.flip(x, axis), axis, None, np.flip(out, axis))
    return out


def _chosen_jvp(ts: Any, y: Any, x: Any, *, axis: int) -> Any:
    y = np.moveaxis(y, axis, -1)
    changed = np.concatenate([np.ones_like(y[..., :1], dtype=bool), y[..., 1:] != y[..., :-1]], -1)
    first = cummax(np.where(changed, counting(y.shape[-1]), 0), axis=-1)
    return np.take_along_axis(ts[0], np.moveaxis(first, -1, axis), axis)


def _extreme(name: str, ufunc: np.ufunc) -> Op:
    def run(x: Any, out: Any = None, *, axis: int) -> Any:
        return ufunc.accumulate(x, axis, None, out)

    return Op(
        f"core::{name}",
        run,
        _accumulated(ufunc),
        Rule(jvp=_chosen_jvp),
        {"axis": INT},
        pattern="axis",
        batch="core",
        out=True,
        samples=SAMPLES,
        doc=f"np.{ufunc.__name__}.accumulate along an axis counted from the end.",
    )


cummax, cummin = _extreme("cummax", np.maximum), _extreme("cummin", np.minimum)

OPS = [cumsum, cummax, cummin]


# --- NumPy functions made of these ---------------------------------------------------------------


def _running(accumulate: Callable[..., Any], missing: float | None = None) -> Callable[..., Any]:
    """A function with the signature of np.cumsum. missing: what nans are replaced by."""

    def function(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        x = np_reshape(a, -1) if axis is None else a
        x = x if dtype is None else x.astype(dtype)
        x = x if missing is None or x.dtype.kind not in "fc" else np.where(np.isnan(x), missing, x)
        return accumulate(x, axis=axis_of(0 if axis is None else axis, x.ndim) - x.ndim)

    return function


np_cumsum = _running(lambda x, axis: cumsum(x, axis=axis, reverse=False))
np_cumprod = _running(cumprod)


def _cumulative(running: Callable[..., Any], neutral: int) -> Callable[..., Any]:
    """A function with the signature of np.cumulative_sum."""

    def function(
        x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: bool = False
    ) -> Any:
        if axis is None and x.ndim != 1:
            raise ValueError("For arrays which have more than one dimension ``axis`` argument is required.")
        at = 0 if axis is None else axis_of(axis, x.ndim)
        y = running(x, at, dtype)
        if not include_initial:
            return y
        first = np.full_like(y, neutral, shape=(*y.shape[:at], 1, *y.shape[at + 1 :]))
        return np_concatenate([first, y], at)

    return function


def _from_ufunc(running: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, axis=0, dtype=None, out=None: running(a, axis, dtype)


def _logaddexp_accumulate(a: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
    """np.logaddexp.accumulate, by doubling."""
    x, shift = moveaxis(a, axis, -1), 1
    while shift < x.shape[-1]:
        x = np_concatenate([x[..., :shift], np.logaddexp(x[..., :-shift], x[..., shift:])], -1)
        shift *= 2
    return moveaxis(x, -1, axis)


# --- differences ---------------------------------------------------------------------------------


def _cut(axis: int, *bounds: int | None) -> tuple[Any, ...]:
    return (*(slice(None),) * axis, slice(*bounds))


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = NOTHING, append: Any = NOTHING) -> Any:
    """np.diff."""
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n}")
    if n == 0:
        return a
    x = lifted(a)
    at = axis_of(axis, x.ndim)

    def edge(value: Any) -> Any:
        value = lifted(value)
        return value if value.ndim else np.broadcast_to(value, (*x.shape[:at], 1, *x.shape[at + 1 :]))

    parts = [*([edge(prepend)] if given(prepend) else []), x, *([edge(append)] if given(append) else [])]
    x = np_concatenate(parts, at) if len(parts) > 1 else x
    subtract = np.not_equal if x.dtype.kind == "b" else np.subtract
    for _ in range(n):
        x = subtract(x[_cut(at, 1, None)], x[_cut(at, None, -1)])
    return x


def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """np.ediff1d."""
    flat = np_reshape(lifted(ary), -1)
    parts = [np_reshape(lifted(p), -1).astype(flat.dtype) for p in (to_begin, to_end) if p is not None]
    found = flat[1:] - flat[:-1]
    if not parts:
        return found
    return np_concatenate([*parts[: to_begin is not None], found, *parts[to_begin is not None :]], 0)


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """np.trapezoid."""
    y = lifted(y)
    at = axis_of(axis, y.ndim)
    if x is None:
        width = dx
    else:
        x = lifted(x)
        width = x[1:] - x[:-1] if x.ndim == 1 else diff(x, axis=at)
        width = np_reshape(width, (-1,) + (1,) * (y.ndim - at - 1)) if x.ndim == 1 else width
    return np.sum(width * (y[_cut(at, 1, None)] + y[_cut(at, None, -1)]) / 2.0, axis=at)


def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """np.gradient."""
    f = lifted(f)
    f = f if f.dtype.kind in "fc" else f.astype(np.float64)
    axes = range(f.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = [axis_of(a, f.ndim) for a in axes]
    spacings = list(varargs) * (len(axes) if len(varargs) == 1 else 1) or [1.0] * len(axes)
    if len(spacings) != len(axes):
        raise TypeError("invalid number of arguments")
    if edge_order > 2:
        raise ValueError("'edge_order' greater than 2 not supported")
    found = [_slope(f, h, a, edge_order).astype(f.dtype) for h, a in zip(spacings, axes, strict=True)]
    return found[0] if len(found) == 1 else tuple(found)


def _slope(f: Any, h: Any, axis: int, edge_order: int) -> Any:
    """Second-order differences inside, one-sided ones of the given order at both ends."""
    n = f.shape[axis]
    if n < edge_order + 1:
        raise ValueError(f"np.gradient needs at least {edge_order + 1} elements along an axis, not {n}")
    h = h if isinstance(h, int | float) else lifted(h)
    uneven = not isinstance(h, int | float) and h.ndim > 0
    if uneven and h.shape != (n,):
        raise ValueError("when 1d, distances must match the length of the corresponding dimension")
    x = moveaxis(f, axis, -1)
    if uneven:
        steps = h[1:] - h[:-1]
        a, b = steps[:-1], steps[1:]
        inner = -b / (a * (a + b)) * x[..., :-2] + (b - a) / (a * b) * x[..., 1:-1] + a / (b * (a + b)) * x[..., 2:]
        first, second, before, last = steps[0], steps[min(1, n - 2)], steps[max(n - 3, 0)], steps[-1]
    else:
        inner = (x[..., 2:] - x[..., :-2]) / (2.0 * h)
        first = second = before = last = h
    if edge_order == 1:
        left, right = (x[..., 1] - x[..., 0]) / first, (x[..., -1] - x[..., -2]) / last
    else:
        left = _one_sided(x[..., 0], x[..., 1], x[..., 2], first, second)
        right = -_one_sided(x[..., -1], x[..., -2], x[..., -3], last, before)
    return moveaxis(np_concatenate([left[..., None], inner, right[..., None]], -1), -1, axis)


def _one_sided(f0: Any, f1: Any, f2: Any, a: Any, b: Any) -> Any:
    # the derivative at 0 of the parabola through 0, a and a + b
    return -(2.0 * a + b) / (a * (a + b)) * f0 + (a + b) / (a * b) * f1 - a / (b * (a + b)) * f2


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.cumsum: np_cumsum,
    np.cumprod: np_cumprod,
    np.nancumsum: _running(lambda x, axis: cumsum(x, axis=axis, reverse=False), 0.0),
    np.nancumprod: _running(cumprod, 1.0),
    (np.add, "accumulate"): _from_ufunc(np_cumsum),
    (np.multiply, "accumulate"): _from_ufunc(np_cumprod),
    (np.maximum, "accumulate"): _from_ufunc(_running(cummax)),
    (np.minimum, "accumulate"): _from_ufunc(_running(cummin)),
    (np.logaddexp, "accumulate"): _logaddexp_accumulate,
    np.diff: diff,
    np.ediff1d: ediff1d,
    np.trapezoid: trapezoid,
    np.gradient: gradient,
}
if hasattr(np, "cumulative_sum"):  # NumPy 2.1
    FUNCTIONS[np.cumulative_sum] = _cumulative(np_cumsum, 0)
    FUNCTIONS[np.cumulative_prod] = _cumulative(np_cumprod, 1)
if hasattr(np, "trapz"):  # removed in NumPy 2.4
    FUNCTIONS[np.trapz] = trapezoid
