"""The plan: when each node of a graph runs, and when each value is dropped.

plan ::= step*                     for one graph
step ::= run node                  all inputs must be live; makes the outputs live (again, if it ran before)
       | drop value                frees its bytes, unless a live view still shares them

Values are numbered as in `adcore.graph.numbering`, nodes by their position, so a plan is plain data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from adcore.graph import Graph, bodies, kept, numbering
from adcore.plan.layout import Layout, lay_out, reads
from adcore.plan.schedule import Schedule

if TYPE_CHECKING:
    from adcore.plan.check import Cost
    from adcore.plan.loops import Pair


@dataclass(frozen=True, slots=True)
class Run:
    """Execute node number `node`."""

    node: int


@dataclass(frozen=True, slots=True)
class Drop:
    """Forget value number `value`."""

    value: int


Step: TypeAlias = Run | Drop


@dataclass(frozen=True, slots=True)
class Spill:
    """Where snapshots of loops go that are not kept in memory.

    store: name of a registered store. directory: "" is the system's own for temporary files.
    resume: whether a run that is killed leaves what it needs to go on, and the same run later does.
    """

    store: str = "files"
    directory: str = ""
    resume: bool = False


@dataclass(frozen=True, eq=False)
class Plan:
    """The steps for one graph, the plans of its nodes' sub-graphs, the schedules of its trails.

    bodies: (node, param) -> Plan; for a loop whose trail has a schedule also its other pieces, by the names
    in `adcore.plan.loops`. trails: number of the trail's value -> Schedule; default: keep it whole.
    strategy, reason: who made the plan and why, for people. spill: where snapshots outside of memory go.
    budget: bytes that were promised. replan: the plan for another number of bytes, as its strategy makes it.
    """

    graph: Graph
    steps: tuple[Step, ...]
    bodies: Mapping[tuple[int, str], Plan] = field(default_factory=dict)
    trails: Mapping[int, Schedule] = field(default_factory=dict)
    strategy: str = ""
    reason: str = ""
    spill: Spill = Spill()
    budget: int | None = None
    replan: Callable[[int], Plan] | None = None

    @cached_property
    def layout(self) -> Layout:
        """Where the bytes lie; see `adcore.plan.layout`."""
        return lay_out(self)

    @cached_property
    def cost(self) -> Cost:
        """What the plan costs, by the validator: peak bytes, runs, forward steps, disk traffic."""
        from adcore.plan.check import check

        return check(self)

    def dumps(self) -> bytes:
        """The plan as bytes, for the graph that it was made for; see `loads`."""
        from adcore.serialize.plans import dumps

        return dumps(self)

    @staticmethod
    def loads(data: bytes, graph: Graph) -> Plan:
        """The plan from its bytes, checked. Raises PlanError when it was made for another graph."""
        from adcore.serialize.plans import loads

        return loads(data, graph)

    def explain(self) -> str:
        """The cost in words: peak, what is live there, what is run more than once."""
        from adcore.plan.explain import explain

        return explain(self)

    def timeline(self) -> list[dict[str, Any]]:
        """Live bytes after every step, for pictures: step, node, op, bytes."""
        from adcore.plan.explain import timeline

        return timeline(self)


def default_plan(
    graph: Graph,
    strategy: str = "",
    reason: str = "",
    trails: Mapping[int, Schedule] | None = None,
    bodies: Mapping[tuple[int, str], Plan] | None = None,
) -> Plan:
    """Graph order, every value dropped right after its last use; trails kept whole, unless `trails` says.

    bodies: plans of sub-graphs that are given; the others are default plans.
    """
    from adcore.plan.loops import scheduled

    number = numbering(graph)
    loops = scheduled(Plan(graph, (), trails=trails or {}))
    last: dict[int, int] = {}
    for i, node in enumerate(graph.nodes):
        for v in (*reads(graph, i, loops), *node.outputs):
            last[number[v]] = i
    own = len(graph.inputs) + len(graph.constants)
    for v in kept(graph):
        last.pop(number[v], None)
    ending: dict[int, list[int]] = {}
    for value, i in last.items():
        if value >= own:
            ending.setdefault(i, []).append(value)
    steps: list[Step] = []
    for i in range(len(graph.nodes)):
        steps.append(Run(i))
        steps += [Drop(v) for v in ending.get(i, ())]
    return Plan(graph, tuple(steps), body_plans(graph, loops, bodies or {}), trails or {}, strategy, reason)


def sub_graphs(graph: Graph, loops: Mapping[int, Pair]) -> dict[tuple[int, str], Graph]:
    """What the nodes of a graph run inside, under the keys of `Plan.bodies`. loops: as `scheduled` gives them."""
    found: dict[tuple[int, str], Graph] = {}
    for i, node in enumerate(graph.nodes):
        found.update(((i, name), body) for name, body in bodies(node))
        if i in loops and loops[i].forward == i:
            found.update(((i, name), body) for name, body in loops[i].pieces.items())
    return found


def body_plans(
    graph: Graph, loops: Mapping[int, Pair], given: Mapping[tuple[int, str], Plan]
) -> Mapping[tuple[int, str], Plan]:
    """The given plans of sub-graphs, and default plans of the others that the nodes of a graph run."""
    found = dict(given)
    known = {id(plan.graph): plan for plan in given.values()}
    for key, body in sub_graphs(graph, loops).items():
        if key not in found:
            found[key] = known.get(id(body)) or known.setdefault(id(body), default_plan(body))
    return found
