"""Derivatives that know nothing of adcore: Richardson-extrapolated central differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def directional(f: Callable[[float], Any], order: int = 4, h: float = 2.0**-6) -> Any:
    """d/dt f(t) at 0, by extrapolating central differences to h = 0 (Romberg). f gives an array."""
    table = []
    for k in range(order):
        step = h / 2**k
        table.append((np.asarray(f(step), dtype=np.longdouble) - f(-step)) / (2 * step))
        for j in range(1, k + 1):
            row = len(table) - 1
            table[row - j] = table[row - j + 1] + (table[row - j + 1] - table[row - j]) / (4**j - 1)
    return np.asarray(table[0], dtype=float)
