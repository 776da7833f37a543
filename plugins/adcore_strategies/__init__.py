"""The strategies that come with adcore."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from adcore.extend import Graph, Method, Plan, Strategy, hookimpl
from adcore_strategies.auto import Auto
from adcore_strategies.checkpointed import Checkpointed
from adcore_strategies.forward import Forward
from adcore_strategies.forward_method import METHOD
from adcore_strategies.ode_adjoint import OdeAdjoint
from adcore_strategies.planners import PLANNERS
from adcore_strategies.reverse import Reverse


@hookimpl
def adcore_register_strategies() -> Iterable[type[Strategy]]:
    """forward, reverse, checkpointed, ode_adjoint, and auto, which chooses."""
    return [Forward, Reverse, Checkpointed, OdeAdjoint, Auto]


@hookimpl
def adcore_register_planners() -> Mapping[str, Callable[[Graph, int], Plan]]:
    """Planners of one method each."""
    return PLANNERS


@hookimpl
def adcore_register_methods() -> Iterable[Method]:
    """forward, for named calls."""
    return [METHOD]
