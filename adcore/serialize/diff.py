"""What tells two graphs apart: inputs, constants, nodes, sub-graphs, outputs, checks, reports.

Nodes are lined up by what they do (op, params, types), equal stretches first; lined-up nodes that read
other values are told too. Names of intermediates and places in the source make no difference.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any

import numpy as np

from adcore.graph import Graph, Node, Value, bodies, letters, show_param, values
from adcore.registry import find_op
from adcore.serialize.write import identity, raw_bytes
from adcore.tree import Tree
from adcore.types import Array

MOST_LINED_UP = 3_000
"""Rows between the equal beginnings and ends of two tables that are lined up; more are taken one by one."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. where: the part of the graph. before, after: as they are printed, "" for what is not there."""

    where: str
    before: str
    after: str

    def __str__(self) -> str:
        lines = [f"- {self.before}"] * bool(self.before) + [f"+ {self.after}"] * bool(self.after)
        return "\n".join([f"{self.where}:", *(f"  {line}" for line in lines)])


@dataclass(frozen=True, slots=True)
class Difference:
    """The differences of two graphs, and their identities in hex; no change when these are equal."""

    before: str
    after: str
    changes: tuple[Change, ...]

    @property
    def same(self) -> bool:
        """True when both graphs mean the same."""
        return self.before == self.after

    def data(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return {**asdict(self), "same": self.same}

    def __str__(self) -> str:
        if self.same:
            return f"the same graph, {self.before}"
        return "\n".join([f"- {self.before}", f"+ {self.after}", *map(str, self.changes)])


def diff(a: Graph, b: Graph) -> Difference:
    """What tells a from b.

    >>> import numpy as np
    >>> import adcore as ad
    >>> f = ad.trace(lambda x: np.sum(np.sin(x) * x), np.zeros(3))
    >>> g = ad.trace(lambda x: np.sum(np.cos(x) * x), np.zeros(3))
    >>> print(diff(f, g).changes[0])  # doctest: +ELLIPSIS
    node 0 at ...:
      - b: float64[3] = core::sin(a)
      + b: float64[3] = core::cos(a)
    """
    first, second = identity(a), identity(b)
    changes = () if first == second else tuple(_Pair(a, b, "").changes())
    return Difference(first, second, changes)


class _Side:
    """One of the two graphs, with the printed names of its values."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.names = {v: letters(i) for i, v in enumerate(values(graph))}

    def node(self, node: Node) -> str:
        """A node as it is printed."""
        left = ", ".join([f"{self.names[v]}: {v.type}" for v in node.outputs])
        params = ", ".join([f"{k}={show_param(v)}" for k, v in node.params.items()])
        return f"{left} = {node.op}{f'[{params}]' if params else ''}({self.listed(node.inputs)})"

    def constant(self, value: Value) -> str:
        """A constant as it is printed; of a large one, the type and a hash."""
        array = self.graph.constants[value]
        shown = str(array[()]) if array.ndim == 0 else f"an array with sha256 {_hash(array)[:12]}..."
        return f"{self.names[value]}: {value.type} = {shown}"

    def listed(self, vs: Iterable[Value]) -> str:
        """Values by name."""
        return ", ".join([self.names[v] for v in vs])

    def ends(self) -> dict[str, list[tuple[str, str, tuple[Value, ...]]]]:
        """What goes in and comes out, by kind: its key, how it is printed, the values that it is."""
        g = self.graph
        checks = [(c.message, (c.value, *c.shown)) for c in g.checks]
        return {
            "size": [(n, n, ()) for n in g.dims],
            "input": [(f"{n} {v.type}",) * 2 + ((),) for n, v in zip(g.input_names, g.inputs, strict=True)],
            "output": [(n, f"{n} = {self.names[v]}", (v,)) for n, v in zip(g.output_names, g.outputs, strict=True)],
            "check": [(text, f"{self.listed(vs)} else {text!r}", vs) for text, vs in checks],
            "report": [(n, f"{n} = {self.names[v]}", (v,)) for n, v in g.reports],
        }  # fmt: skip


class _Pair:
    """Two graphs that are compared. path: as which sub-graphs. same: values of the first -> of the second."""

    def __init__(self, a: Graph, b: Graph, path: str) -> None:
        self.a, self.b, self.path = _Side(a), _Side(b), path
        self.same: dict[Value, Value] = {}

    def changes(self) -> Iterator[Change]:
        """All differences, in the order of the graphs."""
        a, b = self.a.graph, self.b.graph
        for what, x, y in (
            ("nesting of the arguments", a.in_tree, b.in_tree), ("nesting of the result", a.out_tree, b.out_tree),
            ("names of the arguments", a.signature, b.signature),
        ):  # fmt: skip
            if x != y:
                yield Change(self.path + what, _nesting(x), _nesting(y))
        yield from self.ends("size", "input")
        yield from self.constants()
        yield from self.nodes()
        yield from self.ends("output", "check", "report")

    def ends(self, *kinds: str) -> Iterator[Change]:
        """Differences of what goes in and comes out."""
        first, second = self.a.ends(), self.b.ends()
        for kind in kinds:
            keys = [key for key, *_ in first[kind]], [key for key, *_ in second[kind]]
            for i, j in _lined_up(*keys):
                _, before, vs = first[kind][i] if i is not None else ("", "", ())
                _, after, ws = second[kind][j] if j is not None else ("", "", ())
                if kind == "input" and i is not None and j is not None:
                    self.same[self.a.graph.inputs[i]] = self.b.graph.inputs[j]
                if i is None or j is None or keys[0][i] != keys[1][j] or self.mapped(vs) != ws:
                    yield Change(self.path + kind, before, after)

    def constants(self) -> Iterator[Change]:
        """Differences of the constants."""
        first, second = list(self.a.graph.constants), list(self.b.graph.constants)
        keys = [
            [(v.type, _hash(side.graph.constants[v])) for v in vs] for side, vs in ((self.a, first), (self.b, second))
        ]
        for i, j in _lined_up(*keys):
            if i is not None and j is not None:
                self.same[first[i]] = second[j]
            if i is None or j is None or keys[0][i] != keys[1][j]:
                before = "" if i is None else self.a.constant(first[i])
                yield Change(self.path + "constant", before, "" if j is None else self.b.constant(second[j]))

    def nodes(self) -> Iterator[Change]:
        """Differences of the nodes and their sub-graphs."""
        first, second = self.a.graph.nodes, self.b.graph.nodes
        keys = [_key(n) for n in first], [_key(n) for n in second]
        for i, j in _lined_up(*keys):
            if i is None or j is None:
                before = "" if i is None else self.a.node(first[i])
                node = first[i] if i is not None else second[j]  # type: ignore[index]
                where = f"{self.path}node {j if i is None else i} at {node.source or 'source unknown'}"
                yield Change(where, before, "" if j is None else self.b.node(second[j]))
                continue
            x, y = first[i], second[j]
            if keys[0][i] != keys[1][j] or self.mapped(x.inputs) != y.inputs:
                where = f"{self.path}node {i} at {x.source or 'source unknown'}"
                yield Change(where, self.a.node(x), self.b.node(y))
            self.same.update(zip(x.outputs, y.outputs, strict=False))
            inner = dict(bodies(y))
            for name, body in bodies(x):
                if name in inner and identity(body) != identity(inner[name]):
                    yield from _Pair(body, inner[name], f"{self.path}node {i} ({x.op}).{name}, ").changes()

    def mapped(self, vs: Iterable[Value]) -> tuple[Value | None, ...]:
        """The values of the second graph that these of the first are."""
        return tuple([self.same.get(v) for v in vs])


def _key(node: Node) -> Hashable:
    """What a node does, apart from the values that it reads and the insides of its sub-graphs."""
    kinds = find_op(node.op).params
    params = [(k, None if kinds[k].graphs else kinds[k].key(x)) for k, x in node.params.items()]
    types = tuple([v.type for v in node.inputs]), tuple([v.type for v in node.outputs])
    return node.op, tuple(params), types


def _hash(array: Array) -> str:
    return hashlib.sha256(raw_bytes(np.asarray(array, order="C"))).hexdigest()


def _nesting(x: Any) -> str:
    """A tree as a nested value whose leaves are dots."""
    if not isinstance(x, Tree):
        return ", ".join(x) or "none"
    if x.kind in ("leaf", "static"):
        return "." if x.kind == "leaf" else repr(x.value)
    inner = [_nesting(child) for child in x.children]
    if x.kind == "tuple":
        return f"({', '.join(inner)})"
    if x.kind == "list":
        return f"[{', '.join(inner)}]"
    members = ", ".join([f"{key}: {child}" for key, child in zip(x.keys, inner, strict=True)])
    return f"{x.name}{{{members}}}"


def _lined_up(a: Sequence[Hashable], b: Sequence[Hashable]) -> Iterator[tuple[int | None, int | None]]:
    """Places of a beside those of b: equal ones, replaced ones, and those that have no counterpart (None)."""
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    end = 0
    while end < min(len(a), len(b)) - start and a[-1 - end] == b[-1 - end]:
        end += 1
    n, m = len(a) - end, len(b) - end
    yield from ((i, i) for i in range(start))
    if max(n, m) - start > MOST_LINED_UP:
        blocks = [(start, n, start, m)]
    else:
        matcher = SequenceMatcher(None, a[start:n], b[start:m], autojunk=False)
        blocks = [(i1 + start, i2 + start, j1 + start, j2 + start) for _, i1, i2, j1, j2 in matcher.get_opcodes()]
    for i1, i2, j1, j2 in blocks:
        yield from zip_longest(range(i1, i2), range(j1, j2))
    yield from zip(range(n, len(a)), range(m, len(b)), strict=True)
