"""Where on a step a function changes its sign, and how long the first step should be.

Source: Hairer, Norsett and Wanner 1993, "Solving Ordinary Differential Equations I", section II.4 (starting step
size) and II.6 (event location); Dowell and Jarratt 1971 for the Illinois variant of the secant rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np


def sign(x: float) -> int:
    """-1, 0 or 1; 0 for what is not a number."""
    return (x > 0) - (x < 0)


def first_root(g: Callable[[float], float], before: int) -> float:
    """The theta in (0, 1] where g first leaves the sign `before`; g(1) has not that sign.

    A root at 0 itself does not count: the search starts where g has the sign `before`.
    """
    low, high = 0.0, 1.0
    for _ in range(60):
        low = 0.5 * high
        if sign(g(low)) == before:
            break
        high = low
    a, b, ga, gb = low, high, g(low), g(high)
    for _ in range(100):
        if gb == 0.0 or b - a <= 4 * np.finfo(float).eps:
            break
        c = b - gb * (b - a) / (gb - ga)
        if not a < c < b:
            c = 0.5 * (a + b)
        gc = g(c)
        if sign(gc) == before:
            a, ga, gb = c, gc, 0.5 * gb
        else:
            b, gb, ga = c, gc, 0.5 * ga
    return b


def rms(x: Any) -> float:
    """The root of the mean square; 0 for an empty array."""
    flat = x.ravel()
    return math.sqrt(float(np.vdot(flat, flat).real) / flat.size) if flat.size else 0.0


def first_step(
    rhs: Callable[[float, Any], Any], t: float, y: Any, f: Any, direction: int, order: int, scale: Any, tested: slice
) -> float:
    """The length of the first step, from the sizes of y, y' and y''. One evaluation of the right-hand side."""
    d0, d1 = rms(y[tested] / scale), rms(f[tested] / scale)
    h0 = 1e-6 if d0 < 1e-5 or d1 < 1e-5 else 0.01 * d0 / d1
    g = rhs(t + h0 * direction, y + h0 * direction * f)
    d2 = rms((g - f)[tested] / scale) / h0
    worst = max(d1, d2)
    h1 = max(1e-6, h0 * 1e-3) if worst <= 1e-15 else (0.01 / worst) ** (1.0 / (order + 1))
    return min(100 * h0, h1) if math.isfinite(h1) else h0
