"""Diagonals of matrices, read and written: np.diagonal, np.diag and np.trace.

Both ops act on the last two axes. y[i] = x[i + r, i + c], with c = offset above the main diagonal, r = -offset below.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.extend import INT, Node, Sample, Type, linear, moved, op
from adcore_ops.shape import lifted, moveaxis, np_reshape
from adcore_ops.strided import Strides, copied, viewing


def _count(m: int, n: int, offset: int) -> int:
    """Elements of a diagonal of an m by n matrix."""
    return max(0, min(m, n - offset) if offset >= 0 else min(m + offset, n))


def _infer(x: Type, *, offset: int) -> Type:
    if x.ndim < 2:
        raise ValueError("a diagonal needs two axes")
    return x.with_shape((*x.shape[:-2], _count(*x.shape[-2:], offset)))


def _read(x: Any, offset: int) -> Any:
    return np.diagonal(x, offset, -2, -1)


def _reading(node: Node) -> Callable[[Any], Any]:
    offset = node.params["offset"]
    return lambda x: _read(x, offset)


@op(
    "core::diagonal",
    pattern="moves",
    params={"offset": INT},
    infer=_infer,
    view=lambda x, strides, p: _view(strides),
    rule=linear(lambda g, x, *, offset: put_diagonal(np.zeros_like(x), g, offset=offset)),
    batch="core",
    out=True,
    kernel=viewing(_reading),
    numbers=moved(_read),
    samples=(
        Sample(((3, 5),), params={"offset": 0}),
        Sample(((2, 5, 3),), params={"offset": -1}),
        Sample(((2, 3),), params={"offset": 7}),
    ),
)
def read_diagonal(x: Any, out: Any = None, *, offset: int) -> Any:
    """A diagonal of the last two axes."""
    y = _read(x, offset)
    return y if out is None else copied(out, y)


def _view(strides: Strides) -> Strides:
    return (*strides[:-2], strides[-2] + strides[-1])


def _put_infer(x: Type, new: Type, *, offset: int) -> Type:
    if new.dtype != x.dtype:
        raise TypeError("both must have one dtype")
    if _infer(x, offset=offset).shape != new.shape:
        raise ValueError(f"the diagonal does not have shape {new.shape}")
    return x


def _put_transpose(g: Any, x: Any, new: Any, *, offset: int) -> Any:
    return put_diagonal(g, np.zeros_like(new), offset=offset), read_diagonal(g, offset=offset)


def _put(x: Any, new: Any, offset: int, out: Any = None) -> Any:
    y = np.array(x, order="C") if out is None else copied(out, x)
    i = np.arange(new.shape[-1])
    y[..., i + max(0, -offset), i + max(0, offset)] = new
    return y


@op(
    "core::put_diagonal",
    pattern="moves",
    params={"offset": INT},
    infer=_put_infer,
    rule=linear(_put_transpose),
    batch="core",
    out=True,
    numbers=moved(_put),
    samples=(
        Sample(((3, 5), (3,)), params={"offset": 0}),
        Sample(((2, 5, 3), (2, 3)), params={"offset": -1}),
        Sample(((2, 3), (0,)), params={"offset": 7}),
    ),
)
def put_diagonal(x: Any, new: Any, out: Any = None, *, offset: int) -> Any:
    """x with a diagonal of its last two axes replaced."""
    return _put(x, new, offset, out)


OPS = [read_diagonal, put_diagonal]


# --- NumPy functions made of these ---------------------------------------------------------------


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """np.diagonal."""
    return read_diagonal(moveaxis(a, (axis1, axis2), (-2, -1)), offset=offset)


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None) -> Any:
    """np.trace."""
    return np.sum(diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype)


def diag(v: Any, k: int = 0) -> Any:
    """np.diag."""
    v = lifted(v)
    if v.ndim == 2:
        return diagonal(v, k)
    if v.ndim != 1:
        raise ValueError("Input must be 1- or 2-d.")
    n = v.shape[0] + abs(k)
    return put_diagonal(np.zeros_like(v, shape=(n, n)), v, offset=k)


def diagflat(v: Any, k: int = 0) -> Any:
    """np.diagflat."""
    return diag(np_reshape(lifted(v), -1), k)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.diagonal: diagonal,
    np.diag: diag,
    np.diagflat: diagflat,
    np.trace: trace,
}
