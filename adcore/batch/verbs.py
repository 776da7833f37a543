"""What can be done with a job: run, resume, status, retry, results, cancel.

>>> summary = run("docs/examples/lynx_hare/job.toml")             # doctest: +SKIP
>>> summary.counts["done"], summary.code                          # doctest: +SKIP
(200, 0)
>>> results(summary.place).array("value").shape                   # doctest: +SKIP
(200,)
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from adcore.batch import directory, guard, manifest
from adcore.batch.create import create, source_hash, versions
from adcore.batch.directory import Job
from adcore.batch.driver import Driver, Stop, Tally, signals
from adcore.batch.job import read_job
from adcore.batch.journal import Journal, holder, lock
from adcore.batch.progress import Progress, Silent, write_report
from adcore.batch.results import Repair, Results, Store, reconcile, share
from adcore.errors import BatchError, ConfigError, JobDamagedError, StorageError
from adcore.executor import Setup, find_executor

PROGRAM = "adcore.batch.program"
DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR")
SHOWN_FAILURES = 5


@dataclass(frozen=True, slots=True)
class Failure:
    """An item without a result. kind: the class of its error, "Timeout" or "WorkerKilled"."""

    item: int
    kind: str
    message: str
    inputs: Mapping[str, Any]
    detail: str


@dataclass(frozen=True, slots=True)
class Summary:
    """How a run of a job ended.

    code: 0 all done · 1 some items failed · 75 stopped, resumable · 130 interrupted, resumable.
    counts: items by state.   seconds: of this run.   failures: the first few.
    """

    place: Path
    code: int
    counts: Mapping[str, int]
    seconds: float
    report: Path
    failures: tuple[Failure, ...] = ()
    messages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """How far a job is, whether or not it runs. running_as: pid and host of its driver, if it has one."""

    place: Path
    counts: Mapping[str, int]
    items: int
    running_as: tuple[int, str] | None
    failures: tuple[Failure, ...] = ()


def run(
    job: str | Path,
    *,
    out: str | Path | None = None,
    workers: int | None = None,
    executor: str | None = None,
    verify: bool = True,
    progress: Progress | None = None,
    program: str = PROGRAM,
) -> Summary:
    """Run a job file, or go on with it: what is done already is never computed again.

    out, workers, executor: instead of those in the file.   verify: hash all results that are there.
    Raises: ConfigError for a mistake in the file; JobLockedError if it runs already; StorageError and
    ExecutorError when it had to stop, resumable.
    """
    if Path(job).is_dir():
        return resume(job, workers=workers, executor=executor, verify=verify, progress=progress, program=program)
    file = read_job(job)
    changed: dict[str, Any] = {"workers": workers, "executor": executor}
    limits = replace(file.limits, **{k: v for k, v in changed.items() if v is not None})
    file = replace(file, limits=limits)
    find_executor(limits.executor)  # an unknown name is told before anything is made
    source = source_hash(file)
    place = place_of(job, out)
    notes = Notes(progress or Silent())
    with _locked(place):
        if (place / directory.JOB).exists():
            known = directory.load(place)
            if known.source != source:
                raise ConfigError(
                    "the directory holds another job: its job file, graphs or data were different",
                    f"{place}, made for {file.path} or another file",
                    "choose another with --out, or remove it; with {hash} in `out` every job has its own",
                )
            known = replace(known, limits=limits, options=file.options)
        else:
            known = create(place, file, source, program, notes.tell)
        return _drive(place, known, notes, verify, program, reuse=file.reuse)


def resume(
    job: str | Path,
    *,
    workers: int | None = None,
    executor: str | None = None,
    verify: bool = True,
    progress: Progress | None = None,
    program: str = PROGRAM,
) -> Summary:
    """Go on with a job, from its directory alone. Damaged or lost results are found and redone."""
    place = place_of(job)
    changed: dict[str, Any] = {"workers": workers, "executor": executor}
    with _existing(place):
        known = directory.load(place)
        limits = replace(known.limits, **{k: v for k, v in changed.items() if v is not None})
        return _drive(place, replace(known, limits=limits), Notes(progress or Silent()), verify, program)


def retry(
    job: str | Path,
    *,
    kinds: Sequence[str] = (),
    items: Sequence[int] = (),
    workers: int | None = None,
    progress: Progress | None = None,
    program: str = PROGRAM,
) -> Summary:
    """Try failed and quarantined items again: all, or those of some kinds of error or some numbers."""
    place = place_of(job)
    with _existing(place):
        known = directory.load(place)
        notes = Notes(progress or Silent())
        journal = _open_journal(place, known, notes)
        notes.tell(f"{journal.again(kinds, items)} items go again")
        journal.close()
        limits = replace(known.limits, workers=workers or known.limits.workers)
        return _drive(place, replace(known, limits=limits), notes, True, program)


def status(job: str | Path) -> Status:
    """How far the job is. May be asked while it runs."""
    place = place_of(job)
    known = directory.load(place)
    with contextlib.closing(_reader(place)) as journal:
        failures = _failures(place, journal, SHOWN_FAILURES)
        return Status(place, journal.counts(), known.items, holder(place), failures)


def results(job: str | Path) -> Results:
    """The results of the job, in item order. May be asked while it runs; close it, or use `with`."""
    place = place_of(job)
    directory.load(place)
    return Results(_reader(place), Store(place / directory.RESULTS))


def cancel(job: str | Path, wait_seconds: float = 30.0) -> bool:
    """Ask the driver of a running job to stop, wherever it runs. Whether it did within the time.

    What was finished stays; `resume` goes on. Raises BatchError if the job is not running.
    """
    place = place_of(job)
    directory.load(place)
    if holder(place) is None:
        raise BatchError("the job is not running", str(place), "`adcore batch status` says how far it is")
    (place / directory.STOP).touch()
    end = time.monotonic() + wait_seconds
    while time.monotonic() < end:
        if holder(place) is None:
            return True
        time.sleep(0.05)
    return False


def place_of(job: str | Path, out: str | Path | None = None) -> Path:
    """The directory of a job: itself, or what its job file says (`out`, relative to the file)."""
    path = Path(job)
    if out is not None:
        return Path(out).resolve()
    if path.is_dir():
        return path.resolve()
    file = read_job(path)
    strategy = file.strategy.get("name", "default") if not file.sweep.strategy else "sweep"
    words = {"name": file.name, "strategy": strategy, "request": file.request}
    try:
        if "{hash}" in file.out:
            words["hash"] = source_hash(file)[:12]
        return (file.path.parent / file.out.format(**words)).resolve()
    except (KeyError, IndexError, ValueError):
        raise ConfigError(
            f'out = "{file.out}" names something unknown',
            file.where("[job] out"),
            "allowed: {name}, {strategy}, {request}, {hash}",
        ) from None


class Notes:
    """Passes messages on to the progress, and keeps them for the summary."""

    def __init__(self, progress: Progress) -> None:
        self.progress, self.messages = progress, list[str]()

    def tell(self, message: str) -> None:
        """Tell the user, and keep it."""
        self.messages.append(message)
        self.progress.tell(message)


def _drive(place: Path, job: Job, notes: Notes, verify: bool, program: str, reuse: Sequence[Path] = ()) -> Summary:
    """Make the directory consistent, run what is pending, write the report."""
    begin = time.monotonic()
    (place / directory.STOP).unlink(missing_ok=True)
    store = Store(place / directory.RESULTS)
    _check_inputs(place, job)
    journal = _open_journal(place, job, notes)
    with contextlib.closing(journal), contextlib.closing(notes.progress), signals() as stop:
        journal.release()
        for other in reuse:
            if (other / directory.RESULTS).is_dir():
                share(Store(other / directory.RESULTS), store)
        _tell_repair(reconcile(journal, store, verify), notes)
        try:
            _run_pending(place, job, journal, notes, stop, program)
        finally:
            with contextlib.suppress(sqlite3.Error, StorageError):
                report = write_report(place, job, journal)
        machines = {machine for *_, machine in journal.shards()}
        if len(machines) > 1:
            told = "; ".join(sorted(machines))
            notes.tell(f"the results come from {len(machines)} kinds of machine and may differ in bits: {told}")
        counts = journal.counts()
        bad = counts["failed"] + counts["quarantined"]
        code = stop.code if stop.code and counts["pending"] else min(bad, 1)
        seconds = time.monotonic() - begin
        failures = _failures(place, journal, SHOWN_FAILURES)
        return Summary(place, code, counts, seconds, report, failures, tuple(notes.messages))


def _run_pending(place: Path, job: Job, journal: Journal, notes: Notes, stop: Stop, program: str) -> None:
    counts = journal.counts(twins=False)
    tally = Tally(job.items - journal.twins(), counts["done"], counts["failed"], counts["quarantined"])
    if tally.settled == tally.total:
        return
    limits = job.limits
    kind = find_executor(limits.executor)
    verdict = guard.judge((g.peak for g in job.groups.values()), limits.workers, limits.memory, kind.name)
    if verdict.workers < limits.workers and not verdict.budget:
        notes.tell(verdict.message)
    if not kind.limits and (limits.item_seconds or limits.item_memory):
        notes.tell(f"executor {kind.name!r} does not enforce item_seconds and item_memory")
    if versions() != job.versions:
        notes.tell(f"the job was made with {_told(job.versions)} and goes on with {_told(versions())}")
    setup = Setup(
        job=str(place),
        workers=min(verdict.workers, tally.total - tally.settled),
        threads=job.threads,
        item_seconds=limits.item_seconds,
        item_memory=limits.item_memory,
        chunk_seconds=limits.chunk_seconds,
        program=program,
        options=job.options,
    )
    Driver(place, journal, kind(setup), limits, tally, stop).run(notes.progress.update)


def _open_journal(place: Path, job: Job, notes: Notes) -> Journal:
    """The journal; if it is damaged it is set aside and made again from the manifest (results follow)."""
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
    notes.tell(f"the journal was damaged ({damage}): made again from the manifest")
    journal = Journal(path)
    lines = manifest.lines(place / directory.MANIFEST)
    rows = ((e["item"], o, bytes.fromhex(e["key"]), e["group"], e.get("tag", "")) for o, e in lines)
    journal.create(rows, lambda: job.manifest)
    return journal


def _check_inputs(place: Path, job: Job) -> None:
    """Refuse to go on with tables or graphs that were altered since the keys were made."""
    for name, table in job.tables.items():
        if directory.sha256_file(place / table["file"]) != table["sha256"]:
            raise JobDamagedError(
                f"the table of input {name!r} is not what was written",
                str(place / table["file"]),
                "remove job.toml in that directory and run the original job file again",
            )


def _tell_repair(repair: Repair, notes: Notes) -> None:
    if repair.damaged:
        files = ", ".join(repair.damaged[:3])
        notes.tell(f"{len(repair.damaged)} damaged results set aside, {repair.redone} items go again: {files}")
    if repair.lost:
        notes.tell(f"results of {repair.lost} items are gone: they go again")
    if repair.adopted:
        notes.tell(f"results of {repair.adopted} items were found")


def _failures(place: Path, journal: Journal, most: int) -> tuple[Failure, ...]:
    rows = []
    for row in journal.rows("r.state IN (2, 3)"):
        rows.append(row)
        if len(rows) == most:
            break
    found = []
    with open(place / directory.MANIFEST, "rb") as file:
        for row in rows:
            file.seek(journal.offset(row.item))
            inputs = manifest.item(file.readline())["inputs"]
            found.append(Failure(row.item, row.kind or "", row.message or "", inputs, row.detail or ""))
    return tuple(found)


def _reader(place: Path) -> Journal:
    try:
        return Journal(place / directory.JOURNAL, read_only=True)
    except sqlite3.DatabaseError as error:
        raise StorageError(
            f"the journal cannot be read: {error}",
            str(place / directory.JOURNAL),
            "`adcore batch resume` makes it again from manifest and results",
        ) from None


@contextlib.contextmanager
def _locked(place: Path) -> Iterator[None]:
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"the job's directory cannot be made: {error.strerror}", str(place), "choose another with --out"
        ) from None
    with lock(place):
        yield


@contextlib.contextmanager
def _existing(place: Path) -> Iterator[None]:
    directory.load(place)
    with lock(place):
        yield


def _told(found: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in found.items())
