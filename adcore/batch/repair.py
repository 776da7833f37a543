"""Making a job's directory consistent before anything runs: what was lost, damaged or left half done.

journal damaged or gone      made again from the manifest, then from the shards
shard without a row          its items are done: found by their keys
row without a shard          its items go again
shard with wrong bytes       set aside as `….bad`, its items go again
manifest, table altered      an error: what the keys were made from is gone
"""

import contextlib
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from adcore.batch import directory, manifest
from adcore.batch.directory import Job
from adcore.batch.journal import Journal
from adcore.batch.shards import Store
from adcore.errors import FileFormatError, JobDamagedError, StorageError

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
    if directory.sha256_file(place / directory.MANIFEST) != job.manifest:
        raise JobDamagedError(
            f"journal and manifest are both damaged: {damage}",
            str(place / directory.MANIFEST),
            "remove job.toml there and run the original job file: results are found by their keys",
        )
    for end in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{path}{end}", f"{path}{end}.bad")
    tell(f"the journal was damaged ({damage}): made again from the manifest")
    journal = Journal(path)
    journal.create(manifest.new_items(place / directory.MANIFEST), lambda: job.manifest)
    return journal


def check_files(place: Path, job: Job) -> None:
    """Refuse to go on with tables or graphs that were altered since the keys were made."""
    for file, digest in job.files.items():
        try:
            found = directory.sha256_file(place / file)
        except OSError as error:
            found = error.strerror or str(error)
        if found != digest:
            raise JobDamagedError(
                f"{file} is not what was written" if len(found) == 64 else f"{file} cannot be read: {found}",
                f"job {place}",
                "remove job.toml in that directory and run the original job file again",
            )
