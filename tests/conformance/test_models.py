"""The models of the ADBench problems, written anew in plain NumPy: derivatives to second order against differences.

Source of the problems: Srajer, Kukelova and Fitzgibbon 2018, "A benchmark of selected algorithmic
differentiation tools on some problems in computer vision and machine learning", section 3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import adcore as ad
from adcore.testing import check_grads

RNG = np.random.default_rng(20260103)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape)


# --- a mixture of Gaussians ------------------------------------------------------------------------


def mixture(alphas: Any, means: Any, icf: Any, points: Any) -> Any:
    """Negative log-likelihood up to constants. alphas (k,), means (k, d), icf (k, d (d + 1) / 2), points (n, d)."""
    k, d = means.shape
    below = np.tril_indices(d, -1)
    lower = np.zeros_like(means, shape=(k, d, d))
    lower[:, below[0], below[1]] = icf[:, d:]
    diagonal = np.exp(icf[:, :d])
    centred = points[:, None, :] - means[None, :, :]
    scaled = diagonal * centred + np.einsum("kij,nkj->nki", lower, centred)
    inner = alphas + np.sum(icf[:, :d], axis=1) - 0.5 * np.sum(scaled**2, axis=2)
    top = np.max(inner, axis=1, keepdims=True)
    likelihood = np.sum(np.log(np.sum(np.exp(inner - top), axis=1)) + top[:, 0])
    weights = np.logaddexp.reduce(alphas)
    wishart = 0.5 * (np.sum(diagonal**2) + np.sum(icf[:, d:] ** 2)) - np.sum(icf[:, :d])
    return -(likelihood - points.shape[0] * weights - wishart)


# --- bundle adjustment -----------------------------------------------------------------------------


def rotated(axis_angle: Any, x: Any) -> Any:
    """Rodrigues' rotation."""
    square = axis_angle @ axis_angle
    angle = np.sqrt(square)
    axis = axis_angle / angle
    return x * np.cos(angle) + np.cross(axis, x) * np.sin(angle) + axis * (axis @ x) * (1.0 - np.cos(angle))


def projection_error(camera: Any, point: Any, weight: Any, feature: Any) -> Any:
    """Reprojection error of a point, (2,). camera: rotation 3, centre 3, focal length, x0 2, distortion 2."""
    x = rotated(camera[:3], point - camera[3:6])
    flat = x[:2] / x[2]
    radius = flat @ flat
    seen = flat * (1.0 + camera[9] * radius + camera[10] * radius**2) * camera[6] + camera[7:9]
    return weight * (seen - feature)


# --- a recurrent network ---------------------------------------------------------------------------


def sigmoid(x: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-x))


def cell(weight: Any, bias: Any, hidden: Any, state: Any, x: Any) -> Any:
    forget = sigmoid(x * weight[0] + bias[0])
    ingate = sigmoid(hidden * weight[1] + bias[1])
    outgate = sigmoid(x * weight[2] + bias[2])
    change = np.tanh(hidden * weight[3] + bias[3])
    state = state * forget + ingate * change
    return outgate * np.tanh(state), state


def network(layers: Any, ends: Any, sequence: Any, loop: bool) -> Any:
    """Mean log-loss of predicting the next row. layers: (weight, bias, hidden, state) each."""

    def step(states: Any, x: Any) -> Any:
        x, new = x * ends[0], []
        for (weight, bias, _, _), (hidden, state) in zip(layers, states, strict=True):
            hidden, state = cell(weight, bias, hidden, state, x)
            new.append((hidden, state))
            x = hidden
        y = x * ends[1] + ends[2]
        return new, y - np.log(2.0 + np.sum(np.exp(y)))

    states: Any = [(hidden, state) for _, _, hidden, state in layers]
    if loop:
        _, ys = ad.scan(step, states, sequence[:-1])
    else:
        rows = []
        for x in sequence[:-1]:
            states, y = step(states, x)
            rows.append(y)
        ys = np.stack(rows)
    return -np.sum(sequence[1:] * ys) / ys.size


LAYERS = [tuple(normal(4, 3) if i < 2 else normal(3) for i in range(4)) for _ in range(2)]
SEQUENCE = (RNG.uniform(size=(6, 3)) > 0.5).astype(float)
ENDS = tuple(normal(3) for _ in range(3))
CAMERA = np.concatenate([0.3 * normal(3), normal(3), [1.5], normal(2), 0.01 * normal(2)])

MODELS = {
    "mixture": (mixture, (normal(3), normal(3, 2), normal(3, 3), normal(7, 2))),
    "projection": (projection_error, (CAMERA, np.add(normal(3), [0.0, 0.0, 5.0]), 0.7, normal(2))),
    "network": (lambda layers, ends: network(layers, ends, SEQUENCE, False), (LAYERS, ENDS)),
    "network as a loop": (lambda layers, ends: network(layers, ends, SEQUENCE, True), (LAYERS, ENDS)),
}


@pytest.mark.parametrize("name", MODELS)
def test_derivatives_of_a_model_agree_with_differences(name: str) -> None:
    f, args = MODELS[name]
    check_grads(f, args, order=2, rtol=1e-7)


def test_a_loop_and_its_unrolling_give_the_same_gradient() -> None:
    found = [ad.grad(lambda layers, k=k: network(layers, ENDS, SEQUENCE, k))(LAYERS) for k in (True, False)]
    for a, b in zip(found[0], found[1], strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-12)


def test_both_modes_give_the_jacobian_of_a_projection() -> None:
    args = MODELS["projection"][1]
    forward, reverse = (ad.jacobian(projection_error, wrt=[0, 1, 2], strategy=s)(*args) for s in ("forward", "reverse"))
    for a, b in zip(forward, reverse, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_the_hessian_of_a_mixture_is_symmetric_and_agrees_with_products() -> None:
    args = MODELS["mixture"][1]
    blocks = ad.hessian(mixture, wrt=[0, 1])(*args)
    np.testing.assert_allclose(blocks[0][1], np.moveaxis(blocks[1][0], -1, 0), rtol=1e-11, atol=1e-12)
    v = (normal(3), normal(3, 2), None, None)
    product = ad.hvp(mixture, args, v)
    wanted = blocks[0][0] @ v[0] + np.einsum("iab,ab->i", blocks[0][1], v[1])
    np.testing.assert_allclose(product[0], wanted, rtol=1e-10)
