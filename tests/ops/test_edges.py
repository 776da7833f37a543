"""Arrays without elements, without axes, and with one element: NumPy's values, or an error where NumPy has one."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import adcore as ad
from adcore.errors import TraceError
from adcore.testing.calls import CALLS, NO_ARRAYS

SHAPES = ((), (0,), (2, 0, 3), (1,), (1, 1))
ZEROS_WHILE_TRACING = {"empty_like"}
NO_RESULT = {("shape", ()), ("unstack", (0,))}


def functions_of_one_array() -> Iterator[str]:
    for name in sorted(np.__all__):
        f = getattr(np, name)
        if name in NO_ARRAYS or f"np.{name}" in CALLS or not isinstance(f, np.ufunc | type(np.concatenate)):
            continue
        try:
            if getattr(f, "nin", 1) == 1 and all(p.dtype.kind in "biufc" for p in parts(f(np.full((2, 3), 0.5)))):
                yield name
        except (TypeError, ValueError, IndexError):
            continue


def parts(y: Any) -> list[Any]:
    return [p for part in y for p in parts(part)] if isinstance(y, tuple | list) else [np.asarray(y)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_small_arrays_give_what_numpy_gives(shape: tuple[int, ...]) -> None:
    x = np.full(shape, 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in functions_of_one_array():
            f = getattr(np, name)
            if (name, shape) in NO_RESULT or name in ZEROS_WHILE_TRACING:
                continue
            try:
                wanted = parts(f(x))
            except (ValueError, IndexError, TypeError):
                with pytest.raises((ValueError, IndexError, TypeError)):
                    ad.trace(lambda x, f=f: f(x), x)
                continue
            try:
                found = ad.trace(lambda x, f=f: f(x), x).compile().all(x)
            except TraceError as e:
                assert "not known while tracing" in e.what, name
                continue
            assert [(y.dtype, y.shape) for y in found] == [(w.dtype, w.shape) for w in wanted], name
            for y, w in zip(found, wanted, strict=True):
                np.testing.assert_allclose(y, w, rtol=1e-14, err_msg=name)


def by_rows(x: Any) -> Any:
    y = np.zeros_like(x)
    y[[0, 0]] = x[:2]
    return np.sum(y * [3.0, 5.0, 7.0])


CHOICES: dict[str, tuple[Any, list[float], list[float]]] = {
    "maximum.accumulate of equals": (lambda x: np.maximum.accumulate(x)[2], [1.0, 1.0, 0.0], [1.0, 0.0, 0.0]),
    "minimum.accumulate of equals": (lambda x: np.minimum.accumulate(x)[-1], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]),
    "a position that comes twice": (by_rows, [1.0, 2.0, 3.0], [0.0, 3.0, 0.0]),
    "prod with one zero": (np.prod, [2.0, 0.0, 3.0], [0.0, 6.0, 0.0]),
    "prod with two zeros": (np.prod, [0.0, 0.0, 3.0], [0.0, 0.0, 0.0]),
    "cumprod with a zero": (lambda x: np.sum(np.cumprod(x)), [2.0, 0.0, 3.0], [1.0, 8.0, 0.0]),
    "std of equals": (np.std, [2.0, 2.0, 2.0], [0.0, 0.0, 0.0]),
    "interp at knots": (lambda x: np.sum(np.interp(x, [0, 1, 3], [0, 2, 3])), [0.0, 1.0, 3.0], [2.0, 0.5, 0.5]),
    "sort of equals": (lambda x: np.sum(np.sort(x) * [1.0, 10.0, 100.0]), [1.0, 1.0, 0.0], [10.0, 100.0, 1.0]),
    "median of equals": (np.median, [1.0, 1.0, 1.0], [0.0, 1.0, 0.0]),
    "clip at a bound": (lambda x: np.sum(np.clip(x, 0.0, 1.0)), [0.0, 0.5, 1.0], [0.5, 1.0, 0.5]),
}


@pytest.mark.parametrize("name", CHOICES)
def test_where_mathematics_leaves_a_choice_the_derivative_is_the_documented_one(name: str) -> None:
    f, x, wanted = CHOICES[name]
    np.testing.assert_array_equal(ad.grad(f)(np.array(x)), wanted)
    forward = [ad.jvp(f, (np.array(x),), (e,))[1] for e in np.eye(3)]
    np.testing.assert_array_equal(forward, wanted)
