"""A plugin: an op that works, fails, kills its process, hangs or eats memory, as its first input says; an executor.

It stands in real graph files, so that jobs meet what a night's work meets.
"""

import os
import signal
import time
from pathlib import Path

import numpy as np

from adcore.extend import FLOAT, STR, Executor, Outcome, Rule, hookimpl, op, run_chunk

WORK, RAISE, KILL, HANG, FLAKY, EAT, EXIT, COUNT, WAIT = range(9)


@op(
    "chaos::act",
    rule=Rule(vjp=lambda g, y, what, x, seconds, folder: (None, g)),
    params={"seconds": FLOAT, "folder": STR},
    infer=lambda what, x, seconds, folder: x,
)
def act(what, x, *, seconds, folder):
    """x, after `seconds` and what `what` says; folder: where it remembers how often it was tried."""
    if seconds:
        time.sleep(seconds)
    if what == RAISE:
        raise ValueError(f"x is {x[0]:g}")
    if what == KILL:
        os.kill(os.getpid(), signal.SIGKILL)
    if what == HANG:
        time.sleep(1000)
    if what == WAIT:
        while Path(folder, "hold").exists():
            time.sleep(0.01)
    if what == EXIT:
        os._exit(7)
    if what == EAT:
        np.ones(1 << 27).sum()
    if what == COUNT:
        with open(Path(folder, "counted"), "ab") as file:
            file.write(b"x")
    if what == FLAKY:
        mark = Path(folder, f"flaky-{x[0]:g}")
        tries = len(mark.read_text()) if mark.exists() else 0
        mark.write_text("x" * (tries + 1))
        if tries < 2:
            raise OSError(f"try {tries + 1}")
    return x.copy()


class Here(Executor):
    """Runs chunks in the driver's own process: what a plugin's executor may look like, and quick to start."""

    name = "here"

    def __init__(self, setup):
        self.setup, self.slots, self.waiting = setup, 1, []

    def submit(self, chunk):
        self.waiting.append(chunk)

    def wait(self, seconds):
        done = [Outcome(chunk, run_chunk(self.setup, chunk)) for chunk in self.waiting]
        self.waiting = []
        return done

    def close(self):
        pass


@hookimpl
def adcore_register_executors():
    return {"here": Here}
