"""Batch jobs: what an item costs beside its arithmetic, what a job costs, and what a million items take.

Every way runs in processes of its own, and their CPU time is that of all of them together. What one more
item costs is the difference between a long and a short job, so that starting does not count.
"""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from harness import Bench, Compare, measure

import adcore as ad
from adcore.batch.create import create
from adcore.batch.job import read_job
from adcore.batch.journal import Journal
from adcore.batch.shards import Store
from adcore.executor import Chunk, Setup, run_chunk
from adcore.serialize.shard import decode

bench = Bench("batch")

SIZES = {"tiny": (1, 10_000, 50_000), "1 ms": (600, 500, 3500), "30 ms": (15_000, 20, 120)}
"""Items by what they take: (steps of the model, items of the short job, items of the long one)."""

JOB = """
[job]
graph = "model.adg"
out = "runs"
workers = {workers}
request = "value_and_grad"
[executor]
name = "{executor}"
[sweep]
count = {count}
random = {{ x = {{ uniform = [0.0, 1.0] }} }}
"""

START = """
import sys, numpy as np, adcore as ad
count, folder, workers = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
def draws():
    return np.random.default_rng(1).random((count, 10))
"""

LOOP = """
program = ad.differentiate(ad.load(folder + "/model.adg"), "value_and_grad").compile()
found = [program(x) for x in draws()]
"""

JOBLIB = """
from joblib import Parallel, delayed
made = {}
def item(x):
    if not made:
        made[0] = ad.differentiate(ad.load(folder + "/model.adg"), "value_and_grad").compile()
    return made[0](x)
found = Parallel(n_jobs=workers)(delayed(item)(x) for x in draws())
"""

DASK = """
import distributed
made = {}
def item(x, path=folder + "/model.adg"):
    if not made:
        made[0] = ad.differentiate(ad.load(path), "value_and_grad").compile()
    return made[0](x)
if __name__ == "__main__":
    with distributed.Client(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as client:
        found = client.gather(client.map(item, list(draws()), pure=False))
"""

BATCH = """
from adcore.batch import verbs
if __name__ == "__main__":
    assert verbs.run(folder + "/job.toml").counts["done"] == count
"""


def model(steps: int) -> ad.Graph:
    """A loop of that many steps on ten numbers."""

    def f(x: Any) -> Any:
        y, _ = ad.scan(lambda c, _: (np.sin(c) + 0.5 * x, None), x, None, length=steps)
        return np.sum(y * y)

    return ad.trace(f if steps > 1 else lambda x: np.sum(np.sin(x) ** 2), np.ones(10))


def cost(body: str, steps: int, count: int, workers: int = 2, executor: str = "local") -> tuple[float, float]:
    """(CPU seconds of all processes, seconds on the wall) of one way to run `count` items."""
    with tempfile.TemporaryDirectory() as folder:
        model(steps).save(f"{folder}/model.adg")
        Path(folder, "job.toml").write_text(JOB.format(workers=workers, executor=executor, count=count))
        Path(folder, "way.py").write_text(START + body)
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, f"{folder}/way.py", str(count), folder, str(workers)], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.perf_counter() - start


def ways() -> dict[str, tuple[str, str]]:
    """Name -> (script, executor) of what is installed."""
    found = {"a bare loop": (LOOP, ""), "adcore batch": (BATCH, "local")}
    if importlib.util.find_spec("joblib"):
        found["joblib alone"] = (JOBLIB, "")
    if importlib.util.find_spec("distributed"):
        found["Dask alone"] = (DASK, "")
        found["adcore batch on Dask"] = (BATCH, "dask")
    return found


