"""Products: matmul, matvec, vecmat and vecdot on the last axes, the leading ones broadcast.

C = A B:  C' = A' B + A B';  A_bar = C_bar B^T, B_bar = A^T C_bar (no conjugate, by our pairing).
Source: Giles 2008, "An extended collection of matrix derivative results", section 2.2.2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.extend import Op, Sample, Type, multilinear
from adcore_ops.shape import axis_of, lifted, moveaxis, np_reshape, np_transpose, transpose


def _dtype(a: Type, b: Type) -> Any:
    if "b" in (a.dtype.kind, b.dtype.kind):
        return np.matmul(np.empty((0, 0), a.dtype), np.empty((0, 0), b.dtype)).dtype
    return np.result_type(a.dtype, b.dtype)


def _inner(name: str, m: int, n: int) -> None:
    if m != n:
        raise ValueError(f"{name} sums over axes of {m} and {n}")


def _matmul_infer(a: Type, b: Type) -> Type:
    _inner("matmul", a.shape[-1], b.shape[-2])
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return Type(_dtype(a, b), (*lead, a.shape[-2], b.shape[-1]))


def _matvec_infer(a: Type, b: Type) -> Type:
    _inner("matvec", a.shape[-1], b.shape[-1])
    return Type(_dtype(a, b), (*np.broadcast_shapes(a.shape[:-2], b.shape[:-1]), a.shape[-2]))


def _vecmat_infer(a: Type, b: Type) -> Type:
    _inner("vecmat", a.shape[-1], b.shape[-2])
    return Type(_dtype(a, b), (*np.broadcast_shapes(a.shape[:-1], b.shape[:-2]), b.shape[-1]))


def _vecdot_infer(a: Type, b: Type) -> Type:
    _inner("vecdot", a.shape[-1], b.shape[-1])
    return Type(_dtype(a, b), np.broadcast_shapes(a.shape[:-1], b.shape[:-1]))


def t(x: Any) -> Any:
    """The last two axes swapped."""
    return transpose(x, perm=(1, 0))


def _rows(x: Any) -> Any:
    return np_reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))


def _matmul_right(g: Any, a: Any, b: Any) -> Any:
    # one unbatched right operand: one gemm over all rows, in place of a sum of products
    return matmul(t(_rows(a)), _rows(g)) if b.ndim == 2 else matmul(t(a), g)


def _matmul_run(a: Any, b: Any, out: Any = None) -> Any:
    return np.matmul(a, b, out)


def _matvec_run(a: Any, b: Any, out: Any = None) -> Any:
    return np.matmul(a, b[..., None], None if out is None else out[..., None])[..., 0]


def _vecmat_run(a: Any, b: Any, out: Any = None) -> Any:
    return np.matmul(a[..., None, :], b, None if out is None else out[..., None, :])[..., 0, :]


def _vecdot_run(a: Any, b: Any, out: Any = None) -> Any:
    place = None if out is None else out[..., None, None]
    return np.matmul(a[..., None, :], b[..., None], place)[..., 0, 0]


SUMS = {
    "matmul": "...ij,...jk->...ik",
    "matvec": "...ij,...j->...i",
    "vecmat": "...i,...ij->...j",
    "vecdot": "...i,...i->...",
}


def _product(
    name: str, cores: tuple[int, int], run: Callable[..., Any], infer: Any, left: Any, right: Any, *shapes: Any
) -> Op:
    def flops(types: Any, params: Any) -> float:
        return 2.0 * infer(*types).size * types[0].shape[-1]

    return Op(
        f"core::{name}", run, infer, multilinear(left, right, broadcasts=True), batch=cores, out=True,
        pattern=SUMS[name], flops=flops,
        samples=tuple(Sample(s) for s in shapes), doc=f"np.{name}: leading axes broadcast.",
    )  # fmt: skip


def _outer(a: Any, b: Any) -> Any:
    return a[..., None] * b[..., None, :]


matmul = _product(
    "matmul", (2, 2), _matmul_run, _matmul_infer, lambda g, a, b: matmul(g, t(b)), _matmul_right,
    ((2, 3), (3, 5)), ((7, 2, 3), (3, 5)), ((7, 1, 2, 3), (5, 3, 2)),
)  # fmt: skip
matvec = _product(
    "matvec", (2, 1), _matvec_run, _matvec_infer, lambda g, a, b: _outer(g, b), lambda g, a, b: vecmat(g, a),
    ((2, 3), (3,)), ((7, 2, 3), (7, 3)),
)  # fmt: skip
vecmat = _product(
    "vecmat", (1, 2), _vecmat_run, _vecmat_infer, lambda g, a, b: matvec(b, g), lambda g, a, b: _outer(a, g),
    ((3,), (3, 2)), ((7, 3), (3, 2)),
)  # fmt: skip
vecdot = _product(
    "vecdot", (1, 1), _vecdot_run, _vecdot_infer, lambda g, a, b: g[..., None] * b, lambda g, a, b: g[..., None] * a,
    ((3,), (3,)), ((7, 3), (3,)),
)  # fmt: skip

OPS = [matmul, matvec, vecmat, vecdot]


# --- NumPy functions made of these ---------------------------------------------------------------


def np_matmul(a: Any, b: Any) -> Any:
    """np.matmul and the @ operator."""
    a, b = lifted(a), lifted(b)
    if not a.ndim or not b.ndim:
        raise ValueError("matmul: an operand is a scalar; use *")
    if a.ndim == 1:
        return vecdot(a, b) if b.ndim == 1 else vecmat(a, b)
    return matvec(a, b) if b.ndim == 1 else matmul(a, b)


def dot(a: Any, b: Any, out: Any = None) -> Any:
    """np.dot."""
    a, b = lifted(a), lifted(b)
    if not a.ndim or not b.ndim:
        return a * b
    if a.ndim <= 2 and b.ndim <= 2:
        return np_matmul(a, b)
    return tensordot(a, b, ([a.ndim - 1], [max(b.ndim - 2, 0)]))


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """np.tensordot: one matmul of the operands with their summed axes last and first."""
    a, b = lifted(a), lifted(b)
    if isinstance(axes, int):
        left, right = list(range(a.ndim - axes, a.ndim)), list(range(axes))
    else:
        left, right = ([axis_of(i, x.ndim) for i in np.atleast_1d(s)] for s, x in zip(axes, (a, b), strict=True))
    if [a.shape[i] for i in left] != [b.shape[i] for i in right]:
        raise ValueError("shape-mismatch for sum")
    rows = [i for i in range(a.ndim) if i not in left]
    columns = [i for i in range(b.ndim) if i not in right]
    size = int(np.prod([a.shape[i] for i in left], dtype=int))
    shape = tuple(a.shape[i] for i in rows) + tuple(b.shape[i] for i in columns)
    left_matrix = np_reshape(np_transpose(a, rows + left), (int(np.prod([a.shape[i] for i in rows], dtype=int)), size))
    right_matrix = np_reshape(
        np_transpose(b, right + columns), (size, int(np.prod([b.shape[i] for i in columns], dtype=int)))
    )
    return np_reshape(matmul(left_matrix, right_matrix), shape)


def inner(a: Any, b: Any, /) -> Any:
    """np.inner."""
    a, b = lifted(a), lifted(b)
    return a * b if not a.ndim or not b.ndim else tensordot(a, b, ([a.ndim - 1], [b.ndim - 1]))


def outer(a: Any, b: Any, out: Any = None) -> Any:
    """np.outer."""
    return np_reshape(lifted(a), (-1, 1)) * np_reshape(lifted(b), (1, -1))


def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None) -> Any:
    """np.cross of vectors of three components."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = moveaxis(lifted(a), axisa, -1), moveaxis(lifted(b), axisb, -1)
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise ValueError("np.cross needs vectors of three components")
    c = np.roll(a, -1, -1) * np.roll(b, 1, -1) - np.roll(a, 1, -1) * np.roll(b, -1, -1)
    return moveaxis(c, -1, axisc)


