"""How exact gradients are: every reference problem by every method and stepper, over a ladder of tolerances.

Errors are of a block over its largest entry: of parameters (weighted by their size) and initial state together, and
of all times together. So one small entry beside a large one is not promised more digits than the large one has.
"""

import numpy as np
import pytest
from ode.problems import DATA, Problem
from scipy.integrate import solve_ivp

import adcore as ad

STIFF = ["robertson_t40", "prothero_robinson"]
NOT_STIFF = [name for name in DATA if name not in STIFF and name != "steady_toggle"]
METHODS = ["discrete", "gauss", pytest.param("interpolating", marks=pytest.mark.slow)]  # that is gauss, a bit dearer


def by(method):
    return {"strategy": {"name": "reverse", "methods": {"core::solve_ivp": {"name": method}}}}


def both_errors(problem, stepper, rtol, method):
    """(of parameters and initial state, of times), in units of rtol."""
    args, truth = problem.arguments(), problem.truth()
    found = dict(
        zip(args, ad.grad(problem.loss(stepper, rtol), wrt=list(args), config=by(method))(**args), strict=True)
    )
    weights = np.array(list(args["params"].values()))
    at = problem.definition.get("grad_y0_index", slice(None))
    states = [weights * np.array(list(found["params"].values())), found["y0"][at]]
    times = [k for k in ("t0", "t1", "obs_times") if k in truth]
    return (
        relative(states, [weights * truth["params"], truth["y0"]]) / rtol,
        relative([found[k] for k in times], [truth[k] for k in times]) / rtol,
    )


def relative(found, truth):
    found, truth = (np.concatenate([np.atleast_1d(x) for x in xs]) for xs in (found, truth))
    return np.max(np.abs(found - truth)) / np.max(np.abs(truth))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "stepper, most, of_times, ladder",
    [
        ("Tsit5", 100, 300, [1e-5, 1e-7, 1e-9]),  # an interpolant of order 4 has fewer digits in time
        ("DOP853", 30, 40, [1e-5, 1e-9]),
        pytest.param("RK45", 150, 300, [1e-5, 1e-7, 1e-9], marks=pytest.mark.slow),
    ],
    ids=lambda p: p if isinstance(p, str) else "",
)
def test_gradients_are_as_exact_as_the_tolerance_says(method, stepper, most, of_times, ladder):
    found = np.array([[both_errors(Problem(name), stepper, r, method) for r in ladder] for name in NOT_STIFF])
    assert np.max(found[..., 0]) <= most, found[..., 0]
    assert np.max(found[..., 1]) <= of_times, found[..., 1]
    typical = np.median(found[..., 0], axis=0)
    assert np.all(typical <= 10), typical
    slope = 1.0 + np.polyfit(np.log(ladder), np.log(typical), 1)[0]
    assert 0.8 <= slope <= 1.3, typical


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("stepper, most, of_times", [("Radau", 20, 20), ("ESDIRK5", 100, 200)])
def test_gradients_of_stiff_problems_too(method, stepper, most, of_times):
    names = [*STIFF, "vdp_mu1", "duffing_forced", "dae_sqrt", "pk_dosing"]
    found = np.array([[both_errors(Problem(name), stepper, r, method) for r in (1e-5, 1e-7)] for name in names])
    assert np.max(found[..., 0]) <= most, found[..., 0]
    assert np.max(found[..., 1]) <= of_times, found[..., 1]


def robertson(t, y, p):
    first, second, third = p[0] * y[0], p[1] * y[1] * y[1], p[2] * y[1] * y[2]
    return np.stack([third - first, first - third - second, second])


def van_der_pol(t, y, p):
    return np.stack([y[1], p[0] * (1.0 - y[0] * y[0]) * y[1] - y[0]])


HARD = {
    "Robertson to 4e5": (robertson, [0.04, 3e7, 1e4], [1.0, 0.0, 0.0], 4e5, [1.0, 1e4, 1.0], 100),
    "Van der Pol, mu = 1000": (van_der_pol, [1e3], [2.0, 0.0], 700.0, [1.0, 1.0], 1000),
}
"""The right-hand side, parameters, initial state, end, weights of the states in the loss; how many tolerances."""


def sensitivities(f, p, y0, end):
    """(y, dy/dp, dy/dy0) at the end, by SciPy's Radau on the sensitivity equations, tangents by complex steps."""
    n, m = len(y0), len(p)

    def both(t, packed):
        y, seeds = packed[:n], packed[n:].reshape(n, m + n)
        columns = []
        for k in range(m + n):
            dp = np.zeros(m) if k >= m else np.eye(m)[k] * p[k]
            columns.append(np.imag(f(t, y + 1e-30j * seeds[:, k], p + 1e-30j * dp)) / 1e-30)
        return np.concatenate([f(t, y, p), np.stack(columns, 1).ravel()])

    start = np.concatenate([y0, np.hstack([np.zeros((n, m)), np.eye(n)]).ravel()])
    done = solve_ivp(both, (0.0, end), start, "Radau", rtol=1e-9, atol=1e-13)
    assert done.success
    return done.y[:n, -1], done.y[n:, -1].reshape(n, m + n)


@pytest.mark.parametrize("name", HARD)
def test_hard_stiff_problems_have_the_gradient_of_forward_sensitivities_by_scipy(name):
    f, p, y0, end, weights, times = HARD[name]
    p, y0, weights = np.array(p), np.array(y0), np.array(weights)
    y, moved = sensitivities(f, p, y0, end)
    truth = (2.0 * weights**2 * y) @ moved

    rtol = 1e-6
    atol = 1e-4 * rtol / weights

    def loss(p, y0, stepper):
        sol = ad.solve_ivp(f, (0.0, end), y0, stepper, args=(p,), rtol=rtol, atol=atol)
        return np.sum((weights * sol.y[:, -1]) ** 2)

    for method in ("discrete", "interpolating", "gauss"):
        for stepper in ("Radau", "ESDIRK5"):
            of_p, of_y0 = ad.grad(lambda p, y0, s=stepper: loss(p, y0, s), wrt=[0, 1], config=by(method))(p, y0)
            found = np.concatenate([p * of_p, of_y0])
            gap = np.max(np.abs(found - truth)) / np.max(np.abs(truth))
            assert gap <= times * rtol, (method, stepper, gap)
