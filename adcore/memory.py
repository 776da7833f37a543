"""Where NumPy would have the elements of a traced array, which decides what is a view of it and what a copy.

A layout is None (C-contiguous, or every so many elements of what is), strides counted in elements, or
UNKNOWN: NumPy gives results of operations on arrays that are not C-contiguous a layout of its own. Axes
of length 1 have any stride.
Source: NumPy's own rule for reshaping without a copy (`numpy/_core/src/multiarray/shape.c`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from adcore.types import Shape

UNKNOWN: Final = "unknown"
COPY: Final = "copy"

Layout: TypeAlias = "Shape | Literal['unknown'] | None"


def c_strides(shape: Shape) -> Shape:
    """The strides of a C-contiguous array."""
    strides = [1] * len(shape)
    for i in range(len(shape) - 2, -1, -1):
        strides[i] = strides[i + 1] * shape[i + 1]
    return tuple(strides)


def normal(shape: Shape, strides: Sequence[int]) -> Layout:
    """The layout of an array with these strides; None also for a multiple of those of a C-contiguous one."""
    long = [i for i, n in enumerate(shape) if n != 1]
    if not long or 0 in shape:
        return None
    plain, factor = c_strides(shape), strides[long[-1]]
    return None if all(strides[i] == factor * plain[i] for i in long) else tuple(strides)


def transposed(layout: Layout, shape: Shape, perm: Sequence[int]) -> Layout:
    """The layout of a transpose: axis i is axis perm[i]."""
    if layout == UNKNOWN:
        return UNKNOWN
    strides = c_strides(shape) if layout is None else layout
    return normal(tuple(shape[i] for i in perm), [strides[i] for i in perm])


def sliced(layout: Layout, shape: Shape, kept: Sequence[tuple[int, int, int] | None]) -> Layout:
    """The layout of a slice. kept: per axis of the result its axis, step and length; None for a new axis."""
    lengths = tuple(1 if k is None else k[2] for k in kept)
    if layout == UNKNOWN:
        return normal(lengths, (1,) * len(lengths)) if sum(n != 1 for n in lengths) <= 1 else UNKNOWN
    strides = c_strides(shape) if layout is None else layout
    return normal(lengths, [0 if k is None else strides[k[0]] * k[1] for k in kept])


def reshaped(layout: Layout, shape: Shape, new: Shape) -> Layout | Literal["copy"]:
    """The layout of a reshape that is a view; COPY where NumPy copies; UNKNOWN where one cannot know."""
    long, wanted = [n for n in shape if n != 1], [n for n in new if n != 1]
    if layout is None or not math.prod(shape):
        return None
    if layout == UNKNOWN:
        return UNKNOWN
    strides = [s for n, s in zip(shape, layout, strict=True) if n != 1]
    found: list[int] = []
    i = j = 0
    while i < len(long):  # old axes i to k become new axes j to m
        k, m, old, made = i + 1, j + 1, long[i], wanted[j]
        while old != made:
            if old < made:
                old, k = old * long[k], k + 1
            else:
                made, m = made * wanted[m], m + 1
        if any(strides[a] != long[a + 1] * strides[a + 1] for a in range(i, k - 1)):
            return COPY
        found += [strides[k - 1] * s for s in c_strides(tuple(wanted[j:m]))]
        i, j = k, m
    long_strides = iter(found)
    return normal(new, [0 if n == 1 else next(long_strides) for n in new])


def only_ones_differ(shape: Shape, new: Shape) -> bool:
    """True for a reshape that adds and drops axes of length 1 only: it is a view in any layout."""
    return [n for n in shape if n != 1] == [n for n in new if n != 1]