def kron(a: Any, b: Any) -> Any:
    """np.kron."""
    a, b = lifted(a), lifted(b)
    ndim = max(a.ndim, b.ndim)
    sa, sb = ((1,) * (ndim - x.ndim) + x.shape for x in (a, b))
    left = np_reshape(a, tuple(m for n in sa for m in (n, 1)))
    right = np_reshape(b, tuple(m for n in sb for m in (1, n)))
    return np_reshape(left * right, tuple(m * n for m, n in zip(sa, sb, strict=True)))


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.matmul: np_matmul,
    np.dot: dot,
    np.vdot: lambda a, b, /: vecdot(np.conjugate(np_reshape(lifted(a), -1)), np_reshape(lifted(b), -1)),
    np.vecdot: lambda a, b, axis=-1: vecdot(np.conjugate(moveaxis(lifted(a), axis, -1)), moveaxis(lifted(b), axis, -1)),
    np.tensordot: tensordot,
    np.inner: inner,
    np.outer: outer,
    np.cross: cross,
    np.kron: kron,
}
if hasattr(np, "matvec"):  # NumPy 2.2
    FUNCTIONS[np.matvec] = lambda x1, x2: matvec(lifted(x1), lifted(x2))
    FUNCTIONS[np.vecmat] = lambda x1, x2: vecmat(np.conjugate(lifted(x1)), lifted(x2))
