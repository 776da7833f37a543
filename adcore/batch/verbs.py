"""What can be done with a job: run, resume, status, retry, results, cancel.

>>> summary = run("docs/examples/lynx_hare/job.toml")             # doctest: +SKIP
>>> summary.counts["done"], summary.code                          # doctest: +SKIP
(200, 0)
>>> results(summary.place).array("y").shape                       # doctest: +SKIP
(200,)
"""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from adcore.batch import directory, guard
from adcore.batch.create import create, remake, reused, source_hash, versions
from adcore.batch.directory import Job, Limits
from adcore.batch.driver import Driver, Stop, Tally, signals
from adcore.batch.job import JobFile, read_job
from adcore.batch.journal import Journal
from adcore.batch.lock import holder, lock
from adcore.batch.neighbours import Neighbours
from adcore.batch.progress import Progress, Silent
from adcore.batch.read import Results
from adcore.batch.repair import Repair, damaged_files, mend_lines, open_journal, reconcile, refuse
from adcore.batch.report import Failure, first_failures, write_report
from adcore.batch.shards import Store
from adcore.errors import BatchError, ConfigError, StorageError
from adcore.executor import Setup, find_executor
from adcore.plugins import loader


@dataclass(frozen=True, slots=True)
class Summary:
    """How a run of a job ended.

    code: 0 all done · 1 some items failed · 75 stopped, resumable · 130 interrupted, resumable.
    counts: items by state.   seconds: of this run.   failures: the first few.
    machines: what the results come from; more than one kind may differ in bits.
    """

    place: Path
    code: int
    counts: Mapping[str, int]
    seconds: float
    report: Path
    failures: tuple[Failure, ...] = ()
    messages: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()


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
) -> Summary:
    """Run a job file, or go on with it: what is done already is never computed again.

    out, workers, executor: instead of those in the file.   verify: hash all results that are there.
    Raises: ConfigError for a mistake in the file; JobLockedError if it runs already; StorageError and
    ExecutorError when it had to stop, resumable.
    """
    if Path(job).is_dir():
        return resume(job, workers=workers, executor=executor, verify=verify, progress=progress)
    file = read_job(job)
    file = replace(file, limits=_changed(file.limits, workers, executor))
    source = source_hash(file)
    _load_plugins(file.plugins)
    find_executor(file.limits.executor)  # an unknown name is told before anything is made
    place = _place(file, source) if out is None else Path(out).resolve()
    notes = Notes(progress or Silent())
    with _locked(place):
        if (place / directory.JOB).exists():
            known = directory.load(place)
            if known.source != source:
                raise ConfigError(
                    "the directory holds another job: its job file, graphs or data were different",
                    f"{place}, made for {file.source.path} or another file",
                    "choose another with --out, or remove it; with {hash} in `out` every job has its own",
                )
            known = replace(known, limits=file.limits, options=file.options, reuse=reused(place, file))
        else:
            known = create(place, file, source, notes.tell)
        return _drive(place, known, notes, verify, lambda damaged: remake(place, file, known, damaged, notes.tell))


def resume(
    job: str | Path,
    *,
    workers: int | None = None,
    executor: str | None = None,
    verify: bool = True,
    progress: Progress | None = None,
) -> Summary:
    """Go on with a job, from its directory alone. Damaged or lost results are found and redone."""
    place = place_of(job)
    with _existing(place) as known:
        known = replace(known, limits=_changed(known.limits, workers, executor))
        return _drive(place, known, Notes(progress or Silent()), verify)


