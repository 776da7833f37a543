"""Sub-graphs of one op made to take the same inputs, whatever each of them captured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from adcore.graph import Graph, Value
from adcore.tree import LEAF, Tree


def joined(captured: Sequence[Sequence[Value]]) -> list[Value]:
    """Everything that any of them captured, each value once, in the order of first use."""
    return list(dict.fromkeys(v for values in captured for v in values))


def aligned(
    graph: Graph, own: int, has: Sequence[Value], wanted: Sequence[Value], before: Sequence[Value] = ()
) -> Graph:
    """The graph with its captured inputs replaced by `wanted`; what it does not use becomes an unused input.

    own: how many of its inputs are arguments; the rest are those captured for `has`. before: outer values
    whose unused inputs come between the arguments and the captured ones.
    """
    inside = dict(zip(has, graph.inputs[own:], strict=True))
    unused = (Value(v.type) for v in before)
    inputs = (*graph.inputs[:own], *unused, *(inside.get(v) or Value(v.type) for v in wanted))
    tree = Tree("tuple", (), (Tree("tuple", (), (LEAF,) * len(inputs)), Tree("dict")))
    names = tuple(f"in{i}" for i in range(len(inputs)))
    return replace(graph, inputs=inputs, input_names=names, in_tree=tree, signature=())
