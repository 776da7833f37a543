"""The outside of a graph file: a fixed header, two msgpack values, and raw aligned tensors.

    offset  bytes
    0       8      magic  89 41 44 47 0D 0A 1A 0A   (\\x89 A D G \\r \\n \\x1a \\n)
    8       2, 2   major, minor version
    12      4      flags; none is defined, so any that is set is refused
    16      8      bytes of the meaning, which starts at 128
    24      8      bytes of the notes, which follow it
    32      8      offset of the tensors: the end of the notes, rounded up to 64
    40      8      bytes of the tensors, which end the file
    48      32     sha256 of the meaning: the identity of the graph
    80      32     sha256 of the notes
    112     12     zeros
    124     4      crc32 of the bytes 0 to 124

All integers are little-endian and unsigned. What pads to a multiple of 64 is zero. A reader accounts
for every byte: there is no hole, no overlap and nothing behind the end.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adcore.errors import FileFormatError
from adcore.serialize.limits import Limits, keep

MAGIC = b"\x89ADG\r\n\x1a\n"
MAJOR, MINOR = 1, 0
ALIGNMENT = 64
HEADER = struct.Struct("<8sHHIQQQQ32s32s12s")
START = HEADER.size + 4
AGAIN = "get it again from where it was written"


@dataclass(frozen=True, slots=True)
class Container:
    """The parts of a file. tensors: the raw bytes of the tensor section, not copied."""

    meaning: bytes
    notes: bytes
    tensors: memoryview
    identity: str
    version: tuple[int, int]


def aligned(offset: int) -> int:
    """The offset rounded up to a multiple of 64.

    >>> aligned(0), aligned(1), aligned(64)
    (0, 64, 64)
    """
    return -(-offset // ALIGNMENT) * ALIGNMENT


def damaged(what: str, where: str) -> FileFormatError:
    """The error for bytes that cannot have been written by adcore."""
    return FileFormatError(f"the file is damaged: {what}", where, AGAIN)


def pack(meaning: bytes, notes: bytes, sizes: Sequence[int]) -> bytes:
    """Everything of a file before its tensors, whose sizes (in bytes, in order) are given."""
    end = 0
    for nbytes in sizes:
        end = aligned(end) + nbytes
    stop = START + len(meaning) + len(notes)
    hashes = hashlib.sha256(meaning).digest(), hashlib.sha256(notes).digest()
    head = HEADER.pack(MAGIC, MAJOR, MINOR, 0, len(meaning), len(notes), aligned(stop), end, *hashes, bytes(12))
    head += struct.pack("<I", zlib.crc32(head))
    return b"".join([head, meaning, notes, bytes(aligned(stop) - stop)])


def unpack(data: memoryview, limits: Limits, where: str) -> Container:
    """The parts of a file, after every check that needs no msgpack.

    Raises: FileFormatError when it is no graph file, of another version, truncated or altered.
    """
    if len(data) < START or bytes(data[:8]) != MAGIC:
        raise FileFormatError("it does not start as a graph file does", where, "give a file written by graph.save")
    head = bytes(data[: HEADER.size])
    if zlib.crc32(head) != struct.unpack("<I", data[HEADER.size : START])[0]:
        raise damaged("the checksum of its header is wrong", where)
    _, major, minor, flags, n_meaning, n_notes, at, n_tensors, meaning_hash, notes_hash, zeros = HEADER.unpack(head)
    if (major, minor) > (MAJOR, MINOR) or flags:
        raise FileFormatError(
            f"it has format version {major}.{minor} with flags {flags:#x}; up to {MAJOR}.{MINOR} is read here",
            where,
            "install an adcore that reads it, or have it written again by this one",
        )
    keep(limits, "body", max(n_meaning, n_notes), where)
    stop = START + n_meaning + n_notes
    if any(zeros) or at != aligned(stop) or at + n_tensors != len(data):
        raise damaged(f"it has {len(data)} bytes, its header accounts for {at + n_tensors}", where)
    meaning, notes = bytes(data[START : START + n_meaning]), bytes(data[START + n_meaning : stop])
    for part, name, digest in ((meaning, "meaning", meaning_hash), (notes, "notes", notes_hash)):
        if hashlib.sha256(part).digest() != digest:
            raise damaged(f"the checksum of its {name} is wrong", where)
    if any(data[stop:at]):
        raise damaged("there are bytes that belong to nothing before its tensors", where)
    return Container(meaning, notes, data[at:], meaning_hash.hex(), (major, minor))


def tensor_spans(sizes: Sequence[int], tensors: memoryview, where: str) -> list[memoryview]:
    """The bytes of every tensor. Raises FileFormatError unless they fill the section."""
    spans, end = [], 0
    for nbytes in sizes:
        start = aligned(end)
        if start + nbytes > len(tensors) or any(tensors[end:start]):
            raise damaged("its tensors do not lie where they should", where)
        end = start + nbytes
        spans.append(tensors[start:end])
    if end != len(tensors):
        raise damaged(f"{len(tensors) - end} bytes belong to no tensor", where)
    return spans


def mapped(path: str | Path) -> memoryview:
    """The bytes of a file, mapped and not read. Raises OSError when it cannot be opened."""
    with open(path, "rb") as file:
        try:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except ValueError:  # an empty file cannot be mapped
            return memoryview(b"")
