"""Distribution functions, which are incomplete gamma and beta functions of other arguments.

The derivative in the variable is the density; an inverse has its reciprocal. Those in the parameters
of a beta function have no closed form, so degrees of freedom may vary in chdtr only.
Source: DLMF 8.17, 8.23; Abramowitz and Stegun 1972, sections 26.4 to 26.7.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adcore.extend import Op, Sample
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


def _fixed(at: int, *ranges: tuple[float, float]) -> tuple[Sample, ...]:
    """A sample in which argument `at`, whose second derivative has no op, is an integer."""
    dtypes = tuple("int64" if i == at else "float64" for i in range(len(ranges)))
    return (Sample(((2, 3), (3,), ())[: len(ranges)], ranges, dtypes=dtypes),)


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
        "chdtr", lambda y, v, x: 0.5 * sp.gammainc_slope(0.5 * v, 0.5 * x),
        lambda y, v, x: 0.5 * gamma_density(0.5 * v, 0.5 * x), ranges=(ORDER, POSITIVE),
        samples=_fixed(0, ORDER, POSITIVE),
    ),
    row(
        "chdtrc", lambda y, v, x: -0.5 * sp.gammainc_slope(0.5 * v, 0.5 * x),
        lambda y, v, x: -0.5 * gamma_density(0.5 * v, 0.5 * x), ranges=(ORDER, POSITIVE),
        samples=_fixed(0, ORDER, POSITIVE),
    ),
    row(
        "chdtri", lambda y, v, p: -sp.gammainc_slope(0.5 * v, 0.5 * y) / gamma_density(0.5 * v, 0.5 * y),
        lambda y, v, p: -2.0 / gamma_density(0.5 * v, 0.5 * y), ranges=(ORDER, UNIT), samples=_fixed(0, ORDER, UNIT),
    ),
    _fisher("fdtr", POSITIVE, lambda y, a, b, x: _f_density(a, b, x)),
    _fisher("fdtrc", POSITIVE, lambda y, a, b, x: -_f_density(a, b, x)),
    _fisher("fdtri", UNIT, lambda y, a, b, p: 1.0 / _f_density(a, b, y)),
    row(
        "gdtr", lambda y, a, b, x: x * gamma_density(b, a * x), lambda y, a, b, x: sp.gammainc_slope(b, a * x),
        lambda y, a, b, x: a * gamma_density(b, a * x), ranges=(POSITIVE, ORDER, POSITIVE),
        samples=_fixed(1, POSITIVE, ORDER, POSITIVE),
    ),
    row(
        "gdtrc", lambda y, a, b, x: -x * gamma_density(b, a * x), lambda y, a, b, x: -sp.gammainc_slope(b, a * x),
        lambda y, a, b, x: -a * gamma_density(b, a * x), ranges=(POSITIVE, ORDER, POSITIVE),
        samples=_fixed(1, POSITIVE, ORDER, POSITIVE),
    ),
    row("pdtr", no_partial("pdtr", "count"), lambda y, k, m: -_poisson(k, m), ranges=(ORDER, POSITIVE), orders=1),
    row("pdtrc", no_partial("pdtrc", "count"), lambda y, k, m: _poisson(k, m), ranges=(ORDER, POSITIVE), orders=1),
    _counted("bdtr", lambda y, k, n, p: -_binomial(k, n, p)),
    _counted("bdtrc", lambda y, k, n, p: _binomial(k, n, p)),
    _counted("nbdtr", lambda y, k, n, p: beta_density(n, k + 1, p)),
    _counted("nbdtrc", lambda y, k, n, p: -beta_density(n, k + 1, p)),
]  # fmt: skip
