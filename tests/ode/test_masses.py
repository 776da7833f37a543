"""Mass matrices, regular and singular, by every method: against the reference, the scheme and differences."""

import numpy as np
import pytest
from ode.problems import Problem
from ode.test_implicit import dae

import adcore as ad
from adcore.errors import DifferentiationError, InputError

METHODS = ["discrete", "forward", "interpolating", "gauss"]


def by(method):
    return {"strategy": {"name": "reverse", "methods": {"core::solve_ivp": {"name": method}}}}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rtol", [1e-5, 1e-7])
def test_the_reference_dae_is_within_tolerances(method, rtol):
    problem = Problem("dae_sqrt")
    a, truth = problem.arguments(), problem.truth()
    found = ad.grad(lambda *x: dae(*x, rtol=rtol), wrt=[0, 1, 2, 3, 4], config=by(method))(
        a["params"]["k"], a["params"]["q"], a["y0"][0], a["obs_times"], a["t1"]
    )
    wanted = [*truth["params"], truth["y0"][0], truth["obs_times"], truth["t1"][0]]
    for value, right in zip(found, wanted, strict=True):
        np.testing.assert_allclose(value, right, rtol=30 * rtol)


def circuit(y0, k, q, t0, t1, times, m):
    """Two states and two constraints, mixed so that no state is purely one or the other; or none, for a regular M."""
    mixing = np.array([[1.0, 0.2, 0.0, 0.3], [0.0, 1.0, 0.5, 0.0], [0.1, 0.0, 1.0, 0.2], [0.0, 0.4, 0.0, 1.0]])
    other = np.array([[1.0, 0.0, 0.4, 0.0], [0.3, 1.0, 0.0, 0.0], [0.0, 0.2, 1.0, 0.1], [0.0, 0.0, 0.3, 1.0]])

    def rhs(t, s, k, q):
        x = mixing @ s
        f = np.stack([
            -k * x[0] + x[2], x[0] * np.cos(t) - x[1] * x[3],
            x[2] - np.sin(q * x[0]) - 0.1 * t, x[3] - 1.0 - q * x[1] * x[0] - 0.3 * x[2] * k,
        ])  # fmt: skip
        return other @ f

    # consistent start: the constraints are solved for the last two of the mixed states
    x2 = np.sin(q * y0[0]) + 0.1 * t0
    x = np.stack([y0[0], y0[1], x2, 1.0 + q * y0[1] * y0[0] + 0.3 * x2 * k])
    start = np.linalg.solve(mixing, x)
    mass = other @ np.diag(m) @ mixing
    sol = ad.solve_ivp(rhs, (t0, t1), start, "Radau", times, args=(k, q), mass=mass, rtol=1e-10, atol=1e-12)
    return np.sum(sol.y[2] ** 2) + np.sum(sol.y[3] * sol.y[0]) + sol.y_end[3] * sol.y_end[1] + sol.y_end[2] * t1


POINT = (np.array([0.8, -0.4]), 0.9, 0.6, 0.1, 2.0, np.array([0.1, 0.7, 1.6]))


@pytest.mark.parametrize("m", [(1.0, 1.0, 0.0, 0.0), (1.0, 2.0, -3.0, -4.0)], ids=["index 1", "regular"])
@pytest.mark.parametrize("method", METHODS)
def test_full_mass_matrices_have_gradients_of_everything(method, m):
    f = lambda *x: circuit(*x, m)
    wrt = list(range(6))
    found = ad.grad(f, wrt=wrt, config=by(method))(*POINT)
    rng, h = np.random.default_rng(4), 1e-3
    direction = [rng.normal(size=np.shape(x)) for x in POINT]
    direction[5][0] = direction[3]  # the first observation stays at the start
    value = [f(*(x + k * h * d for x, d in zip(POINT, direction, strict=True))) for k in (-2, -1, 1, 2)]
    truth = (value[0] - 8 * value[1] + 8 * value[2] - value[3]) / (12 * h)
    along = sum(np.sum(g * d) for g, d in zip(found, direction, strict=True))
    np.testing.assert_allclose(along, truth, rtol=1e-6)
    for i, scheme in enumerate(ad.grad(f, wrt=wrt)(*POINT)):
        if i != 3:  # the start alone moves away from the first observation: a kink
            skip = 1 if i == 5 else 0
            np.testing.assert_allclose(np.ravel(found[i])[skip:], np.ravel(scheme)[skip:], rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("method", ["discrete", "interpolating", "gauss"])
def test_every_lane_of_a_batch_of_daes_has_its_own_steps(method):
    f = lambda y0, k: circuit(y0, k, *POINT[2:], (1.0, 1.0, 0.0, 0.0))
    y0s = np.array([[0.8, -0.4], [0.2, 0.5], [-0.6, 0.1]])
    whole = ad.grad(lambda y0s, k: np.sum(ad.vmap(f, (0, None))(y0s, k)), wrt=[0, 1], config=by(method))(y0s, 0.9)
    alone = [ad.grad(f, wrt=[0, 1], config=by(method))(y0, 0.9) for y0 in y0s]
    np.testing.assert_allclose(whole[0], [a for a, _ in alone], rtol=1e-9)
    np.testing.assert_allclose(whole[1], sum(b for _, b in alone), rtol=1e-9)


def test_what_a_mass_matrix_does_not_go_with_is_told():
    f = lambda y0: ad.solve_ivp(
        lambda t, y: -y, (0.0, 1.0), y0, "Radau", mass=[2.0], jumps=[(0.5, lambda t, y: 2.0 * y)]
    ).y[0, -1]
    with pytest.raises(
        DifferentiationError, match=r"gauss of solve_ivp is not for problems with a mass matrix and jumps"
    ):
        ad.grad(f, config=by("gauss"))(np.array([1.0]))
    with pytest.raises(InputError, match=r"^the mass matrix is complex\n"):
        ad.solve_ivp(lambda t, y: -y, (0.0, 1.0), np.ones(1), "Radau", mass=[1j])
