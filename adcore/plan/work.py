"""How much work a plan is, for planners and for people: one unit is about one floating-point operation.

work = CALL + what the op's `flops` says, by default the elements that it reads and writes;
       for a node with sub-graphs: as often as the plan executes them, the work of their plans
A view is no work: it is a name for memory that is there.
"""

from __future__ import annotations

from collections.abc import Mapping

from adcore.graph import Node, bodies, numbering
from adcore.plan.layout import views
from adcore.plan.loops import Pair, executions, scheduled
from adcore.plan.steps import Plan, Run
from adcore.registry import find_op
from adcore.types import AnyType, Trail

CALL = 1000.0
"""What one call of NumPy costs before it touches an element: about a microsecond."""


def work(plan: Plan) -> tuple[float, ...]:
    """The work of one run of every node of a graph, under its plan.

    >>> import adcore as ad
    >>> import numpy as np
    >>> work(ad.plan(ad.trace(lambda x: np.sin(x)[1:], np.zeros(500))))
    (2000.0, 0.0)
    """
    viewed, loops = views(plan.graph), scheduled(plan)
    known: dict[int, float] = {}
    return tuple(
        0.0 if node.outputs and node.outputs[0] in viewed else _work(plan, i, node, loops, known)
        for i, node in enumerate(plan.graph.nodes)
    )


def total_work(plan: Plan) -> float:
    """The work of all runs of a plan."""
    costs = work(plan)
    return sum(costs[step.node] for step in plan.steps if isinstance(step, Run))


def _work(plan: Plan, i: int, node: Node, loops: Mapping[int, Pair], known: dict[int, float]) -> float:
    op, pair, found = find_op(node.op), loops.get(i), CALL
    counts: dict[tuple[int, str], int] = {}
    if pair is None or pair.back == i:
        times = node.params.get("length", 1)
        counts |= {(i, name): times if isinstance(times, int) else 1 for name, _ in bodies(node)}
    if pair is not None:
        schedule = plan.trails[numbering(plan.graph)[pair.trails[0]]]
        pieces = executions(schedule, pair, pair.forward == i)
        counts |= {(pair.forward, name): times for name, times in pieces.items()}
    for key, times in counts.items():
        body = plan.bodies[key]
        if id(body) not in known:
            known[id(body)] = total_work(body)
        found += times * known[id(body)]
    if counts:
        return found
    if op.flops is not None:
        return found + float(op.flops(tuple(v.type for v in node.inputs), node.params))
    return found + sum(_elements(v.type) for v in (*node.inputs, *node.outputs))


def _elements(t: AnyType) -> int:
    if isinstance(t, Trail):
        return sum(s.size for s in t.stacked)
    return t.size
