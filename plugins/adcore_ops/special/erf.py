"""The error function, the normal distribution, and the logistic function.

erf' = 2 e^(-x^2) / sqrt(pi).  erfcx(x) = e^(x^2) erfc(x), whose derivative 2 x erfcx(x) - 2 / sqrt(pi) cancels
for large x and is computed as -2 times e^(x^2) times the integral of erfc.
log_ndtr' = density / ndtr = sqrt(2 / pi) / erfcx(-x / sqrt(2)): no cancellation and no overflow in either tail.
expit' = sech(x/2)^2 / 4: y (1 - y) would be 0 at x = 40, and its next derivative would cancel at 0.
Source: DLMF 7.2, 7.10, 7.18; Cody 1993, "Algorithm 715" (scaled forms).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adcore.extend import Op, Sample, along
from adcore_ops.accurate import sech
from adcore_ops.special.row import ANY, UNIT, row, sp

SLOPE = 2.0 / math.sqrt(math.pi)
DENSITY = 1.0 / math.sqrt(2.0 * math.pi)
ROOT_HALF = math.sqrt(0.5)
RATIO = math.sqrt(2.0 / math.pi)


def _erfcx(y: Any, x: Any) -> Any:
    return 2.0 * x * y - SLOPE if x.dtype.kind == "c" else -2.0 * sp.erfcx_integral(x, n=1)


def _density(x: Any) -> Any:
    return DENSITY * np.exp(-0.5 * (x * x))


def _dawsn(y: Any, x: Any) -> Any:
    """1 - 2 x y, and for |x| > 12 the series -(1 + 3/z + 15/z^2 + ...) / z, z = 2 x^2, of what is left of it."""
    if x.dtype.kind == "c":
        return 1.0 - 2.0 * x * y
    far = np.abs(x) > 12.0
    z = np.where(far, 2.0 * x * x, 1.0)
    series = 1.0 + 0.0 * z
    for k in range(25, 0, -2):
        series = 1.0 + (k + 2.0) / z * series
    return np.where(far, -series / z, 1.0 - 2.0 * x * y)


OPS: list[Op] = [
    row("erf", lambda y, x: SLOPE * np.exp(-(x * x)), complex_at=(0,)),
    row("erfc", lambda y, x: -SLOPE * np.exp(-(x * x)), complex_at=(0,)),
    row("erfcx", _erfcx, complex_at=(0,)),
    row("erfi", lambda y, x: SLOPE * np.exp(x * x), complex_at=(0,)),
    row("erfinv", lambda y, x: np.exp(y * y) / SLOPE, ranges=((-0.9, 0.9),)),
    row("erfcinv", lambda y, x: -np.exp(y * y) / SLOPE, ranges=((0.1, 1.9),)),
    row("dawsn", _dawsn, complex_at=(0,)),
    row("wofz", lambda y, x: 1j * SLOPE - 2.0 * x * y, complex_at=(0,), always_complex=True,
        samples=(Sample(((2, 3),), dtypes=("complex128",)),)),
    row("ndtr", lambda y, x: _density(x), complex_at=(0,)),
    row("ndtri", lambda y, p: np.exp(0.5 * (y * y)) / DENSITY, ranges=(UNIT,)),
    row("log_ndtr", along(lambda t, y, x: t * (RATIO / sp.erfcx(-ROOT_HALF * x))), complex_at=(0,)),
    row("ndtri_exp", along(lambda t, y, x: t * (sp.erfcx(-ROOT_HALF * y) / RATIO)), ranges=((-3.0, -0.2),)),
    row("expit", lambda y, x: 0.25 * np.square(sech(0.5 * x)), ranges=(ANY,)),
    row("log_expit", lambda y, x: sp.expit(-x)),
    row("logit", along(lambda t, y, x: t / (x * (1.0 - x))), ranges=(UNIT,)),
    row("owens_t", lambda y, h, a: -0.5 * _density(h) * sp.erf(ROOT_HALF * (a * h)),
        lambda y, h, a: np.exp(-0.5 * (h * h) * (1.0 + a * a)) / (2.0 * math.pi * (1.0 + a * a)), ranges=(ANY, ANY)),
]  # fmt: skip
