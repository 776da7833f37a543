"""A plugin of adcore: what `adcore` finds through the entry point `acme`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from acme.methods import ADJOINT, FROZEN
from acme.ode import HEUN
from acme.ops import kepler, rms, softplus
from acme.planner import planner
from acme.strategy import Fewest
from adcore.extend import Method, Op, Strategy, hookimpl

ADCORE_API = 1
"""The plugin interface that this is written for."""


@hookimpl
def adcore_register_ops() -> Iterable[Op]:
    """The ops. (An op at the top of this module would be found without a hook.)"""
    return [softplus, kepler, rms]


@hookimpl
def adcore_register_strategies() -> Iterable[type[Strategy]]:
    """The strategies."""
    return [Fewest]


@hookimpl
def adcore_register_steppers() -> Mapping[str, Any]:
    """The ODE methods, by the name that `solve_ivp(method=...)` takes."""
    return {HEUN.name: HEUN}


@hookimpl
def adcore_register_methods() -> Iterable[Method]:
    """Other rules for ops or named calls."""
    return [FROZEN, ADJOINT]


@hookimpl
def adcore_register_planners() -> Mapping[str, Any]:
    """Planners of the strategy `checkpointed`."""
    return {"acme_segments": planner}


__all__ = ["kepler", "rms", "softplus"]
