"""The lock of a job: one driver at a time. And of folders, for a moment: one driver looks around at a time."""

import contextlib
import os
import socket
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from adcore.errors import JobLockedError, StorageError


@contextlib.contextmanager
def lock(directory: Path) -> Iterator[None]:
    """Hold the job for this process. The system lets go of it when the process ends, however it ends.

    Raises: JobLockedError naming the pid and host that hold it; StorageError in a read-only directory.
    """
    try:
        file = open(directory / "lock", "a+", encoding="utf-8")  # noqa: SIM115
    except OSError as error:
        raise StorageError(
            f"the job's directory cannot be written: {error.strerror}",
            str(directory),
            "give it write permission, or run with another --out",
        ) from None
    with file:
        who = _taken_by(file)
        if who:
            raise JobLockedError(
                f"the job is being run by {who}",
                f"job {directory}",
                "wait for it, watch it with `adcore batch status`, or stop it with `adcore batch cancel`",
            )
        file.seek(0)
        file.truncate()
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        try:
            yield
        finally:
            file.seek(0)
            file.truncate()


def holder(directory: Path) -> tuple[int, str] | None:
    """The pid and host that hold the job, or None."""
    try:
        with open(directory / "lock", "a+", encoding="utf-8") as file:
            if _try_lock(file):
                return None
            file.seek(0)
            words = file.read().split()
    except OSError:
        return None
    return (int(words[1]), words[3]) if len(words) == 4 else (0, "")


@contextlib.contextmanager
def lock_folders(folders: Iterable[Path], wait_seconds: float = 30.0) -> Iterator[None]:
    """Hold some folders against everybody else who does so; after `wait_seconds`, or where it cannot be, without."""
    with contextlib.ExitStack() as stack:
        for folder in sorted(folders):  # all in the same order: nobody waits in a circle
            with contextlib.suppress(OSError):
                file = stack.enter_context(open(folder / ".adcore-lock", "a+", encoding="utf-8"))
                end = time.monotonic() + wait_seconds
                while not _try_lock(file) and time.monotonic() < end:
                    time.sleep(0.02)
        yield


def _taken_by(file: IO[str]) -> str:
    """Take the lock, or say who has it. `holder` looks through the same lock for a moment: try a while."""
    text = ""
    for _ in range(20):
        if _try_lock(file):
            return ""
        file.seek(0)
        text = file.read().strip()
        if text:
            break
        time.sleep(0.02)
    return text or "a process that has not said its pid"


if os.name == "nt":  # pragma: no cover

    def _try_lock(file: IO[str]) -> bool:
        import msvcrt

        try:
            file.seek(1 << 20)  # locked bytes cannot be read by others: lock one beyond the text
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True

else:

    def _try_lock(file: IO[str]) -> bool:
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
