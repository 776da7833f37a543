"""Solvers of other packages as forward solvers: their steps, their dense output, and the adjoint ODE along them."""

import numpy as np
import pytest
import scipy.integrate

import adcore as ad
from adcore.errors import CheckError, DifferentiationError, InputError, MissingExtraError

SCIPY = ["BDF", "LSODA", "SciPy.Radau", "SciPy.RK23", "SciPy.RK45", "SciPy.DOP853"]
Y0, K, TIMES = np.array([2.0, 0.1]), 1.5, np.array([0.0, 1.3, 1.3, 4.0])


def oscillator(t, y, k):
    return np.stack([y[1], k * (1.0 - y[0] ** 2) * y[1] - y[0] + np.sin(t)])


def loss(method, rtol=1e-7, running=None):
    def f(y0, k, t1, times):
        sol = ad.solve_ivp(
            oscillator, (0.0, t1), y0, method, times, args=(k,), rtol=rtol, atol=1e-2 * rtol, running=running
        )
        total = np.sum(sol.y**2 * np.array([1.0, 0.3, -0.7, 0.2])) + sol.y_end[0]
        return total if running is None else total + sol.running

    return f


def by(method, **options):
    return {"strategy": {"methods": {"core::solve_ivp": {"name": method, **options}}}}


POINT = (Y0, K, 4.0, TIMES)


@pytest.mark.parametrize("method", SCIPY)
def test_the_steps_are_those_of_scipy_and_so_is_what_is_observed_between_them(method):
    ours = ad.solve_ivp(oscillator, (0.0, 4.0), Y0, method, TIMES, args=(K,), rtol=1e-6, atol=1e-8)
    jacobian = lambda t, y, k: np.array([[0.0, 1.0], [-2.0 * k * y[0] * y[1] - 1.0, k * (1.0 - y[0] ** 2)]])
    options = {"jac": jacobian} if method in ("BDF", "LSODA", "SciPy.Radau") else {}
    theirs = scipy.integrate.solve_ivp(
        oscillator, (0.0, 4.0), Y0, method.removeprefix("SciPy."), args=(K,), rtol=1e-6, atol=1e-8, dense_output=True,
        **options,
    )  # fmt: skip
    assert ours.steps == len(theirs.t) - 1
    assert ours.nfev == theirs.nfev
    np.testing.assert_allclose(ours.y, theirs.sol(TIMES), rtol=1e-9)
    np.testing.assert_allclose(ours.y_end, theirs.y[:, -1], rtol=1e-12)


@pytest.mark.parametrize("method", [*SCIPY, "CVODE", "CVODE.Adams"])
@pytest.mark.parametrize("way", ["gauss", "interpolating"])
def test_the_adjoint_along_their_steps_is_that_of_the_problem(method, way):
    if method.startswith("CVODE"):
        pytest.importorskip("sksundae")
    running = lambda t, y, k: k * y[0] ** 2
    truth = ad.grad(loss("DOP853", 1e-12, running), wrt=[0, 1, 2, 3])(*POINT)
    found = ad.grad(loss(method, 1e-8, running), wrt=[0, 1, 2, 3], config=by(way))(*POINT)
    for a, b in zip(found, truth, strict=True):
        assert np.max(np.abs(a - b)) <= 1000 * 1e-8 * np.max(np.abs(b))


