"""Watches: the flat list of what was read off Python objects, with what was found there.

`hold` compares the list with what is there now: by identity, about 40 ns an entry; arrays by their bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import is_
from typing import Any

import numpy as np

from adcore.types import Array, DType

MISSING: Any = object()
"""What is found under a name that is not there."""

_CHUNK = 1 << 18


class Watches:
    """What was found, by how it is read again."""

    __slots__ = ("arrays", "attributes", "cells", "contents", "count", "names")

    def __init__(self) -> None:
        self.names: list[tuple[Any, str, Any]] = []
        self.cells: list[tuple[Any, Any]] = []
        self.attributes: list[tuple[Any, str, Any]] = []
        self.contents: list[tuple[Any, Callable[[Any], Iterable[Any]], tuple[Any, ...]]] = []
        self.arrays: list[tuple[Array, DType, tuple[int, ...], tuple[int, ...], Any]] = []
        self.count = 0

    def name(self, mapping: Any, name: str, value: Any) -> None:
        """mapping.get(name) is value (MISSING: is not there)."""
        self.names.append((mapping, name, value))
        self.count += 1

    def cell(self, cell: Any, value: Any) -> None:
        """The cell of a closure holds value."""
        self.cells.append((cell, value))
        self.count += 1

    def attribute(self, x: Any, name: str, value: Any) -> None:
        """x.name is value. Only for attributes that run no code of a user's."""
        self.attributes.append((x, name, value))
        self.count += 1

    def content(self, x: Any, read: Callable[[Any], Iterable[Any]], items: tuple[Any, ...]) -> None:
        """The items that read(x) gives; there are len(x) of them."""
        self.contents.append((x, read, items))
        self.count += 1 + len(items)

    def array(self, a: Array) -> None:
        """The bytes of an array, of which a copy is kept."""
        copy = a.tobytes() if a.nbytes <= 4096 else raw(a).copy()
        self.arrays.append((a, a.dtype, a.shape, a.strides, copy))
        self.count += 1

    def hold(self) -> bool:
        """True when everything is as it was."""
        try:
            for mapping, name, value in self.names:
                if mapping.get(name, MISSING) is not value:
                    return False
            for cell, value in self.cells:
                if cell.cell_contents is not value:
                    return False
            for x, name, value in self.attributes:
                if getattr(x, name, MISSING) is not value:
                    return False
            for x, read, items in self.contents:
                if len(x) != len(items) or not all(map(is_, read(x), items)):
                    return False
            for a, dtype, shape, strides, copy in self.arrays:
                if a.shape != shape or a.dtype is not dtype or a.strides != strides or not _same_bytes(a, copy):
                    return False
        except (ValueError, RuntimeError):  # a cell was emptied, a container changed while it was read
            return False
        return True


def raw(a: Array) -> Array:
    """The bytes of an array as a flat array, in C order."""
    return np.ascontiguousarray(a.view(np.ndarray)).reshape(-1).view(np.uint8)


def _same_bytes(a: Array, copy: Any) -> bool:
    if copy.__class__ is bytes:
        return bool(a.tobytes() == copy)
    now = raw(a)
    return all(bool((now[i : i + _CHUNK] == copy[i : i + _CHUNK]).all()) for i in range(0, now.size, _CHUNK))
