"""Drawn programs with a named size: one graph gives, at any size, the bits of tracing at that size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import adcore as ad


def ends(m: Any) -> Any:
    """The matrix with numbers of their own in its corners, as boundaries make them."""
    m[0, :2] = 0.5, 0.25
    m[-2:, -1] = 0.75, -3.0
    return m


STEPS: tuple[Callable[[Any], Any], ...] = (
    np.sin,
    lambda x: x[::-1],
    lambda x: x[1:],
    lambda x: x[:-2],
    lambda x: x[1::1] - x[:-1],
    lambda x: np.concatenate([x, x[:1]]),
    lambda x: x - np.mean(x),
    lambda x: x * np.arange(len(x)),
    lambda x: x / (len(x) + 1),
    lambda x: np.ones(len(x)) * 0.3 + x,
    lambda x: np.pad(x, (1, 2)),
    lambda x: np.sum(x[:, None] * x, axis=1),
    lambda x: (np.eye(len(x)) + 0.5) @ x,
    lambda x: np.tri(len(x)) @ x,
    lambda x: (np.eye(len(x), k=1) - 2.0 * np.eye(len(x)) + np.eye(len(x), k=-1)) @ x,
    lambda x: ends(np.eye(len(x), k=1) - np.eye(len(x))) @ x,
    lambda x: np.repeat(x, 2),
    lambda x: np.reshape(np.stack([x, 2.0 * x], axis=1), -1),
    lambda x: np.where(x > 0, x, 0.1 * x),
    lambda x: ad.scan(lambda c, a: (np.tanh(c + a), c), 0.0, x)[1],
    lambda x: ad.region(lambda x: x * np.max(x), name="block")(x),
    lambda x: x[len(x) - 1] * x,
    lambda x: x[3:5].sum() + x,
)


@settings(max_examples=25)
@given(st.lists(st.integers(0, len(STEPS) - 1), max_size=5, unique=True), st.integers(12, 60), st.booleans())
def test_a_drawn_program_is_the_same_at_any_size(steps: list[int], n: int, derived: bool) -> None:
    def program(x: Any) -> Any:
        for step in steps:
            x = STEPS[step](x)
        return np.sum(x * x), x

    x = np.linspace(-0.7, 0.9, n)
    graph = ad.trace(program, np.ones(20), dims={"x": ("n",)})
    fixed = ad.trace(program, x)
    xs = [x]
    if derived:
        graph, fixed = ad.differentiate(graph, "vjp"), ad.differentiate(fixed, "vjp")
        xs += [np.asarray(np.full(v.type.shape, 0.25)) for v in fixed.inputs[1:]]
    found, wanted = ad.loads(graph.dumps()).at(n=n).compile().all(*xs), fixed.compile().all(*xs)
    for a, b in zip(found, wanted, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
