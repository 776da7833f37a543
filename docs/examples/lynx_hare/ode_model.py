"""Lynx and hare by an adaptive solver: the likelihood of model.py with `solve_ivp` in place of the time loop.

Step sizes follow the solution, also where parameters make the cycles steep; how the solution is
differentiated is not said here but in ode_job.toml.
"""

from __future__ import annotations

from typing import Any

import model
import numpy as np

import adcore as ad


def trajectory(theta: Any, start: Any, years: int) -> Any:
    """Both populations at the start of every year: (years + 1, 2)."""
    slope = lambda t, z, theta: model.rates(z, theta)
    times = np.arange(years + 1.0)
    return ad.solve_ivp(slope, (0.0, years), start, "Tsit5", times, args=(theta,), rtol=1e-8, atol=1e-8).y.T


def negative_log_likelihood(theta: Any, start: Any, sigma: Any, hare: Any, lynx: Any) -> Any:
    """Minus the log-likelihood of the pelts, up to a constant; arguments as in model.py."""
    z = trajectory(theta, start, hare.shape[0] - 1)
    residual = (np.log(np.stack([hare, lynx], axis=1)) - np.log(z)) / sigma
    return 0.5 * np.sum(residual**2) + residual.size * np.log(sigma)


def graph() -> ad.Graph:
    """The likelihood as a graph."""
    return ad.trace(negative_log_likelihood, *model.example())
