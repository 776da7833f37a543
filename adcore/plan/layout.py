"""Where the bytes of a plan lie: one arena for all intermediate values, offsets fixed before anything runs.

Every value has a place:
  input     the caller's array            constant   an array of the graph
  arena     a range of the arena          fresh      made by the op itself, which takes no place for its result
  output    made when it is produced, handed to the caller (in a body: the caller's place)
  view      within the place of its base

A value takes a range of the arena from the run of its node until the last value that shares it is
dropped; `adcore.plan.arena` finds offsets for these spans. What a node needs beside its results
(scratch, the arenas of its sub-graphs, contiguous copies of strided inputs for these) is a range that
lives while the node runs. A trail that is kept by a schedule is one range, in which the schedule's
snapshots and residuals come and go (`adcore.plan.loops`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from adcore.graph import Graph, Node, Value, bodies, kept, values
from adcore.plan.arena import Span, arrange, padded
from adcore.registry import find_op
from adcore.types import AnyType, Trail, Type

if TYPE_CHECKING:
    from adcore.plan.loops import Pair
    from adcore.plan.steps import Plan

Strides = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """The arena of a plan.

    places: per step, one place for each output of the node that runs: an offset in the arena
        (bytes), or "fresh", "output" or "view". Empty for other steps.
    scratch: per step, offset of the node's scratch range, or -1.
    needs: what each node that has a scratch range keeps there.
    trails: bytes of the trails that are kept by a schedule: all in the place of a loop's first one.
    """

    arena_bytes: int
    places: tuple[tuple[int | str, ...], ...]
    scratch: tuple[int, ...]
    needs: Mapping[int, Needs]
    trails: Mapping[Value, int]

    def nbytes(self, v: Value) -> int:
        """Bytes that a value takes in the arena."""
        return self.trails[v] if v in self.trails else place_bytes(v.type)


@dataclass(frozen=True, slots=True)
class Needs:
    """The parts of a node's scratch range, as offsets in it. The op's own scratch is at 0.

    copies: of the contiguous copy of each strided input, by position among `reads`.
    carries: of two carries, for a loop that runs steps of another again; else -1.
    bodies: of the arenas of the sub-graphs, which run one at a time and share the range from there on.
    """

    nbytes: int
    copies: Mapping[int, int]
    carries: int
    bodies: int


# --- views ---------------------------------------------------------------------------------------


def c_strides(t: Type) -> Strides:
    """The strides, in bytes, of a C-contiguous array of that type."""
    strides = [t.dtype.itemsize] * len(t.shape)
    for i in range(len(t.shape) - 2, -1, -1):
        strides[i] = strides[i + 1] * max(t.shape[i + 1], 1)
    return tuple(strides)


def views(graph: Graph) -> dict[Value, Strides]:
    """The values that share the memory of the first input of their node, with their strides."""
    found: dict[Value, Strides] = {}
    for node in graph.nodes:
        op = find_op(node.op)
        if op.view is None:
            continue
        x = node.inputs[0]
        assert isinstance(x.type, Type)
        strides = op.view(x.type, found.get(x) or c_strides(x.type), node.params)
        if strides is not None:
            found[node.outputs[0]] = strides
    return found


def strided(v: Value, viewed: Mapping[Value, Strides]) -> bool:
    """True when the array of a value is not C-contiguous."""
    t = v.type
    if v not in viewed or not isinstance(t, Type):
        return False
    return any(n > 1 and s != c for n, s, c in zip(t.shape, viewed[v], c_strides(t), strict=True))


def direct_outputs(graph: Graph, viewed: Mapping[Value, Strides]) -> set[Value]:
    """The kept values that their node writes straight into their place: made by a node, and no view."""
    made = {v for node in graph.nodes for v in node.outputs}
    return {v for v in kept(graph) if v in made and v not in viewed}


# --- the arena -----------------------------------------------------------------------------------


def place_bytes(t: AnyType) -> int:
    """Bytes that a value takes in the arena: every buffer of a trail starts aligned."""
    if isinstance(t, Trail):
        return sum(padded(s.nbytes) for s in t.stacked)
    return t.nbytes


# --- the layout ----------------------------------------------------------------------------------


def lay_out(plan: Plan) -> Layout:
    """The layout of a plan that obeys the law of plans. Deterministic; near linear in the steps."""
    from adcore.plan.loops import extent, scheduled
    from adcore.plan.steps import Run

    graph = plan.graph
    number = tuple(values(graph))
    viewed = views(graph)
    outputs = direct_outputs(graph, viewed)
    loops = scheduled(plan)
    place_of = {v: i for i, v in enumerate(number)}
    trails = {
        v: extent(plan.trails[place_of[v]], pair) if k == 0 else 0
        for pair in dict.fromkeys(loops.values())
        for k, v in enumerate(pair.trails)
    }
    needs = node_needs(plan, viewed, loops)
    layout = Layout(0, (), (), needs, trails)
    root: dict[Value, Value] = {}
    sharing: dict[Value, int] = {}  # live values per storage
    spans: list[Span] = []
    open_: dict[Value, int] = {}  # the span of a storage in the arena
    places: list[tuple[int | str, ...]] = []
    scratch: list[int] = []
    for i, step in enumerate(plan.steps):
        if not isinstance(step, Run):
            base = root.get(number[step.value])
            places.append(())
            scratch.append(-1)
            if base is not None:
                sharing[base] -= 1
                if not sharing[base] and base in open_:
                    k = open_.pop(base)
                    spans[k] = replace(spans[k], stop=i)
            continue
        node = graph.nodes[step.node]
        if node.outputs and node.outputs[0] in viewed:
            base = root.get(node.inputs[0], node.inputs[0])
            root[node.outputs[0]] = base
            sharing[base] = sharing.get(base, 0) + 1
            places.append(("view",))
            scratch.append(-1)
            continue
        takes_place = find_op(node.op).out
        found: list[int | str] = []
        for v in node.outputs:
            root[v], sharing[v] = v, 1
            if v in outputs or not takes_place:
                found.append("output" if takes_place else "fresh")
            else:
                open_[v] = len(spans)
                found.append(len(spans))
                spans.append(Span(padded(layout.nbytes(v)), i, len(plan.steps)))
        places.append(tuple(found))
        need = needs[step.node].nbytes if step.node in needs else 0
        scratch.append(len(spans) if need else -1)
        if need:
            spans.append(Span(padded(need), i, i + 1))
    size, offsets = arrange(spans)
    return Layout(
        size,
        tuple(tuple(p if isinstance(p, str) else offsets[p] for p in found) for found in places),
        tuple(-1 if k < 0 else offsets[k] for k in scratch),
        needs,
        trails,
    )


def reads(graph: Graph, i: int, loops: Mapping[int, Pair]) -> tuple[Value, ...]:
    """What a run of a node reads: its inputs, and those of the forward loop whose trail it reads under a schedule."""
    node = graph.nodes[i]
    pair = loops.get(i)
    return (*node.inputs, *pair.reads) if pair is not None and pair.back == i else node.inputs


def body_keys(graph: Graph, i: int, loops: Mapping[int, Pair]) -> tuple[tuple[int, str], ...]:
    """Where the plans of the sub-graphs that a node runs are found in `plan.bodies`."""
    own = [(i, name) for name, _ in bodies(graph.nodes[i])]
    pair = loops.get(i)
    if pair is not None:
        own += [(pair.forward, name) for name in (("advance",) if pair.forward == i else ("tape", "again"))]
    return tuple(own)


def node_needs(plan: Plan, viewed: Mapping[Value, Strides], loops: Mapping[int, Pair]) -> dict[int, Needs]:
    """What nodes keep in their scratch range, for those that need one."""
    graph = plan.graph
    found: dict[int, Needs] = {}
    for i, node in enumerate(graph.nodes):
        own, keys = _own_scratch(node), body_keys(graph, i, loops)
        if not own and not keys:
            continue
        at = padded(own)
        copies: dict[int, int] = {}
        for j, v in enumerate(reads(graph, i, loops)):
            if keys and strided(v, viewed):
                copies[j] = at
                at += padded(v.type.nbytes)
        pair, carries = loops.get(i), -1
        if pair is not None and pair.back == i:
            carries = at
            at += 2 * pair.state
        arenas = [plan.bodies[key].layout.arena_bytes for key in keys if key in plan.bodies]  # the validator says so
        found[i] = Needs(at + padded(max(arenas, default=0)), copies, carries, at)
    return found


def _own_scratch(node: Node) -> int:
    op = find_op(node.op)
    return op.scratch(tuple(v.type for v in node.inputs), node.params) if op.scratch else 0


def own_heap(node: Node) -> int:
    """Bytes that a node's op takes from the machine while it runs."""
    op = find_op(node.op)
    return op.heap(tuple(v.type for v in node.inputs), node.params) if op.heap else 0
