"""Distribution functions, which are incomplete gamma and beta functions of other arguments.

The derivative in the variable is the density; an inverse has its reciprocal. Those in the parameters
of a beta function have no closed form, so degrees of freedom may vary in chdtr only.
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


def _student(name: str, variable: Any, slope: Any) -> Op:
    """A function of degrees of freedom and another variable."""
    return row(name, no_partial(name, "degrees of freedom"), slope, ranges=(ORDER, variable), orders=1)


def _fisher(name: str, variable: Any, slope: Any) -> Op:
    """A function of two degrees of freedom and another variable."""
    return row(name, no_partial(name, "dfn"), no_partial(name, "dfd"), slope, ranges=(ORDER, ORDER, variable), orders=2)


def _counted(name: str, slope: Any) -> Op:
    """A function of a count, a number of trials or successes, and a probability."""
    return row(
        name, no_partial(name, "count"), no_partial(name, "number"), slope, ranges=((0.0, 3.0), (4.0, 7.0), UNIT),
        integers=(0, 1), whole=True,
    )  # fmt: skip


OPS: list[Op] = [
    _student("stdtr", ANY, lambda y, v, t: _student_density(v, t)),
    _student("stdtrit", UNIT, lambda y, v, p: 1.0 / _student_density(v, y)),
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
    _fisher("fdtr", POSITIVE, lambda y, a, b, x: _f_density(a, b, x)),
    _fisher("fdtrc", POSITIVE, lambda y, a, b, x: -_f_density(a, b, x)),
    _fisher("fdtri", UNIT, lambda y, a, b, p: 1.0 / _f_density(a, b, y)),
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
