"""Sorting and searching. Orders are integers without derivative; what is sorted moves with its order.

sort: y = x[order], so y_dot = x_dot[order]. Equal elements keep their own derivatives, in their order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.extend import BOOL, INT, INTS, ZERO, Node, Op, Rule, Sample, Type, broadcast_batch, op
from adcore_ops.cumulative import along
from adcore_ops.shape import axis_of, lifted, np_reshape

INDEX = np.dtype(np.int64)
SAMPLES = (Sample(((7,),), params={"axis": -1}), Sample(((2, 5, 3),), params={"axis": -2}))


def _sort_infer(x: Type, *, axis: int) -> Type:
    along(x, axis)
    return x


def _order_infer(x: Type, *, axis: int, **params: Any) -> Type:
    along(x, axis)
    return Type(INDEX, x.shape)


def _sort_jvp(ts: Any, y: Any, x: Any, *, axis: int) -> Any:
    return np.take_along_axis(ts[0], argsort(x, axis=axis, stable=True), axis)


@op(
    "core::sort",
    pattern="axis",
    params={"axis": INT},
    infer=_sort_infer,
    rule=Rule(jvp=_sort_jvp),
    batch="core",
    out=True,
    samples=(*SAMPLES, Sample(((2, 0),), params={"axis": -1})),
)
def sort(x: Any, out: Any = None, *, axis: int) -> Any:
    """The elements along an axis in ascending order, nan last."""
    if out is None:
        return np.sort(np.asarray(x, order="C"), axis)
    np.copyto(out, x)
    out.sort(axis)
    return out


def _order(name: str, find: Callable[..., Any], params: dict[str, Any], samples: tuple[Sample, ...], doc: str) -> Op:
    """An op that gives the order of elements along an axis."""

    def run(x: Any, *, axis: int, **options: Any) -> Any:
        return np.ascontiguousarray(find(x, axis, **options))

    return Op(
        f"core::{name}",
        run,
        _order_infer,
        ZERO,
        {"axis": INT, **params},
        pattern="axis",
        batch="core",
        samples=samples,
        doc=doc,
    )


argsort = _order(
    "argsort",
    lambda x, axis, stable: np.argsort(x, axis, kind="stable" if stable else None),
    {"stable": BOOL},
    tuple(Sample(s.shapes, params={**s.params, "stable": i == 0}) for i, s in enumerate(SAMPLES)),
    "Positions of the elements along an axis in ascending order.",
)
argpartition = _order(
    "argpartition",
    lambda x, axis, kth: np.argpartition(x, kth, axis),
    {"kth": INTS},
    tuple(Sample(s.shapes, params={**s.params, "kth": (2, 4)}) for s in SAMPLES),
    "np.argpartition along an axis counted from the end.",
)


# --- searching -----------------------------------------------------------------------------------


def _search_infer(a: Type, v: Type, *, right: bool) -> Type:
    b = a.ndim - 1
    if b < 0 or a.shape[:b] != v.shape[:b]:
        raise ValueError("the leading axes of both must be the same")
    return Type(INDEX, v.shape)


def _search_batch(flags: tuple[bool, ...], size: int, node: Node, xs: list[Any]) -> Any:
    (a, v), p = xs, node.params
    if flags == (False, True) and a.ndim == 1:
        return searchsorted(a, v, **p)
    a, v = (x if f else broadcast_batch(x, size) for x, f in zip((a, v), flags, strict=True))
    return searchsorted(a, v, **p)


@op(
    "core::searchsorted",
    params={"right": BOOL},
    infer=_search_infer,
    rule=ZERO,
    batch=_search_batch,
    samples=(
        Sample(((5,), (2, 3)), params={"right": False}, smooth=False),
        Sample(((2, 5), (2, 7)), params={"right": True}, smooth=False),
    ),
)
def searchsorted(a: Any, v: Any, *, right: bool) -> Any:
    """Where each v would be put in, in each ascending row of a."""
    side: Any = "right" if right else "left"
    if a.ndim == 1:
        return np.asarray(np.searchsorted(a, v, side))
    out = np.empty(v.shape, INDEX)
    for i in np.ndindex(a.shape[:-1]):
        out[i] = np.searchsorted(a[i], v[i], side)
    return out


OPS = [sort, argsort, argpartition, searchsorted]


# --- NumPy functions made of these ---------------------------------------------------------------


def _line(a: Any, axis: Any) -> tuple[Any, int]:
    """The array, flattened if axis is None, and the axis counted from the end."""
    x = lifted(a)
    if axis is None:
        return np_reshape(x, -1), -1
    return x, axis_of(axis, x.ndim) - x.ndim


def np_sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    """np.sort."""
    x, at = _line(a, axis)
    return sort(x, axis=at)


def np_argsort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    """np.argsort."""
    x, at = _line(a, axis if np.ndim(a) else None)
    return argsort(x, axis=at, stable=bool(stable) or kind in ("stable", "mergesort"))


def _kth(kth: Any, n: int) -> tuple[int, ...]:
    return tuple(axis_of(k, n) for k in np.atleast_1d(kth).tolist())


def np_argpartition(a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None) -> Any:
    """np.argpartition."""
    x, at = _line(a, axis)
    return argpartition(x, axis=at, kth=_kth(kth, x.shape[at]))


def np_partition(a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None) -> Any:
    """np.partition; elements on the same side of the kth are in the order that np.argpartition gives them."""
    x, at = _line(a, axis)
    return np.take_along_axis(x, argpartition(x, axis=at, kth=_kth(kth, x.shape[at])), at)


def sort_complex(a: Any) -> Any:
    """np.sort_complex."""
    return np.sort(a.astype(np.result_type(a.dtype, np.complex64)))


def lexsort(keys: Any, axis: int = -1) -> Any:
    """np.lexsort: by the last key first."""
    rows = [lifted(k) for k in keys]
    order = np.argsort(rows[0], axis, stable=True)
    for key in rows[1:]:
        sorted_key = np.take_along_axis(key, order, axis)
        order = np.take_along_axis(order, np.argsort(sorted_key, axis, stable=True), axis)
    return order


def np_searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """np.searchsorted."""
    if side not in ("left", "right"):
        raise ValueError(f"side must be 'left' or 'right' (got {side!r})")
    a = lifted(a)
    if a.ndim != 1:
        raise ValueError("object too deep for desired array")
    return searchsorted(a if sorter is None else np.take(a, sorter), lifted(v), right=side == "right")


def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    """np.digitize; traced bins may rise or fall."""
    bins, side = lifted(bins), "left" if right else "right"
    up = np_searchsorted(bins, x, side)
    if bins.shape[0] < 2:
        return up
    down = bins.shape[0] - np_searchsorted(np.flip(bins), x, side)
    return np.where(bins[0] <= bins[-1], up, down)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sort: np_sort,
    np.argsort: np_argsort,
    np.partition: np_partition,
    np.argpartition: np_argpartition,
    np.sort_complex: sort_complex,
    np.lexsort: lexsort,
    np.searchsorted: np_searchsorted,
    np.digitize: digitize,
}
