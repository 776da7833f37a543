"""What cannot be traced says so in three parts: what, where in the user's own code, what to write instead."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import adcore as ad
from adcore.errors import OpError, TraceError

SIZED_BY_VALUES: dict[str, Any] = {
    "np.nonzero": lambda x: np.nonzero(x),
    "np.flatnonzero": lambda x: np.flatnonzero(x > 0),
    "np.argwhere": lambda x: np.argwhere(x),
    "np.unique": lambda x: np.unique(x),
    "np.unique_values": lambda x: np.unique_values(x),
    "np.union1d": lambda x: np.union1d(x, x),
    "np.intersect1d": lambda x: np.intersect1d(x, x),
    "np.setdiff1d": lambda x: np.setdiff1d(x, x),
    "np.trim_zeros": lambda x: np.trim_zeros(x),
    "np.roots": lambda x: np.roots(x),
    "np.where": lambda x: np.where(x > 0),
    "np.compress": lambda x: np.compress(x > 0, x),
    "np.extract": lambda x: np.extract(x > 0, x),
    "np.bincount": lambda x: np.bincount(x.astype(int), x),
    "np.histogram": lambda x: np.histogram(x, "auto"),
}


@pytest.mark.parametrize("name", SIZED_BY_VALUES)
def test_result_whose_size_depends_on_values_is_refused_with_advice(name: str) -> None:
    with pytest.raises(TraceError) as caught:
        ad.trace(SIZED_BY_VALUES[name], np.arange(3.0))
    error = caught.value
    assert name in error.what and "not known while tracing" in error.what
    assert "test_refused.py" in error.where and error.instead


@pytest.mark.parametrize("f", [np.max, np.min, np.argmax])
def test_extreme_of_nothing_is_an_error_while_tracing(f: Any) -> None:
    with pytest.raises((OpError, ValueError), match="no elements"):
        ad.trace(f, np.zeros(0))


def test_sum_and_product_of_nothing_are_neutral() -> None:
    empty = np.zeros((2, 0))
    assert ad.trace(lambda x: np.sum(x), empty)(empty) == 0
    assert ad.trace(lambda x: np.prod(x), empty)(empty) == 1
    np.testing.assert_array_equal(ad.grad(lambda x: np.sum(np.cumsum(x)))(empty), empty)


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: np.reshape(x, (4, 2)), "cannot reshape array of size 6"),
        (lambda x: np.concatenate([x, x[0]]), "dtypes or other axes differ"),
        (lambda x: np.stack([x, x[0]]), "all input arrays must have the same shape"),
        (lambda x: np.einsum("ij,jk", x, x), "index 'j' has sizes 3 and 2"),
        (lambda x: np.einsum("i", x), "an operand of 2 axes has the indices 'i'"),
        (lambda x: np.squeeze(x, 0), "cannot select an axis to squeeze out"),
        (lambda x: np.split(x, 2, axis=1), "array split does not result in an equal division"),
        (lambda x: np.quantile(x, 1.5), r"Quantiles must be in the range \[0, 1\]"),
        (lambda x: np.sum(x, axis=2), "axis 2 is out of bounds"),
        (lambda x: np.gradient(x[:, :1], axis=1), "np.gradient needs at least 2 elements"),
        (lambda x: np.interp(x, [0.0, 1.0], x[0]), "fp and xp are not of the same length"),
    ],
)
def test_wrong_shapes_are_named_while_tracing(f: Any, message: str) -> None:
    with pytest.raises((OpError, ValueError, np.exceptions.AxisError), match=message):
        ad.trace(f, np.ones((2, 3)))


def test_real_array_cannot_take_traced_values() -> None:
    def f(x: Any) -> Any:
        y = np.zeros(3)
        np.add.at(y, [0, 1], x[:2])
        return y

    with pytest.raises(TraceError, match=r"(?s)cannot be added into a ndarray.*np.zeros_like"):
        ad.trace(f, np.arange(3.0))
    with pytest.raises(TraceError, match=r"(?s)cannot be written into a real ndarray.*test_refused"):
        ad.trace(lambda x: np.sum(x, axis=0, out=np.zeros(())), np.arange(3.0))


def test_out_is_written_to_when_it_is_traced() -> None:
    def f(x: Any) -> Any:
        y = np.zeros_like(x)
        np.cumsum(x, out=y)
        z = np.zeros_like(x[:1])
        np.sum(x[:, None], 0, None, z)
        return y * 2.0, z

    x = np.arange(3.0)
    y, z = ad.trace(f, x)(x)
    np.testing.assert_array_equal(y, 2 * np.cumsum(x))
    np.testing.assert_array_equal(z, [3.0])
