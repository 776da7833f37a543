"""What a job's directory survives: lost, altered and half-written files."""

import os
import sqlite3
import subprocess

import chaos
import pytest
from batch_jobs import check_results, items, shard_items

from adcore.batch import verbs
from adcore.errors import BatchError, StorageError


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


def test_journal_and_manifest_both_damaged_end_in_an_error_and_the_job_file_brings_it_back(bench):
    path = items(bench, [0] * 20, executor="here")
    place = verbs.run(path).place
    (place / "journal.sqlite").write_bytes(b"no")
    manifest = place / "manifest.jsonl"
    manifest.write_text(manifest.read_text().replace('"item": 3', '"item": 4'))
    with pytest.raises(BatchError) as caught:
        verbs.run(path)
    assert str(caught.value) == (
        "journal and manifest are both damaged: SQLite says file is not a database\n"
        f"  {manifest}\n"
        "  remove job.toml there and run the original job file: results are found by their keys"
    )
    (place / "job.toml").unlink()
    assert verbs.run(path).messages == ("results of 20 items were found",)


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
