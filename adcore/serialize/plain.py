"""Types, sizes and trees as plain data (None, bool, int, str, bytes, tuples), and back.

size ::= int | [[[name, coefficient]...], constant]
type ::= [dtype, [size...]] | [[type...], length | nil]       the second is a trail, its record by table index
tree ::= ["leaf"] | ["static", value] | ["tuple", [tree...]] | ["list", [tree...]]
       | ["dict", [key...], [tree...]] | ["record", name, [field...], [tree...]]
value, key ::= nil | bool | int | string | 8 bytes (a float64, little-endian)
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Iterable, Sequence
from string import Formatter
from typing import Any

import numpy as np

from adcore.errors import FileFormatError, GraphError
from adcore.params import INT64
from adcore.serialize.limits import Limits, keep
from adcore.tree import LEAF, Tree
from adcore.types import DTYPES, AnyType, Dim, Trail, Type

Damaged = Callable[[str], FileFormatError]
"""Makes the error of the file that is being read."""

INLINE = 64
"""Constants of up to this many bytes stand in the meaning itself."""

DTYPE_OF = {name: np.dtype(name) for name in DTYPES}
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,99}\Z")
IDENTIFIER = re.compile(r"[^\W\d]\w*\Z")


# --- strings and ints ----------------------------------------------------------------------------


def label(x: Any, bad: Damaged) -> str:
    """A name that may be printed: a string without control characters."""
    if type(x) is not str or not (x.isprintable() or x == ""):
        raise bad(f"{x!r:.80} is no name")
    return x


TEMPLATES = "write it as text with {}, or {0:.3g}, for the values that it shows; {{ is a brace"
PLACE = re.compile(r"[0-9]{1,3}\Z")
FORMAT = re.compile(r"(\.?\d{1,2})?[defgrs]?\Z")


def template(x: Any, shown: int, bad: Damaged) -> str:
    """The message of a check: fields are `{}` or numbers below `shown`, so to fill it in reads nothing else."""
    if type(x) is not str or not x.replace("\n", "").isprintable():
        raise bad(f"{x!r:.80} is no message of a check")
    try:
        fields = [(name, spec, how) for _, name, spec, how in Formatter().parse(x) if name is not None]
    except ValueError:
        raise bad(f"{x!r:.80} has braces that enclose no field") from None
    names = [name for name, _, _ in fields]
    counted = [str(i) for i in range(len(names))] if not any(names) else names
    if not all(PLACE.match(n) and int(n) < shown for n in counted):
        raise bad(f"{x!r:.80} has fields for other than the {shown} values of its check")
    if not all(FORMAT.match(spec or "") and how is None for _, spec, how in fields):
        raise bad(f"{x!r:.80} has a field that is more than a place and a precision")
    return x


def word(x: Any, bad: Damaged) -> str:
    """The domain or name of an op, a kind, a feature: letters, digits, `_`, `.` and `-`."""
    if type(x) is not str or not WORD.match(x):
        raise bad(f"{x!r:.80} is no plain name")
    return x


def integer(x: Any, low: int, high: int, bad: Damaged) -> int:
    """An int with low <= x < high."""
    if type(x) is not int or not low <= x < high:
        raise bad(f"{x!r:.80} is no integer from {low} to {high - 1}")
    return x


def row(x: Any, length: int, bad: Damaged) -> tuple[Any, ...]:
    """A tuple of that length."""
    if type(x) is not tuple or len(x) != length:
        raise bad(f"a record of {length} was expected")
    return x


def rows(x: Any, bad: Damaged) -> tuple[Any, ...]:
    """A tuple of any length."""
    if type(x) is not tuple:
        raise bad("an array was expected")
    return x


# --- types ---------------------------------------------------------------------------------------


def pack_size(n: Any) -> Any:
    """A size as plain data."""
    return [[list(t) for t in n.terms], n.constant] if isinstance(n, Dim) else int(n)


def unpack_size(x: Any, bad: Damaged) -> Any:
    """A size: an int from 0, or a Dim in its one form (names sorted, no coefficient 0)."""
    if type(x) is int:
        return integer(x, 0, 2**63, bad)
    return unpack_dim(x, bad)


def unpack_dim(x: Any, bad: Damaged) -> Dim:
    """A Dim in its one form."""
    terms, constant = row(x, 2, bad)
    found = []
    for term in rows(terms, bad):
        name, coefficient = row(term, 2, bad)
        found.append((label(name, bad), integer(coefficient, -(2**63), 2**63, bad)))
    names = [name for name, _ in found]
    if not found or any(c == 0 for _, c in found) or names != sorted(set(names)):
        raise bad("a size is not in its one form")
    return Dim(tuple(found), integer(constant, -(2**63), 2**63, bad))


def pack_type(t: AnyType, index: Callable[[AnyType], int]) -> Any:
    """A type as plain data; index gives the place of a type in the table of types."""
    if isinstance(t, Type):
        return [t.dtype.name, [pack_size(n) for n in t.shape]]
    return [[index(r) for r in t.record], None if t.length is None else pack_size(t.length)]


def unpack_type(x: Any, known: Sequence[AnyType], limits: Limits, where: str, bad: Damaged) -> AnyType:
    """A type; the record of a trail is made of types that are known already."""
    first, second = row(x, 2, bad)
    if type(first) is str:
        if first not in DTYPE_OF:
            raise bad(f"{first!r:.80} is no dtype")
        keep(limits, "rank", len(rows(second, bad)), where)
        t = Type(DTYPE_OF[first], tuple([unpack_size(n, bad) for n in second]))
        sizes = [n for n in t.shape if type(n) is int]
        if math.prod(max(n, 1) for n in sizes) * t.dtype.itemsize >= 2**63:
            raise bad(f"{t} has too many elements")
        return t
    record: list[Type] = []
    for i in rows(first, bad):
        member = known[integer(i, 0, len(known), bad)]
        if not isinstance(member, Type):
            raise bad("the record of a trail holds a trail")
        record.append(member)
    return Trail(tuple(record), None if second is None else unpack_size(second, bad))


def has_dim(x: Any) -> bool:
    """True when a named size occurs in a type, or in a param (nested tuples)."""
    if isinstance(x, Type):
        return any(isinstance(n, Dim) for n in x.shape)
    if isinstance(x, Trail):
        return isinstance(x.length, Dim) or any(map(has_dim, x.record))
    return isinstance(x, Dim) or (isinstance(x, tuple) and any(map(has_dim, x)))


def dim_names(x: Any) -> set[str]:
    """The names of all sizes in a type, or in a param."""
    if isinstance(x, Dim):
        return {name for name, _ in x.terms}
    if isinstance(x, Type):
        return dim_names(x.shape)
    if isinstance(x, Trail):
        return dim_names((x.length, *x.record))
    return set().union(*map(dim_names, x)) if isinstance(x, tuple) else set()


# --- trees ---------------------------------------------------------------------------------------


def pack_tree(tree: Tree, path: str, where: str, depth: int = 64) -> Any:
    """A tree as plain data. Raises GraphError for a static value or key that no file can hold.

    path: what the nested value is called in errors.
    """
    if depth < 0:
        raise GraphError(f"{path} is nested too deep for a file", where, "nest it less deep")
    if tree.kind == "leaf":
        return ["leaf"]
    if tree.kind == "static":
        return ["static", _pack_static(tree.value, path, where)]
    children = [
        pack_tree(child, f"{path}.{tree.keys[i]}" if tree.keys else f"{path}[{i}]", where, depth - 1)
        for i, child in enumerate(tree.children)
    ]
    if tree.kind == "dict":
        return ["dict", [_pack_static(k, f"a key of {path}", where) for k in tree.keys], children]
    if tree.kind == "record":
        return ["record", tree.name, list(tree.keys), children]
    return [tree.kind, children]


def _pack_static(x: Any, path: str, where: str) -> Any:
    if x is None or type(x) in (bool, str) or (type(x) is int and x in INT64):
        return x
    if type(x) is float:
        return struct.pack("<d", x)
    raise GraphError(
        f"{path} is {x!r:.80}, which a file cannot hold",
        where,
        "trace a function that has it inside: ad.trace(lambda x: f(x, value), x), or static=[name]",
    )


def unpack_tree(x: Any, limits: Limits, where: str, bad: Damaged, depth: int = 0) -> Tree:
    """A tree; a record has no class, so it is built as a SimpleNamespace."""
    kind = rows(x, bad)[0] if x else None
    keep(limits, "depth", depth, where)
    if kind == "leaf":
        row(x, 1, bad)
        return LEAF
    if kind == "static":
        return Tree("static", value=_unpack_static(row(x, 2, bad)[1], bad))
    if kind not in ("tuple", "list", "dict", "record"):
        raise bad(f"{kind!r:.80} is no kind of tree")
    children = tuple([unpack_tree(child, limits, where, bad, depth + 1) for child in rows(x[-1], bad)])
    if kind in ("tuple", "list"):
        row(x, 2, bad)
        return Tree(kind, (), children)
    if kind == "dict":
        keys: Iterable[Any] = [_unpack_static(k, bad) for k in rows(row(x, 3, bad)[1], bad)]
    else:
        keys = [field(k, bad) for k in rows(row(x, 4, bad)[2], bad)]
    keys = tuple(keys)
    if len(set(keys)) != len(keys) or len(keys) != len(children):
        raise bad("a dict or record names a member twice, or not at all")
    return Tree(kind, keys, children, label(x[1], bad) if kind == "record" else "")


def field(x: Any, bad: Damaged) -> str:
    """The name of a field of a record."""
    if type(x) is not str or not IDENTIFIER.match(x) or x.startswith("__"):
        raise bad(f"{x!r:.80} is no field of a record")
    return x


def _unpack_static(x: Any, bad: Damaged) -> Any:
    if x is None or type(x) in (bool, str):
        return x
    if type(x) is int:
        return integer(x, -(2**63), 2**63, bad)
    if type(x) is bytes and len(x) == 8:
        return struct.unpack("<d", x)[0]
    raise bad(f"{x!r:.80} is no static value")
