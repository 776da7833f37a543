"""Kinds of static params: how each is normalised, told apart, and turned into plain data and back.

Params are compared by kind and content, never by Python equality, for which 1 == 1.0 == True
and 0.0 == -0.0. An op declares the kind of each of its params; a kind is also its line in the file format.

>>> FLOAT.key(0.0) == FLOAT.key(-0.0), INTS.normalise([1, 2])
(False, (1, 2))
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from adcore.errors import OpError
from adcore.graph import Graph
from adcore.types import DTYPES, Dim, Type

INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of param.

    normalise: a value as the user gave it to the one Python form; raises TypeError or ValueError.
    key: hashable, equal exactly when two normalised values are the same.
    pack, unpack: to and from plain data (None, bool, int, str, bytes, list).
    shape_like: its ints are sizes and positions, so in a graph with named sizes they may be a Dim.
    graphs: it holds sub-graphs, which a file keeps in a table of their own.
    """

    name: str
    normalise: Callable[[Any], Any]
    key: Callable[[Any], Hashable]
    pack: Callable[[Any], Any]
    unpack: Callable[[Any], Any]
    shape_like: bool = False
    graphs: bool = False


def _same(x: Any) -> Any:
    return x


def _int(x: Any) -> int:
    if isinstance(x, bool | np.bool_) or not hasattr(x, "__index__"):
        raise TypeError(f"an int is needed, not {x!r}")
    value = int(x.__index__())
    if value not in INT64:
        raise ValueError(f"{value} does not fit 64 bits")
    return value


def _size(x: Any) -> Any:
    return x if isinstance(x, Dim) else _int(x)


def _pack_size(x: Any) -> Any:
    return [[list(t) for t in x.terms], x.constant] if isinstance(x, Dim) else x


def _unpack_size(x: Any) -> Any:
    if isinstance(x, list):
        terms, constant = x
        return sum((Dim.named(_str(n)) * _int(c) for n, c in terms), _int(constant))
    return _int(x)


def _type(x: Any) -> Type:
    if not isinstance(x, Type):
        raise TypeError(f"the type of an array is needed, not {x!r}")
    return x


def _pack_type(t: Type) -> Any:
    return [t.dtype.name, [_pack_size(n) for n in t.shape]]


def _unpack_type(x: Any) -> Type:
    dtype, shape = x
    return Type(_dtype(_str(dtype)), tuple(map(_unpack_size, shape)))


def _bool(x: Any) -> bool:
    if not isinstance(x, bool | np.bool_):
        raise TypeError(f"a bool is needed, not {x!r}")
    return bool(x)


def _float(x: Any) -> float:
    if isinstance(x, bool) or not isinstance(x, int | float | np.integer | np.floating):
        raise TypeError(f"a float is needed, not {x!r}")
    return float(x)


def _str(x: Any) -> str:
    if not isinstance(x, str):
        raise TypeError(f"a str is needed, not {x!r}")
    return x


def _dtype(x: Any) -> np.dtype[Any]:
    dtype: np.dtype[Any] = np.dtype(x)
    if dtype.name not in DTYPES:
        raise TypeError(f"dtype {dtype.name} is not one of {', '.join(DTYPES)}")
    return np.dtype(dtype.name)


def _graph(x: Any) -> Graph:
    if not isinstance(x, Graph):
        raise TypeError(f"a graph is needed, not {x!r}")
    return x


def _float_bits(x: float) -> bytes:
    return struct.pack("<d", x)


INT = Kind("int", _int, _same, _same, _int)
SIZE = Kind("size", _size, _same, _pack_size, _unpack_size, shape_like=True)
BOOL = Kind("bool", _bool, _same, _same, _bool)
FLOAT = Kind("float", _float, _float_bits, _float_bits, lambda b: struct.unpack("<d", b)[0])
STR = Kind("str", _str, _same, _same, _str)
DTYPE = Kind("dtype", _dtype, lambda d: d.name, lambda d: d.name, _dtype)
TYPE = Kind("type", _type, _same, _pack_type, _unpack_type, shape_like=True)
GRAPH = Kind("graph", _graph, id, _same, _graph, graphs=True)


def many(kind: Kind) -> Kind:
    """A tuple of that kind."""
    return Kind(
        f"{kind.name}*",
        lambda x: tuple(map(kind.normalise, _members(x))),
        lambda x: tuple(map(kind.key, x)),
        lambda x: list(map(kind.pack, x)),
        lambda x: tuple(map(kind.unpack, x)),
        kind.shape_like,
        kind.graphs,
    )


def _members(x: Any) -> Iterable[Any]:
    """The members of a tuple, list or array; a single value alone."""
    if isinstance(x, str) or getattr(x, "ndim", None) == 0 or not isinstance(x, Iterable):
        return (x,)
    return x


def optional(kind: Kind) -> Kind:
    """That kind, or None."""

    def unless_none(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda x: None if x is None else f(x)

    return replace(
        kind,
        name=f"{kind.name}?",
        normalise=unless_none(kind.normalise),
        key=unless_none(kind.key),
        pack=unless_none(kind.pack),
        unpack=unless_none(kind.unpack),
    )


INTS = many(INT)
SHAPE = many(SIZE)
GRAPHS = Kind("graph*", lambda x: tuple(map(_graph, x)), lambda x: tuple(map(id, x)), list, tuple, graphs=True)


def normalise(op: str, schema: dict[str, Kind], params: dict[str, Any]) -> dict[str, Any]:
    """The params in their one form and in the order of the schema. Raises OpError naming op and param."""
    if not schema and not params:
        return params
    if params.keys() != schema.keys():
        wrong = sorted(params.keys() ^ schema.keys())
        raise OpError(f"{op}: param {wrong[0]} is missing or unknown", f"it takes: {', '.join(schema) or 'none'}")
    result = {}
    for name, kind in schema.items():
        try:
            result[name] = kind.normalise(params[name])
        except (TypeError, ValueError) as e:
            raise OpError(f"{op}: param {name}: {e}", f"its kind is {kind.name}") from None
    return result
