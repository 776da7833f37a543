"""The local executor: worker processes on this machine, each on its own pipe, watched by us.

A killed worker costs one attempt of the chunk it ran: its neighbours do not notice, the chunks that
waited for it go to the worker that replaces it. Workers start as fresh interpreters (never by
forking), with the threads of the linear algebra libraries capped before NumPy is imported.
"""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import TypeAlias

from adcore.extend import THREAD_VARIABLES, Chunk, Executor, ExecutorError, Outcome, Setup, StorageError
from adcore_executors.pipe import READY, Page, pack_chunk, pack_setup, receive, send

STARTS = 5  # workers that may end before they are ready, one after the other
KILLED_STARTS = 100  # or be killed by somebody else
LOOK = 0.05  # seconds between two looks at the clock of running items

Event: TypeAlias = tuple["_Worker", bytes | None]


class LocalExecutor(Executor):
    """`executor = "local"`: `workers` processes here."""

    name = "local"
    limits = here = True

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.slots = setup.workers
        self._events: queue.Queue[Event] = queue.Queue(maxsize=2 * setup.workers)  # holds workers back
        self._failed_starts = 0
        self._started = 0
        self._place = Path(setup.job) / "workers"
        self._workers: list[_Worker] = []
        try:
            self._place.mkdir(exist_ok=True)
            for _ in range(setup.workers):
                self._workers.append(self._start())
        except BaseException:
            self.close()
            raise

    def submit(self, chunk: Chunk) -> None:
        """Give the chunk to the worker with the fewest waiting."""
        min(self._workers, key=lambda worker: len(worker.chunks)).give(chunk)

    def wait(self, seconds: float) -> list[Outcome]:
        """Replies, deaths and overdue items since the last call."""
        deadline = time.monotonic() + seconds
        outcomes: list[Outcome] = []
        while not outcomes:
            left = deadline - time.monotonic()
            try:
                worker, reply = self._events.get(timeout=max(min(left, LOOK), 0))
            except queue.Empty:
                if left <= 0:
                    break
            else:
                outcomes += self._settle(worker, reply)
            if self.setup.item_seconds:
                for worker in self._workers:
                    worker.stop_overdue(self.setup.item_seconds)
        while not self._events.empty():
            outcomes += self._settle(*self._events.get_nowait())
        return outcomes

    def close(self) -> None:
        """Kill the workers."""
        for worker in self._workers:
            worker.end()
        while any(worker.reader.is_alive() for worker in self._workers):
            try:  # readers may stand before a full queue
                self._events.get(timeout=LOOK)
            except queue.Empty:
                continue
        self._workers = []

    def _start(self) -> "_Worker":
        self._started += 1
        return _Worker(self.setup, self._place, self._started, self._events)

    def _settle(self, worker: "_Worker", reply: bytes | None) -> list[Outcome]:
        if reply is None:
            return self._replace(worker)
        if reply == READY:
            worker.ready, self._failed_starts = True, 0
            return []
        chunk = worker.chunks.popleft()
        if reply[:1] == b"+":
            return [Outcome(chunk, reply[1:])]
        return [Outcome(chunk, None, "broken", reply[1:].decode())]

    def _replace(self, worker: "_Worker") -> list[Outcome]:
        """Start a worker in the place of a dead one; say what that cost."""
        worker.end()
        how, log = worker.epitaph()
        if not worker.ready:
            self._failed_starts += 1
            killed = worker.process.returncode in (-signal.SIGKILL, -signal.SIGTERM)
            if self._failed_starts >= (KILLED_STARTS if killed else STARTS):
                raise ExecutorError(
                    f"{self._failed_starts} workers in a row died before they were ready, the last one {how}",
                    f"its last words: {log or 'none'}",
                    f"see {worker.log}",
                )
        new = self._workers[self._workers.index(worker)] = self._start()
        outcomes = []
        if worker.ready and worker.chunks:
            chunk = worker.chunks.popleft()
            at, item = worker.page.look()
            suspect = item if at == chunk.number and item >= 0 else None
            kind = "timeout" if worker.overdue else "killed"
            outcomes.append(Outcome(chunk, None, kind, f"{how}\n{log}".strip(), suspect))
        for chunk in worker.chunks:
            new.give(chunk)
        return outcomes


class _Worker:
    """One process, its pipe, its page, and the thread that reads its replies."""

    def __init__(self, setup: Setup, place: Path, number: int, events: "queue.Queue[Event]") -> None:
        self.chunks: deque[Chunk] = deque()
        self.ready = self.overdue = False
        self.log = place / f"{number % 1000}.log"
        page = place / f"{number % 1000}.page"
        try:
            self.page = Page(page, create=True)
            with open(self.log, "wb") as log:
                self.process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "adcore_executors.pipe", str(page)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=_environment(setup.threads),
                    start_new_session=True,  # Ctrl-C is for the driver
                )
        except OSError as error:
            raise StorageError(
                f"a worker could not be started: {error.strerror or error}",
                str(place),
                "free space, memory or processes; `adcore batch resume` goes on where this stopped",
            ) from None
        self._seen: tuple[int, int] = (-1, -1)
        self._since = time.monotonic()
        self._write(pack_setup(setup))
        self.reader = threading.Thread(target=self._read, args=(events,), daemon=True)
        self.reader.start()

    def give(self, chunk: Chunk) -> None:
        self.chunks.append(chunk)
        self._write(pack_chunk(chunk))

    def stop_overdue(self, seconds: float) -> None:
        """Kill the process if the item it runs has taken longer."""
        seen, now = self.page.look(), time.monotonic()
        if seen != self._seen:
            self._seen, self._since = seen, now
        elif seen[1] >= 0 and now - self._since > seconds and not self.overdue:
            self.overdue = True
            self.process.kill()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdin and not self.process.stdin.closed:
            try:
                self.process.stdin.close()
            except OSError:
                return

    def epitaph(self) -> tuple[str, str]:
        """How the process ended, and the end of its log."""
        code = self.process.returncode
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        with open(self.log, "rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(log.tell() - 4000, 0))
            return how, log.read().decode(errors="replace").strip()

    def _write(self, payload: bytes) -> None:
        assert self.process.stdin is not None
        try:
            send(self.process.stdin, payload)
        except OSError:
            return  # it is dead; its reader says so

    def _read(self, events: "queue.Queue[Event]") -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            while (reply := receive(stream)) is not None:
                events.put((self, reply))
        events.put((self, None))


def _environment(threads: int) -> dict[str, str]:
    """The driver's environment and module path, with the thread counts of BLAS libraries set."""
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    return {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads)), "PYTHONPATH": path}
