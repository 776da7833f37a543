"""Constants of more than 4 GiB, in files that are mostly holes; they are mapped and never read as a whole."""

from __future__ import annotations

import os
import resource
import struct
import zlib
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from mutants import parts, sealed

import adcore as ad
from adcore.errors import FileFormatError
from adcore.serialize.write import encode
from adcore.trace import Trace
from adcore.transform.splice import closed
from adcore.types import Type

N = (1 << 29) + 5  # float64: 4 GiB and 40 bytes
LAST = np.array([2.0, 3.0, 5.0])


def ends_with(path: Path, size: int) -> None:
    """Make a file of that size, all zeros but the last three numbers."""
    with open(path, "r+b") as file:
        file.truncate(size)
        file.seek(size - LAST.nbytes)
        file.write(LAST.tobytes())


def used(path: Path) -> int:
    return os.stat(path).st_blocks * 512


def test_a_constant_of_more_than_4_gib_is_mapped(tmp_path: Path) -> None:
    table = np.zeros(100)
    trace = Trace()
    with trace:
        big = trace.wrap(trace.constant(table))
        out = trace.lift(big[97:] * 2.0)
    graph = closed(trace, [], [], [out], ["y"])
    meaning, notes, _ = parts(graph.dumps())
    tree = msgpack.unpackb(meaning)
    tree[2] = [[dtype, [N if n == 100 else n for n in shape]] for dtype, shape in tree[2]]
    tree[3] = [[8 * N, b"\0" * 32]]
    for call in tree[4][0][5]:
        call[1] = [[N - 3] if x == [97] else x for x in call[1]]
    head = sealed(msgpack.packb(tree), notes, b"")
    path = tmp_path / "big.adg"
    path.write_bytes(with_tensors(head, 8 * N))
    ends_with(path, len(head) + 8 * N)
    assert used(path) < 1 << 20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = ad.load(path, verify=False)
    assert found.compile()().tolist() == [4.0, 6.0, 10.0]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def with_tensors(head: bytes, size: int) -> bytes:
    """The head of a file, saying that its tensors have that size."""
    first = head[:40] + struct.pack("<Q", size) + head[48:124]
    return first + struct.pack("<I", zlib.crc32(first)) + head[128:]


@pytest.mark.slow
def test_more_than_4_gib_are_hashed_written_and_verified(tmp_path: Path) -> None:
    (tmp_path / "raw").touch()
    ends_with(tmp_path / "raw", 8 * N)
    trace = Trace()
    with trace:
        value: Any = ad.graph.Value(Type(np.dtype("float64"), (N,)))
        trace.constants[value] = np.memmap(tmp_path / "raw", np.float64, "r")
        out = trace.lift(trace.wrap(value)[-3:] * 2.0)
    encoded = encode(closed(trace, [], [], [out], ["y"]))
    path = tmp_path / "big.adg"
    path.write_bytes(encoded.head)
    ends_with(path, len(encoded.head) + 8 * N)
    found = ad.load(path)
    assert found.compile()().tolist() == [4.0, 6.0, 10.0]
    assert found.identity == encoded.identity
    with open(path, "r+b") as file:
        file.seek(1 << 32)
        file.write(b"\1")
    with pytest.raises(FileFormatError, match="the checksum of tensor 0 is wrong"):
        ad.load(path)
