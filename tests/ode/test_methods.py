"""Methods of solve_ivp: each against the others, in scale, precision, batches and second order; what they refuse."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from ode.problems import Problem, errors

import adcore as ad
from adcore.errors import CheckError, ConfigError, DifferentiationError
from adcore.settings import choose
from adcore.strategy import Request

METHODS = ["forward", "discrete", "interpolating", "gauss"]


def by(method, **options):
    """Settings that choose a method."""
    return {"strategy": {"name": "reverse", "methods": {"core::solve_ivp": {"name": method, **options}}}}


def gradient_by(method, **options):
    return lambda f, wrt: ad.grad(f, wrt=wrt, config=by(method, **options))


def spring(t, y, k):
    return np.stack([y[1], -k * y[0] + 0.1 * np.sin(t)])


def loss(y0, k, method="RK45", rtol=1e-9):
    times = np.array([0.0, 0.7, 1.1, 2.0])
    sol = ad.solve_ivp(spring, (0.0, 2.0), y0, method, times, args=(k,), rtol=rtol, atol=1e-3 * rtol)
    return np.sum(sol.y**2) + sol.y_end[0]


Y0, K = np.array([1.0, -0.3]), 4.0


@pytest.mark.parametrize("name", ["lotka_volterra", "bouncing_ball", "pk_dosing"])
def test_forward_gives_what_discrete_gives(name):
    problem = Problem(name)
    args = problem.arguments()
    f = problem.loss("RK45", 1e-6)
    wrt = ["params", "y0", "t0", "t1", "obs_times"]
    a, b = (np.concatenate([np.ravel(x) for x in leaves(gradient_by(m)(f, wrt)(**args))]) for m in METHODS[:2])
    np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11 * np.max(np.abs(b)))


def leaves(x):
    if isinstance(x, dict | tuple):
        return [leaf for v in (x.values() if isinstance(x, dict) else x) for leaf in leaves(v)]
    return [x]


@pytest.mark.parametrize("method", [*METHODS, "backsolve", "auto"])
def test_a_loss_times_a_number_has_that_many_times_the_gradient(method):
    f = lambda y0, k, c: c * loss(y0, k, rtol=1e-6)
    gradient = gradient_by(method)(f, [0, 1])
    plain = np.append(*gradient(Y0, K, 1.0))
    for c in (1e-12, 1e12):
        np.testing.assert_allclose(np.append(*gradient(Y0, K, c)), c * plain, rtol=1e-10)
    np.testing.assert_array_equal(np.append(*gradient(Y0, K, 0.0)), np.zeros(3))


@pytest.mark.parametrize("method", [*METHODS, "backsolve", "auto"])
def test_in_single_precision_the_gradient_is_in_single_precision(method):
    y0, k = Y0.astype(np.float32), np.float32(K)
    f = lambda y0, k: loss(y0, k, rtol=1e-4)
    found = gradient_by(method)(f, [0, 1])(y0, k)
    truth = gradient_by("discrete")(loss, [0, 1])(Y0, K)
    for a, b in zip(found, truth, strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=1e-2)


@pytest.mark.parametrize(
    "method, stepper",
    [("forward", "Radau"), ("interpolating", "Tsit5"), ("gauss", "RK4"), ("gauss", "Radau"), ("backsolve", "Tsit5")],
)
def test_every_lane_of_a_batch_has_the_gradient_that_it_has_alone(method, stepper):
    options = {"steps": 40} if stepper == "RK4" else {}

    def f(y0, k):
        sol = ad.solve_ivp(spring, (0.0, 1.0), y0, stepper, [0.3, 1.0], args=(k,), rtol=1e-7, atol=1e-9, **options)
        return np.sum(sol.y**2)

    y0s, k = np.array([[1.0, 0.2], [0.3, -2.0], [4.0, 0.1]]), 5.0
    whole = gradient_by(method)(lambda y0s, k: np.sum(ad.vmap(f, (0, None))(y0s, k)), [0, 1])(y0s, k)
    alone = [gradient_by(method)(f, [0, 1])(y0, k) for y0 in y0s]
    np.testing.assert_allclose(whole[0], [a for a, _ in alone], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(whole[1], sum(b for _, b in alone), rtol=1e-12)


def test_a_thousand_parameters_more_change_nothing():
    for method in ("interpolating", "gauss", "backsolve"):
        narrow = gradient_by(method)(lambda y0, k: loss(y0, k, rtol=1e-6), [0, 1])(Y0, K)
        found = gradient_by(method)(lambda y0, k, m: ode_with_unused(y0, k, m), [0, 1, 2])(Y0, K, np.ones(1000))
        np.testing.assert_allclose(np.append(*found[:2]), np.append(*narrow), rtol=1e-14)
        np.testing.assert_array_equal(found[2], np.zeros(1000))


def ode_with_unused(y0, k, more):
    times = np.array([0.0, 0.7, 1.1, 2.0])
    f = lambda t, y, k, more: spring(t, y, k) + 0.0 * np.sum(more)
    sol = ad.solve_ivp(f, (0.0, 2.0), y0, "RK45", times, args=(k, more), rtol=1e-6, atol=1e-9)
    return np.sum(sol.y**2) + sol.y_end[0]


@pytest.mark.parametrize("method", ["forward", "interpolating", "gauss"])
def test_the_gradient_can_be_differentiated_again(method):
    f = lambda x: loss(x[:2], x[2], rtol=1e-8)
    x = np.append(Y0, K)
    v = np.array([0.3, -1.0, 0.7])
    plain = ad.hvp(f, (x,), (v,))
    found = ad.hvp(f, (x,), (v,), config=by(method))
    np.testing.assert_allclose(found, plain, rtol=1e-5)


@pytest.mark.parametrize("span", [(2.0, 0.0), (1.0, 1.0)])
def test_backward_time_and_no_time_at_all_are_no_special_cases(span):
    f = lambda y0, k, t0, t1: np.sum(ad.solve_ivp(spring, (t0, t1), y0, args=(k,), rtol=1e-9, atol=1e-12).y ** 2)
    point = (Y0, K, *span)
    truth = ad.grad(f, wrt=[0, 1, 2, 3])(*point)
    for method in ("forward", "interpolating", "gauss", "backsolve"):
        for a, b in zip(gradient_by(method)(f, [0, 1, 2, 3])(*point), truth, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("method, most", [("interpolating", 6.0), ("gauss", 7.0)])
@pytest.mark.parametrize("name", ["lotka_volterra", "damped_pendulum"])
def test_an_adjoint_costs_a_few_solutions(name, method, most):
    """In evaluations of the right-hand side, a vjp counted as three: solution, the same again, lambda, and nodes."""
    problem = Problem(name)
    args = problem.arguments()
    graph = ad.trace(problem.loss("Tsit5", 1e-7), **args)
    made = ad.differentiate(graph, "grad", wrt=["params", "y0"], config=by(method)).compile()
    told = made.measure(*args["params"].values(), *(v for k, v in args.items() if k != "params")).reports
    (steps, _, forward, _), (taken, rejected, backward, _) = told["solve_ivp"], told["solve_ivp, backwards"]
    nodes = 3 * (steps + len(args["obs_times"])) if method == "gauss" else 0
    assert 2 * forward + 3 * backward + 3 * nodes <= most * forward
    assert rejected <= 0.05 * taken


# --- backsolve, and what is refused --------------------------------------------------------------


@pytest.mark.parametrize("name", ["lotka_volterra", "damped_pendulum"])
def test_backsolve_runs_where_the_way_back_is_stable(name):
    found = errors(Problem(name), "DOP853", 1e-7, gradient_by("backsolve"))
    assert max(found.values()) <= 100 * 1e-7, found


def lorenz(t, y):
    return np.stack([10.0 * (y[1] - y[0]), y[0] * (28.0 - y[2]) - y[1], y[0] * y[1] - 8.0 / 3.0 * y[2]])


def chaotic(y0):
    return ad.solve_ivp(lorenz, (0.0, 5.0), y0, "RK45", rtol=1e-8, atol=1e-10).y[0, -1]


@pytest.mark.parametrize(
    "f, args",
    [
        (Problem("prothero_robinson").loss("Radau", 1e-5), Problem("prothero_robinson").arguments()),
        (Problem("robertson_t40").loss("Radau", 1e-5), Problem("robertson_t40").arguments()),
        (chaotic, {"y0": np.array([1.0, 1.0, 20.0])}),
    ],
    ids=["prothero_robinson", "robertson", "lorenz"],
)
def test_backsolve_refuses_where_it_is_not(f, args):
    with pytest.raises(CheckError, match=r"^solve_ivp \(\w+\), backsolve: going back from t = [\d.]+ "):
        ad.grad(f, wrt="y0", config=by("backsolve", max_steps=2000))(**args)


def with_event(y0):
    event = lambda t, y: y[0] - 0.5
    return ad.solve_ivp(lambda t, y: -y, (0.0, 1.0), y0, events=event).y[0, -1]


def with_jump(y0):
    return ad.solve_ivp(lambda t, y: -y, (0.0, 1.0), y0, jumps=[(0.5, lambda t, y: 2.0 * y)]).y[0, -1]


def with_mass(y0):
    return ad.solve_ivp(lambda t, y: -y, (0.0, 1.0), y0, "Radau", mass=[2.0]).y[0, -1]


@pytest.mark.parametrize(
    "f, has, methods",
    [
        (with_event, "events", ["backsolve", "steady"]),
        (with_jump, "jumps", ["backsolve"]),
        (with_mass, "a mass matrix", ["backsolve"]),
    ],
)
def test_adjoint_odes_refuse_what_they_do_not_take(f, has, methods):
    for method in methods:
        message = (
            rf"^the method {method} of solve_ivp is not for problems with {has}\n"
            r"  at test_methods\.py:\d+\n"
            r'  use the method "discrete"$'
        )
        with pytest.raises(DifferentiationError, match=message):
            ad.grad(f, config=by(method))(np.array([1.0]))
    assert np.isfinite(ad.grad(f, config=by("forward"))(np.array([1.0])))


def test_a_steady_state_that_was_integrated_to_has_the_gradient_of_the_reference():
    problem = Problem("steady_toggle")
    d = problem.definition
    f = problem.vector(d["rhs"])

    def loss(params, y0, end, t0=0.0):
        sol = ad.solve_ivp(f, (t0, end), y0, "Radau", args=(params,), rtol=1e-6, atol=1e-8)
        return problem.number(d["loss"]["terminal"])(0.0, sol.y_end, params)

    params = {k: float(v) for k, v in d["params"].items()}
    start = np.array(d["guess"])
    found = ad.grad(loss, wrt=[0, 1, 2, 3], config=by("steady"))(params, start, 200.0, 0.0)
    np.testing.assert_allclose(list(found[0].values()), problem.truth()["params"], rtol=1e-10)
    np.testing.assert_array_equal(np.append(found[1], found[2:]), np.zeros(4))
    batch = ad.vmap(lambda y0: ad.grad(lambda p: loss(p, y0, 200.0), config=by("steady"))(params)["a1"])
    np.testing.assert_allclose(batch(np.array([start, 1.1 * start, 0.9 * start])), found[0]["a1"], rtol=1e-10)
    message = r"solve_ivp \(Radau\), steady: going back from t = 1\.0 the state is not steady: a Newton step moves"
    with pytest.raises(CheckError, match=message):
        ad.grad(loss, config=by("steady"))(params, start, 1.0)
    watched = lambda y0: np.sum(ad.solve_ivp(spring, (0.0, 1.0), y0, t_eval=[0.5, 1.0], args=(K,)).y)
    with pytest.raises(DifferentiationError, match=r"steady of solve_ivp is not for problems with observations before"):
        ad.grad(watched, config=by("steady"))(Y0)


def test_a_method_that_there_is_not_and_an_option_that_it_has_not_are_told():
    with pytest.raises(ConfigError, match=r"core::solve_ivp has no method 'gaus'"):
        ad.grad(loss, config=by("gaus"))(Y0, K)
    with pytest.raises(ConfigError, match=r"core::solve_ivp has a method that cannot be made: .*'toll'"):
        ad.grad(loss, config=by("gauss", toll=1e-8))(Y0, K)


def test_a_gradient_that_cannot_be_integrated_is_an_error_that_says_where():
    with pytest.raises(CheckError, match=r"solve_ivp \(RK45\), gauss: going back from t = .* the step limit was"):
        ad.grad(loss, config=by("gauss", rtol=1e-13, max_steps=3))(Y0, K)


# --- chosen elsewhere ----------------------------------------------------------------------------

ELSEWHERE = """
import numpy as np, sys
import adcore as ad
graph = ad.load(sys.argv[1])
for method in sys.argv[2:]:
    config = {"strategy": {"methods": {"core::solve_ivp": {"name": method}}}}
    y0, k = ad.grad(graph, wrt=[0, 1], config=config)(np.array([1.0, -0.3]), 4.0)
    print(*(float(x).hex() for x in (*y0, k)))
