"""Entropies, losses and power transforms, with 0 log 0 = 0 and derivatives that keep it.

xlogy: the derivative in x is t log y with xlogy's own 0 at t = 0; in y it is x / y, and 0 at x = 0.
exprel(x) = (e^x - 1) / x is the mean of e^(x s) over 0 < s < 1, its derivatives those of s^n e^(x s).
Box-Cox: (x^k - 1) / k = L exprel(k L), L = log x, so nothing cancels near k = 0.
Source: Cover and Thomas 2006, "Elements of information theory", section 2.1; Huber 1964, "Robust
estimation of a location parameter"; Box and Cox 1964, "An analysis of transformations".
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adcore.extend import Op, along
from adcore_ops.accurate import cosine
from adcore_ops.special.row import ANY, POSITIVE, row, sp


def _over(x: Any, y: Any) -> Any:
    """x / y, and 0 at x = 0 whatever y is."""
    nothing = x == 0
    return np.where(nothing, 0.0 * x, x / np.where(nothing, 1.0, y))


def _root(delta: Any, r: Any) -> Any:
    return np.sqrt(1.0 + (r / delta) ** 2)


def _pseudo_huber_delta(y: Any, delta: Any, r: Any) -> Any:
    # 2 d (s - 1) - r^2 / (d s) with s = root: the difference is d u^4 / (s (1 + s)^2), u = r / d
    s = _root(delta, r)
    return delta * (r / delta) ** 4 / (s * (1.0 + s) ** 2)


def _boxcox_power(log_x: Any, k: Any) -> Any:
    return log_x * log_x * sp.exponential_moment(k * log_x, n=1)


def _inverse_power(y: Any, x: Any, k: Any, plus: float) -> Any:
    """d/dk of (1 + k x)^(1/k), of which the logarithm is x log1p(z) / z, z = k x; by its series near z = 0."""
    z = k * x
    near = np.abs(z) < 0.05
    small, large = np.where(near, z, 0.0), np.where(near, 1.0, z)
    series = 0.0 * small
    for j in range(16, 0, -1):
        series = (-1.0) ** j * j / (j + 1.0) + small * series
    slope = np.where(near, series, 1.0 / (large * (1.0 + large)) - np.log1p(large) / (large * large))
    return (y + plus) * (x * x) * slope


OPS: list[Op] = [
    row(
        "xlogy", along(lambda t, f, x, y: sp.xlogy(t, y)), along(lambda t, f, x, y: t * _over(x, y)),
        ranges=(ANY, POSITIVE), complex_at=(0, 1),
    ),
    row(
        "xlog1py", along(lambda t, f, x, y: sp.xlog1py(t, y)), along(lambda t, f, x, y: t * _over(x, 1.0 + y)),
        ranges=(ANY, POSITIVE), complex_at=(0, 1),
    ),
    row("entr", along(lambda t, y, x: -sp.xlogy(t, x) - t), ranges=(POSITIVE,)),
    row(
        "rel_entr", along(lambda t, f, x, y: sp.xlogy(t, _over(x, y)) + t), along(lambda t, f, x, y: -t * _over(x, y)),
        ranges=(POSITIVE, POSITIVE),
    ),
    row(
        "kl_div", along(lambda t, f, x, y: sp.xlogy(t, _over(x, y))), along(lambda t, f, x, y: t * (1.0 - _over(x, y))),
        ranges=(POSITIVE, POSITIVE),
    ),
    row(
        "huber", lambda y, d, r: np.maximum(np.abs(r) - d, 0.0), lambda y, d, r: np.minimum(np.maximum(r, -d), d),
        ranges=((2.1, 3.0), ANY),
    ),
    row("pseudo_huber", _pseudo_huber_delta, lambda y, d, r: d * cosine(r, d), ranges=(POSITIVE, ANY)),
    row("exprel", lambda y, x: sp.exponential_moment(x, n=1)),
    row(
        "boxcox", lambda y, x, k: np.power(x, k - 1.0), lambda y, x, k: _boxcox_power(np.log(x), k),
        ranges=(POSITIVE, ANY),
    ),
    row(
        "boxcox1p", lambda y, x, k: np.power(1.0 + x, k - 1.0), lambda y, x, k: _boxcox_power(np.log1p(x), k),
        ranges=(POSITIVE, ANY),
    ),
    row(
        "inv_boxcox", lambda y, x, k: y / (1.0 + k * x), lambda y, x, k: _inverse_power(y, x, k, 0.0),
        ranges=(POSITIVE, POSITIVE),
    ),
    row(
        "inv_boxcox1p", lambda y, x, k: (y + 1.0) / (1.0 + k * x), lambda y, x, k: _inverse_power(y, x, k, 1.0),
        ranges=(POSITIVE, POSITIVE),
    ),
    row("cosm1", lambda y, x: -np.sin(x)),
    row("exp10", lambda y, x: y * math.log(10.0)),
    row(
        "powm1", lambda f, x, y: y * np.power(x, y - 1.0), lambda f, x, y: np.power(x, y) * np.log(x),
        ranges=(POSITIVE, ANY),
    ),
    row("sindg", lambda y, x: math.radians(1.0) * sp.cosdg(x)),
    row("cosdg", lambda y, x: -math.radians(1.0) * sp.sindg(x)),
    row("cotdg", lambda y, x: -math.radians(1.0) * (1.0 + y * y), ranges=((20.0, 60.0),)),
    row(
        "radian", math.radians(1.0), math.radians(1.0 / 60.0), math.radians(1.0 / 3600.0), ranges=(ANY, ANY, ANY),
    ),
    row("tandg", lambda y, x: math.radians(1.0) * (1.0 + y * y)),
]  # fmt: skip
