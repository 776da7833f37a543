"""Bytes to graph: what a file says is checked before anything is built from it.

A graph that comes from a file obeys the law of graphs, and its ops infer just the types that it
states. Written again it has the same meaning, byte for byte.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adcore.errors import FileFormatError
from adcore.graph import Check, Graph, Node, Source, Value
from adcore.serialize.call import Body, Call, read_call
from adcore.serialize.container import damaged, mapped, unpack
from adcore.serialize.cursor import Cursor
from adcore.serialize.limits import DEFAULT, Limits, keep
from adcore.serialize.notes import Notes, read_notes
from adcore.serialize.plain import INLINE, dim_names, has_dim, integer, label, row, rows, template, unpack_tree, word
from adcore.serialize.tables import read_ops, read_tensors, read_types
from adcore.serialize.write import remember
from adcore.tree import Tree
from adcore.types import AnyType, Array, Trail, Type

FEATURES = ("dims", "trails")
"""What this version knows beyond the plain format."""


def load(path: str | Path, verify: bool = True, limits: Limits = DEFAULT) -> Graph:
    """The graph of a file; large constants stay where they are, and are read when they are needed.

    verify: read them once now, and compare their checksums.
    Raises: FileFormatError; UnknownOpError; OSError when the file cannot be opened.
    """
    return decode(mapped(path), str(path), verify, limits)


def decode(data: bytes | memoryview, where: str, verify: bool = True, limits: Limits = DEFAULT) -> Graph:
    """The graph of the bytes of a file, which must not change any more. where: what errors call it."""
    return Reader(data, where, verify, limits).graph


class Reader:
    """A file, read: its graph, and the tables that it was made of.

    known: its graphs in the order in which they stand. children: those that each uses, by place.
    """

    def __init__(self, data: bytes | memoryview, where: str, verify: bool = True, limits: Limits = DEFAULT) -> None:
        self.limits, self.where = limits, where
        self.container = container = unpack(memoryview(data), limits, where)
        self.notes: Notes = read_notes(container.notes, limits, where)
        self.cursor = cursor = Cursor(container.meaning, limits, where)
        cursor.array(length=5)
        self.requires = _requires(cursor, where, self.bad)
        self.ops = read_ops(cursor, self.notes, self.bad)
        self.types = read_types(cursor, limits, where, self.bad)
        self.tensors = read_tensors(cursor, container.tensors, verify, where, self.bad)
        self.known: list[Body] = []
        self.children: list[list[int]] = []
        with _collecting_nothing():
            self.graph = self._read()
        remember(self.graph, container.identity)

    def bad(self, what: str) -> FileFormatError:
        """The error for a file that says what it cannot mean."""
        return damaged(what, f"{self.where}, byte {self.cursor.at}")

    def _read(self) -> Graph:
        seen: set[bytes] = set()
        for i in self.cursor.array("entries"):
            start = self.cursor.at
            if i >= len(self.notes.names):
                raise self.bad("its notes do not tell of all its graphs")
            self.known.append(GraphReader(self, i).read())
            digest = hashlib.sha256(memoryview(self.cursor.raw)[start : self.cursor.at]).digest()
            if digest in seen:
                raise self.bad("a graph stands there twice")
            seen.add(digest)
        self.cursor.end()
        if not self.known or len(self.known) != len(self.notes.names):
            raise self.bad(f"it holds {len(self.known)} graphs, its notes tell of {len(self.notes.names)}")
        for table in (self.ops, self.types, self.tensors):
            table.end(self.bad)
        self._check_order()
        needed = {"dims" for body in self.known if body.graph.dims} | {
            "trails" for t in self.types.rows if isinstance(t, Trail)
        }
        if sorted(needed) != self.requires:
            raise self.bad(f"it requires {self.requires}, and needs {sorted(needed)}")
        return self.known[-1].graph

    def _check_order(self) -> None:
        """Graphs stand in the order in which a walk from the last one leaves them."""
        order: list[int] = []
        seen = {len(self.known) - 1}
        stack = [(len(self.known) - 1, iter(self.children[-1]))]
        while stack:
            i, members = stack[-1]
            child = next((c for c in members if c not in seen), None)
            if child is None:
                order.append(i)
                stack.pop()
            else:
                seen.add(child)
                stack.append((child, iter(self.children[child])))
        if order != list(range(len(self.known))):
            raise self.bad("its graphs are not in the order in which they are used")


@contextlib.contextmanager
def _collecting_nothing() -> Iterator[None]:
    """No search for garbage while a graph grows: there is none, and it would take as long as the reading."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _requires(cursor: Cursor, where: str, bad: Any) -> list[str]:
    """The features that a reader must know. Raises FileFormatError naming one that is unknown."""
    features = [word(x, bad) for x in cursor.records()]
    for feature in features:
        if feature not in FEATURES:
            raise FileFormatError(
                f"it needs the feature {feature!r}, which this adcore does not know",
                where,
                "install a newer adcore; see `adcore --version`",
            )
    return features


