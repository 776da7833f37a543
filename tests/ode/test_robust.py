"""Integrations that cannot go well end in a typed error that says where, never in a hang or a quiet NaN."""

import math

import numpy as np
import pytest

import adcore as ad
from adcore.errors import CheckError, InputError

Y0 = np.array([1.0, 0.5])


def spring(t, y, k=4.0):
    return np.stack([y[1], -k * y[0]])


def final(fun=spring, span=(0.0, 2.0), **options):
    options.setdefault("rtol", 1e-8)
    options.setdefault("atol", 1e-10)
    return lambda y0: np.sum(ad.solve_ivp(fun, span, y0, **options).y)


FAILURES = [
    (lambda t, y: np.log(1.0 - t) * y, {}, r"not finite at t = 0\.99"),
    (lambda t, y: y * np.nan, {}, r"not finite at t = 0\.0, step 0\.0, component 0"),
    (lambda t, y: y * y, {}, r"(step size fell to|not finite at|step limit).* t = (0\.99|1\.0)"),
    (spring, {"max_steps": 5}, r"the step limit was reached at t = 0\."),
    (spring, {"t_eval": np.array([0.5, 0.2])}, r"are not in order between t0 and t1"),
    (spring, {"t_eval": np.array([0.5, 2.5])}, r"are not in order between t0 and t1"),
    (spring, {"jumps": [(3.0, lambda t, y: y)]}, r"are not in order between t0 and t1"),
]


@pytest.mark.parametrize("fun, options, message", FAILURES)
def test_a_failure_says_time_step_and_component(fun, options, message):
    with pytest.raises(CheckError, match=r"^solve_ivp \(RK45\): .*" + message):
        ad.grad(final(fun, **options))(Y0)


def zeno():
    """A ball that bounces ever lower: infinitely many events in finite time."""

    def hit(t, y):
        return y[0]

    hit.direction, hit.reset = -1, lambda t, y: np.stack([0.0 * y[0], -0.5 * y[1]])
    return hit


def test_events_without_end_are_an_error():
    with pytest.raises(CheckError, match=r"an event happened more than max_events times, the last at t = "):
        final(lambda t, y: np.stack([y[1], 0.0 * y[1] - 10.0]), events=zeno())(Y0)


def test_an_event_that_only_touches_zero_is_an_error_or_none():
    touching = lambda t, y: (t - 1.0) ** 3
    with pytest.raises(CheckError, match=r"touches zero without crossing it at t = (1\.0|0\.99)"):
        final(events=touching)(Y0)


@pytest.mark.parametrize("span", [(0.0, 0.0), (1.5, 1.5)])
def test_a_span_of_no_length_gives_the_initial_state(span):
    f = final(span=span, t_eval=np.array([span[0], span[0]]))
    assert f(Y0) == 2 * Y0.sum()
    np.testing.assert_array_equal(ad.grad(f)(Y0), [2.0, 2.0])
    np.testing.assert_array_equal(ad.grad(final(span=span))(Y0), [1.0, 1.0])


