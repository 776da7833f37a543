"""Jobs for tests: one item per number of `chaos`, what it must give, and looking at processes and files."""

import csv
import time

import numpy as np

from adcore.batch import verbs
from adcore.errors import BatchError
from adcore.serialize.shard import read

JOB = """
[job]
graph = "model.adg"
out = "runs"
workers = {workers}
backoff_seconds = 0.01
{job}
[items]
table = "items.csv"
columns = {{ x = ["a", "b", "c"] }}
tag = "name"
"""


def items(bench, whats, job="", seconds=0.0, workers=1):
    """A job with one item per entry of `whats`; item n has x = [n, n + 0.5, 1]."""
    lines = ["name,what,a,b,c", *(f"item {n},{what},{n},{n + 0.5},1" for n, what in enumerate(whats))]
    (bench.folder / "items.csv").write_text("\n".join(lines))
    return bench.job(JOB.format(job=job, workers=workers), seconds=seconds)


def expected(n):
    x = np.array([n, n + 0.5, 1.0])
    return {"y": np.sum(np.sin(x) ** 2), "x_bar": 2 * np.sin(x) * np.cos(x)}


def report(summary):
    with open(summary.report, newline="") as file:
        return list(csv.DictReader(file))


def check_results(place, numbers):
    with verbs.results(place) as found:
        assert found.items.tolist() == list(numbers)
        for item, arrays in found:
            for name, array in expected(item).items():
                assert arrays[name].tobytes() == np.asarray(array).tobytes()


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def page_item(path):
    return int.from_bytes(path.read_bytes()[8:16], "little", signed=True)


def shard_items(place, name):
    return read(place / "results" / name)[":item"].tolist() if name.endswith(".shard") else []


def wait_for(condition, seconds=15.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if found := condition():
                return found
        except BatchError:
            pass
        time.sleep(0.01)
    raise AssertionError("it did not happen")
