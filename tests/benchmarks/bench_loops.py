"""Time loops: a partial differential equation, predator and prey."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from harness import Bench, Compare
from peers import installed

import adcore as ad

bench = Bench("loops")

# --- viscous Burgers equation, explicit Euler, periodic ------------------------------------------

POINTS, STEPS = 1_000, 1_000
DX = 1.0 / POINTS
VISCOSITY = 0.01
DT = 0.25 * DX * DX / VISCOSITY
C1, C2 = DT / (2 * DX), VISCOSITY * DT / DX**2
GRID = np.arange(POINTS) * DX
START = np.sin(2 * np.pi * GRID) + 0.3 * np.cos(6 * np.pi * GRID)
TARGET = 0.2 * np.cos(2 * np.pi * GRID)


def euler(F: Any, u: Any) -> Any:
    """One step."""
    right, left = F.roll(u, -1), F.roll(u, 1)
    return u - C1 * u * (right - left) + C2 * (right - 2 * u + left)


class BurgersByHand:
    """All states kept in one array with a ghost cell at each end."""

    def __init__(self) -> None:
        self.u = np.empty((STEPS + 1, POINTS + 2))
        self.a, self.c, self.v = np.empty(POINTS), np.empty(POINTS), np.empty(POINTS + 2)

    def forward(self) -> None:
        a, c = self.a, self.c
        self.u[0, 1:-1] = START
        for u, new in zip(self.u[:-1], self.u[1:], strict=True):
            u[0], u[-1] = u[-2], u[1]
            middle, right, left, out = u[1:-1], u[2:], u[:-2], new[1:-1]
            np.subtract(right, left, a)
            np.multiply(a, -C1, a)
            np.add(a, 1 - 2 * C2, a)
            np.multiply(middle, a, out)
            np.add(right, left, c)
            np.multiply(c, C2, c)
            np.add(out, c, out)

    def __call__(self) -> Any:
        self.forward()
        a, c, v = self.a, self.c, self.v
        b = 2 * (self.u[-1, 1:-1] - TARGET)
        for u in self.u[-2::-1]:
            middle, right, left = u[1:-1], u[2:], u[:-2]
            np.subtract(right, left, a)
            np.multiply(a, -C1, a)
            np.add(a, 1 - 2 * C2, a)
            np.multiply(a, b, v[1:-1])  # by the middle
            np.multiply(middle, b, a)
            np.multiply(a, C1, a)
            np.multiply(b, C2, c)
            v[0] = v[-1] = 0.0
            np.add(v[:-2], c, v[:-2])
            np.add(v[:-2], a, v[:-2])  # by the left
            np.add(v[2:], c, v[2:])
            np.subtract(v[2:], a, v[2:])  # by the right
            v[1] += v[-1]
            v[-2] += v[0]
            b[:] = v[1:-1]
        return b


def loss(u: Any) -> Any:
    """The distance to the target after all steps, by a scan."""
    u, _ = ad.scan(lambda u, _: (euler(np, u), None), u, None, length=STEPS)
    return np.sum((u - TARGET) ** 2)


@bench.case("Burgers equation, 1,000 steps of 1,000 points")
def burgers(compare: Compare) -> None:
    program = ad.differentiate(ad.trace(loss, START), "grad", wrt=0).compile()
    primal = ad.trace(loss, START).compile()
    by_hand = BurgersByHand()
    ways: dict[str, Callable[[], Any]] = {
        "adcore": lambda: program(START), "adcore, function alone": lambda: primal(START), "NumPy by hand": by_hand,
    }  # fmt: skip
    compare(ways | _burgers_peers(), "adcore", by_hand(), alone=["adcore, function alone"],
            notes={"adcore": f"peak {program.plan.cost.peak_bytes / 1e6:.1f} MB"})  # fmt: skip


def _burgers_peers() -> dict[str, Callable[[], Any]]:
    found: dict[str, Callable[[], Any]] = {}
    if (jax := installed("jax")) is not None:
        jax.config.update("jax_enable_x64", True)
        F = jax.numpy

        def by_scan(u: Any) -> Any:
            u, _ = jax.lax.scan(lambda u, _: (euler(F, u), None), u, None, length=STEPS)
            return F.sum((u - TARGET) ** 2)

        gradient, start = jax.jit(jax.grad(by_scan)), F.asarray(START)
        found["JAX jit, scan"] = lambda: jax.block_until_ready(gradient(start))
    if (torch := installed("torch")) is not None:
        first, target = torch.tensor(START, requires_grad=True), torch.tensor(TARGET)

        def by_torch() -> Any:
            u = first
            for _ in range(STEPS):
                right, left = torch.roll(u, -1), torch.roll(u, 1)
                u = u - C1 * u * (right - left) + C2 * (right - 2 * u + left)
            return torch.autograd.grad(((u - target) ** 2).sum(), first)[0]

        found["torch"] = by_torch
    return found


# --- predator and prey: Runge-Kutta steps of two numbers -----------------------------------------

YEARS, PER_YEAR = 20, 50
OBSERVED = np.exp(np.random.default_rng(7).normal(size=(YEARS, 2)))
PARAMETERS = np.array([0.55, 0.028, 0.80, 0.024, 34.0, 5.9])


def rates(y: Any, p: Any) -> Any:
    """Lotka and Volterra."""
    return np.stack([y[0] * (p[0] - p[1] * y[1]), y[1] * (p[3] * y[0] - p[2])])


def likelihood(p: Any) -> Any:
    """Squared distance of logs, over twenty years of fifty classical Runge-Kutta steps each."""
    h = 1.0 / PER_YEAR

    def step(y: Any, _: Any) -> Any:
        k1 = rates(y, p)
        k2 = rates(y + 0.5 * h * k1, p)
        k3 = rates(y + 0.5 * h * k2, p)
        k4 = rates(y + h * k3, p)
        return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), None

    def year(y: Any, seen: Any) -> Any:
        y, _ = ad.scan(step, y, None, length=PER_YEAR)
        return y, np.sum((np.log(y) - np.log(seen)) ** 2)

    _, terms = ad.scan(year, p[4:], OBSERVED)
    return np.sum(terms)


def likelihood_of(F: Any, scan: Callable[..., Any], p: Any) -> Any:
    """The same in another system."""
    h = 1.0 / PER_YEAR

    def f(y: Any) -> Any:
        return F.stack([y[0] * (p[0] - p[1] * y[1]), y[1] * (p[3] * y[0] - p[2])])

    def step(y: Any, _: Any) -> Any:
        k1 = f(y)
        k2 = f(y + 0.5 * h * k1)
        k3 = f(y + 0.5 * h * k2)
        k4 = f(y + h * k3)
        return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), None

    def year(y: Any, seen: Any) -> Any:
        y, _ = scan(step, y, None, length=PER_YEAR)
        return y, F.sum((F.log(y) - F.log(seen)) ** 2)

    _, terms = scan(year, p[4:], F.asarray(OBSERVED))
    return F.sum(terms)


@bench.case("predator and prey, 1,000 Runge-Kutta steps of 2 numbers")
def predator_and_prey(compare: Compare) -> None:
    program = ad.differentiate(ad.trace(likelihood, PARAMETERS), "grad", wrt=0).compile()
    ways: dict[str, Callable[[], Any]] = {"adcore": lambda: program(PARAMETERS)}
    if (jax := installed("jax")) is not None:
        jax.config.update("jax_enable_x64", True)
        gradient = jax.jit(jax.grad(lambda p: likelihood_of(jax.numpy, jax.lax.scan, p)))
        start = jax.numpy.asarray(PARAMETERS)
        ways["JAX jit, scan"] = lambda: jax.block_until_ready(gradient(start))
    compare(ways, "adcore", program(PARAMETERS))


if __name__ == "__main__":
    bench.main()
