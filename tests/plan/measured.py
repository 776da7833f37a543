"""The memory of a run as the machine sees it: measured from outside, without asking the program what it holds."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Sequence
from typing import Any

import numpy as np

from adcore.backend import find_backend
from adcore.plan.steps import Plan

ARRAYS = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)


def run(plan: Plan, args: Sequence[Any]) -> tuple[list[bytes], int]:
    """The bits of the outputs, and the most bytes that a run held after one to warm up.

    These are the inputs, arrays that the program keeps from call to call, and all that a call takes besides, with
    Python's own objects. Constants are the graph's, and were there before.
    """
    program = find_backend().compile(plan)  # takes no memory for arrays before the first run
    tracemalloc.start()
    program.all(*args)
    gc.collect(0)  # the young are enough: a whole collection takes longer than the run
    kept = tracemalloc.take_snapshot().filter_traces([ARRAYS]).statistics("filename")
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    found = program.all(*args)
    taken = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    held = sum(stat.size for stat in kept) + sum(np.asarray(x).nbytes for x in args)
    return [a.tobytes() for a in found], held + taken


def true_to_the_byte(predicted: int, measured: int) -> bool:
    """Within two per cent and 64 KiB."""
    return abs(measured - predicted) <= 0.02 * predicted + 65536
