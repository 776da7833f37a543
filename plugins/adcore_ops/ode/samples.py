"""Samples of `core::solve_ivp`.

With a fixed number of steps all laws hold. With error control the step sizes are no part of the
derivative (see `adcore_ops.ode.replay`), but move when the arguments do, so differences are no oracle.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adcore.extend import Sample, solve_ivp


def _pendulum(t: Any, y: Any, k: Any) -> Any:
    return np.stack([y[1], -k * np.sin(y[0]) + 0.1 * t])


def _fixed(y0: Any, k: Any, t1: Any) -> Any:
    found = solve_ivp(_pendulum, (0.0, t1), y0, t_eval=np.stack([0.3 * t1, t1]), args=(k,), steps=3)
    return found.y


def _one_equation(y0: Any, k: Any) -> Any:
    return solve_ivp(lambda t, y: -k * y * y, (0.0, 1.0), y0, method="RK23", steps=2).y


def _adaptive(y0: Any, k: Any) -> Any:
    return solve_ivp(_pendulum, (0.0, 2.0), y0, t_eval=np.array([0.5, 2.0]), args=(k,), rtol=1e-6, atol=1e-9).y


SAMPLES = (
    Sample(((2,), (), ()), ranges=((-1.0, 1.0), (0.5, 2.0), (0.5, 1.5)), program=_fixed),
    Sample(((1,), ()), ranges=((0.3, 1.0), (0.5, 2.0)), program=_one_equation),
    Sample(((2,), ()), ranges=((-1.0, 1.0), (0.5, 2.0)), program=_adaptive, smooth=False),
)
