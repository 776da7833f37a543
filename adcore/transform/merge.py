"""One loop in place of two, when one does all that the other does.

The tangent of a loop is a loop that carries the primal along; beside the primal loop itself it does the
same steps a second time, and leaves the same trail. So a loop is dropped when another, at the same
inputs, has a step that makes all of its values by the same ops: no bit changes.

    (c', trail) = loop(c)    (c', c_dot', trail, trail_dot) = loop_dot(c, c_dot)     the first is dropped

Steps are compared by value numbering: two values have the same number when the same op makes them of
values with the same numbers.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

from adcore.graph import Check, Graph, Node, Value
from adcore.plan.loops import Loop, loop_of
from adcore.registry import find_op
from adcore.transform.splice import pruned
from adcore.types import Trail

Numbers = dict[Hashable, int]


def merge_loops(graph: Graph) -> Graph:
    """The graph without the loops that another loop contains; nodes in a valid order, stable."""
    loops = {i: loop for i, node in enumerate(graph.nodes) if (loop := loop_of(node)) is not None}
    if len(loops) < 2:
        return graph
    ancestors = _Ancestors(graph)
    same: dict[Value, Value] = {}
    dropped: set[int] = set()
    for i in loops:
        for j in loops:
            if i == j or j in dropped or i in ancestors.of(j) or not _alike(graph.nodes[i], graph.nodes[j]):
                continue
            found = _contained(graph.nodes[i], loops[i], graph.nodes[j], loops[j], same)
            if found is not None:
                same.update(found)
                dropped.add(i)
                ancestors.replace(i, j)
                break
    if not dropped:
        return graph
    return _without(graph, dropped, same)


class _Ancestors:
    """The nodes that each node depends on, as sets of positions; a dropped node's are those of its replacement."""

    def __init__(self, graph: Graph) -> None:
        self.maker = {v: i for i, node in enumerate(graph.nodes) for v in node.outputs}
        self.reads = [{self.maker[v] for v in node.inputs if v in self.maker} for node in graph.nodes]

    def of(self, i: int) -> set[int]:
        """All nodes that node i depends on."""
        seen: set[int] = set()
        stack = list(self.reads[i])
        while stack:
            k = stack.pop()
            if k not in seen:
                seen.add(k)
                stack.extend(self.reads[k])
        return seen

    def replace(self, old: int, new: int) -> None:
        """Whoever read the old node reads the new one."""
        for reads in self.reads:
            if old in reads:
                reads.add(new)


def _alike(a: Node, b: Node) -> bool:
    """Quick test: the same op on at least the same inputs."""
    return a.op == b.op and len(b.inputs) > len(a.inputs) and set(b.inputs) >= set(a.inputs)


@dataclass(frozen=True, slots=True)
class _Wired:
    """A loop node: what feeds each input of its step, and which outputs of the step make each of its outputs."""

    feeds: tuple[tuple[Value, int], ...]
    results: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, node: Node, loop: Loop) -> _Wired:
        feeds = [(v, k) for v in node.inputs for k in range(len(v.type.record) if isinstance(v.type, Trail) else 1)]
        results: list[tuple[int, ...]] = []
        at = 0
        for i, v in enumerate(node.outputs):
            if loop.asks and i == loop.carries:  # the number of steps
                results.append(())
                continue
            n = len(v.type.record) if isinstance(v.type, Trail) else 1
            results.append(tuple(range(at, at + n)))
            at += n
        return cls(tuple(feeds), tuple(results))


