"""Families of functions that are closed under differentiation, each computed without cancellation.

They are what the derivatives of erfcx, exprel and digamma are made of, at any order:

erfcx_integral(x; n)   e^(x^2) i^n erfc(x), with i^n the n-th repeated integral: its derivative is
                       -2 (n + 1) times the next. Stable where 2 x erfcx(x) - 2 / sqrt(pi) cancels.
exponential_moment(x; n)   the integral of s^n e^(x s) over 0 < s < 1: its derivative is the next.
polygamma(n, x)        the n-th derivative of digamma, also of a complex argument.
Source: Gautschi 1961, "Recursive computation of the repeated integrals of the error function"; DLMF
7.18(iii), 5.15, 8.7.1, 8.8.1, 25.11.5.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adcore.extend import INT, Op, Sample, Type, elementwise, op
from adcore_ops.special.row import FORMS, POSITIVE, Form, argument, arrays, float_of, scipy_function, sp

ROOT_PI = math.sqrt(math.pi)


def _real_infer(x: Type, *, n: int) -> Type:
    if x.dtype.kind == "c":
        raise TypeError("it is known for real arguments only")
    return Type(float_of(x.dtype), x.shape)


def _in_double(compute: Any) -> Any:
    """A run that computes in float64 and gives the dtype of its argument."""

    def run(x: Any, *, n: int) -> Any:
        wide = np.asarray(x, np.float64)
        with np.errstate(all="ignore"):
            y = compute(wide.ravel(), n).reshape(wide.shape)
        return y.astype(float_of(x.dtype), copy=False)

    return run


# --- repeated integrals of erfc ------------------------------------------------------------------


def _erfcx_integral(x: Any, n: int) -> Any:
    values = scipy_function("erfcx")(x)
    small = np.minimum(x, 2.0)
    before, now = np.full_like(x, 2.0 / ROOT_PI), scipy_function("erfcx")(small)
    for k in range(1, n + 1):  # 2k E_k = E_(k-2) - 2x E_(k-1), for x up to 2
        before, now = now, (before - 2.0 * small * now) / (2.0 * k)
    large = np.maximum(x, 2.0)
    last = n + 48
    ratio = 1.0 / (large + np.sqrt(large * large + 2.0 * last))
    for k in range(last, 0, -1):  # E_(k-1) / E_(k-2) = 1 / (2x + 2k E_k / E_(k-1)), downwards
        if k <= n:
            values = np.where(x > 2.0, values * ratio, values)
        ratio = 1.0 / (2.0 * large + 2.0 * k * ratio)
    return np.where(x > 2.0, values, now)


@op(
    "special::erfcx_integral", params={"n": INT}, infer=_real_infer, elementwise=True, heap=arrays(57),
    rule=elementwise(lambda y, x, *, n: -2.0 * (n + 1) * erfcx_integral(x, n=n + 1)),
    samples=(Sample(((2, 3),), params={"n": 1}), Sample(((7,),), ((2.1, 9.0),), {"n": 2})),
)  # fmt: skip
def erfcx_integral(x: Any, *, n: int) -> Any:
    """e^(x^2) times the n-th repeated integral of erfc from x to infinity."""
    return _in_double(_erfcx_integral)(x, n=n)


# --- moments of the exponential ------------------------------------------------------------------


def _exponential_moment(x: Any, n: int) -> Any:
    size = np.minimum(np.abs(x), 30.0)
    term = np.full_like(x, 1.0 / (n + 1))
    near = term.copy()
    # x > 0: sum x^k / (k! (n + k + 1)); x < 0: e^x sum |x|^k / ((n + 1) ... (n + k + 1)); all terms positive
    power = np.ones_like(x)
    for k in range(1, 120):
        power = power * (size / k)
        term = term * (size / (n + k + 1))
        near = near + np.where(x > 0, power / (n + k + 1), term)
    near = np.where(x > 0, near, np.exp(-size) * near)
    far_x = np.where(np.abs(x) > 30.0, x, 31.0)
    far = np.expm1(far_x) / far_x
    for k in range(1, n + 1):  # x M_k = e^x - k M_(k-1)
        far = np.where(far_x > 709.0, np.inf, (np.exp(far_x) - k * far) / far_x)
    return np.where(np.abs(x) > 30.0, far, near)


@op(
    "special::exponential_moment", params={"n": INT}, infer=_real_infer, elementwise=True, heap=arrays(57),
    rule=elementwise(lambda y, x, *, n: exponential_moment(x, n=n + 1)),
    samples=(Sample(((2, 3),), params={"n": 1}), Sample(((7,),), ((-40.0, 40.0),), {"n": 2})),
)  # fmt: skip
def exponential_moment(x: Any, *, n: int) -> Any:
    """The integral of s^n e^(x s) over 0 < s < 1."""
    return _in_double(_exponential_moment)(x, n=n)


# --- polygamma -----------------------------------------------------------------------------------

# B_2j / (2j)!, of the Euler-Maclaurin sum
_BERNOULLI = [
    b / math.factorial(2 * j)
    for j, b in enumerate((1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510), start=1)
]


def _hurwitz(s: int, z: Any) -> Any:
    """The sum of (z + k)^-s over k = 0, 1, ..., for an integer s > 1 and complex z."""
    steps = np.maximum(np.ceil(20.0 - z.real), 0.0)
    total = np.zeros_like(z)
    for k in range(int(np.max(steps, initial=0.0))):
        total = total + np.where(k < steps, (z + np.minimum(k, steps)) ** -s, 0.0)
    a = z + steps
    tail = a ** (1 - s) / (s - 1) + 0.5 * a**-s
    rising, power = float(s), a ** (-s - 1)
    for j, b in enumerate(_BERNOULLI, start=1):
        tail = tail + b * rising * power
        rising, power = rising * (s + 2 * j - 1) * (s + 2 * j), power / (a * a)
    return total + tail


FORMS["polygamma"] = Form(2, integers=(0,), whole=True, complex_at=(1,))


@op(
    "special::polygamma", infer=FORMS["polygamma"].infer, elementwise=True, heap=arrays(17),
    rule=elementwise(None, lambda y, n, x: sp.polygamma(n + 1, x)),
    samples=(
        Sample(((2, 3), (2, 3)), ((0.0, 4.0), POSITIVE), dtypes=("int64", "float64")),
        Sample(((), (7,)), ((1.0, 2.0), (-2.9, -2.1)), dtypes=("int64", "float64")),
        Sample(((2, 3), (2, 3)), ((0.0, 4.0), (-2.0, 2.0)), dtypes=("int64", "complex128")),
    ),
)  # fmt: skip
def polygamma(n: Any, x: Any) -> Any:
    """The n-th derivative of digamma at x, real or complex; n = 0 is digamma itself."""
    n, x = np.broadcast_arrays(argument(n, True), argument(x))
    if x.dtype.kind != "c":
        return np.asarray(scipy_function("polygamma")(n, x)).astype(x.dtype, copy=False)
    y = np.empty(x.shape, np.complex128)
    for order in np.unique(n):  # one sum per order that occurs
        here = n == order
        z = x[here].astype(np.complex128)
        with np.errstate(all="ignore"):
            y[here] = (
                scipy_function("digamma")(z)
                if order == 0
                else (-1.0) ** (int(order) + 1) * math.factorial(int(order)) * _hurwitz(int(order) + 1, z)
            )
    return y.astype(x.dtype, copy=False)


OPS: list[Op] = [erfcx_integral, exponential_moment, polygamma]
