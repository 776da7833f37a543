"""`adcore plan`: what a graph costs under a strategy. `adcore explain`: forward and reverse mode, row by row."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from adcore.cli.command import Arguments, Command, emit, table, tell

if TYPE_CHECKING:
    from adcore.graph import Graph
    from adcore.plan.steps import Plan
    from adcore.strategy import Choice

ABOUT_PLAN = """\
A graph that is a derivative already (its name says so: vjp(f)) is planned as it is; of any other, a
derivative is planned: the gradient if it has one real output, else vjp. --kind says otherwise."""


def _plan_arguments(parser: argparse.ArgumentParser) -> None:
    from adcore.cli.data import graph_argument, inputs_argument, sizes_argument
    from adcore.cli.strategy import KINDS, strategy_arguments, wrt_arguments

    graph_argument(parser)
    sizes_argument(parser)
    parser.add_argument("--kind", choices=("eval", *KINDS), help="what is planned: a derivative, or the graph as it is")
    parser.add_argument(
        "--curve", action="store_true", help="the trade between memory and work: ten budgets, and the least"
    )
    parser.add_argument("--curve-svg", metavar="FILE", help="the same as a picture")
    parser.add_argument(
        "--timeline", metavar="FILE", help="memory step by step, as .svg or .json (Chrome's trace format)"
    )
    parser.add_argument(
        "--schedule", metavar="FILE", help="what the longest loop runs and keeps when, as .svg, else as text"
    )
    inputs_argument(parser)
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
    from adcore.cli.data import read_graph, sized, write_bytes
    from adcore.cli.strategy import derivative, planned, settings
    from adcore.cli.timeline import timeline
    from adcore.cli.tradeoff import tradeoff
    from adcore.plan.explain import overhead
    from adcore.transform.simplify import simplify

    graph, said = sized(read_graph(args.graph), args.at, "a plan"), settings(args)
    kind = args.kind or kind_of(graph)
    made, choice = (simplify(graph), None) if kind == "eval" else derivative(args, graph, kind, said)
    plan, choice = planned(made, said, choice)
    head = f"{choice.strategy.name}: {choice.reason}"
    measured = _measured(args, plan, choice) if args.inputs else None
    data: dict[str, Any] = {
        "graph": made.name, "kind": kind, "strategy": choice.strategy.name, "reason": choice.reason,
        "settings": _plain(choice.settings), "cost": _cost(plan), "overhead": overhead(plan),
    }  # fmt: skip
    text = f"{head}\n{plan.explain()}"
    if measured is not None:
        data["measured_peak_bytes"] = measured
        text += f"\n  measured  {measured:,} bytes at the peak, {plan.cost.peak_bytes:,} predicted"
    if args.curve or args.curve_svg:
        data["curve"] = curve(plan, choice)
        text += f"\n\n{_told(data['curve'])}"
    if args.curve_svg:
        write_bytes(tradeoff(made.name, data["curve"]).encode(), args.curve_svg)
        tell(f"{args.curve_svg}: {len(data['curve'])} budgets")
    if args.timeline:
        kind = "json" if args.timeline.endswith(".json") else "svg"
        budget = choice.budget.memory if plan.budget is None else plan.budget
        write_bytes(timeline(plan, kind, budget, measured).encode(), args.timeline)
        tell(f"{args.timeline}: {len(plan.steps):,} steps")
    if args.schedule:
        write_bytes(_diagram(plan, args.schedule.endswith(".svg")).encode(), args.schedule)
        tell(f"{args.schedule}: the schedule of the longest loop")
    emit(args, data, text)
    return 0


def _diagram(plan: Plan, picture: bool) -> str:
    """The schedule of the longest loop of known length that a plan leads, in sub-graphs too."""
    from adcore.errors import PlanError
    from adcore.plan import diagram
    from adcore.plan.explain import led

    loops = [(pair.loop.length or 0, schedule) for pair, schedule in led(plan)]
    if not loops or not max(loops, key=lambda loop: loop[0])[0]:
        raise PlanError(
            "the plan leads no loop by a schedule", f"in graph {plan.graph.name}", "give --memory or --snapshots"
        )
    length, schedule = max(loops, key=lambda loop: loop[0])
    return diagram.svg(schedule, length) if picture else f"{diagram.text(schedule, length)}\n"


def _measured(args: Arguments, plan: Plan, choice: Choice) -> int:
    """The peak of a run at the inputs of -i, after one to warm up; bytes."""
    from adcore.backend import find_backend
    from adcore.cli.data import Given

    program = find_backend(choice.backend).compile(plan)
    leaves = Given.read(args.inputs).leaves(plan.graph)
    program.all(*leaves)
    return program.measure(*leaves).peak_bytes


CURVE = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01)
"""The budgets of a curve, as parts of the peak with everything kept."""


def curve(plan: Plan, choice: Choice) -> list[dict[str, Any]]:
    """What a strategy makes of less and less memory: budget, peak, extra work; of the last, why it is too little.

    Before the last comes the least that will do, where it is known.
    """
    from adcore.errors import BudgetError
    from adcore.plan.explain import overhead
    from adcore.plan.steps import default_plan
    from adcore.strategy import Budget

    whole = default_plan(plan.graph).cost.peak_bytes
    found: list[dict[str, Any]] = []

    def add(memory: int) -> None:
        made = choice.strategy.schedule(plan.graph, Budget(memory=memory, disk=choice.budget.disk))
        cost = made.cost
        row = {"peak_bytes": cost.peak_bytes, "overhead": overhead(made), "recomputed": cost.recomputed}
        found.append({"budget": memory, **row, "forward_steps": cost.forward_steps})

    for part in CURVE:
        try:
            add(int(whole * part))
        except BudgetError as error:
            if error.minimum is not None and error.minimum < whole:
                add(error.minimum)
            found.append({"budget": int(whole * part), "error": error.what})
            break
    return found


def _told(rows: list[dict[str, Any]]) -> str:
    whole = rows[0]["budget"]
    lines = [
        [
            f"{r['budget'] / whole:.0%}",
            f"{r['budget']:,}",
            f"{r['peak_bytes']:,}",
            f"{r['overhead']:.1%}",
            f"{r['recomputed']:,}",
        ]
        for r in rows
        if "error" not in r
    ]
    text = table(lines, ["of all", "budget", "peak", "extra work", "runs again"])
    return text + "".join(f"\n{r['budget']:,} bytes: {r['error']}" for r in rows if "error" in r)


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
            "adcore plan loss.adg --curve --timeline memory.svg -i 'x=[1,2,3]'",
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
