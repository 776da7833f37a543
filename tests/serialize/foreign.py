"""A reader of graph files written from docs/format.md alone, with struct, msgpack and NumPy; it never imports adcore.

As a program it evaluates a file: foreign.py f.adg '{"x": [1.0, 2.0]}' prints the outputs by name, as JSON.
"""

from __future__ import annotations

import hashlib
import json
import struct
import sys
import zlib
from typing import Any

import msgpack
import numpy as np


def read(data: bytes) -> tuple[Any, Any, list[bytes]]:
    """Meaning, notes and tensors."""
    magic, major, _, flags = struct.unpack("<8sHHI", data[:16])
    meaning, notes, at, tensors = struct.unpack("<QQQQ", data[16:48])
    assert magic == b"\x89ADG\r\n\x1a\n" and major in (0, 1) and flags == 0
    assert struct.unpack("<I", data[124:128]) == (zlib.crc32(data[:124]),)
    first, second = data[128 : 128 + meaning], data[128 + meaning : 128 + meaning + notes]
    assert hashlib.sha256(first).digest() == data[48:80] and hashlib.sha256(second).digest() == data[80:112]
    assert at % 64 == 0 and at + tensors == len(data)
    found, start = [], at
    body = msgpack.unpackb(first)
    for size, digest in body[3]:
        start = -(-start // 64) * 64
        found.append(data[start : start + size])
        assert hashlib.sha256(found[-1]).digest() == digest
        start += size
    return body, msgpack.unpackb(second), found


class File:
    """A graph file that can be evaluated."""

    def __init__(self, data: bytes) -> None:
        (_, self.ops, self.types, _, self.graphs), self.notes, self.tensors = read(data)

    def constant(self, kind: int, raw: Any) -> Any:
        """The array of a constant."""
        dtype, shape = self.types[kind]
        raw = raw if isinstance(raw, bytes) else self.tensors[raw]
        return np.frombuffer(raw, np.dtype(dtype).newbyteorder("<")).reshape(shape)

    def run(self, place: int, inputs: list[Any]) -> list[Any]:
        """The outputs of a graph, in order."""
        _, _, _, _, constants, calls, nodes, outputs, _, checks, _ = self.graphs[place]
        values = [*inputs, *(self.constant(*c) for c in constants)]
        for call, *read_ in nodes:
            op, params, _, _ = calls[call]
            domain, name, _, schema = self.ops[op]
            named = dict(zip([p for p, _ in schema], params, strict=True))
            values += OPS[f"{domain}::{name}"](self, [values[v] for v in read_], **named)
        for value, message, shown in checks:
            assert values[value], message.format(*(values[v] for v in shown))
        return [values[v] for _, v in outputs]

    def evaluate(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The outputs by name, from inputs by name."""
        graph = self.graphs[-1]
        inputs = [np.asarray(arguments[name], self.types[t][0]) for name, t in graph[1]]
        return dict(zip([name for name, _ in graph[7]], self.run(len(self.graphs) - 1, inputs), strict=True))


def scan(
    file: File, xs: list[Any], step: int, length: int, carries: int, scanned: int, trails: Any, reverse: bool
) -> list[Any]:
    """The loop op, without trails."""
    carry, rows, constants = xs[:carries], xs[carries : carries + scanned], xs[carries + scanned :]
    made = []
    for i in reversed(range(length)) if reverse else range(length):
        found = file.run(step, [*carry, *(r[i] for r in rows), *constants])
        carry = found[:carries]
        made.append(found[carries:])
    stacked = [np.stack(ys) for ys in zip(*(reversed(made) if reverse else made), strict=True)]
    return [*carry, *stacked]


OPS: dict[str, Any] = {
    "core::add": lambda f, xs: [xs[0] + xs[1]],
    "core::multiply": lambda f, xs: [xs[0] * xs[1]],
    "core::subtract": lambda f, xs: [xs[0] - xs[1]],
    "core::divide": lambda f, xs: [xs[0] / xs[1]],
    "core::sin": lambda f, xs: [np.sin(xs[0])],
    "core::cos": lambda f, xs: [np.cos(xs[0])],
    "core::greater": lambda f, xs: [xs[0] > xs[1]],
    "core::sum": lambda f, xs, axes: [np.sum(xs[0], tuple(axes))],
    "core::reshape": lambda f, xs, shape, rank: [xs[0].reshape(xs[0].shape[: xs[0].ndim - rank] + tuple(shape))],
    "core::matvec": lambda f, xs: [xs[0] @ xs[1]],
    "core::slice": lambda f, xs, start, size, step: [
        xs[0][(..., *(slice(a, a + n * d, d) for a, n, d in zip(start, size, step, strict=True)))]
    ],
    "core::vecdot": lambda f, xs: [np.sum(xs[0] * xs[1], -1)],
    "core::matmul": lambda f, xs: [xs[0] @ xs[1]],
    "core::call": lambda f, xs, graph, name: f.run(graph, xs),
    "core::scan": scan,
}

if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:
        results = File(file.read()).evaluate(json.loads(sys.argv[2]))
    assert "adcore" not in sys.modules
    print(json.dumps({name: np.asarray(y).tolist() for name, y in results.items()}))
