"""Shape ops: the same elements, arranged anew. All are linear; views say what strides they have.

Every op acts on trailing (core) axes, so that leading axes may be a batch: reshape and broadcast_to
store the core shape of the result and the number of trailing axes they consume (`rank`), axes are
counted from the end, slices and permutations cover the trailing axes.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from adcore.extend import INT, INTS, SHAPE, Sample, Tracer, Type, current, linear, op, op_call

Strides = tuple[int, ...]


def c_strides(shape: Sequence[int], itemsize: int) -> Strides:
    """The strides, in bytes, of a C-contiguous array."""
    strides = [itemsize] * len(shape)
    for i in range(len(shape) - 2, -1, -1):
        strides[i] = strides[i + 1] * max(shape[i + 1], 1)
    return tuple(strides)


def is_contiguous(t: Type, strides: Strides) -> bool:
    """True when the strides are those of a C-contiguous array (axes of length 1 do not matter)."""
    return all(n == 1 or s == c for n, s, c in zip(t.shape, strides, c_strides(t.shape, t.dtype.itemsize), strict=True))


def copied(out: Any, x: Any) -> Any:
    """x written into out."""
    np.copyto(out, x)
    return out


# --- reshape -------------------------------------------------------------------------------------


def _lead(x: Any, rank: int) -> tuple[int, ...]:
    return tuple(x.shape[: len(x.shape) - rank])


def _reshape_infer(x: Type, *, shape: tuple[int, ...], rank: int) -> Type:
    if not 0 <= rank <= x.ndim or math.prod(shape) != math.prod(x.shape[x.ndim - rank :]):
        raise ValueError(f"its last {rank} axes do not have as many elements as {shape}")
    return x.with_shape(_lead(x, rank) + shape)


def _reshape_view(x: Type, strides: Strides, params: Any) -> Strides | None:
    if not is_contiguous(x, strides):
        return None
    return c_strides(_lead(x, params["rank"]) + params["shape"], x.dtype.itemsize)


@op(
    "core::reshape", batch="core", params={"shape": SHAPE, "rank": INT}, infer=_reshape_infer, view=_reshape_view, out=True,
    rule=linear(lambda g, x, *, shape, rank: reshape(g, shape=x.shape, rank=g.ndim)),
    same_as=lambda types, p: 0 if types[0].shape == _lead(types[0], p["rank"]) + p["shape"] else None,
    samples=(
        Sample(((2, 3),), params={"shape": (3, 2), "rank": 2}), Sample(((5, 2, 3),), params={"shape": (6,), "rank": 2}),
    ),
)  # fmt: skip
def reshape(x: Any, out: Any = None, *, shape: tuple[int, ...], rank: int) -> Any:
    """The last `rank` axes in another shape, in C order."""
    if out is None:
        return x.reshape(_lead(x, rank) + shape)
    np.copyto(out.reshape(x.shape), x)
    return out


# --- transpose, flip -----------------------------------------------------------------------------


def _full_order(ndim: int, perm: tuple[int, ...]) -> tuple[int, ...]:
    lead = ndim - len(perm)
    return (*range(lead), *(lead + p for p in perm))


def _transpose_infer(x: Type, *, perm: tuple[int, ...]) -> Type:
    if sorted(perm) != list(range(len(perm))) or len(perm) > x.ndim:
        raise ValueError(f"{perm} is no permutation of its axes")
    return x.with_shape(tuple(x.shape[i] for i in _full_order(x.ndim, perm)))


def _inverse(perm: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argsort(perm))


@op(
    "core::transpose", batch="core", params={"perm": INTS}, infer=_transpose_infer, out=True,
    view=lambda x, strides, p: tuple(strides[i] for i in _full_order(x.ndim, p["perm"])),
    rule=linear(lambda g, x, *, perm: transpose(g, perm=_inverse(perm))),
    same_as=lambda types, p: 0 if p["perm"] == tuple(range(len(p["perm"]))) else None,
    samples=(Sample(((2, 3, 5),), params={"perm": (2, 0, 1)}), Sample(((2, 3, 5),), params={"perm": (1, 0)})),
)  # fmt: skip
def transpose(x: Any, out: Any = None, *, perm: tuple[int, ...]) -> Any:
    """The trailing axes in another order: axis i of the result is axis perm[i]."""
    y = x.transpose(_full_order(x.ndim, perm))
    return y if out is None else copied(out, y)


@op(
    "core::flip", batch="core", params={"axes": INTS}, infer=lambda x, *, axes: x, out=True,
    rule=linear(lambda g, x, *, axes: flip(g, axes=axes)),
    samples=(Sample(((2, 3),), params={"axes": (-1,)}), Sample(((2, 3, 5),), params={"axes": (-3, -1)})),
)  # fmt: skip
def flip(x: Any, out: Any = None, *, axes: tuple[int, ...]) -> Any:
    """The elements along these axes (counted from the end) in reverse."""
    y = np.flip(x, axes)
    return y.copy() if out is None else copied(out, y)


# --- broadcast -----------------------------------------------------------------------------------


def _broadcast_infer(x: Type, *, shape: tuple[int, ...], rank: int) -> Type:
    core = x.shape[x.ndim - rank :]
    if rank > x.ndim or np.broadcast_shapes(core, shape) != shape:
        raise ValueError(f"its last {rank} axes do not broadcast to {shape}")
    return x.with_shape(_lead(x, rank) + shape)


def _broadcast_view(x: Type, strides: Strides, p: Any) -> Strides:
    lead, rank = x.ndim - p["rank"], p["rank"]
    core = [0 if n == 1 != m else s for n, m, s in zip(
        x.shape[lead:], p["shape"][len(p["shape"]) - rank :], strides[lead:], strict=True)]  # fmt: skip
    return (*strides[:lead], *(0,) * (len(p["shape"]) - rank), *core)


def _broadcast_transpose(g: Any, x: Any, *, shape: tuple[int, ...], rank: int) -> Any:
    extra, core = len(shape) - rank, x.shape[x.ndim - rank :]
    axes = tuple(i - len(shape) for i, n in enumerate(shape) if i < extra or (core[i - extra] == 1 and n != 1))
    if axes:
        g = op_call("core::sum")(g, axes=axes)
    return g if g.shape == x.shape else reshape(g, shape=x.shape, rank=g.ndim)


@op(
    "core::broadcast_to", batch="core", params={"shape": SHAPE, "rank": INT}, infer=_broadcast_infer, view=_broadcast_view, out=True,
    rule=linear(_broadcast_transpose),
    same_as=lambda types, p: 0 if types[0].shape == _lead(types[0], p["rank"]) + p["shape"] else None,
    samples=(
        Sample(((3,),), params={"shape": (2, 3), "rank": 1}), Sample(((5, 3, 1),), params={"shape": (7, 3, 2), "rank": 2}),
    ),
)  # fmt: skip
def broadcast_to(x: Any, out: Any = None, *, shape: tuple[int, ...], rank: int) -> Any:
    """The last `rank` axes broadcast to `shape`."""
    lead = _lead(x, rank)
    y = np.broadcast_to(x.reshape(lead + (1,) * (len(shape) - rank) + x.shape[len(lead) :]), lead + shape)
    return y if out is None else copied(out, y)


# --- slices --------------------------------------------------------------------------------------


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


@op(
    "core::slice", batch="core", params={"start": SHAPE, "size": SHAPE, "step": INTS}, infer=_slice_infer, view=_slice_view, out=True,
    rule=linear(lambda g, x, *, start, size, step: put_slice(np.zeros_like(x), g, start=start, step=step)),
    same_as=lambda types, p: 0 if types[0].shape[types[0].ndim - len(p["size"]) :] == p["size"] else None,
    samples=(
        Sample(((5, 7),), params={"start": (1, 0), "size": (2, 4), "step": (2, 1)}),
        Sample(((2, 7),), params={"start": (3,), "size": (0,), "step": (1,)}),
    ),
)  # fmt: skip
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
    "core::put_slice", batch="core", params={"start": SHAPE, "step": INTS}, infer=_put_infer, out=True, rule=linear(_put_transpose),
    samples=(
        Sample(((5, 7), (2, 4)), params={"start": (1, 0), "step": (2, 1)}),
        Sample(((2, 7), (2, 3)), params={"start": (3,), "step": (1,)}),
    ),
)  # fmt: skip
def put_slice(x: Any, new: Any, out: Any = None, *, start: tuple[int, ...], step: tuple[int, ...]) -> Any:
    """x with the elements of a slice replaced by `new`."""
    y = np.array(x) if out is None else copied(out, x)
    y[_window(start, new.shape[new.ndim - len(start) :], step)] = new
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
    "core::concatenate", batch="core", params={"axis": INT}, infer=_concatenate_infer, rule=linear(_concatenate_transpose),
    kernel=lambda node, lower: lambda *xs: np.concatenate(xs[:-1], node.params["axis"], xs[-1]), out=True,
    samples=(Sample(((2, 3), (2, 5)), params={"axis": -1}), Sample(((2, 3), (5, 3), (1, 3)), params={"axis": -2})),
)  # fmt: skip
def concatenate(*xs: Any, axis: int) -> Any:
    """Arrays joined along an axis counted from the end."""
    return np.concatenate(xs, axis)


OPS = [reshape, transpose, flip, broadcast_to, take_slice, put_slice, concatenate]


# --- NumPy functions made of these ---------------------------------------------------------------


def axis_of(axis: Any, ndim: int) -> int:
    """An axis counted from the front. Raises AxisError as NumPy does."""
    axis = operator.index(axis)
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    return axis % ndim


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """Axes counted from the end, sorted; None is all of them."""
    if axis is None:
        return tuple(range(-ndim, 0))
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    found = sorted(axis_of(a, ndim) - ndim for a in axes)
    if len(set(found)) != len(found):
        raise ValueError("duplicate value in 'axis'")
    return tuple(found)


def lifted(x: Any) -> Any:
    """x as a tracer or an array."""
    trace = current()
    return x if isinstance(x, Tracer) or trace is None else trace.wrap(trace.lift(x))


def np_reshape(a: Any, /, shape: Any = None, order: str = "C", *, newshape: Any = None, copy: Any = None) -> Any:
    """np.reshape, in C order or Fortran order."""
    shape = newshape if shape is None else shape
    sizes = [operator.index(n) for n in (shape if isinstance(shape, tuple | list) else (shape,))]
    if order == "F":
        return np_transpose(np_reshape(np_transpose(a), tuple(reversed(sizes))))
    if sizes.count(-1) > 1:
        raise ValueError("can only specify one unknown dimension")
    known = math.prod(n for n in sizes if n != -1)
    full = tuple((a.size // known if known else 0) if n == -1 else n for n in sizes)
    if math.prod(full) != a.size:
        raise ValueError(f"cannot reshape array of size {a.size} into shape {full}")
    result = reshape(a, shape=full, rank=a.ndim)
    if not a.strided:
        return a.tied(
            result,
            lambda b: reshape(b, shape=full, rank=b.ndim),
            lambda b, n: reshape(n, shape=b.shape, rank=n.ndim),
        )
    return result


def np_transpose(a: Any, axes: Any = None) -> Any:
    """np.transpose."""
    perm = tuple(reversed(range(a.ndim))) if axes is None else tuple(axis_of(i, a.ndim) for i in axes)
    if len(perm) != a.ndim:
        raise ValueError("axes don't match array")
    view = a.tied(
        transpose(a, perm=perm),
        lambda b: transpose(b, perm=perm),
        lambda b, n: transpose(n, perm=_inverse(perm)),
    )
    view.strided = a.strided or (view.ndim > 1 and perm != tuple(range(a.ndim)))
    return view


def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """np.moveaxis."""
    moved = [axis_of(s, a.ndim) for s in (source if isinstance(source, tuple | list) else (source,))]
    to = [axis_of(d, a.ndim) for d in (destination if isinstance(destination, tuple | list) else (destination,))]
    order = [i for i in range(a.ndim) if i not in moved]
    for d, s in sorted(zip(to, moved, strict=True)):
        order.insert(d, s)
    return np_transpose(a, order)


def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """np.swapaxes."""
    order = list(range(a.ndim))
    i, j = axis_of(axis1, a.ndim), axis_of(axis2, a.ndim)
    order[i], order[j] = j, i
    return np_transpose(a, order)


def expand_dims(a: Any, axis: Any) -> Any:
    """np.expand_dims."""
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    ndim = a.ndim + len(axes)
    new = {axis_of(i, ndim) for i in axes}
    sizes = iter(a.shape)
    return np_reshape(a, tuple(1 if i in new else next(sizes) for i in range(ndim)))


def squeeze(a: Any, axis: Any = None) -> Any:
    """np.squeeze."""
    if axis is None:
        return np_reshape(a, tuple(n for n in a.shape if n != 1))
    gone = {i + a.ndim for i in axes_of(axis, a.ndim)}
    if any(a.shape[i] != 1 for i in gone):
        raise ValueError("cannot select an axis to squeeze out which has size not equal to one")
    return np_reshape(a, tuple(n for i, n in enumerate(a.shape) if i not in gone))


def np_broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    """np.broadcast_to."""
    shape = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    return broadcast_to(array, shape=shape, rank=array.ndim)


def common(arrays: Sequence[Any], dtype: Any = None) -> list[Any]:
    """The arrays as tracers of one dtype."""
    xs = [lifted(a) for a in arrays]
    dtype = np.dtype(dtype) if dtype is not None else np.result_type(*(x.dtype for x in xs))
    return [x if x.dtype == dtype else x.astype(dtype) for x in xs]


def np_concatenate(arrays: Any, /, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: str = "") -> Any:
    """np.concatenate."""
    xs = common(list(arrays), dtype)
    if axis is None:
        xs, axis = [np_reshape(x, -1) for x in xs], 0
    if any(x.ndim == 0 for x in xs):
        raise ValueError("zero-dimensional arrays cannot be concatenated")
    return concatenate(*xs, axis=axis_of(axis, xs[0].ndim) - xs[0].ndim)


def stack(arrays: Any, axis: int = 0, out: Any = None, *, dtype: Any = None, casting: str = "") -> Any:
    """np.stack."""
    xs = common(list(arrays), dtype)
    if len({x.shape for x in xs}) > 1:
        raise ValueError("all input arrays must have the same shape")
    at = axis_of(axis, xs[0].ndim + 1)
    return np_concatenate([expand_dims(x, at) for x in xs], at)


def _stacker(at_least: Callable[..., Any], axis: int) -> Callable[..., Any]:
    def stacked(tup: Any, *, dtype: Any = None, casting: str = "") -> Any:
        return np_concatenate([at_least(lifted(x)) for x in tup], axis, dtype=dtype)

    return stacked


def atleast_1d(*arys: Any) -> Any:
    """np.atleast_1d."""
    found = tuple(np_reshape(x, 1) if lifted(x).ndim == 0 else x for x in arys)
    return found if len(found) > 1 else found[0]


def atleast_2d(*arys: Any) -> Any:
    """np.atleast_2d."""
    found = tuple(np_reshape(x, (1, lifted(x).size)) if lifted(x).ndim < 2 else x for x in arys)
    return found if len(found) > 1 else found[0]


def hstack(tup: Any, *, dtype: Any = None, casting: str = "") -> Any:
    """np.hstack."""
    xs = [atleast_1d(lifted(x)) for x in tup]
    return np_concatenate(xs, 0 if xs[0].ndim == 1 else 1, dtype=dtype)


def column_stack(tup: Any) -> Any:
    """np.column_stack."""
    return np_concatenate([np_reshape(x, (x.size, 1)) if x.ndim < 2 else x for x in map(lifted, tup)], 1)


def np_flip(m: Any, axis: Any = None) -> Any:
    """np.flip."""
    index: list[Any] = [slice(None)] * m.ndim
    for i in axes_of(axis, m.ndim):
        index[i] = slice(None, None, -1)
    return m[tuple(index)]


def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """np.roll."""
    if axis is None:
        return np_reshape(roll(np_reshape(a, -1), shift, 0), a.shape)
    if isinstance(axis, tuple | list):
        for s, i in zip(np.broadcast_to(shift, len(axis)), axis, strict=True):
            a = roll(a, int(s), i)
        return a
    n = a.shape[axis_of(axis, a.ndim)]
    cut = (n - shift) % n if n else 0
    if cut == 0:
        return a.copy()
    head: list[Any] = [slice(None)] * a.ndim
    tail = list(head)
    head[axis], tail[axis] = slice(cut), slice(cut, None)
    return np_concatenate([a[tuple(tail)], a[tuple(head)]], axis)


def tile(A: Any, reps: Any) -> Any:
    """np.tile."""
    reps = tuple(reps) if isinstance(reps, tuple | list | np.ndarray) else (reps,)
    ndim = max(len(reps), A.ndim)
    shape, reps = (1,) * (ndim - A.ndim) + A.shape, (1,) * (ndim - len(reps)) + tuple(map(int, reps))
    x = np_reshape(A, tuple(m for n in shape for m in (1, n)))
    x = np_broadcast_to(x, tuple(m for r, n in zip(reps, shape, strict=True) for m in (r, n)))
    return np_reshape(x, tuple(r * n for r, n in zip(reps, shape, strict=True)))


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """np.split and np.array_split."""
    n = ary.shape[axis]
    if isinstance(indices_or_sections, int):
        size, more = divmod(n, indices_or_sections)
        sizes = [size + 1] * more + [size] * (indices_or_sections - more)
        cuts = [0, *np.cumsum(sizes).tolist()]
    else:
        cuts = [0, *map(int, indices_or_sections), n]
    lead = (slice(None),) * axis_of(axis, ary.ndim)
    return [ary[(*lead, slice(a, b))] for a, b in pairwise(cuts)]


def even_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """np.split, which wants parts of equal length."""
    if isinstance(indices_or_sections, int) and ary.shape[axis] % indices_or_sections:
        raise ValueError("array split does not result in an equal division")
    return split(ary, indices_or_sections, axis)


def pad(array: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0.0) -> Any:
    """np.pad with one constant value."""
    if mode != "constant" or np.ndim(constant_values):
        raise TypeError(f"np.pad of mode {mode!r} has no op here; only one constant value")
    widths = np.broadcast_to(np.asarray(pad_width), (array.ndim, 2)).tolist()
    shape = tuple(n + a + b for n, (a, b) in zip(array.shape, widths, strict=True))
    frame = np_broadcast_to(lifted(np.asarray(constant_values, array.dtype)), shape)
    return put_slice(frame, array, start=tuple(a for a, _ in widths), step=(1,) * array.ndim)


def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: str = "", subok: bool = True, shape: Any = None
) -> Any:
    """np.full_like: a traced array that may be written to."""
    trace = current()
    assert trace is not None
    dtype = a.dtype if dtype is None else np.dtype(dtype)
    shape = a.shape if shape is None else tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    return np_broadcast_to(trace.wrap(trace.lift(fill_value, dtype)), shape)


def _like(value: float) -> Callable[..., Any]:
    def like(a: Any, dtype: Any = None, order: str = "", subok: bool = True, shape: Any = None, **_: Any) -> Any:
        return full_like(a, value, dtype, shape=shape)

    return like


def copyto(dst: Any, src: Any, casting: str = "", where: Any = True) -> None:
    """np.copyto."""
    dst[...] = src if where is True else np.where(where, src, dst)


def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Any, ...]:
    """np.broadcast_arrays."""
    xs = [lifted(a) for a in args]
    shape = np.broadcast_shapes(*(x.shape for x in xs))
    return tuple(np_broadcast_to(x, shape) for x in xs)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.reshape: np_reshape,
    np.ravel: lambda a, order="C": np_reshape(a, -1, order),
    np.transpose: np_transpose,
    np.moveaxis: moveaxis,
    np.swapaxes: swapaxes,
    np.rollaxis: lambda a, axis, start=0: moveaxis(a, axis, start - 1 if axis_of(axis, a.ndim) < start else start),
    np.expand_dims: expand_dims,
    np.squeeze: squeeze,
    np.broadcast_to: np_broadcast_to,
    np.broadcast_arrays: broadcast_arrays,
    np.concatenate: np_concatenate,
    np.stack: stack,
    np.vstack: _stacker(atleast_2d, 0),
    np.hstack: hstack,
    np.column_stack: column_stack,
    np.append: lambda arr, values, axis=None: np_concatenate([lifted(arr), lifted(values)], axis),
    np.atleast_1d: atleast_1d,
    np.atleast_2d: atleast_2d,
    np.flip: np_flip,
    np.fliplr: lambda m: np_flip(m, 1),
    np.flipud: lambda m: np_flip(m, 0),
    np.roll: roll,
    np.tile: tile,
    np.split: even_split,
    np.array_split: split,
    np.pad: pad,
    np.full_like: full_like,
    np.zeros_like: _like(0),
    np.ones_like: _like(1),
    np.empty_like: _like(0),
    np.copy: lambda a, order="K", subok=False: a.copy(),
    np.copyto: copyto,
}
