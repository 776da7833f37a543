"""Fewer nodes, the same bits: equal nodes merged, nodes that change nothing removed, dead ones dropped.

Whatever could change a bit of a result is not done here: no x + 0.0 (-0.0), no x * 0 (nan, inf). But x * 1.0
is x, also where the 1.0 is the cotangent of a sum, spread over all of x.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from adcore.graph import NO_PARAMS, Check, Graph, Node, Value
from adcore.registry import Op, find_op
from adcore.transform.splice import pruned
from adcore.types import Array


def simplify(graph: Graph) -> Graph:
    """The graph with value numbering, identities and dead code taken care of. Linear in its nodes.

    Numbers are merged by their bytes, arrays where they are one object; a node whose op says `same_as` is
    replaced by that input, and so is one whose other input is `neutral` in all its elements.
    """
    same: dict[Value, Value] = {}
    seen: dict[Hashable, tuple[Value, ...]] = {}
    ops: dict[str, Op] = {}
    uniform = {v: a.flat[0] for v, a in graph.constants.items() if _is_uniform(a)}  # values that are one number
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
        if op.view is not None and inputs[0] in uniform and len(inputs) == 1:
            uniform[node.outputs[0]] = uniform[inputs[0]]
        elif op.neutral and not uniform.keys().isdisjoint(inputs):
            other = _unchanged(op, inputs, uniform)
            if other is not None and other.type == node.outputs[0].type:
                same[node.outputs[0]] = other
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


def _is_uniform(a: Array) -> bool:
    """True for a constant whose elements are all the same; large ones are not looked at."""
    return 0 < a.size <= 4096 and a.dtype.kind in "fiu" and a.tobytes() == a.flat[0].tobytes() * a.size


def _unchanged(op: Op, inputs: Sequence[Value], uniform: Mapping[Value, Any]) -> Value | None:
    """The input of a binary op that it gives back, because the other one is neutral, to the bit."""
    for i, neutral in enumerate(op.neutral):
        number = uniform.get(inputs[i])
        if neutral is not None and number is not None and number.tobytes() == number.dtype.type(neutral).tobytes():
            return inputs[1 - i]
    return None
