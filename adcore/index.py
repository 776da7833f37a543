"""Reading and writing items of traced arrays.

A basic index (ints, slices, None, ...) is one `core::slice` and one `core::reshape`, and its result
is a view. Any other index goes to the functions that the op plugins bring for `getitem` and `setitem`.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from adcore.errors import TraceError
from adcore.graph import Value
from adcore.memory import sliced
from adcore.registry import registry
from adcore.trace import caller, op_call

if TYPE_CHECKING:
    from adcore.tracer import Tracer

take_slice, put_slice, flip = op_call("core::slice"), op_call("core::put_slice"), op_call("core::flip")
reshape, broadcast_to, convert = (
    op_call("core::reshape"), op_call("core::broadcast_to"), op_call("core::convert"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Basic:
    """A basic index: element k of axis i of the slice is element start[i] + k * step[i], step[i] > 0."""

    start: tuple[int, ...]
    size: tuple[int, ...]
    step: tuple[int, ...]
    flipped: tuple[int, ...]  # axes that are then reversed, counted from the end
    shape: tuple[int, ...]  # of the result: ints dropped, new axes put in
    kept: tuple[tuple[int, int, int] | None, ...]  # per axis of the result: its axis, step and length

    def covers(self, shape: Sequence[int]) -> bool:
        """True when the slice is the whole array as it stands."""
        return self.size == tuple(shape) and not self.flipped


def parse(index: Any, shape: tuple[int, ...]) -> Basic | None:
    """The basic index, or None if it is not one. Raises IndexError as NumPy does."""
    items = list(index) if isinstance(index, tuple) else [index]
    for item in items:
        if not (item is None or item is Ellipsis or isinstance(item, slice) or _is_int(item)):
            return None
    used = sum(item is not None and item is not Ellipsis for item in items)
    if items.count(Ellipsis) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if used > len(shape):
        raise IndexError(f"too many indices: {used} for an array of {len(shape)} axes")
    if Ellipsis not in items:
        items.append(Ellipsis)
    at = items.index(Ellipsis)
    items[at : at + 1] = [slice(None)] * (len(shape) - used)
    start: list[int] = []
    size: list[int] = []
    step: list[int] = []
    flipped: list[int] = []
    kept: list[tuple[int, int, int] | None] = []
    axis = 0
    for item in items:
        if item is None:
            kept.append(None)
            continue
        n = shape[axis]
        if isinstance(item, slice):
            first, stop, stride = item.indices(n)
            count = len(range(first, stop, stride))
            kept.append((axis, stride, count))
        else:
            first, count, stride = operator.index(item), 1, 1
            if not -n <= first < n:
                raise IndexError(f"index {first} is out of bounds for axis {axis} with size {n}")
            first %= n
        if stride < 0 and count > 1:
            first, stride = first + (count - 1) * stride, -stride
            flipped.append(axis - len(shape))
        start.append(first if count else 0)
        size.append(count)
        step.append(stride if count > 1 else 1)
        axis += 1
    shown = tuple(1 if k is None else k[2] for k in kept)
    return Basic(tuple(start), tuple(size), tuple(step), tuple(flipped), shown, tuple(kept))


def _is_int(item: Any) -> bool:
    if isinstance(item, bool | np.bool_):
        return False
    return isinstance(item, int | np.integer) or (
        isinstance(item, np.ndarray) and item.ndim == 0 and item.dtype.kind in "iu"
    )


def read_index(x: Tracer, index: Any) -> Any:
    """x[index]."""
    basic = parse(index, x.shape)
    if basic is None:
        return _function("getitem")(x, index)
    if basic.covers(x.shape) and basic.shape == x.shape:
        return x.tied(x.copy(), lambda base: base, lambda base, new: new, x.layout)

    def take(base: Tracer) -> Any:
        return _reshape(_slice(base, basic), basic.shape)

    def put(base: Tracer, new: Tracer) -> Any:
        return _put(base, _reshape(new, basic.size), basic)

    return x.tied(take(x), take, put, sliced(x.layout, x.shape, basic.kept))


def write_index(x: Tracer, index: Any, value: Any) -> Value:
    """The value of x after x[index] = value."""
    basic = parse(index, x.shape)
    trace = x._trace
    if basic is None:
        return trace.value_of(_function("setitem")(x, index, value))
    new = fit_value(x, value, basic.shape)
    if basic.covers(x.shape):
        return trace.value_of(_reshape(new, x.shape))
    return trace.value_of(_put(x, _reshape(new, basic.size), basic))


def fit_value(x: Tracer, value: Any, shape: tuple[int, ...]) -> Tracer:
    """A value that is to be written into x where an index selects that shape, as a tracer of that shape.

    Raises TraceError when it does not broadcast, or is complex and x is real.
    """
    trace = x._trace
    new = trace.wrap(trace.lift(value))
    if new.dtype.kind == "c" and x.dtype.kind != "c":
        raise TraceError(
            f"a complex value cannot be written into a traced {x._type}",
            f"at {caller()}",
            "take np.real of it",
        )
    if new.dtype != x.dtype:
        new = trace.wrap(trace.lift(value, x.dtype))  # an array is converted before it is a constant
    while new.ndim > len(shape) and new.shape[0] == 1:  # NumPy drops leading axes of length 1 here
        new = _reshape(new, new.shape[1:])
    try:
        fits = np.broadcast_shapes(new.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise TraceError(
            f"a value of shape {new.shape} cannot be written where the index selects {shape}",
            f"at {caller()}",
        )
    return new if new.shape == shape else broadcast_to(new, shape=shape, rank=new.ndim)


def _slice(x: Any, basic: Basic) -> Any:
    if basic.size != x.shape:
        x = take_slice(x, start=basic.start, size=basic.size, step=basic.step)
    return flip(x, axes=basic.flipped) if basic.flipped else x


def _put(x: Any, new: Any, basic: Basic) -> Any:
    if basic.flipped:
        new = flip(new, axes=basic.flipped)
    if basic.size == x.shape:
        return new
    return put_slice(x, new, start=basic.start, step=basic.step)


def _reshape(x: Any, shape: tuple[int, ...]) -> Any:
    return x if x.shape == shape else reshape(x, shape=shape, rank=x.ndim)


def _function(name: str) -> Any:
    function = registry().functions.get(name)
    if function is None:
        raise TraceError("this kind of index has no op here", f"at {caller()}", "use ints and slices")
    return function
