"""Functions of square matrices (exponential, logarithm, square root, ...), by SciPy.

F = f(A) for analytic f:  F' = L(A, A'), the Frechet derivative, which is linear in A' and whose
transpose is L(A^T, .). It is a corner of f of a matrix of twice the size, and so is its own derivative:

    f([[A, E], [0, A]]) = [[F, L(A, E)], [0, F]]
    dL(A, E)[A', E'] = the same corner of L([[A, E], [0, A]], [[A', E'], [0, A']])

so derivatives of every order are there, at twice the size for each further one. The root Y of A has
Y Y' + Y' Y = A', which keeps to its branch also where A has negative eigenvalues.
Source: Higham 2008, "Functions of matrices", theorem 3.6 (eq. 3.16), sections 3.2 and 6.1; Mathias 1996, "A
chain rule for matrix functions and applications".

The logarithm and the root of a real matrix may be complex, depending on its values: here they always are.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from adcore.extend import STR, Op, Rule, Sample, Type, op
from adcore_ops.extras import scipy
from adcore_ops.linalg.equations import solve_sylvester
from adcore_ops.linalg.matrix import complex_of, h, square, t
from adcore_ops.linalg.stacks import each, matrices

_CHANCE = threading.Lock()
FUNCTIONS_OF_MATRICES = ("expm", "logm", "cosm", "sinm", "tanm", "coshm", "sinhm", "tanhm")


def _dtype(dtype: Any, f: str) -> Any:
    return complex_of(dtype) if f == "logm" else dtype


def _infer(a: Type, *, f: str) -> Type:
    if f not in FUNCTIONS_OF_MATRICES:
        raise ValueError(f"{f!r} is none of {', '.join(FUNCTIONS_OF_MATRICES)}")
    a = square(a)
    return Type(_dtype(a.dtype, f), a.shape)


def _near_one(a: Any) -> Any:
    """A positive definite matrix near 1, where every function is analytic."""
    return np.eye(a.shape[-1], dtype=a.dtype) + 0.1 * (a @ h(a))


def _sample(f: str, dtype: str = "float64", shape: tuple[int, ...] = (3, 3)) -> Sample:
    return Sample((shape,), dtypes=(dtype,), program=lambda a: matrix_function(_near_one(a), f=f))


@op(
    "linalg::matrix_function", params={"f": STR}, infer=_infer, batch="core",
    rule=Rule(vjp=lambda g, y, a, *, f: frechet(t(a), g, f=f)),
    flops=lambda types, p: 30.0 * types[0].size * types[0].shape[-1], heap=matrices(8),
    samples=(
        _sample("expm"), _sample("expm", "complex128"), _sample("logm", shape=(2, 3, 3)), _sample("tanm"),
    ),
)  # fmt: skip
def matrix_function(a: Any, *, f: str) -> Any:
    """f(A), with f named as in scipy.linalg. a: (..., n, n).

    Raises LinAlgError for the logarithm of a singular matrix.
    """
    dtype = square_dtype(a)
    if not a.shape[-1]:
        return np.zeros(a.shape, _dtype(dtype, f))
    return each(lambda a: _evaluated(a, f), [(a.shape[-2:], _dtype(dtype, f))], a)


def square_dtype(a: Any) -> Any:
    """The dtype in which a matrix is given to LAPACK."""
    return square(Type(a.dtype, a.shape)).dtype


def _evaluated(a: Any, f: str) -> Any:
    """f of one matrix, in double precision."""
    if f != "logm":
        return getattr(scipy("linalg"), f)(_double(a))
    _check_regular(a, f)
    with _CHANCE:  # SciPy estimates norms from random vectors, and may choose another approximant each time
        before = np.random.get_state()
        np.random.seed(0)
        try:
            return scipy("linalg").logm(_double(a))
        finally:
            np.random.set_state(before)


def _double(a: Any) -> Any:
    return a.astype(np.complex128 if a.dtype.kind == "c" else np.float64)


def _check_regular(a: Any, f: str) -> None:
    s = np.linalg.svd(a, compute_uv=False)
    if s[-1] <= s[0] * len(s) * float(np.finfo(s.dtype).eps):
        raise np.linalg.LinAlgError(f"Singular matrix: {f} is not analytic there")


def _block(a: Any, e: Any, low: Any) -> Any:
    """[[A, E], [low, A]]."""
    return np.concatenate([np.concatenate([a, e], -1), np.concatenate([low, a], -1)], -2)


def _frechet_infer(a: Type, e: Type, *, f: str) -> Type:
    a, e = square(a), square(e)
    if a.shape[-1] != e.shape[-1]:
        raise ValueError(f"a direction of size {e.shape[-1]} does not fit a matrix of size {a.shape[-1]}")
    dtype = _dtype(np.result_type(a.dtype, e.dtype), f)
    return Type(dtype, (*np.broadcast_shapes(a.shape[:-2], e.shape[:-2]), *a.shape[-2:]))


def _frechet_vjp(g: Any, y: Any, a: Any, e: Any, *, f: str) -> Any:
    n = a.shape[-1]
    turned = t(a)
    zero = np.zeros_like(g)
    pair = np.broadcast_arrays(turned + zero, t(e) + zero)
    corner = frechet(_block(pair[0], zero, pair[1]), _block(zero, g, zero), f=f)
    return corner[..., :n, :n] + corner[..., n:, n:], frechet(turned, g, f=f)


@op(
    "linalg::frechet", params={"f": STR}, infer=_frechet_infer, batch=(2, 2), heap=matrices(36),
    rule=Rule(vjp=_frechet_vjp, broadcasts=True),
    samples=(
        Sample(((3, 3), (3, 3)), program=lambda a, e: frechet(_near_one(a), e, f="expm")),
        Sample(((2, 2), (2, 2)), dtypes=("complex128",) * 2, program=lambda a, e: frechet(_near_one(a), e, f="sinm")),
        Sample(((2, 2), (5, 2, 2)), program=lambda a, e: frechet(_near_one(a), e, f="logm")),
    ),
)  # fmt: skip
def frechet(a: Any, e: Any, *, f: str) -> Any:
    """L(A, E): the derivative of f at A in the direction E. a, e: (..., n, n); leading axes broadcast."""
    n = a.shape[-1]
    dtype = np.result_type(square_dtype(a), square_dtype(e))

    def one(a: Any, e: Any) -> Any:
        size, along = np.max(np.abs(a)), np.max(np.abs(e))
        if not along:
            return np.zeros_like(e)
        scale = (size or 1.0) / along  # E as large as A, so that neither loses its digits
        return _evaluated(_block(a, scale * e, np.zeros_like(a)), f)[:n, n:] / scale

    if not n:
        return np.zeros((*np.broadcast_shapes(a.shape[:-2], e.shape[:-2]), 0, 0), _dtype(dtype, f))
    return each(one, [((n, n), _dtype(dtype, f))], a, e)


# --- square root ---------------------------------------------------------------------------------


def _root_vjp(g: Any, y: Any, a: Any) -> Any:
    return solve_sylvester(t(y), t(y), g)


def _root_sample(dtype: str, shape: tuple[int, ...]) -> Sample:
    return Sample((shape,), dtypes=(dtype,), program=lambda a: sqrtm(_near_one(a)))


@op(
    "linalg::sqrtm", rule=Rule(vjp=_root_vjp), batch="core", heap=matrices(1),
    infer=lambda a: Type(complex_of(square(a).dtype), a.shape),
    samples=(_root_sample("float64", (2, 3, 3)), _root_sample("complex128", (3, 3))),
)  # fmt: skip
def sqrtm(a: Any) -> Any:
    """The principal square root of a: (..., n, n), complex. Raises LinAlgError for a singular matrix."""
    dtype = complex_of(square_dtype(a))
    routine = scipy("linalg").sqrtm

    def one(a: Any) -> Any:
        _check_regular(a, "sqrtm")
        return routine(_double(a))

    return each(one, [(a.shape[-2:], dtype)], a) if a.shape[-1] else np.zeros(a.shape, dtype)


OPS: list[Op] = [matrix_function, frechet, sqrtm]