"""


def test_a_saved_graph_is_differentiated_by_config_where_its_source_is_not_known(tmp_path):
    ad.trace(loss, Y0, K).save(tmp_path / "loss.adg")
    methods = ["discrete", "forward", "gauss", "interpolating", "backsolve"]
    args = [sys.executable, "-c", ELSEWHERE, str(tmp_path / "loss.adg"), *methods]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(args, capture_output=True, text=True, check=True, env=env)
    for method, line in zip(methods, done.stdout.splitlines(), strict=True):
        here = np.append(*gradient_by(method)(loss, [0, 1])(Y0, K))
        assert [float.fromhex(x) for x in line.split()] == here.tolist()


def test_the_strategy_says_what_it_chooses_and_why():
    graph = ad.trace(lambda y0: np.sum(ad.solve_ivp(lambda t, y: -y, (0.0, 1.0), y0).y), np.ones(3))
    wide = ad.trace(lambda y0: np.sum(ad.solve_ivp(lambda t, y: -y, (0.0, 1.0), y0).y), np.ones(31))
    reasons = [reason_of(g, {"name": "ode_adjoint"}) for g in (graph, wide)]
    assert re.match(r"forward for 3 inputs, at most \d+: ", reasons[0])
    assert re.match(r"discrete for 31 inputs, more than \d+: ", reasons[1])
    asked = reason_of(graph, {"name": "ode_adjoint", "ode_adjoint": {"method": "gauss", "rtol": 1e-9}})
    assert asked == "the method gauss for 1 initial-value problems, as asked for"
    found = ad.grad(loss, wrt=[0, 1], strategy="ode_adjoint")(Y0, K)
    np.testing.assert_allclose(found[0], ad.grad(loss)(Y0, K), rtol=1e-10)


def reason_of(graph, strategy):
    return choose(graph, Request("grad", (0,), (0,)), config={"strategy": strategy}).reason