def _contained(a: Node, loop: Loop, b: Node, other: Loop, same: dict[Value, Value]) -> dict[Value, Value] | None:
    """For each output of a, the output of b that is the same; None if b does not do all that a does."""
    if (loop.length, loop.reverse, loop.asks) != (other.length, other.reverse, other.asks):
        return None
    first, second = _Wired.of(a, loop), _Wired.of(b, other)
    places = _matched(a, loop, b, other, same)
    if places is None:
        return None
    table: Numbers = {}
    numbers_b = _numbered(other.step, _keys(second, other, range(other.carries), same), table)
    numbers_a = _numbered(loop.step, _keys(first, loop, places, same), table)
    if loop.asks:
        conds = [_numbered(n.params["cond"], _keys(w, p, c, same), table)[n.params["cond"].outputs[0]]
                 for n, w, p, c in ((a, first, loop, places), (b, second, other, range(other.carries)))]  # fmt: skip
        if conds[0] != conds[1]:
            return None
    made: dict[Hashable, Value] = {}
    for i in reversed(range(len(b.outputs))):
        made[_result_key(i, second.results[i], numbers_b, other)] = b.outputs[i]
    found: dict[Value, Value] = {}
    for i, v in enumerate(a.outputs):
        at = places[i] if i < loop.carries else i
        key = _result_key(at, first.results[i], numbers_a, loop, i)
        if key not in made:
            return None
        found[v] = made[key]
    return found


def _matched(a: Node, loop: Loop, b: Node, other: Loop, same: dict[Value, Value]) -> list[int] | None:
    """For each carry of a, the carry of b that starts with the same value."""
    places: list[int] = []
    for v in a.inputs[: loop.carries]:
        free = [j for j in range(other.carries) if j not in places and _now(b.inputs[j], same) is _now(v, same)]
        if not free:
            return None
        places.append(free[0])
    return places


def _now(v: Value, same: dict[Value, Value]) -> Value:
    while v in same:
        v = same[v]
    return v


def _keys(wired: _Wired, loop: Loop, carries: Sequence[int], same: dict[Value, Value]) -> list[Hashable]:
    """What each input of a step is: a carry, or what feeds it."""
    return [
        ("carry", carries[i]) if i < loop.carries else ("fed", _now(v, same), k, loop.step.inputs[i].type)
        for i, (v, k) in enumerate(wired.feeds)
    ]


def _result_key(
    at: int, outputs: tuple[int, ...], numbers: dict[Value, int], loop: Loop, position: int | None = None
) -> Hashable:
    """What an output of a loop is: a carry at a place, the number of steps, a stacked value or a trail, by numbers."""
    i = at if position is None else position
    steps = loop.asks and i == loop.carries
    kind: Hashable = ("carry", at) if i < loop.carries else "steps" if steps else len(outputs)
    return kind, tuple(numbers[loop.step.outputs[k]] for k in outputs)


def _numbered(step: Graph, keys: Sequence[Hashable], table: Numbers) -> dict[Value, int]:
    """The numbers of a graph's values, given what its inputs are."""
    found: dict[Value, int] = {}
    for v, key in zip(step.inputs, keys, strict=True):
        found[v] = table.setdefault(key, len(table))
    for v, array in step.constants.items():
        found[v] = table.setdefault((array.dtype.char, array.shape, array.tobytes()), len(table))
    for node in step.nodes:
        kinds = find_op(node.op).params
        params = tuple([kind.key(node.params[name]) for name, kind in kinds.items()]) if node.params else ()
        made = node.op, params, tuple([found[v] for v in node.inputs])
        for k, v in enumerate(node.outputs):
            found[v] = table.setdefault((made, k), len(table))
    return found


def _without(graph: Graph, dropped: set[int], same: dict[Value, Value]) -> Graph:
    """The graph with values replaced and nodes dropped, the rest in a valid order."""
    kept = [node for i, node in enumerate(graph.nodes) if i not in dropped]
    nodes = [replace(node, inputs=tuple([_now(v, same) for v in node.inputs])) for node in kept]
    ready = {*graph.inputs, *graph.constants}
    order: list[Node] = []
    while nodes:  # few passes: only what waits for a later loop moves
        waiting: list[Node] = []
        for node in nodes:
            if ready.issuperset(node.inputs):
                order.append(node)
                ready.update(node.outputs)
            else:
                waiting.append(node)
        nodes = waiting
    checks = tuple(
        Check(_now(c.value, same), c.message, tuple(_now(v, same) for v in c.shown), c.source) for c in graph.checks
    )
    return pruned(
        replace(
            graph, nodes=tuple(order), outputs=tuple(_now(v, same) for v in graph.outputs), checks=checks,
            reports=tuple((name, _now(v, same)) for name, v in graph.reports),
        )
    )  # fmt: skip
