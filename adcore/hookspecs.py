# mypy: disable-error-code="empty-body"
"""Every hook, on one page. Hooks run once, when plugins are loaded, and fill dicts; none is on a hot path.

A plugin is a module (or any object) with functions of these names, marked with `adcore.hookimpl`.
A hook may take fewer arguments than are listed here. A registering hook returns its entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pluggy

hookspec = pluggy.HookspecMarker("adcore")
hookimpl = pluggy.HookimplMarker("adcore")


@hookspec
def adcore_register_ops() -> Iterable[Any]:
    """Ops (`adcore.registry.Op`). Op objects at the top of the module need no hook."""


@hookspec
def adcore_register_functions() -> Mapping[Any, Callable[..., Any]]:
    """Functions that record a NumPy callable, by that callable; (ufunc, method) for a ufunc's method.

    A callable of a library that is imported only when needed is named: "scipy.special:gamma".
    """


@hookspec
def adcore_register_methods() -> Iterable[Any]:
    """Methods (`adcore.strategy.Method`): other rules for an op or named call, chosen by config."""


@hookspec
def adcore_register_strategies() -> Iterable[Any]:
    """Strategies: instances of subclasses of `adcore.strategy.Strategy`."""


@hookspec
def adcore_register_planners() -> Mapping[str, Any]:
    """Planners of the strategy `checkpointed`, by name: planner(graph, budget bytes) -> Plan."""


@hookspec
def adcore_register_backends() -> Mapping[str, Any]:
    """Backends, by name: an object whose compile(plan) gives a Program."""


@hookspec
def adcore_register_executors() -> Mapping[str, Any]:
    """Executors of batch items, by name: a class like `adcore.executor.Executor`, or "module:Class"."""


@hookspec
def adcore_register_stores() -> Mapping[str, Any]:
    """What results of batch jobs are exported to, by file ending: write(results, path), or "module:function"."""


@hookspec
def adcore_register_snapshots() -> Mapping[str, Any]:
    """Stores of snapshots of loops outside of memory, by name: a class like `adcore.snapshots.Snapshots`."""


@hookspec
def adcore_register_formats() -> Mapping[str, Callable[..., str]]:
    """Ways to show a graph, by name: format(graph, **options) -> text."""


@hookspec
def adcore_register_steppers() -> Mapping[str, Any]:
    """ODE steppers, by name."""


@hookspec
def adcore_register_commands() -> Mapping[str, Any]:
    """CLI verbs, by name: an object with `help`, `add_arguments(parser)` and `run(args) -> exit code`."""


@hookspec
def adcore_register_upgraders() -> Mapping[tuple[str, int], Callable[..., Any]]:
    """Upgraders of ops in older files, by (op, version): params of that version -> params of the next."""


@hookspec(firstresult=True)
def adcore_select_strategy(graph: Any, request: Any, budget: Any) -> tuple[str, str] | None:
    """For strategy "auto": the name of the strategy to use and the reason; None leaves it to the next plugin."""


@hookspec
def adcore_run_finished(graph: Any, result: Any) -> None:
    """A measured run has ended."""


@hookspec
def adcore_item_finished(item: Any) -> None:
    """A batch item has ended: `item` has number, state, seconds, peak (bytes), kind and message of its error."""


REGISTERING: dict[str, str] = {
    name: name.removeprefix("adcore_register_") for name in list(globals()) if name.startswith("adcore_register_")
}
"""Hook name -> the table of the registry that it fills."""
