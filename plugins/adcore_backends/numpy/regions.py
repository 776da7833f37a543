"""Regions: steps of elementwise nodes in a row that run block by block, so that what they share stays in cache.

A block is a range of the leading axis, or, where all arrays of a region are contiguous and of one shape, of
all elements. The bits are those of whole arrays: an elementwise op acts on each element alone. A value that
is made and dropped within a region is in memory one block at a time, at the start of its place (`compact`).

Places are used again: what is made may lie where something lay that was dropped. With blocks that is safe
only if no later block reads what was written over, which `_conflict` says; there the region ends.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from adcore.extend import DropValue, Node, Plan, Run, Type, Value, find_op, strided, values, views

BLOCK = 8192
"""Elements of a block: at eight bytes, 64 KiB an array."""

LARGE = 4 * BLOCK
"""Elements from which blocks are worth it."""

MOST = 200
"""Nodes of a region: all pairs of their places are compared."""


@dataclass(slots=True)
class Region:
    """Steps from start to stop, as far as they are known.

    views: steps of views of other values. nodes: steps that run nodes. drops: steps that drop values. made: the
    values that the nodes make. read: other values that they read. compact: values made that are only in memory one
    block at a time.
    """

    start: int
    stop: int
    shape: tuple[int, ...]
    flat: bool = True
    leading: bool = True
    views: list[int] = field(default_factory=list)
    nodes: list[int] = field(default_factory=list)
    drops: list[int] = field(default_factory=list)
    made: dict[Value, int] = field(default_factory=dict)  # and the step that makes it
    read: set[Value] = field(default_factory=set)
    compact: set[Value] = field(default_factory=set)

    @property
    def length(self) -> int:
        """Of the axis that is cut."""
        return math.prod(self.shape) if self.flat else self.shape[0]

    @property
    def step(self) -> int:
        """How much of it a block takes."""
        return BLOCK if self.flat else max(1, BLOCK // math.prod(self.shape[1:]))

    def cuts(self, t: Type) -> bool:
        """True for an array of which a block reads a part."""
        return t.size > 1 if self.flat else len(t.shape) == len(self.shape) and t.shape[0] == self.shape[0]


def regions(plan: Plan) -> dict[int, Region]:
    """The regions of a plan, by their first step."""
    outputs = (v.type for node in plan.graph.nodes for v in node.outputs)
    if not any(isinstance(t, Type) and t.size >= LARGE for t in outputs):
        return {}
    search, found, i = _Search(plan), {}, 0
    while i < len(plan.steps):
        region = search.region(i)
        if region is not None:
            found[i] = region
        stop = i + 1 if region is None else region.stop
        for j in range(i, stop):
            search.follow(j)
        i = stop
    return found


class _Search:
    def __init__(self, plan: Plan) -> None:
        self.plan, self.places = plan, plan.layout.places
        self.number = tuple(values(plan.graph))
        self.viewed = views(plan.graph)
        self.root: dict[Value, Value] = {}  # of views: what they are views of
        self.at: dict[Value, int] = {}  # offsets in the arena

    def follow(self, i: int) -> None:
        """Remember where the results of a step lie."""
        step = self.plan.steps[i]
        if not isinstance(step, Run):
            return
        node = self.plan.graph.nodes[step.node]
        for v, place in zip(node.outputs, self.places[i], strict=True):
            if place == "view":
                self.root[v] = self.root.get(node.inputs[0], node.inputs[0])
            elif isinstance(place, int):
                self.at[v] = place

    def region(self, i: int) -> Region | None:
        """The region that starts at a step, if one does."""
        stop = len(self.plan.steps)
        while True:
            region = self.grown(i, stop)
            if region is None or len(region.nodes) < 2:
                return None
            conflict = self.conflict(region)
            if conflict is None:
                return region
            stop = conflict

    def grown(self, start: int, stop: int) -> Region | None:
        """As many steps as go together, whatever their places."""
        first = self.elementwise(start)
        if first is None:
            return None
        region = Region(start, start, first.outputs[0].type.shape)  # type: ignore[union-attr]
        if math.prod(region.shape) < LARGE:
            return None
        dropped: set[Value] = set()
        for i in range(start, stop):
            step = self.plan.steps[i]
            if isinstance(step, DropValue):
                region.drops.append(i)
                dropped.add(self.number[step.value])
            elif not dropped.isdisjoint(self.node(i).outputs):  # made again, where drops come at the end
                break
            elif self.places[i] == ("view",):
                if self.node(i).inputs[0] in region.made:
                    break
                region.views.append(i)
                self.follow(i)  # nodes of the region may read it
            else:
                node = self.elementwise(i)
                if node is None or len(region.nodes) == MOST or not self.joins(node, region):
                    break
                region.nodes.append(i)
                region.made[node.outputs[0]] = i
                region.read.update(v for v in node.inputs if v not in region.made)
            region.stop = i + 1
        last = region.nodes[-1] if region.nodes else start
        after = (i for i in range(last + 1, region.stop) if not isinstance(self.plan.steps[i], DropValue))
        region.stop = next(after, region.stop)  # views after the last node are not of the region
        region.views = [i for i in region.views if i < region.stop]
        region.drops = [i for i in region.drops if i < region.stop]
        return region

    def elementwise(self, i: int) -> Node | None:
        """The node of a step, if it is one that may run by blocks."""
        step = self.plan.steps[i]
        if not isinstance(step, Run) or self.places[i] == ("view",):
            return None
        node = self.node(i)
        op = find_op(node.op)
        return node if op.elementwise and op.out and len(node.outputs) == 1 else None

    def joins(self, node: Node, region: Region) -> bool:
        """True when a node goes with the others; the region's ways to be cut are narrowed down to those it allows."""
        if node.outputs[0] in region.made or node.outputs[0] in region.read:  # made again
            return False
        shape = node.outputs[0].type.shape  # type: ignore[union-attr]
        flat = region.flat and shape == region.shape and all(
            v.type.size == 1 or (v.type.shape == shape and not strided(v, self.viewed)) for v in node.inputs  # type: ignore[union-attr]
        )  # fmt: skip
        leading = region.leading and len(shape) > 1 and len(shape) == len(region.shape) and shape[0] == region.shape[0]
        leading = leading and 0 < 8 * math.prod(shape[1:]) <= BLOCK
        if not (flat or leading):
            return False
        region.flat, region.leading = flat, leading
        return True

    def conflict(self, region: Region) -> int | None:
        """The first step that would write over what a later block reads; the compact values are found on the way."""
        dropped = {self.number[self.plan.steps[i].value] for i in region.drops}  # type: ignore[union-attr]
        place = {v: self.places[i][0] for v, i in region.made.items()}
        arena = {v: at for v, at in place.items() if isinstance(at, int)}
        region.compact = {v for v in arena if v in dropped}
        before = [(v, root, self.at[root]) for v in region.read if (root := self.root.get(v, v)) in self.at]
        for d, at in arena.items():
            for v, root, start in before:  # each block of d must lie where only blocks of v lay that have been read
                aligned = v is root and at == start and region.cuts(v.type) and _row(d, region) <= _row(v, region)  # type: ignore[arg-type]
                if _overlap(at, d, start, root) and not aligned:
                    return region.made[d]
            for e, start in arena.items():
                if e is d:
                    break
                if d not in region.compact and _overlap(at, d, start, e):  # so e must be written where d will be
                    if at != start or _row(d, region) != _row(e, region):
                        return region.made[d]
                    region.compact.discard(e)
        return None

    def node(self, i: int) -> Node:
        """The node of a step that runs one."""
        step = self.plan.steps[i]
        assert isinstance(step, Run)
        return self.plan.graph.nodes[step.node]


def _overlap(a: int, v: Value, b: int, w: Value) -> bool:
    return a < b + w.type.nbytes and b < a + v.type.nbytes


def _row(v: Value, region: Region) -> int:
    """Bytes between the parts of two neighbours along the axis that is cut."""
    t: Any = v.type
    return int(t.dtype.itemsize) * (1 if region.flat else math.prod(t.shape[1:]))
