"""Which items go out next, and how many at once.

Chunks are sized so that one takes about `chunk_seconds`: what a chunk costs beside its items (a
message, a file with fsync, a few rows; about 5 ms) is then under 1 %, for items of 10 µs and of 10 s.
Towards the end chunks get smaller, so that workers end together. A million pending items are read
from the journal as they are needed; what came back unfinished waits in memory, and that is never
more than what was out.
"""

import heapq
import time
from collections import deque
from typing import TypeAlias

from adcore.batch.journal import Journal
from adcore.executor import Chunk

Span: TypeAlias = tuple[int, int, int]

MAX_CHUNK = 100_000  # items
MAX_SPANS = 500  # a message stays under what a pipe takes without its reader
MAX_DELAYED = 10_000  # items waiting for another attempt; more of them wait in the journal


class Feed:
    """Hands out pending items as chunks, each item to one chunk at a time."""

    def __init__(self, journal: Journal, slots: int, chunk_seconds: float, remaining: int) -> None:
        self._journal, self._slots, self._target = journal, slots, chunk_seconds
        self.remaining = remaining
        self._mean: float | None = None  # seconds per item, of the last chunks
        self._after = (-1, -1)  # group and item of the last one that was read
        self._exhausted = False
        self._alone: deque[tuple[Span, ...]] = deque()  # chunks to send as they are
        self._back: deque[Span] = deque()
        self._delayed: list[tuple[float, int, int]] = []
        self._number = 0

    @property
    def depth(self) -> int:
        """How many chunks should be out: short ones wait at the workers, long ones here."""
        return self._slots if self._mean is None or self._mean > self._target / 2 else 2 * self._slots

    def measure(self, seconds: float, items: int) -> None:
        """Learn from a chunk that came back: its time and the number of its items."""
        if items:
            mean = max(seconds / items, 1e-7)
            self._mean = mean if self._mean is None else (self._mean + 3 * mean) / 4

    def next(self) -> Chunk | None:
        """The next chunk, or None if nothing is due now."""
        spans: list[Span] = []
        if self._alone:
            spans = list(self._alone.popleft())
        else:
            self._collect(spans, self._size())
        if not spans:
            return None
        self._number += 1
        return Chunk(self._number, tuple(spans))

    def give_back(self, chunk: Chunk, ran: int) -> None:
        """All but the first `ran` items of a chunk were not tried: they go first again."""
        self._back.extendleft(reversed(self._cut(chunk, ran, len(chunk))))

    def isolate(self, chunk: Chunk, suspect: int | None) -> None:
        """A chunk was lost. The suspect goes alone next time; if nobody knows who it was, halves do."""
        items = list(chunk.items()) if suspect is not None else []
        if suspect in items:
            at = items.index(suspect)
            self._alone.append(self._cut(chunk, at, at + 1))
            self._back.extendleft(reversed(self._cut(chunk, 0, at) + self._cut(chunk, at + 1, len(chunk))))
            return
        half = max(len(chunk) // 2, 1)
        parts = self._cut(chunk, 0, half), self._cut(chunk, half, len(chunk))
        self._alone.extend(part for part in parts if part)

    def drop(self, chunk: Chunk, item: int) -> None:
        """A chunk was lost and one of its items is settled: the others go first again."""
        at = list(chunk.items()).index(item)
        self._back.extendleft(reversed(self._cut(chunk, 0, at) + self._cut(chunk, at + 1, len(chunk))))

    def delay(self, item: int, seconds: float) -> None:
        """Try an item again, not before so many seconds from now."""
        if len(self._delayed) < MAX_DELAYED:
            due = time.monotonic() + seconds
            heapq.heappush(self._delayed, (due, item, self._journal.offset(item)))

    @property
    def waiting(self) -> bool:
        """Whether items wait for their time."""
        return bool(self._delayed)

    def start_over(self) -> bool:
        """With nothing out and nothing waiting: look for pending items once more; False if there are none."""
        self._after, self._exhausted = (-1, -1), False
        return bool(self._journal.pending(self._after, 1))

    def _size(self) -> int:
        if self._mean is None:
            return 1
        fair = -(-self.remaining // (2 * self._slots))
        return max(min(int(self._target / self._mean), fair, MAX_CHUNK), 1)

    def _collect(self, spans: list[Span], size: int) -> None:
        while size and len(spans) < MAX_SPANS and self._back:
            first, count, offset = self._back.popleft()
            if count > size:
                self._back.appendleft((first + size, count - size, self._journal.offset(first + size)))
                count = size
            spans.append((first, count, offset))
            size -= count
        now = time.monotonic()
        while size and len(spans) < MAX_SPANS and self._delayed and self._delayed[0][0] <= now:
            _, item, offset = heapq.heappop(self._delayed)
            spans.append((item, 1, offset))
            size -= 1
        if size and len(spans) < MAX_SPANS and not self._exhausted:
            self._read_journal(spans, size)

    def _read_journal(self, spans: list[Span], size: int) -> None:
        """Add pending items of one group, which the journal has not been asked for yet."""
        rows = self._journal.pending(self._after, size)
        self._exhausted = len(rows) < size
        if rows and not spans and rows[-1][0] == rows[0][0] and rows[-1][1] - rows[0][1] == len(rows) - 1:
            spans.append((rows[0][1], len(rows), rows[0][2]))  # one after the other, as in most jobs
            self._after = rows[-1][:2]
            return
        for group, item, offset in rows:
            if spans and item == spans[-1][0] + spans[-1][1] and group == self._after[0]:
                first, count, start = spans[-1]
                spans[-1] = (first, count + 1, start)
            elif len(spans) >= MAX_SPANS or group != rows[0][0]:
                self._exhausted = False
                return
            else:
                spans.append((item, 1, offset))
            self._after = group, item

    def _cut(self, chunk: Chunk, begin: int, end: int) -> tuple[Span, ...]:
        """The spans of the items begin..end (by place in the chunk)."""
        found: list[Span] = []
        at = 0
        for first, count, offset in chunk.spans:
            low, high = max(begin - at, 0), min(end - at, count)
            if low < high:
                start = offset if low == 0 else self._journal.offset(first + low)
                found.append((first + low, high - low, start))
            at += count
        return tuple(found)
