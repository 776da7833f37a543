"""Reductions over axes counted from the end; the axes go away. keepdims is a reshape after it.

max, min: y = x_k; the tangent is that of the chosen elements, shared equally at ties.
prod: the tangent of p = a b is a' b + a b', applied by halves, so zeros among the factors are exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.extend import INTS, ZERO, Op, Rule, Sample, Type, linear
from adcore_ops.shape import axes_of, axis_of, broadcast_to, np_reshape, reshape

SAMPLES = (
    Sample(((2, 3),), params={"axes": (-1,)}),
    Sample(((2, 3, 5),), params={"axes": (-3, -1)}),
    Sample(((3,),), params={"axes": (-1,)}),
)


def reduced(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape without these axes."""
    gone = {a + len(shape) for a in axes}
    if len(gone) != len(axes) or any(not 0 <= a < len(shape) for a in gone):
        raise ValueError(f"axes {axes} are not among its {len(shape)} axes, counted from the end")
    return tuple(n for i, n in enumerate(shape) if i not in gone)


def spread(g: Any, x: Any, axes: tuple[int, ...]) -> Any:
    """The transpose of a sum: g repeated along the axes that went away."""
    gone = {a + x.ndim for a in axes}
    kept = tuple(1 if i in gone else n for i, n in enumerate(x.shape))
    return broadcast_to(reshape(g, shape=kept, rank=g.ndim), shape=x.shape, rank=x.ndim)


def reduction(name: str, ufunc: np.ufunc, rule: Rule, dtype: Callable[[Any], Any], samples: Any = SAMPLES) -> Op:
    """An op that is `ufunc.reduce`."""

    def run(x: Any, out: Any = None, *, axes: tuple[int, ...]) -> Any:
        return ufunc.reduce(x, axes, None, out)

    def kernel(node: Any, lower: Any) -> Any:
        axes, fold = node.params["axes"], ufunc.reduce
        return lambda x, out: fold(x, axes, None, out)

    return Op(
        f"core::{name}",
        run,
        lambda x, *, axes: Type(dtype(x.dtype), reduced(x.shape, axes)),
        rule,
        {"axes": INTS},
        batch="core",
        out=True,
        kernel=kernel,
        samples=samples,
        same_as=lambda types, p: 0 if not p["axes"] and dtype(types[0].dtype) == types[0].dtype else None,
        doc=f"np.{ufunc.__name__}.reduce over axes counted from the end.",
    )


def _sum_dtype(dtype: Any) -> Any:
    return np.add.reduce(np.empty(0, dtype)).dtype


def _same(dtype: Any) -> Any:
    return dtype


def _chosen_jvp(ts: Any, y: Any, x: Any, *, axes: tuple[int, ...]) -> Any:
    mask = np.equal(x, spread(y, x, axes))
    share = mask / spread(sum_(mask.astype(x.dtype), axes=axes), x, axes)
    return sum_(share * ts[0], axes=axes)


def _prod_jvp(ts: Any, y: Any, x: Any, *, axes: tuple[int, ...]) -> Any:
    order = [i for i in range(x.ndim) if i - x.ndim not in axes] + [a + x.ndim for a in axes]
    rest = reduced(x.shape, axes)
    flat = (*rest, math.prod(x.shape[a] for a in axes))
    p, t = (np.reshape(np.transpose(v, order), flat) for v in (x, ts[0]))
    while p.shape[-1] > 1:
        half = p.shape[-1] // 2
        a, b, more = p[..., :half], p[..., half : 2 * half], p[..., 2 * half :]
        da, db, dmore = t[..., :half], t[..., half : 2 * half], t[..., 2 * half :]
        p, t = np.concatenate([a * b, more], -1), np.concatenate([da * b + a * db, dmore], -1)
    return sum_(t, axes=(-1,))


