"""Making a job's directory consistent before anything runs: what was lost, damaged or left half done.

journal damaged or gone      made again from the manifest, then from the shards
shard without a row          its items are done: found by their keys
row without a shard          its items go again
shard with wrong bytes       set aside as `….bad`, its items go again
manifest, graph, table       made again from the job file, if that is what runs; else of a damaged manifest
altered                      the items whose lines are lost fail, if they have no result; the rest is an error
"""

import contextlib
import os
import shutil
import sqlite3
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from adcore.batch import directory, manifest
from adcore.batch.directory import Job
from adcore.batch.journal import Journal
from adcore.batch.shards import Store
from adcore.errors import FileFormatError, JobDamagedError, StorageError
from adcore.serialize import durable

DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR")


@dataclass(frozen=True, slots=True)
class Repair:
    """What `reconcile` found and did; all zero in a job that was never disturbed."""

    adopted: int = 0  # items of shards that had no row
    lost: int = 0  # items whose shard is gone: pending again
    damaged: tuple[str, ...] = ()  # shards with wrong bytes, set aside
    redone: int = 0  # items of those: pending again


def reconcile(journal: Journal, store: Store, verify: bool = True) -> Repair:
    """Make journal and shards agree: after this every done row has its shard, every shard its rows.

    verify: hash every byte of every shard (about 1 s per GB); else only headers and indexes.
    """
    store.clear()
    present = store.names()
    adopted = lost = redone = 0
    damaged = []
    for name in sorted(present):
        try:
            store.open(name, verify)
        except FileFormatError:
            os.replace(store.directory / name, store.directory / f"{name}.bad")
            present.discard(name)
            damaged.append(name)
            redone += journal.forget_shard(name)
    known = {name for _, name, _, _ in journal.shards()}
    for name in known - present:
        lost += journal.forget_shard(name)
    for name in sorted(present - known):
        adopted += adopt(journal, store, name)
    journal.commit()
    return Repair(adopted, lost, tuple(damaged), redone)


def adopt(journal: Journal, store: Store, name: str) -> int:
    """Give the items of a shard their rows, found by key; how many were not done before."""
    shard = store.open(name)
    number = journal.add_shard(name, (store.directory / name).stat().st_size, str(shard.meta["machine"]))
    keys = shard[":key"]
    rows = zip(shard[":seconds"].tolist(), shard[":peak"].tolist(), strict=True)
    listed = [(n, keys[n].tobytes(), seconds, peak) for n, (seconds, peak) in enumerate(rows)]
    return journal.adopt(number, listed)


def open_journal(place: Path, job: Job, tell: Callable[[str], None]) -> Journal:
    """The journal; if it is damaged it is set aside and made again from the manifest (results follow).

    Raises: JobDamagedError if the manifest is damaged too; StorageError if it cannot be opened.
    """
    path = place / directory.JOURNAL
    journal: Journal | None = None
    try:
        journal = Journal(path)
        damage = journal.damage(job.items, job.manifest)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorname not in DAMAGE:
            raise StorageError(
                f"the journal cannot be opened: {error}",
                str(path),
                "free space or give write permission, and resume",
            ) from None
        damage = f"SQLite says {error}"
    if not damage:
        assert journal is not None
        return journal
    if journal is not None:
        journal.close()
    if damaged_files(place, {directory.MANIFEST: job.manifest}):
        raise JobDamagedError(
            f"journal and manifest are both damaged: {damage}",
            str(place / directory.MANIFEST),
            "run the original job file again, without job.toml there if need be: results are found by their keys",
        )
    for end in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{path}{end}", f"{path}{end}.bad")
    tell(f"the journal was damaged ({damage}): made again from the manifest")
    journal = Journal(path)
    journal.create(manifest.new_items(place / directory.MANIFEST), lambda: job.manifest)
    return journal


def damaged_files(place: Path, files: Mapping[str, str]) -> dict[str, str]:
    """Those of the files, given with their sha256, that are not what was written, and what is wrong with each."""
    found = {}
    for file, digest in files.items():
        try:
            if directory.sha256_file(place / file) != digest:
                found[file] = "is not what was written"
        except OSError as error:
            found[file] = f"cannot be read: {error.strerror or error}"
    return found


def refuse(place: Path, damaged: Mapping[str, str]) -> None:
    """Raise JobDamagedError if graphs or tables were altered since the keys were made; a manifest can be mended."""
    for file in damaged.keys() - {directory.MANIFEST}:
        raise JobDamagedError(
            f"{file} {damaged[file]}",
            f"job {place}",
            "run the original job file again, without job.toml there if need be",
        )


def mend_lines(place: Path, job: Job, journal: Journal, tell: Callable[[str], None]) -> None:
    """Find the lines of the manifest again, if it is not as the journal knows it.

    Pending items whose lines are lost fail; once the manifest was made again they are pending once more.
    Raises: StorageError if the manifest has to be written and cannot be.
    """
    path = place / directory.MANIFEST
    path.touch()
    if directory.sha256_file(path) == journal.lines:
        journal.again([JobDamagedError.__name__])  # those of lines that were damaged while a job ran
        return
    damage: list[str] = []
    if directory.sha256_file(path) != job.manifest:
        _keep_good_lines(path, job.items, damage)
    places = ((new.item, new.key, new.offset) for new in manifest.new_items(path))
    lost = manifest.lost_line(path, "; ".join(damage[:3]))
    failed = journal.place_lines(places, directory.sha256_file(path), (JobDamagedError.__name__, str(lost), ""))
    if damage:
        tell(
            f"the manifest was damaged ({'; '.join(damage[:3])}) and is kept as {path.name}.bad: {failed} items "
            "without a result have failed, until the original job file is run again"
        )


def _keep_good_lines(path: Path, count: int, damage: list[str]) -> None:
    """Write the manifest again with the lines that can be read, in the order of items; says what the others are."""
    starts, sizes = array("q", [-1]) * count, array("q", [0]) * count
    for number, item, offset, size in manifest.good_lines(path, damage):
        if item >= count or starts[item] >= 0:
            damage.append(f"line {number}: there is no such item, or it has a line before")
        else:
            starts[item], sizes[item] = offset, size
    if missing := starts.count(-1):
        damage.append(f"{missing} of {count} lines are missing" if not damage else f"{missing} of {count} lines lost")
    bad = path.with_name(path.name + ".bad")
    try:
        shutil.copyfile(path, bad)
        with open(bad, "rb") as old:
            durable.write(path, (_part(old, start, size) for start, size in zip(starts, sizes, strict=True)))
    except OSError as error:
        raise StorageError(
            f"the manifest is damaged and could not be written: {error.strerror}", str(path), "free space, and resume"
        ) from None


def _part(file: IO[bytes], start: int, size: int) -> bytes:
    if start < 0:
        return b""
    file.seek(start)
    return file.read(size)
