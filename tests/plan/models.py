"""Three realistic models, each as (function, arguments): a wave equation, a deep network, a U-net."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import adcore as ad

Model = tuple[Callable[..., Any], tuple[Any, ...]]


def wave(steps: int = 10_000, points: int = 200) -> Model:
    """Misfit of a 1-D wave at its end, as a function of the first displacement and of the speed at each point.

    Leapfrog in time, second order in space, both ends fixed.
    """
    rng = np.random.default_rng(1)
    x = np.linspace(0.0, 1.0, points)
    target = np.sin(3 * np.pi * x)
    courant = 0.5

    def misfit(u: Any, c: Any) -> Any:
        r = (courant * c) ** 2

        def step(carry: Any, _: Any) -> Any:
            now, before = carry
            lap = now[2:] - 2.0 * now[1:-1] + now[:-2]
            inner = 2.0 * now[1:-1] - before[1:-1] + r[1:-1] * lap
            after = np.concatenate([np.zeros(1), inner, np.zeros(1)])
            return (after, now), None

        (last, _), _ = ad.scan(step, (u, u), None, length=steps)
        return 0.5 * np.sum((last - target) ** 2)

    return misfit, (np.exp(-200 * (x - 0.4) ** 2), 1.0 + 0.1 * rng.random(points))


def network(layers: int = 100, width: int = 48, batch: int = 64) -> Model:
    """The loss of a network of many equal layers, as a function of its weights."""
    rng = np.random.default_rng(2)

    def loss(weights: Any, bias: Any, data: Any) -> Any:
        x = data
        for k in range(layers):
            x = np.tanh(x @ weights[k] + bias[k])
        return np.mean(x**2)

    scale = 1.0 / np.sqrt(width)
    return loss, (
        scale * rng.normal(size=(layers, width, width)),
        0.1 * rng.normal(size=(layers, width)),
        rng.normal(size=(batch, width)),
    )


def unet(depth: int = 5, points: int = 4096) -> Model:
    """A one-dimensional U-net: down by halves, up again, with what was there before joined on the way up."""
    rng = np.random.default_rng(3)

    def smooth(x: Any, k: Any) -> Any:
        return np.tanh(k[0] * x + k[1] * np.roll(x, 1, axis=0) + k[2] * np.roll(x, -1, axis=0))

    def loss(kernels: Any, x: Any) -> Any:
        skips = []
        for level in range(depth):
            x = smooth(smooth(x, kernels[level, 0]), kernels[level, 1])
            skips.append(x)
            x = 0.5 * (x[::2] + x[1::2])
        x = smooth(x, kernels[depth, 0])
        for level in reversed(range(depth)):
            x = np.repeat(x, 2, axis=0)
            x = smooth(smooth(x, kernels[level, 2]) + skips[level], kernels[level, 3])
        return np.mean(x**2)

    return loss, (0.6 * rng.normal(size=(depth + 1, 4, 3)), rng.normal(size=points))


MODELS: dict[str, Callable[..., Model]] = {"wave": wave, "network": network, "unet": unet}
