"""The options that choose a strategy, and how a graph is then differentiated, planned and run."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from adcore.config import Config, Key, assignment, config, nested, quoted
from adcore.errors import ConfigError

if TYPE_CHECKING:
    from adcore.graph import Graph
    from adcore.plan.steps import Plan
    from adcore.strategy import Choice

KINDS = ("jvp", "vjp", "grad", "value_and_grad", "jacobian", "hessian", "hvp")


def strategy_arguments(parser: argparse.ArgumentParser) -> None:
    """--strategy, --memory, --disk, --snapshots, --set."""
    options = parser.add_argument_group("choice of strategy (over settings files and environment)")
    options.add_argument("--strategy", metavar="NAME", help="a strategy, auto, or a profile")
    options.add_argument("--memory", metavar="BYTES", help="peak allowed: 67108864, 64MiB, or 50%%")
    options.add_argument("--disk", metavar="BYTES", help="what snapshots of loops may take on disk: 4GiB")
    options.add_argument("--snapshots", metavar="N", type=int, help="states of a loop that may be kept")
    options.add_argument(
        "--set", dest="settings", metavar="KEY=VALUE", action="append", default=[],
        help="any setting, as in --set chunk=16 or --set backend=numpy",
    )  # fmt: skip


def wrt_arguments(parser: argparse.ArgumentParser) -> None:
    """--wrt and --of."""
    parser.add_argument(
        "--wrt", metavar="NAMES", action="append", default=[], help="inputs, by name or position; default: all"
    )
    parser.add_argument(
        "--of", metavar="NAMES", action="append", default=[], help="outputs, by name or position; default: all"
    )


def settings(args: argparse.Namespace) -> Config:
    """The settings in force for a command: those of --set, and over them those of --strategy and the like."""
    told: list[tuple[Key, Any]] = [assignment(text) for text in args.settings]
    late = next((key for key, _ in told if key[0] == "plugins"), None)
    if late is not None:
        raise ConfigError(
            "plugins are loaded before a command reads its settings", f"--set {'.'.join(map(quoted, late))}",
            "use -p, ADCORE_PLUGINS, or [plugins] in a settings file (--config FILE)",
        )  # fmt: skip
    options = {"name": args.strategy, "memory": args.memory, "disk": args.disk, "snapshots": args.snapshots}
    told += [(("strategy", key), value) for key, value in options.items() if value is not None]

    def where(key: Key) -> str:
        if len(key) == 2 and options.get(key[1]) is not None:
            return f"--{'strategy' if key[1] == 'name' else key[1]}"
        return f"--set {'.'.join(map(quoted, key))}"

    return config().over(nested(told), where) if told else config()


def derivative(args: argparse.Namespace, graph: Graph, kind: str, said: Config) -> tuple[Graph, Choice]:
    """The graph of a derivative, and the choice that made it."""
    from adcore.api import differentiate
    from adcore.cli.data import names
    from adcore.select import select_inputs, select_outputs
    from adcore.settings import choose
    from adcore.strategy import Request

    wrt, of = names(args.wrt), names(args.of)
    request = Request(kind, select_inputs(graph, wrt).positions, select_outputs(graph, of))
    choice = choose(graph, request, config=said)
    return differentiate(graph, kind, wrt, of, config=said), choice


def planned(graph: Graph, said: Config, made_by: Choice | None = None) -> tuple[Plan, Choice]:
    """The plan of a graph, by the strategy that made it if it is a derivative, and the choice of that strategy."""
    from adcore.settings import choose

    choice = made_by or choose(graph, None, config=said)
    return choice.strategy.schedule(graph, choice.budget), choice
