"""The fingerprint of a function: a value that changes whenever anything the function can read changes.

It covers code, defaults, closure cells, globals (through helper functions, nested code, modules'
attributes), and the attributes of objects: numbers by canonical bytes, arrays and containers by
content, everything else by identity. What cannot be told (a random generator, an open file, a class
made in C) makes the fingerprint None, which is never cached: yesterday's gradient must be impossible.

The first call of `state` walks over all that is reachable (`adcore.walk`); later calls compare what was
found with what is there (`adcore.watch`), and walk again only when something differs.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable
from typing import Any

from adcore.walk import UnknownError, Walk
from adcore.watch import Watches


class State:
    """All that a function can read at one time. Equal states mean the same function; the hash is kept."""

    __slots__ = ("_hash", "key")

    def __init__(self, key: Hashable) -> None:
        self.key = key
        self._hash = hash(key)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, State) and self._hash == other._hash and self.key == other.key)

    def __hash__(self) -> int:
        return self._hash


class Fingerprint:
    """The fingerprint of one object, usually a function; `state()` is its value now.

    >>> scale = [2.0]
    >>> fingerprint = Fingerprint(lambda x: x * scale[0])
    >>> before = fingerprint.state()
    >>> fingerprint.state() == before
    True
    >>> scale[0] = 3.0
    >>> fingerprint.state() == before
    False
    """

    __slots__ = ("_watches", "known", "root")

    def __init__(self, root: Any) -> None:
        self.root = root
        self.known: State | None = None
        self._watches: Watches | None = None

    def state(self) -> State | None:
        """What can be read now; None when it cannot be told. About 0.05 us per name, a walk when it changed."""
        if self._watches is not None and self._watches.hold():
            return self.known
        self._watches = self.known = None
        try:
            walk = Walk(self.root)
        except UnknownError as e:
            name = getattr(self.root, "__qualname__", type(self.root).__name__)
            _log(name, str(e))
            return None
        self._watches, self.known = walk.watches, State(walk.key)
        return self.known


@functools.lru_cache(maxsize=1024)
def _log(name: str, reason: str) -> None:
    """Say once why a function is traced at each call."""
    import logging

    logging.getLogger("adcore").warning("derivatives of %s are made anew at each call: %s", name, reason)