def retry(
    job: str | Path,
    *,
    kinds: Sequence[str] = (),
    items: Sequence[int] = (),
    workers: int | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Try failed and quarantined items again: all, or those of some kinds of error or some numbers."""
    place = place_of(job)
    notes = Notes(progress or Silent())
    with _existing(place) as known:
        with contextlib.closing(open_journal(place, known, notes.tell)) as journal:
            notes.tell(f"{journal.again(kinds, items)} items go again")
        return _drive(place, replace(known, limits=_changed(known.limits, workers, None)), notes, True)


def status(job: str | Path) -> Status:
    """How far the job is. May be asked while it runs."""
    place = place_of(job)
    known = directory.load(place)
    with contextlib.closing(_reader(place)) as journal:
        return Status(place, journal.counts(), known.items, holder(place), first_failures(place, journal))


def results(job: str | Path) -> Results:
    """The results of the job, in item order. May be asked while it runs; close it, or use `with`."""
    place = place_of(job)
    return Results(place, directory.load(place), _reader(place))


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


def place_of(job: str | Path) -> Path:
    """The directory of a job: itself, or what its job file says (`out`, relative to the file)."""
    path = Path(job)
    if path.is_dir():
        return path.resolve()
    file = read_job(path)
    return _place(file, source_hash(file))


class Notes:
    """Passes messages on to the progress, and keeps them for the summary."""

    def __init__(self, progress: Progress) -> None:
        self.progress, self.messages = progress, list[str]()

    def tell(self, message: str) -> None:
        """Tell the user, and keep it."""
        self.messages.append(message)
        self.progress.tell(message)


# --- one run -------------------------------------------------------------------------------------


def _drive(
    place: Path, job: Job, notes: Notes, verify: bool, mend: Callable[[Iterable[str]], None] | None = None
) -> Summary:
    """Make the directory consistent, run what is pending, write the report."""
    begin = time.monotonic()
    for left in (directory.STOP, directory.RUNNING):
        (place / left).unlink(missing_ok=True)
    files = {directory.MANIFEST: job.manifest, **job.files}
    damaged = damaged_files(place, files)
    if damaged and mend:
        mend(damaged)
        damaged = damaged_files(place, files)
    refuse(place, damaged)
    journal = open_journal(place, job, notes.tell)
    with contextlib.closing(journal), contextlib.closing(notes.progress), signals() as stop:
        journal.release()
        _tell_repair(reconcile(journal, Store(place / directory.RESULTS), verify), notes)
        neighbours = Neighbours(journal, place, (place / folder for folder in job.reuse))
        if found := neighbours.take():
            notes.tell(f"{found} items have results in other jobs: taken from there")
        mend_lines(place, job, journal, notes.tell)
        try:
            _run_pending(place, job, journal, neighbours, notes, stop)
        finally:
            with contextlib.suppress(sqlite3.Error, StorageError):
                report = write_report(place, job, journal)
        machines = sorted({machine for *_, machine in journal.shards()})
        if len(machines) > 1:
            told = "; ".join(machines)
            notes.tell(f"the results come from {len(machines)} kinds of machine and may differ in bits: {told}")
        if any(f" threads {job.threads} " not in machine for machine in machines):
            notes.tell(
                f"not all workers had threads = {job.threads} for linear algebra, so results may differ in bits; "
                "set OPENBLAS_NUM_THREADS (MKL_NUM_THREADS, ...) before they start"
            )
        counts = journal.counts()
        bad = counts["failed"] + counts["quarantined"]
        code = stop.code if stop.code and counts["pending"] else min(bad, 1)
        seconds = time.monotonic() - begin
        failures = first_failures(place, journal)
        return Summary(place, code, counts, seconds, report, failures, tuple(notes.messages), tuple(machines))


def _run_pending(place: Path, job: Job, journal: Journal, neighbours: Neighbours, notes: Notes, stop: Stop) -> None:
    counts = journal.counts(twins=False)
    tally = Tally(job.items - journal.twins(), counts["done"], counts["failed"], counts["quarantined"])
    if tally.settled == tally.total:
        return
    limits = job.limits
    kind = find_executor(limits.executor)
    verdict = guard.judge((group.peak for group in job.groups.values()), limits)
    if verdict.message:
        notes.tell(verdict.message)
    if not kind.limits and (limits.item_seconds or limits.item_memory):
        notes.tell(f"executor {kind.name!r} does not enforce item_seconds and item_memory")
    now = versions()
    if changed := {name for name, number in job.versions.items() if now.get(name, number) != number}:
        before = {name: job.versions[name] for name in sorted(changed)}
        notes.tell(f"the job was made with {_told(before)} and goes on with {_told({n: now[n] for n in before})}")
    setup = Setup(
        job=str(place),
        workers=min(verdict.workers, tally.total - tally.settled),
        threads=job.threads,
        item_seconds=limits.item_seconds if kind.limits else 0.0,
        item_memory=limits.item_memory if kind.limits else 0,
        chunk_seconds=limits.chunk_seconds,
        options=job.options,
    )
    with neighbours.claim() as awaited:
        if awaited:
            notes.tell(f"{awaited} items are being computed by other jobs: their results are taken when they are there")
        Driver(place, journal, kind(setup), limits, tally, stop, neighbours).run(notes.progress.update)


def _tell_repair(repair: Repair, notes: Notes) -> None:
    if repair.damaged:
        files = ", ".join(repair.damaged[:3])
        notes.tell(f"{len(repair.damaged)} damaged results set aside, {repair.redone} items go again: {files}")
    if repair.lost:
        notes.tell(f"results of {repair.lost} items are gone: they go again")
    if repair.adopted:
        notes.tell(f"results of {repair.adopted} items were found")


def _told(found: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in found.items())


# --- directories ---------------------------------------------------------------------------------


def _place(file: JobFile, source: str) -> Path:
    strategy = "sweep" if file.sweep.strategy else file.strategy
    words = {"name": file.name, "strategy": strategy, "request": file.request, "hash": source[:12]}
    try:
        return (file.folder / file.out.format(**words)).resolve()
    except (KeyError, IndexError, ValueError):
        raise ConfigError(
            f'out = "{file.out}" names something unknown',
            file.where("job", "out"),
            "allowed: {name}, {strategy}, {request}, {hash}",
        ) from None


def _changed(limits: Limits, workers: int | None, executor: str | None) -> Limits:
    return replace(limits, workers=workers or limits.workers, executor=executor or limits.executor)


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
def _existing(place: Path) -> Iterator[Job]:
    """A job that is there, locked."""
    directory.load(place)
    with lock(place):
        known = directory.load(place)
        refuse(place, damaged_files(place, {file: known.files[file] for file in known.plugins}))
        _load_plugins(place / file for file in known.plugins)
        yield known


def _load_plugins(files: Iterable[Path]) -> None:
    for file in files:
        loader().load_file(str(file))
