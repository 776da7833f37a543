"""Singular values and vectors, and the pseudoinverse.

A = U diag(s) V^H, k = min(m, n) values:  P = U^H A' V,  s' = Re diag(P),
U' = U (F * (P S + S P^H) + i Im diag(P) / 2s) + (I - U U^H) A' V S^-1,   F_ij = 1 / (s_j^2 - s_i^2),
V' = V (F * (S P + P^H S) - i Im diag(P) / 2s) + (I - V V^H) A'^H U S^-1.
Source: Townsend 2016, "Differentiating the singular value decomposition", eqs. 11 to 19; for complex
matrices Wan and Zhang 2019, "Automatic differentiation for complex valued SVD".

A^+ of constant rank:  P' = -P A' P + P P^H A'^H (I - A P) + (I - P A) A'^H P^H P.
Source: Golub and Pereyra 1973, "The differentiation of pseudo-inverses ...", eq. 4.12.

Chosen values. A pair u, v may be turned by a common phase; U and V share what A' demands equally.
F and 1/s are zero for values that rounding cannot tell apart, or from zero: right for what does not
depend on the choice of vectors in such a space to first order; single vectors there have no
derivative. The further columns of full matrices are fixed up to a rotation, taken not to turn.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adcore.extend import BOOL, FLOAT, Op, Rule, Sample, Type, op
from adcore_ops.linalg.matrix import (
    conj,
    diagonal,
    h,
    inverse_gaps,
    inverse_unless,
    matrix,
    on_diagonal,
    real,
    real_of,
    rounding,
)


def _svd_infer(a: Type, *, full: bool) -> tuple[Type, Type, Type]:
    a = matrix(a)
    *lead, m, n = a.shape
    k = min(m, n)
    u = a.with_shape((*lead, m, m if full else k))
    vh = a.with_shape((*lead, n if full else k, n))
    return u, Type(real_of(a.dtype), (*lead, k)), vh


def _svd_jvp(ts: Any, y: Any, a: Any, *, full: bool) -> Any:
    m, n = a.shape[-2:]
    k = min(m, n)
    if k == 0:
        return tuple(np.zeros_like(x) for x in y)
    dot, (u_all, s, vh_all) = ts[0], y
    u, v = u_all[..., :k], h(vh_all[..., :k, :])
    tiny = rounding(s, max(m, n))
    s_inverse = inverse_unless(s <= tiny, s)[..., None, :]
    p = h(u) @ dot @ v
    row, column = s[..., None, :], s[..., :, None]
    sums = row + column
    gaps = inverse_gaps(s, max(m, n)) * inverse_unless(sums <= tiny[..., None], sums)
    left, right = gaps * (p * row + column * h(p)), gaps * (column * p + h(p) * row)
    if p.dtype.kind == "c":
        phase = on_diagonal(0.5j * np.imag(diagonal(p))) * s_inverse
        left, right = left + phase, right - phase
    av, au = (dot @ v) * s_inverse, (h(dot) @ u) * s_inverse
    u_dot = u @ left + (av - u @ (h(u) @ av))
    v_dot = v @ right + (au - v @ (h(v) @ au))
    if full and m > k:
        u_dot = np.concatenate([u_dot, -(u @ h(h(u_all[..., k:]) @ av))], axis=-1)
    if full and n > k:
        v_dot = np.concatenate([v_dot, -(v @ h(vh_all[..., k:, :] @ au))], axis=-1)
    return u_dot, real(diagonal(p)), h(v_dot)


def _invariants(a: Any, full: bool) -> Any:
    """A sample program: what no choice of phases, and of the further columns, changes."""
    u, s, vh = svd(a, full=full)
    k = s.shape[-1]
    more_u, more_v = u[..., k:], vh[..., k:, :]
    return s, (u[..., :k] * (s * s)[..., None, :]) @ vh[..., :k, :], more_u @ h(more_u), h(more_v) @ more_v


@op(
    "linalg::svd", params={"full": BOOL}, infer=_svd_infer, rule=Rule(jvp=_svd_jvp), batch="core",
    samples=(
        Sample(((5, 3),), params={"full": False}), Sample(((2, 3, 5),), params={"full": False}),
        Sample(((3, 3),), params={"full": True}),
        Sample(((5, 3),), program=lambda a: _invariants(a, True)),
        Sample(((3, 5),), program=lambda a: _invariants(a, True)),
        Sample(((5, 3),), dtypes=("complex128",), program=lambda a: _invariants(a, True)),
        Sample(((3, 5),), dtypes=("complex128",), program=lambda a: _invariants(a, False)),
    ),
)  # fmt: skip
def svd(a: Any, *, full: bool) -> Any:
    """U, s descending, and V^H, with A = U diag(s) V^H. a: (..., m, n).

    full: U is (..., m, m) and V^H (..., n, n); else (..., m, k) and (..., k, n), k = min(m, n).
    """
    return tuple(np.linalg.svd(a, full))


def _svdvals_infer(a: Type) -> Type:
    a = matrix(a)
    return Type(real_of(a.dtype), (*a.shape[:-2], min(a.shape[-2:])))


def _svdvals_jvp(ts: Any, y: Any, a: Any) -> Any:
    u, _, vh = svd(a, full=False)
    return real(np.sum(conj(u) * (ts[0] @ h(vh)), axis=-2))


@op(
    "linalg::svdvals", infer=_svdvals_infer, rule=Rule(jvp=_svdvals_jvp), batch="core",
    samples=(Sample(((5, 3),)), Sample(((2, 3, 5),)), Sample(((3, 5),), dtypes=("complex128",))),
)  # fmt: skip
def svdvals(a: Any) -> Any:
    """Singular values of a: (..., m, n), descending."""
    return np.linalg.svd(a, compute_uv=False)


def _pinv_heap(types: tuple[Any, ...], params: Any) -> int:
    """U, V^H and U diag(1/s), and a conjugated copy of a complex matrix."""
    *lead, m, n = types[0].shape
    k = min(m, n)
    copy = m * n if types[0].dtype.kind == "c" else 0
    return types[0].dtype.itemsize * math.prod(lead) * (2 * m * k + k * n + copy)


def _pinv_jvp(ts: Any, y: Any, a: Any, *, rcond: float) -> Any:
    dot, dot_h, y_h = ts[0], h(ts[0]), h(y)
    row, column = dot_h - (dot_h @ a) @ y, dot_h - y @ (a @ dot_h)  # A'^H (I - A P), (I - P A) A'^H
    return y @ (y_h @ row) - y @ dot @ y + (column @ y_h) @ y


@op(
    "linalg::pinv", params={"rcond": FLOAT}, rule=Rule(jvp=_pinv_jvp), batch="core", heap=_pinv_heap,
    infer=lambda a, *, rcond: matrix(a).with_shape((*a.shape[:-2], a.shape[-1], a.shape[-2])),
    samples=(
        Sample(((5, 3),), params={"rcond": 1e-15}), Sample(((2, 3, 5),), params={"rcond": 1e-15}),
        Sample(((5, 3),), dtypes=("complex128",), params={"rcond": 1e-15}),
        Sample(((5, 2), (2, 3)), program=lambda a, b: pinv(a @ b, rcond=1e-4)),  # rank 2 of 3
    ),
)  # fmt: skip
def pinv(a: Any, *, rcond: float) -> Any:
    """The pseudoinverse of a: (..., m, n); singular values up to rcond times the largest count as zero."""
    return np.linalg.pinv(a, rcond)


OPS: list[Op] = [svd, svdvals, pinv]
