"""Items that fail, hang, fill memory or kill their workers, and the driver that looks after them."""

import json
import os
import re

import chaos
import pytest
from batch_jobs import check_results, children, items, report, shard_items, wait_for

from adcore.batch import verbs
from adcore.errors import BatchError, ExecutorError
from adcore.hookspecs import hookimpl
from adcore.plugins import loader


def test_items_end_as_done_failed_or_quarantined_and_the_report_says_why(bench):
    whats = [0, chaos.RAISE, 0, chaos.KILL, 0, 0, chaos.EXIT, 0]
    summary = verbs.run(items(bench, whats, "kills = 2"))
    assert summary.code == 1
    assert summary.counts == {"pending": 0, "done": 5, "failed": 1, "quarantined": 2, "running": 0}
    check_results(summary.place, [0, 2, 4, 5, 7])
    rows = report(summary)
    assert [row["state"] for row in rows] == [
        "done", "failed", "done", "quarantined", "done", "done", "quarantined", "done",
    ]  # fmt: skip
    assert (rows[1]["kind"], rows[1]["tag"]) == ("ValueError", "item 1")
    assert re.fullmatch(r"x is 1\n  while running chaos::act at batch_jobs.py:\d+, in graph .*", rows[1]["message"])
    assert (rows[3]["kind"], rows[3]["message"]) == ("WorkerKilled", "its worker was ended by signal 9, 2 times")
    assert rows[6]["message"] == "its worker was ended with exit code 7, 2 times"
    assert all(float(row["seconds"]) < 1 and int(row["peak_bytes"]) > 1 << 20 for row in rows if row["state"] == "done")
    first = summary.failures[0]
    assert (first.item, first.kind, first.inputs) == (1, "ValueError", {"what": 1, "x": [1.0, 1.5, 1.0]})
    assert "raise ValueError" in first.detail


def test_retry_tries_what_failed_again_and_resume_does_not(bench):
    summary = verbs.run(items(bench, [0, chaos.FLAKY, chaos.RAISE], "retries = 0", executor="here"))
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
    summary = verbs.run(items(bench, whats, "item_seconds = 0.3", workers=2))
    assert (summary.counts["done"], summary.counts["failed"]) == (19, 1)
    assert report(summary)[7]["message"] == "the item took longer than item_seconds = 0.3"
    check_results(summary.place, [n for n in range(20) if n != 7])


def test_an_item_over_its_memory_fails_and_its_worker_lives(bench):
    """Running out of memory may pass, as may a disk error: both are tried again, and one works at last."""
    summary = verbs.run(items(bench, [0, chaos.EAT, chaos.FLAKY], 'item_memory = "256 MiB"\nretries = 2'))
    rows = report(summary)
    assert [row["state"] for row in rows] == ["done", "failed", "done"]
    assert [row["attempts"] for row in rows] == ["1", "3", "3"]
    assert rows[1]["kind"] == "MemoryError"
    assert len(list((summary.place / "workers").glob("*.log"))) == 1


def test_workers_end_when_their_driver_is_killed(bench):
    items(bench, [chaos.HANG] * 4, workers=2)
    driver = bench.driver("verbs.run('job.toml')")
    workers = wait_for(lambda: len(children(driver.pid)) == 2 and children(driver.pid))
    driver.kill()
    driver.communicate()
    assert wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers))


def test_workers_that_cannot_start_stop_the_job_with_their_last_words(bench, monkeypatch):
    path = items(bench, [0])
    (bench.folder / "sitecustomize.py").write_text("import sys; sys.exit('no worker today')")
    monkeypatch.syspath_prepend(str(bench.folder))
    with pytest.raises(ExecutorError) as caught:
        verbs.run(path)
    text = str(caught.value)
    assert text.startswith("5 workers in a row died before they were ready, the last one with exit code 1\n")
    assert "no worker today" in text


def test_equal_items_are_computed_once_and_both_have_the_result(bench):
    lines = ["what,a,b,c", *["0,1,1.5,1", "0,2,2.5,1", "0,1,1.5,1"]]
    path = items(bench, [0])
    (bench.folder / "items.csv").write_text("\n".join(lines))
    path.write_text(path.read_text().replace('tag = "name"', ""))
    summary = verbs.run(path)
    assert [row["shares"] for row in report(summary)] == ["", "", "0"]
    assert summary.counts["done"] == 3
    with verbs.results(summary.place) as found:
        assert found[0]["y"] == found[2]["y"]
        assert found.array("y").shape == (3,)
    assert sum(len(shard_items(summary.place, n)) for n in os.listdir(summary.place / "results")) == 2


def test_progress_off_a_terminal_is_json_lines_and_memory_stays_flat(bench, capfd):
    """10,000 items in one process group: the driver holds what is out, not what there is."""
    bench.job(
        '[job]\ngraph = "model.adg"\nout = "runs"\nworkers = 2\n[inputs]\nwhat = 0\n'
        "[sweep]\ncount = 10000\nrandom = { x = { uniform = [0.0, 1.0] } }\n"
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
    assert done == 10000
    assert grown < 48, "MiB"
    lines = [json.loads(line) for line in errors.splitlines()]
    assert lines[-1] == {**lines[-1], "done": 10000, "failed": 0, "quarantined": 0, "total": 10000, "eta": 0.0}


def test_plugins_are_told_of_every_item_and_one_that_raises_is_told_no_more(bench, capfd):
    class Watcher:
        def __init__(self):
            self.seen = {}

        @hookimpl
        def adcore_item_finished(self, item):
            self.seen[item.number] = (item.state, item.kind)

    class Broken:
        calls = 0

        @hookimpl
        def adcore_item_finished(self):
            self.calls += 1
            raise RuntimeError("not today")

    watcher, broken = Watcher(), Broken()
    manager = loader().manager
    manager.register(watcher, "watcher")
    manager.register(broken, "broken")
    try:
        summary = verbs.run(items(bench, [0, chaos.RAISE, 0, chaos.KILL], "kills = 1"))
    finally:
        manager.unregister(watcher)
        manager.unregister(broken)
    assert watcher.seen == {
        0: ("done", ""), 1: ("failed", "ValueError"), 2: ("done", ""), 3: ("quarantined", "WorkerKilled"),
    }  # fmt: skip
    assert (summary.code, broken.calls) == (1, 1)
    told = "adcore: broken: adcore_item_finished raised RuntimeError: not today; it is not called again\n"
    assert capfd.readouterr().err == told


def test_workers_have_as_many_threads_for_linear_algebra_as_the_job_says(bench):
    (machine,) = verbs.run(items(bench, [0], "threads = 2")).machines
    assert " threads 2 " in machine
