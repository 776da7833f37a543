"""Random indices of all kinds mixed: reads, writes and gradients are NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import adcore as ad

SHAPE = (2, 3, 5)
X = np.random.default_rng(8).normal(size=SHAPE)


@st.composite
def indices(draw: st.DrawFn) -> tuple[Any, ...]:
    """A tuple of items that NumPy takes for an array of SHAPE: one for each axis from the left, and more."""
    broadcast = draw(st.sampled_from([(), (1,), (4,), (2, 1), (2, 4)]))
    items: list[Any] = []
    axis = 0
    while axis < len(SHAPE) and draw(st.integers(0, 5)):
        n = SHAPE[axis]
        kind = draw(st.sampled_from(["int", "slice", "none", "array", "list", "mask", "wide mask"]))
        if kind == "none":
            items.append(None)
            continue
        if kind == "int":
            items.append(draw(st.integers(-n, n - 1)))
        elif kind == "slice":
            items.append(draw(st.slices(n)))
        elif kind == "array":
            shape = draw(st.sampled_from([s for s in [(), (1,), broadcast, broadcast[1:]] if len(s) <= 2]))
            size = int(np.prod(shape))
            cells = draw(st.lists(st.integers(-n, n - 1), min_size=size, max_size=size))
            items.append(np.reshape(np.array(cells, int), shape))
        elif kind == "list" and not broadcast:
            items.append([draw(st.integers(-n, n - 1))])
        elif kind == "wide mask" and axis + 1 < len(SHAPE) and not broadcast:
            cells = n * SHAPE[axis + 1]
            items.append(np.resize(draw(st.lists(st.booleans(), min_size=1, max_size=cells)), (n, SHAPE[axis + 1])))
            axis += 1
        elif kind == "mask" and not broadcast:
            items.append(np.resize(draw(st.lists(st.booleans(), min_size=1, max_size=n)), n))
        else:
            items.append(slice(None))
        axis += 1
    if draw(st.booleans()):
        items.insert(draw(st.integers(0, len(items))), Ellipsis)
    return tuple(items)


def accepted(index: Any) -> bool:
    try:
        X[index]
    except IndexError:
        return False
    return True


@settings(max_examples=150, deadline=None, derandomize=True)
@given(indices().filter(accepted))
def test_index_of_any_form_reads_writes_and_differentiates_as_numpy_does(index: tuple[Any, ...]) -> None:
    wanted = X[index]
    weights = np.arange(1.0, 1.0 + wanted.size).reshape(wanted.shape)
    np.testing.assert_array_equal(ad.trace(lambda x: x[index] * 1.0, X)(X), wanted)
    slope = np.zeros(SHAPE)
    np.add.at(slope, index, weights)
    np.testing.assert_array_equal(ad.grad(lambda x: np.sum(x[index] * weights))(X), slope)

    def written(x: Any, v: Any) -> Any:
        y = x * 1.0
        y[index] = v
        return y

    np.testing.assert_array_equal(ad.trace(written, X, weights)(X, weights), written(X, weights))
    places = np.arange(X.size, dtype=float).reshape(SHAPE)
    x_bar, v_bar = ad.grad(lambda x, v: np.sum(written(x, v) * places), wrt=[0, 1])(X, weights)
    kept = np.array(places)
    kept[index] = 0.0
    np.testing.assert_array_equal(x_bar, kept)
    last = np.full(SHAPE, -1)
    last[index] = np.arange(wanted.size).reshape(wanted.shape)
    survives = last[index] == np.arange(wanted.size).reshape(wanted.shape)
    np.testing.assert_array_equal(v_bar, np.where(survives, places[index], 0.0))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(indices().filter(accepted))
def test_arrays_of_an_index_may_be_traced(index: tuple[Any, ...]) -> None:
    arrays = [i for i in index if isinstance(i, np.ndarray) and i.dtype.kind == "i"]
    if not arrays:
        return

    def f(x: Any, *traced: Any) -> Any:
        found = iter(traced)
        return x[tuple(next(found) if isinstance(i, np.ndarray) and i.dtype.kind == "i" else i for i in index)] * 1.0

    graph = ad.trace(f, X, *arrays)
    np.testing.assert_array_equal(graph(X, *arrays), X[index])