@pytest.mark.parametrize("span", [(4.0, 0.0), (1.0, 1.0)])
def test_backward_time_and_no_time_are_no_special_cases(span):
    def f(method, rtol):
        return lambda y0, k: np.sum(
            ad.solve_ivp(lambda t, y, k: -k * y[::-1], span, y0, method, args=(k,), rtol=rtol, atol=rtol).y
        )

    truth = ad.grad(f("DOP853", 1e-11), wrt=[0, 1])(Y0, 0.3)
    for a, b in zip(ad.grad(f("BDF", 1e-8), wrt=[0, 1], config=by("gauss"))(Y0, 0.3), truth, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_every_lane_of_a_batch_has_the_gradient_that_it_has_alone():
    ks = np.array([0.5, 3.0, 10.0])
    gradient = ad.grad(lambda k: loss("BDF")(Y0, k, 4.0, TIMES), config=by("gauss"))
    np.testing.assert_allclose(ad.vmap(gradient)(ks), [gradient(k) for k in ks], rtol=1e-12)


def test_auto_and_the_strategy_take_the_adjoint_ode_and_say_so():
    from adcore.settings import choose
    from adcore.strategy import Request

    graph = ad.trace(loss("BDF"), *POINT)
    choice = choose(graph, Request("grad", (0,), (0,)), strategy="ode_adjoint")
    assert choice.reason == "gauss: BDF steps by itself, and its steps cannot be run again"
    np.testing.assert_array_equal(
        ad.grad(graph, strategy="ode_adjoint")(*POINT), ad.grad(graph, config=by("gauss"))(*POINT)
    )
    np.testing.assert_array_equal(ad.grad(graph, strategy="auto")(*POINT), ad.grad(graph, config=by("gauss"))(*POINT))


@pytest.mark.parametrize("way", ["discrete", "forward"])
def test_the_derivative_of_steps_that_cannot_be_run_again_is_refused(way):
    message = (
        r"^LSODA steps by itself: its steps have no derivative\n  at test_whole\.py:\d+\n"
        r'  use the method "gauss", "interpolating" or "backsolve" of core::solve_ivp, or Radau or RK45$'
    )
    with pytest.raises(DifferentiationError, match=message):
        ad.grad(loss("LSODA"), config=by(way))(*POINT)
    with pytest.raises(DifferentiationError, match=r"\n  use reverse mode with the method"):
        ad.jvp(lambda y0: loss("LSODA")(y0, *POINT[1:]), (Y0,), (Y0,))


def test_what_such_a_solver_has_not_is_told():
    crossing = lambda t, y, k: y[0]
    with pytest.raises(InputError, match=r"^BDF steps by itself, without events\n  at .*\n  use RK45 or Radau$"):
        ad.solve_ivp(oscillator, (0.0, 1.0), Y0, "BDF", args=(K,), events=crossing)
    with pytest.raises(InputError, match=r"^BDF takes no mass matrix\n  at .*\n  use Radau$"):
        ad.solve_ivp(oscillator, (0.0, 1.0), Y0, "BDF", args=(K,), mass=[1.0, 0.0])
    with pytest.raises(InputError, match=r"^BDF steps by itself, and is not for the way back\n"):
        ad.grad(loss("BDF"), config=by("gauss", stepper="BDF"))(*POINT)


@pytest.mark.parametrize("method", [*SCIPY, "CVODE"])
@pytest.mark.parametrize(
    "f, told", [(lambda t, y: np.log(1.0 - t) * y, "not finite"), (lambda t, y: y * y, "(not finite|step size fell)")]
)
def test_a_failure_is_a_check_with_its_time(method, f, told):
    if method == "CVODE":
        pytest.importorskip("sksundae")
    with pytest.raises(CheckError, match=told + r".* t = [01]\.\d+"):
        ad.solve_ivp(f, (0.0, 2.0), np.array([1.0]), method)
    with pytest.raises(CheckError, match=r"the step limit was reached at t = "):
        ad.solve_ivp(lambda t, y: np.cos(9.0 * t) * y, (0.0, 2.0), np.array([1.0]), method, max_steps=2, rtol=1e-6)


def test_without_its_package_cvode_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sksundae.cvode", None)
    with pytest.raises(
        MissingExtraError, match=r'install it: pip install "adcore\[sundials\]"; or use the method BDF$'
    ):
        ad.solve_ivp(lambda t, y: -y, (0.0, 2.0), np.array([1.0]), "CVODE")
