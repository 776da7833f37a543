"""np.pad in all its modes, one axis after the other as NumPy does it.

constant                          a frame with the array put into it
edge, reflect, symmetric, wrap    the elements again: slices, or taken at the positions that NumPy pads positions with
mean, linear_ramp, odd reflection affine along the axis: a product with what NumPy makes of a unit matrix
maximum, minimum, median          the statistic of the elements near the edge, repeated
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.extend import Tracer
from adcore_ops.join import np_concatenate
from adcore_ops.shape import axis_of, lifted, moveaxis, np_broadcast_to
from adcore_ops.slices import put_slice

REPEATING = ("edge", "reflect", "symmetric", "wrap")
STATISTICS: dict[str, Callable[..., Any]] = {"maximum": np.max, "minimum": np.min, "median": np.median}


def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    """np.pad. Modes that are functions are not recorded."""
    array = lifted(array)
    widths = _widths(pad_width, array.ndim)
    if callable(mode):
        raise TypeError("np.pad with a function as its mode works on real arrays only; use a named mode")
    if mode == "empty":
        mode = "constant"
    if mode == "constant" and _is_scalar(kwargs.get("constant_values", 0)):
        return _framed(array, widths, kwargs.get("constant_values", 0))
    for axis, (before, after) in enumerate(widths):
        if before or after:
            options = {k: _of_axis(v, axis, array.ndim) for k, v in kwargs.items()}
            array = _padded(array, axis, before, after, mode, options)
    return array


def _widths(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    """How many elements go before and after, per axis."""
    if isinstance(pad_width, dict):
        given = {axis_of(a, ndim): np.broadcast_to(w, 2).tolist() for a, w in pad_width.items()}
        pairs = [given.get(i, [0, 0]) for i in range(ndim)]
    else:
        pairs = np.broadcast_to(np.asarray(pad_width), (ndim, 2)).tolist()
    found = [(operator.index(a), operator.index(b)) for a, b in pairs]
    if any(n < 0 for pair in found for n in pair):
        raise ValueError("index can't contain negative values")
    return found


def _is_scalar(value: Any) -> bool:
    return isinstance(value, Tracer) or np.ndim(value) == 0


def _of_axis(value: Any, axis: int, ndim: int) -> Any:
    """The part of an option that belongs to one axis: a pair, or the option itself."""
    if value is None or isinstance(value, str | Tracer):
        return value
    return tuple(np.broadcast_to(np.asarray(value), (ndim, 2))[axis].tolist())


def _framed(x: Any, widths: list[tuple[int, int]], value: Any) -> Any:
    """x in a frame of one value, which may be traced."""
    shape = tuple(n + a + b for n, (a, b) in zip(x.shape, widths, strict=True))
    fill = value.astype(x.dtype) if isinstance(value, Tracer) else np.asarray(value).astype(x.dtype)
    frame = np_broadcast_to(lifted(fill), shape)
    return put_slice(frame, x, start=tuple(a for a, _ in widths), step=(1,) * x.ndim)


def _padded(x: Any, axis: int, before: int, after: int, mode: str, options: dict[str, Any]) -> Any:
    """x padded along one axis."""
    n = x.shape[axis]
    if mode in REPEATING and options.get("reflect_type") != "odd":
        return _repeating(x, axis, before, after, mode)
    if mode in STATISTICS:
        return _by_statistic(x, axis, (before, after), STATISTICS[mode], options.get("stat_length"))
    unit = np.pad(np.eye(n), ((0, 0), (before, after)), mode, **_without_ends(options))
    y = moveaxis(np.matmul(moveaxis(x, axis, -1), unit.astype(np.result_type(x.dtype, np.float32))), -1, axis)
    ends = {k: v for k, v in options.items() if k in ("constant_values", "end_values")}
    if ends:
        offset = np.pad(np.zeros(n), (before, after), mode, **{k: [v] for k, v in ends.items()})
        y = y + np.reshape(offset, (-1,) + (1,) * (x.ndim - axis - 1)).astype(y.dtype)
    return (np.round(y) if x.dtype.kind in "iu" else y).astype(x.dtype)


def _repeating(x: Any, axis: int, before: int, after: int, mode: str) -> Any:
    """x with its own elements again at both ends: slices, where each end needs no element twice."""
    n = x.shape[axis]

    def part(*bounds: int | None) -> Any:
        return x[(*(slice(None),) * axis, slice(*bounds))]

    def edge(x: Any, width: int) -> Any:
        return np_broadcast_to(x, (*x.shape[:axis], width, *x.shape[axis + 1 :]))

    if mode == "edge" and n:
        return np_concatenate([edge(part(1), before), x, edge(part(n - 1, n), after)], axis)
    skip = int(mode == "reflect")
    if max(before, after) > n - skip or not n:
        return np.take(x, np.pad(np.arange(n), (before, after), mode), axis)
    if mode == "wrap":
        return np_concatenate([part(n - before, n), x, part(after)], axis)
    left, right = part(skip, before + skip), part(n - after - skip, n - skip)
    return np_concatenate([np.flip(left, axis), x, np.flip(right, axis)], axis)


def _without_ends(options: dict[str, Any]) -> dict[str, Any]:
    """The options of a mode with its end values set to zero: its linear part."""
    kept = {k: v if isinstance(v, str | None) else [(0, 0), v] for k, v in options.items()}
    return {k: 0 if k in ("constant_values", "end_values") else v for k, v in kept.items()}


def _by_statistic(x: Any, axis: int, widths: tuple[int, int], statistic: Callable[..., Any], lengths: Any) -> Any:
    n, lead = x.shape[axis], (slice(None),) * axis
    parts = [x]
    for side, width in enumerate(widths):
        length = n if lengths is None else min(lengths[side], n)
        near = x[(*lead, slice(n - length, n) if side else slice(length))]
        value = statistic(near, axis=axis, keepdims=True)
        value = (np.round(value) if x.dtype.kind in "iu" else value).astype(x.dtype)
        edge = np_broadcast_to(value, (*x.shape[:axis], width, *x.shape[axis + 1 :]))
        parts = [*parts, edge] if side else [edge, *parts]
    return np_concatenate(parts, axis)


FUNCTIONS: dict[Any, Callable[..., Any]] = {np.pad: pad}
