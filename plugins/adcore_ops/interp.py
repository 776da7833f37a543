"""np.interp: the line between the two knots around x.

y = f[j] + slope[k] (x - p[j]), with p[j] the last knot not above x and k its interval (the last one for
the last knot). So at a knot the derivative in x is the slope to the right, at the last knot to the left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adcore_ops.join import np_concatenate
from adcore_ops.shape import lifted


def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """np.interp; the knots may be traced too, and must ascend."""
    x, p, f = lifted(x), lifted(xp) * 1.0, lifted(fp) * 1.0
    if p.ndim != 1 or p.shape != f.shape:
        raise ValueError("fp and xp are not of the same length")
    if not p.shape[0]:
        raise ValueError("array of sample points is empty")
    if period is not None:
        left = right = None
        x, p, f = _repeated(x, p, f, period)
    n = p.shape[0]
    low, high = f[0] if left is None else left, f[-1] if right is None else right
    if n == 1:
        inside = f[0] + 0.0 * x
    else:
        j = np.clip(np.searchsorted(p, x, side="right") - 1, 0, n - 1)
        slopes = (f[1:] - f[:-1]) / (p[1:] - p[:-1])
        inside = np.take(slopes, np.minimum(j, n - 2)) * (x - np.take(p, j)) + np.take(f, j)
    return np.where(x < p[0], low, np.where(x > p[-1], high, inside))


def _repeated(x: Any, p: Any, f: Any, period: Any) -> tuple[Any, Any, Any]:
    """Points and knots within one period, with a knot of the neighbouring periods at each end."""
    period = np.abs(period)
    x, p = x % period, p % period
    order = np.argsort(p)
    p, f = np.take(p, order), np.take(f, order)
    return x, np_concatenate([p[-1:] - period, p, p[:1] + period]), np_concatenate([f[-1:], f, f[:1]])


FUNCTIONS: dict[Any, Callable[..., Any]] = {np.interp: interp}
