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
    taped = {node.outputs[0]: node for node in joint.nodes if node not in own and node.outputs[0] in made}
    forward: list[Node] = []
    again: list[Node] = []  # the nodes as the back part would make them again
    for node in primal.nodes:
        replaced = taped.get(node.outputs[0], node) if node.outputs else node
        left = replaced.outputs[len(node.outputs) :]
        forward.append(node if any(isinstance(v.type, Trail) for v in left) else replaced)
        again.append(replaced)
    new_outputs = list(joint.outputs[len(primal.outputs) :])
    back = live_nodes([n for n in joint.nodes if n not in own and n.outputs[0] not in made], new_outputs)
    needed = {v for n in back for v in n.inputs} | set(new_outputs)
    needed -= {v for n in back for v in n.outputs}
    given = {*primal.inputs, *primal.constants}
    extra: list[Node] = []
    for node in reversed(again):  # what is made again may need more that is made again
        if needed.isdisjoint(node.outputs):
            continue
        leaves_trail = any(isinstance(v.type, Trail) and v in needed for v in node.outputs)
        if leaves_trail or (len(node.outputs) == 1 and _remade(node, needed, given, primal)):
            extra.append(node)
            needed.update(node.inputs)
    extra.reverse()
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