def _unpinned() -> None:
    """Let workers have all cores; the harness keeps this process on one."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))


@bench.case("what an item costs beside its arithmetic")
def beside(compare: Compare) -> None:
    count = 20_000
    with tempfile.TemporaryDirectory() as folder:
        model(1).save(f"{folder}/model.adg")
        file = Path(folder, "job.toml")
        file.write_text(JOB.format(workers=1, executor="local", count=count))
        program = ad.differentiate(ad.load(f"{folder}/model.adg"), "value_and_grad").compile()
        draws = np.random.default_rng(1).random((count, 10))

        def bare() -> None:
            for x in draws:
                program(x)

        Path(folder, "runs").mkdir()
        Path(folder, "first").mkdir()
        create(Path(folder, "first"), read_job(file), "", print)  # what is read and compiled once is now
        marks = [time.process_time()]
        create(Path(folder, "runs"), read_job(file), "", print)
        marks.append(time.process_time())
        setup = Setup(folder + "/runs", 1, 1, chunk_seconds=60.0)
        chunk = Chunk(1, ((0, count, 0),))
        run_chunk(setup, Chunk(0, ((0, 1, 0),)))
        found = measure({"bare": bare, "chunk": lambda: run_chunk(setup, chunk)}, compare.rounds)
        payload = run_chunk(setup, chunk)
        marks.append(time.process_time())
        store, journal = Store(Path(folder, "runs", "results")), Journal(Path(folder, "runs", "journal.sqlite"))
        shard = decode(payload, verify=False)
        number = journal.add_shard(store.write(payload), len(payload), "here")
        rows = zip(range(count), *(shard[name].tolist() for name in (":item", ":seconds", ":peak")), strict=True)
        journal.done(number, rows)
        journal.commit()
        marks.append(time.process_time())
        journal.close()
    compare.add("the program itself", found["bare"] / count)
    compare.add("more in a worker: read, decode, collect", (found["chunk"] - found["bare"]) / count)
    compare.add("more in the driver, once: make the job", (marks[1] - marks[0]) / count)
    compare.add("more in the driver, per result", (marks[3] - marks[2]) / count)


@bench.case("one more item, by its size: CPU time of all processes")
def items(compare: Compare) -> None:
    _unpinned()
    for size, (steps, few, many) in SIZES.items():
        base = None
        for name, (body, executor) in ways().items():
            small = 20 if name == "Dask alone" and few > 1000 else 1  # milliseconds each, whatever they do
            counts = (few // small, many // small)
            runs = [cost(body, steps, n, 2, executor or "local")[0] for n in counts]
            each = (runs[1] - runs[0]) / (counts[1] - counts[0])
            base = base or each
            compare.add(f"{size}: {name}", each, each / base)


@bench.case("1 and 2 processes: seconds on the wall for 400 items of 10 ms")
def processes(compare: Compare) -> None:
    _unpinned()
    one = cost(BATCH, 5500, 400, 1)[1]
    two = cost(BATCH, 5500, 400, 2)[1]
    compare.add("1 process", one, 1.0)
    compare.add("2 processes", two, two / one)


@bench.case("a job of one item, from nothing: CPU time and wall")
def single(compare: Compare) -> None:
    _unpinned()
    runs = [cost(BATCH, 1, 1, 1) for _ in range(compare.rounds)]
    compare.add("CPU time", float(np.median([cpu for cpu, _ in runs])))
    compare.add("on the wall", float(np.median([wall for _, wall in runs])), bound=1.0)


MEMORY = """
import resource, json, time
from adcore.batch import verbs
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
begin = time.process_time()
summary = verbs.run(folder + "/job.toml")
assert summary.counts["done"] == count
print(json.dumps([peak() - before, time.process_time() - begin]))
"""


@bench.case("driver: memory and CPU time per item, of 10,000, 100,000 and a million items")
def million(compare: Compare) -> None:
    _unpinned()
    for count in (10_000, 100_000, 1_000_000):
        with tempfile.TemporaryDirectory() as folder:
            model(1).save(f"{folder}/model.adg")
            Path(folder, "job.toml").write_text(JOB.format(workers=2, executor="local", count=count))
            Path(folder, "way.py").write_text(START + MEMORY)
            out = subprocess.run(
                [sys.executable, f"{folder}/way.py", str(count), folder, "2"], check=True, capture_output=True
            ).stdout
            grown, cpu = json.loads(out)
            on_disk = sum(f.stat().st_size for f in Path(folder, "runs").rglob("*") if f.is_file())
        note = f"grew by {grown / 2**20:.0f} MiB; {on_disk / count:.0f} bytes an item on disk"
        compare.add(f"{count:,} items", cpu / count, note=note)


if __name__ == "__main__":
    bench.main()
