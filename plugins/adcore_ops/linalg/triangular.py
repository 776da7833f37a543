"""Triangular systems and LU factors, by SciPy.

T X = B:    B_bar = T^-T X_bar,  T_bar = -B_bar X^T in the triangle that is read (T^T X = B: its transpose).
A = P L U, with rows swapped as B = P^T A:  M = L^-1 B' U^-1,  L' = L tril(M, -1),  U' = triu(M) U;
further rows:     L2' = (B2' - L2 U') U^-1;   further columns:  U2' = L^-1 (B2' - L' U2).
Source: Giles 2008, section 2.3.1; de Hoog, Anderssen and Lukas 2011, "Differentiation of matrix
functionals using triangular factorization", section 3. The choice of pivots has derivative zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adcore.extend import BOOL, Op, Rule, Sample, Type, multilinear, op
from adcore_ops.extras import scipy
from adcore_ops.linalg.matrix import inexact, lower, matrix, t, upper
from adcore_ops.linalg.solve import one_matrix_many_sides, solve_types
from adcore_ops.linalg.stacks import each, matrices

# --- triangular systems --------------------------------------------------------------------------


def triangle(x: Any, low: bool, unit: bool) -> Any:
    """The elements that are read: those of one triangle, without the diagonal if that counts as ones."""
    return lower(x, -1 if unit else 0) if low else upper(x, 1 if unit else 0)


def _triangular_vjp(g: Any, y: Any, a: Any, b: Any, *, low: bool, transposed: bool, unit: bool) -> Any:
    b_bar = solve_triangular(a, g, low=low, transposed=not transposed, unit=unit)
    product = y @ t(b_bar) if transposed else b_bar @ t(y)
    return -triangle(product, low, unit), b_bar


_SIDES = ((3, 3), (3, 2))


def _conditioned(low: bool, transposed: bool, unit: bool) -> Any:
    """A sample program: a triangle with a diagonal away from zero."""
    return lambda a, b: solve_triangular(
        a + 3.0 * np.eye(a.shape[-1], dtype=a.dtype), b, low=low, transposed=transposed, unit=unit
    )


@op(
    "linalg::solve_triangular", params={"low": BOOL, "transposed": BOOL, "unit": BOOL},
    infer=lambda a, b, **params: solve_types(a, b), rule=Rule(vjp=_triangular_vjp, broadcasts=True),
    batch=one_matrix_many_sides(lambda a, b, **params: solve_triangular(a, b, **params)),
    flops=lambda types, p: types[0].size * types[1].shape[-1], heap=matrices(1),
    samples=(
        Sample(_SIDES, program=_conditioned(True, False, False)),
        Sample(((5, 3, 3), (3, 2)), program=_conditioned(False, True, False)),
        Sample(_SIDES, dtypes=("complex128", "complex128"), program=_conditioned(True, True, True)),
        Sample(_SIDES, dtypes=("complex128", "float64"), program=_conditioned(False, False, False)),
    ),
)  # fmt: skip
def solve_triangular(a: Any, b: Any, *, low: bool, transposed: bool, unit: bool) -> Any:
    """X in T X = B, or T^T X = B (no conjugate), T one triangle of a: (..., n, n). b: (..., n, k).

    unit: the diagonal counts as ones. Raises LinAlgError for a zero on the diagonal.
    """
    dtype = np.result_type(inexact(a.dtype), inexact(b.dtype))
    if not b.shape[-2]:
        return np.zeros((*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), *b.shape[-2:]), dtype)
    routine = scipy("linalg").solve_triangular

    def one(a: Any, b: Any) -> Any:
        return routine(a, b, trans=int(transposed), lower=low, unit_diagonal=unit, check_finite=False)

    return each(one, [(b.shape[-2:], dtype)], a, b)


# --- LU ------------------------------------------------------------------------------------------


def _swap_infer(b: Type, pivots: Type, *, back: bool) -> Type:
    if b.ndim < 2 or pivots.dtype.kind not in "iu" or not pivots.ndim or pivots.shape[-1] > b.shape[-2]:
        raise ValueError("pivots are row numbers of the matrix, one per swap")
    return b.with_shape((*np.broadcast_shapes(b.shape[:-2], pivots.shape[:-1]), *b.shape[-2:]))


@op(
    "linalg::swap_rows", params={"back": BOOL}, infer=_swap_infer, batch=(2, 1),
    heap=lambda types, p: _swap_infer(*types, **p).nbytes,
    rule=multilinear(lambda g, b, pivots, *, back: swap_rows(g, pivots, back=not back), None, broadcasts=True),
    samples=(
        Sample(((5, 2),), program=lambda b: swap_rows(b, np.array([2, 1, 4, 3]), back=False)),
        Sample(((2, 5, 3),), program=lambda b: swap_rows(b, np.array([[2, 1, 4], [0, 3, 2]]), back=True)),
    ),
)  # fmt: skip
def swap_rows(b: Any, pivots: Any, *, back: bool) -> Any:
    """b: (..., n, k) with row i and row pivots[i] swapped, for i = 0, 1, ...; back: in the reverse order."""
    lead = np.broadcast_shapes(b.shape[:-2], pivots.shape[:-1])
    y = np.array(np.broadcast_to(b, lead + b.shape[-2:]), order="C")
    pivots = np.broadcast_to(pivots, lead + pivots.shape[-1:])
    rows = np.broadcast_to(np.arange(b.shape[-2]), lead + b.shape[-2:-1]).copy()
    order = range(pivots.shape[-1])
    for i in reversed(order) if back else order:
        j = pivots[..., i : i + 1].astype(np.intp)
        first, second = rows[..., i : i + 1].copy(), np.take_along_axis(rows, j, -1)
        rows[..., i : i + 1] = second
        np.put_along_axis(rows, j, first, -1)
    return np.take_along_axis(y, rows[..., None], -2)


def _lu_infer(a: Type) -> tuple[Type, Type]:
    a = matrix(a)
    return a, Type(np.dtype(np.int32), (*a.shape[:-2], min(a.shape[-2:])))


def unit_lower(lu: Any, k: int) -> Any:
    """L of compact factors: (..., m, k), with ones on the diagonal."""
    low = lower(lu[..., :k], -1)
    return low + np.eye(lu.shape[-2], k, dtype=lu.dtype)


def _divide(side: Any, u: Any) -> Any:
    """side U^-1."""
    return t(solve_triangular(t(u), t(side), low=True, transposed=False, unit=False))


def _lu_jvp(ts: Any, y: Any, a: Any) -> Any:
    lu, pivots = y
    m, n = a.shape[-2:]
    k = min(m, n)
    b = swap_rows(ts[0], pivots, back=False)
    top = lu[..., :k, :k]
    low, high = unit_lower(top, k), upper(top)
    inner = _divide(solve_triangular(top, b[..., :k, :k], low=True, transposed=False, unit=True), high)
    low_dot, high_dot = low @ lower(inner, -1), upper(inner) @ high
    dot = lower(low_dot, -1) + high_dot
    if m > k:
        dot = np.concatenate([dot, _divide(b[..., k:, :] - lu[..., k:, :] @ high_dot, high)], axis=-2)
    if n > k:
        rest = b[..., :, k:] - low_dot @ lu[..., :, k:]
        more = solve_triangular(top, rest, low=True, transposed=False, unit=True)
        dot = np.concatenate([dot, more], axis=-1)
    return dot, None


def _factors(a: Any) -> Any:
    return lu_factor(a)[0]


@op(
    "linalg::lu_factor", infer=_lu_infer, rule=Rule(jvp=_lu_jvp), batch="core",
    flops=lambda types, p: types[0].size * min(types[0].shape[-2:]) * 2 / 3, heap=matrices(1),
    samples=(
        Sample(((3, 3),), program=_factors), Sample(((2, 5, 3),), program=_factors),
        Sample(((3, 5),), program=_factors),
        Sample(((3, 3),), dtypes=("complex128",), program=_factors),
    ),
)  # fmt: skip
def lu_factor(a: Any) -> Any:
    """L below and U on and above the diagonal of one matrix, and the rows swapped for pivots. a: (..., m, n)."""
    dtype = inexact(a.dtype)
    routine = scipy("linalg").lapack.get_lapack_funcs(("getrf",), dtype=dtype)[0]

    def one(a: Any) -> Any:
        lu, pivots, info = routine(a)
        if info > 0:
            raise np.linalg.LinAlgError("Singular matrix")
        return lu, pivots

    k = min(a.shape[-2:])
    if not k:
        return np.array(a, dtype), np.zeros((*a.shape[:-2], 0), np.int32)
    return each(one, [(a.shape[-2:], dtype), ((k,), np.int32)], a)


OPS: list[Op] = [solve_triangular, swap_rows, lu_factor]
