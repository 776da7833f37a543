"""Logarithm, exponential and the quantile of the normal distribution in IEEE arithmetic alone.

Only + - * /, square roots and powers of two are used, which every machine rounds alike; NumPy's own
log and exp may differ in the last bit between machines. They are used to draw random numbers, where equal
bits matter; the errors are below 2 units in the last place.
Source: the reductions and coefficients of FreeBSD's msun, e_log.c and e_exp.c; Wichura 1988, "Algorithm AS
241: the percentage points of the normal distribution", routine PPND16.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_LN2_HIGH, _LN2_LOW = float.fromhex("0x1.62e42feep-1"), float.fromhex("0x1.a39ef35793c76p-33")
_LOG = (
    6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01,
    1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01,
)  # fmt: skip
_EXP = (
    1.66666666666666019037e-01, -2.77777777770155933842e-03, 6.61375632143793436117e-05, -1.65339022054652515390e-06,
    4.13813679705723846039e-08,
)  # fmt: skip


def _polynomial(coefficients: Sequence[float], x: Any) -> Any:
    """sum of coefficients[i] x^i."""
    total = np.full_like(x, coefficients[-1])
    for c in reversed(coefficients[:-1]):
        total = total * x + c
    return total


def log(x: Any) -> Any:
    """The logarithm of positive normal numbers."""
    mantissa, exponent = np.frexp(x)  # in [1/2, 1)
    small = mantissa < 0.7071067811865476
    f = np.where(small, 2.0 * mantissa, mantissa) - 1.0
    k = exponent - small
    s = f / (2.0 + f)
    z = s * s
    half = 0.5 * (f * f)
    rest = s * (half + z * _polynomial(_LOG, z))
    return k * _LN2_HIGH - ((half - (rest + k * _LN2_LOW)) - f)


def exp(x: Any) -> Any:
    """The exponential of numbers up to 700; 0 below -745."""
    x = np.maximum(x, -746.0)
    k = np.rint(x * 1.4426950408889634)
    high, low = x - k * _LN2_HIGH, k * _LN2_LOW
    r = high - low
    t = r * r
    c = r - t * _polynomial(_EXP, t)
    return np.ldexp(1.0 - ((low - (r * c) / (2.0 - c)) - high), k.astype(np.int32))


# numerators and denominators in the middle, in the tails, and far out
_MIDDLE = (
    (3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
     4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3),
    (1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3, 2.1213794301586595867e4,
     3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3),
)  # fmt: skip
_TAIL = (
    (1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
     1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4),
    (1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1, 1.48103976427480074590e-1,
     1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9),
)  # fmt: skip
_FAR = (
    (6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
     2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7),
    (1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2, 7.86869131145613259100e-4,
     1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15),
)  # fmt: skip


def lower_quantile(p: Any) -> Any:
    """z with P(Z < z) = p for a normal Z, for p in (0, 1/2)."""
    q = p - 0.5
    r = 0.180625 - q * q
    middle = q * _polynomial(_MIDDLE[0], r) / _polynomial(_MIDDLE[1], r)
    outside = q < -0.425
    if not outside.any():
        return middle
    root = np.sqrt(-log(p[outside]))
    near, far = root - 1.6, root - 5.0
    z = np.where(
        root <= 5.0, _polynomial(_TAIL[0], near) / _polynomial(_TAIL[1], near),
        _polynomial(_FAR[0], far) / _polynomial(_FAR[1], far),
    )  # fmt: skip
    middle[outside] = -z
    return middle
