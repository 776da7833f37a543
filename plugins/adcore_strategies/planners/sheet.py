"""From a graph to the abstract `Problem` of the planners, and from its steps back to a plan.

Values and nodes keep their numbers. What a value takes is what the layout gives it: a padded range of the arena;
nothing if it is an input, a constant or an output, which are there anyway; and for the trail of a loop that is led
by a schedule the range of that schedule. Bytes of a problem are therefore bytes of the arena, and of results that
ops make themselves; `Sheet.base` is what comes on top whatever the schedule.

What a loop keeps, and how sub-graphs are planned, is chosen beforehand.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from adcore.extend import (
    DropValue,
    Graph,
    Node,
    Pair,
    Plan,
    Run,
    Schedule,
    Value,
    body_plans,
    direct_outputs,
    find_op,
    kept,
    node_needs,
    numbering,
    own_heap,
    padded,
    pairs,
    place_bytes,
    reads,
    views,
)

from .problem import Problem, Steps, Task

__all__ = ["Picks", "Sheet"]


@dataclass(frozen=True)
class Picks:
    """What is chosen before the steps: schedules of pairs, by their forward nodes, and plans of sub-graphs."""

    trails: Mapping[int, Schedule] = field(default_factory=dict)
    bodies: Mapping[tuple[int, str], Plan] = field(default_factory=dict)


class Sheet:
    """A graph as planners need it, read once."""

    def __init__(self, graph: Graph, inside: bool = False) -> None:
        self.graph, self.inside = graph, inside
        self.number = numbering(graph)
        self.views = views(graph)
        self.pairs = pairs(graph)
        self.kept = tuple(dict.fromkeys(kept(graph)))
        self.direct = direct_outputs(graph, self.views)
        self.given = frozenset(self.number[v] for v in (*graph.inputs, *graph.constants))
        self.root = self._roots()

    def _roots(self) -> dict[Value, Value]:
        root = {v: v for v in (*self.graph.inputs, *self.graph.constants)}
        for node in self.graph.nodes:
            root.update((v, root[node.inputs[0]] if v in self.views else v) for v in node.outputs)
        return root

    @property
    def base(self) -> int:
        """Bytes that every plan has: inputs, outputs, and outputs that are copies; nothing inside another graph."""
        if self.inside:
            return 0
        inputs = sum(v.type.nbytes for v in self.graph.inputs)
        return inputs + sum(v.type.nbytes for v in kept(self.graph))

    def loops(self, led: Collection[int]) -> dict[int, Pair]:
        """The pairs with these forward nodes, by the positions of both of their nodes."""
        found = [pair for pair in self.pairs if pair.forward in led]
        return {i: pair for pair in found for i in (pair.forward, pair.back)}

    def draft(self, picks: Picks) -> Plan:
        """A plan without steps: the picks, and default plans for the rest of the sub-graphs."""
        loops = self.loops(picks.trails)
        trails = {
            self.number[v]: picks.trails[pair.forward] for pair in dict.fromkeys(loops.values()) for v in pair.trails
        }
        return Plan(self.graph, (), body_plans(self.graph, loops, picks.bodies), trails, "checkpointed")

    def problem(
        self, stored: Mapping[int, int], bodies: Mapping[tuple[int, str], Plan], costs: Sequence[float]
    ) -> Problem:
        """The problem when these pairs, by their forward nodes, are led by schedules that keep so many bytes.

        bodies: plans of sub-graphs, where not the default. costs: by node.
        """
        graph, loops = self.graph, self.loops(stored)
        draft = Plan(graph, (), body_plans(graph, loops, bodies))
        needs = node_needs(draft, self.views, loops)
        tasks = tuple(
            Task(
                tuple(dict.fromkeys(self.number[v] for v in reads(graph, i, loops))),
                tuple(self.number[v] for v in node.outputs),
                costs[i],
                (needs[i].nbytes if i in needs else 0) + own_heap(node),
            )
            for i, node in enumerate(graph.nodes)
        )
        sizes = [0] * len(self.number)
        for node in graph.nodes:
            for v in node.outputs:
                sizes[self.number[v]] = self.nbytes(v, node)
        for pair in dict.fromkeys(loops.values()):
            for k, v in enumerate(pair.trails):
                sizes[self.number[v]] = 0 if k else stored[pair.forward]
        storage = tuple(self.number[self.root[v]] for v in self.number)
        return Problem(tasks, tuple(sizes), storage, self.given, tuple(self.number[v] for v in self.kept))

    def nbytes(self, v: Value, node: Node) -> int:
        """Bytes of a value's own storage, as the layout counts them."""
        if v in self.views or v in self.direct:
            return 0
        return padded(place_bytes(v.type)) if find_op(node.op).out else v.type.nbytes

    def plan(self, picks: Picks, steps: Steps, reason: str = "") -> Plan | None:
        """The plan of these steps; None if a trail that a schedule consumes would have to be read twice."""
        lowered = _Lowering(self, self.loops(picks.trails)).lower(steps)
        return None if lowered is None else replace(self.draft(picks), steps=tuple(lowered), reason=reason)


class _Lowering:
    """Steps of a problem made steps of a plan.

    In a problem a task may run again while some of its outputs live; in a plan all must be dead, since each
    has one place. So what lives, and what views it, is dropped before the run, and the views are taken anew.
    """

    def __init__(self, sheet: Sheet, loops: Mapping[int, Pair]) -> None:
        self.sheet, self.loops = sheet, loops
        self.values = tuple(sheet.number)
        self.maker = {sheet.number[v]: i for i, node in enumerate(sheet.graph.nodes) for v in node.outputs}
        self.live: set[int] = set()
        self.spent: set[int] = set()
        self.steps: list[Run | DropValue] = []

    def lower(self, steps: Steps) -> list[Run | DropValue] | None:
        """The steps, or None."""
        for kind, index in steps:
            if kind == "drop":
                self.drop(index)
            elif not self.run(index):
                return None
        return self.steps

    def drop(self, value: int) -> None:
        self.live.discard(value)
        self.steps.append(DropValue(value))

    def run(self, i: int) -> bool:
        """Append a run; False if it reads a trail that is spent."""
        outputs = [self.sheet.number[v] for v in self.sheet.graph.nodes[i].outputs]
        stale = {v for v in outputs if v in self.live}
        views: list[int] = []
        if stale:
            roots = {self.values[v] for v in outputs}
            views = [v for v in sorted(self.live) if v not in stale and self.sheet.root[self.values[v]] in roots]
            for v in (*sorted(stale), *views):
                self.drop(v)
        pair = self.loops.get(i)
        if pair is not None and pair.back == i:
            if i in self.spent:
                return False
            self.spent.add(i)
        elif pair is not None:
            self.spent.discard(pair.back)
        self.steps.append(Run(i))
        self.live.update(outputs)
        for v in views:
            self.steps.append(Run(self.maker[v]))
            self.live.add(v)
        return True
