"""Cholesky and QR factors.

A = L L^H:  L' = L Phi(L^-1 A' L^-H), where Phi keeps the lower triangle and halves the diagonal.
Source: Murray 2016, "Differentiation of the Cholesky decomposition", section 3.1.

A = Q R, with more rows than columns:  B = A' R^-1, C = Q^H B, W = the skew part of C that its strict
lower triangle fixes;  Q' = Q W + (B - Q C),  R' = (C - W) R.
With fewer rows, A = [A1 A2]: Q and R1 are those of A1, and R2 = Q^H A2.
Source: Walter and Lehmann 2018, "Algorithmic differentiation of linear algebra functions", section 3;
Roberts and Roberts 2020, "QR and LQ decomposition matrix backpropagation algorithms ...", section 2.

Cholesky reads the lower triangle of A, so its derivative in the strict upper one is zero: of a
function of the whole symmetric matrix, write it in terms of (A + A^T) / 2 for a symmetric gradient.
R has a real diagonal, as LAPACK makes it; this fixes the phases of Q. The further columns of a
complete Q are fixed up to a rotation only, whose derivative is taken to be zero.
A matrix without full rank has no derivative here: it raises LinAlgError.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adcore.extend import BOOL, Op, Rule, Sample, Type, op
from adcore_ops.linalg.matrix import diagonal, h, hermitian, lower, masked, matrix, on_diagonal, square, t
from adcore_ops.linalg.solve import solve

# --- Cholesky ------------------------------------------------------------------------------------


def right_divide(b: Any, a: Any) -> Any:
    """B A^-1."""
    return t(solve(t(a), t(b)))


def _cholesky_jvp(ts: Any, y: Any, a: Any) -> Any:
    inner = right_divide(solve(y, hermitian(ts[0])), h(y))
    return y @ (lower(inner) - 0.5 * masked(np.eye(y.shape[-1], dtype=bool), inner))


def _positive(program: Any) -> Any:
    """A sample program: the op of a positive definite matrix made of any matrix."""
    return lambda a: program(a @ h(a) + np.eye(a.shape[-1], dtype=a.dtype))


@op(
    "linalg::cholesky", infer=square, rule=Rule(jvp=_cholesky_jvp), batch="core",
    flops=lambda types, p: types[0].size * types[0].shape[-1] / 3,
    samples=(
        Sample(((3, 3),), program=_positive(lambda a: cholesky(a))),
        Sample(((2, 5, 5),), program=_positive(lambda a: cholesky(a))),
        Sample(((3, 3),), dtypes=("complex128",), program=_positive(lambda a: cholesky(a))),
    ),
)  # fmt: skip
def cholesky(a: Any) -> Any:
    """L lower triangular with a positive diagonal, L L^H = A. Reads the lower triangle of a: (..., n, n)."""
    return np.linalg.cholesky(a)


# --- QR ------------------------------------------------------------------------------------------


def _qr_infer(a: Type, *, complete: bool) -> tuple[Type, Type]:
    a = matrix(a)
    m, n = a.shape[-2:]
    k = m if complete else min(m, n)
    return a.with_shape((*a.shape[:-2], m, k)), a.with_shape((*a.shape[:-2], k, n))


def _skew(c: Any) -> Any:
    """The skew-Hermitian matrix with the strict lower triangle of c, and the imaginary part of its diagonal."""
    low = lower(c, -1)
    skew = low - h(low)
    return skew + on_diagonal(1j * np.imag(diagonal(c))) if c.dtype.kind == "c" else skew


def _qr_jvp(ts: Any, y: Any, a: Any, *, complete: bool) -> Any:
    m, n = a.shape[-2:]
    k = min(m, n)
    q, r, dot = y[0][..., :k], y[1][..., :k, :], ts[0]
    b = right_divide(dot[..., :k], r[..., :k])
    c = h(q) @ b
    turn = _skew(c)
    q_dot = q @ turn + (b - q @ c)
    r_dot = (c - turn) @ r[..., :k]
    if n > k:
        r_dot = np.concatenate([r_dot, h(q_dot) @ a[..., k:] + h(q) @ dot[..., k:]], axis=-1)
    if complete and m > k:
        rest = y[0][..., k:]
        q_dot = np.concatenate([q_dot, -(q @ h(h(rest) @ b))], axis=-1)
        r_dot = np.concatenate([r_dot, np.zeros_like(y[1][..., k:, :])], axis=-2)
    return q_dot, r_dot


def _projectors(a: Any, complete: bool) -> Any:
    """A sample program: what does not depend on the choice of the further columns."""
    q, r = qr(a, complete=complete)
    k = min(a.shape[-2:])
    rest = q[..., k:]
    return q[..., :k], r, rest @ h(rest)


@op(
    "linalg::qr", params={"complete": BOOL}, infer=_qr_infer, rule=Rule(jvp=_qr_jvp), batch="core",
    heap=lambda types, p: types[0].nbytes + types[0].size,  # a copy, and the mask of a triangle
    samples=(
        Sample(((5, 3),), params={"complete": False}), Sample(((2, 3, 3),), params={"complete": False}),
        Sample(((3, 5),), params={"complete": False}), Sample(((3, 5),), params={"complete": True}),
        Sample(((5, 3),), dtypes=("complex128",), params={"complete": False}),
        Sample(((5, 3),), program=lambda a: _projectors(a, True)),
        Sample(((5, 3),), dtypes=("complex128",), program=lambda a: _projectors(a, True)),
    ),
)  # fmt: skip
def qr(a: Any, *, complete: bool) -> Any:
    """Q with orthonormal columns and R upper triangular, Q R = A. a: (..., m, n).

    complete: Q is (..., m, m) and R (..., m, n); else (..., m, k) and (..., k, n), k = min(m, n).
    """
    return tuple(np.linalg.qr(a, "complete" if complete else "reduced"))


OPS: list[Op] = [cholesky, qr]
