"""The store "files": one file per snapshot, written whole or not at all, and checked when it is read.

    8 bytes    magic  89 41 44 53 0D 0A 1A 0A   (\\x89 A D S \\r \\n \\x1a \\n)
    32 bytes   blake2b of what follows
    the bytes of the arrays, one after the other

The files of a trail have a folder of their own, which goes when the trail is reversed, and with the process.
Folders of processes that were killed are removed by the next run in the same directory. The folder of a run that
can be resumed has the run's name in its own, outlives the process, and is locked while one has it: another process
that does the same run at the same time keeps a folder of its own.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np

from adcore.extend import Key, SnapshotError, Snapshots, Spill

MAGIC = b"\x89ADS\r\n\x1a\n"
ADVICE = "name another directory: checkpointed = { directory = ... }"


class FileSnapshots(Snapshots):
    """Snapshots as files in a directory, the system's own for temporary files if none is named."""

    def __init__(self, spill: Spill, name: str = "") -> None:
        super().__init__(spill, name)
        root = Path(spill.directory or tempfile.gettempdir())
        host = re.sub(r"\W", "-", socket.gethostname())
        try:
            _sweep(root, host)
            self.folder = root / f"adcore-run-{name}"
            self._lock = _locked(self.folder) if name else None
            if self._lock is None:
                self.name = ""
                self.folder = Path(tempfile.mkdtemp(prefix=f"adcore-{host}-{os.getpid()}-", dir=root))
        except OSError as e:
            raise SnapshotError(f"snapshots cannot be kept in {root}: {e.strerror}", "", ADVICE) from None
        if self._lock is not None:
            weakref.finalize(self, self._lock.close)
        else:
            weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    def save(self, key: Key, arrays: Sequence[Any]) -> None:
        """Written beside its place, and moved there when it is complete."""
        views = [_bytes(a) for a in arrays]
        new = self.folder / f"{key}.new"
        try:
            with open(new, "wb", buffering=0) as file:
                for part in (MAGIC, _digest(views), *views):
                    _write(file, part)
                if self.name:
                    os.fsync(file.fileno())
            os.replace(new, self._path(key))
        except OSError as e:
            new.unlink(missing_ok=True)
            nbytes = sum(a.nbytes for a in arrays)
            raise SnapshotError(
                f"a snapshot of {nbytes} bytes cannot be written: {e.strerror}", f"{self.folder}", ADVICE
            ) from None

    def load(self, key: Key, places: Sequence[Any]) -> None:
        """Read into the places, and held against the digest."""
        views = [_bytes(a) for a in places]
        try:
            with open(self._path(key), "rb", buffering=0) as file:
                head = file.read(40)
                whole = all(_read(file, view) for view in views) and not file.read(1)
        except OSError as e:
            self._refuse(key, str(e.strerror))
        if head[:8] != MAGIC or not whole or head[8:] != _digest(views):
            self._refuse(key, "it is not what was written")

    def drop(self, key: Key) -> None:
        """The file is removed."""
        self._path(key).unlink(missing_ok=True)

    def keys(self) -> list[Key]:
        """By the times of the files."""
        found = sorted(self.folder.glob("*.snapshot"), key=lambda path: (path.stat().st_mtime_ns, path.name))
        return [int(path.stem) if path.stem.isdigit() else path.stem for path in found]

    def close(self) -> None:
        """The folder goes, with all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()

    def _path(self, key: Key) -> Path:
        return self.folder / f"{key}.snapshot"

    def _refuse(self, key: Key, wrong: str) -> NoReturn:
        raise SnapshotError(
            f"the snapshot {key} cannot be read: {wrong}", f"{self._path(key)}", "run again: nothing of it is kept"
        )


def _bytes(a: Any) -> Any:
    """The memory of a contiguous array."""
    return a.reshape(-1).view(np.uint8).data


def _digest(views: Sequence[Any]) -> bytes:
    found = hashlib.blake2b(digest_size=32)
    for view in views:
        found.update(view)
    return found.digest()


def _write(file: Any, part: Any) -> None:
    """All of it: an unbuffered write may take less."""
    rest = memoryview(part)
    while len(rest):
        rest = rest[file.write(rest) :]


def _read(file: Any, view: Any) -> bool:
    """Fill the view; False when the file is too short."""
    at = 0
    while at < len(view):
        n = file.readinto(view[at:])
        if not n:
            return False
        at += n
    return True


def _locked(folder: Path) -> IO[str] | None:
    """The lock of that folder, which is made if need be; None if another process, or thread, has it."""
    while True:
        folder.mkdir(exist_ok=True)
        try:
            file = open(folder / "lock", "a")  # noqa: SIM115 (kept open: it is the lock)
        except FileNotFoundError:  # the folder was removed just now, by the run that had it
            continue
        if not _try_lock(file):
            file.close()
            return None
        try:
            if os.path.samestat(os.stat(file.name), os.fstat(file.fileno())):
                return file
        except FileNotFoundError:
            pass
        file.close()


if os.name == "nt":  # pragma: no cover

    def _try_lock(file: IO[str]) -> bool:
        import msvcrt

        try:
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


def _sweep(root: Path, host: str) -> None:
    """Remove the folders of processes of this machine that are no more."""
    for folder in root.glob(f"adcore-{host}-*"):
        pid = folder.name.removeprefix(f"adcore-{host}-").partition("-")[0]
        if pid.isdigit() and not _alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
