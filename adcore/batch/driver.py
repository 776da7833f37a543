"""The driver of a job: hands out chunks, writes what comes back, decides about what does not.

an item raises OSError or MemoryError    tried again after a pause, at most `retries` times
an item raises anything else             failed, with its error
an item takes too long                   its worker is stopped, the item failed
a worker dies                            the item it ran goes alone next time; after `kills`
                                         deaths it is quarantined; its neighbours just go again
the disk is full, the journal read-only  the job stops, resumable
"""

import contextlib
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from adcore.batch.directory import STOP, Limits
from adcore.batch.feed import Feed
from adcore.batch.journal import FAILED, PENDING, QUARANTINED, STATES, Journal
from adcore.batch.neighbours import Neighbours
from adcore.batch.shards import Store
from adcore.errors import ExecutorError, JobDamagedError, StorageError
from adcore.executor import Chunk, Executor, Outcome
from adcore.plugins import loader
from adcore.serialize.shard import Shard, decode

QUARANTINED_IN_A_ROW = 25  # items that may kill all their workers without one finished item between
TICK = 0.1  # seconds between two looks at signals, the stop file and the progress
MAX_PAUSE = 30.0  # seconds between two attempts of an item, at most


@dataclass(slots=True)
class Tally:
    """How far the job is: numbers of items."""

    total: int
    done: int = 0
    failed: int = 0
    quarantined: int = 0

    @property
    def settled(self) -> int:
        """Items that need nothing more."""
        return self.done + self.failed + self.quarantined


@dataclass(frozen=True, slots=True)
class Finished:
    """An item that has come to its end, for the hook `adcore_item_finished`. seconds of its last attempt."""

    number: int
    state: str
    seconds: float
    peak: int
    kind: str = ""
    message: str = ""


@dataclass(slots=True)
class Stop:
    """Whether the job should stop, and why: 0 no, 75 asked to, 130 interrupted; now: without waiting."""

    code: int = 0
    now: bool = False

    def ask(self, code: int) -> None:
        """Ask once to stop gently, twice to stop now."""
        self.now = self.code != 0
        self.code = self.code or code


