"""Files that are there in full or not at all, whenever the process is killed or the power fails."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable
from pathlib import Path


def write(path: str | Path, parts: Iterable[bytes | memoryview]) -> None:
    """Write a file from its parts: under a temporary name beside it, synced, then renamed.

    Raises: OSError naming the path; the temporary file is removed and an older file stays as it was.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        with open(temporary, "wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_directory(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


def _sync_directory(directory: Path) -> None:
    """Make the rename itself durable, where the system can."""
    if os.name == "nt":  # pragma: no cover
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
