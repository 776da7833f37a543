"""What a running job tells: a live line on a terminal, JSON lines elsewhere; on stderr, beside the data."""

import json
import time
from typing import Any, Protocol, TextIO

from adcore.batch.driver import Tally

QUIET_SECONDS = 1.0  # between two JSON lines
WINDOW_SECONDS = 30.0  # over which the rate is taken


class Progress(Protocol):
    """Told how far the job is, about ten times a second."""

    def tell(self, message: str) -> None:
        """Something the user should know."""

    def update(self, tally: Tally) -> None:
        """How far the job is now."""

    def close(self) -> None:
        """Nothing more comes."""


class Rate:
    """Items per second over the last half minute, and the time that is left."""

    def __init__(self) -> None:
        self._marks: list[tuple[float, int]] = []

    def measure(self, settled: int) -> float:
        """Items per second, 0.0 while there is nothing to say."""
        now = time.monotonic()
        self._marks.append((now, settled))
        while len(self._marks) > 2 and (now - self._marks[0][0] > WINDOW_SECONDS or len(self._marks) > 400):
            self._marks.pop(0)
        begin, before = self._marks[0]
        return (settled - before) / (now - begin) if now > begin else 0.0


class Silent:
    """Tells nothing."""

    def tell(self, message: str) -> None:
        """Not told."""

    def update(self, tally: Tally) -> None:
        """Not told."""

    def close(self) -> None:
        """Nothing to close."""


class JsonLines:
    """One JSON object per line and second: for logs, and for other programs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._rate, self._next = stream, Rate(), 0.0
        self._last: Tally | None = None

    def tell(self, message: str) -> None:
        """{"message": …}"""
        self._write({"message": message})

    def update(self, tally: Tally) -> None:
        """{"done": …, "failed": …, "quarantined": …, "total": …, "rate": …, "eta": …}; eta in seconds."""
        self._last = tally
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + QUIET_SECONDS
            self._show(tally)

    def close(self) -> None:
        """One line more, with the last numbers."""
        if self._last is not None:
            self._show(self._last)

    def _show(self, tally: Tally) -> None:
        rate = self._rate.measure(tally.settled)
        left = tally.total - tally.settled
        numbers = {"done": tally.done, "failed": tally.failed, "quarantined": tally.quarantined}
        eta = round(left / rate, 1) if rate else None
        self._write({**numbers, "total": tally.total, "rate": round(rate, 3), "eta": eta})

    def _write(self, entry: dict[str, Any]) -> None:
        self._stream.write(json.dumps(entry) + "\n")
        self._stream.flush()


class Live:
    """A line that redraws itself: bar, done, failed, items per second, time left."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("[red]{task.fields[failed]}[/red]"),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[eta]}"),
            console=Console(file=stream),
        )
        self._task = self._bar.add_task("", total=None, failed="", rate="", eta="")
        self._rate = Rate()
        self._bar.start()

    def tell(self, message: str) -> None:
        """A line above the bar."""
        self._bar.console.print(message, highlight=False, markup=False)

    def update(self, tally: Tally) -> None:
        """Redraw."""
        rate = self._rate.measure(tally.settled)
        bad = tally.failed + tally.quarantined
        self._bar.update(
            self._task,
            completed=tally.settled,
            total=tally.total,
            failed=f"{bad} failed" if bad else "",
            rate=f"{rate:.3g}/s" if rate else "",
            eta=f"{duration((tally.total - tally.settled) / rate)} left" if rate else "",
        )

    def close(self) -> None:
        """Leave the last state on the screen."""
        self._bar.stop()


def progress_for(stream: TextIO) -> Progress:
    """A live line if the stream is a terminal, JSON lines if not."""
    return Live(stream) if stream.isatty() else JsonLines(stream)


def duration(seconds: float) -> str:
    """Seconds for people.

    >>> duration(3725)
    '1 h 02 min'
    """
    whole = int(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
