"""Jobs that run at the same time, side by side: no key is computed twice, and nobody waits for the dead."""

import os
import signal
import sqlite3
from collections import Counter

import chaos
import pytest
from batch_jobs import check_results, items, wait_for

from adcore.batch import verbs
from adcore.serialize.shard import read

RUN = "s = verbs.run('job.toml', out='runs/{out}')\nprint(s.code, s.messages)"


def computed(*places):
    """How often each key was computed in all these jobs: shards that are shared have one name."""
    shards = {name: place / "results" / name for place in places for name in os.listdir(place / "results")}
    return Counter(key.tobytes() for path in shards.values() for key in read(path)[":key"])


def done(place):
    return (place / "job.toml").exists() and verbs.status(place).counts["done"]


@pytest.mark.parametrize("seconds", [0.0, 0.02])
def test_jobs_that_start_at_the_same_moment_share_the_work_of_one(bench, seconds):
    items(bench, [0] * 80, "chunk_seconds = 0.05", seconds=seconds)
    drivers = [bench.driver(RUN.format(out=out)) for out in "ab"]
    told = [driver.communicate(timeout=60) for driver in drivers]
    places = [bench.folder / "runs" / out for out in "ab"]
    assert all((out[:2], errors) == (b"0 ", b"") for out, errors in told), told
    assert set(computed(*places).values()) == {1}
    for place in places:
        check_results(place, range(80))
        assert not (place / "running").exists()


def test_the_second_job_takes_what_the_first_one_computes_and_runs_only_what_is_its_own(bench):
    path = items(bench, [0] * 40, "chunk_seconds = 0.05", seconds=0.05)
    first = bench.driver(RUN.format(out="first"))
    place = bench.folder / "runs" / "first"
    wait_for(lambda: done(place) > 2)
    table = bench.folder / "items.csv"
    table.write_text(table.read_text() + "\nitem 40,0,40,40.5,1")
    second = verbs.run(path, out=bench.folder / "runs" / "second")
    assert first.communicate(timeout=60) == (b"0 ()\n", b"")
    taken, waited = second.messages
    assert taken.endswith("items have results in other jobs: taken from there")
    number, _, rest = waited.partition(" ")
    assert rest == "items are being computed by other jobs: their results are taken when they are there"
    assert int(taken.partition(" ")[0]) + int(number) == 40
    assert set(computed(place, second.place).values()) == {1}
    check_results(second.place, range(41))


def test_a_job_that_waits_for_a_killed_one_computes_what_that_left(bench):
    path = items(bench, [0] * 8 + [chaos.WAIT] * 22, "chunk_seconds = 0.05", seconds=0.05)
    hold = bench.folder / "hold"
    hold.touch()
    first = bench.driver(RUN.format(out="first"))
    place = bench.folder / "runs" / "first"
    wait_for(lambda: done(place) > 2)
    second = bench.driver(RUN.format(out="second"))
    wait_for(lambda: (bench.folder / "runs" / "second" / "running").exists())
    first.send_signal(signal.SIGKILL)
    first.communicate()
    hold.unlink()
    out, errors = second.communicate(timeout=60)
    assert (out[:2], errors) == (b"0 ", b"")
    assert (place / "running").exists(), "its word means nothing any more"
    check_results(bench.folder / "runs" / "second", range(30))
    summary = verbs.resume(place)
    assert summary.code == 0
    assert set(computed(place, bench.folder / "runs" / "second").values()) == {1}
    assert path.exists()


def test_a_result_that_a_killed_driver_had_no_time_to_note_is_taken_too(bench):
    path = items(bench, [0] * 5, "chunk_seconds = 0.001", executor="here")
    first = verbs.run(path, out=bench.folder / "runs" / "first").place
    with sqlite3.connect(first / "journal.sqlite") as db:
        db.execute("DELETE FROM shards")
        db.execute("UPDATE items SET state = 0, shard = NULL")
    db.close()
    second = verbs.run(path, out=bench.folder / "runs" / "second")
    assert second.messages == ("5 items have results in other jobs: taken from there",)
    assert set(computed(first, second.place).values()) == {1}


def test_an_item_that_fails_next_door_is_tried_here_at_last(bench):
    items(bench, [0] * 10 + [chaos.RAISE], "chunk_seconds = 0.05", seconds=0.05)
    drivers = [bench.driver(RUN.format(out=out)) for out in "ab"]
    assert [driver.communicate(timeout=60)[0][:2] for driver in drivers] == [b"1 ", b"1 "]
    for out in "ab":
        assert verbs.status(bench.folder / "runs" / out).counts["failed"] == 1


def test_a_job_that_reuses_nothing_waits_for_nobody(bench):
    path = items(bench, [0] * 5 + [chaos.HANG], "reuse = []")
    first = bench.driver(RUN.format(out="first"))
    place = bench.folder / "runs" / "first"
    try:
        wait_for(lambda: (place / "running").exists())
        items(bench, [0] * 5, "reuse = []", executor="here")
        assert verbs.run(path, out=bench.folder / "runs" / "second").messages == ()
    finally:
        first.kill()
        first.communicate()
