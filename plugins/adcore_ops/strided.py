"""What ops that give views share: strides, and kernels with all that can be known worked out before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adcore.extend import Node, Type

Strides = tuple[int, ...]


def c_strides(shape: Sequence[int], itemsize: int) -> Strides:
    """The strides, in bytes, of a C-contiguous array."""
    strides = [itemsize] * len(shape)
    for i in range(len(shape) - 2, -1, -1):
        strides[i] = strides[i + 1] * max(shape[i + 1], 1)
    return tuple(strides)


def is_contiguous(t: Type, strides: Strides) -> bool:
    """True when the strides are those of a C-contiguous array (axes of length 1 do not matter)."""
    return all(n == 1 or s == c for n, s, c in zip(t.shape, strides, c_strides(t.shape, t.dtype.itemsize), strict=True))


def copied(out: Any, x: Any) -> Any:
    """x written into out."""
    np.copyto(out, x)
    return out


def viewing(view: Callable[[Node], Callable[[Any], Any]]) -> Callable[[Node, Any], Callable[..., Any]]:
    """The kernel of a view op, with all that can be known worked out before. view(node): from x to the view."""

    def kernel(node: Node, lower: Any) -> Callable[..., Any]:
        take = view(node)

        def run(x: Any, out: Any = None) -> Any:
            return take(x) if out is None else copied(out, take(x))

        return run

    return kernel
