"""Derivatives at kinks and singular points: values that were chosen, written down, and the same in both modes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import adcore as ad

INF, PI = np.inf, np.pi

# name: function, arguments, derivative with respect to each argument
KINKS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], tuple[Any, ...]]] = {
    "abs at 0": (np.abs, (0.0,), (0.0,)),
    "fabs at 0": (np.fabs, (0.0,), (0.0,)),
    "abs of a complex 0": (lambda x: np.abs(x * (1 + 1j)), (0.0,), (0.0,)),
    "sign at 0": (np.sign, (0.0,), (0.0,)),
    "floor at 1": (np.floor, (1.0,), (0.0,)),
    "maximum of equals": (np.maximum, (2.0, 2.0), (0.5, 0.5)),
    "minimum of equals": (np.minimum, (2.0, 2.0), (0.5, 0.5)),
    "fmax of equals": (np.fmax, (2.0, 2.0), (0.5, 0.5)),
    "fmax of a number and nan": (np.fmax, (2.0, np.nan), (1.0, 0.0)),
    "maximum with itself": (lambda x: np.maximum(x, x), (2.0,), (1.0,)),
    "relu at 0": (lambda x: np.maximum(x, 0.0), (0.0,), (0.5,)),
    "clip at its bound": (lambda x: np.clip(x, 0.0, 1.0), (1.0,), (0.5,)),
    "max of equals": (np.max, (np.array([1.0, 3.0, 3.0]),), (np.array([0.0, 0.5, 0.5]),)),
    "min of equals": (np.min, (np.array([1.0, 1.0, 1.0, 3.0]),), (np.array([1, 1, 1, 0]) / 3,)),
    "prod with a zero": (np.prod, (np.array([2.0, 0.0, 5.0]),), (np.array([0.0, 10.0, 0.0]),)),
    "prod with two zeros": (np.prod, (np.array([0.0, 0.0, 5.0]),), (np.zeros(3),)),
    "hypot at the origin": (np.hypot, (0.0, 0.0), (0.0, 0.0)),
    "arctan2 at the origin": (np.arctan2, (0.0, 0.0), (0.0, 0.0)),
    "sinc at 0": (np.sinc, (0.0,), (0.0,)),
    "0 to the power 0": (np.power, (0.0, 0.0), (0.0, 0.0)),
    "0 to the power 1": (np.power, (0.0, 1.0), (1.0, 0.0)),
    "0 to the power 2": (np.power, (0.0, 2.0), (0.0, 0.0)),
    "x to the constant 0 at 0": (lambda x: x**0, (0.0,), (0.0,)),
    "x to the constant 1 at 0": (lambda x: x**1, (0.0,), (1.0,)),
    "a negative base to a constant power": (lambda x: x**3.0, (-2.0,), (12.0,)),
    "copysign of 0": (lambda x: np.copysign(x, -1.0), (0.0,), (0.0,)),
    "logaddexp of -inf and a number": (np.logaddexp, (-INF, 3.0), (0.0, 1.0)),
    "logaddexp of inf and a number": (np.logaddexp, (INF, 3.0), (1.0, 0.0)),
    "logaddexp of two -inf": (np.logaddexp, (-INF, -INF), (0.5, 0.5)),
    "logaddexp2 of two inf": (np.logaddexp2, (INF, INF), (0.5, 0.5)),
    "tanh far out": (np.tanh, (800.0,), (0.0,)),
    "where does not run into the other branch": (
        lambda x: np.where(x > 0, np.sqrt(np.where(x > 0, x, 1.0)), 0.0), (0.0,), (0.0,)
    ),
    "norm at the origin": (np.linalg.norm, (np.zeros(3),), (np.zeros(3),)),
    "std of equals": (np.std, (np.ones(3),), (np.zeros(3),)),
    "std of one": (lambda x: np.std(x, axis=0), (np.ones(1),), (np.zeros(1),)),
}  # fmt: skip

POLES: dict[str, tuple[Callable[..., Any], float, float]] = {
    "sqrt at 0": (np.sqrt, 0.0, INF),
    "cbrt at 0": (np.cbrt, 0.0, INF),
    "log at 0": (np.log, 0.0, INF),
    "x**0.5 at 0": (lambda x: x**0.5, 0.0, INF),
    "arcsin at 1": (np.arcsin, 1.0, INF),
    "arccos at 1": (np.arccos, 1.0, -INF),
    "arccosh at 1": (np.arccosh, 1.0, INF),
    "arctanh at 1": (np.arctanh, 1.0, INF),
    "reciprocal at 0": (np.reciprocal, 0.0, -INF),
    "log1p at -1": (np.log1p, -1.0, INF),
}


def partials(f: Any, args: tuple[Any, ...], mode: str) -> list[Any]:
    wrt = list(range(len(args)))
    if mode == "reverse":
        return [np.asarray(g) for g in ad.grad(f, wrt=wrt)(*args)]
    return [np.asarray(j) for j in ad.jacobian(f, wrt=wrt, strategy="forward")(*args)]


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("name", KINKS)
def test_the_derivative_at_a_kink_is_the_chosen_one(name: str, mode: str) -> None:
    f, args, wanted = KINKS[name]
    for found, value in zip(partials(f, args, mode), wanted, strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-15, atol=0)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("name", POLES)
def test_a_pole_stays_a_pole(name: str, mode: str) -> None:
    f, x, wanted = POLES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        np.testing.assert_array_equal(partials(f, (x,), mode), [wanted])


SECOND = {
    "x**2 at 0": (lambda x: x**2, 0.0, 2.0),
    "x**2.0 at 0": (lambda x: x**2.0, 0.0, 2.0),
    "x * abs(x) at 0": (lambda x: x * np.abs(x), 0.0, 0.0),
    "sinc at 0": (np.sinc, 0.0, -PI * PI / 3.0),
    "logaddexp at a tie": (lambda x: np.logaddexp(x, 0.0), 0.0, 0.25),
    "hypot with a zero": (lambda x: np.hypot(x, 2.0), 0.0, 0.5),
    "relu at 0": (lambda x: np.maximum(x, 0.0), 0.0, 0.0),
    "prod of three with a zero": (lambda x: np.prod(np.stack([x, x, 3.0 * (x + 1.0)])), 0.0, 6.0),
}


@pytest.mark.parametrize("name", SECOND)
def test_the_second_derivative_at_a_kink_is_the_chosen_one(name: str) -> None:
    f, x, wanted = SECOND[name]
    np.testing.assert_allclose(ad.grad(ad.grad(f))(x), wanted, rtol=1e-15)
    np.testing.assert_allclose(ad.hessian(f)(x), wanted, rtol=1e-15)


@pytest.mark.parametrize("k", range(2, 6))
def test_powers_of_x_at_0_have_all_their_derivatives(k: int) -> None:
    f: Any = lambda x: x**k
    for order in range(k + 2):
        assert f(0.0) == (np.prod(range(1, k + 1)) if order == k else 0.0)
        f = ad.grad(f)