@contextlib.contextmanager
def signals() -> Iterator[Stop]:
    """A Stop that SIGINT and SIGTERM ask, inside the block, in the main thread."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.ask(130 if number == signal.SIGINT else 75)

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Driver:
    """Runs the pending items of one job to their end. `tally` is up to date after every outcome."""

    def __init__(
        self,
        place: Path,
        journal: Journal,
        executor: Executor,
        limits: Limits,
        tally: Tally,
        stop: Stop,
        neighbours: Neighbours,
    ) -> None:
        self.place, self.journal, self.executor, self.limits = place, journal, executor, limits
        self.neighbours = neighbours
        self.store = Store(place / "results")
        self.tally, self.stop = tally, stop
        self.feed = Feed(journal, executor.slots, limits.chunk_seconds, tally.total - tally.settled)
        self.out: dict[int, Chunk] = {}
        self.lost_in_a_row = 0
        self.observers = loader().observers("adcore_item_finished")

    def run(self, tick: Callable[[Tally], None]) -> None:
        """Until every item is settled or `stop` is asked; calls tick(tally) about ten times a second.

        Raises: StorageError, ExecutorError, JobDamagedError; the job can be resumed after each.
        """
        try:
            while self._hand_out():
                if self.out:
                    self._settle(self.executor.wait(TICK))
                else:
                    time.sleep(TICK)  # all that is left waits for its next attempt, or for another job
                if self.neighbours.waiting:
                    self.tally.done += self.neighbours.look()
                if (self.place / STOP).exists():
                    self.stop.ask(75)
                if self.stop.code:
                    self._drain(tick)
                    return
                tick(self.tally)
        except sqlite3.Error as error:
            raise StorageError(
                f"the journal could not be written: {error}",
                str(self.journal.path),
                "free space or give write permission; `adcore batch resume` goes on where this stopped",
            ) from None
        finally:
            self.executor.close()
            with contextlib.suppress(sqlite3.Error):
                self.journal.release()
                self.journal.commit()
            (self.place / STOP).unlink(missing_ok=True)

    def _hand_out(self) -> bool:
        """Fill the executor; False when all items are settled."""
        while len(self.out) < self.feed.depth:
            chunk = self.feed.next()
            if chunk is None:
                break
            self.journal.lease(chunk.number, chunk.spans[0][0], len(chunk), os.getpid())
            self.journal.commit()
            self.out[chunk.number] = chunk
            self.executor.submit(chunk)
        if self.out or self.feed.waiting:
            return True
        if self.neighbours.waiting and not self.neighbours.ended:
            return True
        self.neighbours.ended = False
        return self.feed.start_over() or self.neighbours.waiting

    def _drain(self, tick: Callable[[Tally], None]) -> None:
        """Take what is finished within the time of grace; workers end their chunks when they see the file."""
        with contextlib.suppress(OSError):
            (self.place / STOP).touch()
        end = time.monotonic() + self.limits.grace_seconds
        while self.out and not self.stop.now and time.monotonic() < end:
            self._settle(self.executor.wait(TICK))
            tick(self.tally)

    def _settle(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            chunk = self.out.pop(outcome.chunk.number)
            if outcome.payload is not None:
                self._take(chunk, outcome.payload)
            else:
                self._lose(chunk, outcome)
            self.journal.release(chunk.number)
        self.journal.commit()

    def _take(self, chunk: Chunk, payload: bytes) -> None:
        """Write the results of a chunk, then their rows; failed items have only a row."""
        shard = decode(payload, "from a worker", verify=False)
        meta = shard.meta
        if len(shard[":item"]):
            name = self.store.write(payload)
            number = self.journal.add_shard(name, len(payload), meta["machine"])
            self.tally.done += self.journal.done(number, _rows(shard))
            if self.observers:
                for _, item, seconds, peak in _rows(shard):
                    self._tell(Finished(item, "done", seconds, peak))
        for item, kind, message, detail, transient, seconds, peak in meta["failures"]:
            self._fail(item, (kind, message, detail), transient, seconds, peak)
        self.lost_in_a_row = 0
        self.feed.measure(meta["busy"], meta["ran"])
        if meta["ran"] < len(chunk):
            self.feed.give_back(chunk, meta["ran"])
        self.feed.remaining = self.tally.total - self.tally.settled

    def _fail(self, item: int, what: tuple[str, str, str], transient: bool, seconds: float, peak: int) -> None:
        attempts = self.journal.attempts(item)
        if transient and attempts < self.limits.retries:
            self.journal.failed(item, PENDING, what, seconds, peak)
            self.feed.delay(item, min(self.limits.backoff_seconds * 2**attempts, MAX_PAUSE))
        else:
            self._end(item, FAILED, what, seconds, peak)

    def _end(self, item: int, state: int, what: tuple[str, str, str], seconds: float, peak: int = 0) -> None:
        """The item has no result and gets none in this run."""
        self.journal.failed(item, state, what, seconds, peak)
        if state == FAILED:
            self.tally.failed += 1
        else:
            self.tally.quarantined += 1
        self._tell(Finished(item, STATES[state], seconds, peak, *what[:2]))

    def _tell(self, item: Finished) -> None:
        for observer in self.observers:
            observer(item=item)

    def _lose(self, chunk: Chunk, outcome: Outcome) -> None:
        """Decide about a chunk whose worker is gone."""
        if outcome.kind == "broken":
            raise JobDamagedError(
                "a worker cannot work on this job",
                f"job {self.place}",
                f"it says:\n{outcome.reason.strip()}",
            )
        suspect = outcome.suspect
        if suspect is None and len(chunk) == 1:
            suspect = chunk.spans[0][0]
        if outcome.kind == "timeout" and suspect is not None:
            seconds = self.limits.item_seconds
            message = f"the item took longer than item_seconds = {seconds:g}"
            self._end(suspect, FAILED, ("Timeout", message, outcome.reason), seconds)
            self.feed.drop(chunk, suspect)
            return
        self.lost_in_a_row += 1
        if self.lost_in_a_row >= QUARANTINED_IN_A_ROW * self.limits.kills:
            raise ExecutorError(
                f"{self.lost_in_a_row} workers in a row were lost without one finished item",
                f"the last one ended {outcome.reason.splitlines()[0]}" if outcome.reason else "",
                "check memory and the logs in workers/; `adcore batch resume` goes on where this stopped",
            )
        if suspect is not None and self.journal.count_kill(suspect) >= self.limits.kills:
            first, _, rest = outcome.reason.partition("\n")
            message = f"its worker was ended {first}, {self.limits.kills} times"
            self._end(suspect, QUARANTINED, ("WorkerKilled", message, rest), 0.0)
            self.feed.drop(chunk, suspect)
        else:
            self.feed.isolate(chunk, suspect)


def _rows(shard: Shard) -> Iterator[tuple[int, int, float, int]]:
    columns = (shard[name].tolist() for name in (":item", ":seconds", ":peak"))
    for position, (item, seconds, peak) in enumerate(zip(*columns, strict=True)):
        yield position, item, seconds, peak
