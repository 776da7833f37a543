"""Graphs inside graphs: copying one into a trace, and closing a trace into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from adcore.graph import Check, Graph, Node, Value, kept, live_nodes
from adcore.trace import Trace
from adcore.tracer import Tracer
from adcore.tree import LEAF, Tree


def splice(trace: Trace, graph: Graph, inputs: Sequence[Value]) -> list[Value]:
    """Append a copy of the graph's nodes to a trace, its inputs being these values; the outputs' values."""
    env: dict[Value, Value] = dict(zip(graph.inputs, inputs, strict=True))
    for value, array in graph.constants.items():
        env[value] = trace.adopt(array)
    for node in graph.nodes:
        outputs = tuple([Value(v.type) for v in node.outputs])
        env.update(zip(node.outputs, outputs, strict=True))
        source = node.source or trace.source
        trace.nodes.append(Node(node.op, tuple([env[v] for v in node.inputs]), node.params, outputs, source))
    for c in graph.checks:
        trace.checks.append(Check(env[c.value], c.message, tuple(env[v] for v in c.shown), c.source))
    trace.reports += [(name, env[v]) for name, v in graph.reports]
    return [env[v] for v in graph.outputs]


def call_graph(trace: Trace, graph: Graph, args: Sequence[Tracer]) -> list[Tracer]:
    """The outputs of a graph at traced arguments, recorded node by node."""
    return [trace.wrap(v) for v in splice(trace, graph, [trace.lift(a) for a in args])]


def closed(
    trace: Trace,
    inputs: Sequence[Value],
    input_names: Sequence[str],
    outputs: Sequence[Value],
    output_names: Sequence[str],
    in_tree: Tree | None = None,
    out_tree: Tree | None = None,
    signature: tuple[str, ...] = (),
    name: str = "f",
) -> Graph:
    """The graph of a trace. Trees default to flat tuples (of positional arguments, of results)."""
    flat_in = Tree("tuple", (), (Tree("tuple", (), (LEAF,) * len(inputs)), Tree("dict")))
    flat_out = Tree("tuple", (), (LEAF,) * len(outputs))
    return Graph(
        tuple(inputs), unique(input_names), tuple(trace.nodes), tuple(outputs), unique(output_names),
        dict(trace.constants), flat_in if in_tree is None else in_tree, flat_out if out_tree is None else out_tree,
        signature, tuple(trace.checks), tuple(trace.reports), name,
    )  # fmt: skip


def pruned(graph: Graph) -> Graph:
    """The graph without nodes and constants that nothing kept depends on."""
    nodes = live_nodes(graph.nodes, kept(graph))
    used = {v for node in nodes for v in node.inputs} | set(kept(graph))
    constants = {v: a for v, a in graph.constants.items() if v in used}
    return replace(graph, nodes=tuple(nodes), constants=constants)


def unique(names: Sequence[str]) -> tuple[str, ...]:
    """The names, with `_` appended to those that were there before."""
    seen: set[str] = set()
    result = []
    for name in names:
        while name in seen:
            name += "_"
        seen.add(name)
        result.append(name)
    return tuple(result)


def derived_name(path: str, suffix: str) -> str:
    """The name of the tangent or cotangent of a named value: the suffix goes to the root of the path.

    >>> derived_name("params.w", "bar")
    'params_bar.w'
    """
    cut = min((i for i in (path.find("."), path.find("[")) if i >= 0), default=len(path))
    return f"{path[:cut]}_{suffix}{path[cut:]}"
