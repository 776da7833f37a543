"""Kill -9 at any moment, full disks, clocks that jump: nothing missing, nothing twice, every byte the same."""

import json
import os
import resource
import signal
import subprocess
import time

import numpy as np
import pytest
from batch_jobs import check_results, children, items, shard_items

from adcore.batch import verbs
from adcore.errors import StorageError

FEW_OR_MANY = [3, pytest.param(100, marks=pytest.mark.slow)]


def held(place):
    """The numbers of the items in all shards, sorted: each once, or something was computed twice."""
    return sorted(item for name in os.listdir(place / "results") for item in shard_items(place, name))


@pytest.mark.parametrize("kills", FEW_OR_MANY)
def test_killed_workers_cost_attempts_and_no_result(bench, kills):
    """Kill -9 a worker at random moments while the job runs."""
    items(bench, [0] * 60 * kills, "chunk_seconds = 0.05\nkills = 100", seconds=0.002, workers=2)
    place = bench.folder / "runs"
    driver = bench.driver("print(verbs.run('job.toml').code)")
    rng = np.random.default_rng(7)
    left = kills
    while driver.poll() is None and left:
        time.sleep(rng.uniform(0.0, 0.2))
        if workers := children(driver.pid):
            os.kill(workers[rng.integers(len(workers))], signal.SIGKILL)
            left -= 1
    out, errors = driver.communicate(timeout=120)
    assert (out, errors, left) == (b"0\n", b"", 0)
    check_results(place, range(60 * kills))
    assert held(place) == list(range(60 * kills))


@pytest.mark.parametrize("kills", FEW_OR_MANY)
def test_a_killed_driver_loses_nothing_and_doubles_nothing(bench, kills):
    """Kill -9 the driver at random moments, its start included, and resume; compare with a job left in peace."""
    body = "import sys\nsys.stdout.write(str(verbs.run('job.toml', out={out!r}, verify=False).code))"
    path = items(bench, [0] * 400, "chunk_seconds = 0.02\nreuse = []", seconds=0.002, workers=2)
    begin = time.monotonic()
    assert bench.driver(body.format(out="peace")).communicate(timeout=60) == (b"0", b"")
    whole = time.monotonic() - begin
    rng = np.random.default_rng(11)
    job, left = 0, kills
    while left:
        driver = bench.driver(body.format(out=f"war{job}"))
        try:
            assert driver.communicate(timeout=rng.uniform(0.1, 0.9) * whole) == (b"0", b"")
            job += 1  # it came to its end between two kills
        except subprocess.TimeoutExpired:
            driver.kill()
            driver.communicate()
            left -= 1
    for number in range(job + 1):
        place = bench.folder / f"war{number}"
        assert verbs.run(path, out=place).code == 0
        assert held(place) == list(range(400))
        check_results(place, range(400))
        with verbs.results(place) as war, verbs.results(bench.folder / "peace") as peace:
            for name in ("y", "x_bar"):
                assert war.array(name).tobytes() == peace.array(name).tobytes()


MOMENTS = {
    "a shard before its rename": ("os", "replace", 6),
    "between the rename of a shard and its row": ("adcore.batch.journal", "Journal.add_shard", 2),
    "between a row and its commit": ("adcore.batch.journal", "Journal.release", 3),
    "before job.toml is there": ("adcore.batch.directory", "save", 1),
    "before the report": ("adcore.batch.verbs", "write_report", 1),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_driver_killed_between_two_steps_is_resumed(bench, moment):
    module, name, call = MOMENTS[moment]
    path = items(bench, [0] * 12, "chunk_seconds = 0.001", seconds=0.001, executor="here")
    place = bench.folder / "runs"
    body = (
        f"import os, signal, {module}\n"
        f"owner = {'.'.join([module, *name.split('.')[:-1]])}\n"
        f"name = {name.split('.')[-1]!r}\n"
        "plain, calls = getattr(owner, name), []\n"
        "def fatal(*args, **options):\n"
        "    calls.append(1)\n"
        f"    if len(calls) == {call}:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return plain(*args, **options)\n"
        "setattr(owner, name, fatal)\n"
        "verbs.run('job.toml', workers=1)"
    )
    driver = bench.driver(body)
    assert driver.communicate(timeout=60) == (b"", b"")
    assert driver.returncode == -signal.SIGKILL
    assert (place / "job.toml").exists() == (moment != "before job.toml is there")
    summary = verbs.run(path)
    assert summary.code == 0
    if moment == "between the rename of a shard and its row":
        assert summary.messages == ("results of 1 items were found",)
    check_results(place, range(12))
    assert held(place) == list(range(12))


def test_a_full_disk_stops_the_job_and_resume_finishes_it(bench):
    """RLIMIT_FSIZE stands for the disk: no file may grow over 120 KB, which the journal soon does."""
    path = items(bench, [0] * 500, "chunk_seconds = 0.05", seconds=0.001, executor="here")
    body = (
        "try:\n    verbs.run('job.toml', verify=False)\n"
        "except AdcoreError as error:\n    print(type(error).__name__, error)"
    )

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (120_000, resource.RLIM_INFINITY))

    driver = bench.driver(body, preexec_fn=limit)
    out, errors = driver.communicate(timeout=60)
    assert out.decode().startswith("StorageError "), (out, errors)
    assert errors == b""
    assert verbs.run(path).code == 0
    check_results(bench.folder / "runs", range(500))


def test_a_real_full_disk(bench):
    """A file system of 400 KB, if this user may mount one."""
    small = bench.folder / "runs"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(small)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        path = items(bench, [0] * 1500, "chunk_seconds = 0.01", executor="here")
        with pytest.raises(StorageError, match="free space"):
            verbs.run(path)
        subprocess.run(["mount", "-o", "remount,size=20m", str(small)], check=True)
        assert verbs.run(path).code == 0
        check_results(small, range(1500))
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_a_clock_that_jumps_by_years_changes_nothing(bench):
    """In driver and workers alike every look at the wall clock is off by up to ten years either way."""
    (bench.folder / "sitecustomize.py").write_text(
        "import random, time\nplain, draw = time.time, random.Random(3)\n"
        "time.time = lambda: plain() + draw.uniform(-3e8, 3e8)\n"
        "time.time_ns = lambda: int(time.time() * 1e9)\n"
    )
    items(bench, [0] * 100, "chunk_seconds = 0.05\nitem_seconds = 20", seconds=0.001)
    body = (
        f"sys.path.insert(0, {str(bench.folder)!r})\nimport importlib, sitecustomize, json\n"
        "importlib.reload(sitecustomize)\n"
        "from adcore.batch.progress import JsonLines\n"
        "s = verbs.run('job.toml', progress=JsonLines(sys.stderr))\nprint(json.dumps([s.code, s.seconds]))"
    )
    out, errors = bench.driver(body).communicate(timeout=60)
    code, seconds = json.loads(out)
    assert (code, 0 < seconds < 60) == (0, True), errors
    assert all((json.loads(line)["eta"] or 0) < 3600 for line in errors.splitlines())
    check_results(bench.folder / "runs", range(100))
