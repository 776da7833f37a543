"""Fewer nodes, the same bits: equal nodes merged, nodes that change nothing removed, dead ones dropped.

Whatever could change a bit of a result is not done here: no x + 0.0 (-0.0), no x * 0 (nan, inf).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from adcore.graph import NO_PARAMS, Check, Graph, Node, Value
from adcore.registry import Op, find_op
from adcore.transform.splice import pruned


def simplify(graph: Graph) -> Graph:
    """The graph with value numbering, identities and dead code taken care of. Linear in its nodes.

    Numbers are merged by their bytes, arrays where they are one object; a node whose op says `same_as` is
    replaced by that input.
    """
    same: dict[Value, Value] = {}
    seen: dict[Hashable, tuple[Value, ...]] = {}
    ops: dict[str, Op] = {}
    for value, array in graph.constants.items():
        key: Hashable = ("constant", id(array)) if array.ndim else (array.dtype.char, array.tobytes())
        first = seen.setdefault(key, (value,))[0]
        if first is not value:
            same[value] = first
    nodes: list[Node] = []
    for node in pruned(graph).nodes:
        op = ops.get(node.op) or ops.setdefault(node.op, find_op(node.op))
        inputs = tuple([same.get(v, v) for v in node.inputs])
        if op.same_as is not None:
            index = op.same_as(tuple([v.type for v in inputs]), node.params)
            if index is not None:
                same[node.outputs[0]] = inputs[index]
                continue
        params = node.params
        key = (node.op, inputs)
        if params is not NO_PARAMS:
            key = (node.op, inputs, tuple([kind.key(params[name]) for name, kind in op.params.items()]))
        found = seen.setdefault(key, node.outputs)
        if found is not node.outputs:
            same.update(zip(node.outputs, found, strict=True))
        elif inputs != node.inputs:
            nodes.append(Node(node.op, inputs, params, node.outputs, node.source))
        else:
            nodes.append(node)
    return pruned(
        replace(
            graph,
            nodes=tuple(nodes),
            outputs=tuple([same.get(v, v) for v in graph.outputs]),
            checks=tuple(
                Check(same.get(c.value, c.value), c.message, tuple(same.get(v, v) for v in c.shown), c.source)
                for c in graph.checks
            ),
            reports=tuple((name, same.get(v, v)) for name, v in graph.reports),
        )
    )
