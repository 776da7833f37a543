"""How much work a node is, for planners and for people: one unit is about one floating-point operation.

work = CALL + what the op's `flops` says, by default the elements that it reads and writes;
       for a node with sub-graphs: once for every step of a loop, the work of the sub-graph's nodes
A view is no work: it is a name for memory that is there.
"""

from __future__ import annotations

from adcore.graph import Graph, Node, Value, bodies
from adcore.plan.layout import Strides, views
from adcore.registry import find_op
from adcore.types import AnyType, Trail

CALL = 1000.0
"""What one call of NumPy costs before it touches an element: about a microsecond."""


def work(graph: Graph) -> tuple[float, ...]:
    """The work of one run of every node of a graph.

    >>> import adcore as ad
    >>> import numpy as np
    >>> work(ad.trace(lambda x: np.sin(x)[1:], np.zeros(500)))
    (2000.0, 0.0)
    """
    viewed = views(graph)
    known: dict[int, float] = {}
    return tuple(_node_work(node, viewed, known) for node in graph.nodes)


def _node_work(node: Node, viewed: dict[Value, Strides], known: dict[int, float]) -> float:
    if node.outputs and node.outputs[0] in viewed:
        return 0.0
    inner = [body for _, body in bodies(node)]
    if inner:
        length = node.params.get("length")
        times = length if isinstance(length, int) else 1
        for body in inner:
            if id(body) not in known:
                known[id(body)] = sum(work(body))
        return CALL + times * sum(known[id(body)] for body in inner)
    op = find_op(node.op)
    if op.flops is not None:
        return CALL + float(op.flops(tuple(v.type for v in node.inputs), node.params))
    return CALL + sum(_elements(v.type) for v in (*node.inputs, *node.outputs))


def _elements(t: AnyType) -> int:
    if isinstance(t, Trail):
        return sum(s.size for s in t.stacked)
    return t.size
