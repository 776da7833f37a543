"""Hostile files: what is right, and then something in it changed. Seeded, so that a find can be made again."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

import msgpack
import numpy as np

import adcore as ad
from adcore.registry import registry
from adcore.testing.case import cases

Rng = np.random.Generator
HEAD = struct.Struct("<8sHHIQQQQ32s32s12s")


# --- files that are right ------------------------------------------------------------------------


def _network(params: Any, x: Any) -> Any:
    h = ad.region(lambda h: np.tanh(h @ params["w"][0] + params["b"]), name="layer")(x)
    ad.check(np.sum(h) < 100.0, "the sum is {0:.3g}, too large", np.sum(h))
    ad.report("mean", np.mean(h))
    return {"loss": np.sum(h**2), "h": (h, h[::2, 1:])}


def _loops(c: Any, xs: Any) -> Any:
    def step(c: Any, x: Any) -> Any:
        c = ad.cond(np.sum(c) > 0, lambda c: np.sin(c) * x, lambda c: c - x, c)
        return c, np.sum(c)

    c, ys = ad.scan(step, c, xs)
    return ad.while_loop(lambda c: np.sum(c * c) > 1.0, lambda c: c * 0.5, c), ys


TABLE = np.linspace(0.0, 1.0, 37)


@cache
def files_of_ops() -> tuple[bytes, ...]:
    """A file for every sample of every op."""
    return tuple(case.graph.dumps() for _, op in sorted(registry().ops.items()) for case in cases(op))


@cache
def files() -> tuple[bytes, ...]:
    """Files of all features: nested arguments, checks, sub-graphs, trails, named sizes, constants in and out."""
    params = {"w": [np.zeros((3, 5))], "b": np.zeros(5)}
    one = ad.trace(_network, params, np.zeros((7, 3)))
    two = ad.trace(_loops, np.zeros(2), np.zeros((5, 2)))
    three = ad.trace(lambda x: np.sum(x * np.arange(len(x))) / len(x), np.zeros(5), dims={"x": ("n",)})
    four = ad.trace(lambda x: (TABLE * x, x < TABLE, x.astype(np.float32) * np.array([1, 2], np.int8)), 0.5)
    graphs = (one, two, three, four, ad.differentiate(two, "vjp"), ad.differentiate(one, "jvp"))
    return tuple(g.dumps() for g in graphs)


# --- taking apart, putting together --------------------------------------------------------------


def parts(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Meaning, notes and tensors of a file."""
    _, _, _, _, meaning, notes, at, tensors, *_ = HEAD.unpack(data[:124])
    return data[128 : 128 + meaning], data[128 + meaning : 128 + meaning + notes], data[at : at + tensors]


