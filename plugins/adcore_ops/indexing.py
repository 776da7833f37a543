"""Reading and writing by index arrays and masks, alone or mixed with ints, slices, None and `...`.

x[index] is done in three steps: the basic items as a view x1 = x[basic]; the axes of x1 that arrays
address brought together and merged into one; one `gather` (or `scatter`) along it. The axes of the
arrays stand where the first of them stood, or in front when a basic item separates them (as in NumPy).

Index arrays may be traced, and are checked when the graph runs. A mask that is traced selects a
number of elements that is not known, so it can be written through (by np.where), not read.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from adcore.extend import TraceError, Tracer, caller, fit_value, has_tracer
from adcore_ops.gather import gather, scatter, scatter_add, wrap_index
from adcore_ops.shape import lifted, np_reshape, np_transpose


@dataclass(frozen=True, slots=True)
class Advanced:
    """An index with arrays: x1 = x[basic], then `flat` addresses the merged `axes` of x1.

    front: the axes of the arrays come first in the result. unique: no position comes twice.
    """

    basic: tuple[Any, ...]
    axes: tuple[int, ...]
    flat: Any
    front: bool
    unique: bool

    def order(self, ndim: int) -> tuple[tuple[int, ...], int]:
        """The axes of x1 with those of the arrays together, and where these start."""
        rest = [i for i in range(ndim) if i not in self.axes]
        at = 0 if self.front else self.axes[0]
        return (*rest[:at], *self.axes, *rest[at:]), at

    def merged(self, x1: Any) -> tuple[Any, int]:
        """x1 with the addressed axes merged into one, and the number of axes after it."""
        order, at = self.order(x1.ndim)
        shape = [x1.shape[i] for i in order]
        shape[at : at + len(self.axes)] = [math.prod(shape[at : at + len(self.axes)])]
        return np_reshape(np_transpose(x1, order), tuple(shape)), len(shape) - at - 1


def getitem(x: Any, index: Any) -> Any:
    """x[index] for an index with arrays."""
    found = parse(index, x.shape)
    if isinstance(found, Mask):
        raise TraceError(
            "a traced mask selects a number of elements that is not known while tracing",
            f"used as an index at {caller()}",
            "use np.where(mask, x, 0), reduce with where=mask, or write x = np.where(mask, f(x), x)",
        )
    x2, inner = found.merged(x[found.basic])
    return gather(x2, found.flat, inner=inner, batch_dims=0)


def setitem(x: Any, index: Any, value: Any) -> Any:
    """x after x[index] = value, for an index with arrays."""
    found = parse(index, x.shape)
    if isinstance(found, Mask):
        return _replaced(x, found.basic, found.written(x[found.basic], value))

    def write(x2: Any, shape: tuple[int, ...], **axes: int) -> Any:
        return scatter(x2, found.flat, fit_value(x, value, shape), unique=found.unique, **axes)

    return _rewritten(x, found, write)


def add_at(x: Any, index: Any, value: Any) -> Any:
    """x after np.add.at(x, index, value): equal positions add up."""
    found = parse(index, x.shape)
    if isinstance(found, Mask):
        x1 = x[found.basic]
        return _replaced(x, found.basic, x1 + found.written(np.zeros_like(x1), value))

    def write(x2: Any, shape: tuple[int, ...], **axes: int) -> Any:
        return scatter_add(x2, found.flat, fit_value(x, value, shape), **axes)

    return _rewritten(x, found, write)


def _rewritten(x: Any, found: Advanced, write: Callable[..., Any]) -> Any:
    """x with the part that an index selects written by write(x2, shape of that part, **axes)."""
    x1 = x[found.basic]
    x2, inner = found.merged(x1)
    at = x2.ndim - 1 - inner
    y2 = write(x2, (*x2.shape[:at], *found.flat.shape, *x2.shape[at + 1 :]), inner=inner, batch_dims=0)
    order, _ = found.order(x1.ndim)
    apart = np_reshape(y2, tuple(x1.shape[i] for i in order))
    return _replaced(x, found.basic, np_transpose(apart, tuple(order.index(i) for i in range(x1.ndim))))


def _replaced(x: Any, basic: tuple[Any, ...], y1: Any) -> Any:
    y = x.copy()
    y[basic] = y1
    return y


# --- a traced mask -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mask:
    """An index whose only array is a traced mask, over the axes of x1 = x[basic] from `at` on."""

    basic: tuple[Any, ...]
    mask: Any
    at: int

    def written(self, x1: Any, value: Any) -> Any:
        """x1 with its elements under the mask replaced."""
        value, after = lifted(value), x1.ndim - self.at - self.mask.ndim
        shape = value.shape[max(0, value.ndim - self.at - 1 - after) :]
        counted = len(shape) > after  # an axis for the elements, however many they are
        if counted and shape[-1 - after] != 1:
            raise TraceError(
                f"a value of shape {value.shape} has an axis for the elements under a traced mask, "
                "whose number is not known while tracing",
                f"written at {caller()}",
                "write x = np.where(mask, value, x), with a value for every element",
            )
        if counted:
            before = shape[: len(shape) - after - 1]
            shape = (*before, *(1,) * self.mask.ndim, *shape[len(shape) - after :])
        mask = np_reshape(self.mask, (*self.mask.shape, *(1,) * after))
        return np.where(mask, fit_value(x1, np_reshape(value, shape), x1.shape), x1)


# --- parsing -------------------------------------------------------------------------------------


def parse(index: Any, shape: tuple[int, ...]) -> Advanced | Mask:
    """What an index with arrays means for an array of that shape. Raises IndexError as NumPy does."""
    items = _expanded(index, len(shape))
    basic: list[Any] = []
    arrays: list[tuple[int, int, Any]] = []  # axis of x1, its size, index
    places: list[int] = []  # of ints and arrays among the items, to see whether they are together
    traced_mask: tuple[int, Any] | None = None
    axis = out = 0
    for place, item in enumerate(items):
        if item is Ellipsis:
            continue
        if item is None or isinstance(item, slice):
            basic.append(item)
            axis, out = axis + (item is not None), out + 1
        elif isinstance(item, Tracer) and item.dtype.kind == "b" and item.ndim:
            _fits(item.shape, shape, axis)
            traced_mask = (out, item)
            basic += [slice(None)] * item.ndim
            axis, out = axis + item.ndim, out + item.ndim
        elif not isinstance(item, Tracer) and item.ndim == 0 and item.dtype.kind in "iu":
            basic.append(int(item))
            places.append(place)
            axis += 1
        elif item.dtype.kind == "b" and item.ndim == 0:
            basic.append(None)
            arrays.append((out, 1, np.zeros(int(item), np.int64)))
            places.append(place)
            out += 1
        else:
            _fits(item.shape, shape, axis) if item.dtype.kind == "b" else None
            for i in item.nonzero() if item.dtype.kind == "b" else (item,):
                arrays.append((out, shape[axis], wrapped(i, shape[axis], axis)))
                basic.append(slice(None))
                axis, out = axis + 1, out + 1
            places.append(place)
    if traced_mask is not None:
        if arrays:
            raise TraceError("a traced mask cannot be mixed with index arrays", f"at {caller()}", "use np.where")
        return Mask(tuple(basic), traced_mask[1], traced_mask[0])
    together = places == list(range(places[0], places[0] + len(places)))
    flat, unique = _merged([(n, i) for _, n, i in arrays])
    return Advanced(tuple(basic), tuple(a for a, _, _ in arrays), flat, not together, unique)


def _expanded(index: Any, ndim: int) -> list[Any]:
    """The items: None and slices as they are, `...` as slices if it stands for any, others as arrays or tracers."""
    items = [_item(i) for i in (index if isinstance(index, tuple) else (index,))]
    used = sum(_consumed(i) for i in items)
    dots = [k for k, i in enumerate(items) if i is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if used > ndim:
        raise IndexError(f"too many indices: {used} for an array of {ndim} axes")
    at = dots[0] if dots else len(items)
    # `...` separates arrays even where it stands for no axis
    items[at : at + len(dots)] = [slice(None)] * (ndim - used) or [Ellipsis] * len(dots)
    return items


def _item(item: Any) -> Any:
    if item is None or item is Ellipsis or isinstance(item, slice):
        return item
    found = lifted(item) if has_tracer(item) else item if isinstance(item, Tracer) else np.asarray(item)
    if isinstance(item, list | tuple) and found.size == 0:
        found = found.astype(np.int64)
    if found.dtype.kind not in "iub":
        raise IndexError("arrays used as indices must be of integer (or boolean) type")
    return found


def _consumed(item: Any) -> int:
    if item is None or item is Ellipsis:
        return 0
    return 1 if isinstance(item, slice) or item.dtype.kind != "b" else int(item.ndim)


def _fits(mask: tuple[int, ...], shape: tuple[int, ...], axis: int) -> None:
    if mask != shape[axis : axis + len(mask)]:
        raise IndexError(
            f"boolean index did not match indexed array along axis {axis}; sizes are "
            f"{shape[axis : axis + len(mask)]} but those of the mask are {mask}"
        )


def wrapped(i: Any, n: int, axis: int) -> Any:
    """Indices in [0, n): of a real array checked now, of a traced one when the graph runs."""
    if isinstance(i, Tracer):
        return wrap_index(i, size=n)
    if i.size and (i.min() < -n or i.max() >= n):
        worst = int(i.max() if i.max() >= n else i.min())
        raise IndexError(f"index {worst} is out of bounds for axis {axis} with size {n}")
    return np.where(i < 0, i.astype(np.int64) + n, i).astype(np.int64)


def _merged(arrays: list[tuple[int, Any]]) -> tuple[Any, bool]:
    """One index into the merged axes, and whether its positions are known to differ."""
    shape = np.broadcast_shapes(*(i.shape for _, i in arrays))
    flat, unique = None, math.prod(shape) <= 1
    for n, i in arrays:
        flat = i if flat is None else flat * n + i
        if not isinstance(i, Tracer) and i.shape == shape:
            unique = unique or np.unique(i).size == i.size
    if not isinstance(flat, Tracer):
        unique = np.unique(flat).size == flat.size
    return flat, bool(unique)


FUNCTIONS: dict[Any, Callable[..., Any]] = {"getitem": getitem, "setitem": setitem}
