"""Numbers for the tables: a graph run for any of its values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from adcore.errors import InputError
from adcore.evaluate import run_leaves
from adcore.explain.table import Row
from adcore.explain.words import ATOM, WIDEST, expression
from adcore.graph import Graph, Node, Value
from adcore.trace import Trace
from adcore.transform.splice import closed
from adcore.types import Array


def alone(graph: Graph, node: Node) -> Graph:
    """One node as a graph of its own, on the same values."""
    inputs = tuple(dict.fromkeys(node.inputs))
    return Graph(
        inputs, tuple(f"x{i}" for i in range(len(inputs))), (node,),
        node.outputs, tuple(f"y{i}" for i in range(len(node.outputs))), name=graph.name,
    )  # fmt: skip


def arrays_of(
    graph: Graph, nodes: list[Node], inputs: Sequence[Value], leaves: Sequence[Array], wanted: Sequence[Value],
    trace: Trace | None = None,
) -> dict[Value, Array]:  # fmt: skip
    """The arrays of the wanted values."""
    made = Trace()
    made.nodes, made.constants = nodes, dict(trace.constants if trace else graph.constants)
    wanted = list(dict.fromkeys(wanted))
    whole = closed(
        made,
        inputs,
        [f"i{k}" for k in range(len(inputs))],
        wanted,
        [f"o{k}" for k in range(len(wanted))],
        name=graph.name,
    )
    return dict(zip(wanted, run_leaves(whole, leaves), strict=True))


def blank_rows(graph: Graph, names: Mapping[Value, str]) -> list[tuple[Value, Row]]:
    """A row for every input and every result of a node, without numbers."""
    found = [(v, Row(names[v], "", str(v.type), "", "input", None)) for v in graph.inputs]
    for node in graph.nodes:
        text = expression(node, lambda v: (names[v], ATOM))[0]
        text = text if len(text) <= WIDEST else node.op
        for i, v in enumerate(node.outputs):
            part = text if len(node.outputs) == 1 else f"{text}[{i}]"
            found.append((v, Row(names[v], node.op, str(v.type), str(node.source or ""), part, None)))
    return found


def seeds_of(given: dict[str, Any], names: Sequence[str], types: Sequence[Any], otherwise: float) -> list[Array]:
    """The arrays that start a pass: those that are given by name, `otherwise` everywhere for the rest.

    Raises: InputError for a name that is none of `names`, or another shape.
    """
    unknown = [n for n in given if n not in names]
    if unknown:
        raise InputError(f"no seed is called {unknown[0]!r}", f"seeds are of {', '.join(names)}")
    found = [np.asarray(given.get(n, np.full(t.shape, otherwise)), t.dtype) for n, t in zip(names, types, strict=True)]
    for n, a, t in zip(names, found, types, strict=True):
        if a.shape != t.shape:
            raise InputError(f"the seed of {n} has shape {a.shape}, its value {t}")
    return found
