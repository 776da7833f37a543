"""scipy.linalg for traced arrays; see `adcore.scipy`. Options that only save copies or checks are taken and ignored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.errors import OpError
from adcore.scipy.theirs import array, arrays, theirs
from adcore.trace import op_call

__getattr__ = theirs("linalg")

_solve_triangular, _lu_factor = op_call("linalg::solve_triangular"), op_call("linalg::lu_factor")
_swap_rows, _matrix_function = op_call("linalg::swap_rows"), op_call("linalg::matrix_function")
_frechet, _sylvester = op_call("linalg::frechet"), op_call("linalg::solve_sylvester")
_solve_banded, _sqrtm = op_call("linalg::solve_banded"), op_call("linalg::sqrtm")


def _conj(x: Any) -> Any:
    return np.conjugate(x) if x.dtype.kind == "c" else x


def _t(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


def _h(x: Any) -> Any:
    return _conj(_t(x))


def _sides(solve: Callable[[Any], Any], b: Any) -> Any:
    """solve(b) for right sides in columns; one vector counts as one column."""
    return solve(b[:, None])[:, 0] if b.ndim == 1 else solve(b)


# --- systems -------------------------------------------------------------------------------------


def solve(a: Any, b: Any, lower: bool = False, *, transposed: bool = False, **options: Any) -> Any:
    """X in a X = b; in a^T X = b if transposed. Every structure is solved as a general one."""
    a, b = arrays(a, b)
    return _sides(lambda b: np.linalg.solve(_t(a) if transposed else a, b), b)


def inv(a: Any, **options: Any) -> Any:
    """The inverse."""
    return np.linalg.inv(array(a))


def det(a: Any, **options: Any) -> Any:
    """The determinant."""
    return np.linalg.det(array(a))


def pinv(a: Any, *, atol: float | None = None, rtol: float | None = None, **options: Any) -> Any:
    """The pseudoinverse; singular values up to rtol times the largest count as zero."""
    a = array(a)
    if atol:
        raise OpError("pinv with atol= depends on the largest singular value", instead="use rtol=")
    eps = float(np.finfo(a.dtype if a.dtype.kind in "fc" else np.float64).eps)
    return np.linalg.pinv(a, max(a.shape[-2:]) * eps if rtol is None else rtol)


def solve_triangular(
    a: Any, b: Any, trans: int | str = 0, lower: bool = False, unit_diagonal: bool = False, **options: Any
) -> Any:
    """X in T X = b, with T the upper (or lower) triangle of a; trans: 1 or "T" of T^T, 2 or "C" of T^H."""
    a, b = arrays(a, b)
    turned = {0: 0, 1: 1, 2: 2, "N": 0, "T": 1, "C": 2}[trans]
    if turned == 2:
        a = _conj(a)
    params = {"low": bool(lower), "transposed": turned > 0, "unit": bool(unit_diagonal)}
    return _sides(lambda b: _solve_triangular(a, b, **params), b)


def solve_banded(l_and_u: tuple[int, int], ab: Any, b: Any, **options: Any) -> Any:
    """X in A X = b, A given by its diagonals: A_ij at ab[u + i - j, j]."""
    ab, b = arrays(ab, b)
    below, above = l_and_u
    return _sides(lambda b: _solve_banded(ab, b, below=below, above=above), b)


def solve_sylvester(a: Any, b: Any, q: Any) -> Any:
    """X in a X + X b = q."""
    return _sylvester(*arrays(a, b, q))


def solve_continuous_lyapunov(a: Any, q: Any) -> Any:
    """X in a X + X a^H = q."""
    a, q = arrays(a, q)
    return _sylvester(a, _h(a), q)


def solve_discrete_lyapunov(a: Any, q: Any, method: str | None = None) -> Any:
    """X in a X a^H - X + q = 0, by the bilinear transform to the continuous equation.

    Source: Popov 1964, as in Gajic and Qureshi 1995, "Lyapunov matrix equation in system stability and control", p. 82.
    """
    a, q = arrays(a, q)
    eye = np.eye(a.shape[-1])
    inverse = np.linalg.inv(_h(a) + eye)
    b = (_h(a) - eye) @ inverse
    c = 2.0 * (_h(inverse) @ q @ inverse)
    return solve_continuous_lyapunov(_h(b), -c)


# --- factors -------------------------------------------------------------------------------------


def cholesky(a: Any, lower: bool = False, **options: Any) -> Any:
    """R upper triangular with R^H R = a, or L lower triangular with L L^H = a; reads the same triangle of a."""
    a = array(a)
    return np.linalg.cholesky(a) if lower else _h(np.linalg.cholesky(_h(a)))


def cho_factor(a: Any, lower: bool = False, **options: Any) -> tuple[Any, bool]:
    """The Cholesky factor, and which triangle it is in, for `cho_solve`."""
    return cholesky(a, lower), lower


def cho_solve(c_and_lower: tuple[Any, bool], b: Any, **options: Any) -> Any:
    """X in A X = b, from the Cholesky factor of A."""
    c, lower = c_and_lower
    first, second = ("N", "C") if lower else ("C", "N")
    return solve_triangular(c, solve_triangular(c, b, first, lower), second, lower)


def lu_factor(a: Any, **options: Any) -> tuple[Any, Any]:
    """L and U in one matrix, and the swaps of rows, for `lu_solve`."""
    a = array(a)
    lu, pivots = _lu_factor(a)
    return lu, pivots


def lu_solve(lu_and_piv: tuple[Any, Any], b: Any, trans: int = 0, **options: Any) -> Any:
    """X in A X = b from the LU factors of A; trans: 1 for A^T X = b, 2 for A^H X = b."""
    lu, pivots = lu_and_piv
    lu, b = arrays(lu, b)
    if trans == 2:
        return _conj(lu_solve((lu, pivots), _conj(b), 1))

    def solved(b: Any) -> Any:
        if trans:
            y = _solve_triangular(lu, b, low=False, transposed=True, unit=False)
            return _swap_rows(_solve_triangular(lu, y, low=True, transposed=True, unit=True), pivots, back=True)
        y = _solve_triangular(lu, _swap_rows(b, pivots, back=False), low=True, transposed=False, unit=True)
        return _solve_triangular(lu, y, low=False, transposed=False, unit=False)

    return _sides(solved, b)


def lu(a: Any, permute_l: bool = False, **options: Any) -> Any:
    """P, L and U with a = P L U; or P L and U."""
    a = array(a)
    packed, pivots = _lu_factor(a)
    m, n = a.shape[-2:]
    k = min(m, n)
    low = np.tril(packed[..., :k], -1) + np.eye(m, k, dtype=packed.dtype)
    high = np.triu(packed[..., :k, :])
    if permute_l:
        return _swap_rows(low, pivots, back=True), high
    eye = np.eye(m, dtype=np.empty(0, packed.dtype).real.dtype)
    return _swap_rows(eye, pivots, back=True), low, high


def qr(a: Any, mode: str = "full", pivoting: bool = False, **options: Any) -> Any:
    """Q and R; modes "full", "economic" and "r" (R alone)."""
    if pivoting or mode == "raw":
        raise OpError("qr with pivoting=True or mode='raw' has no op here", instead="use np.linalg.qr's modes")
    a = array(a)
    if mode == "r":
        return (np.linalg.qr(a, "complete")[1],)
    name: Any = {"full": "complete", "economic": "reduced"}[mode]
    return tuple(np.linalg.qr(a, name))


def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, **options: Any) -> Any:
    """U, s, V^H; or s alone."""
    return tuple(np.linalg.svd(array(a), full_matrices)) if compute_uv else svdvals(a)


def svdvals(a: Any, **options: Any) -> Any:
    """The singular values."""
    return np.linalg.svd(array(a), compute_uv=False)


def eigh(a: Any, b: Any = None, *, lower: bool = True, eigvals_only: bool = False, **options: Any) -> Any:
    """Eigenvalues and eigenvectors of a Hermitian matrix; with b, of a v = w b v, b positive definite."""
    if options.keys() - {"overwrite_a", "overwrite_b", "check_finite", "driver"} or options.get("type", 1) != 1:
        raise OpError("eigh of a subset, or of another type, has no op here", instead="take part of all eigenvalues")
    a = array(a)
    triangle: Any = "L" if lower else "U"
    if b is None:
        return np.linalg.eigvalsh(a, triangle) if eigvals_only else tuple(np.linalg.eigh(a, triangle))
    # with b = L L^H: the standard problem of L^-1 a L^-H, and v = L^-H u
    factor = cholesky(b if lower else _h(array(b)), lower=True)
    half = a if lower else _h(a)
    whole = np.tril(half) + _h(np.tril(half, -1))
    inner = _h(solve_triangular(factor, _h(solve_triangular(factor, whole, lower=True)), lower=True))
    if eigvals_only:
        return np.linalg.eigvalsh(inner)
    w, u = np.linalg.eigh(inner)
    return w, solve_triangular(factor, u, "C", lower=True)


def eigvalsh(a: Any, b: Any = None, *, lower: bool = True, **options: Any) -> Any:
    """Eigenvalues of a Hermitian matrix, or of a v = w b v."""
    return eigh(a, b, lower=lower, eigvals_only=True, **options)


def eig(a: Any, b: Any = None, left: bool = False, right: bool = True, **options: Any) -> Any:
    """Eigenvalues and right eigenvectors, complex."""
    if b is not None or left:
        raise OpError("eig with b= or left=True has no op here", instead="use the right eigenvectors of a")
    w, v = np.linalg.eig(array(a))
    return (w, v) if right else w


def eigvals(a: Any, **options: Any) -> Any:
    """Eigenvalues, complex."""
    return np.linalg.eigvals(array(a))


def norm(a: Any, ord: Any = None, axis: Any = None, keepdims: bool = False, check_finite: bool = True) -> Any:
    """The norm of that order."""
    return np.linalg.norm(array(a), ord, axis, keepdims)


# --- functions of matrices -----------------------------------------------------------------------


def _of_matrices(name: str) -> Callable[..., Any]:
    def function(A: Any, **options: Any) -> Any:
        return _matrix_function(array(A), f=name)

    function.__name__, function.__doc__ = name, f"scipy.linalg.{name} of square matrices."
    return function


expm, logm = _of_matrices("expm"), _of_matrices("logm")
cosm, sinm, tanm = _of_matrices("cosm"), _of_matrices("sinm"), _of_matrices("tanm")
coshm, sinhm, tanhm = _of_matrices("coshm"), _of_matrices("sinhm"), _of_matrices("tanhm")


def sqrtm(A: Any, **options: Any) -> Any:
    """The principal square root of square matrices, complex."""
    return _sqrtm(array(A))


def expm_frechet(
    A: Any, E: Any, method: str | None = None, compute_expm: bool = True, check_finite: bool = True
) -> Any:
    """The exponential of A, and its derivative in the direction E; or the derivative alone."""
    a, e = arrays(A, E)
    return (expm(a), _frechet(a, e, f="expm")) if compute_expm else _frechet(a, e, f="expm")


# --- matrices of other shapes --------------------------------------------------------------------


def block_diag(*arrs: Any) -> Any:
    """The matrices one after the other along the diagonal, zeros elsewhere."""
    blocks = [np.reshape(x, (1, -1)) if x.ndim < 2 else x for x in arrays(*arrs)]
    width = sum(x.shape[-1] for x in blocks)
    rows, at = [], 0
    for x in blocks:
        sides = [(0, 0)] * (x.ndim - 1) + [(at, width - at - x.shape[-1])]
        rows.append(np.pad(x, sides))
        at += x.shape[-1]
    return np.concatenate(rows, axis=-2) if rows else np.zeros((1, 0))


def toeplitz(c: Any, r: Any = None) -> Any:
    """The matrix with constant diagonals, first column c and first row r (its conjugate, if not given)."""
    c = array(c)
    r = array(_conj(c) if r is None else r)
    c, r = np.reshape(c, -1), np.reshape(r, -1)
    both = np.concatenate([np.flip(c), r[1:]])
    index = np.arange(c.shape[0])[::-1, None] + np.arange(r.shape[0])[None, :]
    return np.take(both, index)


def circulant(c: Any) -> Any:
    """The matrix whose columns are c, rolled by 0, 1, ..."""
    c = array(c)
    n = c.shape[-1]
    return np.take(c, (np.arange(n)[:, None] - np.arange(n)[None, :]) % n, axis=-1)


def hankel(c: Any, r: Any = None) -> Any:
    """The matrix with constant antidiagonals, first column c and last row r (zeros, if not given)."""
    c = array(c)
    r = array(np.zeros_like(c) if r is None else r)
    both = np.concatenate([c, r[1:]])
    return np.take(both, np.arange(c.shape[0])[:, None] + np.arange(r.shape[0])[None, :])


def khatri_rao(a: Any, b: Any) -> Any:
    """Kronecker products column by column."""
    a, b = arrays(a, b)
    product = a[..., :, None, :] * b[..., None, :, :]
    return np.reshape(product, (*product.shape[:-3], a.shape[-2] * b.shape[-2], product.shape[-1]))