def sealed(meaning: bytes, notes: bytes, tensors: bytes) -> bytes:
    """A file whose outside is right, whatever is inside."""
    stop = 128 + len(meaning) + len(notes)
    at = -(-stop // 64) * 64
    hashes = hashlib.sha256(meaning).digest(), hashlib.sha256(notes).digest()
    major, minor = struct.unpack("<HH", files()[0][8:12])
    head = HEAD.pack(
        b"\x89ADG\r\n\x1a\n", major, minor, 0, len(meaning), len(notes), at, len(tensors), *hashes, bytes(12)
    )
    return head + struct.pack("<I", zlib.crc32(head)) + meaning + notes + bytes(at - stop) + tensors


# --- changes of bytes ----------------------------------------------------------------------------


def flipped(data: bytes, rng: Rng) -> bytes:
    """A bit is another."""
    out = bytearray(data)
    out[rng.integers(len(out))] ^= 1 << rng.integers(8)
    return bytes(out)


def overwritten(data: bytes, rng: Rng) -> bytes:
    """A few bytes, often an integer in the header, are others."""
    out = bytearray(data)
    at = int(rng.integers(min(len(out), 128) if rng.random() < 0.5 else len(out)))
    new = [bytes(8), b"\xff" * 8, struct.pack("<Q", 2 ** int(rng.integers(64))), rng.bytes(4)][rng.integers(4)]
    out[at : at + len(new)] = new
    return bytes(out[: len(data)])


def truncated(data: bytes, rng: Rng) -> bytes:
    """The end is missing."""
    return data[: rng.integers(len(data))]


def extended(data: bytes, rng: Rng) -> bytes:
    """There is more behind the end."""
    return data + rng.bytes(int(rng.integers(1, 200)))


def spliced(data: bytes, rng: Rng) -> bytes:
    """A part of a file stands in another."""
    other = files()[rng.integers(len(files()))]
    a, b = sorted(rng.integers(len(other), size=2))
    at = int(rng.integers(len(data)))
    return data[:at] + other[a:b] + data[at + (int(b - a) if rng.random() < 0.5 else 0) :]


def cut_out(data: bytes, rng: Rng) -> bytes:
    """A part in the middle is missing, or is there twice."""
    a, b = sorted(rng.integers(len(data), size=2))
    return data[:a] + data[b:] if rng.random() < 0.5 else data[:b] + data[a:]


BYTES: tuple[Callable[[bytes, Rng], bytes], ...] = (flipped, overwritten, truncated, extended, spliced, cut_out)


def bytes_changed(data: bytes, rng: Rng) -> bytes:
    """One change of bytes; half of the time the outside of the file is made right again."""
    change = BYTES[rng.integers(len(BYTES))]
    if rng.random() < 0.5:
        return change(data, rng)
    found = list(parts(data))
    which = int(rng.integers(3)) if found[2] else int(rng.integers(2))
    found[which] = change(found[which], rng)
    return sealed(*found)


# --- changes of values ---------------------------------------------------------------------------

INTS = (0, 1, 2, 3, 7, -1, -2, 63, 64, 2**16, 2**31, 2**32, 2**63 - 1, 2**64 - 1, -(2**63))
WORDS = [
    "", "core", "add", "scan", "float64", "object", "M8[ns]", "O", "../x", "/etc/passwd", "a\x1b[2J", "\u202e",
    "x" * 70000, "int64", "bool", "int?", "graph*", "leaf", "static", "record", "dict", "dims", "trails", "__class__",
    "n", "{0.__class__}",
]  # fmt: skip


def value_changed(data: bytes, rng: Rng) -> bytes:
    """Values in the meaning or the notes are others; checksums are right."""
    meaning, notes, tensors = parts(data)
    which = rng.random() < 0.85
    tree = msgpack.unpackb(meaning if which else notes)
    for _ in range(int(rng.integers(1, 4))):
        _change(tree, rng)
    try:
        packed = msgpack.packb(tree)
    except (ValueError, OverflowError):  # nested deeper than can be written
        return data
    return sealed(packed, notes, tensors) if which else sealed(meaning, packed, tensors)


def _change(tree: list[Any], rng: Rng) -> None:
    """One change somewhere in nested lists."""
    path = [tree]
    while True:  # walk down to a place, deeper ones more often
        lists = [x for x in path[-1] if isinstance(x, list) and x]
        if not lists or (len(path) > 2 and rng.random() < 0.2):
            break
        path.append(lists[rng.integers(len(lists))])
    where = path[-1]
    i = int(rng.integers(len(where)))
    j = int(rng.integers(len(where)))
    kind = rng.integers(16)
    if kind == 0:
        where.insert(i, where[j])
    elif kind == 1 and len(where) > 1:
        del where[i]
    elif kind == 2:
        where[i], where[j] = where[j], where[i]
    elif kind == 3:
        where[i] = path[rng.integers(len(path))][0] if rng.random() < 0.5 else where[j]
    else:
        where[i] = _other(where[i], rng)


def _other(x: Any, rng: Rng) -> Any:
    """Another value, usually of the same kind."""
    if rng.random() < 0.1:
        return [None, True, 0.5, {"a": 1}, [], [[]], b"", "", 0, _deep(int(rng.integers(1, 400)))][rng.integers(10)]
    if isinstance(x, bool) or x is None:
        return [None, True, False, 0, 1][rng.integers(5)]
    if isinstance(x, int):
        return x + int(rng.integers(-3, 4)) if rng.random() < 0.7 else INTS[rng.integers(len(INTS))]
    if isinstance(x, str):
        if rng.random() < 0.4:
            names = sorted(registry().ops)
            return names[rng.integers(len(names))].partition("::")[2]
        return WORDS[rng.integers(len(WORDS))]
    if isinstance(x, bytes):
        return [x[:-1], x + b"\0", b"", rng.bytes(len(x)), flipped(x, rng) if x else b"x"][rng.integers(5)]
    return [[], [*x, *x], x[::-1], x[:-1], [x], 3][rng.integers(6)] if isinstance(x, list) else 0


def _deep(n: int) -> Any:
    x: Any = 0
    for _ in range(n):
        x = [x]
    return x


def mutant(seed: int) -> tuple[bytes, bytes]:
    """(the file that is right, the changed one) of a seed."""
    rng = np.random.default_rng(seed)
    pool = files_of_ops() if seed % 4 == 0 else files()
    data = pool[rng.integers(len(pool))]
    return data, bytes_changed(data, rng) if rng.random() < 0.3 else value_changed(data, rng)
