"""The fingerprint of a function: a value that changes whenever anything the function can read changes.

It covers code, defaults, closure cells, globals (through helper functions, nested code, modules'
attributes), and the attributes of objects: numbers by canonical bytes, arrays and containers by
content, everything else by identity. What cannot be told (a random generator, an open file, a class
made in C) makes the fingerprint None, which is never cached: yesterday's gradient must be impossible.

    watches ::= (name of a dict -> object)* (cell -> object)* (attribute -> object)*
                (container -> objects)* (array -> bytes)*

The first call of `state` walks over all that is reachable and compiles that flat list; later calls
compare identities along it, and walk again only when one differs.
"""

from __future__ import annotations

import functools
import itertools
import types
from collections.abc import Callable
from operator import is_
from typing import Any

import numpy as np

from adcore.errors import AdcoreError

MOST_WATCHES = 100_000
MOST_STATES = 256
"""How many states a fingerprint tells apart by number before it forgets the older ones."""

_MISSING: Any = object()
_counter = itertools.count()


class Is:
    """An object, compared by identity and kept alive, so that its id is not used again."""

    __slots__ = ("object",)

    def __init__(self, x: Any) -> None:
        self.object = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Is) and other.object is self.object

    def __hash__(self) -> int:
        return id(self.object)


class Unknown(AdcoreError):
    """Internal: something that may change unseen was reached."""


class Fingerprint:
    """The fingerprint of one object, usually a function; `state()` is its value now."""

    __slots__ = ("_known", "_now", "reason", "root")

    def __init__(self, root: Any) -> None:
        self.root = root
        self.reason = ""
        self._now: tuple[Watches, int] | None = None
        self._known: dict[tuple[Any, ...], int] = {}

    def state(self) -> int | None:
        """A number that is the same only while everything reachable is the same; None: cannot be told.

        Numbers are never used twice in a process. Costs about 0.1 us per name that the function reads.
        """
        now = self._now
        if now is not None and now[0].hold():
            return now[1]
        return None if self.reason else self._walk()

    def _walk(self) -> int | None:
        try:
            watches, key = walk(self.root)
        except (Unknown, RecursionError) as e:
            self.reason, self._now = str(e) or type(e).__name__, None
            _log(self.root, self.reason)
            return None
        number = self._known.get(key)
        if number is None:
            if len(self._known) >= MOST_STATES:
                self._known.clear()
            number = self._known[key] = next(_counter)
        self._now = (watches, number)
        return number


def fingerprint(f: Any) -> Fingerprint:
    """The fingerprint of a function, a callable object, or any value.

    >>> scale = [2.0]
    >>> print_ = fingerprint(lambda x: x * scale[0])
    >>> before = print_.state()
    >>> before == print_.state()
    True
    >>> scale[0] = 3.0
    >>> before == print_.state()
    False
    """
    return Fingerprint(f)


@functools.lru_cache(maxsize=1024)
def _log(root: Any, reason: str) -> None:
    import logging

    name = getattr(root, "__qualname__", type(root).__name__)
    logging.getLogger("adcore").warning("derivatives of %s are made anew at each call: %s", name, reason)


class Watches:
    """The flat list of what was read, with what was found."""

    __slots__ = ("arrays", "attributes", "cells", "containers", "names")

    def __init__(self) -> None:
        self.names: list[tuple[dict[str, Any], str, Any]] = []
        self.cells: list[tuple[types.CellType, Any]] = []
        self.attributes: list[tuple[Any, str, Any]] = []
        self.containers: list[tuple[Any, Callable[[Any], Any], tuple[Any, ...]]] = []
        self.arrays: list[tuple[Any, Any, tuple[int, ...], tuple[int, ...], Any]] = []

    def hold(self) -> bool:
        """True when everything is as it was."""
        try:
            for d, name, value in self.names:
                if d.get(name, _MISSING) is not value:
                    return False
            for cell, value in self.cells:
                if cell.cell_contents is not value:
                    return False
            for x, name, value in self.attributes:
                if getattr(x, name, _MISSING) is not value:
                    return False
            for x, read, items in self.containers:
                if len(x) != len(items) or not all(map(is_, read(x), items)):
                    return False
            for a, dtype, shape, strides, copy in self.arrays:
                if a.shape != shape or a.dtype is not dtype or a.strides != strides or not _same_bytes(a, copy):
                    return False
        except (ValueError, RuntimeError):  # a cell was emptied, a container changed while it was read
            return False
        return True

    def count(self) -> int:
        """How many things are watched."""
        return len(self.names) + len(self.cells) + len(self.attributes) + len(self.containers) + len(self.arrays)


_SMALL, _CHUNK = 1 << 12, 1 << 18


def _raw(a: Any) -> Any:
    """The bytes of an array as a flat array, in C order."""
    return np.ascontiguousarray(a.view(np.ndarray)).reshape(-1).view(np.uint8)


def _same_bytes(a: Any, copy: Any) -> bool:
    if copy.__class__ is bytes:
        return bool(a.tobytes() == copy)
    raw = _raw(a)
    return all(bool((raw[i : i + _CHUNK] == copy[i : i + _CHUNK]).all()) for i in range(0, raw.size, _CHUNK))


def walk(root: Any) -> tuple[Watches, tuple[Any, ...]]:
    """All that is reachable from root: the list that is watched, and a key that is equal for equal content.

    Raises Unknown when something may change unseen.
    """
    raise Unknown("nothing is walked over yet")
