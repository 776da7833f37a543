"""Reading one canonical msgpack value record by record, so that a forged length builds nothing large.

A file holds arrays, strings, bytes, ints, bools and nil; never a map, a float or an extension. Each
record is measured before it is built, and must have the one encoding that a writer would give it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgpack

from adcore.errors import FileFormatError
from adcore.serialize.container import damaged
from adcore.serialize.limits import Limits, keep

_BROKEN = (ValueError, msgpack.UnpackException, RecursionError, OverflowError, TypeError)
_packer = msgpack.Packer


def pack(value: Any) -> bytes:
    """The canonical msgpack bytes of plain data.

    >>> pack([1, "a", None])
    b'\\x93\\x01\\xa1a\\xc0'
    """
    packed: bytes = msgpack.packb(value)
    return packed


def _no_map(pairs: Any) -> Any:
    raise ValueError("it holds a map")


def _no_extension(code: int, data: bytes) -> Any:
    raise ValueError("it holds an extension")


class Cursor:
    """A place in a msgpack value that is read from front to back."""

    def __init__(self, raw: bytes, limits: Limits, where: str) -> None:
        self.raw, self.limits, self.where = raw, limits, where
        self.at = 0
        options: dict[str, Any] = {
            "use_list": False, "object_pairs_hook": _no_map, "ext_hook": _no_extension, "strict_map_key": True,
            "max_buffer_size": len(raw) + 1, "max_str_len": len(raw), "max_bin_len": len(raw),
            "max_array_len": len(raw), "max_map_len": 0, "max_ext_len": 0,
        }  # fmt: skip
        self._ahead, self._behind = msgpack.Unpacker(**options), msgpack.Unpacker(**options)
        for unpacker in (self._ahead, self._behind):
            unpacker.feed(raw)
        self._packer = msgpack.Packer()

    def array(self, limit: str = "entries", length: int | None = None) -> range:
        """Enter an array: as many numbers as it has members, none of which is read yet.

        length: what it must be.   Raises FileFormatError when it is another, or over the limit.
        """
        try:
            n: int = self._ahead.read_array_header()
            self._behind.read_array_header()
        except _BROKEN as e:
            raise damaged(f"an array was expected ({e})", self._place()) from None
        header = 1 if n < 16 else 3 if n < 2**16 else 5
        if self._ahead.tell() - self.at != header or (length is not None and n != length):
            raise damaged(f"an array of {n} is not what belongs here", self._place())
        keep(self.limits, limit, n, self._place())
        if n > len(self.raw) - self.at:
            raise damaged(f"an array of {n} does not fit", self._place())
        self.at += header
        return range(n)

    def record(self, limit: int | None = None) -> Any:
        """The next value, built whole: nested tuples of str, bytes, int, bool and None."""
        try:
            self._ahead.skip()
            size = self._ahead.tell() - self.at
            if size > (limit or self.limits.record):
                keep(self.limits, "record", size, self._place())
            value = self._behind.unpack()
            again = self._packer.pack(value)
        except _BROKEN as e:
            if isinstance(e, FileFormatError):
                raise
            raise damaged(f"a value cannot be read ({e})", self._place()) from None
        if again != self.raw[self.at : self.at + size]:
            raise damaged("a value is not in its one canonical form", self._place())
        self.at += size
        return value

    def records(self, limit: str = "entries", length: int | None = None) -> Iterator[Any]:
        """The members of the next array, one after the other."""
        return self.members(len(self.array(limit, length)))

    def members(self, count: int) -> Iterator[Any]:
        """The next values, as many as that."""
        for _ in range(count):
            yield self.record()

    def end(self) -> None:
        """Raise FileFormatError unless all is read."""
        if self.at != len(self.raw):
            raise damaged(f"{len(self.raw) - self.at} bytes follow the end", self._place())

    def _place(self) -> str:
        return f"{self.where}, byte {self.at}"
