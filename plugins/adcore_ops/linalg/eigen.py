"""Eigenvalues and eigenvectors.

A V = V diag(w):  M = V^-1 A' V,  w' = diag(M),  V' = V (F * M) + V diag(c),  F_ij = 1 / (w_j - w_i).
c is what the scaling of the vectors demands: unit length, and the largest component real (LAPACK
geev); for Hermitian A, where V^-1 = V^H, it is zero.
Source: Giles 2008, section 3.1; Boeddeker et al. 2017, "On the computation of complex-valued
gradients ...", section 4.5; Walter and Lehmann 2010, "Computation of higher-order derivatives ...".

Chosen values. Where eigenvalues are repeated (within rounding) F is zero: sums over a repeated
eigenvalue, and whatever does not depend on the choice of basis in its space to first order, are
right; single eigenvectors there have no derivative. eigh reads one triangle of A and so does its
derivative: in the other one it is zero. The phase of an eigenvector of a complex Hermitian matrix
is not fixed by LAPACK's interface: use what does not depend on it.

NumPy's eig of a real matrix gives a real or complex result, depending on its values; here it is
always complex.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adcore.extend import BOOL, Op, Rule, Sample, Type, op
from adcore_ops.linalg.matrix import (
    complex_of,
    conj,
    diagonal,
    h,
    hermitian,
    inverse_gaps,
    real,
    real_of,
    square,
)
from adcore_ops.linalg.solve import solve

# --- Hermitian matrices --------------------------------------------------------------------------


def _values(a: Type, dtype: Any) -> Type:
    return Type(dtype, a.shape[:-1])


def _eigh_infer(a: Type, *, upper: bool) -> tuple[Type, Type]:
    a = square(a)
    return _values(a, real_of(a.dtype)), a


def _eigh_jvp(ts: Any, y: Any, a: Any, *, upper: bool) -> Any:
    w, v = y
    m = h(v) @ hermitian(ts[0], upper) @ v
    return real(diagonal(m)), v @ (inverse_gaps(w, a.shape[-1]) * m)


def _spectrum(a: Any, upper: bool) -> Any:
    """A sample program: eigenvalues and the sizes of the components, which no phase changes."""
    w, v = eigh(a, upper=upper)
    return w, real(v * conj(v))


@op(
    "linalg::eigh", params={"upper": BOOL}, infer=_eigh_infer, rule=Rule(jvp=_eigh_jvp), batch="core",
    samples=(
        Sample(((3, 3),), params={"upper": False}), Sample(((2, 5, 5),), params={"upper": True}),
        Sample(((3, 3),), dtypes=("complex128",), program=lambda a: _spectrum(a, False)),
        Sample(((5, 5),), dtypes=("complex128",), program=lambda a: _spectrum(a, True)),
    ),
)  # fmt: skip
def eigh(a: Any, *, upper: bool) -> Any:
    """Eigenvalues, ascending, and eigenvectors of a Hermitian matrix. Reads one triangle of a: (..., n, n)."""
    return tuple(np.linalg.eigh(a, "U" if upper else "L"))


def _eigvalsh_jvp(ts: Any, y: Any, a: Any, *, upper: bool) -> Any:
    _, v = eigh(a, upper=upper)
    return real(np.sum(conj(v) * (hermitian(ts[0], upper) @ v), axis=-2))


@op(
    "linalg::eigvalsh", params={"upper": BOOL}, rule=Rule(jvp=_eigvalsh_jvp), batch="core",
    infer=lambda a, *, upper: _values(a, real_of(square(a).dtype)),
    samples=(
        Sample(((3, 3),), params={"upper": False}), Sample(((2, 5, 5),), params={"upper": True}),
        Sample(((3, 3),), dtypes=("complex128",), params={"upper": False}),
    ),
)  # fmt: skip
def eigvalsh(a: Any, *, upper: bool) -> Any:
    """Eigenvalues, ascending, of a Hermitian matrix. Reads one triangle of a: (..., n, n)."""
    return np.linalg.eigvalsh(a, "U" if upper else "L")


# --- general matrices ----------------------------------------------------------------------------


def _eig_infer(a: Type) -> tuple[Type, Type]:
    a = square(a)
    dtype = complex_of(a.dtype)
    return _values(a, dtype), Type(dtype, a.shape)


def _eig_jvp(ts: Any, y: Any, a: Any) -> Any:
    w, v = y
    n = a.shape[-1]
    m = solve(v, ts[0] @ v)
    u = v @ (inverse_gaps(w, n) * m)
    largest = np.argmax(real(v * conj(v)), axis=-2)
    pick = np.equal(np.arange(n)[:, None], largest[..., None, :])
    stretch = real(np.sum(conj(v) * u, axis=-2))
    turn = np.imag(np.sum(pick * u, axis=-2) / np.sum(pick * v, axis=-2))
    return diagonal(m), u - v * (stretch + 1j * turn)[..., None, :]


@op(
    "linalg::eig", infer=_eig_infer, rule=Rule(jvp=_eig_jvp), batch="core",
    samples=(Sample(((3, 3),)), Sample(((2, 5, 5),), dtypes=("complex128",))),
)  # fmt: skip
def eig(a: Any) -> Any:
    """Eigenvalues and right eigenvectors of a: (..., n, n), both complex."""
    w, v = np.linalg.eig(a)
    dtype = complex_of(v.dtype)
    return w.astype(dtype, copy=False), v.astype(dtype, copy=False)


def _eigvals_jvp(ts: Any, y: Any, a: Any) -> Any:
    _, v = eig(a)
    return diagonal(solve(v, ts[0] @ v))


@op(
    "linalg::eigvals", rule=Rule(jvp=_eigvals_jvp), batch="core",
    infer=lambda a: _values(a, complex_of(square(a).dtype)),
    samples=(Sample(((3, 3),)), Sample(((2, 5, 5),), dtypes=("complex128",))),
)  # fmt: skip
def eigvals(a: Any) -> Any:
    """Eigenvalues of a: (..., n, n), complex."""
    w = np.linalg.eigvals(a)
    return w.astype(complex_of(w.dtype), copy=False)


OPS: list[Op] = [eigh, eigvalsh, eig, eigvals]
