"""Medians and quantiles: two sorted neighbours of a fractional position, and the line between them.

Of n elements in order s, the quantile q stands at v(n, q): y = s[i] + (v - i) (s[i+1] - s[i]), i = floor(v).
The derivative in s goes to these two elements, that in q is their difference times v'(q).
nan anywhere gives nan; the nan-functions sort nans to the end and count the others, row by row.
Source: Hyndman and Fan 1996, "Sample quantiles in statistical packages", of which the methods have their numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.extend import Tracer
from adcore_ops.shape import axes_of, lifted, np_reshape, np_transpose

BETWEEN: dict[str, tuple[float, float]] = {  # v = n q + alpha + q (1 - alpha - beta) - 1
    "interpolated_inverted_cdf": (0.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "median_unbiased": (1 / 3.0, 1 / 3.0),
    "normal_unbiased": (3 / 8.0, 3 / 8.0),
}
METHODS = (
    "linear", "lower", "higher", "midpoint", "nearest", "inverted_cdf", "averaged_inverted_cdf", "closest_observation",
    *BETWEEN,
)  # fmt: skip


def _place(n: Any, q: Any, method: str) -> tuple[Any, Any, Any]:
    """Positions of the two neighbours, and the weight of the second (None: the first is it). n, q may be traced."""
    if method in ("inverted_cdf", "closest_observation"):
        v = n * q - (1 if method == "inverted_cdf" else 1.5)
        i = np.floor(v)
        stay = v == i if method == "inverted_cdf" else (v == i) & (i % 2 == 1)
        i = np.where(stay, i, i + 1)
        return _bounded(i, n), _bounded(i, n), None
    if method in BETWEEN:
        alpha, beta = BETWEEN[method]
        v = n * q + (alpha + q * (1 - alpha - beta)) - 1
    else:
        v = n * q - 1 if method == "averaged_inverted_cdf" else (n - 1) * q
    if method in ("lower", "higher", "nearest"):
        i = {"lower": np.floor, "higher": np.ceil, "nearest": np.rint}[method](v)
        return _bounded(i, n), _bounded(i, n), None
    i = np.floor(v)
    weight = v - i
    if method == "midpoint":
        weight = np.where(weight == 0, 0.0, 0.5)
    elif method == "averaged_inverted_cdf":
        weight = np.where(weight == 0, 0.5, 1.0)
    return _bounded(i, n), _bounded(i + 1, n), weight


def _bounded(i: Any, n: Any) -> Any:
    return np.clip(i, 0, np.maximum(n - 1, 0)).astype(np.int64)


def _between(a: Any, b: Any, weight: Any) -> Any:
    """The point between a and b, computed from the nearer one, as NumPy does."""
    step = b - a
    return np.where(weight >= 0.5, b - step * (1 - weight), a + step * weight)


def _rows(a: Any, axis: Any) -> tuple[Any, tuple[int, ...]]:
    """The axes to be reduced merged into the last one; the shape of a result that keeps them."""
    axes = axes_of(axis, a.ndim)
    rest = tuple(i for i in range(a.ndim) if i - a.ndim not in axes)
    order = (*rest, *(i + a.ndim for i in axes))
    size = math.prod(a.shape[i] for i in axes)
    kept = tuple(n if i in rest else 1 for i, n in enumerate(a.shape))
    return np_reshape(np_transpose(a, order), (*(a.shape[i] for i in rest), size)), kept


def _ends_in_nan(s: Any, y: Any) -> Any:
    """y, and nan where the sorted rows s have one at their end."""
    if s.dtype.kind not in "fc" or not s.shape[-1]:
        return y
    last = s[..., -1]
    return np.where(np.isnan(last), last, y)


def _quantile(rows: Any, q: Any, method: str, counts: Any, weights: Any = None) -> Any:
    """Quantiles of rows along the last axis; q of one axis or none, which comes first. counts: of elements."""
    if method not in METHODS:
        raise ValueError(f"{method!r} is not a valid method. Use one of: {', '.join(METHODS)}")
    if weights is not None:
        return _weighted(rows, q, method, weights)
    s = np.sort(rows, axis=-1)
    if isinstance(counts, Tracer):  # by row: q goes first, then rows
        q, counts = q[(..., *(None,) * counts.ndim)] if np.ndim(q) else q, counts
    i, j, weight = _place(counts, q, method)
    a, b = _taken(s, i, counts), _taken(s, j, counts)
    if weight is not None and not isinstance(counts, Tracer) and np.ndim(weight):
        weight = np.reshape(weight, (*np.shape(weight), *(1,) * (s.ndim - 1)))
    y = a if weight is None else _between(a, b, weight)
    return y if isinstance(counts, Tracer) else _ends_in_nan(s, y)


def _taken(s: Any, i: Any, counts: Any) -> Any:
    """Elements of sorted rows at positions; the axis of the positions (if any) first."""
    if not isinstance(counts, Tracer):
        y = np.take(s, i, axis=-1)
        return y if np.ndim(i) == 0 else np.moveaxis(y, -1, 0)
    if i.ndim == counts.ndim:
        return np.take_along_axis(s, i[..., None], -1)[..., 0]
    return np.moveaxis(np.take_along_axis(s, np.moveaxis(i, 0, -1), -1), -1, 0)


def _weighted(rows: Any, q: Any, method: str, weights: Any) -> Any:
    """The smallest element at which the weights so far reach the share q of all."""
    if method != "inverted_cdf":
        raise ValueError(f"Only method 'inverted_cdf' supports weights. Got: {method}.")
    order = np.argsort(rows, axis=-1, stable=True)
    s = np.take_along_axis(rows, order, -1)
    w = np.cumsum(np.take_along_axis(np.broadcast_to(weights, rows.shape), order, -1), axis=-1)
    share = w / w[..., -1:]
    share = np.where(share == 0, -1.0, share)
    q = np.asarray(q) if not isinstance(q, Tracer) else q
    below = np.sum(share[..., None, :] < np_reshape(lifted(q), (-1, 1)), axis=-1)
    y = np.take_along_axis(s, np.clip(below, 0, s.shape[-1] - 1), -1)
    y = np.moveaxis(y, -1, 0) if q.ndim else y[..., 0]
    return _ends_in_nan(s, y)


def quantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
    interpolation: Any = None,
) -> Any:
    """np.quantile."""
    return _named(a, q, axis, method, keepdims, weights, ignore_nan=False)


def nanquantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: Any = False,
    *,
    weights: Any = None,
    interpolation: Any = None,
) -> Any:
    """np.nanquantile."""
    return _named(a, q, axis, method, keepdims, weights, ignore_nan=True)


def _named(a: Any, q: Any, axis: Any, method: str, keepdims: Any, weights: Any, ignore_nan: bool) -> Any:
    a = lifted(a)
    if a.dtype.kind == "c":
        raise TypeError("a must be an array of real numbers")
    if np.ndim(q) > 1:
        raise ValueError("q must be a scalar or 1d")
    weak = isinstance(q, int | float)
    if not isinstance(q, Tracer):
        q = np.asarray(q, a.dtype if weak and a.dtype.kind == "f" else np.float64)
        if not np.all((q >= 0) & (q <= 1)):
            raise ValueError("Quantiles must be in the range [0, 1]")
    rows, kept = _rows(a, axis)
    if weights is not None:
        w = lifted(weights)
        weights = _rows(w, axis)[0] if w.shape == a.shape else w
    rows = rows if rows.dtype.kind == "f" else rows.astype(np.float64)
    counts: Any = rows.shape[-1]
    if ignore_nan:
        counts = np.sum(np.logical_not(np.isnan(rows)), axis=-1)
        if weights is not None:
            weights = np.where(np.isnan(rows), 0.0, np.broadcast_to(weights, rows.shape))
    y = _quantile(rows, q, method, counts, weights)
    y = y.astype(rows.dtype) if weak else y
    return np_reshape(y, (*np.shape(q), *kept)) if keepdims is True else y


def _percent(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same for q in percent."""

    def percentile(a: Any, q: Any, *args: Any, **kwargs: Any) -> Any:
        return function(a, q / 100 if isinstance(q, int | float | Tracer) else np.asarray(q) / 100, *args, **kwargs)

    return percentile