sum_ = reduction("sum", np.add, linear(lambda g, x, *, axes: spread(g, x, axes)), _sum_dtype)
prod_ = reduction("prod", np.multiply, Rule(jvp=_prod_jvp), lambda d: np.multiply.reduce(np.empty(0, d)).dtype)
max_ = reduction("max", np.maximum, Rule(jvp=_chosen_jvp), _same)
min_ = reduction("min", np.minimum, Rule(jvp=_chosen_jvp), _same)
any_ = reduction("any", np.logical_or, ZERO, lambda d: np.dtype(bool))
all_ = reduction("all", np.logical_and, ZERO, lambda d: np.dtype(bool))


def _arg(name: str, function: Callable[..., Any]) -> Op:
    def run(x: Any, out: Any = None, *, axes: tuple[int, ...]) -> Any:
        return function(x, axes[0], out)

    return Op(
        f"core::{name}",
        run,
        lambda x, *, axes: Type(np.dtype(np.intp), reduced(x.shape, axes)),
        ZERO,
        {"axes": INTS},
        batch="core",
        out=True,
        samples=(SAMPLES[0],),
        doc=f"np.{name} along one axis counted from the end.",
    )


argmax_, argmin_ = _arg("argmax", np.argmax), _arg("argmin", np.argmin)

OPS = [sum_, prod_, max_, min_, any_, all_, argmax_, argmin_]


# --- NumPy functions made of these ---------------------------------------------------------------


