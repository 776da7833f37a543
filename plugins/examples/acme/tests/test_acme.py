"""Every op under every law in one line; the rest against numbers that are known."""

import math

import numpy as np
from acme import kepler

import adcore as ad
from adcore.testing import check_strategy, laws

test_acme = laws("acme")


def test_the_strategy_keeps_the_laws_of_strategies():
    check_strategy("acme_fewest")


def test_kepler_solves_its_equation():
    e = kepler(1.0, 0.3)
    np.testing.assert_allclose(e - 0.3 * math.sin(e), 1.0, rtol=1e-15)


def test_heun_integrates_a_decay():
    sol = ad.solve_ivp(lambda t, y: -y, (0.0, 1.0), np.array([1.0]), "acme_heun", rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(sol.y[0, -1], math.exp(-1.0), rtol=1e-5)


def test_a_frozen_call_is_a_constant():
    part = ad.region(lambda x: x * x, name="encoder")
    config = {"strategy": {"methods": {"call:encoder": "acme_frozen"}}}
    assert ad.grad(lambda x: part(x) * x, config=config)(3.0) == 9.0
