"""Adjoint ODEs through events, resets and jumps, and with complex states: against references and differences."""

import numpy as np
import pytest
from ode.problems import Problem, errors

import adcore as ad

CONTINUOUS = ["interpolating", "gauss"]


def by(method, **options):
    return {"strategy": {"name": "reverse", "methods": {"core::solve_ivp": {"name": method, **options}}}}


@pytest.mark.parametrize("name", ["bouncing_ball", "pk_dosing"])
@pytest.mark.parametrize("method", CONTINUOUS)
@pytest.mark.parametrize("stepper, times", [("Tsit5", 10), ("DOP853", 30), ("Radau", 30)])
def test_events_and_jumps_are_within_tolerances_of_the_reference(name, method, stepper, times):
    gradient = lambda f, wrt: ad.grad(f, wrt=wrt, config=by(method))
    found = errors(Problem(name), stepper, 1e-7, gradient)
    assert max(found.values()) <= times * 1e-7, found


def swing(t, y, k, c):
    """A forced, damped pendulum."""
    return np.stack([y[1], -k * np.sin(y[0]) - c * y[1] + 0.3 * np.cos(1.3 * t)])


def resets(y0, k, c, t0, t1, when, times, level):
    """Kicked whenever it passes a level that moves, and once at a given time; with a running cost."""

    def passes(t, y, k, c):
        return y[0] - level - 0.1 * k * np.sin(t)

    passes.direction = -1
    passes.reset = lambda t, y, k, c: np.stack([y[0] - 0.01 * t, 0.9 * y[1] - 0.2 * k])
    jump = lambda t, y, k, c: np.stack([y[0] + 0.05 * c * t, y[1] * k])
    sol = ad.solve_ivp(
        swing, (t0, t1), y0, "DOP853", times, args=(k, c), events=passes, jumps=[(when, jump)], max_events=5,
        rtol=1e-11, atol=1e-13, running=lambda t, y, k, c: y[0] ** 2 + 0.1 * t,
    )  # fmt: skip
    seen = np.where(np.isnan(sol.t_events[0]), 0.0, sol.t_events[0])
    speed = np.where(np.isnan(sol.y_events[0, :, 1]), 0.0, sol.y_events[0, :, 1])
    return np.sum(sol.y**2) + sol.running + np.sum(seen**2) + np.sum(speed) * sol.y_end[0]


def ends(y0, k, c, t0, t1, when, times, level):
    """Ended by the second event of its kind; observed until then."""

    def passes(t, y, k, c):
        return y[0] - level

    passes.terminal = 2
    sol = ad.solve_ivp(
        swing, (t0, t1), y0, "DOP853", times, args=(k, c), events=passes, rtol=1e-11, atol=1e-13, max_events=2
    )
    before = np.where(np.isnan(sol.y), 0.0, sol.y)
    return sol.t_end**2 + sol.t_events[0, 0] * sol.y_end[1] + np.sum(before**2) + sol.y_events[0, 1, 1] ** 3


POINT = (np.array([1.2, 0.4]), 3.0, 0.2, 0.1, 4.0, 2.2, np.array([0.5, 1.7, 3.1, 3.9]), 0.1)
WRT = list(range(len(POINT)))


def moved(point, direction, h):
    return tuple(x + h * d for x, d in zip(point, direction, strict=True))


