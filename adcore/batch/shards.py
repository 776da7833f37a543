"""The shards of a job's results on disk, written so that a kill at any moment loses or doubles nothing.

Only the driver writes, and always so: temporary file, fsync, rename, fsync of the directory, and
after that the journal's row. Whatever moment the process is killed at, a shard is there in full or
not at all; one without a row is adopted again by the keys of its items.

A shard holds the items of (a part of) one chunk: their outputs stacked along a first axis, one array
per output, and beside them `:item`, `:key`, `:seconds` and `:peak`.
"""

import contextlib
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from adcore.batch.directory import write_durably
from adcore.serialize.shard import Shard, read


@dataclass(frozen=True, slots=True)
class Store:
    """The directory of shards of one job."""

    directory: Path

    def write(self, payload: bytes) -> str:
        """The name of the new shard with these bytes, which is durable when this returns.

        Raises: StorageError if the disk is full or cannot be written; no part of the file stays.
        """
        name = f"{hashlib.sha256(payload).hexdigest()[:32]}.shard"
        write_durably(self.directory / name, payload)
        return name

    def names(self) -> set[str]:
        """The names of all shards that are there."""
        return {entry.name for entry in os.scandir(self.directory) if entry.name.endswith(".shard")}

    def clear(self) -> None:
        """Remove what a killed writer left half done."""
        for entry in list(os.scandir(self.directory)):
            if entry.name.endswith(".tmp"):
                os.unlink(entry.path)

    def open(self, name: str, verify: bool = False) -> Shard:
        """The shard of that name. Raises FileFormatError if it was altered, OSError if it is not there."""
        return read(self.directory / name, verify)

    def link(self, name: str, source: "Store") -> None:
        """Have a shard of another job too; raises StorageError if that is not possible."""
        with contextlib.suppress(FileExistsError):
            try:
                os.link(source.directory / name, self.directory / name)
            except FileExistsError:
                raise
            except OSError:  # another disk, or one without links
                write_durably(self.directory / name, (source.directory / name).read_bytes())
