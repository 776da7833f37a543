"""A derivative graph cut in two: what runs forward, and what waits for the cotangents.

The residuals are the values of the primal graph that the backward part reads. A trail never
crosses the cut: the loop that leaves it is run again in the backward part. Views, and what depends
on constants only, are made again too, where that stores less.
"""

from __future__ import annotations

from dataclasses import dataclass

from adcore.graph import Graph, Node, Value, live_nodes
from adcore.registry import find_op
from adcore.types import Trail


@dataclass(frozen=True, slots=True)
class Split:
    """forward: nodes of the primal graph, kept residuals included. back: the rest. residuals: read by back."""

    forward: tuple[Node, ...]
    back: tuple[Node, ...]
    residuals: tuple[Value, ...]


def split(joint: Graph, primal: Graph) -> Split:
    """Cut vjp(primal) = joint, made of the same values, into a forward and a backward part."""
    own = set(primal.nodes)
    made = {v for node in primal.nodes for v in node.outputs}
    forward: list[Node] = []
    again: dict[Value, Node] = {}  # forward values that the back part may make itself
    back: list[Node] = []
    taped = {node.outputs[0]: node for node in joint.nodes if node not in own and node.outputs[0] in made}
    for node in primal.nodes:
        replaced = taped.get(node.outputs[0]) if node.outputs else None
        if replaced is None:
            forward.append(node)
        elif any(isinstance(v.type, Trail) for v in replaced.outputs[len(node.outputs) :]):
            forward.append(node)
            again.update(dict.fromkeys(replaced.outputs[len(node.outputs) :], replaced))
        else:
            forward.append(replaced)
    given = {*primal.inputs, *primal.constants}
    back = [n for n in joint.nodes if n not in own and n.outputs[0] not in made]
    new_outputs = list(joint.outputs[len(primal.outputs) :])
    back = live_nodes(back, new_outputs)
    needed = {v for n in back for v in n.inputs} | set(new_outputs)
    needed -= {v for n in back for v in n.outputs}
    extra: list[Node] = []
    for trail, node in again.items():
        if trail in needed and node not in extra:
            extra.append(node)
    for node in reversed(primal.nodes):
        v = node.outputs[0] if node.outputs else None
        if v in needed and len(node.outputs) == 1 and _remade(node, needed, given, primal):
            extra.append(node)
            needed.update(node.inputs)
    position = {n: i for i, n in enumerate(joint.nodes)}
    for node in extra:
        needed.update(node.inputs)
    # what is made again may need more that is made again; nodes keep the order of the joint graph
    extra.sort(key=lambda n: position.get(n, -1))
    produced = {v for n in (*extra, *back) for v in n.outputs}
    constants = set(joint.constants)
    order = (*primal.inputs, *(v for n in forward for v in n.outputs))
    residuals = tuple(v for v in order if v in needed and v not in produced and v not in constants)
    return Split(tuple(forward), (*extra, *back), residuals)


def _remade(node: Node, needed: set[Value], given: set[Value], primal: Graph) -> bool:
    """True when making a value again stores less than keeping it."""
    if all(v in primal.constants for v in node.inputs):
        return True
    if find_op(node.op).view is None:
        return False
    base = node.inputs[0]
    return base in given or base in needed or base.type.nbytes <= node.outputs[0].type.nbytes
