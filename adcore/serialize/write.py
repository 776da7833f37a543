"""Graph to bytes: the tables of a file, filled in the order in which a graph needs them.

meaning ::= [requires, ops, types, tensors, graphs]
requires::= [feature...]                     what a reader must know: "dims", "trails"
op      ::= [domain, name, version, [[param, kind]...]]
tensor  ::= [bytes, sha256]
graph   ::= [dims, [[name, type]...], in_tree, signature, constants, calls, nodes,
             [[name, value]...], out_tree, [[value, message, [value...]]...], [[name, value]...]]
constant::= [type, raw bytes | tensor]       up to 64 bytes stand here, more are a tensor
call    ::= [op, [param...], [type...], [type...]]    an op at these params, from types to types
node    ::= [call, value...]                 values: inputs, constants, results of the nodes, in order
notes   ::= [producer, [[distribution, version]...], [graph name...], [file...], [[file, line]...],
             [places of a graph...], [[key, text]...]]

ops, types, tensors and graphs are told by their place in the table, calls likewise within their graph.
Sub-graphs stand before the graphs that use them, the last is the graph itself. No table has two equal
rows, or one that is not used, and rows are first used in their order: a meaning has one form.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from adcore.errors import FileFormatError
from adcore.graph import Check, Graph, Node, Source, bodies, check, numbering
from adcore.registry import find_op, registry
from adcore.serialize import durable
from adcore.serialize.container import aligned
from adcore.serialize.container import pack as pack_container
from adcore.serialize.cursor import pack
from adcore.serialize.limits import DEFAULT, keep
from adcore.serialize.plain import INLINE, TEMPLATES, dim_names, label, pack_tree, pack_type, template
from adcore.types import AnyType, Array, Trail

_identities: WeakKeyDictionary[Graph, str] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Encoded:
    """A graph as the parts of a file."""

    meaning: bytes
    notes: bytes
    tensors: list[Array]

    @property
    def identity(self) -> str:
        """sha256 of the meaning, in hex."""
        return hashlib.sha256(self.meaning).hexdigest()

    @property
    def head(self) -> bytes:
        """All bytes before the tensors."""
        return pack_container(self.meaning, self.notes, [a.nbytes for a in self.tensors])

    def parts(self) -> Iterator[bytes | memoryview]:
        """All bytes of the file, one part after the other; tensors are not copied."""
        yield self.head
        end = 0
        for array in self.tensors:
            yield bytes(aligned(end) - end)
            yield raw_bytes(array)
            end = aligned(end) + array.nbytes


def identity(graph: Graph) -> str:
    """sha256 of the meaning, in hex; of a graph that was read, as it was read."""
    known = _identities.get(graph)
    if known is None:
        known = _identities[graph] = encode(graph).identity
    return known


def remember(graph: Graph, known: str) -> None:
    """Keep the identity of a graph that was read from a file."""
    _identities[graph] = known


def encode(graph: Graph, hints: Mapping[str, str] | None = None) -> Encoded:
    """The parts of the file of a graph.

    hints: text by key, for the notes.
    Raises: GraphError when the graph is unlawful or holds what no file can; UnknownOpError.
    """
    check(graph)
    writer = _Writer(graph)
    try:
        writer.graph(graph, 0)
    except UnicodeEncodeError as e:
        raise FileFormatError(f"{e.object!r:.80} is no text", writer.where, "leave lone surrogates out") from None
    ops = [row for row, _ in writer.ops.values()]
    requires = sorted(writer.requires)
    records = [writer.meanings[place] for place in range(len(writer.meanings))]
    meaning = b"".join(
        [
            b"\x95",
            pack(requires),
            pack(ops),
            pack(writer.type_rows),
            pack(writer.tensor_rows),
            _array(len(records)),
            *records,
        ]
    )
    notes = writer.notes(hints or {})
    keep(DEFAULT, "body", max(len(meaning), len(notes)), writer.where)
    return Encoded(meaning, notes, writer.tensors)


def dumps(graph: Graph) -> bytes:
    """The bytes of the file of a graph."""
    return b"".join(encode(graph).parts())


def save(graph: Graph, path: str | Path) -> None:
    """Write the file of a graph; it is there in full or not at all.

    Raises: OSError when it cannot be written; what `encode` raises.
    """
    durable.write(path, encode(graph).parts())


def _array(n: int) -> bytes:
    """The head of a msgpack array of n members."""
    if n < 16:
        return bytes([0x90 | n])
    return b"\xdc" + n.to_bytes(2, "big") if n < 2**16 else b"\xdd" + n.to_bytes(4, "big")


def raw_bytes(array: Array) -> memoryview:
    """The bytes of a C-contiguous array, not copied."""
    flat: Any = array.reshape(-1).view(np.uint8)
    return memoryview(flat)


@dataclass(slots=True)
class _Notes:
    """What is told of one graph beside its meaning."""

    name: str
    places: list[int]  # of each node, then each check: 0, or 1 + its place in the table


class _Writer:
    """The tables of one file."""

    def __init__(self, graph: Graph) -> None:
        self.where = f"saving graph {graph.name}"
        self.requires: set[str] = set()
        self.ops: dict[str, tuple[Any, int]] = {}
        self.types: dict[AnyType, int] = {}
        self.type_rows: list[Any] = []
        self.tensor_index: dict[bytes, int] = {}
        self.tensor_rows: list[Any] = []
        self.tensors: list[Array] = []
        self.meanings: list[bytes] = []
        self.graph_notes: list[_Notes] = []
        self.graph_index: dict[bytes, int] = {}
        self.known: dict[int, int] = {}  # by id: a graph that occurs again is not encoded again
        self.files: dict[str, int] = {}
        self.places: dict[tuple[int, int], int] = {}
        self.modules = _module_depths()

    # --- tables ---

    def type(self, t: AnyType) -> int:
        """The place of a type."""
        place = self.types.get(t)
        if place is None:
            if isinstance(t, Trail):
                self.requires.add("trails")
            packed = pack_type(t, self.type)
            place = self.types[t] = len(self.type_rows)
            self.type_rows.append(packed)
        return place

    def op(self, name: str) -> tuple[int, Any]:
        """The place of an op in the table, and the op."""
        op = find_op(name)
        if name not in self.ops:
            params = [[p, kind.name] for p, kind in op.params.items()]
            domain, _, local = name.partition("::")
            self.ops[name] = ([domain, local, op.version, params], len(self.ops))
        return self.ops[name][1], op

    def tensor(self, array: Array) -> int:
        """The place of the bytes of a large constant; equal ones have one place."""
        raw = raw_bytes(array)
        digest = hashlib.sha256(raw).digest()
        place = self.tensor_index.get(digest)
        if place is None:
            place = self.tensor_index[digest] = len(self.tensors)
            self.tensor_rows.append([raw.nbytes, digest])
            self.tensors.append(array)
        return place

    def place(self, source: Source | None) -> int:
        """0, or 1 + the place of a source in the table of places."""
        if source is None:
            return 0
        file = self.files.setdefault(_relative(source.file, self.modules), len(self.files))
        return self.places.setdefault((file, source.line), len(self.places) + 1)

    # --- graphs ---

    def graph(self, graph: Graph, depth: int) -> int:
        """The place of a graph in the table of graphs."""
        keep(DEFAULT, "depth", depth, self.where)
        if id(graph) not in self.known:
            encoded, notes = self._encode(graph, depth)
            place = self.graph_index.setdefault(encoded, len(self.meanings))
            if place == len(self.meanings):
                self.meanings.append(encoded)
                self.graph_notes.append(notes)
            self.known[id(graph)] = place
        return self.known[id(graph)]

    def _encode(self, graph: Graph, depth: int) -> tuple[bytes, _Notes]:
        for node in graph.nodes:  # sub-graphs first, so that rows of tables are first used in their order
            for _, body in bodies(node):
                self.graph(body, depth + 1)
        number = numbering(graph)
        if graph.dims:
            self.requires.add("dims")
        inputs = [[self._label(n), self.type(v.type)] for n, v in zip(graph.input_names, graph.inputs, strict=True)]
        constants = [[self.type(v.type), self._constant(a)] for v, a in graph.constants.items()]
        calls: list[Any] = []
        nodes = self._nodes(graph, number, calls, depth)
        outputs = [[self._label(n), number[v]] for n, v in zip(graph.output_names, graph.outputs, strict=True)]
        encoded = pack([
            list(graph.dims), inputs, self._in_tree(graph), list(graph.signature), constants, calls, nodes,
            outputs, pack_tree(graph.out_tree, "the result", self.where),
            [[number[c.value], self._message(c), [number[v] for v in c.shown]] for c in graph.checks],
            [[self._label(n), number[v]] for n, v in graph.reports],
        ])  # fmt: skip
        sources = [*(node.source for node in graph.nodes), *(c.source for c in graph.checks)]
        places = [self.place(source) for source in sources]
        return encoded, _Notes(graph.name, places)

    def _nodes(self, graph: Graph, number: Mapping[Any, int], calls: list[Any], depth: int) -> list[Any]:
        """The nodes; the calls that they make are entered."""
        known: dict[Any, int] = {}
        nodes = []
        for node in graph.nodes:
            params = b"" if not node.params else self._params(node, depth)
            types = [self.type(v.type) for v in node.inputs]
            made = [self.type(v.type) for v in node.outputs]
            key = (node.op, params, tuple(types), tuple(made))
            call = known.get(key)
            if call is None:
                call = known[key] = len(calls)
                calls.append([self.op(node.op)[0], self._packed(node, depth), types, made])
            nodes.append([call, *[number[v] for v in node.inputs]])
        return nodes

    def _params(self, node: Node, depth: int) -> bytes:
        return pack(self._packed(node, depth))

    def _packed(self, node: Node, depth: int) -> list[Any]:
        """The params of a node as plain data, in the order of the op's schema; sub-graphs by place."""
        _, op = self.op(node.op)
        packed = []
        for name, kind in op.params.items():
            value = kind.pack(node.params[name])
            packed.append(self._places(value, depth) if kind.graphs else value)
            if dim_names(node.params[name]):
                self.requires.add("dims")
        return packed

    def _places(self, value: Any, depth: int) -> Any:
        if isinstance(value, Graph):
            return self.graph(value, depth + 1)
        return [self._places(v, depth) for v in value] if isinstance(value, list | tuple) else value

    def _constant(self, array: Array) -> bytes | int:
        a = np.asarray(array, order="C")
        if sys.byteorder == "big":  # pragma: no cover
            a = a.byteswap()
        return a.tobytes() if a.nbytes <= INLINE else self.tensor(a)

    def _in_tree(self, graph: Graph) -> Any:
        """The tree of the arguments, with errors that name the argument."""
        if graph.in_tree.kind == "tuple" and len(graph.in_tree.children) == 2:
            args, named = graph.in_tree.children
            names = (*graph.signature, *(f"arg{i}" for i in range(len(graph.signature), len(args.children))))
            for name, child in (
                *zip(names, args.children, strict=False),
                *zip(named.keys, named.children, strict=True),
            ):
                pack_tree(child, f"argument {name}", self.where)
        return pack_tree(graph.in_tree, "the arguments", self.where)

    def _message(self, c: Check) -> str:
        def unfit(what: str) -> FileFormatError:
            return FileFormatError(what, f"a check made at {c.source or 'source unknown'}", TEMPLATES)

        return template(c.message, len(c.shown), unfit)

    def _label(self, name: str) -> str:
        def unfit(what: str) -> FileFormatError:
            return FileFormatError(
                f"{name!r} is no name that a file can hold", self.where, "leave control characters out"
            )

        return label(name, unfit)

    # --- notes ---

    def notes(self, hints: Mapping[str, str]) -> bytes:
        """Who wrote the file, who brought its ops, and where in the user's code its nodes were made."""
        origins = registry().origins
        brought = []
        for name in self.ops:
            origin = origins.get(("ops", name))
            known = origin is not None and not origin.distribution.startswith("(")
            brought.append([origin.distribution, origin.version] if known and origin else ["", ""])
        places = [np.array(n.places, "<u4").tobytes() for n in self.graph_notes]
        names = [self._label(n.name) for n in self.graph_notes]
        return pack([
            producer(), brought, names, list(self.files), [list(p) for p in self.places], places,
            [[k, hints[k]] for k in sorted(hints)],
        ])  # fmt: skip


def producer() -> str:
    """What writes files here.

    >>> producer().split()[0]
    'adcore'
    """
    origin = next((o for o in registry().origins.values() if o.distribution == "adcore"), None)
    return f"adcore {origin.version if origin else ''}".strip()


# --- sources -------------------------------------------------------------------------------------


def _module_depths() -> dict[str, int]:
    """For the file of every loaded module, how many parts of its path belong to its name."""
    found = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__dict__", {}).get("__file__")  # to ask a lazy module itself would import it
        if isinstance(file, str) and name != "__main__":
            found[file] = name.count(".") + (2 if os.path.basename(file) == "__init__.py" else 1)
    return found


def _relative(file: str, modules: Mapping[str, int]) -> str:
    """A file as its path from where its top module lies; the bare name if it is of no module."""
    parts = file.replace("\\", "/").split("/")
    absolute = parts[0] == "" or parts[0].endswith(":")
    depth = modules.get(file, 1) if absolute or ".." in parts else len(parts)
    kept = [part for part in parts[-depth:] if part not in ("", ".", "..")]
    name = "/".join(kept)
    return name if kept and name.isprintable() and not kept[0].endswith(":") else "unknown"
