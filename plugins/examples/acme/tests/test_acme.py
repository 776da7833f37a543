"""Every op under every law in one line; the rest against numbers that are known."""

import math

import numpy as np
import pytest
from acme import kepler

import adcore as ad
from adcore.extend import DifferentiationError
from adcore.testing import check_adjoint, check_grads, check_strategy, laws

test_acme = laws("acme")


def test_the_strategy_keeps_the_laws_of_strategies():
    check_strategy("acme_fewest")


def test_kepler_solves_its_equation():
    e = kepler(1.0, 0.3)
    np.testing.assert_allclose(e - 0.3 * math.sin(e), 1.0, rtol=1e-15)


def test_heun_integrates_a_decay():
    sol = ad.solve_ivp(lambda t, y: -y, (0.0, 1.0), np.array([1.0]), "acme_heun", rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(sol.y[0, -1], math.exp(-1.0), rtol=1e-5)


def orbit(y0, mu, end):
    """How far a planet is from its sun in the end."""
    fall = lambda t, s, mu: np.concatenate([s[2:], -mu * s[:2] / np.sum(s[:2] ** 2) ** 1.5])
    sol = ad.solve_ivp(fall, (0.0, end), y0, "DOP853", args=(mu,), rtol=1e-10, atol=1e-12)
    return np.hypot(sol.y[0, -1], sol.y[1, -1])


POINT = (np.array([1.0, 0.0, 0.1, 1.2]), 1.1, 4.0)


def by_adjoint(**options):
    return {"strategy": {"methods": {"core::solve_ivp": {"name": "acme_adjoint", **options}}}}


def test_heun_has_derivatives_that_nobody_wrote():
    loss = lambda y0, k: np.sum(ad.solve_ivp(lambda t, y, k: -k * y, (0.0, 1.0), y0, "acme_heun", args=(k,)).y)
    check_adjoint(loss, (np.array([1.0, 2.0]), 0.5), ladder=30.0)
    check_grads(
        lambda y0: ad.solve_ivp(lambda t, y: -y, (0.0, 1.0), y0, "acme_heun", steps=7).y, (np.array([1.0, 2.0]),)
    )


def test_the_adjoint_gives_the_gradient_of_everything():
    found = ad.grad(orbit, wrt=[0, 1, 2], config=by_adjoint(rtol=1e-10))(*POINT)
    for a, b in zip(found, ad.grad(orbit, wrt=[0, 1, 2])(*POINT), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-8)


def test_the_adjoint_can_be_differentiated_again():
    v = (np.array([0.3, -0.2, 0.5, 0.1]),)
    f = lambda y0: orbit(y0, 1.1, 4.0)
    found = ad.hvp(f, POINT[:1], v, config=by_adjoint(rtol=1e-10))
    np.testing.assert_allclose(found, ad.hvp(f, POINT[:1], v), rtol=1e-6)


def test_the_adjoint_says_what_it_does_not_take():
    watched = lambda y0: np.sum(ad.solve_ivp(lambda t, y: -y, (0.0, 1.0), y0, t_eval=[0.5, 1.0]).y)
    with pytest.raises(DifferentiationError, match="acme_adjoint takes y"):
        ad.grad(watched, config=by_adjoint())(np.ones(2))


def test_a_frozen_call_is_a_constant():
    part = ad.region(lambda x: x * x, name="encoder")
    config = {"strategy": {"methods": {"call:encoder": "acme_frozen"}}}
    assert ad.grad(lambda x: part(x) * x, config=config)(3.0) == 9.0
