"""Coefficients of the Runge-Kutta methods: the order conditions of all trees, of steps, estimates and interpolants.

Source: Hairer, Norsett and Wanner 1993, "Solving Ordinary Differential Equations I", theorems II.2.13 and II.6.1.
"""

import itertools
from functools import cache

import numpy as np
import pytest

from adcore.registry import registry

EXPLICIT = ["RK4", "RK23", "RK45", "Tsit5", "DOP853"]
ESDIRK = ["ESDIRK3", "ESDIRK4", "ESDIRK5"]
DENSE_ORDER = {"RK4": 3, "RK23": 3, "RK45": 4, "Tsit5": 4, "DOP853": 7, "ESDIRK3": 3, "ESDIRK4": 4, "ESDIRK5": 4}
LOWER = {
    "RK4": [], "RK23": [2], "RK45": [4], "Tsit5": [4], "DOP853": [5, 3], "ESDIRK3": [2], "ESDIRK4": [3], "ESDIRK5": [4],
}  # fmt: skip
ENLARGED = {"ESDIRK5": 10.0}  # see there
THETAS = np.array([0.1, 0.35, 0.6, 0.85, 1.0])


@cache
def trees(order):
    """All rooted trees of that many nodes; a tree is the sorted tuple of the trees below its root."""
    if order == 1:
        return [()]
    found = set()
    for sizes in partitions(order - 1):
        for below in itertools.product(*(trees(n) for n in sizes)):
            found.add(tuple(sorted(below)))
    return sorted(found)


def partitions(n, most=None):
    """n as a sum of positive numbers, none larger than the one before."""
    if n == 0:
        yield ()
    for first in range(min(n, most or n), 0, -1):
        for rest in partitions(n - first, first):
            yield (first, *rest)


def nodes(tree):
    return 1 + sum(nodes(t) for t in tree)


def density(tree):
    """gamma of a tree: its number of nodes times the densities of the trees below."""
    return nodes(tree) * np.prod([density(t) for t in tree])


def stages_of(tree, a):
    """Phi_i of a tree: the product of A Phi over the trees below."""
    return np.prod([np.ones(len(a)), *(a @ stages_of(t, a) for t in tree)], axis=0)


def matrix(method):
    """A with the rows of the stages that only the interpolant needs."""
    rows = [*method.a, *(row for row, _ in getattr(method, "more", ()))]
    a = np.zeros((len(rows), len(rows)))
    for i, row in enumerate(rows):
        a[i, : len(row)] = row
    return a


def padded(weights, size):
    return np.append(weights, np.zeros(size - len(weights)))


def gaps(weights, a, order, theta=1.0):
    """By how much the conditions of that order are missed, largest over trees of up to so many nodes."""
    return max(
        abs(weights @ stages_of(tree, a) - theta ** nodes(tree) / density(tree))
        for n in range(1, order + 1)
        for tree in trees(n)
    )


@pytest.fixture(params=EXPLICIT + ESDIRK)
def method(request):
    return registry().steppers[request.param]


def test_there_are_as_many_trees_as_in_the_book():
    assert [len(trees(n)) for n in range(1, 9)] == [1, 1, 2, 4, 9, 20, 48, 115]


def test_a_step_has_its_order_and_no_more(method):
    a = matrix(method)
    b = padded(method.b, len(a)) if method.name in EXPLICIT else a[-1]
    assert gaps(b, a, method.order) < 2e-14
    assert gaps(b, a, method.order + 1) > 1e-6
    c = padded(method.c, len(a))[: len(method.c)]
    np.testing.assert_allclose(a.sum(1)[: len(c)], c, atol=1e-14)


def test_an_estimate_is_the_difference_to_a_method_of_lower_order(method):
    a = matrix(method)
    b = padded(method.b, len(a)) if method.name in EXPLICIT else a[-1]
    errors = method.errors if method.name in EXPLICIT else [np.array(method.error) / ENLARGED.get(method.name, 1.0)]
    for error, order in zip(errors, LOWER[method.name], strict=True):
        other = padded(error, len(a))
        assert min(gaps(b - other, a, order), gaps(b + other, a, order)) < 1e-13


def test_an_interpolant_has_its_order_at_every_point_of_the_step(method):
    a = matrix(method)
    weights = np.array(method.dense_weights)
    powers = np.arange(1, weights.shape[1] + 1)
    for theta in THETAS:
        assert gaps(weights @ theta**powers, a, DENSE_ORDER[method.name], theta) < 1e-12
    b = padded(method.b, len(a)) if method.name in EXPLICIT else a[-1]
    np.testing.assert_allclose(weights.sum(1), b, atol=2e-13)


@pytest.mark.parametrize("name", ESDIRK)
def test_the_interpolant_of_an_esdirk_method_is_bounded_for_infinitely_stiff_equations(name):
    """With k = A^-1 (Y - y - h k_1 a_1) / h, what multiplies k_1 must vanish."""
    method = registry().steppers[name]
    a, weights = matrix(method), np.array(method.dense_weights)
    powers = np.arange(1, weights.shape[1] + 1)
    of_first = np.linalg.solve(a[1:, 1:], a[1:, 0])
    of_state = np.linalg.solve(a[1:, 1:], np.ones(len(a) - 1))
    for theta in THETAS:
        b = weights @ theta**powers
        assert abs(b[0] - b[1:] @ of_first) < 1e-13
        assert abs(1.0 - b[1:] @ of_state) < 3.0
    slope = weights @ powers
    np.testing.assert_allclose(slope, np.eye(len(a))[-1], atol=2e-13)  # y' at the end is the last slope
