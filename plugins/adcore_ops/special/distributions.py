"""Distribution functions, which are incomplete gamma and beta functions of other arguments.

The derivative in the variable is the density; an inverse has its reciprocal. Those in degrees of
freedom are slopes of the incomplete functions; whole counts have none.
Source: DLMF 8.17, 8.23; Abramowitz and Stegun 1972, sections 26.4 to 26.7.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adcore.extend import Op, Sample
from adcore_ops.special.gamma import beta_density, gamma_density
from adcore_ops.special.row import ANY, ORDER, POSITIVE, UNIT, no_partial, row, sp


def student_density(df: Any, t: Any) -> Any:
    """The density of Student's distribution."""
    front = sp.gammaln(0.5 * (df + 1.0)) - sp.gammaln(0.5 * df)
    return np.exp(front - 0.5 * (df + 1.0) * np.log1p(t * t / df)) / np.sqrt(math.pi * df)


def f_density(d1: Any, d2: Any, x: Any) -> Any:
    """The density of Fisher's distribution."""
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


def student_slope(df: Any, t: Any) -> Any:
    """d stdtr / d df: stdtr = 1/2 + sign(t) (1 - I_w(df/2, 1/2)) / 2, w = df / (df + t^2)."""
    total = df + t * t
    w = df / total
    half = 0.5 * df
    # density in w, times dw/d df = t^2 / total^2; the 1 / sqrt(1 - w) of the density leaves |t| sqrt(total)
    moved = np.exp((half - 1.0) * np.log(w) - sp.betaln(half, 0.5)) * np.abs(t) / (total * np.sqrt(total))
    return -0.5 * np.sign(t) * (0.5 * sp.betainc_slope(half, 0.5, w, i=1, j=0) + moved)


def fisher_slope(d1: Any, d2: Any, x: Any, first: bool) -> Any:
    """d fdtr / d dfn (or dfd): fdtr = I_w(dfn / 2, dfd / 2), w = dfn x / (dfn x + dfd)."""
    total = d1 * x + d2
    slope = sp.betainc_slope(0.5 * d1, 0.5 * d2, d1 * x / total, i=int(first), j=int(not first))
    moved = x * d2 if first else -d1 * x
    return 0.5 * slope + beta_density(0.5 * d1, 0.5 * d2, d1 * x / total) * moved / (total * total)


def _noncentral_density(x: Any, df: Any, nc: Any) -> Any:
    """The density of the noncentral chi-squared distribution: that of the central one at nc = 0."""
    r = np.sqrt(nc * x)
    near = r < 1.0
    small, large = np.where(near, 0.25 * nc * x, 0.0), np.where(near, 1.0, r)
    series = gamma_density(0.5 * df, 0.5 * x) * np.exp(-0.5 * nc) * sp.hyp0f1(0.5 * df, small)
    ratio = np.where(near, 1.0, x) / np.where(near, 1.0, nc)
    gap = np.sqrt(x) - np.sqrt(nc)
    bessel = np.exp(-0.5 * gap * gap) * np.power(ratio, 0.25 * df - 0.5) * sp.ive(0.5 * df - 1.0, large)
    return 0.5 * np.where(near, series, bessel)


def _fisher(name: str, sign: float) -> Op:
    return row(
        name, lambda y, a, b, x: sign * fisher_slope(a, b, x, True),
        lambda y, a, b, x: sign * fisher_slope(a, b, x, False),
        lambda y, a, b, x: sign * f_density(a, b, x), ranges=(POSITIVE, POSITIVE, POSITIVE),
    )  # fmt: skip


def _counted(name: str, slope: Any) -> Op:
    """A function of a count, a number of trials or successes, and a probability."""
    return row(
        name, no_partial(name, "count"), no_partial(name, "number"), slope, ranges=((0.0, 3.0), (4.0, 7.0), UNIT),
        integers=(0, 1), whole=True,
    )  # fmt: skip


NONCENTRAL, NONCENTRAL_INVERSE = (
    (Sample(((5, 1), (3,)), (first, POSITIVE), program=program),)
    for first, program in (
        (POSITIVE, lambda x, nc: sp.chndtr(x, 3.0, nc)),
        (UNIT, lambda p, nc: sp.chndtrix(p, 3.0, nc)),
    )
)

OPS: list[Op] = [
    row("stdtr", lambda y, v, t: student_slope(v, t), lambda y, v, t: student_density(v, t), ranges=(POSITIVE, ANY)),
    row(
        "stdtrit", lambda y, v, p: -student_slope(v, y) / student_density(v, y),
        lambda y, v, p: 1.0 / student_density(v, y), ranges=((0.8, 3.0), UNIT),
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
    row(
        "chndtr", lambda y, x, df, nc: _noncentral_density(x, df, nc), no_partial("chndtr", "degrees of freedom"),
        lambda y, x, df, nc: -_noncentral_density(x, df + 2.0, nc), ranges=(POSITIVE, ORDER, POSITIVE),
        samples=NONCENTRAL,
    ),
    row(
        "chndtrix", lambda y, p, df, nc: 1.0 / _noncentral_density(y, df, nc),
        no_partial("chndtrix", "degrees of freedom"),
        lambda y, p, df, nc: _noncentral_density(y, df + 2.0, nc) / _noncentral_density(y, df, nc),
        ranges=(UNIT, ORDER, POSITIVE), samples=NONCENTRAL_INVERSE,
    ),
    _fisher("fdtr", 1.0),
    _fisher("fdtrc", -1.0),
    row(
        "fdtri", lambda y, a, b, p: -fisher_slope(a, b, y, True) / f_density(a, b, y),
        lambda y, a, b, p: -fisher_slope(a, b, y, False) / f_density(a, b, y),
        lambda y, a, b, p: 1.0 / f_density(a, b, y), ranges=(POSITIVE, POSITIVE, UNIT),
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