def _kept(result: Any, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if not keepdims:
        return result
    gone = {a + x.ndim for a in axes}
    return np_reshape(result, tuple(1 if i in gone else n for i, n in enumerate(x.shape)))


NOTHING = getattr(np, "_NoValue", None)


def _reducer(fold: Op, neutral: Callable[[Any], Any], combine: np.ufunc) -> Callable[..., Any]:
    """A function with the signature of np.sum; NumPy passes what is not given as np._NoValue."""

    def function(
        a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = NOTHING,
        initial: Any = NOTHING, where: Any = True,
    ) -> Any:  # fmt: skip
        x = a if dtype is None else a.astype(dtype)
        if where is not True and where is not NOTHING:
            x = np.where(where, x, neutral(x.dtype) if initial is NOTHING else initial)
        axes = axes_of(axis, x.ndim)
        y = _kept(fold(x, axes=axes), x, axes, keepdims is not NOTHING and bool(keepdims))
        return y if initial is NOTHING or initial is None else combine(y, initial)

    return function


def _undefined(dtype: Any) -> Any:
    raise ValueError("reduction operation with where= needs initial=, it has no identity")


_sum = _reducer(sum_, lambda d: np.zeros((), d)[()], np.add)
_prod = _reducer(prod_, lambda d: np.ones((), d)[()], np.multiply)
_max, _min = _reducer(max_, _undefined, np.maximum), _reducer(min_, _undefined, np.minimum)
_any = _reducer(any_, lambda d: False, np.logical_or)
_all = _reducer(all_, lambda d: True, np.logical_and)


def _no_dtype(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same without the dtype argument, as np.max has it."""
    return lambda a, axis=None, out=None, keepdims=NOTHING, initial=NOTHING, where=True: function(
        a, axis, None, None, keepdims, initial, where
    )


def _from_ufunc(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same as ufunc.reduce has it: axis 0 by default."""
    return lambda a, axis=0, dtype=None, out=None, keepdims=False, initial=NOTHING, where=True: function(
        a, axis, dtype, None, keepdims, initial, where
    )


def _count(x: Any, axes: tuple[int, ...]) -> int:
    return math.prod(x.shape[a] for a in axes)


def mean(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = NOTHING,
    *,
    where: Any = True,
) -> Any:
    """np.mean."""
    total = _sum(a, axis, dtype, None, keepdims, NOTHING, where)
    if where is True or where is NOTHING:
        return total / _count(a, axes_of(axis, a.ndim))
    return total / np.sum(
        np.broadcast_to(where, a.shape), axis=axis, keepdims=keepdims is not NOTHING and bool(keepdims)
    )


def var(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0, keepdims: Any = NOTHING,
    *, where: Any = True, mean: Any = NOTHING, correction: Any = NOTHING,
) -> Any:  # fmt: skip
    """np.var."""
    centred = a - (np.mean(a, axis=axis, keepdims=True) if mean is NOTHING else mean)
    squares = np.real(centred * np.conjugate(centred)) if a.dtype.kind == "c" else centred * centred
    count = _count(a, axes_of(axis, a.ndim)) - (ddof if correction is NOTHING else correction)
    return _sum(squares, axis, dtype, None, keepdims, NOTHING, where) / count


def std(*args: Any, **kwargs: Any) -> Any:
    """np.std."""
    return np.sqrt(var(*args, **kwargs))


def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = NOTHING) -> Any:
    """np.ptp."""
    return _max(a, axis, None, None, keepdims) - _min(a, axis, None, None, keepdims)


def _arg_function(op: Op) -> Callable[..., Any]:
    def function(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = NOTHING) -> Any:
        keep = keepdims is not NOTHING and bool(keepdims)
        if axis is None:
            y = op(np_reshape(a, -1), axes=(-1,))
            return np_reshape(y, (1,) * a.ndim) if keep else y
        at = axis_of(axis, a.ndim) - a.ndim
        return _kept(op(a, axes=(at,)), a, (at,), keep)

    return function


def _nan_reducer(function: Callable[..., Any], fill: float) -> Callable[..., Any]:
    return lambda a, *args, **kwargs: function(np.where(np.isnan(a), fill, a), *args, **kwargs)


def nanmean(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = NOTHING) -> Any:
    """np.nanmean."""
    known = np.isnan(a) == 0
    total = _sum(np.where(known, a, 0.0), axis, dtype, None, keepdims)
    return total / _sum(known, axis, None, None, keepdims)


def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = NOTHING) -> Any:
    """np.average."""
    if weights is None:
        return mean(a, axis, keepdims=keepdims)
    if np.ndim(weights) != a.ndim:
        shape = [1] * a.ndim
        shape[axis_of(axis, a.ndim)] = np.shape(weights)[0]
        weights = np.reshape(weights, shape)
    weights = np.broadcast_to(weights, a.shape)
    scale = np.sum(weights, axis=axis, keepdims=keepdims is not NOTHING and bool(keepdims))
    return _sum(a * weights, axis, None, None, keepdims) / scale


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sum: _sum,
    np.prod: _prod,
    np.max: _no_dtype(_max),
    np.min: _no_dtype(_min),
    np.any: lambda a, axis=None, out=None, keepdims=NOTHING, *, where=True: _any(
        a, axis, None, None, keepdims, NOTHING, where
    ),
    np.all: lambda a, axis=None, out=None, keepdims=NOTHING, *, where=True: _all(
        a, axis, None, None, keepdims, NOTHING, where
    ),
    (np.add, "reduce"): _from_ufunc(_sum),
    (np.multiply, "reduce"): _from_ufunc(_prod),
    (np.maximum, "reduce"): _from_ufunc(_max),
    (np.minimum, "reduce"): _from_ufunc(_min),
    (np.logical_or, "reduce"): _from_ufunc(_any),
    (np.logical_and, "reduce"): _from_ufunc(_all),
    np.mean: mean,
    np.var: var,
    np.std: std,
    np.ptp: ptp,
    np.average: average,
    np.argmax: _arg_function(argmax_),
    np.argmin: _arg_function(argmin_),
    np.nansum: _nan_reducer(_sum, 0.0),
    np.nanprod: _nan_reducer(_prod, 1.0),
    np.nanmax: _nan_reducer(_max, -np.inf),
    np.nanmin: _nan_reducer(_min, np.inf),
    np.nanmean: nanmean,
    np.count_nonzero: lambda a, axis=None, *, keepdims=False: _sum(a != 0, axis, None, None, keepdims),
}
