"""The jobs beside this one: what is done there is taken from there; what they compute right now is waited for.

A job that runs has a word of its own in the file `running` of its directory, which means something only
as long as its lock is held: a killed driver claims nothing. Under a lock of the folder each driver says
its word and then looks at the others, so of two jobs the second one sees the first and waits for the
keys that are pending there. Nobody waits for a job that came later: two never wait for each other.
"""

import contextlib
import secrets
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from adcore.batch import directory
from adcore.batch.journal import Journal
from adcore.batch.lock import holder, lock_folders
from adcore.batch.repair import adopt
from adcore.batch.shards import Store
from adcore.errors import FileFormatError

LOOK = 0.3  # seconds between two looks at the others, at least; and ten times as long as one takes


class Neighbours:
    """Other jobs with equal keys. `ended` is set when one that was waited for has gone."""

    def __init__(self, journal: Journal, place: Path, folders: Iterable[Path]) -> None:
        self._journal, self._place = journal, place
        self._store = Store(place / directory.RESULTS)
        self._others = _jobs(folders, place)
        self._awaited: dict[int, tuple[Path, str]] = {}
        self._due = 0.0
        self.ended = False

    def take(self) -> int:
        """Take the results that pending items have in other jobs; how many items were found."""
        found = sum(self._take_from(other) for other in self._others)
        self._journal.commit()
        return found

    @contextlib.contextmanager
    def claim(self) -> Iterator[int]:
        """While the block runs others wait for what is pending here; yields how many items wait for others."""
        mark = self._place / directory.RUNNING
        with lock_folders({place.parent for place in (self._place, *self._others)}):
            directory.write_durably(mark, secrets.token_hex(8).encode())
            for number, other in enumerate(self._others):
                word = _word(other)
                if word and self._journal.wait_for(number, other / directory.JOURNAL):
                    self._awaited[number] = other, word
        try:
            yield self._journal.awaited()
        finally:
            mark.unlink(missing_ok=True)

    @property
    def waiting(self) -> bool:
        """Whether items wait for another job."""
        return bool(self._awaited)

    def look(self) -> int:
        """Take what others have finished since the last look; how many items that are."""
        begin = time.monotonic()
        if begin < self._due:
            return 0
        taken = 0
        for number, (other, word) in list(self._awaited.items()):
            gone = _word(other) != word  # asked first: what it finished before its end is then seen below
            taken += self._take_from(other)
            if not self._journal.still_awaited(number, gone):
                del self._awaited[number]
            self.ended |= gone
        self._journal.commit()
        self._due = begin + max(LOOK, 10 * (time.monotonic() - begin))
        return taken

    def _take_from(self, other: Path) -> int:
        source, path = Store(other / directory.RESULTS), other / directory.JOURNAL
        useful = self._journal.useful_shards(path)
        found = 0
        with contextlib.suppress(FileNotFoundError):
            for name in [*useful, *sorted(source.names() - self._journal.known_shards(path))]:
                with contextlib.suppress(FileNotFoundError, FileFormatError):  # lost or damaged over there
                    keys = source.open(name, verify=True)[":key"]
                    if name in useful or self._journal.wants(key.tobytes() for key in keys):
                        self._store.link(name, source)
                        found += adopt(self._journal, self._store, name)
        return found


def _word(place: Path) -> str:
    """The word of the driver that runs a job; "" if nobody does."""
    with contextlib.suppress(OSError):
        if holder(place) is not None:
            return (place / directory.RUNNING).read_text()
    return ""


def _jobs(folders: Iterable[Path], place: Path) -> list[Path]:
    """The job directories among some folders and right below them, except this one."""
    found: dict[Path, None] = {}
    for folder in folders:
        with contextlib.suppress(OSError):  # not there, or not for us
            paths = (folder, *sorted(folder.iterdir()))
            found |= {path.resolve(): None for path in paths if (path / directory.JOB).is_file()}
    return [path for path in found if path != place.resolve()]
