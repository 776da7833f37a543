"""scipy.special for traced arrays; see `adcore.scipy`. Its ufuncs are SciPy's own, which record themselves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adcore.scipy.theirs import array, arrays, theirs
from adcore.trace import op_call

__getattr__ = theirs("special")

_polygamma, _gammaln, _binom = op_call("special::polygamma"), op_call("special::gammaln"), op_call("special::binom")
_poch, _shift = op_call("special::poch"), op_call("special::shift")
_gamma, _harmonic = op_call("special::gamma"), op_call("special::sph_harm_y")


def _axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """Axes counted from the end; None is all of them."""
    if axis is None:
        return tuple(range(-ndim, 0))
    return tuple(sorted(np.lib.array_utils.normalize_axis_index(a, ndim) - ndim for a in np.atleast_1d(axis).tolist()))


# --- sums of exponentials ------------------------------------------------------------------------


def logsumexp(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False) -> Any:
    """log sum b exp(a); with return_sign the logarithm of its size, and its sign.

    The derivative is shared among the largest elements equally where they are infinite.
    """
    a = array(a)
    if b is None and not return_sign and a.dtype.kind != "c":
        axes = _axes(axis, a.ndim)
        y = op_call("special::logsumexp")(a, axes=axes)
        kept = tuple(1 if i - a.ndim in axes else n for i, n in enumerate(a.shape))
        return np.reshape(y, kept) if keepdims else y[()] if isinstance(y, np.ndarray) else y
    b = array(1.0 if b is None else b)
    a = np.broadcast_to(a, np.broadcast_shapes(a.shape, b.shape))
    axes = _axes(axis, a.ndim)
    size = np.real(a) if a.dtype.kind == "c" else a
    top = _shift(np.where(b == 0, -np.inf, size), axes=axes)
    terms = b * np.exp(np.where(b == 0, 0.0, a - top))
    where = tuple(i + a.ndim for i in axes)
    total = np.sum(terms, axis=where, keepdims=True)
    sign = np.sign(total) if return_sign else None
    nothing = total == 0
    y = np.where(nothing, -np.inf, np.log(np.where(nothing, 1.0, np.abs(total) if return_sign else total)) + top)
    if not keepdims:
        y, sign = np.squeeze(y, where), None if sign is None else np.squeeze(sign, where)
    return (y, sign) if return_sign else y


def softmax(x: Any, axis: Any = None) -> Any:
    """exp(x) over its sum."""
    x = array(x)
    if x.dtype.kind == "c":
        axes = _axes(axis, x.ndim)
        terms = np.exp(x - _shift(np.real(x), axes=axes))
        return terms / np.sum(terms, axis=axes, keepdims=True)
    return op_call("special::softmax")(x, axes=_axes(axis, x.ndim))


def log_softmax(x: Any, axis: Any = None) -> Any:
    """x less the logarithm of the sum of exp(x)."""
    x = array(x)
    if x.dtype.kind == "c":
        return x - logsumexp(x, axis, keepdims=True)
    return op_call("special::log_softmax")(x, axes=_axes(axis, x.ndim))


# --- functions that SciPy writes in Python -------------------------------------------------------


def polygamma(n: Any, x: Any) -> Any:
    """The n-th derivative of digamma at x, real or complex."""
    return _polygamma(*arrays(n, x))


def multigammaln(a: Any, d: int) -> Any:
    """The logarithm of the gamma function of d by d matrices.

    Source: Muirhead 1982, "Aspects of multivariate statistical theory", theorem 2.1.12.
    """
    a = array(a)
    total = d * (d - 1) * 0.25 * math.log(math.pi)
    for j in range(d):
        total = total + _gammaln(a - 0.5 * j)
    return total


def comb(N: Any, k: Any, *, exact: bool = False, repetition: bool = False) -> Any:
    """N choose k, as a function of real numbers; 0 where k is not between 0 and N."""
    if exact:
        return __getattr__("comb")(N, k, exact=exact, repetition=repetition)
    n, k = arrays(N, k)
    n = n + k - 1 if repetition else n
    inside = (k <= n) & (n >= 0) & (k >= 0)
    return np.where(inside, _binom(np.where(inside, n, 1), np.where(inside, k, 1)), 0.0)


def perm(N: Any, k: Any, exact: bool = False) -> Any:
    """N! / (N - k)!, as a function of real numbers; 0 where k is not between 0 and N."""
    if exact:
        return __getattr__("perm")(N, k, exact=exact)
    n, k = arrays(N, k)
    inside = (k <= n) & (n >= 0) & (k >= 0)
    return np.where(inside, _poch(np.where(inside, n - k + 1, 1), np.where(inside, k, 1)), 0.0)


def factorial(n: Any, exact: bool = False, extend: str = "zero") -> Any:
    """n!, as a function of real numbers; 0 below 0."""
    if exact or extend != "zero":
        return __getattr__("factorial")(n, exact=exact, extend=extend)
    n = array(n)
    inside = n >= 0
    return np.where(inside, _gamma(np.where(inside, n, 0.0) + 1.0), 0.0)


def diric(x: Any, n: int) -> Any:
    """Dirichlet's kernel: sin(n x / 2) / (n sin(x / 2)), as a sum of cosines, which has no 0 / 0.

    Source: Zygmund 2002, "Trigonometric series", volume 1, section 2.5.
    """
    x = array(x)
    total = 0.0 * x + float(n % 2)
    for k in range(n // 2):
        total = total + 2.0 * np.cos((0.5 * (n - 1) - k) * x)
    return total / n


def sph_harm_y(n: Any, m: Any, theta: Any, phi: Any, *, diff_n: int = 0) -> Any:
    """The spherical harmonic of degree n and order m, integers; theta is the polar angle."""
    if diff_n:
        return __getattr__("sph_harm_y")(n, m, theta, phi, diff_n=diff_n)
    n, m, theta, phi = arrays(n, m, theta, phi)
    return _harmonic(n, m, theta, phi)


def sinc(x: Any) -> Any:
    """sin(pi x) / (pi x)."""
    return np.sinc(array(x))


def softplus(x: Any, **options: Any) -> Any:
    """log(1 + exp(x))."""
    return np.logaddexp(0.0, array(x), **options)


def _spherical(name: str, low: float, high: float) -> Any:
    call = op_call(f"special::{name}")

    def function(n: Any, z: Any, derivative: bool = False) -> Any:
        n, z = arrays(n, z)
        if not derivative:
            return call(n, z)
        return (low * n * call(np.where(n == 0, 1, n - 1), z) + high * (n + 1) * call(n + 1, z)) / (2 * n + 1)

    function.__name__, function.__doc__ = name, f"scipy.special.{name}, of integer order n."
    return function


spherical_jn, spherical_yn = _spherical("spherical_jn", 1.0, -1.0), _spherical("spherical_yn", 1.0, -1.0)
spherical_in, spherical_kn = _spherical("spherical_in", 1.0, 1.0), _spherical("spherical_kn", -1.0, -1.0)
