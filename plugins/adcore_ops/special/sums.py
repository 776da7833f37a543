"""Log-sum-exp and softmax over axes counted from the end.

y = log sum e^x:  y' = sum p x', p = softmax(x).   p' = p (x' - sum p x').   (log p)' = x' - sum p x'.
The shares p of the largest elements are exact for infinities too: elements that equal the maximum
share equally if it is infinite, so no nan arises where x is -inf or +inf.
Source: Blanchard, Higham and Higham 2021, "Accurately computing the log-sum-exp and softmax functions".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adcore.extend import INTS, ZERO, Op, Rule, Sample, Type, op
from adcore_ops.reduce import reduced

SAMPLES = (
    Sample(((2, 3),), params={"axes": (-1,)}),
    Sample(((2, 3, 5),), params={"axes": (-3, -1)}),
    Sample(((7,),), ((-900.0, 900.0),), params={"axes": (-1,)}),
)


def _floats(x: Any) -> Any:
    return x if x.dtype.kind == "f" else x.astype(np.float64)


def _dtype(x: Type) -> Any:
    if x.dtype.kind == "c":
        raise TypeError("it is known for real arguments only")
    return x.dtype if x.dtype.kind == "f" else np.dtype(np.float64)


def _same_shape(x: Type, *, axes: tuple[int, ...]) -> Type:
    reduced(x.shape, axes)
    return Type(_dtype(x), x.shape)


def _reduced(x: Type, *, axes: tuple[int, ...]) -> Type:
    return Type(_dtype(x), reduced(x.shape, axes))


def _shares(x: Any, axes: tuple[int, ...], out: Any = None) -> tuple[Any, Any]:
    """e^(x - m) with the largest elements exactly 1, and m = max x, with its axes kept."""
    top = np.max(x, axis=axes, keepdims=True, initial=-np.inf)
    with np.errstate(invalid="ignore"):
        shares = np.exp(np.subtract(x, top, out), out) if out is not None else x - top
        if out is None:
            np.exp(shares, shares)
    np.copyto(shares, 1, where=x == top)
    return shares, top


def _along(p: Any, t: Any, axes: tuple[int, ...]) -> Any:
    return np.sum(p * t, axis=axes, keepdims=True)


def _masks(arrays: int, masks: int) -> Any:
    """Bytes of some arrays as large as the argument, and of some masks of it."""
    return lambda types, params: types[0].size * (arrays * max(types[0].dtype.itemsize, 4) + masks)


@op(
    "special::softmax", params={"axes": INTS}, infer=_same_shape, batch="core", samples=SAMPLES[:2], out=True,
    rule=Rule(jvp=lambda ts, y, x, *, axes: y * (ts[0] - _along(y, ts[0], axes))), heap=_masks(0, 1),
)  # fmt: skip
def softmax(x: Any, out: Any = None, *, axes: tuple[int, ...]) -> Any:
    """e^x over its sum."""
    shares, _ = _shares(_floats(x), axes, out)
    return np.divide(shares, np.add.reduce(shares, axes, keepdims=True), shares)


@op(
    "special::logsumexp", params={"axes": INTS}, infer=_reduced, batch="core", samples=SAMPLES,
    rule=Rule(jvp=lambda ts, y, x, *, axes: np.sum(softmax(x, axes=axes) * ts[0], axis=axes)), heap=_masks(1, 1),
)  # fmt: skip
def logsumexp(x: Any, *, axes: tuple[int, ...]) -> Any:
    """The logarithm of the sum of e^x."""
    x = _floats(x)
    shares, top = _shares(x, axes)
    # the largest element counts as 1, and log1p keeps what the others add to it
    largest = shares == 1
    first = np.add.reduce(largest, axes, dtype=x.dtype)
    np.copyto(shares, 0, where=largest)
    rest = np.add.reduce(shares, axes)
    with np.errstate(divide="ignore"):
        return np.log1p(rest / first) + np.log(first) + top.reshape(first.shape)


@op(
    "special::log_softmax", params={"axes": INTS}, infer=_same_shape, batch="core", samples=SAMPLES, out=True,
    rule=Rule(jvp=lambda ts, y, x, *, axes: ts[0] - _along(np.exp(y), ts[0], axes)), heap=_masks(1, 0),
)  # fmt: skip
def log_softmax(x: Any, out: Any = None, *, axes: tuple[int, ...]) -> Any:
    """x less the logarithm of the sum of e^x."""
    x = _floats(x)
    top = np.max(x, axis=axes, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, x.dtype.type(0))
    y = np.subtract(x, top, out)
    with np.errstate(divide="ignore"):
        return np.subtract(y, np.log(np.add.reduce(np.exp(y), axes, keepdims=True)), y)


def _kept_axes(x: Type, *, axes: tuple[int, ...]) -> Type:
    reduced(x.shape, axes)
    return Type(_dtype(x), tuple(1 if i - x.ndim in axes else n for i, n in enumerate(x.shape)))


@op(
    "special::shift", params={"axes": INTS}, infer=_kept_axes, batch="core", rule=ZERO,
    samples=(Sample(((2, 3, 5),), params={"axes": (-3, -1)}, smooth=False),),
)  # fmt: skip
def shift(x: Any, *, axes: tuple[int, ...]) -> Any:
    """The largest finite element, 0 if there is none, with its axes kept.

    Exponentials are scaled by it and the scale is taken back: results do not depend on it, so it has no derivative.
    """
    x = _floats(x)
    top = np.max(np.where(np.isfinite(x), x, -np.inf), axis=axes, keepdims=True, initial=-np.inf)
    return np.where(np.isfinite(top), top, x.dtype.type(0))


OPS: list[Op] = [softmax, logsumexp, log_softmax, shift]
