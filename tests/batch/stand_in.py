"""A program that is no graph, for tests of the machinery: items that work, fail, kill, hang or eat memory.

`what` says what an item does; 0 is to compute. The graph file holds the number of seconds it takes.
"""

import os
import signal
import time
from pathlib import Path

import numpy as np

from adcore.batch.program import Facts

INPUTS = {"what": "int64[]", "x": "float64[3]"}
WORK, RAISE, KILL, HANG, FLAKY, EAT, EXIT = range(7)


def describe(graph, request, wrt, of, strategy):
    return Facts(f"{int(graph.read_bytes().hex(), 16):016x}", INPUTS, dict(strategy), {"test::work": 1}, 0)


def prepare(place: Path, group):
    seconds = float((place / group.graph).read_text())

    def program(inputs):
        what, x = int(inputs["what"]), inputs["x"]
        if seconds:
            time.sleep(seconds)
        if what == RAISE:
            raise ValueError(f"x is {x[0]:g}")
        if what == KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        if what == HANG:
            time.sleep(1000)
        if what == EXIT:
            os._exit(7)
        if what == EAT:
            np.ones(1 << 27).sum()
        if what == FLAKY:
            mark = place / f"flaky-{x[0]:g}"
            tries = len(mark.read_text()) if mark.exists() else 0
            mark.write_text("x" * (tries + 1))
            if tries < 2:
                raise OSError(f"try {tries + 1}")
        return {"value": np.sum(np.sin(x) ** 2), "grad.x": 2 * np.sin(x) * np.cos(x)}

    return program
