"""Every program of the zoo under every strategy: against differences, and against each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracle import directional
from zoo import ZOO, Program

import adcore as ad
from adcore.tree import flatten, unflatten


def floats(tree: Any) -> tuple[list[Any], Any]:
    leaves, shape = flatten(tree)
    return [np.asarray(x, float) for x in leaves], shape


def direction(args: Any, seed: int = 7) -> Any:
    leaves, shape = flatten(args)
    rng = np.random.default_rng(seed)
    return unflatten(shape, [np.asarray(rng.normal(size=np.shape(x)), np.asarray(x).dtype) for x in leaves])


def shifted(args: Any, along: Any, t: float) -> Any:
    """args + t * along, in double precision, with the nesting kept."""
    xs, shape = flatten(args)
    ds, _ = flatten(along)
    return unflatten(shape, [np.asarray(x, float) + t * np.asarray(d, float) for x, d in zip(xs, ds, strict=True)])


def vector(tree: Any) -> Any:
    return np.concatenate([np.ravel(np.asarray(x, float)) for x in flatten(tree)[0]])


def tolerance(p: Program) -> float:
    return 2e-3 if p.name == "single_precision" else 1e-8


REORDERED = ("pendulum", "contractions")
"""Programs whose sums NumPy and a graph take in another order, for the layout or the contraction."""

programs = pytest.mark.parametrize("p", ZOO, ids=repr)


@programs
def test_a_graph_gives_what_the_function_gives(p: Program) -> None:
    import copy

    graph = ad.trace(p.f, *p.args)
    found, wanted = vector(graph(*p.args)), vector(p.f(*copy.deepcopy(p.args)))
    np.testing.assert_allclose(found, wanted, rtol=1e-14 if p.name in REORDERED else 0.0)


@programs
def test_forward_mode_agrees_with_differences(p: Program) -> None:
    along = direction(p.args)
    import copy

    _, y_dot = ad.jvp(p.f, copy.deepcopy(p.args), along)
    truth = directional(lambda t: vector(p.f(*shifted(p.args, along, t))))
    np.testing.assert_allclose(vector(y_dot), truth, rtol=tolerance(p), atol=tolerance(p))


@programs
def test_reverse_is_the_transpose_of_forward(p: Program) -> None:
    along = direction(p.args)
    y, pullback = ad.vjp(p.f, *p.args)
    _, y_dot = ad.jvp(p.f, p.args, along)
    y_bar = direction(y, seed=11)
    x_bar = pullback(y_bar)
    left, right = np.dot(vector(y_bar), vector(y_dot)), np.dot(vector(x_bar), vector(along))
    np.testing.assert_allclose(left, right, rtol=1e-4 if p.name == "single_precision" else 1e-11)


@programs
def test_second_order_agrees_with_differences_of_first(p: Program) -> None:
    along = direction(p.args)

    def loss(*args: Any) -> Any:
        return sum(np.sum(np.sin(y)) for y in flatten(p.f(*args))[0])

    both = [ad.hvp(loss, p.args, along)]
    truth = directional(lambda t: vector(ad.vjp(loss, *shifted(p.args, along, t))[1](1.0)))
    np.testing.assert_allclose(vector(both), truth, rtol=10 * tolerance(p), atol=10 * tolerance(p))


@programs
def test_reverse_over_reverse_equals_forward_over_reverse(p: Program) -> None:
    along = direction(p.args)

    def loss(*args: Any) -> Any:
        return sum(np.sum(np.sin(y)) for y in flatten(p.f(*args))[0])

    _, pullback = ad.vjp(lambda *args: ad.vjp(loss, *args)[1](1.0), *p.args)
    tol = 1e-3 if p.name == "single_precision" else 1e-9
    np.testing.assert_allclose(vector(pullback(along)), vector(ad.hvp(loss, p.args, along)), rtol=tol, atol=tol)


@programs
@pytest.mark.parametrize("kind", ["jvp", "vjp", "jacobian"])
def test_strategies_are_interchangeable(p: Program, kind: str) -> None:
    graph = ad.trace(p.f, *p.args)
    inputs = [np.asarray(x) for x in flatten(p.args)[0]]
    made = {s: ad.differentiate(graph, kind, strategy=s) for s in ("forward", "reverse")}
    seeds = [np.asarray(direction(np.zeros(v.type.shape, v.type.dtype))) for v in made["forward"].inputs[len(inputs) :]]
    results = {s: g.compile().all(*inputs, *seeds) for s, g in made.items()}
    assert made["forward"].input_names == made["reverse"].input_names
    assert made["forward"].output_names == made["reverse"].output_names
    tol = 1e-4 if p.name == "single_precision" else 1e-10
    for a, b in zip(results["forward"], results["reverse"], strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tol, atol=tol)


@programs
def test_dtypes_of_derivatives_are_those_of_the_inputs(p: Program) -> None:
    _, pullback = ad.vjp(p.f, *p.args)
    y, _ = ad.vjp(p.f, *p.args)
    bars = flatten(pullback(y))[0]
    assert [np.asarray(b).dtype for b in bars] == [np.asarray(x).dtype for x in flatten(p.args)[0]]


def test_the_worked_example_has_the_values_of_the_books() -> None:
    f = ZOO[0].f
    value, (d1, d2) = ad.value_and_grad(f, wrt=[0, 1])(2.0, 3.0)
    assert value == pytest.approx(6.909297426825682, abs=1e-15)
    assert d1 == pytest.approx(3 + np.cos(2.0), abs=1e-15)
    assert d2 == 2.0
