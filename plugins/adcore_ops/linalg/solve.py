"""Linear systems, inverses and determinants.

X = A^-1 B:    B_bar = A^-T X_bar,  A_bar = -B_bar X^T.
Y = A^-1:      Y' = -Y A' Y.
log|det A|:    Re tr(A^-1 A'); the sign (a phase, if complex) turns by i Im tr(A^-1 A').
det A:         tr(adj(A) A'), where adj(A) = det(A) A^-1 also exists for singular A.
Source: Giles 2008, "An extended collection of matrix derivative results", sections 2.2.3, 2.2.4, 2.3.1.

A singular matrix raises NumPy's LinAlgError. The first derivative of det is right there too; the
second needs a nonsingular matrix.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adcore.extend import Op, Rule, Sample, Type, op
from adcore_ops.linalg.matrix import h, inexact, matrix, real, real_of, square, t

REGULAR = (Sample(((3, 3),)), Sample(((2, 5, 5),)), Sample(((3, 3),), dtypes=("complex128",)), Sample(((1, 1),)))


# --- solve ---------------------------------------------------------------------------------------


def solve_types(a: Type, b: Type) -> Type:
    """The type of X in A X = B."""
    a, b = square(a), matrix(b)
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(f"a matrix of {a.shape[-1]} columns does not fit a right side of {b.shape[-2]} rows")
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return Type(np.result_type(a.dtype, b.dtype), (*lead, *b.shape[-2:]))


def one_matrix_many_sides(solver: Any) -> Any:
    """A batch rule for systems A X = B: a batch of B for one A is one system with more columns."""

    def batch(flags: tuple[bool, ...], size: int, node: Any, xs: list[Any]) -> Any:
        a, b = xs
        if not flags[0]:
            columns = np.moveaxis(b, 0, -1)
            x = solver(a, np.reshape(columns, (*columns.shape[:-2], b.shape[-1] * size)), **node.params)
            return np.moveaxis(np.reshape(x, (*x.shape[:-1], b.shape[-1], size)), -1, 0)
        lead = max(v.type.ndim for v in node.inputs)
        widened = [
            np.reshape(x, (size, *(1,) * (lead - v.type.ndim), *v.type.shape)) if flag else x
            for x, v, flag in zip(xs, node.inputs, flags, strict=True)
        ]
        return solver(*widened, **node.params)

    return batch


def _solve_vjp(g: Any, y: Any, a: Any, b: Any) -> Any:
    b_bar = solve(t(a), g)
    return -(b_bar @ t(y)), b_bar


@op(
    "linalg::solve", infer=solve_types, rule=Rule(vjp=_solve_vjp, broadcasts=True),
    batch=one_matrix_many_sides(lambda a, b: solve(a, b)),
    flops=lambda types, p: types[0].size * (types[0].shape[-1] * 2 / 3 + 2 * types[1].shape[-1]),
    samples=(
        Sample(((3, 3), (3, 2))), Sample(((5, 3, 3), (3, 1))), Sample(((3, 3), (5, 3, 2))),
        Sample(((3, 3), (3, 2)), dtypes=("complex128", "float64")),
    ),
)  # fmt: skip
def solve(a: Any, b: Any) -> Any:
    """X in A X = B. a: (..., n, n), b: (..., n, k); leading axes broadcast."""
    return np.linalg.solve(a, b)


# --- inverse -------------------------------------------------------------------------------------


@op(
    "linalg::inv", infer=square, rule=Rule(jvp=lambda ts, y, a: -(y @ ts[0] @ y)), batch="core",
    flops=lambda types, p: 2.0 * types[0].size * types[0].shape[-1], samples=REGULAR,
)  # fmt: skip
def inv(a: Any) -> Any:
    """The inverse. a: (..., n, n)."""
    return np.linalg.inv(a)


# --- determinants --------------------------------------------------------------------------------


def traced_product(a: Any, b: Any) -> Any:
    """tr(A B), for stacks of square matrices."""
    return np.sum(t(a) * b, axis=(-2, -1))


def _determinant(a: Type) -> Type:
    return Type(inexact(a.dtype), square(a).shape[:-2])


def _adjugate_jvp(ts: Any, y: Any, a: Any) -> Any:
    turn = inv(a) @ ts[0]
    return np.trace(turn, axis1=-2, axis2=-1)[..., None, None] * y - turn @ y


@op(
    "linalg::adjugate", infer=square, rule=Rule(jvp=_adjugate_jvp), batch="core", samples=REGULAR,
    heap=lambda types, p: 3 * types[0].nbytes,
)  # fmt: skip
def adjugate(a: Any) -> Any:
    """adj(A) = det(A) A^-1, by continuity also where A is singular. a: (..., n, n).

    From A = U S V^H: adj(A) = det(U V^H) V adj(S) U^H, and adj(S) has the products of the other singular values.
    """
    u, s, vh = np.linalg.svd(a)
    n = s.shape[-1]
    others = np.where(np.eye(n, dtype=bool), s.dtype.type(1), s[..., None, :]).prod(-1)
    phase = np.linalg.det(u @ vh)[..., None, None]
    return phase * ((h(vh) * others[..., None, :]) @ h(u))


@op(
    "linalg::det", infer=_determinant, batch="core", samples=REGULAR,
    rule=Rule(jvp=lambda ts, y, a: traced_product(adjugate(a), ts[0])),
    flops=lambda types, p: types[0].size * types[0].shape[-1] * 2 / 3,
)  # fmt: skip
def det(a: Any) -> Any:
    """The determinant. a: (..., n, n)."""
    return np.linalg.det(a)


def _slogdet_infer(a: Type) -> tuple[Type, Type]:
    sign = _determinant(a)
    return sign, Type(real_of(sign.dtype), sign.shape)


def _slogdet_jvp(ts: Any, y: Any, a: Any) -> Any:
    turn = traced_product(inv(a), ts[0])
    return (y[0] * (1j * np.imag(turn)) if a.dtype.kind == "c" else None), real(turn)


@op("linalg::slogdet", infer=_slogdet_infer, rule=Rule(jvp=_slogdet_jvp), batch="core", samples=REGULAR)
def slogdet(a: Any) -> Any:
    """The sign (or phase) of the determinant, and the logarithm of its size. a: (..., n, n)."""
    return tuple(np.linalg.slogdet(a))


OPS: list[Op] = [solve, inv, adjugate, det, slogdet]