def _nothing(rows: Any, kept: tuple[int, ...], keepdims: Any) -> Any:
    """The median of rows of no elements: nan."""
    return np.full_like(rows, np.nan, shape=kept if keepdims is True else rows.shape[:-1])


def median(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """np.median: the middle element, or the mean of the two."""
    rows, kept = _rows(lifted(a), axis)
    rows = rows if rows.dtype.kind in "fc" else rows.astype(np.float64)
    s, n = np.sort(rows, axis=-1), rows.shape[-1]
    if n == 0:
        return _nothing(rows, kept, keepdims)
    y = s[..., n // 2] if n % 2 else (s[..., n // 2 - 1] + s[..., n // 2]) / 2.0
    y = _ends_in_nan(s, y)
    return np_reshape(y, kept) if keepdims is True else y


def nanmedian(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False) -> Any:
    """np.nanmedian."""
    rows, kept = _rows(lifted(a), axis)
    rows = rows if rows.dtype.kind in "fc" else rows.astype(np.float64)
    if not rows.shape[-1]:
        return _nothing(rows, kept, keepdims)
    s = np.sort(rows, axis=-1)
    n = np.sum(np.logical_not(np.isnan(rows)), axis=-1)
    low, high = _taken(s, _bounded((n - 1) // 2, n), n), _taken(s, _bounded(n // 2, n), n)
    y = (low + high) / 2.0
    return np_reshape(y, kept) if keepdims is True else y


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.quantile: quantile,
    np.percentile: _percent(quantile),
    np.nanquantile: nanquantile,
    np.nanpercentile: _percent(nanquantile),
    np.median: median,
    np.nanmedian: nanmedian,
}
