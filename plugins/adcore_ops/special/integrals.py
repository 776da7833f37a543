"""Exponential, sine, Fresnel and elliptic integrals, the dilogarithm, Lambert's W and Wright's omega.

An integral's derivative is its integrand. Elliptic: K' = (pi/8) 2F1(3/2, 3/2; 2; m),
E' = -(pi/8) 2F1(1/2, 3/2; 2; m), which unlike (E - (1-m) K) / (2 m (1-m)) have no 0 / 0 at m = 0.
W' = e^-W / (1 + W), at z = 0 too.
Source: DLMF 6.2, 7.2, 8.19.13, 15.5.1, 19.5.1, 19.5.2, 25.12.2; Corless et al. 1996, "On the Lambert W
function", eq. 3.2.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adcore.extend import Op, Rule, Sample
from adcore_ops.special.row import ANY, FUNCTIONS, ORDER, POSITIVE, no_partial, row, sp

ROOT_PI = math.sqrt(math.pi)


def _sine_jvp(ts: Any, y: Any, x: Any) -> Any:
    return ts[0] * np.sinc(x / math.pi), ts[0] * np.cos(x) / x


def _sinh_jvp(ts: Any, y: Any, x: Any) -> Any:
    smooth = np.sinc(x * (1j / math.pi))  # sinh(x) / x
    return ts[0] * (smooth if x.dtype.kind == "c" else np.real(smooth)), ts[0] * np.cosh(x) / x


def _fresnel_jvp(ts: Any, y: Any, x: Any) -> Any:
    angle = (0.5 * math.pi) * (x * x)
    return ts[0] * np.sin(angle), ts[0] * np.cos(angle)


def _spence(y: Any, z: Any) -> Any:
    # -log(z) / (z - 1), by its series near z = 1
    u = z - 1.0
    near = np.abs(u) < 0.05
    small, large = np.where(near, u, 0.0), np.where(near, 1.0, u)
    series = 0.0 * small
    for k in range(16, 0, -1):
        series = 1.0 / k - small * series
    return np.where(near, -series, -np.log1p(large) / large)


def _expn(y: Any, n: Any, x: Any) -> Any:
    first = -np.exp(-x) * (1.0 + 1.0 / x) / x  # of e^-x / x, which is n = 0
    return np.where(n == 0, first, -sp.expn(np.where(n == 0, 1, n - 1), x))


def _ellipkm1(y: Any, p: Any) -> Any:
    small = p < 0.5
    a, b = np.where(small, p, 0.5), np.where(small, 0.5, p)
    near_one = -(sp.ellipe(1.0 - a) - a * sp.ellipkm1(a)) / (2.0 * a * (1.0 - a))
    return np.where(small, near_one, -(math.pi / 8) * sp.hyp2f1(1.5, 1.5, 2.0, 1.0 - b))


def _voigt(x: Any, sigma: Any, gamma: Any) -> tuple[Any, Any]:
    """z = (x + i gamma) / (sigma sqrt 2), and w'(z), of the profile Re w(z) / (sigma sqrt(2 pi))."""
    z = (x + 1j * gamma) / (math.sqrt(2.0) * sigma)
    return z, 2j / ROOT_PI - 2.0 * z * sp.wofz(z)


def _voigt_sigma(y: Any, x: Any, sigma: Any, gamma: Any) -> Any:
    z, slope = _voigt(x, sigma, gamma)
    return -y / sigma - np.real(slope * z) / (math.sqrt(2.0 * math.pi) * sigma * sigma)


OPS: list[Op] = [
    row("expi", lambda y, x: np.exp(x) / x, ranges=(POSITIVE,), complex_at=(0,)),
    row("exp1", lambda y, x: -np.exp(-x) / x, ranges=(POSITIVE,), complex_at=(0,)),
    row("expn", no_partial("expn", "order"), _expn, ranges=(ORDER, POSITIVE), integers=(0,)),
    row("sici", rule=Rule(jvp=_sine_jvp), ranges=(POSITIVE,), complex_at=(0,), outputs=2),
    row("shichi", rule=Rule(jvp=_sinh_jvp), ranges=(POSITIVE,), complex_at=(0,), outputs=2),
    row("fresnel", rule=Rule(jvp=_fresnel_jvp), complex_at=(0,), outputs=2),
    row("spence", _spence, ranges=((0.7, 3.0),), complex_at=(0,)),
    row("ellipk", lambda y, m: (math.pi / 8) * sp.hyp2f1(1.5, 1.5, 2.0, m), ranges=((-0.9, 0.9),)),
    row("ellipe", lambda y, m: -(math.pi / 8) * sp.hyp2f1(0.5, 1.5, 2.0, m), ranges=((-0.9, 0.9),)),
    row("ellipkm1", _ellipkm1, ranges=((0.1, 1.4),)),
    row(
        "lambertw", lambda y, z, k: np.exp(-y) / (1.0 + y), no_partial("lambertw", "branch"),
        ranges=(POSITIVE, (-1.0, 2.0)), integers=(1,), whole=True, complex_at=(0,), always_complex=True, out=False,
        records=(),
        samples=tuple(
            Sample(((2, 3), ()), (POSITIVE, (k, k + 1.0)), dtypes=(d, "int64"))
            for d, k in (("float64", 0.0), ("complex128", -1.0))
        ),
    ),
    row("wrightomega", lambda y, z: y / (1.0 + y), complex_at=(0,)),
    row(
        "voigt_profile", lambda y, x, s, g: np.real(_voigt(x, s, g)[1]) / (2.0 * ROOT_PI * s * s), _voigt_sigma,
        lambda y, x, s, g: -np.imag(_voigt(x, s, g)[1]) / (2.0 * ROOT_PI * s * s), ranges=(ANY, POSITIVE, POSITIVE),
    ),
]  # fmt: skip


def _lambertw(z: Any, k: Any = 0, tol: float = 1e-8) -> Any:
    """The ufunc behind scipy.special.lambertw; its iteration always runs to full precision."""
    return sp.lambertw(z, k)


FUNCTIONS["scipy.special._ufuncs:_lambertw"] = _lambertw
