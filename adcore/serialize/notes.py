"""What a file tells beside the meaning: who wrote it, who brought its ops, where its nodes were made.

Nothing here changes what a graph computes, and none of it is part of the identity. Sources are shown
in errors and never opened: a path is relative, without `..`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from adcore.errors import FileFormatError
from adcore.graph import Source
from adcore.serialize.container import damaged
from adcore.serialize.cursor import Cursor
from adcore.serialize.limits import Limits
from adcore.serialize.plain import Damaged, integer, label, row


@dataclass(frozen=True, slots=True)
class Notes:
    """The notes of a file.

    brought: distribution and version for each op of the file, "" where it is not known.
    names: of the graphs. sources: the table of places; the first is None.
    places: for each graph, the bytes of one little-endian uint32 per node, then per check: a row of `sources`.
    hints: text by key.
    """

    producer: str
    brought: tuple[tuple[str, str], ...]
    names: tuple[str, ...]
    sources: tuple[Source | None, ...]
    places: tuple[bytes, ...]
    hints: tuple[tuple[str, str], ...]

    def sources_of(self, graph: int, where: str) -> list[Source | None]:
        """Where the nodes of a graph, and then its checks, were made."""
        raw = self.places[graph]
        places = np.frombuffer(raw[: len(raw) // 4 * 4], "<u4")
        if len(raw) % 4 or (len(places) and int(places.max()) >= len(self.sources)):
            raise damaged("a node is from a place that its notes do not tell of", where)
        sources = self.sources
        return [sources[i] for i in places.tolist()]


def read_notes(raw: bytes, limits: Limits, where: str) -> Notes:
    """The notes from their bytes. Raises FileFormatError."""
    cursor = Cursor(raw, limits, f"notes of {where}")

    def bad(what: str) -> FileFormatError:
        return damaged(what, f"notes of {where}, byte {cursor.at}")

    cursor.array(length=7)
    producer = label(cursor.record(), bad)
    brought = tuple([_two_labels(x, bad) for x in cursor.records()])
    names = tuple([label(x, bad) for x in cursor.records()])
    files = [_relative(x, bad) for x in cursor.records()]
    sources: list[Source | None] = [None]
    for x in cursor.records("nodes"):
        file, line = row(x, 2, bad)
        sources.append(Source(files[integer(file, 0, len(files), bad)], integer(line, 0, 2**31, bad)))
    places = tuple([_bytes(cursor.record(limits.body), bad) for _ in cursor.array()])
    hints = tuple([_two_labels(x, bad) for x in cursor.records()])
    cursor.end()
    if len({key for key, _ in hints}) != len(hints) or len(places) != len(names):
        raise bad("they tell something twice, or not at all")
    return Notes(producer, brought, names, tuple(sources), places, hints)


def _two_labels(x: Any, bad: Damaged) -> tuple[str, str]:
    first, second = row(x, 2, bad)
    return label(first, bad), label(second, bad)


def _relative(x: Any, bad: Damaged) -> str:
    """The path of a source file: relative, so that nobody takes it for a file of this machine."""
    parts = label(x, bad).replace("\\", "/").split("/")
    if "" in parts or ".." in parts or parts[0].endswith(":"):
        raise bad(f"{x!r:.80} is no relative path")
    return str(x)


def _bytes(x: Any, bad: Damaged) -> bytes:
    if type(x) is not bytes:
        raise bad("bytes were expected")
    return x
