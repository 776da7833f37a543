"""Graphs of one function at several sizes, made into one graph with named sizes.

With k names there are k + 2 points: a first, one more per name where only that size is another, and
a last where all are. Every integer that may be a size is solved for from the first k + 1 and must be
right at the last; everything else must be the same at all.

    integer(p) = c0 + sum over names j of c_j p_j,      c_j = (integer(p_j) - integer(p_0)) / (n_j of p_j - n_j of p_0)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

from adcore.errors import TraceError
from adcore.graph import Check, Graph, Node, Value, numbering, show_param
from adcore.params import Kind
from adcore.registry import find_op
from adcore.sizes.at import at
from adcore.sizes.constants import computed, same
from adcore.trace import fitting
from adcore.types import AnyType, Dim, Trail, Type

Point = Mapping[str, int]
OFFSETS = 211, 332, 458
"""Added to sizes at the first point, where one is moved, and at the last. Modulo 2, 3, 4, 5 and 7 they are not
all alike, so a program that asks whether a size is even is found out."""
APART = 600
"""Further apart are the sizes of the next name, so that two names never have one size."""


def points(first: Point) -> list[dict[str, int]]:
    """Sizes to try, counted from those of the examples, and far from the numbers that are written in programs.

    >>> points({"n": 5, "m": 7})
    [{'n': 216, 'm': 818}, {'n': 337, 'm': 818}, {'n': 216, 'm': 939}, {'n': 463, 'm': 1065}]
    """
    base, moved, last = [
        {name: n + offset + APART * j for j, (name, n) in enumerate(first.items())} for offset in OFFSETS
    ]
    return [base, *({**base, name: moved[name]} for name in first), last]


def fit(make: Callable[[Point], Graph], first: Point) -> Graph:
    """The graph with named sizes that is make(point) at every point, counted from the first.

    Raises: TraceError naming the integer, the node and the line that are not affine in the sizes.
    """
    tried = points(first)
    with fitting():
        graphs = [make(point) for point in tried]
    return _Fit(tried).graph(graphs)


def lifted(transform: Callable[[Graph], Graph], graph: Graph) -> Graph:
    """A transform of a graph that may have named sizes: the result has them too.

    Raises: TraceError when the result is not the same at all sizes, affine integers apart.
    """
    if not graph.dims:
        return transform(graph)
    return fit(lambda point: transform(at(graph, **point)), dict.fromkeys(graph.dims, 0))


@dataclass(frozen=True, slots=True)
class _Fit:
    """The points, and what makes one graph of those that were traced there."""

    points: Sequence[Point]

    @property
    def names(self) -> tuple[str, ...]:
        """The named sizes."""
        return tuple(self.points[0])

    def differs(self, what: str, found: Sequence[Any], where: str, instead: str = "") -> TraceError:
        """The error for something that the sizes do not explain."""
        k = next((i for i, x in enumerate(found) if x != found[0]), len(found) - 1)
        shown = [f"{x} at {', '.join(f'{n} = {v}' for n, v in self.points[i].items())}" for i, x in enumerate(found)]
        instead = instead or f"sizes may be whole multiples of {' and '.join(self.names)}, plus a number"
        return TraceError(f"{what} is {shown[0]} and {shown[k]}", where, instead)

    # --- integers ---

    def integer(self, found: Sequence[int], what: str, where: str) -> Any:
        """The Dim, or int, that has these values at the points."""
        first, start = found[0], self.points[0]
        size: Any = first
        for j, name in enumerate(self.names, 1):
            slope, rest = divmod(found[j] - first, self.points[j][name] - start[name])
            if rest:
                raise self.differs(what, found, where)
            if slope:
                size = size + slope * (Dim.named(name) - start[name])
        last = size.at(self.points[-1]) if isinstance(size, Dim) else size
        if last != found[-1]:
            raise self.differs(what, found, where)
        return size

    def type(self, found: Sequence[AnyType], what: str, where: str) -> AnyType:
        """The type that is these at the points."""
        first = found[0]
        if all(isinstance(t, Type) and t.dtype == found[0].dtype for t in found):  # type: ignore[union-attr]
            shape = self.shape_like([t.shape for t in found], what, where)  # type: ignore[union-attr]
            return Type(first.dtype, shape)  # type: ignore[union-attr]
        if not all(isinstance(t, Trail) for t in found):
            raise self.differs(what, found, where)
        record = self.shape_like([t.record for t in found], what, where)  # type: ignore[union-attr]
        return Trail(record, self.shape_like([t.length for t in found], what, where))  # type: ignore[union-attr]

    def shape_like(self, found: Sequence[Any], what: str, where: str) -> Any:
        """Nested tuples of sizes and types."""
        first = found[0]
        if all(isinstance(x, tuple) and len(x) == len(first) for x in found):
            return tuple([self.shape_like(x, f"{what}[{i}]", where) for i, x in enumerate(zip(*found, strict=True))])
        if all(isinstance(x, Type | Trail) for x in found):
            return self.type(found, what, where)
        if all(type(x) is int for x in found):
            return self.integer(found, what, where)
        if any(x != first or type(x) is not type(first) for x in found):
            raise self.differs(what, found, where)
        return first

    def param(self, kind: Kind, found: Sequence[Any], what: str, where: str) -> Any:
        """The param that is these at the points."""
        if kind.shape_like:
            return self.shape_like(found, what, where)
        if kind.graphs:
            return self.graphs(found, what, where)
        if any(kind.key(x) != kind.key(found[0]) for x in found):
            raise self.differs(what, [show_param(x) for x in found], where)
        return found[0]

    def graphs(self, found: Sequence[Any], what: str, where: str) -> Any:
        """Sub-graphs, alone or in tuples."""
        first = found[0]
        if isinstance(first, tuple):
            self.equal([len(x) for x in found], f"the number of graphs of {what}", where)
            return tuple([self.graphs(x, what, where) for x in zip(*found, strict=True)])
        return first if first is None else self.graph(found)

    def equal(self, found: Sequence[Any], what: str, where: str, instead: str = "") -> None:
        """Raise TraceError unless all are equal."""
        if any(x != found[0] for x in found):
            raise self.differs(what, found, where, instead)

    # --- graphs ---

    def graph(self, found: Sequence[Graph]) -> Graph:
        """The graph that is these at the points."""
        graphs = computed(found)
        first = graphs[0]
        where = f"in graph {first.name}"
        for what, told in FORM.items():
            self.equal([told(g) for g in graphs], what, where)
        self.operations(graphs, where)
        self.constants(graphs, where)
        numbers = [numbering(g) for g in graphs]
        env: dict[Value, Value] = {}
        for name, *vs in zip(first.input_names, *(g.inputs for g in graphs), strict=True):
            env[vs[0]] = Value(self.type([v.type for v in vs], f"input {name}", where))
        env.update((v, Value(v.type)) for v in first.constants)
        nodes = [self.node(same_nodes, numbers, env) for same_nodes in zip(*(g.nodes for g in graphs), strict=True)]
        for what, told_values in ENDS.items():
            self.wiring([told_values(g) for g in graphs], numbers, what, where)
        return replace(
            first, inputs=tuple([env[v] for v in first.inputs]), nodes=tuple(nodes), dims=self.names,
            constants={env[v]: a for v, a in first.constants.items()}, outputs=tuple([env[v] for v in first.outputs]),
            checks=tuple([
                Check(env[c.value], c.message, tuple([env[v] for v in c.shown]), c.source) for c in first.checks
            ]),
            reports=tuple([(name, env[v]) for name, v in first.reports]),
        )  # fmt: skip

    def constants(self, graphs: Sequence[Graph], where: str) -> None:
        """Raise TraceError unless the constants are the same; those that are sizes have become nodes."""
        self.equal([len(g.constants) for g in graphs], "the number of constants", where)
        for (value, first), *others in zip(*(g.constants.items() for g in graphs), strict=True):
            if not all(same(first, a) for _, a in others):
                node = next((n for n in graphs[0].nodes if value in n.inputs), None)
                if node is not None:
                    where = f"used by {node.op} at {node.source or 'source unknown'}, {where}"
                found = [_shown(a) for a in (first, *(a for _, a in others))]
                raise self.differs(
                    "a constant", found, where,
                    "make it of the arguments inside the function, or pass it as an argument",
                )  # fmt: skip

    def operations(self, graphs: Sequence[Graph], where: str) -> None:
        """Raise TraceError at the first node that is another op than at the first point."""
        for nodes in zip_longest(*(g.nodes for g in graphs)):
            told = [None if n is None else (n.op, len(n.inputs), len(n.outputs)) for n in nodes]
            if any(x != told[0] for x in told):
                node = next(n for n in reversed(nodes) if n is not None)
                raise self.differs(
                    "what is computed", ["nothing more" if n is None else n.op for n in nodes],
                    f"at {node.source or 'source unknown'}, {where}",
                    "to loop over a size use ad.scan; a Python loop is unrolled",
                )  # fmt: skip

    def node(self, nodes: Sequence[Node], numbers: Sequence[Mapping[Value, int]], env: dict[Value, Value]) -> Node:
        """The node that is these at the points; its outputs are entered into env."""
        first = nodes[0]
        where = f"{first.op} at {first.source or 'source unknown'}"
        self.wiring([n.inputs for n in nodes], numbers, "an input", where)
        params: Mapping[str, Any] = first.params
        if params:
            kinds = find_op(first.op).params
            params = {k: self.param(kinds[k], [n.params[k] for n in nodes], f"param {k}", where) for k in params}
        for vs in zip(*(n.outputs for n in nodes), strict=True):
            env[vs[0]] = Value(self.type([v.type for v in vs], "its result", where))
        inputs = tuple([env[v] for v in first.inputs])
        return Node(first.op, inputs, params, tuple([env[v] for v in first.outputs]), first.source)

    def wiring(
        self, found: Sequence[Sequence[Value]], numbers: Sequence[Mapping[Value, int]], what: str, where: str
    ) -> None:
        """Raise TraceError unless these are the same values of each graph."""
        told = [tuple([number[v] for v in vs]) for vs, number in zip(found, numbers, strict=True)]
        self.equal(told, f"{what}, by number of its value,", where)


def _shown(a: Any) -> str:
    return f"{a[()]}" if a.ndim == 0 else f"an array of shape {a.shape}"


FORM: dict[str, Callable[[Graph], Any]] = {
    "the nesting of its arguments": lambda g: (g.in_tree, g.input_names),
    "the nesting of its result": lambda g: (g.out_tree, g.output_names),
    "its checks": lambda g: tuple([(c.message, len(c.shown)) for c in g.checks]),
    "its reports": lambda g: tuple([name for name, _ in g.reports]),
}
"""What must be the same at all sizes, with what it is called in errors."""

ENDS: dict[str, Callable[[Graph], Sequence[Value]]] = {
    "a result": lambda g: g.outputs,
    "a check": lambda g: [v for c in g.checks for v in (c.value, *c.shown)],
    "a report": lambda g: [v for _, v in g.reports],
}
