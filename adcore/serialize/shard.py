"""The container of batch results: named arrays behind an index with checksums, in one file.

    64 bytes    header: magic, major, minor, flags, index offset and length, data offset and length,
                the first 12 bytes of sha256(index), crc32 of the header up to here
    index       one msgpack value: [meta, [[name, dtype, shape, offset, nbytes, sha256], ...]]
    data        raw little-endian C-order arrays, each at a multiple of 64 bytes, zeros between

Offsets of arrays count from the start of the data. A reader accepts a file only if every byte is
accounted for: arrays in order, no overlap, no hole, nothing behind the last one. The file can name
no code, no type outside `DTYPES` and no other file.
"""

import hashlib
import math
import mmap
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from adcore.errors import FileFormatError
from adcore.types import Array

MAGIC = b"\x89ADS\r\n\x1a\n"
MAJOR, MINOR = 1, 0
ALIGNMENT = 64
HEADER = struct.Struct("<8sHHIQQQQ12s")  # and crc32 behind it: 64 bytes
DTYPES = ("|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8", "<c8", "<c16")
MAX_INDEX = 64 << 20  # bytes
MAX_RANK = 32


@dataclass(frozen=True, slots=True)
class Entry:
    """One array of a shard: where it lies and what its bytes must hash to."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    nbytes: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Shard:
    """An opened shard: `meta` as it was written, arrays by name without a copy, read-only."""

    source: str
    meta: dict[str, Any]
    entries: dict[str, Entry]
    data: memoryview = field(repr=False)

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __getitem__(self, name: str) -> Array:
        entry = self.entries[name]
        flat = np.frombuffer(self.data, np.dtype(entry.dtype), math.prod(entry.shape), entry.offset)
        return flat.reshape(entry.shape)

    def verify(self) -> None:
        """Hash every array again.

        Raises: FileFormatError naming the first array whose bytes were altered.
        """
        for entry in self.entries.values():
            found = hashlib.sha256(self.data[entry.offset : entry.offset + entry.nbytes]).digest()
            if found != entry.sha256:
                raise FileFormatError(
                    f"the bytes of array {entry.name!r} were altered: sha256 {found.hex()[:12]}…, "
                    f"written as {entry.sha256.hex()[:12]}…",
                    f"shard {self.source}, {entry.nbytes} bytes at {entry.offset} of its data",
                    "remove the file; `adcore batch resume` computes its items again",
                )


def encode(arrays: Mapping[str, Array], meta: Mapping[str, Any]) -> bytes:
    """The bytes of a shard with these arrays, in their order, and this msgpack-able meta.

    Raises: FileFormatError for a dtype that is not in `DTYPES` or an index over `MAX_INDEX`.

    >>> shard = decode(encode({"y": np.array([1.0, 2.0])}, {"job": "demo"}))
    >>> shard.meta["job"], shard["y"]
    ('demo', array([1., 2.]))
    """
    table: list[list[object]] = []
    body: list[bytes | memoryview] = []
    end = 0
    for name, value in arrays.items():
        array = _little_endian(name, value)
        raw = array.reshape(-1).view(np.uint8).data if array.size else memoryview(b"")
        start = _aligned(end)
        body += [bytes(start - end), raw]
        table.append([name, array.dtype.str, list(array.shape), start, raw.nbytes, hashlib.sha256(raw).digest()])
        end = start + raw.nbytes
    index: bytes = msgpack.packb([dict(meta), table])
    if len(index) > MAX_INDEX:
        raise FileFormatError(
            f"the index of the shard has {len(index)} bytes, at most {MAX_INDEX} are read",
            f"shard of {len(table)} arrays",
            "write fewer items per shard",
        )
    data_at = _aligned(64 + len(index))
    header = HEADER.pack(MAGIC, MAJOR, MINOR, 0, 64, len(index), data_at, end, hashlib.sha256(index).digest()[:12])
    header += struct.pack("<I", zlib.crc32(header))
    return b"".join([header, index, bytes(data_at - 64 - len(index)), *body])


def decode(data: bytes | memoryview, source: str = "in memory", verify: bool = True) -> Shard:
    """The shard in these bytes; `verify` hashes every array, else only header and index are checked.

    Raises: FileFormatError if any byte of header, index or layout is not what was written.
    """
    view = memoryview(data)
    index, data_at = _index(view, source)
    entries: dict[str, Entry] = {}
    try:
        meta, table = index
        for row in table:
            name, dtype, shape, offset, nbytes, digest = row
            entries[name] = Entry(name, dtype, tuple(shape), offset, nbytes, digest)
        good = isinstance(meta, dict) and len(entries) == len(table)
    except (TypeError, ValueError) as error:
        raise _damaged(source, f"its index is not a table of arrays ({error})") from None
    if not good:
        raise _damaged(source, "its index has no meta or names an array twice")
    end = 0
    for entry in entries.values():
        _check_entry(entry, _aligned(end), source)
        if any(view[data_at + end : data_at + entry.offset]):
            raise _damaged(source, f"there are bytes that belong to nothing before array {entry.name!r}")
        end = entry.offset + entry.nbytes
    if data_at + end != len(view):
        raise _damaged(source, f"it has {len(view)} bytes, its index accounts for {data_at + end}")
    shard = Shard(source, meta, entries, view[data_at:])
    if verify:
        shard.verify()
    return shard


def read(path: str | Path, verify: bool = False) -> Shard:
    """The shard in a file, mapped and not copied.

    Raises: FileFormatError as `decode`; OSError if the file cannot be opened.
    """
    with open(path, "rb") as file:
        try:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            raise _damaged(str(path), "it is empty") from None
    return decode(memoryview(mapped), str(path), verify)


def _index(view: memoryview, source: str) -> tuple[Any, int]:
    """The decoded index and the place of the data, after every check of the header."""
    if len(view) < 64 or bytes(view[:8]) != MAGIC:
        raise _damaged(source, f"it has {len(view)} bytes and does not start as a shard does")
    head = bytes(view[: HEADER.size])
    _, major, minor, flags, at, length, data_at, data_length, digest = HEADER.unpack(head)
    if zlib.crc32(head) != struct.unpack("<I", view[60:64])[0]:
        raise _damaged(source, "the checksum of its header is wrong")
    if major > MAJOR or flags:
        raise FileFormatError(
            f"shard version {major}.{minor} with flags {flags:#x} is not known here",
            f"shard {source}; this adcore reads version {MAJOR}",
            "read it with the adcore that wrote it",
        )
    if at != 64 or length > MAX_INDEX or data_at != _aligned(64 + length) or data_at > len(view):
        raise _damaged(source, f"its index of {length} bytes does not fit into {len(view)} bytes")
    raw = view[at : at + length]
    if hashlib.sha256(raw).digest()[:12] != digest or any(view[at + length : data_at]):
        raise _damaged(source, "the checksum of its index is wrong")
    if data_at + data_length != len(view):
        raise _damaged(source, f"it has {len(view)} bytes, its header says {data_at + data_length}")
    try:
        return msgpack.unpackb(raw), data_at
    except (ValueError, msgpack.UnpackException) as error:
        raise _damaged(source, f"its index is not msgpack ({error})") from None


def _check_entry(entry: Entry, start: int, source: str) -> None:
    """Refuse an array that is not where the one before it ends, or has the wrong number of bytes."""
    shape = entry.shape
    if not isinstance(entry.name, str) or entry.dtype not in DTYPES:
        raise _damaged(source, f"array {entry.name!r} has the unknown dtype {entry.dtype!r}")
    if len(shape) > MAX_RANK or any(type(n) is not int or n < 0 for n in shape):
        raise _damaged(source, f"array {entry.name!r} has the impossible shape {shape}")
    nbytes = math.prod(shape) * np.dtype(entry.dtype).itemsize
    if entry.offset != start or entry.nbytes != nbytes:
        raise _damaged(
            source,
            f"array {entry.name!r} has {entry.nbytes!r} bytes at {entry.offset!r}, not {nbytes} at {start}",
        )


def _little_endian(name: str, value: Array) -> Array:
    # ascontiguousarray alone would turn a 0-d array into a 1-d one
    array = np.asarray(value, order="C")
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    if array.dtype.str not in DTYPES:
        raise FileFormatError(
            f"array {name!r} has dtype {array.dtype}, which a shard does not hold",
            f"shape {array.shape}",
            f"use one of {', '.join(np.dtype(text).name for text in DTYPES)}",
        )
    return array


def _aligned(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT


def _damaged(source: str, what: str) -> FileFormatError:
    return FileFormatError(
        f"the shard is damaged: {what}",
        f"shard {source}",
        "remove the file; `adcore batch resume` computes its items again",
    )
