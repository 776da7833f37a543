"""Sums of products at all shifts: np.convolve and np.correlate of arrays with one axis.

The op is the sum where both overlap in full; the other modes pad. It is bilinear, and closed:
    y[k] = sum_j a[k + j] v[j]        k = 0 ... n - m
    a_bar[i] = sum_j y_bar[i - j] v[j]        v_bar[j] = sum_k a[k + j] y_bar[k]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.extend import Sample, Type, multilinear, op
from adcore_ops.blocks import BLOCK
from adcore_ops.join import common
from adcore_ops.shape import lifted, np_reshape


def _infer(a: Type, v: Type) -> Type:
    n, m = a.shape[-1], v.shape[-1]
    if not 0 < m <= n:
        raise ValueError(f"{m} weights slide along an axis of {n}: there must be at least one, and no more than that")
    if a.dtype != v.dtype:
        raise TypeError("both must have one dtype")
    return Type(a.dtype, (*np.broadcast_shapes(a.shape[:-1], v.shape[:-1]), n - m + 1))


def _left(g: Any, a: Any, v: Any) -> Any:
    m = v.shape[-1]
    wide = np.pad(g, ((0, 0),) * (g.ndim - 1) + ((m - 1, m - 1),))
    return correlate(wide, np.flip(v, -1))


@op(
    "core::correlate",
    infer=_infer,
    rule=multilinear(_left, lambda g, a, v: correlate(a, g), broadcasts=True),
    batch=(1, 1),
    out=True,
    flops=lambda types, p: 2.0 * _infer(*types).size * types[1].shape[-1],
    samples=(
        Sample(((7,), (3,))),
        Sample(((2, 7), (3,))),
        Sample(((5, 1, 4), (3, 4))),
        Sample(((7,), (3,)), dtypes=("complex128", "complex128")),
    ),
)
def correlate(a: Any, v: Any, out: Any = None) -> Any:
    """Sums of products of a and v along the last axis, at each shift of v within a. No conjugate."""
    lead = np.broadcast_shapes(a.shape[:-1], v.shape[:-1])
    if out is None:
        out = np.empty((*lead, a.shape[-1] - v.shape[-1] + 1), a.dtype)
    m = v.shape[-1]
    a, v = (x if x.shape[:-1] == lead else np.broadcast_to(x, (*lead, x.shape[-1])) for x in (a, v))
    for i in np.ndindex(lead):
        row, weights, sums = a[i], v[i][::-1], out[i]
        for start in range(0, sums.size, BLOCK):
            part = sums[start : start + BLOCK]
            part[...] = np.convolve(row[start : start + part.size + m - 1], weights, "valid")
    return out


OPS = [correlate]


# --- NumPy functions made of these ---------------------------------------------------------------


def _slid(a: Any, v: Any, mode: str) -> Any:
    """v, no longer than a, along a: where both overlap in full, at n shifts, or wherever they overlap."""
    m = v.shape[0]
    before, after = {"valid": (0, 0), "same": (m // 2, (m - 1) // 2), "full": (m - 1, m - 1)}[mode]
    return correlate(np.pad(a, (before, after)) if before + after else a, v)


def _pair(a: Any, v: Any, mode: Any) -> tuple[Any, Any, str]:
    name = mode if isinstance(mode, str) else ("valid", "same", "full")[mode]
    if name not in ("valid", "same", "full"):
        raise ValueError(f"mode must be one of 'valid', 'same', or 'full' (got {name!r})")
    a, v = common([lifted(a), lifted(v)])
    a, v = (np_reshape(x, 1) if not x.ndim else x for x in (a, v))
    if a.ndim != 1 or v.ndim != 1:
        raise ValueError("object too deep for desired array")
    if not a.size or not v.size:
        raise ValueError("the arrays cannot be empty")
    return a, v, name


def np_convolve(a: Any, v: Any, mode: Any = "full") -> Any:
    """np.convolve."""
    a, v, name = _pair(a, v, mode)
    long, short = (v, a) if v.size > a.size else (a, v)
    return _slid(long, np.flip(short), name)


def np_correlate(a: Any, v: Any, mode: Any = "valid") -> Any:
    """np.correlate."""
    a, v, name = _pair(a, v, mode)
    if v.size > a.size:
        return np.flip(np.conjugate(_slid(v, np.conjugate(a), name)))
    return _slid(a, np.conjugate(v), name)


FUNCTIONS: dict[Any, Callable[..., Any]] = {np.convolve: np_convolve, np.correlate: np_correlate}
