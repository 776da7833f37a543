"""Histograms and counts: weights added up by bin. Derivatives are in the weights; the bins are integers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.extend import TraceError, Tracer, caller
from adcore_ops.gather import scatter_add
from adcore_ops.indexing import wrapped
from adcore_ops.shape import lifted, np_reshape


def added(weights: Any, places: Any, size: int) -> Any:
    """Zeros of that size with the weights added at these places."""
    zeros = np.zeros_like(weights, shape=(size,))
    return scatter_add(zeros, places, weights, inner=0, batch_dims=0)


def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    """np.bincount of known integers."""
    if isinstance(x, Tracer):
        raise TraceError(
            "np.bincount gives as many bins as the largest value says, which is not known while tracing",
            f"at {caller()}",
            "make zeros of the size you need (np.zeros_like(weights, shape=n)) and use np.add.at",
        )
    x = np.asarray(x).astype(np.int64)
    size = max(int(x.max(initial=-1)) + 1, minlength)
    return added(lifted(weights).astype(np.float64), wrapped(x, size, 0), size)


def _edges(a: Any, bins: Any, span: Any) -> Any:
    """The edges of the bins of one variable."""
    if isinstance(bins, str):
        raise TraceError(
            f"np.histogram with bins={bins!r} gives a number of bins that is not known while tracing",
            f"at {caller()}",
            "give the number of bins, or their edges",
        )
    if np.ndim(bins):
        return lifted(bins)
    if span is None and not a.size:
        low, high = 0.0, 1.0
    elif span is None:
        low, high = np.min(a), np.max(a)
        same = low == high
        low, high = np.where(same, low - 0.5, low), np.where(same, high + 0.5, high)
    else:
        low, high = span
        if low == high:
            low, high = low - 0.5, high + 0.5
    return np.linspace(lifted(low), high, int(bins) + 1)


def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """np.histogram_bin_edges, of a number of bins."""
    return _edges(lifted(a), bins, range)


def _bin(x: Any, edges: Any) -> Any:
    """The bin of each x, the last one closed on both sides; the number of bins for what lies outside."""
    n = edges.shape[0] - 1
    i = np.searchsorted(edges, x, side="right") - 1
    i = np.where(x == edges[-1], n - 1, i)
    return np.where(i < 0, n, i)


def _total(columns: list[Any], edges: list[Any], weights: Any, density: Any) -> Any:
    """The weights in each cell of the grid of bins."""
    sizes = [e.shape[0] - 1 for e in edges]
    cell: Any = 0
    for x, e, n in zip(columns, edges, sizes, strict=True):
        cell = cell * (n + 1) + _bin(x, e)
    w = np.ones_like(columns[0], dtype=np.int64) if weights is None else np_reshape(lifted(weights), -1)
    grid = np_reshape(added(w, cell, int(np.prod([n + 1 for n in sizes]))), tuple(n + 1 for n in sizes))
    grid = grid[tuple(slice(n) for n in sizes)]
    if not density:
        return grid
    grid = grid / np.sum(grid)
    for axis, e in enumerate(edges):
        grid = grid / np_reshape(e[1:] - e[:-1], (-1,) + (1,) * (len(sizes) - axis - 1))
    return grid


def histogram(a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """np.histogram."""
    x = np_reshape(lifted(a), -1)
    edges = _edges(x, bins, range)
    return _total([x], [edges], weights, density), edges


def histogramdd(sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """np.histogramdd."""
    if isinstance(sample, tuple | list):
        columns = [lifted(x) for x in sample]
    else:
        sample = lifted(sample)
        columns = [sample[:, i] for i in np.arange(sample.shape[1]).tolist()]
    each = [bins] * len(columns) if np.ndim(bins) == 0 and not isinstance(bins, tuple | list) else list(bins)
    spans = [None] * len(columns) if range is None else list(range)
    edges = [_edges(x, b, s) for x, b, s in zip(columns, each, spans, strict=True)]
    counts = _total(columns, edges, weights, density)
    return counts.astype(np.float64), tuple(edges)


def histogram2d(x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """np.histogram2d."""
    one = np.ndim(bins) == 0 or (np.ndim(bins) == 1 and len(bins) not in (1, 2))
    counts, (x_edges, y_edges) = histogramdd([x, y], [bins, bins] if one else bins, range, density, weights)
    return counts, x_edges, y_edges


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.bincount: bincount,
    np.histogram: histogram,
    np.histogram_bin_edges: histogram_bin_edges,
    np.histogramdd: histogramdd,
    np.histogram2d: histogram2d,
}
