"""Implicit methods: stiff problems, a DAE, equations, and their derivatives to second order."""

import itertools

import numpy as np
import pytest
from ode.problems import Problem

import adcore as ad
from adcore.errors import CheckError, InputError

METHODS = ["ESDIRK3", "ESDIRK4", "ESDIRK5", "Radau"]


@pytest.mark.parametrize("method, order", [("ESDIRK3", 3), ("ESDIRK4", 4), ("ESDIRK5", 5), ("Radau", 5)])
def test_with_fixed_steps_the_gradient_has_the_order_of_the_method(method, order):
    f = lambda t, y: np.stack([y[1], -y[1] - 9.0 * np.sin(y[0])])
    loss = lambda y0, n: ad.solve_ivp(f, (0.0, 2.0), y0, method, steps=n).y[0, -1] ** 2
    found = [ad.grad(loss)(np.array([0.8, 0.0]), n) for n in (400, 10, 20, 40)]
    gaps = [np.max(np.abs(g - found[0])) for g in found[1:]]
    assert max(np.log2(a / b) for a, b in itertools.pairwise(gaps)) >= order - 0.3, gaps


@pytest.mark.parametrize("method", METHODS)
def test_forward_and_reverse_agree_on_one_mesh(method):
    problem = Problem("robertson_t40")
    args = problem.arguments()
    f = problem.loss(method, 1e-5)
    g = lambda y0, t0, times: f(args["params"], y0, t0, args["t1"], times)
    point = (args["y0"], args["t0"], args["obs_times"])
    rng = np.random.default_rng(7)
    dots = (rng.normal(size=3), rng.normal(), rng.normal(size=len(args["obs_times"])))
    _, forward = ad.jvp(g, point, dots)
    reverse = sum(np.sum(np.asarray(b) * d) for b, d in zip(ad.grad(g, wrt=[0, 1, 2])(*point), dots, strict=True))
    np.testing.assert_allclose(forward, reverse, rtol=1e-10)


@pytest.mark.parametrize("method", ["ESDIRK4", "Radau"])
def test_the_hessian_is_symmetric(method):
    problem = Problem("vdp_mu1")
    args = problem.arguments()
    f = problem.loss(method, 1e-6)
    g = lambda x: f({"mu": x[0]}, x[1:], args["t0"], args["t1"], args["obs_times"])
    found = ad.hessian(g)(np.concatenate([[args["params"]["mu"]], args["y0"]]))
    assert np.max(np.abs(found - found.T)) <= 1e-10 * np.max(np.abs(found))
    truth = np.array(problem.reference["hessian"]["values"], float)
    assert np.max(np.abs(found - truth)) <= 1000 * 1e-6 * np.max(np.abs(truth)) * (10 if method == "ESDIRK4" else 1)


def dae(k, q, y0, times, t1, rtol=1e-8):
    """The reference problem dae_sqrt as it is meant: z is an algebraic state, found by the solver."""
    start = np.stack([y0, (np.sqrt(q * q + 4 * (y0 + 1)) - q) / 2])
    f = lambda t, y: np.stack([-k * y[0] + y[1] * np.cos(t), y[1] * y[1] + q * y[1] - y[0] - 1])
    sol = ad.solve_ivp(
        f, (0.0, t1), start, "Radau", times, rtol=rtol, atol=1e-3 * rtol, mass=[1.0, 0.0], running=lambda t, y: y[1]
    )
    y, z = sol.y[:, 0]
    return y * z + sol.y_end[1] ** 2 + sol.y_end[0] + sol.running


def test_a_dae_of_index_1_has_the_gradient_of_the_reference():
    problem = Problem("dae_sqrt")
    a, truth = problem.arguments(), problem.truth()
    k, q, y0, times, t1 = ad.grad(dae, wrt=[0, 1, 2, 3, 4])(
        a["params"]["k"], a["params"]["q"], a["y0"][0], a["obs_times"], a["t1"]
    )
    np.testing.assert_allclose([k, q], truth["params"], rtol=1e-6)
    np.testing.assert_allclose(y0, truth["y0"][0], rtol=1e-6)
    np.testing.assert_allclose(times, truth["obs_times"], rtol=1e-6)
    np.testing.assert_allclose(t1, truth["t1"][0], rtol=1e-6)


