"""From what a user said (arguments, settings) to a strategy with its options, a budget and a backend."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from typing import Any

from adcore.config import SETTINGS, Config, Setting, config, nearest
from adcore.errors import AdcoreError, ConfigError, StrategyError
from adcore.graph import Graph
from adcore.registry import registered, registry
from adcore.strategy import Budget, Choice, Pick, Request, make_methods, make_strategy
from adcore.trace import array_type

BUDGET = ("memory", "disk", "snapshots")
"""The settings that make a budget. In the option table of a strategy they hold for that strategy only."""


def choose(
    graph: Graph, request: Request | None, strategy: str | None = None, memory: Any = None,
    snapshots: int | None = None, config: Any = None,
) -> Choice:  # fmt: skip
    """The strategy for a request, its budget, the backend, and the reason.

    strategy, memory, snapshots, config: as given by argument; what is None is looked up in the settings.
    request: None when the graph itself is to be planned, not a derivative of it.
    Raises: ConfigError and StrategyError, naming the place of the setting and the nearest allowed value.

    >>> import adcore as ad
    >>> g = ad.trace(lambda x: x * x, 2.0)
    >>> choose(g, None, config={"strategy": {"name": "forward", "chunk": 4}}).strategy.options
    Options(chunk=4)
    """
    said = settings_of(strategy, memory, snapshots, config)
    check_settings(said)
    name = said["strategy.name"]
    if name is None:
        pick = _default(graph, request, _budget(said, None))
    else:
        pick = Pick(name, f"asked for by {said.origin('strategy.name')}")
    chosen = _made(said, pick)
    while (better := _better(chosen, graph, request)) is not None:
        chosen = _made(said, better)
    return chosen


def settings_of(
    strategy: str | None = None, memory: Any = None, snapshots: int | None = None, given: Any = None
) -> Config:
    """The settings in force with these arguments on top."""
    arguments = {"name": strategy, "memory": memory, "snapshots": snapshots}
    told = {key: value for key, value in arguments.items() if value is not None}
    said = config(given)
    return said.over({"strategy": told}, _argument) if told else said


def _argument(key: tuple[str, ...]) -> str:
    return f"the argument {'strategy' if key[-1] == 'name' else key[-1]}="


def _default(graph: Graph, request: Request | None, budget: Budget) -> Pick:
    """The strategy when nothing is said: by the kind of derivative, and the fewer passes."""
    if budget != Budget() and (request is None or request.kind != "jvp") and "checkpointed" in registry().strategies:
        return Pick("checkpointed", "the default where a budget is given")
    if request is not None and request.kind == "jacobian" and request.wrt:
        n_in = sum(array_type(graph.inputs[i]).size for i in request.wrt)
        n_out = sum(array_type(graph.outputs[i]).size for i in request.of)
        name = "forward" if n_in <= n_out else "reverse"
        return Pick(name, f"{n_in} passes forward, {n_out} in reverse")
    if request is not None and request.kind == "jvp":
        return Pick("forward", "the default for jvp")
    return Pick("reverse", "the default")


def _check_name(said: Config) -> None:
    name, strategies = said["strategy.name"], registry().strategies
    if said.profile is not None and said.profile in strategies:
        raise ConfigError(
            f"profile {said.profile} has the name of a strategy", said.origin("profile"), "give it another name"
        )
    if name is not None and registered("strategies", name) is None:
        known = [*strategies, *said.profiles]
        raise StrategyError(f"no strategy is called {name!r}", said.origin("strategy.name"), nearest(name, known))


def _made(said: Config, pick: Pick) -> Choice:
    """The strategy of that name with what is said of it."""
    name = pick.name
    options = checked_options("strategy", name, said.options("strategy", name))
    budget = _budget(said, name)
    methods = dict(pick.methods) | _methods(said)
    strategy = make_strategy(name, options, methods)
    settings: dict[str, Any] = {"name": name}
    settings |= {k: v for k in BUDGET if (v := _said_of_budget(said, name, k)) is not None}
    settings |= {name: options} if options else {}
    settings |= {"methods": methods} if methods else {}
    return Choice(strategy, budget, pick.reason, settings, said["backend.name"])


def _better(chosen: Choice, graph: Graph, request: Request | None) -> Pick | None:
    """For a strategy that chooses among others: what it chooses. A plugin's hook goes before it."""
    if chosen.strategy.name == "auto":
        from adcore.plugins import loader

        found = loader().manager.hook.adcore_select_strategy(graph=graph, request=request, budget=chosen.budget)
        if found is not None:
            name, reason = found
            return Pick(name, reason)
    return chosen.strategy.pick(graph, request, chosen.budget)


# --- budgets and methods -------------------------------------------------------------------------


