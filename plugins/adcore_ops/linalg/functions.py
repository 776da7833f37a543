"""The functions of numpy.linalg, made of the ops; results are NumPy's own named tuples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adcore.extend import OpError
from adcore_ops.diagonal import diagonal, trace
from adcore_ops.linalg.eigen import eig, eigh, eigvals, eigvalsh
from adcore_ops.linalg.factor import cholesky, qr
from adcore_ops.linalg.matrix import h, real_of
from adcore_ops.linalg.norm import matrix_norm, norm, vector_norm
from adcore_ops.linalg.singular import pinv, svd, svdvals
from adcore_ops.linalg.solve import det, inv, slogdet, solve
from adcore_ops.matmul import cross, np_matmul, outer, tensordot
from adcore_ops.reduce import NOTHING
from adcore_ops.shape import axis_of, lifted, np_reshape, np_transpose, transpose

_ONE = np.ones((1, 1))
EigResult, EighResult = type(np.linalg.eig(_ONE)), type(np.linalg.eigh(_ONE))
QRResult, SVDResult = type(np.linalg.qr(_ONE)), type(np.linalg.svd(_ONE))
SlogdetResult = type(np.linalg.slogdet(_ONE))


# --- systems -------------------------------------------------------------------------------------


def np_solve(a: Any, b: Any) -> Any:
    """np.linalg.solve: b is one vector if it has one axis, else matrices."""
    a, b = lifted(a), lifted(b)
    if b.ndim == 1:
        return solve(a, b[:, None])[..., 0]
    return solve(a, b)


def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """np.linalg.tensorsolve."""
    a, b = lifted(a), lifted(b)
    if axes is not None:
        moved = [axis_of(i, a.ndim) for i in axes]
        a = np_transpose(a, [i for i in range(a.ndim) if i not in moved] + moved)
    shape = a.shape[b.ndim :]
    size = int(np.prod(shape, dtype=int))
    if b.size != size:
        raise np.linalg.LinAlgError(
            "Input arrays must satisfy the requirement prod(a.shape[b.ndim:]) == prod(a.shape[:b.ndim])"
        )
    return np_reshape(np_solve(np_reshape(a, (size, size)), np_reshape(b, -1)), shape)


def tensorinv(a: Any, ind: int = 2) -> Any:
    """np.linalg.tensorinv."""
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    rows = int(np.prod(a.shape[:ind], dtype=int))
    return np_reshape(inv(np_reshape(a, (rows, -1))), a.shape[ind:] + a.shape[:ind])


def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """np.linalg.lstsq, by the pseudoinverse.

    The residuals are given whenever there are more rows than columns: whether the columns are
    independent cannot be known while tracing (NumPy gives no residuals if they are not).
    """
    a, b = lifted(a), lifted(b)
    m, n = a.shape[-2:]
    cut = (
        float(np.finfo(real_of(a.dtype)).eps * (max(m, n) if rcond is None else 1.0)) if rcond in (None, -1) else rcond
    )
    x = np_matmul(pinv(a, rcond=float(cut)), b)
    s = svdvals(a)
    rank = np.sum(s > cut * s[..., :1], axis=-1)
    rest = b - np_matmul(a, x)
    residuals = np.sum(np.real(rest * np.conjugate(rest)), axis=0)
    return x, np_reshape(residuals, -1) if m > n else np.zeros_like(residuals, shape=(0,)), rank, s


def np_pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = NOTHING) -> Any:
    """np.linalg.pinv."""
    if rcond is None:
        given = rtol is not None and rtol is not NOTHING
        least = max(a.shape[-2:]) * float(np.finfo(real_of(a.dtype)).eps)
        rcond = rtol if given else least if rtol is None else 1e-15
    return pinv(a, rcond=float(rcond))


# --- factors -------------------------------------------------------------------------------------


def np_cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """np.linalg.cholesky."""
    return h(cholesky(h(a))) if upper else cholesky(a)


def np_qr(a: Any, mode: str = "reduced") -> Any:
    """np.linalg.qr, in the modes reduced, complete and r."""
    if mode not in ("reduced", "complete", "r"):
        raise OpError(
            f"np.linalg.qr of mode {mode!r} gives Householder vectors, which have no op here",
            instead="use the modes 'reduced', 'complete' or 'r'",
        )
    q, r = qr(a, complete=mode == "complete")
    return r if mode == "r" else QRResult(q, r)


def np_svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """np.linalg.svd."""
    return SVDResult(*svd(a, full=bool(full_matrices))) if compute_uv else svdvals(a)


def _upper(letter: str) -> bool:
    if letter.upper() not in ("L", "U"):
        raise ValueError("UPLO argument must be 'L' or 'U'")
    return letter.upper() == "U"


# --- numbers of a matrix -------------------------------------------------------------------------


def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """np.linalg.matrix_rank: an integer, so without derivative."""
    if A.ndim < 2:
        return np.any(A != 0).astype(np.intp)
    s = svdvals(A)
    if tol is None:
        scale = max(A.shape[-2:]) * float(np.finfo(s.dtype).eps) if rtol is None else np.asarray(rtol)[..., None]
        limit = np.max(s, axis=-1, keepdims=True) * scale
    else:
        limit = np.asarray(tol)[..., None]
    return np.sum(s > limit, axis=-1)


def cond(x: Any, p: Any = None) -> Any:
    """np.linalg.cond."""
    if p in (None, 2, -2):
        s = svdvals(x)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return norm(x, p, (-2, -1)) * norm(inv(x), p, (-2, -1))


# --- products ------------------------------------------------------------------------------------


def matrix_power(a: Any, n: int) -> Any:
    """np.linalg.matrix_power: by repeated squaring."""
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise np.linalg.LinAlgError("Last 2 dimensions of the array must be square")
    if n < 0:
        a, n = inv(a), -n
    if n == 0:
        return np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape) + np.zeros_like(a)
    result = None
    while n:
        if n % 2:
            result = a if result is None else np_matmul(result, a)
        n //= 2
        a = np_matmul(a, a) if n else a
    return result


def multi_dot(arrays: Sequence[Any], *, out: Any = None) -> Any:
    """np.linalg.multi_dot: in the order of least work.

    Source: Cormen et al. 2009, "Introduction to Algorithms", section 15.2.
    """
    xs = [lifted(x) for x in arrays]
    if len(xs) < 2:
        raise ValueError("Expecting at least two arrays.")
    first, last = xs[0].ndim == 1, xs[-1].ndim == 1
    if first:
        xs[0] = xs[0][None, :]
    if last:
        xs[-1] = xs[-1][:, None]
    if any(x.ndim != 2 for x in xs):
        raise np.linalg.LinAlgError("multi_dot takes matrices, and vectors as first or last")
    result = _chain(xs, _cuts([xs[0].shape[0], *(x.shape[1] for x in xs)]), 0, len(xs) - 1)
    if first:
        result = result[0]
    return result[..., 0] if last else result


def _cuts(sizes: list[int]) -> dict[tuple[int, int], int]:
    """Where to split each sub-chain of a product of matrices of these sizes."""
    n = len(sizes) - 1
    work = {(i, i): 0 for i in range(n)}
    cut: dict[tuple[int, int], int] = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            costs = [work[i, k] + work[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1] for k in range(i, j)]
            work[i, j] = min(costs)
            cut[i, j] = i + costs.index(work[i, j])
    return cut


def _chain(xs: list[Any], cut: dict[tuple[int, int], int], i: int, j: int) -> Any:
    if i == j:
        return xs[i]
    return np_matmul(_chain(xs, cut, i, cut[i, j]), _chain(xs, cut, cut[i, j] + 1, j))


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.linalg.solve: np_solve,
    np.linalg.tensorsolve: tensorsolve,
    np.linalg.tensorinv: tensorinv,
    np.linalg.lstsq: lstsq,
    np.linalg.inv: lambda a: inv(a),
    np.linalg.pinv: np_pinv,
    np.linalg.det: lambda a: det(a),
    np.linalg.slogdet: lambda a: SlogdetResult(*slogdet(a)),
    np.linalg.cholesky: np_cholesky,
    np.linalg.qr: np_qr,
    np.linalg.svd: np_svd,
    np.linalg.eigh: lambda a, UPLO="L": EighResult(*eigh(a, upper=_upper(UPLO))),
    np.linalg.eigvalsh: lambda a, UPLO="L": eigvalsh(a, upper=_upper(UPLO)),
    np.linalg.eig: lambda a: EigResult(*eig(a)),
    np.linalg.eigvals: lambda a: eigvals(a),
    np.linalg.norm: norm,
    np.linalg.cond: cond,
    np.linalg.matrix_rank: matrix_rank,
    np.linalg.matrix_power: matrix_power,
    np.linalg.multi_dot: multi_dot,
}

# the array API's names, which NumPy 2 added
FUNCTIONS |= {
    getattr(np.linalg, name): function
    for name, function in {
        "svdvals": lambda x, /: svdvals(x),
        "vector_norm": vector_norm,
        "matrix_norm": matrix_norm,
        "matrix_transpose": lambda x, /: transpose(x, perm=(1, 0)),
        "diagonal": lambda x, /, *, offset=0: diagonal(x, offset, -2, -1),
        "trace": lambda x, /, *, offset=0, dtype=None: trace(x, offset, -2, -1, dtype),
        "outer": lambda x1, x2, /: outer(x1, x2),
        "cross": lambda x1, x2, /, *, axis=-1: cross(x1, x2, axis=axis),
        "matmul": lambda x1, x2, /: np_matmul(x1, x2),
        "tensordot": lambda x1, x2, /, *, axes=2: tensordot(x1, x2, axes),
        "vecdot": lambda x1, x2, /, *, axis=-1: np.vecdot(x1, x2, axis=axis),
    }.items()
    if hasattr(np.linalg, name)
}
