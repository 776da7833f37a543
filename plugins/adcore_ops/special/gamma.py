"""The gamma family.

G'(x) = G(x) psi(x),  psi = digamma,  psi' and on: polygamma.
1 / G(x) for x < 1/2 by reflection, G(1 - x) sin(pi x) / pi: it and its derivatives are regular at the poles of G.
P(a, x): dP/dx = x^(a-1) e^-x / G(a).   I_x(a, b): dI/dx = x^(a-1) (1-x)^(b-1) / B(a, b).
Their derivatives in a and b are those of series, see `incomplete`.
An inverse y(p) of F has dy/dp = 1 / F'(y).
Source: DLMF 5.2, 5.5.3, 5.9, 5.12, 8.2, 8.8.13, 8.17.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adcore.extend import ZERO, Op
from adcore_ops.special.row import POSITIVE, UNIT, no_partial, row, sp


def _rgamma(y: Any, x: Any) -> Any:
    if x.dtype.kind == "c":
        return -y * sp.digamma(x)
    left = x < 0.5
    a, b = np.where(left, 1.0 - x, 1.0), np.where(left, 1.0, x)
    mirrored = sp.gamma(a) * (np.cos(math.pi * x) - sp.digamma(a) * np.sin(math.pi * x) / math.pi)
    return np.where(left, mirrored, -sp.rgamma(b) * sp.digamma(b))


def gamma_density(a: Any, x: Any) -> Any:
    """x^(a-1) e^-x / G(a)."""
    return np.exp(sp.xlogy(a - 1.0, x) - x - sp.gammaln(a))


def beta_density(a: Any, b: Any, x: Any) -> Any:
    """x^(a-1) (1-x)^(b-1) / B(a, b)."""
    return np.exp(sp.xlogy(a - 1.0, x) + sp.xlog1py(b - 1.0, -x) - sp.betaln(a, b))


def _digamma(y: Any, x: Any) -> Any:
    return sp.polygamma(1, x)


OPS: list[Op] = [
    row("gamma", lambda y, x: y * sp.digamma(x), ranges=(POSITIVE,), complex_at=(0,)),
    row("gammaln", lambda y, x: sp.digamma(x), ranges=(POSITIVE,)),
    row("loggamma", lambda y, x: sp.digamma(x), ranges=(POSITIVE,), complex_at=(0,)),
    row("rgamma", _rgamma, ranges=((-1.4, 2.0),), complex_at=(0,)),
    row("gammasgn", rule=ZERO, ranges=(POSITIVE,)),
    row("digamma", _digamma, ranges=(POSITIVE,), complex_at=(0,), records=("digamma", "psi")),
    row(
        "beta", lambda y, a, b: y * (sp.digamma(a) - sp.digamma(a + b)),
        lambda y, a, b: y * (sp.digamma(b) - sp.digamma(a + b)), ranges=(POSITIVE, POSITIVE),
    ),
    row(
        "betaln", lambda y, a, b: sp.digamma(a) - sp.digamma(a + b),
        lambda y, a, b: sp.digamma(b) - sp.digamma(a + b), ranges=(POSITIVE, POSITIVE),
    ),
    row(
        "binom", lambda y, n, k: y * (sp.digamma(n + 1.0) - sp.digamma(n - k + 1.0)),
        lambda y, n, k: y * (sp.digamma(n - k + 1.0) - sp.digamma(k + 1.0)), ranges=((4.1, 6.9), (0.3, 2.7)),
    ),
    row(
        "poch", lambda y, z, m: y * (sp.digamma(z + m) - sp.digamma(z)), lambda y, z, m: y * sp.digamma(z + m),
        ranges=(POSITIVE, POSITIVE),
    ),
    row(
        "gammainc", lambda y, a, x: sp.gammainc_slope(a, x, n=1), lambda y, a, x: gamma_density(a, x),
        ranges=(POSITIVE, POSITIVE),
    ),
    row(
        "gammaincc", lambda y, a, x: -sp.gammainc_slope(a, x, n=1), lambda y, a, x: -gamma_density(a, x),
        ranges=(POSITIVE, POSITIVE),
    ),
    row(
        "gammaincinv", lambda y, a, p: -sp.gammainc_slope(a, y, n=1) / gamma_density(a, y),
        lambda y, a, p: 1.0 / gamma_density(a, y), ranges=(POSITIVE, UNIT),
    ),
    row(
        "gammainccinv", lambda y, a, p: -sp.gammainc_slope(a, y, n=1) / gamma_density(a, y),
        lambda y, a, p: -1.0 / gamma_density(a, y), ranges=(POSITIVE, UNIT),
    ),
    row(
        "betainc", lambda y, a, b, x: sp.betainc_slope(a, b, x, i=1, j=0),
        lambda y, a, b, x: sp.betainc_slope(a, b, x, i=0, j=1), lambda y, a, b, x: beta_density(a, b, x),
        ranges=(POSITIVE, POSITIVE, UNIT),
    ),
    row(
        "betaincc", lambda y, a, b, x: -sp.betainc_slope(a, b, x, i=1, j=0),
        lambda y, a, b, x: -sp.betainc_slope(a, b, x, i=0, j=1), lambda y, a, b, x: -beta_density(a, b, x),
        ranges=(POSITIVE, POSITIVE, UNIT),
    ),
    row(
        "betaincinv", lambda y, a, b, p: -sp.betainc_slope(a, b, y, i=1, j=0) / beta_density(a, b, y),
        lambda y, a, b, p: -sp.betainc_slope(a, b, y, i=0, j=1) / beta_density(a, b, y),
        lambda y, a, b, p: 1.0 / beta_density(a, b, y), ranges=(POSITIVE, POSITIVE, UNIT),
    ),
    row(
        "betainccinv", lambda y, a, b, p: -sp.betainc_slope(a, b, y, i=1, j=0) / beta_density(a, b, y),
        lambda y, a, b, p: -sp.betainc_slope(a, b, y, i=0, j=1) / beta_density(a, b, y),
        lambda y, a, b, p: -1.0 / beta_density(a, b, y), ranges=(POSITIVE, POSITIVE, UNIT),
    ),
    row(
        "zeta", no_partial("zeta", "exponent"), lambda y, s, q: -s * sp.zeta(s + 1.0, q),
        ranges=((2.0, 5.0), POSITIVE), orders=1, records=("scipy.special._ufuncs:_zeta",),
    ),
]  # fmt: skip
