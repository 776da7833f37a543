"""Arrays that are made of sizes alone: what a graph with named sizes has in place of np.arange(n) or a count.

y[i, j, ...] = start + steps[0] i + steps[1] j + ...     whole numbers, in any dtype
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.extend import DTYPE, INTS, SHAPE, SIZE, ZERO, Sample, Type, op


def _infer(*, shape: tuple[int, ...], start: int, steps: tuple[int, ...], dtype: Any) -> Type:
    if len(steps) != len(shape) or any(n < 0 for n in shape):
        raise ValueError(f"there are {len(steps)} steps for the shape {shape}")
    return Type(dtype, shape)


@op(
    "core::integers", infer=_infer, rule=ZERO,
    params={"shape": SHAPE, "start": SIZE, "steps": INTS, "dtype": DTYPE},
    samples=(
        Sample((), params={"shape": (3, 5), "start": 2, "steps": (1, -2), "dtype": "float32"}),
        Sample((), params={"shape": (), "start": 7, "steps": (), "dtype": "int64"}),
    ),
)  # fmt: skip
def integers(*, shape: tuple[int, ...], start: int, steps: tuple[int, ...], dtype: Any) -> Any:
    """Whole numbers that rise by the same along each axis."""
    if len(shape) == 1 and steps[0]:
        return np.arange(start, start + shape[0] * steps[0], steps[0]).astype(dtype, copy=False)
    y = np.full(shape, start, np.int64)
    for axis, (n, step) in enumerate(zip(shape, steps, strict=True)):
        y += (np.arange(n) * step).reshape((-1,) + (1,) * (len(shape) - axis - 1))
    return y.astype(dtype, copy=False)


OPS = [integers]
FUNCTIONS: dict[Any, Callable[..., Any]] = {}
