"""Workers that die, hang, fail and fill up; disks that are full; drivers that are two. Real processes, all of it."""

import csv
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import time

import chaos
import numpy as np
import pytest

from adcore.batch import verbs
from adcore.errors import BatchError, ConfigError, ExecutorError, JobLockedError, StorageError

JOB = """
[job]
graph = "model.adg"
out = "runs"
workers = 2
backoff_seconds = 0.01
{job}
[items]
table = "items.csv"
columns = {{ x = ["a", "b", "c"] }}
tag = "name"
"""


def items(bench, whats, job="", seconds=0.0):
    """A job with one item per entry of `whats`; item n has x = [n, n + 0.5, 1]."""
    lines = ["name,what,a,b,c", *(f"item {n},{what},{n},{n + 0.5},1" for n, what in enumerate(whats))]
    (bench.folder / "items.csv").write_text("\n".join(lines))
    return bench.job(JOB.format(job=job), seconds=seconds)


def run(path, **options):
    return verbs.run(path, **options)


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


def test_items_end_as_done_failed_or_quarantined_and_the_report_says_why(bench):
    whats = [0, chaos.RAISE, 0, chaos.KILL, 0, chaos.FLAKY, chaos.EXIT, 0]
    summary = run(items(bench, whats))
    assert summary.code == 1
    assert summary.counts == {"pending": 0, "done": 5, "failed": 1, "quarantined": 2, "running": 0}
    check_results(summary.place, [0, 2, 4, 5, 7])
    rows = report(summary)
    assert [row["state"] for row in rows] == [
        "done", "failed", "done", "quarantined", "done", "done", "quarantined", "done",
    ]  # fmt: skip
    assert (rows[1]["kind"], rows[1]["message"], rows[1]["tag"]) == ("ValueError", "x is 1", "item 1")
    assert (rows[3]["kind"], rows[3]["message"]) == ("WorkerKilled", "its worker was ended by signal 9, 3 times")
    assert rows[6]["message"] == "its worker was ended with exit code 7, 3 times"
    assert rows[5]["attempts"] == "3"
    assert all(float(row["seconds"]) < 1 and int(row["peak_bytes"]) > 1 << 20 for row in rows if row["state"] == "done")
    first = summary.failures[0]
    assert (first.item, first.kind, first.inputs) == (1, "ValueError", {"what": 1, "x": [1.0, 1.5, 1.0]})
    assert "raise ValueError" in first.detail


def test_retry_tries_what_failed_again_and_resume_does_not(bench):
    summary = run(items(bench, [0, chaos.FLAKY, chaos.RAISE], "retries = 0"))
    assert summary.counts["failed"] == 2
    again = verbs.resume(summary.place)
    assert (again.counts["done"], again.counts["failed"], again.code) == (1, 2, 1)
    for done in (1, 2):
        tried = verbs.retry(summary.place, kinds=["OSError"])
        assert tried.counts["done"] == done
    assert tried.messages == ("1 items go again",)
    with pytest.raises(BatchError) as caught, verbs.results(summary.place) as found:
        found[2]
    assert str(caught.value) == (
        f"item 2 has no result: ValueError: x is 2\n  job {summary.place}\n"
        "  see report.csv; `adcore batch retry` tries failed items again"
    )


def test_an_item_that_takes_too_long_fails_and_its_neighbours_do_not(bench):
    whats = [0] * 20
    whats[7] = chaos.HANG
    summary = run(items(bench, whats, "item_seconds = 0.3"))
    assert (summary.counts["done"], summary.counts["failed"]) == (19, 1)
    assert report(summary)[7]["message"] == "the item took longer than item_seconds = 0.3"
    check_results(summary.place, [n for n in range(20) if n != 7])


def test_an_item_over_its_memory_fails_and_its_worker_lives(bench):
    summary = run(items(bench, [0, chaos.EAT, 0], 'item_memory = "256 MiB"\nretries = 1'), workers=1)
    rows = report(summary)
    assert [row["state"] for row in rows] == ["done", "failed", "done"]
    assert (rows[1]["kind"], rows[1]["attempts"]) == ("MemoryError", "2")
    assert len(list((summary.place / "workers").glob("*.log"))) == 1


