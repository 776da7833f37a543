"""What a step costs and what it is the derivative of: evaluations are counted truly, and no step makes one too many."""

import numpy as np
import pytest
import scipy.integrate

import adcore as ad
from adcore.extend import elementwise

COUNTS = []


@ad.op("ode::counted", rule=elementwise(lambda y, x: np.cos(x)), elementwise=True)
def counted(x):
    """sin, which counts how often it is run."""
    COUNTS.append(1)
    return np.sin(x)


def pendulum(t, y, k, sin=np.sin):
    return np.stack([y[1], -k * sin(y[:1])[0] + np.cos(t)])


Y0, K = np.array([1.2, 0.3]), 3.0
EXPLICIT = ["RK23", "RK45", "Tsit5", "DOP853"]


@pytest.mark.parametrize("method", [*EXPLICIT, "ESDIRK3", "ESDIRK4", "ESDIRK5", "Radau"])
@pytest.mark.parametrize("events", [None, lambda t, y, k: y[0] - 0.1])
def test_nfev_is_how_often_the_right_hand_side_was_evaluated(method, events):
    f = lambda t, y, k: pendulum(t, y, k, counted)
    program = ad.trace(
        lambda y0: ad.solve_ivp(f, (0.0, 5.0), y0, method, args=(K,), events=events, rtol=1e-4).nfev, Y0
    ).compile()
    COUNTS.clear()
    assert program(Y0) == len(COUNTS)


@pytest.mark.parametrize("method", ["RK23", "RK45", "DOP853"])
def test_explicit_methods_take_the_steps_of_scipy_with_as_many_evaluations(method):
    ours = ad.solve_ivp(pendulum, (0.0, 10.0), Y0, method, args=(K,), rtol=1e-6, atol=1e-9)
    theirs = scipy.integrate.solve_ivp(pendulum, (0.0, 10.0), Y0, method, args=(K,), rtol=1e-6, atol=1e-9)
    assert (ours.nfev, ours.steps) == (theirs.nfev, len(theirs.t) - 1)
    np.testing.assert_allclose(ours.y[:, -1], theirs.y[:, -1], rtol=1e-12)


def test_a_last_stage_is_not_taken_for_the_slope_of_a_state_that_was_reset():
    def floor(t, y, k):
        return y[0] - 0.1

    floor.reset = lambda t, y, k: np.stack([y[0], -0.9 * y[1]])
    loss = lambda y0: ad.solve_ivp(
        pendulum, (0.0, 4.0), y0, "RK45", args=(K,), events=floor, jumps=[(1.1, lambda t, y, k: 1.5 * y)], rtol=1e-10,
        atol=1e-12,
    ).y[0, -1]  # fmt: skip
    h = 1e-4
    differences = [(8 * (loss(Y0 + h * e) - loss(Y0 - h * e)) - loss(Y0 + 2 * h * e) + loss(Y0 - 2 * h * e)) / (12 * h)
                   for e in np.eye(2)]  # fmt: skip
    np.testing.assert_allclose(ad.grad(loss)(Y0), differences, rtol=1e-7)
    _, forward = ad.jvp(loss, (Y0,), (np.array([0.3, -0.7]),))
    np.testing.assert_allclose(ad.grad(loss)(Y0) @ [0.3, -0.7], forward, rtol=1e-12)


@pytest.mark.parametrize("method", ["RK4", *EXPLICIT])
def test_the_discrete_adjoint_is_the_complex_step_of_the_same_steps(method):
    def loss(y0, k, t1):
        sol = ad.solve_ivp(
            pendulum, (0.0, t1), y0, method, t_eval=np.stack([0.31 * t1, 0.5 * t1, t1]), args=(k,), steps=7
        )
        return np.sum(sol.y**2 * np.array([1.0, 0.3, -0.7]))

    found = ad.grad(loss, wrt=[0, 1, 2])(Y0, K, 2.0)
    step = 1e-30j
    rows = [loss(Y0 + step * e, K, 2.0) for e in np.eye(2)] + [loss(Y0 + 0j, K + step, 2.0)]
    truth = np.imag(rows) / step.imag
    np.testing.assert_allclose([*found[0], found[1]], truth, rtol=1e-12)


@pytest.mark.parametrize("method", ["RK4", "Tsit5", "ESDIRK4"])
def test_checkpoints_change_no_bit(method):
    def loss(y0, k):
        sol = ad.solve_ivp(pendulum, (0.0, 3.0), y0, method, [1.0, 3.0], args=(k,), steps=60)
        return np.sum(sol.y**2)

    plain = ad.grad(loss, wrt=[0, 1])(Y0, K)
    few = ad.grad(loss, wrt=[0, 1], strategy="checkpointed", snapshots=4)(Y0, K)
    assert plain[0].tobytes() == few[0].tobytes() and plain[1] == few[1]
