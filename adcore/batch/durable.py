"""Files that are there in full or not at all, with the error that a job stops on when they cannot be."""

from pathlib import Path

from adcore.batch.errors import StorageError
from adcore.serialize.durable import write


def write_durably(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, sync it, rename it.

    Raises: StorageError saying what the system said; the temporary file is removed.
    """
    try:
        write(path, [content])
    except OSError as error:
        raise StorageError(
            f"{len(content)} bytes could not be written: {error.strerror or error}",
            str(path),
            "free space or give write permission; `adcore batch resume` goes on where this stopped",
        ) from None