def test_a_mass_matrix_is_refused_where_it_has_no_meaning():
    with pytest.raises(InputError, match=r"^RK45 takes no mass matrix\n  at .*\n  use Radau$"):
        ad.solve_ivp(lambda t, y: -y, (0.0, 1.0), np.ones(2), mass=[1.0, 0.0])
    with pytest.raises(InputError, match=r"^the mass matrix has shape \(3, 3\), for 2 states"):
        ad.solve_ivp(lambda t, y: -y, (0.0, 1.0), np.ones(2), "Radau", mass=[1.0, 0.0, 1.0])
    with pytest.raises(
        InputError, match=r"^solve_ivp finds no events of a problem with a mass matrix\n  at .*\n  solve M"
    ):
        ad.solve_ivp(lambda t, y: -y, (0.0, 1.0), np.ones(2), "Radau", mass=[2.0, 1.0], events=lambda t, y: y[0] - 0.5)


# --- equations -----------------------------------------------------------------------------------


def square_root(a):
    return ad.root(lambda x, a: x * x - a, np.array([1.0]), (a,))[0]


def test_a_root_has_derivatives_of_three_orders():
    orders = [square_root]
    for _ in range(3):
        orders.append(ad.grad(orders[-1]))
    truth = [2.0**0.5, 0.5 * 2.0**-0.5, -0.25 * 2.0**-1.5, 0.375 * 2.0**-2.5]
    np.testing.assert_allclose([f(2.0) for f in orders], truth, rtol=1e-12)
    xs = np.array([2.0, 3.0, 7.0])
    np.testing.assert_allclose(ad.vmap(orders[1])(xs), 0.5 * xs**-0.5, rtol=1e-12)


def test_a_steady_state_has_the_gradient_of_the_reference():
    problem = Problem("steady_toggle")
    d = problem.definition
    f = problem.vector(d["rhs"])

    def loss(params):
        y = ad.root(lambda y, p: f(0.0, y, p), np.array(d["guess"]), (params,))
        return problem.number(d["loss"]["terminal"])(0.0, y, params)

    params = {k: float(v) for k, v in d["params"].items()}
    for strategy in ("forward", "reverse"):
        found = ad.grad(loss, strategy=strategy)(params)
        np.testing.assert_allclose(list(found.values()), problem.truth()["params"], rtol=1e-10)


def test_equations_without_solution_are_told():
    message = r"^root of nowhere: no convergence in \d+ Newton steps from x0\n  at .*test_implicit\.py:\d+$"

    def nowhere(x):
        return x * x + 1.0

    with pytest.raises(CheckError, match=message):
        ad.root(nowhere, np.array([1.0]))
    with pytest.raises(InputError, match=r"^the equations of root give float64\[\] for float64\[2\]\n"):
        ad.root(lambda x: x[0], np.ones(2))


@pytest.mark.parametrize("method", METHODS)
def test_in_single_precision_steps_are_solved_as_well_as_it_can_hold(method):
    f = lambda t, y, k: np.stack([y[1], k * (1 - y[0] ** 2) * y[1] - y[0]])
    loss = lambda y0, k: np.sum(ad.solve_ivp(f, (0.0, 2.0), y0, method, args=(k,), rtol=1e-4, atol=1e-5).y ** 2)
    y0, k = np.array([2.0, 0.1]), 5.0
    found = ad.grad(loss, wrt=[0, 1])(y0.astype(np.float32), np.float32(k))
    assert found[0].dtype == found[1].dtype == np.float32
    for a, b in zip(found, ad.grad(loss, wrt=[0, 1])(y0, k), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-2)
    assert ad.solve_ivp(f, (0.0, 2.0), y0.astype(np.float32), method, args=(np.float32(k),), rtol=1e-4).rejected < 20
