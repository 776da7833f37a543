"""`adcore eval|grad|jvp|vjp|jacobian|hessian|hvp`: numbers of a graph. `adcore differentiate`: a graph of a graph."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from adcore.cli.command import Arguments, Command, emit, tell

if TYPE_CHECKING:
    from adcore.cli.data import Given
    from adcore.graph import Graph
    from adcore.strategy import Choice


def _arguments(parser: argparse.ArgumentParser) -> None:
    from adcore.cli.data import graph_argument, inputs_argument, output_argument
    from adcore.cli.strategy import strategy_arguments

    graph_argument(parser)
    inputs_argument(parser)
    output_argument(parser, "write results to an .npz or .json file; - is .npz on stdout. Default: print them")
    parser.add_argument("--measure", action="store_true", help="tell time and peak memory, on stderr")
    strategy_arguments(parser)


def _derivative_arguments(parser: argparse.ArgumentParser) -> None:
    from adcore.cli.strategy import wrt_arguments

    _arguments(parser)
    wrt_arguments(parser)


def _differentiate_arguments(parser: argparse.ArgumentParser) -> None:
    from adcore.cli.data import graph_argument
    from adcore.cli.strategy import KINDS, strategy_arguments, wrt_arguments

    graph_argument(parser)
    parser.add_argument("--kind", choices=KINDS, default="vjp", help="of derivative; default: vjp")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="the graph file to write; - for stdout")
    wrt_arguments(parser)
    strategy_arguments(parser)


def _eval(args: Arguments) -> int:
    from adcore.cli.data import Given, read_graph
    from adcore.transform.simplify import simplify

    graph, given = read_graph(args.graph), Given.read(args.inputs)
    return _run(args, simplify(given.sized(graph)), given)


def _of_kind(kind: str, args: Arguments) -> int:
    from adcore.cli.data import Given, read_graph
    from adcore.cli.strategy import derivative, settings

    graph, given = read_graph(args.graph), Given.read(args.inputs)
    made, choice = derivative(args, given.sized(graph), kind, settings(args))
    return _run(args, made, given, choice)


def _run(args: Arguments, graph: Graph, given: Given, made_by: Choice | None = None) -> int:
    """Run a graph at the inputs of the command line, deliver its outputs by name."""
    from adcore.backend import find_backend
    from adcore.cli.data import deliver
    from adcore.cli.strategy import planned, settings

    leaves = given.leaves(graph)
    plan, choice = planned(graph, settings(args), made_by)
    program = find_backend(choice.backend).compile(plan)
    outputs = program.all(*leaves)
    if args.measure:
        found = program.measure(*leaves)
        tell(f"{found.seconds:.3g} s, peak {found.peak_bytes:,} bytes (predicted {plan.cost.peak_bytes:,})")
    deliver(args, dict(zip(graph.output_names, outputs, strict=True)))
    return 0


def _differentiate(args: Arguments) -> int:
    from adcore.cli.data import STDOUT, read_graph, write_graph
    from adcore.cli.strategy import derivative, settings

    made, choice = derivative(args, read_graph(args.graph), args.kind, settings(args))
    write_graph(made, args.output)
    told = f"{args.output}: {made.name}, {len(made.nodes)} nodes, by {choice.strategy.name} ({choice.reason})"
    if args.output == STDOUT:
        tell(told)
    else:
        data = {
            "file": args.output, "name": made.name, "identity": made.identity, "nodes": len(made.nodes),
            "inputs": {n: str(v.type) for n, v in zip(made.input_names, made.inputs, strict=True)},
            "outputs": {n: str(v.type) for n, v in zip(made.output_names, made.outputs, strict=True)},
            "strategy": choice.strategy.name, "reason": choice.reason,
        }  # fmt: skip
        emit(args, data, told)
    return 0


def _derivative(kind: str, help: str, examples: tuple[str, ...], about: str = "") -> Command:
    return Command(help, _derivative_arguments, lambda args: _of_kind(kind, args), examples, about)


COMMANDS = {
    "eval": Command(
        "the outputs of a graph",
        _arguments,
        _eval,
        ("adcore eval f.adg -i x1=2 -i x2=3", "adcore eval f.adg -i inputs.npz -o out.npz"),
    ),
    "grad": _derivative(
        "grad",
        "the gradient of a graph with one real output",
        (
            "adcore grad f.adg -i x1=2 -i x2=3",
            "adcore grad f.adg -i inputs.json --wrt x1 --strategy forward --json",
            "adcore grad loss.adg -i 'x=[1,2,3]' --memory 64MiB -o out.npz",
        ),
    ),
    "jvp": _derivative(
        "jvp",
        "outputs and their tangents, by forward mode",
        ("adcore jvp f.adg -i x1=2 -i x2=3 -i x1_dot=1 -i x2_dot=0",),
        "Tangents are further inputs, named after theirs: x_dot.",
    ),
    "vjp": _derivative(
        "vjp",
        "outputs and the cotangents of the inputs",
        ("adcore vjp f.adg -i inputs.npz -i y_bar=1",),
        "Cotangents of the outputs are further inputs, named after theirs: y_bar.",
    ),
    "jacobian": _derivative(
        "jacobian",
        "outputs and their Jacobians",
        ("adcore jacobian f.adg -i x1=2 -i x2=3", "adcore jacobian loss.adg -i 'x=[1,2,3]' --strategy forward"),
    ),
    "hessian": _derivative("hessian", "the gradient and the Hessian", ("adcore hessian loss.adg -i 'x=[1,2,3]'",)),
    "hvp": _derivative(
        "hvp",
        "the gradient and the Hessian times a vector",
        ("adcore hvp loss.adg -i 'x=[1,2,3]' -i 'x_dot=[1,0,0]'",),
        "The vectors are further inputs, named after theirs: x_dot.",
    ),
    "differentiate": Command(
        "save a derivative as a graph file of its own",
        _differentiate_arguments,
        _differentiate,
        (
            "adcore differentiate f.adg --kind vjp -o f_vjp.adg",
            "adcore differentiate loss.adg --kind hessian --wrt x -o loss_hessian.adg",
        ),
        "The derivative can be saved, shown, planned, run and differentiated again, as any graph.",
    ),
}
