"""What a job's directory survives: lost, altered and half-written files."""

import os
import sqlite3
import subprocess

import chaos
import pytest
from batch_jobs import check_results, items, report, shard_items

from adcore.batch import verbs
from adcore.errors import BatchError, JobDamagedError, StorageError


def test_a_result_without_a_row_is_adopted_and_a_row_without_a_result_is_redone(bench):
    path = items(bench, [0] * 30, "chunk_seconds = 0.001", executor="here")
    place = verbs.run(path).place
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
    again = verbs.run(path)
    assert again.messages == (
        f"results of {len(lost)} items are gone: they go again",
        f"results of {adopted} items were found",
    )
    assert again.code == 0
    assert not list((place / "results").glob("*.tmp"))
    check_results(place, range(30))


@pytest.mark.parametrize("damage", ["bytes", "gone", "truncated", "rows"])
def test_a_damaged_journal_is_made_again_from_manifest_and_results(bench, damage):
    path = items(bench, [0] * 50 + [chaos.RAISE], executor="here")
    place = verbs.run(path).place
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
    path = items(bench, [0] * 50, executor="here")
    place = verbs.run(path).place
    name = sorted(os.listdir(place / "results"))[0]
    count = len(shard_items(place, name))
    raw = bytearray((place / "results" / name).read_bytes())
    raw[-9] ^= 4
    (place / "results" / name).write_bytes(raw)
    again = verbs.run(path)
    assert again.messages == (f"1 damaged results set aside, {count} items go again: {name}",)
    assert (place / "results" / f"{name}.bad").exists()
    check_results(place, range(50))


DAMAGE = {
    "a digit": (lambda lines: [*lines[:7], lines[7].replace(b"7.5", b"7.4"), *lines[8:]], [7]),
    "a line end": (lambda lines: [*lines[:7], lines[7][:-1], *lines[8:]], [7, 8]),
    "a line gone": (lambda lines: [*lines[:7], *lines[8:]], [7]),
    "a line more": (lambda lines: [*lines[:7], b"what is this?\n", *lines[7:]], []),
    "another order": (lambda lines: lines[::-1], []),
    "the end": (lambda lines: [*lines[:-1], lines[-1][:20]], [11]),
    "all": (lambda lines: [], list(range(12))),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("finished", [False, True])
def test_a_damaged_manifest_costs_only_items_that_have_no_result_and_the_job_file_mends_it(bench, damage, finished):
    change, lost = DAMAGE[damage]
    path = items(bench, [0] * 12 if finished else [chaos.FLAKY] * 12, "retries = 0", executor="here")
    place = verbs.run(path).place
    manifest = place / "manifest.jsonl"
    whole = manifest.read_bytes()
    manifest.write_bytes(b"".join(change(whole.splitlines(keepends=True))))
    verbs.retry(place)  # the second of three tries that fail
    rows = report(verbs.retry(place))
    assert (place / "manifest.jsonl.bad").exists()
    failed = [int(row["item"]) for row in rows if row["kind"] == "JobDamagedError"]
    assert failed == ([] if finished else lost)
    check_results(place, [n for n in range(12) if finished or n not in lost])
    with verbs.results(place) as found:
        assert found.save(bench.folder / "out.npz") == (12 if finished else 12 - len(lost))
        for item in lost:
            with pytest.raises(JobDamagedError, match="run the original job file again"):
                found.inputs(item)
    assert verbs.resume(place).messages == (), "told once"
    again = ("damaged, and made again from the job file: manifest.jsonl",) if lost else ()
    assert verbs.run(path).messages == again
    assert manifest.read_bytes() == whole
    verbs.retry(path)
    verbs.retry(path)
    check_results(place, range(12))
    with verbs.results(place) as found:
        assert found.array("inputs/x").tolist() == [[n, n + 0.5, 1] for n in range(12)]


def test_without_its_manifest_a_job_still_has_its_results_and_its_status(bench):
    place = verbs.run(items(bench, [0] * 4 + [chaos.RAISE], executor="here")).place
    (place / "manifest.jsonl").unlink()
    check_results(place, range(4))
    found = verbs.status(place)
    assert (found.counts["done"], found.failures[0].kind, found.failures[0].inputs) == (4, "ValueError", {})
    with verbs.results(place) as found, pytest.raises(JobDamagedError, match="No such file"):
        found.inputs(0)


def test_a_line_that_is_damaged_while_the_job_runs_fails_its_item_and_no_other(bench):
    path = items(bench, [0] * 12, executor="here")
    body = (
        "from adcore.batch import directory, driver\n"
        "plain = driver.Driver.run\n"
        "def damage(self, tick):\n"
        "    file = self.place / directory.MANIFEST\n"
        "    file.write_bytes(file.read_bytes().replace(b'[5.0, 5.5', b'[5.0, 5.6'))\n"
        "    plain(self, tick)\n"
        "driver.Driver.run = damage\n"
        "s = verbs.run('job.toml')\nprint(s.code, *s.failures)"
    )
    out, errors = bench.driver(body).communicate(timeout=60)
    assert (out[:17], errors) == (b"1 Failure(item=5,", b"")
    assert b"its line in the manifest is not what was written: its checksum is wrong" in out
    assert verbs.run(path).code == 0
    check_results(bench.folder / "runs", range(12))


@pytest.mark.parametrize("name", ["graphs", "plugins"])
def test_a_damaged_graph_or_plugin_is_made_again_from_the_job_file_and_refused_without(bench, name):
    path = items(bench, [0] * 4, executor="here")
    place = verbs.run(path).place
    (file,) = (place / name).iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + b"#")
    with pytest.raises(BatchError) as caught:
        verbs.resume(place)
    assert str(caught.value) == (
        f"{name}/{file.name} is not what was written\n"
        f"  job {place}\n"
        "  run the original job file again, without job.toml there if need be"
    )
    assert verbs.run(path).messages == (f"damaged, and made again from the job file: {name}/{file.name}",)
    assert file.read_bytes() == whole