def _said_of_budget(said: Config, name: str | None, key: str) -> Any:
    own = said.options("strategy", name).get(key) if name else None
    if own is None:
        return said[f"strategy.{key}"]
    if not SETTINGS[f"strategy.{key}"].fits(own.value):
        raise ConfigError(f"{name}.{key} is {own.value!r}", own.origin, f"write {SETTINGS[f'strategy.{key}'].what}")
    return own.value


def _budget(said: Config, name: str | None) -> Budget:
    return Budget.of(*(_said_of_budget(said, name, key) for key in BUDGET))


def _methods(said: Config) -> dict[str, Any]:
    """The methods that are asked for, by op or call; "default" is none. Raises ConfigError naming the place."""
    found = {}
    for target, setting in said.options("strategy", "methods").items():
        if setting.value == "default":
            continue
        try:
            make_methods({target: setting.value})
        except (ConfigError, TypeError, ValueError) as error:
            what = (
                error.what if isinstance(error, AdcoreError) else f"{target} has a method that cannot be made: {error}"
            )
            where, instead = (error.where, error.instead) if isinstance(error, AdcoreError) else ("", "")
            raise ConfigError(what, setting.origin, instead or where) from None
        found[target] = setting.value
    return found


# --- options -------------------------------------------------------------------------------------


def check_settings(said: Config) -> None:
    """Raise ConfigError or StrategyError unless names, options and methods are of what the plugins brought.

    What needs no plugin to be judged is checked when settings are read (`adcore.config`).
    """
    _check_name(said)
    _methods(said)
    tables = {key[:2]: setting for key, setting in said.settings.items() if len(key) == 3 and key[1] != "methods"}
    for (kind, name), setting in tables.items():
        known = getattr(registry(), {"strategy": "strategies", "backend": "backends"}[kind])
        if name not in known:
            listed = [*(k.partition(".")[2] for k in SETTINGS if k.startswith(f"{kind}.")), *known]
            raise ConfigError(f"no {kind} is called {name!r}", setting.origin, nearest(name, listed))
        checked_options(kind, name, said.options(kind, name))


def checked_options(kind: str, name: str, given: Mapping[str, Setting]) -> dict[str, Any]:
    """The options of a strategy or backend, checked against its Options, a frozen dataclass.

    Raises: ConfigError naming the place, and the nearest option or what would fit.
    """
    table = registry().strategies if kind == "strategy" else registry().backends
    schema = getattr(table[name], "Options", None)
    hints = typing.get_type_hints(schema) if schema is not None else {}
    budget = BUDGET if kind == "strategy" else ()
    found: dict[str, Any] = {}
    for key, setting in given.items():
        if key not in hints:
            if key in budget:
                continue
            raise ConfigError(f"{kind} {name} has no option {key!r}", setting.origin, nearest(key, [*hints, *budget]))
        try:
            found[key] = fitted(setting.value, hints[key])
        except ValueError as error:
            raise ConfigError(f"{name}.{key} is {setting.value!r}", setting.origin, str(error)) from None
    try:
        if schema is not None:
            schema(**found)
    except (TypeError, ValueError) as error:
        where = next(iter(given.values())).origin if given else f"{kind} {name}"
        what, instead = (error.what, error.instead) if isinstance(error, AdcoreError) else (str(error), "")
        raise ConfigError(f"the options of {kind} {name} do not fit: {what}", where, instead) from None
    return found


def fitted(value: Any, hint: Any) -> Any:
    """The value as that annotation has it: an int for a float, a list for a tuple. Raises ValueError saying what fits.

    >>> fitted([1, 2], tuple[int, ...]), fitted(1, float | None)
    ((1, 2), 1.0)
    """
    if hint is Any or (hint is None and value is None):
        return value
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        for part in sorted(arguments, key=lambda part: part is not type(value)):
            try:
                return fitted(value, None if part is type(None) else part)
            except ValueError:
                continue
    elif origin is typing.Literal:
        if value in arguments:
            return value
        raise ValueError(nearest(str(value), map(str, arguments)))
    elif origin is tuple and isinstance(value, list | tuple):
        return tuple(fitted(v, arguments[0] if arguments else Any) for v in value)
    elif hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif isinstance(kind := origin or hint, type) and isinstance(value, kind) and (kind, type(value)) != (int, bool):
        return value
    raise ValueError(f"write {_in_words(hint)}")


def _in_words(hint: Any) -> str:
    words = {int: "a whole number", float: "a number", str: "a word", bool: "true or false"}
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(_in_words(part) for part in typing.get_args(hint) if part is not type(None))
    if typing.get_origin(hint) is typing.Literal:
        return "one of " + ", ".join(map(str, typing.get_args(hint)))
    if typing.get_origin(hint) is tuple:
        return "a list"
    return words.get(hint, str(getattr(hint, "__name__", hint)))
