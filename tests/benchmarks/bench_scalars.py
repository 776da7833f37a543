"""Graphs of numbers: what a gradient costs when the arithmetic is next to nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from harness import Bench, Compare
from peers import peers

import adcore as ad

bench = Bench("scalars")


def rosenbrock(F: Any, x: Any) -> Any:
    """Ten numbers, one by one."""
    total = 0.0
    for i in range(9):
        total = total + 100.0 * (x[i + 1] - x[i] * x[i]) ** 2 + (1.0 - x[i]) ** 2
    return total


def rosenbrock_by_hand(x: Any) -> Any:
    """The gradient as array operations. Source: differentiating the sum term by term."""
    a, b, g = x[1:] - x[:-1] ** 2, 1.0 - x[:-1], np.zeros_like(x)
    g[:-1] = -400.0 * x[:-1] * a - 2.0 * b
    g[1:] += 200.0 * a
    return g


def product(F: Any, x: Any) -> Any:
    """Speelpenning's product of a hundred numbers."""
    p = x[0]
    for i in range(1, 100):
        p = p * x[i]
    return p


def product_by_hand(x: Any) -> Any:
    """Products of what is to the left and to the right."""
    left, right, g = np.cumprod(x[:-1]), np.cumprod(x[:0:-1])[::-1], np.empty_like(x)
    g[0], g[-1] = right[0], left[-1]
    g[1:-1] = left[:-1] * right[1:]
    return g


def chain(F: Any, x: Any) -> Any:
    """A thousand operations on one number."""
    y = x[0]
    for _ in range(250):
        y = F.cos(F.sin(y) * x[0] + 0.5)
    return y


def against_peers(compare: Compare, f: Callable[..., Any], x: Any, by_hand: Callable[[Any], Any] | None) -> None:
    """One gradient by everything there is."""
    graph = ad.differentiate(ad.trace(lambda x: f(np, x), x), "grad", wrt=0)
    program, gradient = graph.compile(), ad.grad(lambda x: f(np, x))
    ways: dict[str, Callable[[], Any]] = {
        "adcore, compiled graph": lambda: program(x), "adcore, ad.grad": lambda: gradient(x),
    }  # fmt: skip
    if by_hand is not None:
        ways["NumPy by hand"] = lambda: by_hand(x)
    compare(ways | peers(f, [x], 1), "adcore, compiled graph", program(x))


X10, X100 = (1.0 + 0.01 * np.sin(np.arange(n) + 1.0) for n in (10, 100))


@bench.case("Rosenbrock's function of 10 numbers")
def ten(compare: Compare) -> None:
    against_peers(compare, rosenbrock, X10, rosenbrock_by_hand)


@bench.case("Speelpenning's product of 100 numbers")
def hundred(compare: Compare) -> None:
    against_peers(compare, product, X100, product_by_hand)


@bench.case("a chain of 1,000 operations on one number")
def thousand(compare: Compare) -> None:
    against_peers(compare, chain, np.array([0.7]), None)


if __name__ == "__main__":
    bench.main()