def test_a_killed_worker_costs_one_attempt_of_one_chunk(bench):
    """Kill -9 the workers at up to 60 moments; every item's bytes are those of an undisturbed run."""
    items(bench, [0] * 2000, "chunk_seconds = 0.05\nkills = 100", seconds=0.002)
    place = bench.folder / "runs"
    driver = bench.driver("print(verbs.run('job.toml').code)")
    rng = np.random.default_rng(7)
    kills = 0
    while driver.poll() is None and kills < 60:
        time.sleep(rng.uniform(0.0, 0.2))
        workers = children(driver.pid)
        if workers:
            os.kill(workers[rng.integers(len(workers))], signal.SIGKILL)
            kills += 1
    out, errors = driver.communicate(timeout=60)
    assert (out, errors) == (b"0\n", b"")
    assert kills > 8
    check_results(place, range(2000))


def test_a_killed_driver_loses_nothing_and_doubles_nothing(bench):
    """Kill -9 the driver at 40 moments, its start included; resume each time; compare byte for byte."""
    path = items(bench, [0] * 600, "chunk_seconds = 0.02", seconds=0.002)
    place = bench.folder / "runs"
    rng = np.random.default_rng(11)
    kills = 0
    for _ in range(40):
        driver = bench.driver("print(verbs.run('job.toml', verify=False).code)")
        try:
            out, errors = driver.communicate(timeout=rng.uniform(0.15, 0.55))
        except subprocess.TimeoutExpired:
            driver.kill()
            driver.communicate()
            kills += 1
        else:
            assert (out, errors) == (b"0\n", b"")
            break
    assert kills > 3
    assert run(path).code == 0
    check_results(place, range(600))
    held = [item for name in os.listdir(place / "results") for item in shard_items(place, name)]
    assert sorted(held) == list(range(600)), "an item was computed and written twice"


def test_workers_end_when_their_driver_is_killed(bench):
    items(bench, [chaos.HANG] * 4)
    driver = bench.driver("verbs.run('job.toml')")
    workers = wait_for(lambda: len(children(driver.pid)) == 2 and children(driver.pid))
    driver.kill()
    driver.communicate()
    assert wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers))


def test_a_result_without_a_row_is_adopted_and_a_row_without_a_result_is_redone(bench):
    path = items(bench, [0] * 30, "chunk_seconds = 0.001")
    place = run(path).place
    shards = sorted(os.listdir(place / "results"))
    first, second = shards[:2]
    lost = shard_items(place, second)
    with sqlite3.connect(place / "journal.sqlite") as db:
        # just as a kill between the rename and the journal's row leaves it
        number = db.execute("SELECT shard FROM shards WHERE name = ?", (first,)).fetchone()[0]
        db.execute("UPDATE items SET state = 0, shard = NULL WHERE shard = ?", (number,))
        db.execute("DELETE FROM shards WHERE shard = ?", (number,))
    db.close()
    adopted = len(shard_items(place, first))
    (place / "results" / second).unlink()
    (place / "results" / "half.shard.tmp").write_bytes(b"half")
    again = run(path)
    assert again.messages == (
        f"results of {len(lost)} items are gone: they go again",
        f"results of {adopted} items were found",
    )
    assert again.code == 0
    assert not list((place / "results").glob("*.tmp"))
    check_results(place, range(30))


@pytest.mark.parametrize("damage", ["bytes", "gone", "truncated", "rows"])
def test_a_damaged_journal_is_made_again_from_manifest_and_results(bench, damage):
    path = items(bench, [0] * 50 + [chaos.RAISE])
    place = run(path).place
    journal = place / "journal.sqlite"
    before = {name: (place / "results" / name).read_bytes() for name in os.listdir(place / "results")}
    if damage == "bytes":
        journal.write_bytes(b"\xff" * 20000)
    elif damage == "gone":
        journal.unlink()
    elif damage == "truncated":
        journal.write_bytes(journal.read_bytes()[:9000])
    else:
        with sqlite3.connect(journal) as db:
            db.execute("DELETE FROM items WHERE item > 20")
        db.close()
    again = verbs.resume(place)
    assert again.messages[0].startswith("the journal was damaged (")
    assert again.messages[0].endswith("): made again from the manifest")
    assert again.messages[1] == "results of 50 items were found"
    assert (again.counts["done"], again.counts["failed"]) == (50, 1)
    assert {name: (place / "results" / name).read_bytes() for name in before} == before
    check_results(place, range(50))


