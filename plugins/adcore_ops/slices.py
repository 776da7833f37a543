"""Slices and joins: the elements of a window read, written, or put side by side. All are linear.

A window covers the trailing axes: element k along an axis is start + k * step, with step > 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from adcore.extend import (
    INT,
    INTS,
    SHAPE,
    Elements,
    Node,
    Sample,
    Type,
    Window,
    linear,
    many,
    moved,
    op,
    positions,
)  # fmt: skip
from adcore_ops.strided import Strides, copied, viewing


def _window(start: tuple[int, ...], size: tuple[int, ...], step: tuple[int, ...]) -> tuple[Any, ...]:
    stop = (s + (n - 1) * k + 1 if n else s for s, n, k in zip(start, size, step, strict=True))
    return (Ellipsis, *(slice(s, e, k) for s, e, k in zip(start, stop, step, strict=True)))


def _slice_infer(x: Type, *, start: tuple[int, ...], size: tuple[int, ...], step: tuple[int, ...]) -> Type:
    if not len(start) == len(size) == len(step) <= x.ndim:
        raise ValueError("start, size and step have different lengths, or more than its axes")
    lead = x.ndim - len(start)
    for n, s, count, k in zip(x.shape[lead:], start, size, step, strict=True):
        if s < 0 or count < 0 or k < 1 or (count and s + (count - 1) * k >= n):
            raise ValueError(f"elements {s}, {s + k}, ... ({count} of them) are not all in an axis of {n}")
    return x.with_shape(x.shape[:lead] + size)


def _slice_view(x: Type, strides: Strides, p: Any) -> Strides:
    lead = x.ndim - len(p["step"])
    return (*strides[:lead], *(s * k for s, k in zip(strides[lead:], p["step"], strict=True)))


def _sliced(node: Node) -> Callable[[Any], Any]:
    p = node.params
    window = _window(p["start"], p["size"], p["step"])
    return lambda x: x[window]


@op(
    "core::slice",
    pattern="moves",
    params={"start": SHAPE, "size": SHAPE, "step": INTS},
    infer=_slice_infer,
    view=_slice_view,
    rule=linear(lambda g, x, *, start, size, step: Window(g, start, step)),
    batch="core",
    out=True,
    kernel=viewing(_sliced),
    same_as=lambda types, p: 0 if types[0].shape[types[0].ndim - len(p["size"]) :] == p["size"] else None,
    numbers=moved(lambda x, *, start, size, step: x[_window(start, size, step)]),
    samples=(
        Sample(((5, 7),), params={"start": (1, 0), "size": (2, 4), "step": (2, 1)}),
        Sample(((2, 7),), params={"start": (3,), "size": (0,), "step": (1,)}),
    ),
)
def take_slice(x: Any, out: Any = None, *, start: tuple[int, ...], size: tuple[int, ...], step: tuple[int, ...]) -> Any:
    """Elements start, start + step, ... (size of them) of each trailing axis."""
    y = x[_window(start, size, step)]
    return y if out is None else copied(out, y)


def _put_infer(x: Type, new: Type, *, start: tuple[int, ...], step: tuple[int, ...]) -> Type:
    if new.dtype != x.dtype:
        raise TypeError("both must have one dtype")
    size = new.shape[new.ndim - len(start) :]
    if _slice_infer(x, start=start, size=size, step=step).shape != new.shape:
        raise ValueError(f"the elements that are replaced do not have shape {new.shape}")
    return x


def _put_transpose(g: Any, x: Any, new: Any, *, start: tuple[int, ...], step: tuple[int, ...]) -> Any:
    size = new.shape[new.ndim - len(start) :]
    gone = put_slice(g, np.zeros_like(new), start=start, step=step)
    return gone, take_slice(g, start=start, size=size, step=step)


@op(
    "core::put_slice",
    pattern="moves",
    params={"start": SHAPE, "step": INTS},
    infer=_put_infer,
    rule=linear(_put_transpose),
    batch="core",
    out=True,
    numbers=moved(lambda x, new, *, start, step: put_slice(x, new, start=start, step=step)),
    samples=(
        Sample(((5, 7), (2, 4)), params={"start": (1, 0), "step": (2, 1)}),
        Sample(((2, 7), (2, 3)), params={"start": (3,), "step": (1,)}),
    ),
)
def put_slice(x: Any, new: Any, out: Any = None, *, start: tuple[int, ...], step: tuple[int, ...]) -> Any:
    """x with the elements of a slice replaced by `new`."""
    y = np.array(x) if out is None else copied(out, x)
    y[_window(start, new.shape[new.ndim - len(start) :], step)] = new
    return y


# --- sums of windows -----------------------------------------------------------------------------


def _sizes(x: Any, gs: Sequence[Any], starts: Sequence[Any]) -> list[tuple[int, ...]]:
    return [tuple(g.shape[len(g.shape) - len(start) :]) for g, start in zip(gs, starts, strict=True)]


def _add_infer(x: Type, *gs: Type, starts: Any, steps: Any) -> Type:
    if not len(gs) == len(starts) == len(steps):
        raise ValueError(f"{len(gs)} windows have {len(starts)} starts and {len(steps)} steps")
    for g, start, step in zip(gs, starts, steps, strict=True):
        _put_infer(x, g, start=start, step=step)
    return x


def _add_transpose(g: Any, x: Any, *gs: Any, starts: Any, steps: Any) -> Any:
    sizes = _sizes(x, gs, starts)
    parts = zip(starts, sizes, steps, strict=True)
    return (g, *(take_slice(g, start=start, size=size, step=step) for start, size, step in parts))


def _add_kernel(node: Node, lower: Any) -> Callable[..., None]:
    p, (x, *gs) = node.params, [v.type for v in node.inputs]
    windows = [_window(*w) for w in zip(p["starts"], _sizes(x, gs, p["starts"]), p["steps"], strict=True)]
    copyto, add = np.copyto, np.add

    def run(x: Any, *gs_and_out: Any) -> None:
        out = gs_and_out[-1]
        copyto(out, x)
        for window, g in zip(windows, gs_and_out, strict=False):
            part = out[window]
            add(part, g, part)

    return run


def _add_numbers(xs: Sequence[Elements], types: Sequence[Type], p: Mapping[str, Any]) -> list[str] | None:
    if any(t.dtype.char != "d" for t in types):
        return None
    found, at = list(xs[0]), positions(types[0])
    windows = map(_window, p["starts"], _sizes(types[0], types[1:], p["starts"]), p["steps"])
    for g, window in zip(xs[1:], windows, strict=True):
        for k, element in zip(at[window].ravel().tolist(), g, strict=True):
            found[k] = f"{found[k]} + {element}"
    return found


@op(
    "core::add_slices",
    pattern="moves",
    params={"starts": many(SHAPE), "steps": many(INTS)},
    infer=_add_infer,
    rule=linear(_add_transpose),
    batch="core",
    out=True,
    kernel=_add_kernel,
    numbers=_add_numbers,
    samples=(
        Sample(((5, 7), (2, 4), (5, 1)), params={"starts": ((1, 0), (0, 6)), "steps": ((2, 1), (1, 1))}),
        Sample(((2, 7), (2, 3), (2, 3)), params={"starts": ((3,), (2,)), "steps": ((1,), (2,))}),
        Sample(((3,),), params={"starts": (), "steps": ()}),
    ),
)
def add_slices(x: Any, *gs: Any, starts: Any, steps: Any) -> Any:
    """x with a number of arrays added, each to a window of it, one after the other."""
    y = np.array(x)
    for g, start, size, step in zip(gs, starts, _sizes(x, gs, starts), steps, strict=True):
        y[_window(start, size, step)] += g
    return y


# --- concatenate ---------------------------------------------------------------------------------


def _concatenate_infer(*xs: Type, axis: int) -> Type:
    first = xs[0]
    if not -first.ndim <= axis < 0:
        raise ValueError(f"axis {axis} is not one of its axes, counted from the end")
    rest = {(x.ndim, x.dtype, *(n for i, n in enumerate(x.shape) if i != x.ndim + axis)) for x in xs}
    if len(rest) > 1:
        raise ValueError("dtypes or other axes differ")
    shape = list(first.shape)
    shape[axis] = sum(x.shape[axis] for x in xs)
    return first.with_shape(tuple(shape))


def _concatenate_transpose(g: Any, *xs: Any, axis: int) -> Any:
    at, parts = 0, []
    for x in xs:
        start = (at,) + (0,) * (-axis - 1)
        parts.append(take_slice(g, start=start, size=x.shape[axis:], step=(1,) * -axis))
        at += x.shape[axis]
    return tuple(parts)


@op(
    "core::concatenate",
    pattern="moves",
    params={"axis": INT},
    infer=_concatenate_infer,
    rule=linear(_concatenate_transpose),
    batch="core",
    out=True,
    kernel=lambda node, lower: lambda *xs: np.concatenate(xs[:-1], node.params["axis"], xs[-1]),
    numbers=moved(lambda *xs, axis: np.concatenate(xs, axis)),
    samples=(
        Sample(((2, 3), (2, 5)), params={"axis": -1}),
        Sample(((2, 3), (5, 3), (1, 3)), params={"axis": -2}),
        Sample(((2, 0), (2, 3)), params={"axis": -1}),
    ),
)
def concatenate(*xs: Any, axis: int) -> Any:
    """Arrays joined along an axis counted from the end."""
    return np.concatenate(xs, axis)


OPS = [take_slice, put_slice, add_slices, concatenate]
