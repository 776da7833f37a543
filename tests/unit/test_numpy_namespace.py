"""The drop-in namespace: what NumPy itself cannot hand to traced arrays works there, the rest is NumPy's own."""

from __future__ import annotations

import math as python_math
from collections.abc import Callable
from typing import Any

import numpy
import pytest

import adcore as ad
import adcore.numpy as np
from adcore.errors import TraceError
from adcore.numpy import math


def written(x: Any) -> Any:
    y = np.zeros((2, 3))
    y[0] = x
    y[1, 1] += x[0] * x[1]
    return np.sum(y**2)


def recursion(x: Any) -> Any:
    path = np.empty(4)
    path[0] = x[0]
    for i in range(3):
        path[i + 1] = path[i] * x[i] + 1.0
    return path[-1]


ROWS: dict[str, Callable[[Any], Any]] = {
    "array of numbers": lambda x: np.sum(np.array([x[0], 2.0, x[1] * x[2]]) ** 2),
    "array of arrays": lambda x: np.sum(np.array([[x, x], [x * 2, x]]) ** 2),
    "array with dtype and axes": lambda x: np.sum(np.array([x[0], x[1]], dtype=float, ndmin=2) @ np.ones((2, 1))),
    "array copies": lambda x: np.sum(np.array(x) * x),
    "asarray": lambda x: np.sum(np.asarray([x[0], x[2]]) * np.asarray(x[:2])),
    "full": lambda x: np.sum(np.full((2, 2), x[0]) * np.full(2, 3.0)),
    "zeros written to": written,
    "empty written to": recursion,
    "ones written to": lambda x: np.sum(np.ones(3) * x),
    "max of a list": lambda x: np.max([x[0], x[1], x[2]]),
    "mean of a list": lambda x: np.mean([x[0], x[1] * x[2]]),
    "std of a tuple": lambda x: np.std((x[0], x[1] * x[2])),
    "norm of a list": lambda x: np.linalg.norm([x[0], x[1]]),
    "real array taken at traced places": lambda x: np.sum(np.take(numpy.arange(3.0), np.argsort(x)) * x),
    "stack of lists": lambda x: np.sum(np.stack([x, [x[0], 1.0, 2.0]])),
    "where of lists": lambda x: np.sum(np.where([True, False], [x[0], x[1]], [x[1], x[2]])),
    "dot of a list": lambda x: np.dot([x[0], x[1]], numpy.array([1.0, 2.0])),
    "fft": lambda x: np.sum(np.abs(np.fft.fft(x))),
    "ufunc of a list": lambda x: np.sum(np.sin([x[0], x[1]])),
    "ufunc method": lambda x: np.add.reduce(x * x),
    "mathematics": lambda x: math.sin(x[0]) * math.exp(x[1]) + math.log(x[2], 2) + math.atan2(x[0], x[1]) + math.pi,
}


@pytest.mark.parametrize("name", ROWS)
def test_value_and_gradient_agree_with_numpy_and_differences(name: str) -> None:
    f, x = ROWS[name], numpy.array([0.4, 1.1, 0.7])
    value, gradient = ad.value_and_grad(f)(x)
    numpy.testing.assert_allclose(value, f(x), rtol=1e-14)
    h = 1e-6
    steps = [(f(x + h * e) - f(x - h * e)) / (2 * h) for e in numpy.eye(3)]
    numpy.testing.assert_allclose(gradient, steps, atol=1e-8)


def test_outside_a_trace_it_is_numpy() -> None:
    assert np.sin is numpy.sin and np.pi == numpy.pi and np.float32 is numpy.float32 and np.ndarray is numpy.ndarray
    assert type(np.zeros(3)) is numpy.ndarray and np.zeros(3, int).dtype == int
    numpy.testing.assert_array_equal(np.arange(2, 7, 2), [2, 4, 6])
    numpy.testing.assert_array_equal(np.array([1, 2], dtype=float), [1.0, 2.0])
    assert np.linalg.det(numpy.eye(2)) == 1 and np.full(2, 7).dtype == int
    assert math.sqrt(4.0) == 2.0 and type(math.sqrt(4.0)) is float and math.factorial is python_math.factorial
    assert np.random is numpy.random


def test_arrays_of_integers_stay_real_while_tracing() -> None:
    def f(x: Any) -> Any:
        places = np.zeros(2, int)
        places[1] = 2
        return np.sum(x[places] ** 2)

    numpy.testing.assert_array_equal(ad.grad(f)(numpy.array([1.0, 2.0, 3.0])), [2.0, 0.0, 6.0])


def test_range_of_traced_length_says_what_to_write() -> None:
    with pytest.raises(TraceError, match=r"(?s)length that is not known.*np.linspace\(start, stop, num\)"):
        ad.trace(lambda x: np.arange(0.0, x, 0.1), 1.0)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'sine'"):
        np.sine  # noqa: B018