def test_journal_and_manifest_both_damaged_end_in_an_error_and_the_job_file_brings_both_back(bench):
    path = items(bench, [0] * 20, executor="here")
    place = verbs.run(path).place
    (place / "journal.sqlite").write_bytes(b"no")
    manifest = place / "manifest.jsonl"
    manifest.write_text(manifest.read_text().replace('"item": 3', '"item": 4'))
    with pytest.raises(BatchError) as caught:
        verbs.resume(place)
    assert str(caught.value) == (
        "journal and manifest are both damaged: SQLite says file is not a database\n"
        f"  {manifest}\n"
        "  run the original job file again, without job.toml there if need be: results are found by their keys"
    )
    assert verbs.run(path).messages == (
        "damaged, and made again from the job file: manifest.jsonl",
        "the journal was damaged (SQLite says file is not a database): made again from the manifest",
        "results of 20 items were found",
    )


def test_results_of_different_machines_are_told(bench):
    path = items(bench, [0] * 3, "chunk_seconds = 0.001", executor="here")
    first = verbs.run(path)
    with sqlite3.connect(first.place / "journal.sqlite") as db:
        db.execute("UPDATE shards SET machine = 'an older one threads 1 ' WHERE shard = 1")
    db.close()
    again = verbs.run(path)
    told = (
        f"the results come from 2 kinds of machine and may differ in bits: an older one threads 1 ; {first.machines[0]}"
    )
    assert again.messages == (told,)


def test_a_read_only_directory_stops_the_job_and_a_writable_one_goes_on(bench):
    place = bench.folder / "runs"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(place)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        path = items(bench, [0] * 3, executor="here")
        verbs.run(path)
        (place / "results" / os.listdir(place / "results")[0]).unlink()
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        with pytest.raises(StorageError, match="Read-only file system") as caught:
            verbs.run(path)
        assert "give it write permission" in str(caught.value)
        assert verbs.status(path).counts["done"] == 3
        subprocess.run(["mount", "-o", "remount,rw", str(place)], check=True)
        assert verbs.run(path).code == 0
        check_results(place, range(3))
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
