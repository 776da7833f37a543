"""Elements picked or put by position, by condition, or by choice: np.take and its relatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.extend import TraceError, Tracer, caller
from adcore_ops.gather import gather, scatter
from adcore_ops.indexing import add_at, wrapped
from adcore_ops.join import np_concatenate
from adcore_ops.shape import axis_of, lifted, moveaxis, np_broadcast_to, np_reshape


def _in_range(indices: Any, n: int, axis: int, mode: str) -> Any:
    """Indices in [0, n), by np.take's three modes."""
    i = lifted(indices) if isinstance(indices, Tracer | list) else np.asarray(indices)
    if i.dtype.kind not in "iu" and i.size:
        raise TypeError(f"indices must be integers, not {i.dtype.name}")
    i = i.astype(np.int64)
    if mode == "wrap":
        return i % n
    return np.clip(i, 0, n - 1) if mode == "clip" else wrapped(i, n, axis)


def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    """np.take."""
    a = lifted(a)
    if axis is None:
        a, axis = np_reshape(a, -1), 0
    at = axis_of(axis, a.ndim)
    return gather(a, _in_range(indices, a.shape[at], at, mode), inner=a.ndim - 1 - at, batch_dims=0)


def _along(arr: Any, indices: Any, axis: Any) -> tuple[Any, Any, Any]:
    """The array and the index with the axis last and the others broadcast, and the axis (None: flattened)."""
    arr = lifted(arr)
    indices = lifted(indices) if isinstance(indices, Tracer) else np.asarray(indices)
    if indices.dtype.kind not in "iu":
        raise IndexError("`indices` must be an integer array")
    if axis is None:
        if indices.ndim != 1:
            raise ValueError("when axis=None, `indices` must have a single dimension.")
        arr = np_reshape(arr, -1)
    elif arr.ndim != indices.ndim:
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    at = 0 if axis is None else axis_of(axis, arr.ndim)
    i = wrapped(indices, arr.shape[at], at)
    arr, i = moveaxis(arr, at, -1), np.moveaxis(i, at, -1)
    rest = np.broadcast_shapes(arr.shape[:-1], i.shape[:-1])
    i = np.broadcast_to(i, (*rest, i.shape[-1]))
    return (arr if arr.shape[:-1] == rest else np_broadcast_to(arr, (*rest, arr.shape[-1]))), i, at


def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    """np.take_along_axis."""
    x, i, at = _along(arr, indices, axis)
    return moveaxis(gather(x, i, inner=0, batch_dims=x.ndim - 1), -1, at)


def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    """np.put_along_axis, into a traced array."""
    x, i, at = _along(arr, indices, axis)
    if x.size != arr.size:
        raise ValueError("`indices` has axes that the array has not")
    new = lifted(values).astype(arr.dtype)
    shape = i.shape if axis is None else np.moveaxis(i, -1, at).shape
    new = moveaxis(np_broadcast_to(new, shape), at, -1)
    y = scatter(x, i, new, inner=0, batch_dims=x.ndim - 1, unique=i.shape[-1] == 1)
    arr[...] = np_reshape(moveaxis(y, -1, at), arr.shape)


# --- by condition --------------------------------------------------------------------------------


def _known(condition: Any, spelling: str) -> Any:
    """A condition that is a real array. Raises TraceError for a traced one."""
    if isinstance(condition, Tracer):
        raise TraceError(
            f"{spelling} selects a number of elements that is not known while tracing",
            f"called with a traced condition at {caller()}",
            "use np.where(condition, x, 0), or reduce with where=condition",
        )
    return np.asarray(condition)


def compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    """np.compress."""
    return take(a, np.flatnonzero(_known(condition, "np.compress")), axis)


def extract(condition: Any, arr: Any) -> Any:
    """np.extract."""
    return take(arr, np.flatnonzero(_known(condition, "np.extract")))


def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    """np.choose: element by element, from the array with that number."""
    rows = np.broadcast_arrays(lifted(a), *(lifted(c) for c in choices))
    number = _in_range(rows[0], len(rows) - 1, 0, mode)
    table = np.stack(rows[1:], -1)
    return np_reshape(gather(table, number[..., None], inner=0, batch_dims=number.ndim), number.shape)


def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """np.select: from the first choice whose condition is true."""
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    result = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = np.where(condition, choice, result)
    return result


