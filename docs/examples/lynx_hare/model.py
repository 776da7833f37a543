"""Lynx and hare: the likelihood of the Hudson's Bay Company pelts under the Lotka-Volterra equations.

    dH/dt =  alpha H - beta  H L      hares (thousands of pelts), eaten by
    dL/dt = -gamma L + delta H L      lynxes (thousands of pelts)

The counts are log-normal around the solution: log pelts ~ Normal(log H(t), sigma). Plain NumPy,
except that the time loop is a `scan`, so that the graph holds one step instead of 200.

Data: pelts.csv, 1900 to 1920. Source: Elton and Nicholson 1942, "The ten-year cycle in numbers of
the lynx in Canada", Journal of Animal Ecology 11(2); as tabulated by Howard 2009, "Modeling basics".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import adcore as ad

STEPS_PER_YEAR = 10


def rates(z: Any, theta: Any) -> Any:
    """dz/dt. z: (2,), hares and lynxes. theta: rates alpha, beta, gamma, delta (1/year)."""
    hare, lynx = z[0], z[1]
    return np.stack(
        [
            (theta["alpha"] - theta["beta"] * lynx) * hare,
            (-theta["gamma"] + theta["delta"] * hare) * lynx,
        ]
    )


def trajectory(theta: Any, start: Any, years: int) -> Any:
    """Both populations over so many years, by fourth-order Runge-Kutta steps: (years * STEPS_PER_YEAR + 1, 2)."""
    h = 1.0 / STEPS_PER_YEAR

    def step(z: Any, _: None) -> tuple[Any, Any]:
        k1 = rates(z, theta)
        k2 = rates(z + 0.5 * h * k1, theta)
        k3 = rates(z + 0.5 * h * k2, theta)
        k4 = rates(z + h * k3, theta)
        z = z + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
        return z, z

    _, path = ad.scan(step, start, None, length=years * STEPS_PER_YEAR)
    return np.concatenate([start[None], path])


def negative_log_likelihood(theta: Any, start: Any, sigma: Any, hare: Any, lynx: Any) -> Any:
    """Minus the log-likelihood of the pelts, up to a constant.

    theta: rates. start: (2,), both populations in the first year. sigma: log-normal spread.
    hare, lynx: (years,), thousands of pelts.
    """
    z = trajectory(theta, start, hare.shape[0] - 1)[::STEPS_PER_YEAR]
    residual = (np.log(np.stack([hare, lynx], axis=1)) - np.log(z)) / sigma
    return 0.5 * np.sum(residual**2) + residual.size * np.log(sigma)


def pelts() -> dict[str, Any]:
    """The data: year, hare, lynx, each (21,)."""
    table = np.genfromtxt(Path(__file__).with_name("pelts.csv"), delimiter=",", names=True)
    return {name: np.ascontiguousarray(table[name]) for name in table.dtype.names}


THETA = {"alpha": 0.55, "beta": 0.028, "gamma": 0.80, "delta": 0.024}
START = np.array([30.0, 4.0])


def example() -> tuple[Any, ...]:
    """Arguments of the likelihood: a guess at the parameters, and the data."""
    data = pelts()
    return THETA, START, 0.25, data["hare"], data["lynx"]


def graph() -> ad.Graph:
    """The likelihood as a graph."""
    return ad.trace(negative_log_likelihood, *example())