def test_a_damaged_result_is_found_set_aside_and_redone(bench):
    path = items(bench, [0] * 50)
    place = run(path).place
    name = sorted(os.listdir(place / "results"))[0]
    count = len(shard_items(place, name))
    raw = bytearray((place / "results" / name).read_bytes())
    raw[-9] ^= 4
    (place / "results" / name).write_bytes(raw)
    again = run(path)
    assert again.messages == (f"1 damaged results set aside, {count} items go again: {name}",)
    assert (place / "results" / f"{name}.bad").exists()
    check_results(place, range(50))


def test_journal_and_manifest_both_damaged_end_in_an_error_and_the_job_file_brings_it_back(bench):
    path = items(bench, [0] * 20)
    place = run(path).place
    (place / "journal.sqlite").write_bytes(b"no")
    manifest = place / "manifest.jsonl"
    manifest.write_text(manifest.read_text().replace('"item": 3', '"item": 4'))
    with pytest.raises(BatchError) as caught:
        run(path)
    assert str(caught.value) == (
        "journal and manifest are both damaged: SQLite says file is not a database\n"
        f"  {manifest}\n"
        "  remove job.toml there and run the original job file: results are found by their keys"
    )
    (place / "job.toml").unlink()
    assert run(path).messages == ("results of 20 items were found",)


def test_a_second_driver_is_refused_with_the_pid_of_the_first(bench):
    path = items(bench, [chaos.HANG] * 2)
    first = bench.driver("verbs.run('job.toml')")
    place = bench.folder / "runs"
    try:
        wait_for(lambda: (place / "workers" / "2.page").exists())
        with pytest.raises(JobLockedError) as caught:
            run(path)
        assert str(caught.value) == (
            f"the job is being run by process {first.pid} on {os.uname().nodename}\n  job {place}\n"
            "  wait for it, watch it with `adcore batch status`, or stop it with `adcore batch cancel`"
        )
        wait_for(lambda: verbs.status(place).counts["running"])
        assert verbs.status(place).running_as == (first.pid, os.uname().nodename)
    finally:
        first.kill()
        first.communicate()
    assert verbs.status(place).running_as is None


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_a_signal_keeps_what_is_finished_and_a_second_one_stops_now(bench, number, code):
    items(bench, [0] * 400 + [chaos.HANG] * 2, seconds=0.005)
    place = bench.folder / "runs"
    driver = bench.driver("print(verbs.run('job.toml').code)")
    wait_for(lambda: (place / "results").is_dir() and len(os.listdir(place / "results")) > 3)
    driver.send_signal(number)
    out, errors = driver.communicate(timeout=15)
    assert (out, errors) == (f"{code}\n".encode(), b"")
    counts = verbs.status(place).counts
    assert 0 < counts["done"] < 402
    assert counts["running"] == 0
    driver = bench.driver("print(verbs.run('job.toml').code)")
    wait_for(lambda: any(page_item(page) >= 400 for page in (place / "workers").glob("*.page")))
    driver.send_signal(number)
    time.sleep(0.3)
    assert driver.poll() is None, "the items that hang have ten seconds of grace"
    driver.send_signal(number)
    out, errors = driver.communicate(timeout=5)
    assert (out, errors) == (f"{code}\n".encode(), b"")
    with verbs.results(place) as found:
        numbers = found.items.tolist()
    assert len(numbers) > counts["done"]
    check_results(place, numbers)


def test_cancel_stops_a_running_job_from_elsewhere(bench):
    items(bench, [0] * 3000, seconds=0.005)
    place = bench.folder / "runs"
    driver = bench.driver("print(verbs.run('job.toml').code)")
    wait_for(lambda: (place / "results").is_dir() and len(os.listdir(place / "results")) > 1)
    assert verbs.cancel(place)
    assert driver.communicate(timeout=10) == (b"75\n", b"")
    with pytest.raises(BatchError) as caught:
        verbs.cancel(place)
    assert str(caught.value) == (f"the job is not running\n  {place}\n  `adcore batch status` says how far it is")


def test_a_full_disk_stops_the_job_and_resume_finishes_it(bench):
    """RLIMIT_FSIZE stands for the disk: no file may grow over 40 KB, which the journal soon does."""
    path = items(bench, [0] * 500, "chunk_seconds = 0.05", seconds=0.001)
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
    assert run(path).code == 0
    check_results(bench.folder / "runs", range(500))


