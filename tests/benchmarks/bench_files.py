"""Graph files: opening, writing and identifying 100,000 nodes with a constant of 64 MiB."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import msgpack
import numpy as np
from harness import Bench, Compare

import adcore as ad
from adcore.serialize.container import mapped, unpack
from adcore.serialize.limits import DEFAULT
from adcore.serialize.write import encode

bench = Bench("files")
BIG = np.random.default_rng(1).normal(size=8 << 20)
NODES = 100_000


def program(x: Any) -> Any:
    """A chain of nodes, and one that reads the large constant."""
    y = x
    for _ in range(NODES // 4):
        y = np.sin(y) * 1.5
        y = (y + x)[::-1]
    return np.sum(y) + np.sum(BIG * x[0])


@bench.case("100,000 nodes and a constant of 64 MiB")
def large(compare: Compare) -> None:
    graph = ad.trace(program, np.ones(10))
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "f.adg")
        graph.save(path)
        meaning = unpack(mapped(path), DEFAULT, path).meaning
        found = ad.load(path)
        (constant,) = [a for a in found.constants.values() if a.size > 10]
        assert len(found.nodes) > NODES and not constant.flags.owndata
        compare(
            {
                "load": lambda: ad.load(path),
                "load, constants not verified": lambda: ad.load(path, verify=False),
                "save": lambda: graph.save(path),
                "identity": lambda: encode(graph).identity,
                "msgpack.unpackb of the meaning": lambda: msgpack.unpackb(meaning),
            },
            reference="msgpack.unpackb of the meaning",
            bounds={"load": 0.5, "load, constants not verified": 0.5},
        )


@bench.case("a small graph")
def small(compare: Compare) -> None:
    graph = ad.trace(lambda x, w: np.sum(np.tanh(x @ w)), np.ones((7, 3)), np.ones((3, 5)))
    data = graph.dumps()
    compare({"dumps": graph.dumps, "loads": lambda: ad.loads(data), "at": lambda: graph.at()}, reference="dumps")


if __name__ == "__main__":
    bench.main()
