"""The tables of a file that is being read: rows told by their place, ops found, types and tensors made.

Every row must be used, and rows are first used in the order in which they stand, so a meaning has one
form and nothing can be hidden in a file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from adcore.errors import AdcoreError, FileFormatError, UnknownOpError
from adcore.params import BOOL, DTYPE, FLOAT, GRAPH, GRAPHS, INT, SIZE, STR, TYPE, Kind, many, optional
from adcore.registry import Op, doors, find_op, registry
from adcore.serialize.container import damaged, tensor_spans
from adcore.serialize.cursor import Cursor
from adcore.serialize.limits import Limits
from adcore.serialize.notes import Notes
from adcore.serialize.plain import INLINE, Damaged, integer, label, row, rows, unpack_type, word
from adcore.types import AnyType, Trail

T = TypeVar("T")
KINDS = {kind.name: kind for kind in (INT, SIZE, BOOL, FLOAT, STR, DTYPE, TYPE, GRAPH)}


@dataclass(slots=True)
class Table(Generic[T]):
    """Rows of one kind. needs: for each row, rows before it that are used by using it."""

    name: str
    rows: list[T] = field(default_factory=list)
    needs: list[tuple[int, ...]] = field(default_factory=list)
    used: int = 0

    def add(self, row: T, needs: tuple[int, ...] = ()) -> None:
        """Append a row."""
        self.rows.append(row)
        self.needs.append(needs)

    def at(self, x: Any, bad: Damaged) -> T:
        """The row of that place, which counts as used."""
        place = integer(x, 0, len(self.rows), bad)
        if place >= self.used:
            for needed in self.needs[place]:
                self.at(needed, bad)
            if place != self.used:
                raise bad(f"{self.name} are not in the order in which they are used")
            self.used += 1
        return self.rows[place]

    def end(self, bad: Damaged) -> None:
        """Raise FileFormatError unless every row was used."""
        if self.used != len(self.rows):
            raise bad(f"{len(self.rows) - self.used} {self.name} are used by nothing")


@dataclass(frozen=True, slots=True)
class FileOp:
    """An op as a file names it.

    op: what it is here; None when it cannot be used, for the reason `problem`.
    schema: kinds of the params as the file has them. steps: what takes them to the version here.
    """

    name: str
    version: int
    op: Op | None = None
    schema: Mapping[str, Kind] = field(default_factory=dict)
    steps: tuple[Callable[..., Any], ...] = ()
    problem: AdcoreError | None = None


def read_ops(cursor: Cursor, notes: Notes, bad: Damaged) -> Table[FileOp]:
    """The table of ops, each found in the registry if a plugin brings it."""
    table: Table[FileOp] = Table("ops")
    known: set[str] = set()
    for x in cursor.records():
        domain, local, version, packed = row(x, 4, bad)
        name = f"{word(domain, bad)}::{word(local, bad)}"
        schema = {}
        for param in rows(packed, bad):
            key, kind = row(param, 2, bad)
            schema[word(key, bad)] = label(kind, bad)
        if name in known or len(schema) != len(packed) or len(table.rows) == len(notes.brought):
            raise bad(f"op {name} or one of its params stands there twice, or its notes do not tell of it")
        known.add(name)
        brought = " ".join(filter(None, notes.brought[len(table.rows)]))
        table.add(_found(name, integer(version, 0, 2**31, bad), schema, brought))
    if len(table.rows) != len(notes.brought):
        raise bad("its notes tell of other ops than it has")
    return table


def _found(name: str, version: int, schema: Mapping[str, str], brought: str) -> FileOp:
    """An op by name, version, and kinds of its params; brought: the distribution it was written with."""
    try:
        op = _known(name, brought)
        brought = brought or "the version of the plugin"
        steps = _steps(op, version, brought)
        return FileOp(name, version, op, _kinds(op, version, schema, brought), steps)
    except (UnknownOpError, FileFormatError) as problem:
        return FileOp(name, version, problem=problem)


def _known(name: str, brought: str) -> Op:
    try:
        return find_op(name)
    except UnknownOpError as e:
        domain = name.partition("::")[0]
        reason = doors["missing"](domain) if "missing" in doors else ""
        install = f"install {brought}, which brought it where the file was written"
        instead = "; ".join(filter(None, (install if brought else e.instead, reason)))
        raise UnknownOpError(f"no op is called {name} here", "", instead) from None


def _steps(op: Op, version: int, brought: str) -> tuple[Callable[..., Any], ...]:
    """The upgraders from a version of an op to the one here."""
    table = registry().upgraders
    steps = tuple([table[op.name, v] for v in range(version, op.version) if (op.name, v) in table])
    if version + len(steps) == op.version:
        return steps
    what = f"{op.name} has version {version} in the file and {op.version} here"
    if version > op.version:
        raise FileFormatError(what, "", f"upgrade the plugin; the file was written with {brought}")
    raise FileFormatError(f"{what}, and no upgrader leads there", "", f"use {brought}, as the file was written with")


def _kinds(op: Op, version: int, schema: Mapping[str, str], brought: str) -> Mapping[str, Kind]:
    """The kinds of the params that a file has."""
    here = {key: kind.name for key, kind in op.params.items()}
    if version == op.version and list(here.items()) != list(schema.items()):
        raise FileFormatError(
            f"{op.name} takes ({_shown(schema)}) in the file and ({_shown(here)}) here, both as version {version}",
            "",
            f"use {brought}, as the file was written with",
        )
    return {key: op.params[key] if here.get(key) == kind else kind_named(kind) for key, kind in schema.items()}


def kind_named(name: str) -> Kind:
    """The kind of that name. Raises FileFormatError for one that only a plugin knows.

    >>> kind_named("int*?").name
    'int*?'
    """
    base = name.rstrip("*?")
    suffix = name[len(base) :]
    if name == GRAPHS.name:
        return GRAPHS
    if base not in KINDS or len(suffix) > 4:
        raise FileFormatError(f"no kind of params is called {name!r:.80}", "", "have the file written again")
    kind = KINDS[base]
    for mark in suffix:
        kind = many(kind) if mark == "*" else optional(kind)
    return kind


def _shown(schema: Mapping[str, str]) -> str:
    return ", ".join(f"{key}: {kind}" for key, kind in schema.items())


def read_types(cursor: Cursor, limits: Limits, where: str, bad: Damaged) -> Table[AnyType]:
    """The table of types; the record of a trail stands before it."""
    table: Table[AnyType] = Table("types")
    known: set[AnyType] = set()
    for x in cursor.records():
        t = unpack_type(x, table.rows, limits, where, bad)
        if t in known:
            raise bad(f"type {t} stands there twice")
        known.add(t)
        table.add(t, x[0] if isinstance(t, Trail) else ())
    return table


def read_tensors(cursor: Cursor, section: memoryview, verify: bool, where: str, bad: Damaged) -> Table[memoryview]:
    """The bytes of every tensor, not copied. verify: read them all and compare their hashes."""
    sizes, hashes = [], []
    for x in cursor.records():
        size, digest = row(x, 2, bad)
        if type(digest) is not bytes or len(digest) != 32:
            raise bad("a tensor has no sha256")
        sizes.append(integer(size, INLINE + 1, 2**63, bad))
        hashes.append(digest)
    if len(set(hashes)) != len(hashes):
        raise bad("a tensor stands there twice")
    table: Table[memoryview] = Table("tensors")
    for i, (span, digest) in enumerate(zip(tensor_spans(sizes, section, where), hashes, strict=True)):
        if verify and hashlib.sha256(span).digest() != digest:
            raise damaged(f"the checksum of tensor {i} is wrong", where)
        table.add(span)
    return table
