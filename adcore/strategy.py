"""Strategies: how a derivative is got. A strategy chooses what to compute and when; it never executes.

A strategy supplies jvp, vjp or both; the engine composes the rest (`adcore.compose`).
"""

from __future__ import annotations

import difflib
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from adcore.errors import BudgetError, ConfigError, StrategyError
from adcore.graph import Graph
from adcore.plan.steps import Plan, default_plan
from adcore.registry import registered, registry
from adcore.rules import Rule

UNITS = (
    {"": 1, "B": 1}
    | {
        f"{prefix}{infix}B": base**power
        for infix, base in (("", 1000), ("i", 1024))
        for power, prefix in enumerate("kMGT", 1)
    }
    | {f"K{infix}B": base for infix, base in (("", 1000), ("i", 1024))}
)


def bytes_of(text: int | float | str) -> int:
    """A number of bytes from 67108864, "64 MiB" or "1.5 GB". Raises ConfigError for anything else.

    >>> bytes_of("64 MiB")
    67108864
    """
    if isinstance(text, bool) or not isinstance(text, int | float | str):
        raise ConfigError(f"{text!r} is no number of bytes", instead='write 67108864 or "64 MiB"')
    if not isinstance(text, str):
        return int(text)
    match = re.fullmatch(r"\s*([0-9.]+(?:e[0-9]+)?)\s*([A-Za-z]*)\s*", text)
    if match is None or match[2] not in UNITS:
        raise ConfigError(f"{text!r} is no number of bytes", instead='write 67108864 or "64 MiB"')
    return int(float(match[1]) * UNITS[match[2]])


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be used: bytes in memory and on disk; None is no limit.

    share: memory as a part of what plain reverse needs, in place of bytes ("50%").
    snapshots: how many states of a loop may be kept, in place of bytes.
    """

    memory: int | None = None
    disk: int | None = None
    share: float | None = None
    snapshots: int | None = None

    @classmethod
    def of(cls, memory: int | float | str | None = None, disk: Any = None, snapshots: int | None = None) -> Budget:
        """From what a user writes: 67108864, "64 MiB", "50%". Raises ConfigError.

        >>> Budget.of("50%").share
        0.5
        """
        share = None
        if isinstance(memory, str) and memory.strip().endswith("%"):
            try:
                share, memory = float(memory.strip()[:-1]) / 100.0, None
            except ValueError:
                raise ConfigError(f"{memory!r} is no share", instead='write "50%"') from None
        return cls(
            None if memory is None else bytes_of(memory),
            None if disk is None else bytes_of(disk),
            share,
            snapshots,
        )


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: a kind, with respect to which inputs, of which outputs (positions).

    holomorphic: complex in, complex out, and the complex derivative is meant.
    """

    kind: str
    wrt: tuple[int, ...]
    of: tuple[int, ...]
    holomorphic: bool = False


@dataclass(frozen=True, slots=True)
class Method:
    """Another rule for an op ("core::solve_ivp") or a named call ("call:encoder"), chosen by name in config."""

    op: str
    name: str
    make: Any  # from options to a Rule


@dataclass(frozen=True, slots=True)
class Pick:
    """A strategy by name, the reason in a sentence, and methods that go with it (as in the settings)."""

    name: str
    reason: str
    methods: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NoOptions:
    """The options of a strategy that has none."""


class Strategy(ABC):
    """How a derivative is got: mode, methods and schedule.

    name: as written in config. kinds: of {"jvp", "vjp"}, what `differentiate` can make.
    Options: a frozen dataclass; its fields are the settings that config may give.
    """

    name: ClassVar[str]
    kinds: ClassVar[frozenset[str]]
    Options: ClassVar[type] = NoOptions

    def __init__(self, options: Any = None, methods: Mapping[str, Rule] | None = None) -> None:
        self.options = options if options is not None else self.Options()
        self.methods: Mapping[str, Rule] = methods or {}

    @abstractmethod
    def differentiate(self, graph: Graph, request: Request, budget: Budget) -> Graph:
        """The graph of (xs, x_dots) -> (ys, y_dots) or (xs, y_bars) -> (ys, x_bars), by request.kind."""

    def schedule(self, graph: Graph, budget: Budget) -> Plan:
        """When each node runs. Default: graph order, each value dropped at its last use.

        Raises: BudgetError when that does not keep the budget, with the bytes that it needs.
        """
        plan = default_plan(graph, self.name, "graph order, every value dropped at its last use")
        return within(plan, budget)

    def pick(self, graph: Graph, request: Request | None, budget: Budget) -> Pick | None:
        """For a strategy that chooses among others: the one to use here. Default: None, itself.

        request: None, or without inputs, when only a plan is wanted.
        """
        return None


def within(plan: Plan, budget: Budget) -> Plan:
    """The plan, if it keeps the budget in memory; a share is of this plan's own peak. Raises BudgetError."""
    if budget.memory is None and (budget.share is None or budget.share >= 1.0):
        return plan
    peak = plan.cost.peak_bytes
    room = budget.memory if budget.memory is not None else int(peak * (budget.share or 0.0))
    if peak > room:
        error = BudgetError(
            f"{plan.strategy} needs {peak:,} bytes, and the budget is {room:,}",
            f"for graph {plan.graph.name}, of which {plan.cost.input_bytes:,} are inputs",
            "give more memory, or use strategy checkpointed, which runs parts again in place of keeping them",
        )
        error.minimum = peak
        raise error
    return plan


@dataclass(frozen=True, slots=True)
class Choice:
    """A strategy, ready to use, and why it was chosen.

    settings: plain data, a table [strategy] that makes the same choice again. backend: name of what runs it.
    """

    strategy: Strategy
    budget: Budget
    reason: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    backend: str = "numpy"


def make_strategy(name: str, options: Mapping[str, Any] | None = None, methods: Any = None) -> Strategy:
    """The strategy of that name with these options.

    Raises StrategyError for an unknown name, ConfigError for an unknown option, naming the nearest.
    """
    table = registry().strategies
    kind = registered("strategies", name)
    if kind is None:
        near = difflib.get_close_matches(name, table, 1)
        raise StrategyError(
            f"no strategy is called {name!r}",
            f"known: {', '.join(sorted(table))}",
            f"did you mean {near[0]!r}?" if near else "see `adcore strategies`",
        )
    fields = kind.Options.__dataclass_fields__
    for key in options or {}:
        if key not in fields:
            near = difflib.get_close_matches(key, fields, 1)
            raise ConfigError(
                f"strategy {name!r} has no option {key!r}",
                f"it has: {', '.join(fields) or 'none'}",
                f"did you mean {near[0]!r}?" if near else "",
            )
    strategy: Strategy = kind(kind.Options(**(options or {})), make_methods(methods or {}))
    return strategy


def make_methods(chosen: Mapping[str, Any]) -> dict[str, Rule]:
    """Rules from `{"core::solve_ivp": {"name": "gauss", "rtol": 1e-8}, "call:encoder": "forward"}`."""
    found: dict[str, Rule] = {}
    for target, setting in chosen.items():
        if isinstance(setting, Rule):
            found[target] = setting
            continue
        options = {"name": setting} if isinstance(setting, str) else dict(setting)
        name = options.pop("name", "")
        anywhere = "call:*" if target.startswith("call:") else target
        method = registry().methods.get((target, name)) or registered("methods", (anywhere, name))
        if method is None:
            known = sorted(n for t, n in registry().methods if t in (target, anywhere))
            raise ConfigError(f"{target} has no method {name!r}", f"known: {', '.join(known) or 'none'}")
        found[target] = method.make(**options)
    return found
