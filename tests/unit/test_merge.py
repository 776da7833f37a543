"""Loops that another loop contains: dropped where every value is made again, kept where anything differs."""

from __future__ import annotations

from typing import Any

import numpy as np

import adcore as ad
from adcore.graph import Graph, check
from adcore.transform.merge import merge_loops
from adcore.transform.simplify import simplify

RNG = np.random.default_rng(5)


def loops(graph: Graph) -> int:
    return sum(node.op in ("core::scan", "core::while_loop") for node in graph.nodes)


def model(x: Any, k: Any, xs: Any) -> Any:
    def step(carry: Any, row: Any) -> Any:
        i, y = carry
        y = y + 0.1 * np.sin(k * y) * row / (i + 1.0)
        return (i + 1, y), y[:2] * 2.0

    (_, y), ys = ad.scan(step, (0, x), xs)
    return np.sum(y * y) + np.sum(ys**2)


def test_forward_over_reverse_of_a_loop_is_two_loops_not_four() -> None:
    args = RNG.normal(size=5), np.float64(1.3), RNG.normal(size=(9, 5))
    v = (RNG.normal(size=5), np.float64(0.4), RNG.normal(size=(9, 5)))
    graph = ad.trace(model, *args)
    assert loops(ad.differentiate(graph, "hvp")) == 2
    h = 1e-5
    plus, minus = (
        ad.grad(model, wrt=[0, 1, 2])(*(a + s * h * b for a, b in zip(args, v, strict=True))) for s in (1, -1)
    )
    for a, b, c in zip(ad.hvp(model, args, v), plus, minus, strict=True):
        np.testing.assert_allclose(a, (b - c) / (2 * h), rtol=1e-6, atol=1e-7)


def test_the_tangent_of_a_while_loop_takes_its_place() -> None:
    def power(x: Any) -> Any:
        return ad.while_loop(lambda c: c[0] < 9.0, lambda c: (c[0] * 1.5 + 0.1, c[1] * x), (x, 1.0))[1]

    graph = ad.differentiate(ad.trace(power, 1.2), "jvp")
    assert loops(graph) == 1
    y, y_dot = ad.jvp(power, (1.2,), (1.0,))
    assert y == power(1.2)
    np.testing.assert_allclose(y_dot, (power(1.2 + 1e-6) - power(1.2 - 1e-6)) / 2e-6, rtol=1e-6)


def test_loops_with_other_steps_other_inputs_or_other_lengths_stay() -> None:
    def several(x: Any, k: Any) -> Any:
        a, _ = ad.scan(lambda c, _: (np.sin(c) * k, None), x, None, length=7)
        b, _ = ad.scan(lambda c, _: ((np.sin(c[0]) * k, c[1] * k), None), (x, x), None, length=8)
        c, _ = ad.scan(lambda c, _: ((np.cos(c[0]) * k, c[1] * k), None), (x, x), None, length=7)
        d, _ = ad.scan(lambda c, _: ((np.sin(c[0]) * k, c[1] * k), None), (k, x), None, length=7)
        return a + b[0] + c[0] + d[0]

    graph = simplify(ad.trace(several, 0.3, 1.1))
    assert loops(merge_loops(graph)) == 4


def test_a_loop_goes_into_a_later_one_and_its_readers_follow() -> None:
    def later(x: Any, k: Any) -> Any:
        a, ys = ad.scan(lambda c, _: (np.sin(c) * k, c + 1.0), x, None, length=7)
        total = np.sum(ys) * a
        b, _ = ad.scan(lambda c, _: ((np.sin(c[0]) * k, c[1] * c[0]), c[0] + 1.0), (x, k), None, length=7)
        return total + b[1], a

    graph = simplify(ad.trace(later, 0.3, 1.1))
    merged = merge_loops(graph)
    check(merged)
    assert loops(merged) == 1
    assert [float(v) for v in merged(0.3, 1.1)] == [float(v) for v in graph(0.3, 1.1)]


def test_a_loop_that_waits_for_the_other_stays() -> None:
    def chained(x: Any) -> Any:
        a, _ = ad.scan(lambda c, _: (np.sin(c), None), x, None, length=7)
        b, _ = ad.scan(lambda c, _: ((np.sin(c[0]), c[1] * 0.5), None), (x, a), None, length=7)
        return a + b[1]

    assert loops(merge_loops(simplify(ad.trace(chained, 0.3)))) == 2
