"""Arrays joined, cut, repeated and framed: NumPy functions made of slices, reshapes and broadcasts."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from adcore_ops.shape import axis_of, expand_dims, lifted, np_broadcast_to, np_reshape
from adcore_ops.slices import concatenate


def common(arrays: Sequence[Any], dtype: Any = None) -> list[Any]:
    """The arrays as tracers of one dtype."""
    xs = [lifted(a) for a in arrays]
    dtype = np.dtype(dtype) if dtype is not None else np.result_type(*(x.dtype for x in xs))
    return [x if x.dtype == dtype else x.astype(dtype) for x in xs]


# --- joining -------------------------------------------------------------------------------------


def np_concatenate(
    arrays: Any, /, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Any:
    """np.concatenate."""
    xs = common(list(arrays), dtype)
    if axis is None:
        xs, axis = [np_reshape(x, -1) for x in xs], 0
    if any(x.ndim == 0 for x in xs):
        raise ValueError("zero-dimensional arrays cannot be concatenated")
    return concatenate(*xs, axis=axis_of(axis, xs[0].ndim) - xs[0].ndim)


def stack(arrays: Any, axis: int = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """np.stack."""
    xs = common(list(arrays), dtype)
    if len({x.shape for x in xs}) > 1:
        raise ValueError("all input arrays must have the same shape")
    at = axis_of(axis, xs[0].ndim + 1)
    return np_concatenate([expand_dims(x, at) for x in xs], at)


def _each(at_least: Callable[[Any], Any]) -> Callable[..., Any]:
    """np.atleast_1d and the like: one array, or a tuple of several."""

    def function(*arys: Any) -> Any:
        found = tuple(at_least(lifted(x)) for x in arys)
        return found if len(found) != 1 else found[0]

    return function


def _at_least_1d(x: Any) -> Any:
    return x[None] if x.ndim == 0 else x


def _at_least_2d(x: Any) -> Any:
    return x[None, None] if x.ndim == 0 else x[None] if x.ndim == 1 else x


def _at_least_3d(x: Any) -> Any:
    return x[..., None] if x.ndim == 2 else _at_least_2d(x)[..., None] if x.ndim < 2 else x


atleast_1d, atleast_2d, atleast_3d = _each(_at_least_1d), _each(_at_least_2d), _each(_at_least_3d)


def _stacker(at_least: Callable[[Any], Any], axis: int) -> Callable[..., Any]:
    def function(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
        return np_concatenate([at_least(lifted(x)) for x in tup], axis, dtype=dtype)

    return function


def hstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """np.hstack."""
    xs = [_at_least_1d(lifted(x)) for x in tup]
    return np_concatenate(xs, 0 if xs[0].ndim == 1 else 1, dtype=dtype)


def column_stack(tup: Any) -> Any:
    """np.column_stack."""
    return np_concatenate([np_reshape(x, (x.size, 1)) if x.ndim < 2 else x for x in map(lifted, tup)], 1)


def block(arrays: Any) -> Any:
    """np.block: nested lists, the innermost joined along the last axis."""

    def depth(part: Any) -> int:
        return 1 + max(map(depth, part)) if isinstance(part, list) else 0

    def leaves(part: Any) -> list[Any]:
        return [x for p in part for x in leaves(p)] if isinstance(part, list) else [lifted(part)]

    levels = depth(arrays)
    ndim = max(levels, *(x.ndim for x in leaves(arrays)))

    def joined(part: Any, level: int) -> Any:
        if isinstance(part, list):
            return np_concatenate([joined(p, level + 1) for p in part], level - levels)
        x = lifted(part)
        return x[(None,) * (ndim - x.ndim)] if x.ndim < ndim else x

    return joined(arrays, 0)


def append(arr: Any, values: Any, axis: Any = None) -> Any:
    """np.append."""
    return np_concatenate([lifted(arr), lifted(values)], axis)


# --- cutting -------------------------------------------------------------------------------------


def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """np.array_split."""
    at = axis_of(axis, ary.ndim)
    n = ary.shape[at]
    try:
        sections = operator.index(indices_or_sections)
    except TypeError:
        cuts = [0, *map(int, indices_or_sections), n]
    else:
        if sections <= 0:
            raise ValueError("number sections must be larger than 0.")
        size, more = divmod(n, sections)
        cuts = [i * size + min(i, more) for i in range(sections + 1)]
    return [ary[(slice(None),) * at + (slice(a, b),)] for a, b in pairwise(cuts)]


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """np.split, which wants parts of equal length."""
    if np.ndim(indices_or_sections) == 0 and ary.shape[axis_of(axis, ary.ndim)] % indices_or_sections:
        raise ValueError("array split does not result in an equal division")
    return array_split(ary, indices_or_sections, axis)


def hsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """np.hsplit."""
    return split(ary, indices_or_sections, 1 if ary.ndim > 1 else 0)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """np.unstack."""
    at = axis_of(axis, x.ndim)
    return tuple(x[(slice(None),) * at + (i,)] for i in range(x.shape[at]))


# --- repeating -----------------------------------------------------------------------------------


def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """np.roll."""
    if axis is None:
        return np_reshape(roll(np_reshape(a, -1), int(np.sum(shift)), 0), a.shape)
    shifts, axes = np.broadcast_arrays(shift, axis)
    for s, i in zip(shifts.ravel().tolist(), axes.ravel().tolist(), strict=True):
        a = _rolled(a, s, axis_of(i, a.ndim))
    return a.copy()


def _rolled(a: Any, shift: int, axis: int) -> Any:
    n = a.shape[axis]
    cut = -shift % n if n else 0
    lead = (slice(None),) * axis
    return np_concatenate([a[(*lead, slice(cut, None))], a[(*lead, slice(cut))]], axis) if cut else a


def tile(A: Any, reps: Any) -> Any:
    """np.tile."""
    reps = tuple(map(int, np.ravel(reps)))
    ndim = max(len(reps), A.ndim)
    shape, reps = (1,) * (ndim - A.ndim) + A.shape, (1,) * (ndim - len(reps)) + reps
    x = np_reshape(A, tuple(m for n in shape for m in (1, n)))
    x = np_broadcast_to(x, tuple(m for r, n in zip(reps, shape, strict=True) for m in (r, n)))
    return np_reshape(x, tuple(r * n for r, n in zip(reps, shape, strict=True)))


def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    """np.repeat: each element along an axis, so many times."""
    if axis is None:
        a, axis = np_reshape(a, -1), 0
    at = axis_of(axis, a.ndim)
    counts = np.asarray(repeats).ravel()
    if counts.size == 1:
        times, shape = int(counts[0]), (*a.shape[:at], a.shape[at], 1, *a.shape[at + 1 :])
        wide = np_broadcast_to(np_reshape(a, shape), (*shape[: at + 1], times, *shape[at + 2 :]))
        return np_reshape(wide, (*a.shape[:at], a.shape[at] * times, *a.shape[at + 1 :]))
    if counts.size != a.shape[at]:
        raise ValueError(f"{counts.size} repeats for an axis of {a.shape[at]}")
    return np.take(a, np.repeat(np.arange(counts.size), counts), at)


def resize(a: Any, new_shape: Any) -> Any:
    """np.resize: the elements over and over until the new shape is filled."""
    shape = (new_shape,) if np.ndim(new_shape) == 0 else tuple(new_shape)
    size, flat = int(np.prod(shape)), np_reshape(a, -1)
    if not flat.size:
        return np.zeros_like(flat, shape=shape)
    times = -(-size // flat.size)
    return np_reshape(tile(flat, times)[:size], shape)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.concatenate: np_concatenate,
    np.stack: stack,
    np.vstack: _stacker(_at_least_2d, 0),
    np.dstack: _stacker(_at_least_3d, 2),
    np.hstack: hstack,
    np.column_stack: column_stack,
    np.block: block,
    np.append: append,
    np.atleast_1d: atleast_1d,
    np.atleast_2d: atleast_2d,
    np.atleast_3d: atleast_3d,
    np.split: split,
    np.array_split: array_split,
    np.hsplit: hsplit,
    np.vsplit: lambda ary, indices_or_sections: split(ary, indices_or_sections, 0),
    np.dsplit: lambda ary, indices_or_sections: split(ary, indices_or_sections, 2),
    np.roll: roll,
    np.tile: tile,
    np.repeat: repeat,
    np.resize: resize,
}
if hasattr(np, "unstack"):  # NumPy 2.1
    FUNCTIONS[np.unstack] = unstack
