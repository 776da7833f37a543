"""Truncated Taylor series in two variables, with arrays as coefficients.

A jet of orders (m, n) has the coefficients of d^i e^j, i up to m and j up to n, of a function of a + d and
b + e. It is a dict from (i, j) to arrays (or numbers), in increasing order.
Source: Griewank and Walther 2008, "Evaluating Derivatives", section 13.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

Index: TypeAlias = tuple[int, int]
Jet: TypeAlias = dict[Index, Any]


def indices(orders: Index) -> Iterator[Index]:
    """Every (i, j) up to the orders."""
    return ((i, j) for i in range(orders[0] + 1) for j in range(orders[1] + 1))


def linear(value: Any, first: float, second: float, orders: Index) -> Jet:
    """value + first d + second e."""
    slopes = {(0, 0): value, (1, 0): first, (0, 1): second}
    return {k: slopes.get(k, 0.0) for k in indices(orders)}


def _pairs(k: Index, skip: Index | None = None) -> Iterator[tuple[Index, Index]]:
    """Every (p, q) with p + q = k, but for the p that is skipped."""
    return (((i, j), (k[0] - i, k[1] - j)) for i, j in indices(k) if (i, j) != skip)


def _sum(p: Jet, q: Jet, pairs: Iterator[tuple[Index, Index]]) -> Any:
    """The sum of products over pairs of indices; a coefficient that is the number 0.0 costs nothing."""
    return sum(p[i] * q[j] for i, j in pairs if not (_is_zero(p[i]) or _is_zero(q[j])))


def _is_zero(x: Any) -> bool:
    return type(x) is float and x == 0.0


def product(p: Jet, q: Jet) -> Jet:
    """p times q."""
    return {k: _sum(p, q, _pairs(k)) for k in p}


def quotient(p: Jet, q: Jet) -> Jet:
    """p over q."""
    r: Jet = {}
    for k in p:
        r[k] = (p[k] - _sum(q, r, _pairs(k, (0, 0)))) / q[0, 0]
    return r


def exponential(p: Jet, first: Any) -> Jet:
    """e^p. first: e^p[0, 0], which the caller may know without overflow.

    From d r/dd = r dp/dd in the rows i > 0, and the same for e in row 0.
    """
    r: Jet = {}
    for k in p:
        if k == (0, 0):
            r[k] = first
        else:
            axis = 0 if k[0] else 1
            r[k] = sum(i[axis] * p[i] * r[j] for i, j in _pairs(k) if i[axis]) / k[axis]
    return r
