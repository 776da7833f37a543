"""What a graph file may hold at most, so that a hostile one costs bounded time and memory.

Every limit is checked before the thing it limits is built. Raise one for a file that you trust:
`ad.load(path, limits={"nodes": 20_000_000})`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from adcore.errors import FileFormatError, InputError


@dataclass(frozen=True, slots=True)
class Limits:
    """Largest sizes that are read, and written.

    body: bytes of the meaning, and of the notes.   record: bytes of one entry (a node, the params of
    a call, a tree).   nodes: of all graphs, a sub-graph counted once per use.   values: likewise.
    entries: rows of any other table.   rank: axes of an array.   depth: nested trees, and graphs
    within graphs.   probe: bytes of the arrays on which an op that states no `infer` is run to infer its types.
    """

    body: int = 64 << 20
    record: int = 1 << 20
    nodes: int = 5_000_000
    values: int = 10_000_000
    entries: int = 1_000_000
    rank: int = 32
    depth: int = 64
    probe: int = 256 << 20


DEFAULT = Limits()


def raised(changes: Mapping[str, int]) -> Limits:
    """The default limits with some changed. Raises InputError for one that is unknown.

    >>> raised({"nodes": 10}).nodes
    10
    """
    wrong = [name for name, n in changes.items() if name not in WORDS or type(n) is not int or n < 0]
    if wrong:
        raise InputError(
            f"limit {wrong[0]!r} is unknown or no positive integer", "in limits=", f"there are: {', '.join(WORDS)}"
        )
    return replace(DEFAULT, **changes)


def keep(limits: Limits, name: str, found: int, where: str) -> None:
    """Raise FileFormatError when a limit is passed, naming the limit and how to raise it."""
    most: int = getattr(limits, name)
    if found > most:
        raise FileFormatError(
            f"{found} is more than the limit of {most} {WORDS[name]}",
            where,
            f"if you trust it, raise the limit: ad.load(path, limits={{{name!r}: {found}}})",
        )


WORDS = {
    "body": "bytes of meaning or notes",
    "record": "bytes in one entry",
    "nodes": "nodes",
    "values": "values",
    "entries": "rows in a table",
    "rank": "axes",
    "depth": "levels of nesting",
    "probe": "bytes to infer types with",
}
