"""Sums along a short last axis are added a column at a time, with the bits of np.sum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import adcore as ad


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", range(1, 18))
def test_a_sum_of_few_columns_has_the_bits_of_numpy(dtype: Any, width: int) -> None:
    rng = np.random.default_rng(width)
    x = (rng.normal(size=(71, 67, width)) * np.exp(rng.normal(size=(71, 67, width)) * 5)).astype(dtype)
    x[0, 0], x[1, 2, 0], x[3, 4, -1] = -0.0, np.inf, np.nan
    layouts = [x, np.asfortranarray(x), x[::-1, :, ::-1], np.swapaxes(x, 0, 1)]
    for f in (lambda x: np.sum(x, axis=-1), lambda x: np.sum(x[::2], axis=-1), lambda x: np.sum(x[..., ::-1], axis=2)):
        for a in layouts if width < 8 else layouts[:1]:  # from 8 on NumPy's order follows the layout
            found = ad.trace(f, a).compile()(a)
            expected = f(a)
            assert found.dtype == expected.dtype
            assert np.where(np.isnan(found), 0, found).tobytes() == np.where(np.isnan(expected), 0, expected).tobytes()
            assert np.array_equal(np.isnan(found), np.isnan(expected))


def test_sums_of_integers_and_complex_numbers_are_left_to_numpy() -> None:
    for x in (np.arange(900, dtype=np.int32).reshape(300, 3), np.ones((300, 3)) * (1 + 2j)):
        graph = ad.trace(lambda x: np.sum(x, axis=-1), x)
        np.testing.assert_array_equal(graph.compile()(x), np.sum(x, axis=-1))
        assert graph.outputs[0].type.dtype == np.sum(x, axis=-1).dtype