@pytest.mark.parametrize("f", [resets, ends])
@pytest.mark.parametrize("method", ["discrete", "forward", *CONTINUOUS])
def test_every_argument_of_a_problem_with_resets_has_its_gradient(f, method):
    """In one random direction, against differences of order 4; and each alone, against the derivative of the scheme."""
    found = ad.grad(f, wrt=WRT, config=by(method))(*POINT)
    rng, h = np.random.default_rng(11), 1e-3
    direction = [rng.normal(size=np.shape(x)) for x in POINT]
    value = [f(*moved(POINT, direction, k * h)) for k in (-2, -1, 1, 2)]
    truth = (value[0] - 8 * value[1] + 8 * value[2] - value[3]) / (12 * h)
    along = sum(np.sum(g * d) for g, d in zip(found, direction, strict=True))
    np.testing.assert_allclose(along, truth, rtol=1e-7)
    for a, b in zip(found, ad.grad(f, wrt=WRT)(*POINT), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("method", CONTINUOUS)
def test_lanes_of_a_batch_have_events_of_their_own(method):
    y0s = np.array([[1.2, 0.4], [0.05, 0.0], [2.0, -1.0]])
    rest = POINT[1:]
    f = lambda y0, k: resets(y0, k, *rest[1:])
    config = by(method, rtol=1e-9)
    whole = ad.grad(lambda y0s, k: np.sum(ad.vmap(f, (0, None))(y0s, k)), wrt=[0, 1], config=config)(y0s, 3.0)
    alone = [ad.grad(f, wrt=[0, 1], config=config)(y0, 3.0) for y0 in y0s]
    np.testing.assert_allclose(whole[0], [a for a, _ in alone], rtol=1e-10)
    np.testing.assert_allclose(whole[1], sum(b for _, b in alone), rtol=1e-10)


@pytest.mark.parametrize("method", ["forward", *CONTINUOUS, "backsolve"])
def test_complex_states_have_real_and_complex_gradients(method):
    """A driven spin: complex states and couplings, real detuning and times."""

    def f(y0, omega, delta, t0, t1, times):
        rhs = lambda t, y, w, d: np.stack([-1j * (w * y[1] + 0.1 * t * y[0]), -1j * (np.conj(w) * y[0] - d * y[1])])
        sol = ad.solve_ivp(rhs, (t0, t1), y0, "DOP853", times, args=(omega, delta), rtol=1e-11, atol=1e-13)
        return np.abs(sol.y[0, 0]) ** 2 + np.sum(np.real(sol.y * (0.3 + 0.2j))) + np.abs(sol.y_end[1] - 1.0) ** 2

    point = (np.array([0.6 + 0.2j, -0.3 + 0.5j]), 0.7 - 0.4j, 0.9, 0.2, 2.0, np.array([0.5, 1.1]))
    found = ad.grad(f, wrt=list(range(6)), config=by(method))(*point)
    for g, x, truth in zip(found, point, ad.grad(f, wrt=list(range(6)))(*point), strict=True):
        assert np.asarray(g).dtype == np.asarray(x).dtype
        np.testing.assert_allclose(g, truth, rtol=1e-8, atol=1e-9)
    rng, h = np.random.default_rng(5), 1e-3
    direction = [
        rng.normal(size=np.shape(x)) + (1j * rng.normal(size=np.shape(x)) if np.iscomplexobj(x) else 0.0) for x in point
    ]
    value = [f(*moved(point, direction, k * h)) for k in (-2, -1, 1, 2)]
    truth = (value[0] - 8 * value[1] + 8 * value[2] - value[3]) / (12 * h)
    along = sum(np.sum(np.real(np.conj(g) * d)) for g, d in zip(found, direction, strict=True))
    np.testing.assert_allclose(along, truth, rtol=1e-8)


def test_a_loss_of_an_event_scales():
    def arrival(speed, c):
        ground = lambda t, y: y[0]
        ground.terminal, ground.direction = True, -1
        fall = lambda t, y: np.stack([y[1], -9.81 - 0.1 * y[1]])
        return c * ad.solve_ivp(fall, (0.0, 10.0), np.stack([0.0 * speed, speed]), events=ground, rtol=1e-9).t_end

    plain = ad.grad(arrival, config=by("gauss"))(5.0, 1.0)
    for c in (1e-12, 1e12):
        np.testing.assert_allclose(ad.grad(arrival, config=by("gauss"))(5.0, c), c * plain, rtol=1e-10)
