"""How benchmarks measure: interleaved rounds on one core, process CPU time, medians, ratios in one run.

bench = Bench("core")

@bench.case("entry of a compiled graph")
def entry(compare):
    compare({"by hand": np.sin, "adcore": program}, x, reference="by hand")

if __name__ == "__main__":
    bench.main()
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

BLOCK = 0.03
"""Seconds that one block of calls takes at least."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table. ratio: to the reference of its case. bound: what it is meant to stay below."""

    subject: str
    case: str
    name: str
    seconds: float
    ratio: float | None = None
    bound: float | None = None
    error: float | None = None
    note: str = ""

    def text(self) -> str:
        """The line as it is printed."""
        parts = [f"  {self.name:34s} {_time(self.seconds):>10s}"]
        if self.ratio is not None:
            parts.append(f"{self.ratio:8.2f} x")
        if self.error is not None:
            parts.append(f"error {self.error:.0e}")
        if self.bound is not None:
            parts.append(f"{'within' if self.seconds <= self.bound else 'OVER'} {_time(self.bound)}")
        return "  ".join([*parts, self.note]).rstrip()


class Bench:
    """The cases of one subject."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.cases: dict[str, Callable[[Compare], None]] = {}

    def case(self, name: str) -> Callable[[Callable[[Compare], None]], Callable[[Compare], None]]:
        """A decorator: the function measures one case."""

        def add(function: Callable[[Compare], None]) -> Callable[[Compare], None]:
            self.cases[name] = function
            return function

        return add

    def main(self) -> None:
        """Run the cases that the command line names, print them, and keep their rows."""
        parser = argparse.ArgumentParser()
        parser.add_argument("--case", default="")
        parser.add_argument("--rounds", type=int, default=9)
        parser.add_argument("--json")
        given = parser.parse_args()
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        print(f"\n{self.subject}")
        rows: list[Row] = []
        for name, function in self.cases.items():
            if given.case in name:
                print(f" {name}")
                function(Compare(self.subject, name, given.rounds, rows))
        if given.json:
            Path(given.json).write_text(json.dumps([asdict(row) for row in rows]))


class Compare:
    """Measures the ways to do one thing, in one case."""

    def __init__(self, subject: str, case: str, rounds: int, rows: list[Row]) -> None:
        self.subject, self.case, self.rounds, self.rows = subject, case, rounds, rows

    def __call__(
        self, ways: Mapping[str, Callable[[], Any]], reference: str, truth: Any = None,
        bounds: Mapping[str, float] | None = None, notes: Mapping[str, str] | None = None, alone: Sequence[str] = (),
    ) -> dict[str, float]:  # fmt: skip
        """Seconds per call of each way. reference: the way that ratios refer to.

        truth: what every way must give, but those named in `alone`; the largest deviation is shown, relative
        to the largest element.
        """
        known = {name: truth is not None and name not in alone for name in ways}
        errors = {name: deviation(way(), truth) if known[name] else None for name, way in ways.items()}
        found = measure(ways, self.rounds)
        for name, seconds in sorted(found.items(), key=lambda item: item[1]):
            ratio = seconds / found[reference]
            note = (notes or {}).get(name, "")
            self.add(name, seconds, ratio, (bounds or {}).get(name), errors[name], note)
        return found

    def add(
        self, name: str, seconds: float, ratio: float | None = None, bound: float | None = None,
        error: float | None = None, note: str = "",
    ) -> None:  # fmt: skip
        """One line that was measured otherwise."""
        row = Row(self.subject, self.case, name, seconds, ratio, bound, error, note)
        self.rows.append(row)
        print(row.text(), flush=True)


def measure(ways: Mapping[str, Callable[[], Any]], rounds: int = 9) -> dict[str, float]:
    """Median CPU seconds per call of each way, over rounds in which they take turns in random order."""
    counts = {name: _calls(way) for name, way in ways.items()}
    taken: dict[str, list[float]] = {name: [] for name in ways}
    order, chance = list(ways), random.Random(7)
    for _ in range(rounds):
        chance.shuffle(order)
        for name in order:
            taken[name].append(_block(ways[name], counts[name]))
    return {name: statistics.median(times) for name, times in taken.items()}


def _calls(way: Callable[[], Any]) -> int:
    """How many calls fill a block. The first call, which may compile, does not count."""
    way()
    once = _block(way, 1)
    return max(1, int(BLOCK / max(_block(way, max(1, int(0.003 / max(once, 1e-7)))), 1e-8)))


def _block(way: Callable[[], Any], calls: int) -> float:
    gc.collect() if calls == 1 else None
    was = gc.isenabled()
    gc.disable()
    start = time.process_time()
    for _ in range(calls):
        way()
    taken = time.process_time() - start
    if was:
        gc.enable()
    return taken / calls


def deviation(found: Any, truth: Any) -> float:
    """The largest deviation, relative to the largest element of the truth."""
    a, b = (np.concatenate([np.ravel(np.asarray(x, float)) for x in _leaves(v)]) for v in (found, truth))
    if a.shape != b.shape:
        return float("inf")
    return float(np.max(np.abs(a - b)) / (np.max(np.abs(b)) or 1.0))


def _leaves(x: Any) -> list[Any]:
    if isinstance(x, tuple | list):
        return [leaf for member in x for leaf in _leaves(member)]
    return [x.detach() if hasattr(x, "detach") else x]


def _time(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if abs(seconds) >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"
