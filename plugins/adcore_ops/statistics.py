"""Means, spreads and correlations, and the reductions that leave nans out: made of sums.

std of equal numbers has derivative 0 (that of sqrt at 0 does not exist).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from adcore_ops.join import np_concatenate
from adcore_ops.reduce import NOTHING, given, np_max, np_min, np_prod, np_sum
from adcore_ops.shape import axes_of, lifted, np_reshape, np_transpose


def _size(x: Any, axis: Any) -> int:
    return math.prod(x.shape[a] for a in axes_of(axis, x.ndim))


def _counted(x: Any, axis: Any, where: Any, keepdims: Any) -> Any:
    """How many elements go into each result."""
    if where is True or where is NOTHING:
        return _size(x, axis)
    return np.sum(np.broadcast_to(where, x.shape), axis=axis, keepdims=given(keepdims) and bool(keepdims))


def _shared(total: Any, count: Any) -> Any:
    """total / count, in the precision of the total."""
    return total / (count if isinstance(count, int | float) else lifted(count).astype(total.dtype))


def mean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = NOTHING, *, where: Any = True
) -> Any:
    """np.mean."""
    dtype = np.float64 if dtype is None and a.dtype.kind in "biu" else dtype
    return _shared(np_sum(a, axis, dtype, None, keepdims, NOTHING, where), _counted(a, axis, where, keepdims))


def var(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: Any = NOTHING,
    *,
    where: Any = True,
    mean: Any = NOTHING,
    correction: Any = NOTHING,
) -> Any:
    """np.var."""
    a = a if dtype is None else a.astype(dtype)
    centre = mean if given(mean) else np.mean(a, axis=axis, keepdims=True, where=where)
    off = a - centre
    squares = np.real(off * np.conjugate(off)) if off.dtype.kind == "c" else off * off
    count = _counted(a, axis, where, keepdims) - (correction if given(correction) else ddof)
    count = max(count, 0) if isinstance(count, int | float) else np.maximum(count, 0)
    return _shared(np_sum(squares, axis, None, None, keepdims, NOTHING, where), count)


def root(x: Any) -> Any:
    """The square root, with derivative 0 at 0."""
    zero = x == 0
    return np.where(zero, x, np.sqrt(np.where(zero, 1.0, x)))


def std(*args: Any, **kwargs: Any) -> Any:
    """np.std."""
    return root(var(*args, **kwargs))


def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = NOTHING) -> Any:
    """np.ptp."""
    return np_max(a, axis, None, None, keepdims) - np_min(a, axis, None, None, keepdims)


def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = NOTHING) -> Any:
    """np.average."""
    a = lifted(a)
    if weights is None:
        y = mean(a, axis, keepdims=keepdims)
        return (y, np.full_like(y, _size(a, axis))) if returned else y
    w = lifted(weights)
    if w.shape != a.shape:
        if axis is None:
            raise TypeError("Axis must be specified when shapes of a and weights differ.")
        axes = tuple(i + a.ndim for i in axes_of(axis, a.ndim))
        if w.shape != tuple(a.shape[i] for i in axes):
            raise ValueError("Shape of weights must be consistent with shape of a along specified axis.")
        w = np.reshape(w, tuple(n if i in axes else 1 for i, n in enumerate(a.shape)))
    w = np.broadcast_to(w, a.shape)
    total = np_sum(lifted(w), axis, None, None, keepdims)
    y = np_sum(a * w, axis, None, None, keepdims) / total
    return (y, np.broadcast_to(total, y.shape)) if returned else y


# --- without nans --------------------------------------------------------------------------------


def _with(a: Any, fill: Any) -> Any:
    return np.where(np.isnan(a), fill, a) if a.dtype.kind in "fc" else a


def _neutral(function: Callable[..., Any], fill: float) -> Callable[..., Any]:
    return lambda a, *args, **kwargs: function(_with(a, fill), *args, **kwargs)


def _extreme(function: Callable[..., Any], fill: float) -> Callable[..., Any]:
    """nanmax or nanmin: nan where there is nothing else."""

    def without_nan(
        a: Any, axis: Any = None, out: Any = None, keepdims: Any = NOTHING, initial: Any = NOTHING, where: Any = True
    ) -> Any:
        if a.dtype.kind not in "fc":
            return function(a, axis, None, None, keepdims, initial, where)
        y = function(_with(a, fill), axis, None, None, keepdims, initial, where)
        nothing = np.all(np.isnan(a), axis=axis, keepdims=given(keepdims) and bool(keepdims))
        return y if given(initial) else np.where(nothing, np.nan, y)

    return without_nan


def _known(a: Any, where: Any) -> Any:
    """Where elements count."""
    known = np.logical_not(np.isnan(a))
    return known if where is True or where is NOTHING else known & where


def nanmean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = NOTHING, *, where: Any = True
) -> Any:
    """np.nanmean."""
    return mean(a, axis, dtype, None, keepdims, where=_known(a, where))


def nanvar(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: Any = NOTHING,
    *,
    where: Any = True,
    mean: Any = NOTHING,
    correction: Any = NOTHING,
) -> Any:
    """np.nanvar."""
    known, clean = _known(a, where), _with(a, 0.0)
    ddof = correction if given(correction) else ddof
    y = var(clean, axis, dtype, None, ddof, keepdims, where=known, mean=mean)
    count = _counted(a, axis, known, keepdims)
    return np.where(count <= ddof, np.nan, y)


def nanstd(*args: Any, **kwargs: Any) -> Any:
    """np.nanstd."""
    return root(nanvar(*args, **kwargs))


# --- correlation ---------------------------------------------------------------------------------


def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: Any = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    """np.cov."""
    x = lifted(m)
    if x.ndim > 2 or (y is not None and np.ndim(y) > 2):
        raise ValueError("m has more than 2 dimensions")
    x = _variables(x, rowvar)
    if y is not None:
        x = np_concatenate([x, _variables(lifted(y), rowvar)], 0)
    x = x.astype(np.result_type(x.dtype, np.float64) if dtype is None else dtype)
    ddof = (1 if not bias else 0) if ddof is None else ddof
    w = 1.0 if fweights is None else lifted(fweights) * 1.0
    w = w if aweights is None else w * lifted(aweights)
    if fweights is None and aweights is None:
        centre, factor = np.mean(x, axis=1, keepdims=True), max(x.shape[1] - ddof, 0.0)
    else:
        total = np.sum(w)
        centre = np.reshape(np.sum(x * w, axis=1) / total, (-1, 1))
        spread = 0 if ddof == 0 else ddof if aweights is None else ddof * np.sum(w * aweights) / total
        factor = np.maximum(total - spread, 0.0)
    off = x - centre
    return np.squeeze(np.matmul(off, np.conjugate(np_transpose(off * w))) / factor)


def _variables(x: Any, rowvar: bool) -> Any:
    """One variable per row."""
    if x.ndim < 2:
        return np_reshape(x, (1, -1))
    return x if rowvar else np_transpose(x)


def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """np.corrcoef."""
    c = cov(x, y, rowvar, dtype=dtype)
    if not c.ndim:
        return c / c
    scale = np.sqrt(np.real(np.diagonal(c)))
    c = c / scale[:, None] / scale[None, :]
    clipped = np.clip(np.real(c), -1.0, 1.0)
    return clipped + 1j * np.clip(np.imag(c), -1.0, 1.0) if c.dtype.kind == "c" else clipped


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.mean: mean,
    np.var: var,
    np.std: std,
    np.ptp: ptp,
    np.average: average,
    np.nansum: _neutral(np_sum, 0.0),
    np.nanprod: _neutral(np_prod, 1.0),
    np.nanmax: _extreme(np_max, -np.inf),
    np.nanmin: _extreme(np_min, np.inf),
    np.nanmean: nanmean,
    np.nanvar: nanvar,
    np.nanstd: nanstd,
    np.nanargmax: lambda a, axis=None, **kw: np.argmax(_with(a, -np.inf), axis, **kw),
    np.nanargmin: lambda a, axis=None, **kw: np.argmin(_with(a, np.inf), axis, **kw),
    np.cov: cov,
    np.corrcoef: corrcoef,
}
