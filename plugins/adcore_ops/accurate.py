"""Ops that derivatives are made of where the textbook formula loses digits, overflows or is undefined.

    tanh' = sech^2                          1 - tanh^2 is 0 from x = 20 on
    hypot(a, b)_a = cosine(a, b)            a / hypot(a, b), 0 at the origin; its own derivative is a product
    logaddexp(a, b)_a = share(a, b)         exp(a) / (exp(a) + exp(b)), also for infinite a and b
    share(a, b)_a = sech(d/2)^2 / 4         d = a - b; p (1 - p) loses the next derivative at p = 1/2
    arctanh' = 1 / one_minus_square         (1 - x) (1 + x); its own derivative is just -2 x
    sinc' = sinc[1], sinc[n]' = sinc[n+1]   (cos x - sinc x) / x cancels near 0

Each family is closed under differentiation, so every order keeps its digits.
Source: Abramowitz and Stegun 1972, 4.5.71 (tanh), 10.1.1 and 10.1.19 (sinc, which is j_0, and its recurrence).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adcore.extend import INT, Op, Sample, Type, elementwise, op, ufunc_infer
from adcore_ops.blocks import BLOCK, blockwise

SHAPES = ((2, 3), ())
PAIRS = (((2, 3), (2, 3)), ((5, 1), (3,)), ((), (7,)))


@op(
    "core::sech", infer=ufunc_infer(np.cosh), elementwise=True, out=True,
    rule=elementwise(lambda y, x: -y * np.tanh(x)),
    samples=tuple(Sample((s,)) for s in SHAPES),
)  # fmt: skip
def sech(x: Any, out: Any = None) -> Any:
    """1 / cosh(x), 0 where cosh overflows."""
    with np.errstate(over="ignore"):
        return np.reciprocal(np.cosh(x, out), out)


def radius(a: Any, b: Any) -> Any:
    """hypot(a, b), and 1 at the origin, so that a derivative divided by it is 0 there."""
    y = np.hypot(a, b)
    return np.where(y == 0, np.ones((), y.dtype)[()], y)


@op(
    "core::cosine", infer=ufunc_infer(np.hypot), elementwise=True, out=True,
    rule=elementwise(
        lambda y, a, b: cosine(b, a) ** 2 / radius(a, b), lambda y, a, b: -y * cosine(b, a) / radius(a, b)
    ),
    samples=tuple(Sample(s, ((0.3, 3.0),) * 2) for s in PAIRS),
)  # fmt: skip
@blockwise(2)
def cosine(a: Any, b: Any) -> Any:
    """a / hypot(a, b): the cosine of the angle of the point (a, b); 0 at the origin."""
    return a / radius(a, b)


@op(
    "core::share", infer=ufunc_infer(np.logaddexp), elementwise=True, out=True,
    rule=elementwise(lambda y, a, b: _slope(a, b), lambda y, a, b: -_slope(a, b)),
    samples=tuple(Sample(s) for s in PAIRS),
)  # fmt: skip
@blockwise(2)
def share(a: Any, b: Any) -> Any:
    """exp(a) / (exp(a) + exp(b)); where both are infinite, halves if they are equal."""
    with np.errstate(invalid="ignore"):
        y = np.logaddexp(a, b)
        result = np.exp(a - y)
    infinite = np.isinf(y)
    if infinite.any():
        return np.where(infinite, np.where(a == b, 0.5, a > b), result).astype(result.dtype)
    return result


def _slope(a: Any, b: Any) -> Any:
    same = np.isinf(a) & np.equal(a, b)
    return 0.25 * np.square(sech(0.5 * (np.where(same, 0.0, a) - np.where(same, 0.0, b))))


@op(
    "core::one_minus_square", infer=ufunc_infer(np.negative), rule=elementwise(lambda y, x: -2.0 * x),
    elementwise=True, out=True, samples=(*(Sample((s,)) for s in SHAPES), Sample(((2, 3),), dtypes=("complex128",))),
)  # fmt: skip
@blockwise(1)
def one_minus_square(x: Any) -> Any:
    """1 - x^2 as (1 - x) (1 + x), exact near 1."""
    return (1 - x) * (1 + x)


# --- sinc ----------------------------------------------------------------------------------------


def _unnormalised(z: Any, n: int) -> Any:
    """The n-th derivative of sin(z) / z: by series near 0, else by recurrence, which is stable for z > n."""
    near = np.abs(z) < max(1.5, float(n))
    small, large = np.where(near, z, 0.0), np.where(near, 1.0, z)
    series = np.zeros_like(z)
    power = np.ones_like(z)
    for m in range(24 + 4 * n):  # integral over t from 0 to 1 of t^n cos(z t + n pi / 2), term by term
        quarter = (n + m) % 4
        if quarter % 2 == 0:
            series += power * ((1 if quarter == 0 else -1) / (math.factorial(m) * (n + m + 1)))
        power = power * small
    value = np.sin(large) / large
    for k in range(1, n + 1):
        turned = (np.sin, np.cos)[k % 2](large) * (1 if k % 4 < 2 else -1)  # sin(z + k pi / 2)
        value = (turned - k * value) / large
    return np.where(near, series, value)


def _sinc_infer(x: Type, *, order: int) -> Type:
    if order < 0:
        raise ValueError(f"there is no derivative of order {order}")
    return x if x.dtype.kind in "fc" else Type(np.dtype(np.float64), x.shape)


@blockwise(1, BLOCK // 4)
def _sinc_run(x: Any, *, order: int) -> Any:
    if order == 0:
        return np.asarray(np.sinc(x))
    dtype = np.sinc(np.empty(0, np.asarray(x).dtype)).dtype
    wide = np.asarray(x, np.complex128 if dtype.kind == "c" else np.float64)
    return np.asarray(_unnormalised(np.pi * wide, order) * np.pi**order, dtype)


sinc = Op(
    "core::sinc", _sinc_run, _sinc_infer, elementwise(lambda y, x, *, order: sinc(x, order=order + 1)), {"order": INT},
    elementwise=True, out=True,
    samples=(
        *(Sample((s,), params={"order": n}) for s in SHAPES for n in (0, 1)),
        Sample(((2, 3),), params={"order": 0}, dtypes=("complex128",)),
    ),
    doc="The derivative of that order of sin(pi x) / (pi x).",
)  # fmt: skip

OPS = [sech, cosine, share, one_minus_square, sinc]
FUNCTIONS: dict[Any, Any] = {np.sinc: lambda x: sinc(x, order=0)}
