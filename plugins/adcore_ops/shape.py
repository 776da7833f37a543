"""Shape ops: the same elements, arranged anew. All are linear; views say what strides they have.

Every op acts on trailing (core) axes, so that leading axes may be a batch: reshape and broadcast_to
store the core shape of the result and the number of trailing axes they consume (`rank`), axes are
counted from the end, permutations cover the trailing axes.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.extend import (
    INT,
    INTS,
    SHAPE,
    UNKNOWN,
    Node,
    Sample,
    Tracer,
    Type,
    current,
    linear,
    moved,
    op,
    op_call,
    transposed,
)
from adcore_ops.strided import Strides, c_strides, copied, is_contiguous, viewing

# --- reshape -------------------------------------------------------------------------------------


def _lead(x: Any, rank: int) -> tuple[int, ...]:
    return tuple(x.shape[: len(x.shape) - rank])


def _reshape_infer(x: Type, *, shape: tuple[int, ...], rank: int) -> Type:
    if not 0 <= rank <= x.ndim or math.prod(shape) != math.prod(x.shape[x.ndim - rank :]):
        raise ValueError(f"its last {rank} axes do not have as many elements as {shape}")
    return x.with_shape(_lead(x, rank) + shape)


def _same_shape(types: tuple[Type, ...], p: Any) -> int | None:
    return 0 if types[0].shape == _lead(types[0], p["rank"]) + p["shape"] else None


def _reshape_view(x: Type, strides: Strides, params: Any) -> Strides | None:
    if not is_contiguous(x, strides):
        return None
    return c_strides(_lead(x, params["rank"]) + params["shape"], x.dtype.itemsize)


def _reshape_kernel(node: Node, lower: Any) -> Callable[..., Any]:
    before, after = (v.type.shape for v in (*node.inputs, *node.outputs))  # type: ignore[union-attr]

    def run(x: Any, out: Any = None) -> Any:
        return x.reshape(after) if out is None else copied(out.reshape(before), x)

    return run


@op(
    "core::reshape",
    pattern="moves",
    params={"shape": SHAPE, "rank": INT},
    infer=_reshape_infer,
    view=_reshape_view,
    rule=linear(lambda g, x, *, shape, rank: reshape(g, shape=x.shape, rank=g.ndim)),
    batch="core",
    out=True,
    kernel=_reshape_kernel,
    same_as=_same_shape,
    numbers=moved(lambda x, *, shape, rank: x.reshape(_lead(x, rank) + shape)),
    samples=(
        Sample(((2, 3),), params={"shape": (3, 2), "rank": 2}),
        Sample(((5, 2, 3),), params={"shape": (6,), "rank": 2}),
        Sample(((2, 0),), params={"shape": (0, 7), "rank": 2}),
        Sample(((1, 1),), params={"shape": (), "rank": 2}),
    ),
)
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


def _in_order(node: Node) -> Callable[[Any], Any]:
    order = _full_order(node.outputs[0].type.ndim, node.params["perm"])  # type: ignore[union-attr]
    return lambda x: x.transpose(order)


@op(
    "core::transpose",
    pattern="moves",
    params={"perm": INTS},
    infer=_transpose_infer,
    view=lambda x, strides, p: tuple(strides[i] for i in _full_order(x.ndim, p["perm"])),
    rule=linear(lambda g, x, *, perm: transpose(g, perm=_inverse(perm))),
    batch="core",
    out=True,
    kernel=viewing(_in_order),
    same_as=lambda types, p: 0 if p["perm"] == tuple(range(len(p["perm"]))) else None,
    numbers=moved(lambda x, *, perm: np.transpose(x, _full_order(x.ndim, perm))),
    samples=(
        Sample(((2, 3, 5),), params={"perm": (2, 0, 1)}),
        Sample(((2, 3, 5),), params={"perm": (1, 0)}),
        Sample(((0, 3),), params={"perm": (1, 0)}),
    ),
)
def transpose(x: Any, out: Any = None, *, perm: tuple[int, ...]) -> Any:
    """The trailing axes in another order: axis i of the result is axis perm[i]."""
    y = np.transpose(x, _full_order(x.ndim, perm))
    return y if out is None else copied(out, y)


def _flip_infer(x: Type, *, axes: tuple[int, ...]) -> Type:
    if any(not -x.ndim <= a < 0 for a in axes) or len(set(axes)) != len(axes):
        raise ValueError(f"axes {axes} are not among its {x.ndim} axes, counted from the end")
    return x


@op(
    "core::flip",
    pattern="moves",
    params={"axes": INTS},
    infer=_flip_infer,
    rule=linear(lambda g, x, *, axes: flip(g, axes=axes)),
    batch="core",
    out=True,
    numbers=moved(lambda x, *, axes: np.flip(x, axes)),
    samples=(
        Sample(((2, 3),), params={"axes": (-1,)}),
        Sample(((2, 3, 5),), params={"axes": (-3, -1)}),
    ),
)
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


def _spread(node: Node) -> Callable[[Any], Any]:
    t: Any = node.inputs[0].type
    shape, rank = node.outputs[0].type.shape, node.params["rank"]  # type: ignore[union-attr]
    strides = _broadcast_view(t, c_strides(t.shape, t.dtype.itemsize), node.params)

    def view(x: Any) -> Any:
        if x.flags.c_contiguous:  # a fifth of the time of np.broadcast_to
            return np.ndarray(shape, x.dtype, x, 0, strides)
        return broadcast_to(x, shape=node.params["shape"], rank=rank)

    return view


@op(
    "core::broadcast_to",
    pattern="moves",
    params={"shape": SHAPE, "rank": INT},
    infer=_broadcast_infer,
    view=_broadcast_view,
    rule=linear(_broadcast_transpose),
    batch="core",
    out=True,
    kernel=viewing(_spread),
    same_as=_same_shape,
    numbers=moved(lambda x, *, shape, rank: broadcast_to(x, shape=shape, rank=rank)),
    samples=(
        Sample(((3,),), params={"shape": (2, 3), "rank": 1}),
        Sample(((5, 3, 1),), params={"shape": (7, 3, 2), "rank": 2}),
        Sample(((),), params={"shape": (0, 3), "rank": 0}),
    ),
)
def broadcast_to(x: Any, out: Any = None, *, shape: tuple[int, ...], rank: int) -> Any:
    """The last `rank` axes broadcast to `shape`."""
    lead = _lead(x, rank)
    y = np.broadcast_to(x.reshape(lead + (1,) * (len(shape) - rank) + x.shape[len(lead) :]), lead + shape)
    return y if out is None else copied(out, y)


OPS = [reshape, transpose, flip, broadcast_to]


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
    a, shape = lifted(a), newshape if shape is None else shape
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
    return result if copy else a.tied_reshape(result, lambda b: reshape(b, shape=full, rank=b.ndim))


def ravel(a: Any, order: str = "C") -> Any:
    """np.ravel."""
    return np_reshape(a, -1, order)


def np_transpose(a: Any, axes: Any = None) -> Any:
    """np.transpose."""
    a = lifted(a)
    perm = tuple(reversed(range(a.ndim))) if axes is None else tuple(axis_of(i, a.ndim) for i in axes)
    if len(perm) != a.ndim or len(set(perm)) != a.ndim:
        raise ValueError("axes don't match array")
    return a.tied(
        transpose(a, perm=perm),
        lambda b: transpose(b, perm=perm),
        lambda b, n: transpose(n, perm=_inverse(perm)),
        transposed(a.layout, a.shape, perm),
    )


def matrix_transpose(x: Any, /) -> Any:
    """np.matrix_transpose: the last two axes swapped."""
    if x.ndim < 2:
        raise ValueError(f"np.matrix_transpose needs at least two axes, not {x.ndim}")
    return swapaxes(x, -2, -1)


def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """np.moveaxis."""
    a = lifted(a)
    moved = [axis_of(s, a.ndim) for s in (source if isinstance(source, tuple | list) else (source,))]
    to = [axis_of(d, a.ndim) for d in (destination if isinstance(destination, tuple | list) else (destination,))]
    if len(moved) != len(to) or len(set(moved)) != len(moved) or len(set(to)) != len(to):
        raise ValueError("`source` and `destination` must have the same number of different axes")
    order = [i for i in range(a.ndim) if i not in moved]
    for d, s in sorted(zip(to, moved, strict=True)):
        order.insert(d, s)
    return np_transpose(a, order)


def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """np.rollaxis."""
    axis = axis_of(axis, a.ndim)
    start = axis_of(start, a.ndim + 1)
    return moveaxis(a, axis, start - 1 if axis < start else start)


def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """np.swapaxes."""
    order = list(range(a.ndim))
    i, j = axis_of(axis1, a.ndim), axis_of(axis2, a.ndim)
    order[i], order[j] = j, i
    return np_transpose(a, order)


def expand_dims(a: Any, axis: Any) -> Any:
    """np.expand_dims."""
    a = lifted(a)
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    ndim = a.ndim + len(axes)
    new = {axis_of(i, ndim) for i in axes}
    if len(new) != len(axes):
        raise ValueError("repeated axis")
    return a[tuple(None if i in new else slice(None) for i in range(ndim))]


def squeeze(a: Any, axis: Any = None) -> Any:
    """np.squeeze."""
    gone = {i for i, n in enumerate(a.shape) if n == 1}
    if axis is not None:
        asked = {i + a.ndim for i in axes_of(axis, a.ndim)}
        if not asked <= gone:
            raise ValueError("cannot select an axis to squeeze out which has size not equal to one")
        gone = asked
    return a[tuple(0 if i in gone else slice(None) for i in range(a.ndim))] if gone else a


def np_broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    """np.broadcast_to."""
    array = lifted(array)
    shape = tuple(shape) if isinstance(shape, tuple | list) else (shape,)

    def spread(b: Any) -> Any:
        return broadcast_to(b, shape=shape, rank=b.ndim)

    return array.tied(spread(array), spread, read_only, UNKNOWN)


def read_only(base: Any, new: Any) -> Any:
    """What a write through a view does that may only be read."""
    raise ValueError("assignment destination is read-only")


def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Any, ...]:
    """np.broadcast_arrays."""
    xs = [lifted(a) for a in args]
    shape = np.broadcast_shapes(*(x.shape for x in xs))
    return tuple(np_broadcast_to(x, shape) for x in xs)


def np_flip(m: Any, axis: Any = None) -> Any:
    """np.flip."""
    index: list[Any] = [slice(None)] * m.ndim
    for i in axes_of(axis, m.ndim):
        index[i] = slice(None, None, -1)
    return m[tuple(index)] if index else m


def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    """np.rot90."""
    a, b = (axis_of(i, m.ndim) for i in axes)
    if a == b:
        raise ValueError("Axes must be different.")
    k %= 4
    if k == 0:
        return m[...]
    if k == 2:
        return np_flip(m, (a, b))
    return swapaxes(np_flip(m, b), a, b) if k == 1 else np_flip(swapaxes(m, a, b), b)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.reshape: np_reshape,
    np.ravel: ravel,
    np.transpose: np_transpose,
    np.matrix_transpose: matrix_transpose,
    np.moveaxis: moveaxis,
    np.rollaxis: rollaxis,
    np.swapaxes: swapaxes,
    np.expand_dims: expand_dims,
    np.squeeze: squeeze,
    np.broadcast_to: np_broadcast_to,
    np.broadcast_arrays: broadcast_arrays,
    np.flip: np_flip,
    np.fliplr: lambda m: np_flip(m, 1),
    np.flipud: lambda m: np_flip(m, 0),
    np.rot90: rot90,
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
    np.size: lambda a, axis=None: a.size if axis is None else math.prod(a.shape[i] for i in axes_of(axis, a.ndim)),
}
