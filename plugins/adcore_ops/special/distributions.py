"""Distribution functions, which are incomplete gamma and beta functions of other arguments.

The derivative in the variable is the density; an inverse has its reciprocal. Those in degrees of
freedom are slopes of the incomplete functions; whole counts have none.
Source: DLMF 8.17, 8.23; Abramowitz and Stegun 1972, sections 26.4 to 26.7.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adcore.extend import Op
from adcore_ops.special.gamma import beta_density, gamma_density
from adcore_ops.special.row import ANY, ORDER, POSITIVE, UNIT, no_partial, row, sp


def _student_density(df: Any, t: Any) -> Any:
    front = sp.gammaln(0.5 * (df + 1.0)) - sp.gammaln(0.5 * df)
    return np.exp(front - 0.5 * (df + 1.0) * np.log1p(t * t / df)) / np.sqrt(math.pi * df)


def _f_density(d1: Any, d2: Any, x: Any) -> Any:
    total = d2 + d1 * x
    return beta_density(0.5 * d1, 0.5 * d2, d1 * x / total) * (d1 * d2) / (total * total)


def _poisson(k: Any, m: Any) -> Any:
    whole = np.floor(k)
    return np.exp(sp.xlogy(whole, m) - m - sp.gammaln(whole + 1.0))


def _binomial(k: Any, n: Any, p: Any) -> Any:
    return beta_density(n - k, k + 1, 1.0 - p)


def _normal_slope(p: Any) -> Any:
    z = sp.ndtri(p)
    return math.sqrt(2.0 * math.pi) * np.exp(0.5 * (z * z))


def _student_slope(df: Any, t: Any) -> Any:
    """d stdtr / d df: stdtr = 1/2 + sign(t) (1 - I_w(df/2, 1/2)) / 2, w = df / (df + t^2)."""
    total = df + t * t
    w = df / total
    half = 0.5 * df
    # density in w, times dw/d df = t^2 / total^2; the 1 / sqrt(1 - w) of the density leaves |t| sqrt(total)
    moved = np.exp((half - 1.0) * np.log(w) - sp.betaln(half, 0.5)) * np.abs(t) / (total * np.sqrt(total))
    return -0.5 * np.sign(t) * (0.5 * sp.betainc_slope(half, 0.5, w, i=1, j=0) + moved)


def _fisher_slope(d1: Any, d2: Any, x: Any, first: bool) -> Any:
    """d fdtr / d dfn (or dfd): fdtr = I_w(dfn / 2, dfd / 2), w = dfn x / (dfn x + dfd)."""
    total = d1 * x + d2
    slope = sp.betainc_slope(0.5 * d1, 0.5 * d2, d1 * x / total, i=int(first), j=int(not first))
    moved = x * d2 if first else -d1 * x
    return 0.5 * slope + beta_density(0.5 * d1, 0.5 * d2, d1 * x / total) * moved / (total * total)


def _fisher(name: str, sign: float) -> Op:
    return row(
        name, lambda y, a, b, x: sign * _fisher_slope(a, b, x, True),
        lambda y, a, b, x: sign * _fisher_slope(a, b, x, False),
        lambda y, a, b, x: sign * _f_density(a, b, x), ranges=(POSITIVE, POSITIVE, POSITIVE),
    )  # fmt: skip


def _counted(name: str, slope: Any) -> Op:
    """A function of a count, a number of trials or successes, and a probability."""
    return row(
        name, no_partial(name, "count"), no_partial(name, "number"), slope, ranges=((0.0, 3.0), (4.0, 7.0), UNIT),
        integers=(0, 1), whole=True,
    )  # fmt: skip


OPS: list[Op] = [
    row("stdtr", lambda y, v, t: _student_slope(v, t), lambda y, v, t: _student_density(v, t), ranges=(POSITIVE, ANY)),
    row(
        "stdtrit", lambda y, v, p: -_student_slope(v, y) / _student_density(v, y),
        lambda y, v, p: 1.0 / _student_density(v, y), ranges=((0.8, 3.0), UNIT),
    ),
    row(
        "chdtr", lambda y, v, x: 0.5 * sp.gammainc_slope(0.5 * v, 0.5 * x, n=1),
        lambda y, v, x: 0.5 * gamma_density(0.5 * v, 0.5 * x), ranges=(POSITIVE, POSITIVE),
    ),
    row(
        "chdtrc", lambda y, v, x: -0.5 * sp.gammainc_slope(0.5 * v, 0.5 * x, n=1),
        lambda y, v, x: -0.5 * gamma_density(0.5 * v, 0.5 * x), ranges=(POSITIVE, POSITIVE),
    ),
    row(
        "chdtri", lambda y, v, p: -sp.gammainc_slope(0.5 * v, 0.5 * y, n=1) / gamma_density(0.5 * v, 0.5 * y),
        lambda y, v, p: -2.0 / gamma_density(0.5 * v, 0.5 * y), ranges=(ORDER, UNIT),
    ),
    _fisher("fdtr", 1.0),
    _fisher("fdtrc", -1.0),
    row(
        "fdtri", lambda y, a, b, p: -_fisher_slope(a, b, y, True) / _f_density(a, b, y),
        lambda y, a, b, p: -_fisher_slope(a, b, y, False) / _f_density(a, b, y),
        lambda y, a, b, p: 1.0 / _f_density(a, b, y), ranges=(POSITIVE, POSITIVE, UNIT),
    ),
    row(
        "gdtr", lambda y, a, b, x: x * gamma_density(b, a * x), lambda y, a, b, x: sp.gammainc_slope(b, a * x, n=1),
        lambda y, a, b, x: a * gamma_density(b, a * x), ranges=(POSITIVE, POSITIVE, POSITIVE),
    ),
    row(
        "gdtrc", lambda y, a, b, x: -x * gamma_density(b, a * x), lambda y, a, b, x: -sp.gammainc_slope(b, a * x, n=1),
        lambda y, a, b, x: -a * gamma_density(b, a * x), ranges=(POSITIVE, POSITIVE, POSITIVE),
    ),
    row("pdtr", no_partial("pdtr", "count"), lambda y, k, m: -_poisson(k, m), ranges=(ORDER, POSITIVE), orders=1),
    row("pdtrc", no_partial("pdtrc", "count"), lambda y, k, m: _poisson(k, m), ranges=(ORDER, POSITIVE), orders=1),
    _counted("bdtr", lambda y, k, n, p: -_binomial(k, n, p)),
    _counted("bdtrc", lambda y, k, n, p: _binomial(k, n, p)),
    _counted("nbdtr", lambda y, k, n, p: beta_density(n, k + 1, p)),
    _counted("nbdtrc", lambda y, k, n, p: -beta_density(n, k + 1, p)),
    row(
        "pdtri", no_partial("pdtri", "count"), lambda y, k, p: -1.0 / _poisson(k, y), ranges=((0.0, 4.0), UNIT),
        integers=(0,), whole=True,
    ),
    _counted("bdtri", lambda y, k, n, p: -1.0 / _binomial(k, n, y)),
    _counted("nbdtri", lambda y, k, n, p: 1.0 / beta_density(n, k + 1, y)),
    row(
        "gdtrix", lambda y, a, b, p: -y / a,
        lambda y, a, b, p: -sp.gammainc_slope(b, a * y, n=1) / (a * gamma_density(b, a * y)),
        lambda y, a, b, p: 1.0 / (a * gamma_density(b, a * y)), ranges=(POSITIVE, POSITIVE, UNIT),
    ),
    row(
        "nrdtrimn", lambda y, p, s, x: -s * _normal_slope(p), lambda y, p, s, x: -sp.ndtri(p), 1,
        ranges=(UNIT, POSITIVE, ANY),
    ),
    row(
        "nrdtrisd", lambda y, m, p, x: -1.0 / sp.ndtri(p), lambda y, m, p, x: -y * _normal_slope(p) / sp.ndtri(p),
        lambda y, m, p, x: 1.0 / sp.ndtri(p), ranges=(ANY, (0.6, 0.9), ANY),
    ),
]  # fmt: skip
