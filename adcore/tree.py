"""Nested arguments and results: dicts, tuples, lists and records, taken apart and put together again.

tree ::= leaf                     one array or number
       | static value             anything else: kept, never traced (None, a string, a callable)
       | tuple tree* | list tree* | dict (key tree)* | record name (field tree)*

A record is a NamedTuple, a dataclass instance or a SimpleNamespace, which is also what a record is
built as in a process where its class is not known (a graph file read elsewhere).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Tree:
    """The shape of a nested value; `leaves` counts its leaves."""

    kind: str  # leaf, static, tuple, list, dict, record
    keys: tuple[Any, ...] = ()  # of a dict; field names of a record
    children: tuple[Tree, ...] = ()
    name: str = ""  # of a record: its class's name
    value: Any = None  # of a static
    make: Callable[..., Any] | None = field(default=None, compare=False)  # of a record: builds it by keyword
    leaves: int = field(init=False, compare=False, default=0)

    def __post_init__(self) -> None:
        count = 1 if self.kind == "leaf" else sum(child.leaves for child in self.children)
        object.__setattr__(self, "leaves", count)


LEAF = Tree("leaf")


def is_number(x: Any) -> bool:
    """True for what is an array or a number: Python, NumPy, or traced."""
    if isinstance(x, bool | int | float | complex | np.ndarray | np.generic):
        return True
    return hasattr(type(x), "__array_ufunc__")


def level(x: Any) -> tuple[str, tuple[Any, ...], list[Any], Callable[..., Any] | None]:
    """Kind, keys, members and builder of the outermost level of a nested value."""
    if isinstance(x, dict):
        return "dict", tuple(x), list(x.values()), None
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return "record", tuple(x._fields), list(x), type(x)
    if isinstance(x, tuple):
        return "tuple", (), list(x), None
    if isinstance(x, list):
        return "list", (), x, None
    if isinstance(x, SimpleNamespace):
        return "record", tuple(vars(x)), list(vars(x).values()), SimpleNamespace
    if dataclasses.is_dataclass(x) and not isinstance(x, type):
        names = tuple(f.name for f in dataclasses.fields(x))
        return "record", names, [getattr(x, n) for n in names], type(x)
    return "static", (), [], None


def flatten(x: Any, is_leaf: Callable[[Any], bool] = is_number) -> tuple[list[Any], Tree]:
    """The leaves of a nested value, in order, and its tree.

    >>> leaves, tree = flatten({"w": 1.0, "b": (2.0, 3.0)})
    >>> leaves, unflatten(tree, [10, 20, 30])
    ([1.0, 2.0, 3.0], {'w': 10, 'b': (20, 30)})
    """
    if is_leaf(x):
        return [x], LEAF
    kind, keys, members, make = level(x)
    if kind == "static":
        return [], Tree("static", value=x)
    leaves: list[Any] = []
    children = []
    for member in members:
        found, child = flatten(member, is_leaf)
        leaves += found
        children.append(child)
    return leaves, Tree(kind, keys, tuple(children), type(x).__name__ if make else "", make=make)


def flatten_as(x: Any, tree: Tree, is_leaf: Callable[[Any], bool] = is_number) -> list[Any] | None:
    """The leaves of a value nested as `tree` is, in its order: members of dicts and records go by key.

    A leaf may be None. Tuples and lists are alike. None comes back when the value is nested otherwise.

    >>> flatten_as({"b": (2.0, 3.0), "w": None}, flatten({"w": 1.0, "b": (2.0, 3.0)})[1])
    [None, 2.0, 3.0]
    """
    if tree.kind == "leaf":
        return [x] if x is None or is_leaf(x) else None
    if tree.kind == "static":
        return []
    if is_leaf(x):
        return None
    _, keys, members, _ = level(x)
    if len(members) != len(tree.children) or set(keys) != set(tree.keys):
        return None
    if keys:
        by_key = dict(zip(keys, members, strict=True))
        members = [by_key[k] for k in tree.keys]
    leaves: list[Any] = []
    for member, child in zip(members, tree.children, strict=True):
        found = flatten_as(member, child, is_leaf)
        if found is None:
            return None
        leaves += found
    return leaves


def unflatten(tree: Tree, leaves: Sequence[Any]) -> Any:
    """The nested value of that tree with these leaves. The inverse of `flatten`."""
    return _build(tree, iter(leaves))


def _build(tree: Tree, leaves: Iterator[Any]) -> Any:
    if tree.kind == "leaf":
        return next(leaves)
    if tree.kind == "static":
        return tree.value
    members = [_build(child, leaves) for child in tree.children]
    if tree.kind == "tuple":
        return tuple(members)
    if tree.kind == "list":
        return members
    fields = dict(zip(tree.keys, members, strict=True))
    if tree.kind == "dict":
        return fields
    return (tree.make or SimpleNamespace)(**fields)


def paths(tree: Tree, root: str) -> list[str]:
    """The name of every leaf: `root`, `root.key` (dict, record) or `root[0]` (tuple, list).

    >>> paths(flatten({"w": 1.0, "b": (2.0, 3.0)})[1], "params")
    ['params.w', 'params.b[0]', 'params.b[1]']
    """
    if tree.kind == "leaf":
        return [root]
    names: list[str] = []
    for i, child in enumerate(tree.children):
        names += paths(child, f"{root}.{tree.keys[i]}" if tree.keys else f"{root}[{i}]")
    return names


def select(tree: Tree, keep: Sequence[bool]) -> Tree:
    """The same tree with the leaves that are not kept made static None."""
    flags = iter(keep)

    def walk(t: Tree) -> Tree:
        if t.kind == "leaf":
            return LEAF if next(flags) else Tree("static")
        return dataclasses.replace(t, children=tuple(walk(c) for c in t.children))

    return walk(tree)
