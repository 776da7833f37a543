"""Jobs for tests: one item per number of `chaos`, what it must give, and looking at processes and files."""

import csv
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import adcore as ad
from adcore.batch import verbs
from adcore.errors import BatchError
from adcore.registry import registry
from adcore.serialize.shard import read

CHAOS = Path(__file__).with_name("chaos.py")

JOB = """
[job]
graph = "model.adg"
out = "runs"
workers = {workers}
executor = "{executor}"
backoff_seconds = 0.01
{job}
[items]
table = "items.csv"
columns = {{ x = ["a", "b", "c"] }}
tag = "name"
"""


@dataclass(frozen=True)
class Bench:
    """A folder with a graph file, and a way to run jobs in it, here or in a process of its own."""

    folder: Path

    def job(self, text: str, name: str = "job.toml", seconds: float = 0.0) -> Path:
        """A job file beside `model.adg`: sum(sin(x)**2) of x: float64[3], after doing what `what` says."""
        act = registry().ops["chaos::act"]
        graph = ad.trace(
            lambda what, x: np.sum(np.sin(act(what, x, seconds=seconds, folder=str(self.folder))) ** 2),
            np.int64(0), np.zeros(3),
        )  # fmt: skip
        graph.save(self.folder / "model.adg")
        path = self.folder / name
        path.write_text(f'{text}\n[plugins]\nlocal = ["{CHAOS}"]\n')
        return path

    def script(self, body: str) -> list[str]:
        """A command that runs a line of Python with the driver's modules at hand."""
        lines = [
            "import sys",
            f"sys.path[:0] = {sys.path!r}",
            "from adcore.batch import verbs",
            "from adcore.errors import AdcoreError",
            body,
        ]
        return [sys.executable, "-c", "\n".join(lines)]

    def driver(self, body: str, **options: object) -> "subprocess.Popen[bytes]":
        """A process that runs `body`, usually a verb."""
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
            self.script(body), cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
        )


def items(bench, whats, job="", seconds=0.0, workers=1, executor="local"):
    """A job with one item per entry of `whats`; item n has x = [n, n + 0.5, 1]."""
    lines = ["name,what,a,b,c", *(f"item {n},{what},{n},{n + 0.5},1" for n, what in enumerate(whats))]
    (bench.folder / "items.csv").write_text("\n".join(lines))
    return bench.job(JOB.format(job=job, workers=workers, executor=executor), seconds=seconds)


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


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if found := condition():
                return found
        except BatchError:
            pass
        time.sleep(0.01)
    raise AssertionError("it did not happen")
