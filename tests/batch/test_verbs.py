"""What can be done with a job while it runs, after it, and from elsewhere."""

import os
import shutil
import signal
import time

import chaos
import pytest
from batch_jobs import check_results, items, page_item, wait_for

from adcore.batch import verbs
from adcore.errors import BatchError, ConfigError, JobLockedError, StorageError


def test_a_second_driver_is_refused_with_the_pid_of_the_first(bench):
    path = items(bench, [chaos.HANG] * 2, workers=2)
    first = bench.driver("verbs.run('job.toml')")
    place = bench.folder / "runs"
    try:
        wait_for(lambda: (place / "workers" / "2.page").exists())
        with pytest.raises(JobLockedError) as caught:
            verbs.run(path)
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
    items(bench, [0] * 200 + [chaos.HANG] * 2, "chunk_seconds = 0.1", seconds=0.005)
    place = bench.folder / "runs"
    driver = bench.driver("print(verbs.run('job.toml').code)")
    wait_for(lambda: (place / "results").is_dir() and len(os.listdir(place / "results")) > 3)
    driver.send_signal(number)
    out, errors = driver.communicate(timeout=15)
    assert (out, errors) == (f"{code}\n".encode(), b"")
    counts = verbs.status(place).counts
    assert 0 < counts["done"] < 202
    assert counts["running"] == 0
    for page in (place / "workers").glob("*.page"):
        page.unlink()
    driver = bench.driver("print(verbs.run('job.toml').code)")
    wait_for(lambda: any(page_item(page) >= 200 for page in (place / "workers").glob("*.page")))
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
    items(bench, [0] * 3000, "chunk_seconds = 0.1", seconds=0.005)
    place = bench.folder / "runs"
    driver = bench.driver("print(verbs.run('job.toml').code)")
    wait_for(lambda: (place / "results").is_dir() and len(os.listdir(place / "results")) > 1)
    assert verbs.cancel(place)
    assert driver.communicate(timeout=10) == (b"75\n", b"")
    with pytest.raises(BatchError) as caught:
        verbs.cancel(place)
    assert str(caught.value) == (f"the job is not running\n  {place}\n  `adcore batch status` says how far it is")


def test_another_job_takes_over_the_results_it_shares(bench):
    first = verbs.run(items(bench, [0] * 10, executor="here")).place
    shutil.move(first, bench.folder / "before")
    path = items(bench, [0] * 15, 'reuse = ["before"]', executor="here")
    summary = verbs.run(path)
    assert summary.messages == ("10 items have results in other jobs: taken from there",)
    check_results(summary.place, range(15))


def test_a_directory_that_holds_another_job_is_refused(bench):
    verbs.run(items(bench, [0] * 3, executor="here"))
    path = items(bench, [0] * 4, executor="here")
    with pytest.raises(ConfigError) as caught:
        verbs.run(path)
    assert str(caught.value) == (
        "the directory holds another job: its job file, graphs or data were different\n"
        f"  {bench.folder / 'runs'}, made for {path} or another file\n"
        "  choose another with --out, or remove it; with {hash} in `out` every job has its own"
    )


def test_a_job_directory_can_be_moved_and_resumed_without_anything_else(bench):
    path = items(bench, [0] * 5 + [chaos.RAISE], "retries = 0", executor="here")
    place = verbs.run(path).place
    moved = bench.folder / "elsewhere"
    shutil.move(place, moved)
    for file in ("model.adg", "items.csv", "job.toml"):
        (bench.folder / file).unlink()
    for name in os.listdir(moved / "results"):
        (moved / "results" / name).unlink()
    assert verbs.resume(moved).counts["done"] == 5
    check_results(moved, range(5))


def test_a_directory_that_cannot_be_written_is_said(bench):
    path = items(bench, [0])
    (bench.folder / "runs").write_text("a file is in the way")
    with pytest.raises(StorageError) as caught:
        verbs.run(path)
    assert str(caught.value) == (
        f"the job's directory cannot be made: File exists\n  {bench.folder / 'runs'}\n  choose another with --out"
    )
