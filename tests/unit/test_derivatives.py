"""Derivatives of functions at the door: arguments of every kind, nesting, options, budgets."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import adcore as ad
from adcore.derivatives import Derivative
from adcore.errors import DifferentiationError, InputError
from adcore.extend import Budget, Graph, Plan, Request, Strategy, default_plan, registry, vjp
from adcore.pullback import _Product

X, Y = np.array([1.0, 2.0, 3.0]), np.array([5.0, 7.0, 11.0])


def test_a_pullback_gives_one_cotangent_per_primal_and_none_where_there_is_no_derivative() -> None:
    def f(a: Any, i: Any, kind: str, b: Any) -> Any:
        return np.sum(a * b) * (1.0 if kind == "one" else 0.0) + 0.0 * i[0]

    y, pullback = ad.vjp(f, X, np.array([2]), "one", Y)
    assert y == np.sum(X * Y)
    a_bar, i_bar, kind_bar, b_bar = pullback(2.0)
    np.testing.assert_array_equal(a_bar, 2.0 * Y)
    np.testing.assert_array_equal(b_bar, 2.0 * X)
    assert i_bar is kind_bar is None


def test_arrays_by_keyword_only_and_values_of_an_outer_trace_are_not_mixed_up() -> None:
    def outer(x: Any, k: Any) -> Any:
        def inner(z: Any, *, weight: Any) -> Any:
            return np.sum(z * weight) * k

        return np.sum(ad.grad(inner)(x, weight=x * x) * 3.0)

    np.testing.assert_allclose(ad.grad(outer, wrt=[0, 1])(X, 2.0)[0], 12.0 * X, rtol=1e-15)
    assert ad.grad(outer, wrt="k")(X, 2.0) == 3.0 * np.sum(X * X)


def test_a_product_inside_a_trace_differentiates_only_its_own_arguments() -> None:
    def outer(x: Any) -> Any:
        _, y_dot = ad.jvp(lambda z: np.sum(z * z * x), (x,), (np.ones(3),))
        return y_dot  # sum(2 x z) at z = x

    np.testing.assert_allclose(ad.grad(outer)(X), 4.0 * X, rtol=1e-15)


def test_ints_steer_programs_unless_they_are_differentiated() -> None:
    def f(x: Any, n: int, scale: Any) -> Any:
        for _ in range(n):
            x = x * x
        return x * scale

    assert ad.grad(f)(3, 2, 5) == 4 * 27 * 5
    assert ad.grad(f, wrt="scale")(3.0, 2, 5) == 81.0
    assert ad.grad(f, wrt=[0, -1])(3, 1, 5) == (30.0, 9.0)
    assert ad.grad(f)(3.0, True, 5) == 30.0  # a bool is not an int with another value


@dataclass
class Params:
    w: Any

    def apply(self, x: Any) -> Any:
        return np.sum(self.w * x**2) * SCALE


SCALE = 2.0


def test_methods_of_an_argument_may_read_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    gradient = ad.grad(lambda p, x: p.apply(x))
    before = gradient(Params(X), Y)
    np.testing.assert_array_equal(before.w, 2.0 * Y**2)
    monkeypatch.setattr(inspect.getmodule(Params), "SCALE", 3.0)
    np.testing.assert_array_equal(gradient(Params(X), Y).w, 3.0 * Y**2)


def test_a_static_argument_that_changes_its_content_is_seen() -> None:
    class Config:
        k = 2.0

    config = Config()
    gradient = ad.grad(lambda x, c: x * c.k)
    assert gradient(1.0, config) == 2.0
    config.k = 3.0
    assert gradient(1.0, config) == 3.0
    assert gradient(1.0, Config()) == 2.0


def test_a_derivative_has_the_name_and_signature_of_its_function_and_binds_as_a_method() -> None:
    def loss(x: Any, rate: float = 0.1) -> Any:
        return x * x * rate

    assert ad.grad(loss).__name__ == "grad(loss)"
    assert str(inspect.signature(ad.grad(loss))) == str(inspect.signature(loss))

    class Model:
        def __init__(self) -> None:
            self.k = 3.0

        def loss(self, x: Any) -> Any:
            return self.k * x * x

        gradient = ad.grad(loss, wrt=1)

    assert Model().gradient(2.0) == 12.0


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(InputError, match=r"option 'stratgy' is unknown\n  options: strategy, memory"):
        ad.grad(lambda x: x, stratgy="forward")


class Told(Strategy):
    """Reverse mode with a schedule of its own, which says in its plan what budget it was given."""

    name = "told"
    kinds = frozenset({"vjp"})

    def differentiate(self, graph: Graph, request: Request, budget: Budget) -> Graph:
        return vjp(graph, request.wrt, request.of, self.methods)

    def schedule(self, graph: Graph, budget: Budget) -> Plan:
        return default_plan(graph, self.name, f"for {budget.memory} bytes")


@pytest.fixture
def told() -> Iterator[None]:
    registry().strategies["told"] = Told
    yield
    del registry().strategies["told"]


@pytest.mark.parametrize("kind", ["grad", "value_and_grad", "jacobian", "hessian", "hvp"])
def test_a_derivative_runs_by_the_schedule_and_budget_that_were_chosen(told: None, kind: str) -> None:
    derivative = Derivative(lambda x: np.sum(np.sin(x)), kind, 0, {"strategy": "told", "memory": "1 MiB"})
    derivative((X,), {}, (Y,) if kind == "hvp" else ())
    made, _ = derivative.made.find((X,), {})
    assert made.program is not None
    assert (made.program.plan.strategy, made.program.plan.reason) == ("told", "for 1048576 bytes")


def test_a_pullback_under_a_schedule_runs_the_forward_pass_again_with_the_same_bits(told: None) -> None:
    def f(x: Any) -> Any:
        return np.sum(np.sin(x) * np.exp(x))

    product = _Product(f, {"strategy": "told", "memory": 1000})
    halves, leaves = product.made.find((X,), {})
    y, (kept, values) = halves.forward(leaves)
    assert not kept
    assert values == leaves
    np.testing.assert_array_equal(halves.back((kept, values), [np.array(1.0)])[0], ad.vjp(f, X)[1](1.0)[0])
    assert halves.joint.program is not None
    assert halves.joint.program.plan.reason == "for 1000 bytes"
    assert y == ad.vjp(f, X)[0]


# --- complex numbers -----------------------------------------------------------------------------

Z = np.array([1.0 + 2.0j, -0.5 + 0.3j, 2.0 - 1.0j])


@pytest.mark.parametrize("strategy", ["forward", "reverse"])
def test_a_step_against_the_gradient_of_a_real_function_of_complex_numbers_goes_downhill(strategy: str) -> None:
    def f(z: Any) -> Any:
        return np.sum(np.real(z * np.conjugate(z)) * np.real(z)) + np.imag(z[0]) ** 3

    # d f = Re(conj(gradient) * dz): the gradient is df/dx + i df/dy
    x, y = Z.real, Z.imag
    expected = 3 * x**2 + y**2 + 1j * (2 * x * y)
    expected[0] += 3j * y[0] ** 2
    np.testing.assert_allclose(ad.grad(f, strategy=strategy)(Z), expected, rtol=1e-13)


@pytest.mark.parametrize("strategy", ["forward", "reverse"])
def test_the_complex_derivative_of_a_holomorphic_function(strategy: str) -> None:
    def f(z: Any) -> Any:
        return z * z * np.exp(z)

    expected = (2 * Z + Z * Z) * np.exp(Z)
    np.testing.assert_allclose(ad.jacobian(f, strategy=strategy, holomorphic=True)(Z), np.diag(expected), rtol=1e-13)
    found = ad.grad(lambda z: np.sum(f(z)), strategy=strategy, holomorphic=True)(Z)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_both_directions_agree_under_the_real_pairing_for_complex_numbers() -> None:
    def f(z: Any, x: Any) -> Any:
        return z * np.conjugate(z) * x + 1j * z, np.abs(z) * x

    graph = ad.trace(f, Z, X)
    for kind in ("jvp", "vjp"):
        by = [ad.differentiate(graph, kind, strategy=s) for s in ("forward", "reverse")]
        seeds = [
            np.ones(v.type.shape, v.type.dtype) * (2 - 3j if v.type.dtype.kind == "c" else 2) for v in by[0].inputs[2:]
        ]
        for a, b in zip(by[0].compile().all(Z, X, *seeds), by[1].compile().all(Z, X, *seeds), strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=1e-13)


def test_a_complex_result_needs_a_word() -> None:
    with pytest.raises(DifferentiationError, match=r"gives complex128\[\]\n  take the real part, or say holomorphic"):
        ad.grad(lambda z: np.sum(z * z))(Z)
    with pytest.raises(DifferentiationError, match=r"the jacobian of a complex function is asked for, and z is"):
        ad.jacobian(lambda z: z * z)(Z)
    with pytest.raises(DifferentiationError, match=r"(?s)a holomorphic function has.*complex arguments: none"):
        ad.grad(lambda x: np.sum(x * x), holomorphic=True)(X)