def test_a_real_full_disk(bench):
    """A file system of 300 KB, if this user may mount one."""
    small = bench.folder / "runs"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(small)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        path = items(bench, [0] * 1500, "chunk_seconds = 0.01")
        with pytest.raises(StorageError, match="free space"):
            run(path)
        subprocess.run(["mount", "-o", "remount,size=20m", str(small)], check=True)
        assert run(path).code == 0
        check_results(small, range(1500))
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_a_directory_that_cannot_be_written_is_said(bench):
    path = items(bench, [0])
    (bench.folder / "runs").write_text("a file is in the way")
    with pytest.raises(StorageError) as caught:
        run(path)
    assert str(caught.value) == (
        f"the job's directory cannot be made: File exists\n  {bench.folder / 'runs'}\n  choose another with --out"
    )


def test_equal_items_are_computed_once_and_both_have_the_result(bench):
    lines = ["what,a,b,c", *["0,1,1.5,1", "0,2,2.5,1", "0,1,1.5,1"]]
    path = items(bench, [0])
    (bench.folder / "items.csv").write_text("\n".join(lines))
    path.write_text(path.read_text().replace('tag = "name"', ""))
    summary = run(path)
    assert [row["shares"] for row in report(summary)] == ["", "", "0"]
    assert summary.counts["done"] == 3
    with verbs.results(summary.place) as found:
        assert found[0]["y"] == found[2]["y"]
        assert found.array("y").shape == (3,)
    assert sum(len(shard_items(summary.place, n)) for n in os.listdir(summary.place / "results")) == 2


def test_another_job_takes_over_the_results_it_shares(bench):
    first = run(items(bench, [0] * 10)).place
    shutil.move(first, bench.folder / "before")
    path = items(bench, [0] * 15, 'reuse = ["before"]')
    summary = run(path)
    assert summary.messages == ("10 items have results in other jobs: taken from there",)
    check_results(summary.place, range(15))


def test_a_directory_that_holds_another_job_is_refused(bench):
    run(items(bench, [0] * 3))
    path = items(bench, [0] * 4)
    with pytest.raises(ConfigError) as caught:
        run(path)
    assert str(caught.value) == (
        "the directory holds another job: its job file, graphs or data were different\n"
        f"  {bench.folder / 'runs'}, made for {path} or another file\n"
        "  choose another with --out, or remove it; with {hash} in `out` every job has its own"
    )


def test_a_job_directory_can_be_moved_and_resumed_without_anything_else(bench):
    path = items(bench, [0] * 5 + [chaos.RAISE], "retries = 0")
    place = run(path).place
    moved = bench.folder / "elsewhere"
    shutil.move(place, moved)
    for file in ("model.adg", "items.csv", "job.toml"):
        (bench.folder / file).unlink()
    for name in os.listdir(moved / "results"):
        (moved / "results" / name).unlink()
    assert verbs.resume(moved).counts["done"] == 5
    check_results(moved, range(5))


def test_workers_that_cannot_start_stop_the_job_with_their_last_words(bench, monkeypatch):
    path = items(bench, [0])
    (bench.folder / "sitecustomize.py").write_text("import sys; sys.exit('no worker today')")
    monkeypatch.syspath_prepend(str(bench.folder))
    with pytest.raises(ExecutorError) as caught:
        run(path)
    text = str(caught.value)
    assert text.startswith("5 workers in a row died before they were ready, the last one with exit code 1\n")
    assert "no worker today" in text


def test_progress_off_a_terminal_is_json_lines_and_memory_stays_flat(bench, capfd):
    """40,000 items in one process group: the driver holds what is out, not what there is."""
    bench.job(
        '[job]\ngraph = "model.adg"\nout = "runs"\nworkers = 2\n[inputs]\nwhat = 0\n'
        "[sweep]\ncount = 40000\nrandom = { x = { uniform = [0.0, 1.0] } }\n"
    )
    body = (
        "import json, resource\n"
        "from adcore.batch.progress import JsonLines\n"
        "def peak():\n    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak()\n"
        "s = verbs.run('job.toml', progress=JsonLines(sys.stderr))\n"
        "print(json.dumps([s.counts['done'], (peak() - before) / 1024]))"
    )
    driver = bench.driver(body)
    out, errors = driver.communicate(timeout=60)
    done, grown = json.loads(out)
    assert done == 40000
    assert grown < 48, "MiB"
    lines = [json.loads(line) for line in errors.splitlines()]
    assert lines[-1] == {**lines[-1], "done": 40000, "failed": 0, "quarantined": 0, "total": 40000, "eta": 0.0}


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def page_item(path):
    return int.from_bytes(path.read_bytes()[8:16], "little", signed=True)


def shard_items(place, name):
    from adcore.serialize.shard import read

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