def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    """np.piecewise.

    Where a condition is traced, its function is applied to all of x, so it must be elementwise.
    """
    x = lifted(x)
    if isinstance(condlist, Tracer) or (np.ndim(condlist[0]) == 0 and x.ndim):
        condlist = [condlist]
    conditions, functions = list(condlist), list(funclist)
    if len(functions) == len(conditions) + 1:
        rest = np.logical_not(conditions[0])
        for c in conditions[1:]:
            rest = np.logical_and(rest, np.logical_not(c))
        conditions.append(rest)
    if len(functions) != len(conditions):
        raise ValueError(f"with {len(conditions)} conditions, as many functions or one more are expected")
    y = np.zeros_like(x)
    for condition, f in zip(conditions, functions, strict=True):
        if isinstance(condition, Tracer):
            y[...] = np.where(condition, f(x, *args, **kw) if callable(f) else f, y)
        else:
            where = np.asarray(condition)
            y[where] = f(x[where], *args, **kw) if callable(f) else f
    return y


# --- in place ------------------------------------------------------------------------------------


def _cycled(values: Any, size: int) -> Any:
    """The values over and over, `size` of them."""
    flat = np_reshape(lifted(values), -1)
    return flat if flat.size == size else take(flat, np.arange(size) % flat.size)


def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    """np.put: into the flattened array."""
    i = np.ravel(_in_range(ind, a.size, 0, mode))
    flat = np_reshape(a.copy(), -1)
    flat[i] = _cycled(v, i.size)
    a[...] = np_reshape(flat, a.shape)


def putmask(a: Any, mask: Any, values: Any) -> None:
    """np.putmask: element n of the flattened array from values[n % size]."""
    values = lifted(values)
    same = values.shape == a.shape or values.size == 1
    new = values if same else np_reshape(_cycled(values, a.size), a.shape)
    a[...] = np.where(mask, new, a)


def place(arr: Any, mask: Any, vals: Any) -> None:
    """np.place: under the mask, one value after the other."""
    i = np.flatnonzero(_known(mask, "np.place"))
    put(arr, i, vals)


def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    """np.fill_diagonal."""
    if a.ndim < 2 or (a.ndim > 2 and len(set(a.shape)) > 1):
        raise ValueError("an array of two axes is needed, or one with all axes of equal length")
    where = np.zeros(a.shape, bool)
    np.fill_diagonal(where, True, wrap)
    i = np.flatnonzero(where)
    put(a, i, _cycled(val, i.size))


def _at(sign: float) -> Callable[..., None]:
    def function(a: Any, indices: Any, b: Any) -> None:
        if not isinstance(a, Tracer):
            raise TraceError(
                f"a traced value cannot be added into a {type(a).__name__} by ufunc.at", f"at {caller()}",
                "make the array with np.zeros_like of a traced one",
            )  # fmt: skip
        a[...] = add_at(a, indices, lifted(b) * sign if sign != 1 else b)

    return function


# --- one axis with elements more or less ---------------------------------------------------------


def _places(obj: Any, spelling: str) -> None:
    """Raise TraceError for traced places: how many different ones there are is not known."""
    if isinstance(obj, Tracer):
        raise TraceError(
            f"{spelling} at traced places gives a size that is not known while tracing",
            f"at {caller()}",
            "give the places as plain integers, or use np.where",
        )


def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    """np.insert."""
    _places(obj, "np.insert")
    arr, values = lifted(arr), lifted(values)
    if axis is None:
        arr, axis = np_reshape(arr, -1), 0
    at = axis_of(axis, arr.ndim)
    n = arr.shape[at]
    if values.ndim < arr.ndim:
        values = values[(None,) * (arr.ndim - values.ndim)]
    if np.ndim(obj) == 0 and not isinstance(obj, slice):
        values = moveaxis(values, 0, at)
        count = values.shape[at]
    else:
        count = np.insert(np.arange(n), obj, -1).size - n
    shape = [*arr.shape[:at], count, *arr.shape[at + 1 :]]
    values = np_broadcast_to(values.astype(arr.dtype), tuple(shape))
    came = np.insert(np.arange(n), obj, n + np.arange(count))
    return take(np_concatenate([arr, values], at), came, at)


def delete(arr: Any, obj: Any, axis: Any = None) -> Any:
    """np.delete."""
    _places(obj, "np.delete")
    if axis is None:
        arr, axis = np_reshape(arr, -1), 0
    return take(arr, np.delete(np.arange(arr.shape[axis]), obj), axis)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.take: take,
    np.take_along_axis: take_along_axis,
    np.put_along_axis: put_along_axis,
    np.compress: compress,
    np.extract: extract,
    np.choose: choose,
    np.select: select,
    np.piecewise: piecewise,
    np.put: put,
    np.putmask: putmask,
    np.place: place,
    np.fill_diagonal: fill_diagonal,
    np.insert: insert,
    np.delete: delete,
    (np.add, "at"): _at(1),
    (np.subtract, "at"): _at(-1),
}
