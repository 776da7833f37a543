"""Explicit methods: how exact they can be, their orders, and Hessians."""

import itertools

import numpy as np
import pytest
from ode.problems import DATA, Problem, errors

import adcore as ad

STIFF = {"robertson_t40", "prothero_robinson"}
PROBLEMS = [Problem(name) for name in DATA if name not in STIFF and name != "steady_toggle"]


def whole_block(found):
    """Parameters and initial state together, and the times, as the promise is per block."""
    return max(found.values())


@pytest.mark.parametrize("problem", PROBLEMS, ids=repr)
def test_the_floor_is_that_of_double_precision(problem):
    assert whole_block(errors(problem, "DOP853", 1e-12)) <= 1e-9


@pytest.mark.parametrize("method, order", [("RK4", 4), ("RK23", 3), ("RK45", 5), ("Tsit5", 5), ("DOP853", 8)])
def test_with_fixed_steps_the_gradient_has_the_order_of_the_method(method, order):
    problem = Problem("damped_pendulum")
    counts = (3, 6, 12) if order == 8 else (32, 64, 128)
    found = [errors(problem, method, 1e-7, steps=n)["y0"] for n in counts]
    slopes = [np.log2(a / b) for a, b in itertools.pairwise(found)]
    assert max(slopes) >= min(order, 7) - 0.4, slopes  # the interpolant of DOP853 is of order 7


@pytest.mark.parametrize("name", ["harmonic_oscillator", "lotka_volterra", "vdp_mu1", "duffing_forced"])
def test_the_hessian_is_symmetric_and_right(name):
    problem = Problem(name)
    reference = problem.reference["hessian"]
    args = problem.arguments()
    f = problem.loss("DOP853", 1e-9)
    order = reference["order"]

    def packed(x):
        params, y0, t0 = dict(args["params"]), list(args["y0"]), args["t0"]
        for i, key in enumerate(order):
            kind, _, index = key.partition(":")
            if kind == "p":
                params[index] = x[i]
            elif kind == "y0":
                y0[int(index)] = x[i]
            else:
                t0 = x[i]
        return f(
            params, np.stack(y0) if any(not isinstance(v, float) for v in y0) else y0, t0, args["t1"], args["obs_times"]
        )

    def start(key):
        kind, _, index = key.partition(":")
        return args["params"][index] if kind == "p" else args["y0"][int(index)] if kind == "y0" else args["t0"]

    found = ad.hessian(packed)(np.array([start(k) for k in order]))
    truth = np.array(reference["values"], float)
    scale = np.max(np.abs(truth))
    assert np.max(np.abs(found - found.T)) <= 1e-11 * scale
    assert np.max(np.abs(found - truth)) <= 1000 * 1e-9 * scale
