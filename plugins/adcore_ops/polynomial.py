"""Polynomials as arrays of coefficients, the highest power first: np.polyval and its relatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adcore_ops.convolve import np_convolve
from adcore_ops.join import np_concatenate
from adcore_ops.shape import lifted, np_reshape


def polyval(p: Any, x: Any) -> Any:
    """np.polyval, by Horner's scheme."""
    x, y = lifted(x), None
    for c in p:
        y = np.zeros_like(x) + c if y is None else y * x + c
    return np.zeros_like(x) if y is None else y


def _coefficients(p: Any) -> Any:
    p = lifted(p)
    return np_reshape(p, 1) if not p.ndim else p


def _sum(a1: Any, a2: Any, combine: np.ufunc) -> Any:
    a, b = _coefficients(a1), _coefficients(a2)
    n = max(a.shape[0], b.shape[0])
    return combine(*(np.pad(x, (n - x.shape[0], 0)) for x in (a, b)))


def polymul(a1: Any, a2: Any) -> Any:
    """np.polymul."""
    return np_convolve(_coefficients(a1), _coefficients(a2))


def polyder(p: Any, m: int = 1) -> Any:
    """np.polyder."""
    p = _coefficients(p)
    for _ in range(m):
        p = p[:-1] * np.arange(p.shape[0] - 1, 0, -1)
    return p


def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """np.polyint."""
    p = _coefficients(p) * 1.0
    constants = np.broadcast_to(lifted(0.0 if k is None else k), m) if np.ndim(k) == 0 or k is None else k
    for i in range(m):
        grown = p / np.arange(p.shape[0], 0, -1)
        p = np_concatenate([grown, np_reshape(lifted(constants[i]), 1)])
    return p


def polydiv(u: Any, v: Any) -> tuple[Any, Any]:
    """np.polydiv; leading zeros of a traced remainder are kept, for they are not known."""
    u, v = _coefficients(u) + 0.0, _coefficients(v) + 0.0
    m, n = u.shape[0] - 1, v.shape[0] - 1
    if m < n:
        return np.zeros_like(u, shape=1), u
    quotient = []
    for k in range(m - n + 1):
        d = u[k] / v[0]
        quotient.append(d)
        u = np_concatenate([u[:k], u[k : k + n + 1] - d * v, u[k + n + 1 :]])
    return np.stack(quotient), u[m - n + 1 :] if n else np.zeros_like(u, shape=1)


def poly(seq_of_zeros: Any) -> Any:
    """np.poly: the polynomial with these roots; of a matrix, its characteristic polynomial."""
    roots = lifted(seq_of_zeros)
    if roots.ndim == 2:
        found = poly(np.linalg.eigvals(roots))
        return found if roots.dtype.kind == "c" else np.real(found)
    a = np.ones_like(roots, shape=1)
    for i in range(roots.shape[0]):
        a = np_concatenate([a, np.zeros_like(a, shape=1)]) - np_concatenate([np.zeros_like(a, shape=1), a * roots[i]])
    return a


def polyfit(x: Any, y: Any, deg: Any, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False) -> Any:
    """np.polyfit of a degree, without its diagnostics."""
    if full or cov is not False:
        raise TypeError("np.polyfit of traced values gives the coefficients only: leave full= and cov= away")
    x, y = lifted(x) + 0.0, lifted(y) + 0.0
    left = np.vander(x, int(deg) + 1)
    if w is not None:
        w = lifted(w) + 0.0
        left, y = left * w[:, None], y * (w[:, None] if y.ndim == 2 else w)
    scale = np.sqrt(np.sum(left * left, axis=0))
    found = np.linalg.lstsq(left / scale, y, x.shape[0] * np.finfo(x.dtype).eps if rcond is None else rcond)[0]
    return found / (scale if found.ndim == 1 else scale[:, None])


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.polyval: polyval,
    np.polyadd: lambda a1, a2: _sum(a1, a2, np.add),
    np.polysub: lambda a1, a2: _sum(a1, a2, np.subtract),
    np.polymul: polymul,
    np.polyder: polyder,
    np.polyint: polyint,
    np.polydiv: polydiv,
    np.poly: poly,
    np.polyfit: polyfit,
}
