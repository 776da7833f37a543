"""Sums of many short rows, a column at a time: NumPy's bits, without entering its inner loop once a row.

NumPy adds less than 8 numbers one after the other. Of 8 to 15 it adds the first eight as
((x_0 + x_1) + (x_2 + x_3)) + ((x_4 + x_5) + (x_6 + x_7)), and what is left one after the other; then it adds that
to 0. In columns that is as many calls as a row has numbers, for a block of rows that stays in cache.
Source: NumPy's pairwise summation; Higham 1993, "The accuracy of floating point summation", section 3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.extend import Type, padded

BLOCK = 4096
"""How many rows go at a time."""

Kernel = Callable[[Any, Any], None]


def is_few(t: Type, axes: tuple[int, ...]) -> bool:
    """True for many sums of less than 8 floats along the last axis."""
    return axes == (-1,) and t.dtype.char in "fd" and 2 <= t.shape[-1] < 8 and t.size >= 256


def is_some(t: Type, axes: tuple[int, ...]) -> bool:
    """True for thousands of sums of 8 to 15 floats along the last axis; longer ones gain little."""
    return axes == (-1,) and t.dtype.char in "fd" and 8 <= t.shape[-1] < 16 and t.size >= 1000 * t.shape[-1]


def parts(t: Type) -> list[Type]:
    """The types of the buffers that sums of `is_some` need."""
    return [Type(t.dtype, (min(t.size // t.shape[-1], BLOCK),))] * 2


def scratch(t: Type, axes: tuple[int, ...]) -> int:
    """Bytes of these buffers."""
    return sum(padded(part.nbytes) for part in parts(t)) if is_some(t, axes) else 0


def add_few(x: Any, out: Any) -> None:
    """The sums of less than 8 columns."""
    np.add(x[..., 0], 0.0, out)
    for k in range(1, x.shape[-1]):
        np.add(out, x[..., k], out)


def adding(buffers: list[Any]) -> Kernel:
    """The sums of 8 to 15 columns, with these buffers; in another layout NumPy's order is another one, and its own."""

    def kernel(x: Any, out: Any) -> None:
        if not (x.flags.c_contiguous and out.flags.c_contiguous):
            np.add.reduce(x, -1, None, out)
            return
        rows, sums = x.reshape(-1, x.shape[-1]), out.reshape(-1)
        for start in range(0, len(sums), BLOCK):
            columns, y = rows[start : start + BLOCK].T, sums[start : start + BLOCK]
            r, (a, b) = columns[:8], (buffer[: len(y)] for buffer in buffers)
            np.add(r[0], r[1], y)
            np.add(r[2], r[3], a)
            np.add(y, a, y)
            np.add(r[4], r[5], a)
            np.add(r[6], r[7], b)
            np.add(a, b, a)
            np.add(y, a, y)
            for column in columns[8:]:
                np.add(y, column, y)
            np.add(y, 0.0, y)

    return kernel
