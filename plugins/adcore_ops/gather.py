"""Gather and scatter: the elements at integer positions, read, added to, or replaced.

One axis of n elements is addressed. Before it come batch axes, shared by the array and the index,
and lead axes, of the array alone; after it come `inner` axes:

    x: (*batch, *lead, n, *inner)    index: (*batch, *k), in [0, n)    new: (*batch, *lead, *k, *inner)

    gather        y = x[index]                x_bar = scatter_add(0, index, y_bar)
    scatter_add   y = x; y[index] += new      x_bar = y_bar, new_bar = gather(y_bar)
    scatter       y = x; y[index] = new       the last of equal positions wins, and alone has a derivative

Additions are done in the order of the index, in every batch and for every element alike, so results
do not depend on how the work is cut. Indices are made fit by `wrap_index`, which refuses what lies outside.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from adcore.extend import (
    BOOL,
    INT,
    SIZE,
    ZERO,
    CheckError,
    Node,
    Rule,
    Sample,
    Type,
    broadcast_batch,
    find_op,
    multilinear,
    op,
)
from adcore_ops.blocks import BLOCK
from adcore_ops.patterns import scatter_add_pattern

INDEX = np.dtype(np.int64)


@op(
    "core::wrap_index",
    params={"size": SIZE},
    infer=lambda i, *, size: Type(INDEX, i.shape),
    rule=ZERO,
    elementwise=True,
    out=True,
    samples=(Sample(((2, 3),), ((0.0, 5.0),), {"size": 5}, ("int64",)),),
)
def wrap_index(i: Any, out: Any = None, *, size: int) -> Any:
    """Indices of an axis of that size, those from the end counted from its start.

    Raises CheckError when one lies outside.
    """
    if i.size:
        low, high = i.min(), i.max()
        if low < -size or high >= size:
            worst = int(high) if high >= size else int(low)
            raise CheckError(f"index {worst} is out of bounds for an axis of {size}")
    return np.remainder(i, np.int64(max(size, 1)), out, dtype=INDEX, casting="unsafe")


def _sample(*shapes: tuple[int, ...], **params: Any) -> Sample:
    """A case whose second array is the index, into an axis of 5."""
    ranges = tuple((0.0, 5.0) if i == 1 else (-2.0, 2.0) for i in range(len(shapes)))
    return Sample(shapes, ranges, params, tuple("int64" if i == 1 else "float64" for i in range(len(shapes))))


# --- the sizes of the parts ----------------------------------------------------------------------


def _parts(x: Any, index: Any, inner: int, batch_dims: int) -> tuple[int, int, int, int]:
    """Sizes of batch, lead, the addressed axis, and inner."""
    at = len(x.shape) - 1 - inner
    lead = math.prod(x.shape[batch_dims:at])
    return math.prod(index.shape[:batch_dims]), lead, x.shape[at], math.prod(x.shape[at + 1 :])


def _gathered(x: Type, index: Type, inner: int, batch_dims: int) -> tuple[int, ...]:
    """The shape of y. Raises ValueError when the parts do not fit."""
    at = x.ndim - 1 - inner
    if not 0 <= batch_dims <= min(at, index.ndim) or inner < 0:
        raise ValueError(f"{batch_dims} batch axes and {inner} inner axes do not fit")
    if index.dtype != INDEX:
        raise TypeError("the index must be int64")
    if x.shape[:batch_dims] != index.shape[:batch_dims]:
        raise ValueError("batch axes differ")
    return (*x.shape[:at], *index.shape[batch_dims:], *x.shape[at + 1 :])


def _spans(index: Any, batch: int, lead: int, n: int, inner: int) -> Iterator[tuple[slice, Any]]:
    """Parts of the rows of y (flattened up to inner), with the rows of x that they address, in order."""
    rows = index.reshape(batch, index.size // batch if batch else 0)
    groups, count = batch * lead, rows.shape[1]
    per = max(1, BLOCK // max(1, inner))
    if not groups * count * inner:
        return
    if count >= per:
        for g in range(groups):
            row = rows[g // lead]
            for start in range(0, count, per):
                part = row[start : start + per]
                yield slice(g * count + start, g * count + start + part.size), part + g * n
    else:
        for first in range(0, groups, per // count):
            group = np.arange(first, min(first + per // count, groups))
            part = (rows[group // lead] + (group * n)[:, None]).ravel()
            yield slice(first * count, first * count + part.size), part


# --- gather --------------------------------------------------------------------------------------


def _gather_batch(flags: tuple[bool, ...], size: int, node: Node, xs: list[Any]) -> Any:
    """gather over a batch: of arrays (a lead axis), of indices (one more axis of k), or of both."""
    (x, index), p = xs, node.params
    if not flags[1] and not p["batch_dims"]:
        return gather(x, index, **p)
    if not flags[0]:
        b = p["batch_dims"]
        y = gather(x, np.moveaxis(index, 0, b), **p)
        return np.moveaxis(y, x.ndim - 1 - p["inner"], 0)
    index = index if flags[1] else broadcast_batch(index, size)
    return gather(x, index, inner=p["inner"], batch_dims=p["batch_dims"] + 1)


@op(
    "core::gather",
    pattern="moves",
    params={"inner": INT, "batch_dims": INT},
    infer=lambda x, index, *, inner, batch_dims: x.with_shape(_gathered(x, index, inner, batch_dims)),
    rule=multilinear(
        lambda g, x, index, **axes: scatter_add(np.zeros_like(x), index, g, **axes),
        None,
    ),
    batch=_gather_batch,
    out=True,
    samples=(
        _sample((5,), (2, 3), inner=0, batch_dims=0),
        _sample((2, 5, 3), (7,), inner=1, batch_dims=0),
        _sample((2, 3, 5), (2, 7), inner=0, batch_dims=1),
        _sample((5, 2), (), inner=1, batch_dims=0),
        _sample((5, 2), (0,), inner=1, batch_dims=0),
    ),
)
def gather(x: Any, index: Any, out: Any = None, *, inner: int, batch_dims: int) -> Any:
    """The elements of x at these positions of one axis."""
    batch, lead, n, m = _parts(x, index, inner, batch_dims)
    at = x.ndim - 1 - inner
    if out is None:
        out = np.empty((*x.shape[:at], *index.shape[batch_dims:], *x.shape[at + 1 :]), x.dtype)
    if not out.size:
        return out
    if batch_dims:
        source, rows = x.reshape(batch * lead * n, m), out.reshape(batch * lead * (index.size // batch), m)
        for part, places in _spans(index, batch, lead, n, m):
            np.take(source, places, 0, rows[part], "wrap")
        return out
    places, y = index.reshape(index.size), out.reshape(*x.shape[:at], index.size, *x.shape[at + 1 :])
    if x.flags.c_contiguous and index.flags.writeable:
        np.take(x, places, at, y, "wrap")
        return out
    step, before = max(1, BLOCK // (lead * m)), (slice(None),) * at  # np.take would copy what is strided or read-only
    for start in range(0, index.size, step):
        part = slice(start, start + step)
        y[(*before, part)] = x[(*before, places[part])]
    return out


# --- scatter -------------------------------------------------------------------------------------


def _scatter_infer(x: Type, index: Type, new: Type, *, inner: int, batch_dims: int, unique: bool = False) -> Type:
    if new.dtype != x.dtype:
        raise TypeError("both must have one dtype")
    if _gathered(x, index, inner, batch_dims) != new.shape:
        raise ValueError(f"the elements that are written do not have shape {new.shape}")
    return x


def _elements(x: Any) -> Callable[[slice], Any]:
    """A function that gives a part of the flattened array, which may be strided."""
    flat = x.reshape(x.size) if x.flags.c_contiguous else x.flat
    return flat.__getitem__  # type: ignore[no-any-return]


def _copied(x: Any, out: Any) -> Any:
    if out is None:
        return np.array(x, order="C")
    np.copyto(out, x)
    return out


def _scatter_batch(flags: tuple[bool, ...], size: int, node: Node, xs: list[Any]) -> Any:
    """Either scatter over a batch: a lead axis if the index is shared, else a batch axis of all three."""
    (x, index, new), p, op = xs, node.params, find_op(node.op)
    x, new = (v if f else broadcast_batch(v, size) for v, f in zip((x, new), flags[::2], strict=True))
    if not flags[1] and not p["batch_dims"]:
        return op(x, index, new, **p)
    index = index if flags[1] else broadcast_batch(index, size)
    return op(x, index, new, **{**p, "batch_dims": p["batch_dims"] + 1})


@op(
    "core::scatter_add",
    pattern=scatter_add_pattern,
    params={"inner": INT, "batch_dims": INT},
    infer=_scatter_infer,
    rule=Rule(  # linear in x and new together
        jvp=lambda ts, y, x, index, new, **axes: scatter_add(ts[0], index, ts[2], **axes),
        vjp=lambda g, y, x, index, new, **axes: (g, None, gather(g, index, **axes)),
    ),
    batch=_scatter_batch,
    out=True,
    samples=(
        _sample((5,), (7,), (7,), inner=0, batch_dims=0),
        _sample((2, 5, 3), (7,), (2, 7, 3), inner=1, batch_dims=0),
        _sample((2, 3, 5), (2, 7), (2, 3, 7), inner=0, batch_dims=1),
        _sample((5, 3), (0,), (0, 3), inner=1, batch_dims=0),
    ),
)
def scatter_add(x: Any, index: Any, new: Any, out: Any = None, *, inner: int, batch_dims: int) -> Any:
    """x with new elements added at these positions, in their order."""
    out = _copied(x, out)
    batch, lead, n, m = _parts(x, index, inner, batch_dims)
    take, flat, columns = _elements(new), out.reshape(out.size), np.arange(m)
    for part, at in _spans(index, batch, lead, n, m):
        place = at if m == 1 else (at[:, None] * m + columns).ravel()
        np.add.at(flat, place, take(slice(part.start * m, part.stop * m)))
    return out


def _survives(x: Any, index: Any, *, inner: int, batch_dims: int) -> Any:
    """For each element that is written, whether it is the last one written to its place."""
    order = np.reshape(np.arange(math.prod(index.shape[batch_dims:])), index.shape[batch_dims:])
    order = np.broadcast_to(order, index.shape)
    empty = np.zeros_like(index, shape=(*index.shape[:batch_dims], x.shape[x.ndim - 1 - inner]))
    last = scatter(empty, index, order, inner=0, batch_dims=batch_dims, unique=True)
    mine = gather(last, index, inner=0, batch_dims=batch_dims) == order
    lead = x.ndim - 1 - inner - batch_dims
    return np.reshape(mine, (*index.shape[:batch_dims], *(1,) * lead, *index.shape[batch_dims:], *(1,) * inner))


def _scatter_vjp(g: Any, y: Any, x: Any, index: Any, new: Any, *, unique: bool, **axes: int) -> Any:
    kept = scatter(g, index, np.zeros_like(new), unique=True, **axes)
    written = gather(g, index, **axes)
    return kept, None, written if unique else np.where(_survives(x, index, **axes), written, 0.0)


@op(
    "core::scatter",
    pattern="moves",
    params={"inner": INT, "batch_dims": INT, "unique": BOOL},
    infer=_scatter_infer,
    rule=Rule(  # linear in x and new together; the transpose of overwriting needs to know who came last
        jvp=lambda ts, y, x, index, new, **p: scatter(ts[0], index, ts[2], **p), vjp=_scatter_vjp
    ),
    batch=_scatter_batch,
    out=True,
    samples=(
        _sample((5,), (7,), (7,), inner=0, batch_dims=0, unique=False),
        _sample((2, 5, 3), (7,), (2, 7, 3), inner=1, batch_dims=0, unique=False),
        _sample((2, 3, 5), (2, 1), (2, 3, 1), inner=0, batch_dims=1, unique=True),
    ),
)
def scatter(x: Any, index: Any, new: Any, out: Any = None, *, inner: int, batch_dims: int, unique: bool) -> Any:
    """x with the elements at these positions replaced; of equal positions the last counts.

    unique: no position comes twice, so every new element has a derivative.
    """
    out = _copied(x, out)
    batch, lead, n, m = _parts(x, index, inner, batch_dims)
    take, rows = _elements(new), out.reshape(out.size // m if m else 0, m)
    for part, to in _spans(index, batch, lead, n, m):
        rows[to] = take(slice(part.start * m, part.stop * m)).reshape(to.size, m)
    return out


OPS = [wrap_index, gather, scatter_add, scatter]
