"""Sylvester's equation, and systems of banded matrices, by SciPy.

A X + X B = Q:   S = X_bar solved with A^T and B^T;  Q_bar = S,  A_bar = -S X^T,  B_bar = -X^T S.
A X = B, A in diagonals:  B_bar = A^-T X_bar,  A_bar = -B_bar X^T on the diagonals that are stored.
Source: Giles 2008, section 2.3.1, applied to the linear maps X -> A X + X B and X -> A X.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from adcore.extend import INT, ZERO, Op, Rule, Sample, Type, op
from adcore_ops.extras import scipy
from adcore_ops.linalg.matrix import inexact, matrix, square, t
from adcore_ops.linalg.stacks import each

# --- Sylvester -----------------------------------------------------------------------------------


def _sylvester_infer(a: Type, b: Type, q: Type) -> Type:
    a, b, q = square(a), square(b), matrix(q)
    if q.shape[-2:] != (a.shape[-1], b.shape[-1]):
        raise ValueError(f"a right side of shape {q.shape[-2:]} does not fit {a.shape[-1]} rows, {b.shape[-1]} columns")
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2], q.shape[:-2])
    return Type(np.result_type(a.dtype, b.dtype, q.dtype), (*lead, *q.shape[-2:]))


def _sylvester_vjp(g: Any, y: Any, a: Any, b: Any, q: Any) -> Any:
    s = solve_sylvester(t(a), t(b), g)
    return -(s @ t(y)), -(t(y) @ s), s


def _shifted(a: Any, b: Any, q: Any) -> Any:
    """A sample program: A and B without common eigenvalues up to sign."""
    return solve_sylvester(a + 5.0 * np.eye(a.shape[-1], dtype=a.dtype), b, q)


@op(
    "linalg::solve_sylvester", infer=_sylvester_infer, rule=Rule(vjp=_sylvester_vjp, broadcasts=True), batch=(2, 2, 2),
    heap=lambda types, p: 8 * types[2].dtype.itemsize * max(types[2].shape[-2:]) ** 2,
    samples=(
        Sample(((3, 3), (2, 2), (3, 2)), program=_shifted), Sample(((5, 3, 3), (2, 2), (3, 2)), program=_shifted),
        Sample(((3, 3), (2, 2), (3, 2)), dtypes=("complex128",) * 3, program=_shifted),
    ),
)  # fmt: skip
def solve_sylvester(a: Any, b: Any, q: Any) -> Any:
    """X in A X + X B = Q. a: (..., m, m), b: (..., n, n), q: (..., m, n); leading axes broadcast."""
    dtype = np.result_type(*(inexact(x.dtype) for x in (a, b, q)))
    if not q.shape[-1] or not q.shape[-2]:
        lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2], q.shape[:-2])
        return np.zeros((*lead, *q.shape[-2:]), dtype)
    return each(scipy("linalg").solve_sylvester, [(q.shape[-2:], dtype)], a, b, q)


# --- banded systems ------------------------------------------------------------------------------


def shifted(x: Any, by: int, axis: int = -1) -> Any:
    """y[j] = x[j + by] along an axis, and 0 where there is no such element."""
    n = x.shape[axis]
    by = max(-n, min(n, by))
    if by == 0:
        return x
    x = np.moveaxis(x, axis, -1)
    gap = np.zeros_like(x[..., : abs(by)])
    y = np.concatenate([x[..., by:], gap] if by > 0 else [gap, x[..., :by]], axis=-1)
    return np.moveaxis(y, -1, axis)


def _transposed(ab: Any, below: int, above: int) -> Any:
    """The diagonals of A^T from those of A: row above + i - j holds A_ij at column j."""
    rows = [shifted(ab[..., below + above - r, :], r - below) for r in range(below + above + 1)]
    return np.stack(rows, axis=-2)


def _banded_infer(ab: Type, b: Type, *, below: int, above: int) -> Type:
    ab, b = matrix(ab), matrix(b)
    if ab.shape[-2] != below + above + 1 or ab.shape[-1] != b.shape[-2]:
        raise ValueError(f"{below + above + 1} diagonals of length {b.shape[-2]} are needed")
    lead = np.broadcast_shapes(ab.shape[:-2], b.shape[:-2])
    return Type(np.result_type(ab.dtype, b.dtype), (*lead, *b.shape[-2:]))


def _banded_vjp(g: Any, y: Any, ab: Any, b: Any, *, below: int, above: int) -> Any:
    b_bar = solve_banded(_transposed(ab, below, above), g, below=above, above=below)
    rows = [-np.sum(shifted(b_bar, d, -2) * y, axis=-1) for d in range(-above, below + 1)]
    return np.stack(rows, axis=-2), b_bar


def _dominant(below: int, above: int) -> Any:
    """A sample program: a large main diagonal."""

    def program(ab: Any, b: Any) -> Any:
        main = 5.0 * (np.arange(below + above + 1) == above).astype(ab.dtype)[:, None]
        return solve_banded(ab + main, b, below=below, above=above)

    return program


@op(
    "linalg::solve_banded", params={"below": INT, "above": INT}, infer=_banded_infer, batch=(2, 2),
    rule=Rule(vjp=_banded_vjp, broadcasts=True),
    heap=lambda types, p: types[0].dtype.itemsize * (types[0].shape[-2] + 1) * types[0].shape[-1],
    samples=(
        Sample(((3, 7), (7, 2)), program=_dominant(1, 1)), Sample(((4, 5), (5, 2)), program=_dominant(1, 2)),
        Sample(((2, 3, 5), (5, 1)), dtypes=("complex128", "float64"), program=_dominant(2, 0)),
    ),
)  # fmt: skip
def solve_banded(ab: Any, b: Any, *, below: int, above: int) -> Any:
    """X in A X = B, with A_ij at ab[above + i - j, j]. ab: (..., below + above + 1, n), b: (..., n, k)."""
    dtype = np.result_type(inexact(ab.dtype), inexact(b.dtype))
    routine = scipy("linalg").solve_banded

    def one(ab: Any, b: Any) -> Any:
        return routine((below, above), ab, b, check_finite=False)

    return each(one, [(b.shape[-2:], dtype)], ab, b)


# --- one banded matrix, many times ---------------------------------------------------------------


def _factor_infer(ab: Type, *, below: int, above: int) -> tuple[Type, Type]:
    ab = matrix(ab)
    if ab.shape[-2] != below + above + 1:
        raise ValueError(f"{below + above + 1} diagonals are needed")
    lead, n = ab.shape[:-2], ab.shape[-1]
    return Type(inexact(ab.dtype), (*lead, n, 2 * below + above + 1)), Type(np.dtype(np.int32), (*lead, 1, n))


@lru_cache(maxsize=16)
def _lapack(name: str, dtype: Any) -> Any:
    return scipy("linalg.lapack").get_lapack_funcs((name,), dtype=dtype)[0]


@op(
    "linalg::factor_banded", params={"below": INT, "above": INT}, infer=_factor_infer, batch=(2,), rule=ZERO,
    samples=(
        Sample(((3, 7),), params={"below": 1, "above": 1}, smooth=False),
        Sample(((2, 4, 5),), params={"below": 1, "above": 2}, smooth=False),
    ),
)  # fmt: skip
def factor_banded(ab: Any, *, below: int, above: int) -> Any:
    """(lu, pivots) of a banded matrix, A_ij at ab[above + i - j, j], for `solve_factored_banded`. No derivative.

    ab: (..., below + above + 1, n). lu: (..., n, 2 below + above + 1).
    """
    dtype, n = inexact(ab.dtype), ab.shape[-1]
    routine = _lapack("gbtrf", dtype)

    def one(ab: Any) -> Any:
        lu = np.zeros((n, 2 * below + above + 1), dtype)  # as LAPACK holds it, which goes by columns
        lu[:, below:] = ab.T
        _, pivots, info = routine(lu.T, below, above, overwrite_ab=True)
        if info > 0:
            raise np.linalg.LinAlgError("Singular matrix")
        return lu, pivots[None]

    return one(ab) if ab.ndim == 2 else each(one, [((n, 2 * below + above + 1), dtype), ((1, n), np.int32)], ab)


def _factored_infer(lu: Type, pivots: Type, b: Type, *, below: int, above: int) -> Type:
    lu, pivots, b = matrix(lu), matrix(pivots), matrix(b)
    if lu.shape[-1] != 2 * below + above + 1 or lu.shape[-2] != b.shape[-2] or pivots.shape[-1] != b.shape[-2]:
        raise ValueError(f"the factors of {below + above + 1} diagonals of length {b.shape[-2]} are needed")
    lead = np.broadcast_shapes(lu.shape[:-2], pivots.shape[:-2], b.shape[:-2])
    return Type(np.result_type(lu.dtype, b.dtype), (*lead, *b.shape[-2:]))


def _factored(below: int, above: int) -> Any:
    """A sample program: a large main diagonal, factored and solved with."""

    def program(ab: Any, b: Any) -> Any:
        main = 5.0 * (np.arange(below + above + 1) == above).astype(ab.dtype)[:, None]
        return solve_factored_banded(*factor_banded(ab + main, below=below, above=above), b, below=below, above=above)

    return program


@op(
    "linalg::solve_factored_banded", params={"below": INT, "above": INT}, infer=_factored_infer, batch=(2, 2, 2),
    rule=ZERO,
    samples=(
        Sample(((3, 7), (7, 2)), program=_factored(1, 1), smooth=False),
        Sample(((2, 4, 5), (5, 1)), program=_factored(1, 2), smooth=False),
    ),
)  # fmt: skip
def solve_factored_banded(lu: Any, pivots: Any, b: Any, *, below: int, above: int) -> Any:
    """X in A X = B with the factors of A. No derivative, for corrections of an iteration. b: (..., n, k)."""
    dtype = np.result_type(inexact(lu.dtype), inexact(b.dtype))
    routine = _lapack("gbtrs", dtype)

    def one(lu: Any, pivots: Any, b: Any) -> Any:
        return np.ascontiguousarray(routine(lu.T, below, above, b, pivots[0])[0])

    single = lu.ndim == pivots.ndim == b.ndim == 2
    return one(lu, pivots, b) if single else each(one, [(b.shape[-2:], dtype)], lu, pivots, b)


OPS: list[Op] = [solve_sylvester, solve_banded, factor_banded, solve_factored_banded]
