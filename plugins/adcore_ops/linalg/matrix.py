"""What the rules for matrices share: the types they take, transposes, triangles, divided differences."""

from __future__ import annotations

from typing import Any

import numpy as np

from adcore.extend import Type, op_call

transpose = op_call("core::transpose")


# --- types ---------------------------------------------------------------------------------------


def inexact(dtype: Any) -> Any:
    """The dtype that LAPACK computes in: float32, float64 or their complex kin; integers become float64."""
    if dtype.kind in "biu":
        return np.dtype(np.float64)
    if dtype.char not in "fdFD":
        raise TypeError(f"there is no LAPACK routine for {dtype.name}; convert it to float32 or float64")
    return dtype


def real_of(dtype: Any) -> Any:
    """The dtype of the real part."""
    return np.empty(0, dtype).real.dtype


def complex_of(dtype: Any) -> Any:
    """The complex dtype of the same precision."""
    return np.result_type(dtype, np.complex64)


def matrix(a: Type) -> Type:
    """The type of a stack of matrices, in the dtype that LAPACK computes in."""
    if a.ndim < 2:
        raise ValueError("a matrix, or a stack of them, is needed: at least two axes")
    return Type(inexact(a.dtype), a.shape)


def square(a: Type) -> Type:
    """The type of a stack of square matrices."""
    a = matrix(a)
    if a.shape[-1] != a.shape[-2]:
        raise ValueError(f"a square matrix is needed, not one of {a.shape[-2]} rows and {a.shape[-1]} columns")
    return a


# --- transposes and triangles --------------------------------------------------------------------


def t(x: Any) -> Any:
    """The transpose: the last two axes swapped."""
    return transpose(x, perm=(1, 0))


def h(x: Any) -> Any:
    """The conjugate transpose."""
    return np.conjugate(t(x)) if x.dtype.kind == "c" else t(x)


def conj(x: Any) -> Any:
    """The conjugate; a real array as it is."""
    return np.conjugate(x) if x.dtype.kind == "c" else x


def real(x: Any) -> Any:
    """The real part; a real array as it is."""
    return np.real(x) if x.dtype.kind == "c" else x


def masked(mask: Any, x: Any) -> Any:
    """x where the mask is set, else zero, in the dtype of x."""
    return np.where(mask, x, np.zeros((), x.dtype)[()])


def lower(x: Any, k: int = 0) -> Any:
    """The elements on and below diagonal k."""
    return masked(np.tri(*x.shape[-2:], k, dtype=bool), x)


def upper(x: Any, k: int = 0) -> Any:
    """The elements on and above diagonal k."""
    return masked(~np.tri(*x.shape[-2:], k - 1, dtype=bool), x)


def diagonal(x: Any) -> Any:
    """The diagonals of a stack of square matrices."""
    return np.diagonal(x, axis1=-2, axis2=-1)


def on_diagonal(x: Any) -> Any:
    """The diagonal matrices of a stack of vectors."""
    return masked(np.eye(x.shape[-1], dtype=bool), x[..., None, :])


def hermitian(x: Any, from_upper: bool = False) -> Any:
    """The Hermitian matrix of which x holds one triangle: what LAPACK reads of x, and nothing else.

    The other triangle and the imaginary part of the diagonal do not count.
    """
    half = upper(x, 1) if from_upper else lower(x, -1)
    return half + h(half) + masked(np.eye(x.shape[-1], dtype=bool), real(x))


# --- divided differences -------------------------------------------------------------------------


def rounding(values: Any, n: int) -> Any:
    """How far apart values computed from an n by n matrix must be to be told apart: n eps max|values|.

    Shape (..., 1), for values of shape (..., k).
    """
    eps = float(np.finfo(values.dtype).eps)
    return n * eps * np.max(np.abs(values), axis=-1, keepdims=True)


def inverse_unless(zero: Any, x: Any) -> Any:
    """1 / x, and 0 where `zero` is set."""
    one = np.ones((), x.dtype)[()]
    return masked(~zero if isinstance(zero, np.ndarray) else np.logical_not(zero), one / np.where(zero, one, x))


def inverse_gaps(values: Any, n: int) -> Any:
    """The matrix 1 / (values_j - values_i) at (i, j), and 0 for pairs that rounding cannot tell apart.

    The zeros are a choice: within a repeated eigenvalue the eigenvectors have no derivative, and what
    does not depend on how they are chosen gets no share of it from them.
    """
    gaps = values[..., None, :] - values[..., :, None]
    near = np.abs(gaps) <= rounding(values, n)[..., None]
    return inverse_unless(near, gaps)