def test_no_duplicate_and_first_observations_are_what_they_say():
    sol = ad.solve_ivp(spring, (0.0, 2.0), Y0, t_eval=np.array([0.0, 0.0, 1.0, 1.0, 2.0]), rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(sol.y[:, 0], Y0)
    np.testing.assert_array_equal(sol.y[:, 1], Y0)
    np.testing.assert_array_equal(sol.y[:, 2], sol.y[:, 3])
    truth = Y0[0] * np.cos(2 * sol.t) + Y0[1] / 2 * np.sin(2 * sol.t)
    np.testing.assert_allclose(sol.y[0], truth, atol=1e-9)
    empty = ad.solve_ivp(spring, (0.0, 2.0), Y0, t_eval=np.array([]))
    assert empty.y.shape == (2, 0)


def test_an_observation_at_the_start_reaches_the_gradient():
    f = final(t_eval=np.array([0.0]))
    np.testing.assert_array_equal(ad.grad(f)(Y0), [1.0, 1.0])


def test_backward_time_undoes_forward_time():
    there = ad.solve_ivp(spring, (0.0, 2.0), Y0, "DOP853", rtol=1e-11, atol=1e-12).y[:, -1]
    back = ad.solve_ivp(spring, (2.0, 0.0), there, "DOP853", t_eval=np.array([1.0, 0.0]), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(back.y[:, -1], Y0, atol=1e-9)
    f, h = final(span=(2.0, 0.0)), 1e-6
    truth = [(f(there + h * e) - f(there - h * e)) / (2 * h) for e in np.eye(2)]
    np.testing.assert_allclose(ad.grad(f)(there), truth, rtol=1e-7)


def test_an_observation_at_a_jump_sees_the_state_after_it():
    sol = ad.solve_ivp(spring, (0.0, 2.0), Y0, t_eval=np.array([1.0]), jumps=[(1.0, lambda t, y: 0.0 * y + 7.0)])
    np.testing.assert_array_equal(sol.y[:, 0], [7.0, 7.0])


def test_a_terminal_event_ends_the_integration_there():
    def zero(t, y):
        return y[0]

    zero.terminal = True
    sol = ad.solve_ivp(spring, (0.0, 10.0), Y0, events=zero, rtol=1e-10, atol=1e-12)
    truth = (math.pi - math.atan2(2 * Y0[0], Y0[1])) / 2
    np.testing.assert_allclose([sol.t_end, sol.t_events[0, 0], sol.t[0]], truth, rtol=1e-12)
    assert sol.status == 1 and sol.n_events[0] == 1

    def when(y0):
        return ad.solve_ivp(spring, (0.0, 10.0), y0, events=zero, rtol=1e-10, atol=1e-12).t_end

    h = 1e-5
    truth = [(when(Y0 + h * e) - when(Y0 - h * e)) / (2 * h) for e in np.eye(2)]
    np.testing.assert_allclose(ad.grad(when)(Y0), truth, rtol=1e-8)


@pytest.mark.parametrize("by_event", [True, False])
def test_a_running_cost_goes_on_through_resets(by_event):
    """y' = -y doubled once: at 1/2, or at the time ln 2."""

    def half(t, y):
        return y[0] - 0.5

    half.reset = double = lambda t, y: 2.0 * y

    def cost(y0):
        options = {"events": half} if by_event else {"jumps": [(0.5, double)]}
        sol = ad.solve_ivp(
            lambda t, y: -y, (0.0, 1.0), y0, running=lambda t, y: y[0] ** 2, rtol=1e-10, atol=1e-12, **options
        )
        return sol.running

    def truth(y):
        when = math.log(2.0 * y) if by_event else 0.5
        return 0.5 * y**2 * (1 - math.exp(-2 * when)) + 2.0 * y**2 * (math.exp(-2 * when) - math.exp(-2.0))

    np.testing.assert_allclose(cost(np.array([1.0])), truth(1.0), rtol=1e-9)
    slope = (truth(1.0 + 1e-5) - truth(1.0 - 1e-5)) / 2e-5
    np.testing.assert_allclose(ad.grad(cost)(np.array([1.0])), [slope], rtol=1e-8)


def test_a_second_terminal_occurrence_can_be_waited_for():
    def zero(t, y):
        return y[0]

    zero.terminal, zero.direction = 2, 1
    sol = ad.solve_ivp(spring, (0.0, 20.0), Y0, events=zero, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(sol.t_events[0, 1] - sol.t_events[0, 0], math.pi, rtol=1e-9)
    assert sol.n_events[0] == 2 and np.isnan(sol.t_events[0, 2])


@pytest.mark.parametrize("factor", [1e-12, 1e12])
def test_the_gradient_scales_with_the_loss(factor):
    plain = ad.grad(final())(Y0)
    scaled = ad.grad(lambda y: factor * final()(y))(Y0)
    np.testing.assert_allclose(scaled, factor * plain, rtol=1e-13)


def test_unused_parameters_change_nothing():
    def loss(p, unused):
        return np.sum(ad.solve_ivp(lambda t, y, p, u: spring(t, y, p), (0.0, 2.0), Y0, args=(p, unused)).y)

    few, none = ad.grad(loss, wrt=[0, 1])(4.0, np.ones(1000))
    assert few == ad.grad(loss, wrt=0)(4.0, np.ones(1))
    assert not none.any()


def test_forward_and_reverse_agree_on_one_mesh():
    rng = np.random.default_rng(3)

    def f(y0, k, times):
        return ad.solve_ivp(spring, (0.0, 2.0), y0, t_eval=times, args=(k,), rtol=1e-6).y

    args = (Y0, 4.0, np.array([0.3, 1.1, 2.0]))
    dots = (rng.normal(size=2), rng.normal(), rng.normal(size=3))
    bar = rng.normal(size=(2, 3))
    _, y_dot = ad.jvp(f, args, dots)
    _, pullback = ad.vjp(f, *args)
    left, right = np.sum(bar * y_dot), sum(np.sum(b * d) for b, d in zip(pullback(bar), dots, strict=True))
    np.testing.assert_allclose(left, right, rtol=1e-12)


def test_every_lane_of_a_batch_takes_its_own_steps():
    ks = np.array([0.5, 4.0, 400.0])
    f = lambda k: np.sum(ad.solve_ivp(spring, (0.0, 2.0), Y0, args=(k,), rtol=1e-7).y)
    np.testing.assert_array_equal(ad.vmap(f)(ks), [f(k) for k in ks])
    np.testing.assert_allclose(ad.vmap(ad.grad(f))(ks), [ad.grad(f)(k) for k in ks], rtol=1e-14)
    np.testing.assert_allclose(ad.grad(lambda k: np.sum(ad.vmap(f)(k)))(ks), [ad.grad(f)(k) for k in ks], rtol=1e-14)
    g = lambda k, y: np.sum(ad.solve_ivp(spring, (0.0, 2.0), y, args=(k,)).y)
    nested = ad.vmap(ad.vmap(g, (0, None)), (None, 0))
    ys = np.array([[1.0, 0.5], [0.2, -1.0]])
    np.testing.assert_array_equal(nested(ks, ys), [[g(k, y) for k in ks] for y in ys])


def test_a_saved_problem_is_differentiated_to_the_same_bits():
    graph = ad.trace(lambda y, k: np.sum(ad.solve_ivp(spring, (0.0, 2.0), y, args=(k,)).y), Y0, 4.0)
    again = ad.loads(graph.dumps())
    assert again.identity == graph.identity
    first, second = (ad.differentiate(g, "grad", wrt=[0, 1])(Y0, 4.0) for g in (graph, again))
    np.testing.assert_array_equal(first[0], second[0])
    assert first[1] == second[1]


def test_float32_stays_float32():
    sol = ad.solve_ivp(spring, (0.0, 2.0), Y0.astype(np.float32), rtol=1e-4)
    assert sol.y.dtype == np.float32
    assert ad.grad(final(rtol=1e-4, atol=1e-5))(Y0.astype(np.float32)).dtype == np.float32


def test_a_complex_state_is_integrated_and_differentiated():
    def f(w):
        sol = ad.solve_ivp(
            lambda t, y, w: 1j * w * y, (0.0, 1.0), np.array([1.0 + 0j]), args=(w,), rtol=1e-10, atol=1e-12
        )
        return np.real(sol.y[0, -1])

    np.testing.assert_allclose(f(2.0), math.cos(2.0), atol=1e-8)
    np.testing.assert_allclose(ad.grad(f)(2.0), -math.sin(2.0), atol=1e-8)


WRONG = [
    (
        {"dense_output": True},
        r"^solve_ivp has no dense_output=True here\n  at .*\n  ask for the times you need",
    ),
    ({"method": "RK46"}, r"^no ODE method is called 'RK46'\n  known: .*RK45"),
    ({"atol": [1e-6, 1e-6, 1e-6]}, r"^atol has 3 entries for 2 states\n"),
    ({"controller": "PDI"}, r"^no controller is called 'PDI'\n  known: I, PI"),
    ({"fun": lambda t, y: y[0]}, r"^<lambda> returned float64\[\] in solve_ivp\n  at .*\n  return shape \(2,\)$"),
    (
        {"fun": lambda t, y: 1j * y},
        r"^<lambda> returned complex128\[2\] for a real state\n  at .*\n  give a complex",
    ),
    ({"events": lambda t, y: y}, r"^<lambda> returned float64\[2\] in solve_ivp\n  at .*\n  return shape \(\)$"),
]


@pytest.mark.parametrize("options, message", WRONG)
def test_a_wrong_problem_is_told_before_it_runs(options, message):
    with pytest.raises(InputError, match=message):
        ad.solve_ivp(options.pop("fun", spring), (0.0, 1.0), Y0, **options)


@pytest.mark.parametrize("method", ["RK23", "RK45", "Tsit5", "DOP853", "ESDIRK3", "ESDIRK5", "Radau"])
def test_an_event_that_resets_nothing_happens_once(method):
    crossing = lambda t, y: y[0] - 0.1
    f = lambda t, y: np.stack([y[1], -3.0 * np.sin(y[0]) + np.cos(t)])
    for shift in (0.0, 0.01, 0.03, 0.06, 0.07):
        sol = ad.solve_ivp(f, (0.0, 5.0), np.array([1.2 + shift, 0.3]), method, events=crossing, rtol=1e-6)
        assert sol.n_events[0] == 2, sol.t_events
