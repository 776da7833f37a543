"""`adcore plan`: what a graph costs under a strategy. `adcore explain`: forward and reverse mode, row by row."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from adcore.cli.command import Arguments, Command, emit, tell

if TYPE_CHECKING:
    from adcore.graph import Graph
    from adcore.plan.steps import Plan

ABOUT_PLAN = """\
A graph that is a derivative already (its name says so: vjp(f)) is planned as it is; of any other, a
derivative is planned: the gradient if it has one real output, else vjp. --kind says otherwise."""


def _plan_arguments(parser: argparse.ArgumentParser) -> None:
    from adcore.cli.data import graph_argument, sizes_argument
    from adcore.cli.strategy import KINDS, strategy_arguments, wrt_arguments

    graph_argument(parser)
    sizes_argument(parser)
    parser.add_argument("--kind", choices=("eval", *KINDS), help="what is planned: a derivative, or the graph as it is")
    wrt_arguments(parser)
    strategy_arguments(parser)


def kind_of(graph: Graph) -> str:
    """What is planned by default: the graph itself if it is a derivative, else its gradient, or its vjp."""
    from adcore.cli.strategy import KINDS

    if graph.name.partition("(")[0] in KINDS or not any(v.type.differentiable for v in graph.inputs):
        return "eval"
    outputs = [v.type for v in graph.outputs]
    one = len(outputs) == 1 and getattr(outputs[0], "shape", None) == () and str(outputs[0]).startswith("float")
    return "grad" if one else "vjp" if any(t.differentiable for t in outputs) else "eval"


def _plan(args: Arguments) -> int:
    from adcore.cli.data import read_graph, sized
    from adcore.cli.strategy import derivative, planned, settings
    from adcore.transform.simplify import simplify

    graph, said = sized(read_graph(args.graph), args.at), settings(args)
    kind = args.kind or kind_of(graph)
    made, choice = (simplify(graph), None) if kind == "eval" else derivative(args, graph, kind, said)
    plan, choice = planned(made, said, choice)
    head = f"{choice.strategy.name}: {choice.reason}"
    data = {
        "graph": made.name, "kind": kind, "strategy": choice.strategy.name, "reason": choice.reason,
        "settings": _plain(choice.settings), "cost": _cost(plan),
    }  # fmt: skip
    emit(args, data, f"{head}\n{plan.explain()}")
    return 0


def _cost(plan: Plan) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(plan.cost)


def _plain(x: Any) -> Any:
    if isinstance(x, dict):
        return {str(k): _plain(v) for k, v in x.items()}
    if isinstance(x, list | tuple):
        return [_plain(v) for v in x]
    return x if isinstance(x, str | int | float | bool | None) else str(x)


# --- explain -------------------------------------------------------------------------------------


def _explain_arguments(parser: argparse.ArgumentParser) -> None:
    from adcore.cli.data import graph_argument, inputs_argument, output_argument
    from adcore.cli.strategy import wrt_arguments

    graph_argument(parser)
    inputs_argument(parser)
    parser.add_argument("--mode", choices=("forward", "reverse"), default="reverse", help="default: reverse")
    parser.add_argument("--format", choices=("text", "markdown", "json"), default="text", help="default: text")
    output_argument(parser, "the file to write; default: stdout")
    wrt_arguments(parser)


def _explain(args: Arguments) -> int:
    import json

    from adcore.cli.data import Given, names, read_graph, write_bytes
    from adcore.explain import explain_leaves

    given = Given.read(args.inputs)
    graph = given.sized(read_graph(args.graph))
    found = explain_leaves(graph, given.leaves(graph), args.mode, names(args.wrt), names(args.of))
    name = "json" if args.json else args.format
    data = json.dumps(found.data(), indent=2)
    text = data if name == "json" else found.markdown() if name == "markdown" else str(found)
    write_bytes(f"{text}\n".encode(), args.output or "-")
    if args.output:
        tell(f"{args.output}: {found.title}")
    return 0


COMMANDS = {
    "plan": Command(
        "what a graph costs under a strategy: peak bytes, runs, what binds the peak",
        _plan_arguments,
        _plan,
        (
            "adcore plan loss.adg --strategy reverse",
            "adcore plan loss.adg --strategy auto --memory 64MiB",
            "adcore plan loss.adg --kind jacobian --json",
        ),
        ABOUT_PLAN,
    ),
    "explain": Command(
        "the tables of forward and reverse mode, row by row",
        _explain_arguments,
        _explain,
        (
            "adcore explain f.adg --mode forward -i x1=2 -i x2=3",
            "adcore explain f.adg --mode reverse -i x1=2 -i x2=3 --format markdown",
            "adcore explain f.adg --mode reverse -i inputs.json --wrt x1 --format json",
        ),
    ),
}
