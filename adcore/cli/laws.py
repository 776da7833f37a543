"""`adcore check`: is a saved graph lawful, and are its derivatives right?"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from adcore.cli.command import Arguments, Command, emit, table

if TYPE_CHECKING:
    from adcore.graph import Graph
    from adcore.types import Array

ABOUT = """\
Checked are the law of graphs, the law of plans and its predicted peak, and the derivatives along random
directions: forward mode against extrapolated differences of the outputs, reverse mode as the transpose of
forward mode, and both of those again for every further order. The graph must be smooth within 0.02 of
the inputs; without -i they are drawn between 0.5 and 1.5."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    from adcore.cli.data import graph_argument, inputs_argument, sizes_argument

    graph_argument(parser)
    inputs_argument(parser)
    sizes_argument(parser)
    parser.add_argument("--order", type=int, default=2, metavar="N", help="orders of derivatives; default: 2")
    parser.add_argument("--rtol", type=float, metavar="R", help="relative tolerance; default: by the dtypes")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the inputs that are drawn; default: 1")


def _check(args: Arguments) -> int:
    from adcore.cli.data import Given, read_graph, sized
    from adcore.errors import AdcoreError

    graph = sized(read_graph(args.graph), args.at, "" if args.inputs else "a check without inputs")
    given = Given.read(args.inputs)
    graph = given.sized(graph) if args.inputs else graph
    leaves = given.leaves(graph) if args.inputs else _drawn(args, graph)
    rows: list[tuple[str, bool, str]] = []
    for law, run in _laws(args, graph, leaves):
        try:
            rows.append((law, True, run()))
        except AdcoreError as error:
            rows.append((law, False, str(error).replace("\n", ";")))
    data = {"graph": graph.name, "laws": [{"law": law, "holds": holds, "told": told} for law, holds, told in rows]}
    emit(args, data, table([[law, "holds" if holds else "BROKEN", told] for law, holds, told in rows]))
    return 0 if all(holds for _, holds, _ in rows) else 1


def _drawn(args: Arguments, graph: Graph) -> list[Array]:
    import numpy as np

    rng = np.random.default_rng(args.seed)
    types: list[Any] = [v.type for v in graph.inputs]
    return [np.asarray(rng.uniform(0.5, 1.5, t.shape), t.dtype) for t in types]


def _laws(args: Arguments, graph: Graph, leaves: list[Array]) -> list[tuple[str, Callable[[], str]]]:
    """What is checked: its name, and a function that says what was found or raises."""
    from adcore import graph as graphs
    from adcore.registry import check_node
    from adcore.testing import check_grads

    flat = _flat(graph)

    def whole() -> str:
        graphs.check(graph)
        for node in graph.nodes:
            check_node(node)
        return f"{len(graph.nodes)} nodes"

    def planned() -> str:
        from adcore.plan.steps import default_plan
        from adcore.transform.simplify import simplify

        return f"peak {default_plan(simplify(graph)).cost.peak_bytes:,} bytes"

    def derivatives(modes: tuple[str, ...], order: int) -> Callable[[], str]:
        def run() -> str:
            check_grads(flat, leaves, order, modes, args.rtol)
            return "agrees with differences" if modes == ("fwd",) else "agrees with forward mode"

        return run

    found = [("law of graphs", whole), ("law of plans", planned)]
    if any(v.type.differentiable for v in graph.inputs) and any(v.type.differentiable for v in graph.outputs):
        found += [
            ("forward mode, order 1", derivatives(("fwd",), 1)),
            ("reverse mode, order 1", derivatives(("rev",), 1)),
        ]
        found += [(f"both modes, order {n}", derivatives(("fwd", "rev"), n)) for n in range(2, args.order + 1)]
    return found


def _flat(graph: Graph) -> Graph:
    """The graph with its inputs as positional arguments, one by one."""
    from dataclasses import replace

    from adcore.tree import LEAF, Tree

    arguments = Tree("tuple", (), (LEAF,) * len(graph.inputs))
    return replace(graph, in_tree=Tree("tuple", (), (arguments, Tree("dict"))), signature=graph.input_names)


COMMANDS = {
    "check": Command(
        "check a graph, its plan and its derivatives against independent numbers",
        _arguments,
        _check,
        ("adcore check f.adg", "adcore check loss.adg -i 'x=[1,2,3]' --order 3"),
        ABOUT,
    )
}
