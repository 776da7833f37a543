"""The derivative of the scheme is exact: against complex steps through the same steps, and forward against reverse."""

import numpy as np
import pytest
from ode.test_crossing import POINT as SWUNG
from ode.test_crossing import ends, resets
from ode.test_masses import POINT as MIXED
from ode.test_masses import circuit
from ode.test_tableaus import ESDIRK, EXPLICIT, matrix, padded

import adcore as ad
from adcore.registry import registry

RADAU = np.array([
    [(88 - 7 * 6**0.5) / 360, (296 - 169 * 6**0.5) / 1800, (-2 + 3 * 6**0.5) / 225],
    [(296 + 169 * 6**0.5) / 1800, (88 + 7 * 6**0.5) / 360, (-2 - 3 * 6**0.5) / 225],
    [(16 - 6**0.5) / 36, (16 + 6**0.5) / 36, 1 / 9],
])  # fmt: skip
STEPS = 7


def coefficients(name):
    """(A, b, c) of the stages that a step needs."""
    if name == "Radau":
        return RADAU, RADAU[-1], RADAU.sum(1)
    method = registry().steppers[name]
    s, a = len(method.a), matrix(method)
    b = padded(method.b, len(a)) if name in EXPLICIT else a[-1]
    return a[:s, :s], b[:s], np.array(method.c)


def pendulum(t, y, p):
    return np.stack([y[1], -p[0] * np.sin(y[0]) - p[1] * y[1] * y[1] * y[1] + 0.2 * np.cos(p[1] * t)])


def slope_by_state(y, p):
    return np.array([[0.0, 1.0], [-p[0] * np.cos(y[0]), -3.0 * p[1] * y[1] * y[1]]])


def marched(name, y, p, t, h):
    """y after all steps, complex or not: every stage of a step at once, by Newton's method to rounding."""
    a, b, c = coefficients(name)
    s, n = len(c), len(y)
    for k in range(STEPS):
        at = t + k * h
        stages = np.tile(y, s).astype(complex)
        for _ in range(40):
            Y = stages.reshape(s, n)
            slopes = np.stack([pendulum(at + c[i] * h, Y[i], p) for i in range(s)])
            residual = Y - y - h * a @ slopes
            blocks = [
                [np.eye(n) * (i == j) - h * a[i, j] * slope_by_state(Y[j], p) for j in range(s)] for i in range(s)
            ]
            stages = stages - np.linalg.solve(np.block(blocks), residual.ravel())
        Y = stages.reshape(s, n)
        y = y + h * b @ np.stack([pendulum(at + c[i] * h, Y[i], p) for i in range(s)])
    return y


@pytest.mark.parametrize("name", [*EXPLICIT, *ESDIRK, "Radau"])
def test_gradients_are_those_of_complex_steps_through_the_same_steps(name):
    def loss(y0, p, t0, t1):
        sol = ad.solve_ivp(pendulum, (t0, t1), y0, name, args=(p,), steps=STEPS)
        return np.sum(sol.y_end**2) + sol.y_end[0]

    def of_complex(x):
        y = marched(name, x[:2], x[2:4], x[4], (x[5] - x[4]) / STEPS)
        return np.sum(y**2) + y[0]

    x = np.array([0.7, -0.3, 2.0, 0.4, 0.1, 1.9])
    found = np.concatenate([np.atleast_1d(g) for g in ad.grad(loss, wrt=[0, 1, 2, 3])(x[:2], x[2:4], x[4], x[5])])
    truth = [np.imag(of_complex(x + 1e-30j * unit)) / 1e-30 for unit in np.eye(6)]
    np.testing.assert_allclose(found, truth, rtol=1e-12 if name in EXPLICIT else 1e-10)


@pytest.mark.parametrize(
    "f, point, rtol",
    [
        (resets, SWUNG, 1e-12),
        (ends, SWUNG, 1e-12),
        (lambda *x: circuit(*x, (1.0, 1.0, 0.0, 0.0)), MIXED, 1e-10),
    ],
    ids=["resets", "terminal event", "DAE"],
)
def test_forward_and_reverse_agree_on_one_mesh(f, point, rtol):
    rng = np.random.default_rng(17)
    dots = tuple(rng.normal(size=np.shape(x)) for x in point)
    _, forward = ad.jvp(f, point, dots)
    reverse = ad.grad(f, wrt=list(range(len(point))))(*point)
    terms = [np.sum(g * d) for g, d in zip(reverse, dots, strict=True)]
    assert abs(forward - sum(terms)) <= rtol * sum(map(abs, terms))
