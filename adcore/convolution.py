"""`conv`: convolution over any number of axes, as models of images and signals use it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from adcore.errors import InputError
from adcore.trace import op_call

PerAxis = int | Sequence[int]


def conv(
    x: Any, w: Any, strides: PerAxis = 1, padding: PerAxis | Sequence[tuple[int, int]] | str = 0,
    dilation: PerAxis = 1, groups: int = 1,
) -> Any:  # fmt: skip
    """w moved over x, the products summed over channels: y[n, o, t] = sum_ck x[n, c, t + k] w[o, c, k].

    x: (n, c, *sizes). w: (o, c / groups, *kernel), not flipped. strides: between places of the kernel; dilation:
    between its elements; an integer, or one per axis. padding: zeros on both sides, one integer, one per axis, or
    a pair (before, after) per axis; "same": as many places as elements, for stride 1; "valid": none.
    groups: channels and outputs are cut into as many parts, each of which sees its own alone.
    Returns: (n, o, *places), places = (size + before + after - reach) // stride + 1, reach = (kernel - 1) dilation + 1.
    Raises: InputError when the numbers do not fit each other.
    Source: Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning", section 2.

    >>> x, w = np.arange(5.0).reshape(1, 1, 5), np.array([[[1.0, 0.0, -1.0]]])
    >>> conv(x, w)
    array([[[-2., -2., -2.]]])
    >>> import adcore as ad
    >>> ad.grad(lambda w: np.sum(conv(x, w, strides=2) ** 2))(w)
    array([[[ -8., -16., -24.]]])
    """
    d = np.ndim(x) - 2
    if d < 0 or np.ndim(w) != d + 2:
        raise InputError(
            f"x of {np.ndim(x)} axes and w of {np.ndim(w)} axes do not fit each other",
            "conv takes x (n, c, *sizes) and w (o, c, *kernel)",
            "add axes of length 1 for one sample, channel or output: x[None, None]",
        )
    (n, c), (o, own) = np.shape(x)[:2], np.shape(w)[:2]
    if groups < 1 or c != groups * own or o % groups:
        raise InputError(
            f"x has {c} channels, w {o} outputs of {own} channels, in {groups} groups",
            instead=f"w must have {c} / groups channels, and a multiple of groups outputs",
        )
    step, spread = _per_axis(strides, d, "strides"), _per_axis(dilation, d, "dilation")
    pads = _pads(padding, d, np.shape(w)[2:], spread)
    params = {
        "strides": step, "low": tuple(a for a, _ in pads), "high": tuple(b for _, b in pads), "x_dilation": (1,) * d,
        "w_dilation": spread,
    }  # fmt: skip
    apply = op_call("core::conv")
    if groups == 1:
        return apply(x, w, **params)
    parts = np.moveaxis(np.reshape(x, (n, groups, own, *np.shape(x)[2:])), 1, 0)
    y = apply(parts, np.reshape(w, (groups, o // groups, own, *np.shape(w)[2:])), **params)
    return np.reshape(np.moveaxis(y, 0, 1), (n, o, *y.shape[3:]))


def _per_axis(value: PerAxis, d: int, name: str) -> tuple[int, ...]:
    found = (int(value),) * d if isinstance(value, int | np.integer) else tuple(int(v) for v in value)
    if len(found) != d or any(v < 1 for v in found):
        raise InputError(f"{name} is {value!r}", f"for {d} axes", "give a positive integer, or one per axis")
    return found


def _pads(padding: Any, d: int, kernel: Sequence[int], spread: tuple[int, ...]) -> list[tuple[int, int]]:
    """Zeros before and after, per axis."""
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise InputError(f"padding is {padding!r}", instead='give integers, "same" or "valid"')
        reach = [(k - 1) * s if padding == "same" else 0 for k, s in zip(kernel, spread, strict=True)]
        return [(r // 2, r - r // 2) for r in reach]
    each = [padding] * d if isinstance(padding, int | np.integer) else list(padding)
    pairs = [(int(p), int(p)) if isinstance(p, int | np.integer) else (int(p[0]), int(p[1])) for p in each]
    if len(pairs) != d:
        raise InputError(
            f"padding is {padding!r}", f"for {d} axes", "give an integer, one per axis, or a pair per axis"
        )
    return pairs
