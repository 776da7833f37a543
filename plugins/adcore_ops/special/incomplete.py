"""The derivative of the incomplete gamma function P(a, x) with respect to its parameter a.

x <= a + 1:  P = D S,  D = x^a e^-x / G(a + 1),  S = sum x^n / ((a + 1) ... (a + n)), differentiated term by term.
x >  a + 1:  1 - P = x^a e^-x / G(a) K, K the continued fraction 1 / (x+1-a - 1(1-a) / (x+3-a - 2(2-a) / ...)),
             differentiated by its recurrence.
Source: Moore 1982, "Algorithm AS 187: derivatives of the incomplete gamma integral"; DLMF 8.7.1, 8.9.2.

An element stops when it has converged, so that its bits do not depend on the others.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adcore.extend import Op, Sample, Type, elementwise, op
from adcore_ops.special.row import POSITIVE, argument, no_partial, result_dtype, scipy_function, sp

EPS = 2.0**-54
TERMS = 20_000


def _series(a: Any, x: Any) -> Any:
    """S and dS/da."""
    term, harmonic = np.ones_like(x), np.zeros_like(x)
    total, slope = np.ones_like(x), np.zeros_like(x)
    going = np.ones(x.shape, bool)
    for n in range(1, TERMS):
        term = term * (x / (a + n))
        harmonic = harmonic + 1.0 / (a + n)
        total = np.where(going, total + term, total)
        slope = np.where(going, slope - term * harmonic, slope)
        going &= (term * (1.0 + harmonic) > EPS * total) | (n < x - a)
        if not going.any():
            break
    return total, slope


def _fraction(a: Any, x: Any) -> Any:
    """K and dK/da: numerators and denominators of the convergents, each divided by the last denominator."""
    b = x + 1.0 - a
    one, zero = np.ones_like(x), np.zeros_like(x)
    p0, p1, q0, q1 = zero, one / b, one / b, one
    dp0, dp1, dq0, dq1 = zero, zero, zero, -one / b
    value, slope = p1, dp1 - p1 * dq1
    going = np.ones(x.shape, bool)
    for n in range(1, TERMS):
        c, b = -n * (n - a), b + 2.0
        p, q = b * p1 + c * p0, b * q1 + c * q0
        dp, dq = b * dp1 - p1 + c * dp0 + n * p0, b * dq1 - q1 + c * dq0 + n * q0
        p0, q0, dp0, dq0 = p1 / q, q1 / q, dp1 / q, dq1 / q
        p1, q1, dp1, dq1 = p / q, one, dp / q, dq / q
        now = dp1 - p1 * dq1
        moving = (np.abs(p1 - value) > EPS * np.abs(p1)) | (np.abs(now - slope) > EPS * np.abs(now))
        value, slope = np.where(going, p1, value), np.where(going, now, slope)
        going &= moving
        if not going.any():
            break
    return value, slope


def _slope(a: Any, x: Any) -> Any:
    small = x <= a + 1.0
    gammaln, digamma = scipy_function("gammaln"), scipy_function("digamma")
    low = np.where(small, x, 0.5 * a)
    s, ds = _series(a, low)
    front = np.exp(a * np.log(low) - low - gammaln(a + 1.0))
    below = front * (s * (np.log(low) - digamma(a + 1.0)) + ds)
    high = np.where(small, a + 2.0, x)
    k, dk = _fraction(a, high)
    front = np.exp(a * np.log(high) - high - gammaln(a))
    above = -front * (k * (np.log(high) - digamma(a)) + dk)
    return np.where((x == 0) | np.isinf(x), 0.0, np.where(small, below, above))


def _infer(a: Type, x: Type) -> Type:
    return Type(result_dtype((a.dtype, x.dtype)), np.broadcast_shapes(a.shape, x.shape))


@op(
    "special::gammainc_slope", infer=_infer, elementwise=True,
    rule=elementwise(
        no_partial("gammainc", "parameter a twice"),
        lambda y, a, x: np.exp(sp.xlogy(a - 1.0, x) - x - sp.gammaln(a)) * (np.log(x) - sp.digamma(a)),
    ),
    samples=(
        Sample(((2, 3),), (POSITIVE,), program=lambda x: gammainc_slope(np.asarray([0.5, 2.0, 9.0], x.dtype), x)),
        Sample(((7,),), ((5.0, 9.0),), program=lambda x: gammainc_slope(np.asarray(1.5, x.dtype), x)),
    ),
)  # fmt: skip
def gammainc_slope(a: Any, x: Any) -> Any:
    """dP(a, x) / da of the regularised lower incomplete gamma function."""
    dtype = result_dtype((a.dtype, x.dtype))
    a, x = np.broadcast_arrays(*(np.asarray(argument(v), np.float64) for v in (a, x)))
    with np.errstate(all="ignore"):
        return np.asarray(_slope(a, x)).astype(dtype, copy=False)


OPS: list[Op] = [gammainc_slope]
