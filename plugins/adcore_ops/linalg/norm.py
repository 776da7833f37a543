"""Norms of vectors and matrices, of every order that NumPy has.

|x|_2:  y' = Re(x^H x') / y, and 0 at x = 0.
Source: Petersen and Pedersen 2012, "The Matrix Cookbook", eq. 129. The others are made of it, of
absolute values, sums, extrema and singular values, and have their values at kinks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adcore.extend import INTS, Op, Rule, Sample, Type, op
from adcore_ops.linalg.matrix import conj, inverse_unless, real, real_of
from adcore_ops.linalg.singular import svdvals
from adcore_ops.reduce import reduced
from adcore_ops.shape import axes_of, axis_of, moveaxis, np_reshape


def _norm2_infer(x: Type, *, axes: tuple[int, ...]) -> Type:
    return Type(np.dtype(np.float64) if x.dtype.kind in "biu" else real_of(x.dtype), reduced(x.shape, axes))


def _norm2_jvp(ts: Any, y: Any, x: Any, *, axes: tuple[int, ...]) -> Any:
    return np.sum(real(conj(x) * ts[0]), axis=axes) * inverse_unless(np.equal(y, 0), y)


@op(
    "linalg::norm2", params={"axes": INTS}, rule=Rule(jvp=_norm2_jvp), batch="core",
    heap=lambda types, p: types[0].nbytes,
    infer=_norm2_infer,
    samples=(
        Sample(((3,),), params={"axes": (-1,)}), Sample(((2, 3, 5),), params={"axes": (-3, -1)}),
        Sample(((2, 3),), dtypes=("complex128",), params={"axes": (-1,)}),
    ),
)  # fmt: skip
def norm2(x: Any, *, axes: tuple[int, ...]) -> Any:
    """The root of the sum of squares over these axes, counted from the end."""
    if x.dtype.kind in "biu":
        x = x.astype(np.float64)
    squares = (x.conj() * x).real if x.dtype.kind == "c" else x * x
    return np.sqrt(np.add.reduce(squares, axes))


OPS: list[Op] = [norm2]


# --- NumPy functions made of these ---------------------------------------------------------------


def _vector_norm(x: Any, order: Any, axes: tuple[int, ...]) -> Any:
    """The norm of order `order` over these axes."""
    if order is None or order == 2:
        return norm2(x, axes=axes)
    size = np.abs(x)
    if order == np.inf:
        return np.max(size, axis=axes)
    if order == -np.inf:
        return np.min(size, axis=axes)
    if order == 0:
        return np.sum((x != 0).astype(real_of(size.dtype)), axis=axes)
    if isinstance(order, str):
        raise ValueError(f"Invalid norm order {order!r} for vectors")
    if order == 1:
        return np.sum(size, axis=axes)
    if order < 0:
        return np.sum(size ** float(order), axis=axes) ** (1.0 / order)
    return _power(np.sum(_power(size, float(order)), axis=axes), 1.0 / order)


def _power(x: Any, exponent: float) -> Any:
    """x**exponent of what is not negative; 0 at 0, and so is its derivative, whatever the exponent."""
    nothing = np.equal(x, 0)
    return np.where(nothing, 0.0 * x, np.where(nothing, 1.0, x) ** exponent)


def _matrix_norm(x: Any, order: Any, row: int, column: int) -> Any:
    """The norm of the matrices in axes `row` and `column`, counted from the end."""
    if order in (None, "fro", "f"):
        return norm2(x, axes=tuple(sorted((row, column))))
    if order in ("nuc", 2, -2):
        s = svdvals(moveaxis(x, (row, column), (-2, -1)))
        return np.sum(s, axis=-1) if order == "nuc" else s[..., 0] if order == 2 else s[..., -1]
    if order in (1, -1, np.inf, -np.inf):
        along = row if abs(order) == 1 else column
        sums = np.sum(np.abs(x), axis=along, keepdims=True)
        extreme = np.max if order > 0 else np.min
        return np.squeeze(extreme(sums, axis=column if along == row else row, keepdims=True), axis=(row, column))
    raise ValueError("Invalid norm order for matrices.")


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """np.linalg.norm."""
    x = _inexact(x)
    if axis is None and (ord is None or (ord in ("f", "fro") and x.ndim == 2) or (ord == 2 and x.ndim == 1)):
        axes = tuple(range(-x.ndim, 0))
        return _kept(norm2(x, axes=axes), x, axes, keepdims)
    where = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = tuple(axis_of(a, x.ndim) - x.ndim for a in where)
    if len(axes) == 1:
        return _kept(_vector_norm(x, ord, axes), x, axes, keepdims)
    if len(axes) != 2:
        raise ValueError("Improper number of dimensions to norm.")
    if axes[0] == axes[1]:
        raise ValueError("Duplicate axes given.")
    return _kept(_matrix_norm(x, ord, *axes), x, axes, keepdims)


def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """np.linalg.vector_norm: over all of the axes at once."""
    x = _inexact(x)
    axes = axes_of(axis, x.ndim)
    return _kept(_vector_norm(x, ord, axes), x, axes, keepdims)


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """np.linalg.matrix_norm."""
    return norm(x, ord, (-2, -1), keepdims)


def _inexact(x: Any) -> Any:
    return x.astype(np.float64) if x.dtype.kind in "biu" else x


def _kept(y: Any, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if not keepdims:
        return y
    gone = {a + x.ndim for a in axes}
    return np_reshape(y, tuple(1 if i in gone else n for i, n in enumerate(x.shape)))
