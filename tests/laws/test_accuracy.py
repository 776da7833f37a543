"""Values and derivatives to third order against mpmath, at arguments where formulas from books lose digits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import product
from typing import Any

import mpmath
import numpy as np
import pytest

import adcore as ad

DIGITS = 500  # so that differences at 1e150 are resolved
RTOL = 2e-13

ONE: dict[str, tuple[Any, Callable[..., Any], Sequence[float]]] = {
    "expm1": (np.expm1, mpmath.expm1, (-50.0, -1e-10, 1e-10, 30.0)),
    "exp": (np.exp, mpmath.exp, (-700.0, 1e-10, 300.0)),
    "exp2": (np.exp2, lambda x: mpmath.power(2, x), (-300.0, 1e-10, 300.0)),
    "log1p": (np.log1p, mpmath.log1p, (1e-15, -1 + 1e-10, -1e-9, 1e10)),
    "log": (np.log, mpmath.log, (1e-100, 1 + 1e-12, 1e100)),
    "log2": (np.log2, lambda x: mpmath.log(x, 2), (1e-10, 1e100)),
    "log10": (np.log10, mpmath.log10, (1e-10, 1e100)),
    "sinc": (np.sinc, lambda x: mpmath.sincpi(x), (0.0, 1e-8, -1e-5, 1e-3, 0.3, 0.47, 0.48, 1.25, -7.5)),
    "tanh": (np.tanh, mpmath.tanh, (300.0, -20.0, 1e-9, 0.0, 0.7)),
    "sinh": (np.sinh, mpmath.sinh, (1e-9, -300.0)),
    "cosh": (np.cosh, mpmath.cosh, (1e-9, 300.0)),
    "arcsinh": (np.arcsinh, mpmath.asinh, (1e-9, -0.5, 1e8, 1e100)),
    "arccosh": (np.arccosh, mpmath.acosh, (1 + 1e-8, 1.5, 1e8, 1e100)),
    "arctanh": (np.arctanh, mpmath.atanh, (1 - 1e-10, -1e-9, 0.5)),
    "arcsin": (np.arcsin, mpmath.asin, (1 - 1e-10, -1e-9, 0.5)),
    "arccos": (np.arccos, mpmath.acos, (1 - 1e-10, -1 + 1e-12, 0.5)),
    "arctan": (np.arctan, mpmath.atan, (1e-9, 1.0, -1e8)),
    "tan": (np.tan, mpmath.tan, (1e-9, 1.5707, -0.7)),
    "sqrt": (np.sqrt, mpmath.sqrt, (1e-100, 2.0, 1e100)),
    "cbrt": (np.cbrt, lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)), (1e-90, -1e-9, 1e90)),
    "reciprocal": (np.reciprocal, lambda x: 1 / x, (1e-70, -3.0, 1e70)),
    "softplus": (
        lambda x: np.logaddexp(0.0, x), lambda x: mpmath.log1p(mpmath.exp(x)), (-600.0, -40.0, 0.0, 1e-9, 40.0)
    ),
    "log of a sigmoid": (
        lambda x: -np.logaddexp(0.0, -x), lambda x: -mpmath.log1p(mpmath.exp(-x)), (-40.0, 0.0, 40.0, 600.0)
    ),
    "x**3": (lambda x: x**3, lambda x: x**3, (0.0, -1e-100, 2.0)),
    "x**2.5": (lambda x: x**2.5, lambda x: mpmath.power(x, mpmath.mpf("2.5")), (1e-100, 2.0)),
}  # fmt: skip

TWO: dict[str, tuple[Any, Callable[..., Any], Sequence[tuple[float, float]]]] = {
    "hypot": (
        np.hypot, mpmath.hypot,
        ((1e150, 1e140), (1e100, 1.0), (1.0, 1e-20), (3.0, -4.0), (1e-60, 1e-61)),
    ),
    "arctan2": (np.arctan2, mpmath.atan2, ((1e100, 1e99), (-1e-60, 1e-61), (3.0, -4.0), (1e-20, 1.0))),
    "logaddexp": (
        np.logaddexp, lambda a, b: mpmath.log(mpmath.exp(a) + mpmath.exp(b)),
        ((-40.0, 3.0), (600.0, 0.0), (0.0, 0.0), (-1e-9, 1e-9), (-300.0, -300.5)),
    ),
    "logaddexp2": (
        np.logaddexp2, lambda a, b: mpmath.log(mpmath.power(2, a) + mpmath.power(2, b), 2),
        ((-40.0, 3.0), (0.0, 0.0), (300.0, 1.0)),
    ),
    "power": (np.power, mpmath.power, ((1e-5, 2.5), (2.0, 30.0), (1 + 1e-9, 1e5), (1e30, -2.0))),
    "divide": (np.divide, lambda a, b: a / b, ((1e100, 1e-50), (3.0, 7.0))),
}  # fmt: skip


@cache
def truth(f: Callable[..., Any], at: tuple[float, ...], orders: tuple[int, ...]) -> float:
    with mpmath.workdps(DIGITS):
        point = tuple(mpmath.mpf(x) for x in at)
        if not any(orders):
            return float(f(*point))
        return float(mpmath.diff(f, point if len(point) > 1 else point[0], orders if len(orders) > 1 else orders[0]))


def derived(f: Any, orders: tuple[int, ...], mode: str) -> Any:
    """f differentiated so often in each argument, elementwise."""
    for i, n in enumerate(orders):
        for _ in range(n):
            f = along(f, i) if mode == "forward" else ad.grad(summed(f), i)
    return f


def summed(f: Any) -> Any:
    return lambda *xs: np.sum(f(*xs))


def along(f: Any, i: int) -> Any:
    return lambda *xs: ad.jvp(f, xs, [np.ones_like(x) if k == i else np.zeros_like(x) for k, x in enumerate(xs)])[1]


def check(f: Any, oracle: Any, points: Sequence[tuple[float, ...]], orders: tuple[int, ...], mode: str) -> None:
    arrays = [np.array(column) for column in zip(*points, strict=True)]
    wanted = [truth(oracle, p, orders) for p in points]
    np.testing.assert_allclose(derived(f, orders, mode)(*arrays), wanted, rtol=RTOL, atol=1e-290)


modes = pytest.mark.parametrize("mode", ["forward", "reverse"])


@modes
@pytest.mark.parametrize("order", range(4))
@pytest.mark.parametrize("name", ONE)
def test_a_function_of_one_number_keeps_its_digits(name: str, order: int, mode: str) -> None:
    f, oracle, points = ONE[name]
    check(f, oracle, [(x,) for x in points], (order,), mode)


@modes
@pytest.mark.parametrize("orders", [o for o in product(range(4), repeat=2) if sum(o) <= 3])
@pytest.mark.parametrize("name", TWO)
def test_a_function_of_two_numbers_keeps_its_digits(name: str, orders: tuple[int, int], mode: str) -> None:
    f, oracle, points = TWO[name]
    check(f, oracle, points, orders, mode)