class GraphReader:
    """One graph of a file, read from front to back."""

    def __init__(self, file: Reader, place: int) -> None:
        self.file, self.place = file, place
        self.name = file.notes.names[place]
        self.dims: tuple[str, ...] = ()
        self.values: list[Value] = []
        self.children: dict[int, None] = {}
        self.calls: list[Call] = []
        self.used = self.depth = self.inner_nodes = self.inner_values = 0

    def bad(self, what: str) -> FileFormatError:
        """The error for a graph that cannot be."""
        return damaged(what, f"graph {self.name} of {self.file.where}, byte {self.file.cursor.at}")

    def read(self) -> Body:
        """The graph, and how large it is."""
        cursor, bad = self.file.cursor, self.bad
        cursor.array(length=11)
        self.dims = dims = self._labels(cursor.record())
        if len(set(dims)) != len(dims):
            raise bad("a size is named twice")
        inputs = self._by_name(self._input)
        in_tree = self._tree(len(inputs))
        if in_tree.kind != "tuple" or [c.kind for c in in_tree.children] != ["tuple", "dict"]:
            raise bad("its arguments are no tuple and dict")
        signature = self._labels(cursor.record())
        constants = dict(self._constant(x) for x in cursor.records("values"))
        self._calls()
        sources = self.file.notes.sources_of(self.place, self.file.where)
        nodes = self._nodes(sources)
        outputs = self._by_name(self._named)
        out_tree = self._tree(len(outputs))
        checks = [self._check(x) for x in cursor.records()]
        reports = tuple([self._named(x) for x in cursor.records("values")])
        if len(sources) != len(nodes) + len(checks):
            raise bad("its notes tell of other nodes than it has")
        made = zip(checks, sources[len(nodes) :], strict=True)
        graph = Graph(
            tuple(inputs.values()), tuple(inputs), nodes, tuple(outputs.values()), tuple(outputs), constants,
            in_tree, out_tree, signature, tuple([Check(*parts, source) for parts, source in made]),
            reports, self.name, dims,
        )  # fmt: skip
        if self.used != len(self.calls):
            raise bad("a call is made by no node")
        self.file.children.append(list(self.children))
        total = self.inner_nodes + len(nodes), self.inner_values + len(self.values)
        keep(self.file.limits, "nodes", total[0], self.file.where)
        keep(self.file.limits, "values", total[1], self.file.where)
        return Body(graph, *total, self.depth)

    # --- parts ---

    def _by_name(self, read: Callable[[Any], tuple[str, Value]]) -> dict[str, Value]:
        """The next table, of values by name."""
        found: dict[str, Value] = {}
        for x in self.file.cursor.records("values"):
            name, value = read(x)
            if name in found:
                raise self.bad(f"two of its inputs or outputs are called {name}")
            found[name] = value
        return found

    def _labels(self, x: Any) -> tuple[str, ...]:
        return tuple([label(name, self.bad) for name in rows(x, self.bad)])

    def _tree(self, leaves: int) -> Tree:
        tree = unpack_tree(self.file.cursor.record(), self.file.limits, self.file.where, self.bad)
        if tree.leaves != leaves:
            raise self.bad(f"a tree of {tree.leaves} leaves stands for {leaves} values")
        return tree

    def _new(self, t: AnyType) -> Value:
        value = Value(t)
        self.values.append(value)
        return value

    def _value(self, x: Any) -> Value:
        """A value by its number; it is an array, and there already."""
        value = self.values[integer(x, 0, len(self.values), self.bad)]
        if isinstance(value.type, Trail):
            raise self.bad("a trail is never an input or output of a graph")
        return value

    def _input(self, x: Any) -> tuple[str, Value]:
        name, t = row(x, 2, self.bad)
        made = self._new(self.file.types.at(t, self.bad)).type
        if not dim_names(made) <= set(self.dims):
            raise self.bad(f"an input of type {made} has a size that its graph does not know")
        return label(name, self.bad), self._value(len(self.values) - 1)

    def _named(self, x: Any) -> tuple[str, Value]:
        name, value = row(x, 2, self.bad)
        return label(name, self.bad), self._value(value)

    def _constant(self, x: Any) -> tuple[Value, Array]:
        """A constant, its array being a part of the file's bytes."""
        which, data = row(x, 2, self.bad)
        t = self.file.types.at(which, self.bad)
        if not isinstance(t, Type) or has_dim(t):
            raise self.bad(f"a constant has the type {t}")
        if type(data) is not bytes:
            data = self.file.tensors.at(data, self.bad)
        elif len(data) > INLINE:
            raise self.bad("a large constant stands in the meaning")
        if len(data) != t.nbytes:
            raise self.bad(f"a constant of type {t} has {len(data)} bytes")
        array: Array = np.frombuffer(data, t.dtype.newbyteorder("<")).reshape(t.shape)
        if sys.byteorder == "big":  # pragma: no cover
            array = array.astype(t.dtype)
        if t.dtype.kind == "b" and array.view(np.uint8).max(initial=0) > 1:
            raise self.bad("a bool is neither true nor false")
        return self._new(t), array

    def _check(self, x: Any) -> tuple[Value, str, tuple[Value, ...]]:
        value, message, shown = row(x, 3, self.bad)
        checked = self._value(value)
        if checked.type.dtype.kind != "b":  # type: ignore[union-attr]
            raise self.bad(f"a check needs a bool, not {checked.type}")
        values = tuple([self._value(v) for v in rows(shown, self.bad)])
        return checked, template(message, len(values), self.bad), values

    # --- nodes ---

    def _calls(self) -> None:
        """The table of calls, which has no two equal ones."""
        file, seen = self.file, set[bytes]()
        for _ in file.cursor.array():
            start = file.cursor.at
            x = file.cursor.record()
            raw = file.cursor.raw[start : file.cursor.at]
            if raw in seen:
                raise self.bad("a call stands there twice")
            seen.add(raw)
            self.calls.append(read_call(x, self.dims, file.ops, file.types, file.known, file.limits, self.bad))

    def _nodes(self, sources: Sequence[Source | None]) -> tuple[Node, ...]:
        """The nodes: each makes a call and reads values that are there already."""
        values, calls, bad = self.values, self.calls, self.bad
        nodes: list[Node] = []
        n = len(self.file.cursor.array("nodes"))
        if n > len(sources):
            raise bad("its notes do not tell of all its nodes")
        for x, source in zip(self.file.cursor.members(n), sources, strict=False):
            if type(x) is not tuple or not x:
                raise bad("a node is no record")
            which, *places = x
            if type(which) is not int or not 0 <= which < len(calls):
                raise bad("a node makes an unknown call")
            if which >= self.used:
                self._first(which, len(nodes), source)
            call = calls[which]
            count = len(values)
            for place in places:
                if type(place) is not int or not 0 <= place < count:
                    raise bad("a node reads a value that is not there yet")
            inputs = tuple([values[place] for place in places])
            if tuple([v.type for v in inputs]) != call.types:
                raise bad("a node reads values of other types than its call takes")
            outputs = tuple([Value(t) for t in call.made])
            values += outputs
            nodes.append(Node(call.op, inputs, call.params, outputs, source))
            if call.bodies:
                self._count(call.bodies)
        return tuple(nodes)

    def _first(self, which: int, node: int, source: Source | None) -> None:
        """A call is made for the first time. Raises what hinders it, naming the node."""
        call = self.calls[which]
        if which != self.used:
            raise self.bad("calls are not in the order in which they are made")
        self.used += 1
        if call.problem is not None:
            where = f"{self.file.where}, node {node} of graph {self.name} ({source or 'source unknown'})"
            raise type(call.problem)(call.problem.what, where, call.problem.instead)
        for body in call.bodies:
            if not set(self.file.known[body].graph.dims) <= set(self.dims):
                raise self.bad("a sub-graph has a size that its graph does not know")
            self.children[body] = None
            self.depth = max(self.depth, self.file.known[body].depth + 1)
        keep(self.file.limits, "depth", self.depth, self.file.where)

    def _count(self, bodies: Sequence[int]) -> None:
        """Add the size of the sub-graphs of a node."""
        limits, where = self.file.limits, self.file.where
        for body in bodies:
            self.inner_nodes += self.file.known[body].nodes
            self.inner_values += self.file.known[body].values
        keep(limits, "nodes", self.inner_nodes, where)
        keep(limits, "values", self.inner_values, where)
