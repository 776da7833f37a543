"""Offsets in the arena: spans of time that need so many bytes are placed so that none overlap.

Two ways are tried and the smaller arena is taken: by time, where each span takes the best fitting free
range when it begins; and, if that leaves gaps, by size, largest first, each at the best fitting gap
among those that live at the same time. Source of the latter: Pisarchyk and Lee 2020, "Efficient memory
management for deep neural net inference", section 5.2 (greedy by size).

Running example: 4, 2 and 4 kB one after the other, of which the first is given back before the last
begins: 6 kB by time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ALIGN = 64
"""Every range starts at a multiple of this many bytes."""

MOST = 2500
"""Spans up to which the way by size is tried: its time grows with their square."""


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes that are needed from step `start` until before step `stop`."""

    nbytes: int
    start: int
    stop: int


def padded(nbytes: int, align: int = ALIGN) -> int:
    """That many bytes, rounded up."""
    return -(-nbytes // align) * align


def arrange(spans: Sequence[Span]) -> tuple[int, list[int]]:
    """The size of the arena, and an offset for every span. Deterministic. Sizes are multiples of ALIGN.

    >>> arrange([Span(4096, 0, 2), Span(2048, 1, 9), Span(4096, 3, 9)])
    (6144, [0, 4096, 0])
    """
    size, offsets = _by_time(spans)
    if size > least_bytes(spans) and len(spans) <= MOST:
        smaller, better = _by_size(spans)
        if smaller < size:
            return smaller, better
    return size, offsets


def least_bytes(spans: Sequence[Span]) -> int:
    """The most bytes that are needed at one time: no arena is smaller."""
    change: dict[int, int] = {}
    for span in spans:
        change[span.start] = change.get(span.start, 0) + span.nbytes
        change[span.stop] = change.get(span.stop, 0) - span.nbytes
    held = most = 0
    for step in sorted(change):
        held += change[step]
        most = max(most, held)
    return most


def _by_time(spans: Sequence[Span]) -> tuple[int, list[int]]:
    arena, offsets = Arena(), [0] * len(spans)
    ending: dict[int, list[int]] = {}
    over = iter(sorted({span.stop for span in spans}))
    upto = next(over, None)
    for k, span in enumerate(spans):  # in the order of their starts
        while upto is not None and upto <= span.start:
            for done in ending.pop(upto, ()):
                arena.give(offsets[done], spans[done].nbytes)
            upto = next(over, None)
        offsets[k] = arena.take(span.nbytes)
        ending.setdefault(span.stop, []).append(k)
    return arena.size, offsets


def _by_size(spans: Sequence[Span]) -> tuple[int, list[int]]:
    offsets = [0] * len(spans)
    order = sorted(range(len(spans)), key=lambda k: (-spans[k].nbytes, spans[k].start, k))
    placed = np.zeros((4, len(spans)), dtype=np.int64)  # start, stop, offset, end
    size = 0
    for count, k in enumerate(order):
        span = spans[k]
        start, stop, offset, end = placed[:, :count]
        beside = (start < span.stop) & (stop > span.start)
        low, high = offset[beside], end[beside]
        at = 0
        if len(low):
            rising = np.argsort(low, kind="stable")
            low, high = low[rising], np.maximum.accumulate(high[rising])
            before = np.concatenate(([0], high[:-1]))
            room = low - before
            fitting = np.flatnonzero(room >= span.nbytes)
            at = int(before[fitting[np.argmin(room[fitting])]]) if len(fitting) else int(high[-1])
        offsets[k] = at
        placed[:, count] = span.start, span.stop, at, at + span.nbytes
        size = max(size, at + span.nbytes)
    return size, offsets


class Arena:
    """Free ranges by offset; gives the smallest that fits, else grows. All sizes are multiples of ALIGN."""

    def __init__(self) -> None:
        self.size = 0
        self._starts: list[int] = []
        self._ends: list[int] = []

    @property
    def top(self) -> int:
        """The end of the last range that is taken."""
        return self._starts[-1] if self._ends and self._ends[-1] == self.size else self.size

    def take(self, nbytes: int) -> int:
        """The offset of a range of that many bytes."""
        need = padded(nbytes)
        if not need:
            return 0
        best, least = -1, 0
        for i, (start, end) in enumerate(zip(self._starts, self._ends, strict=True)):
            room = end - start
            if room >= need and (best < 0 or room < least):
                best, least = i, room
                if room == need:
                    break
        if best < 0:
            if self._ends and self._ends[-1] == self.size:  # grow the last free range
                self._ends.pop()
                offset = self._starts.pop()
            else:
                offset = self.size
            self.size = offset + need
            return offset
        offset = self._starts[best]
        self._starts[best] += need
        if self._starts[best] == self._ends[best]:
            del self._starts[best], self._ends[best]
        return offset

    def give(self, offset: int, nbytes: int) -> None:
        """Take back a range; it joins its neighbours."""
        if not nbytes:
            return
        end = offset + padded(nbytes)
        i = bisect_left(self._starts, offset)
        if i < len(self._starts) and self._starts[i] == end:
            end = self._ends[i]
            del self._starts[i], self._ends[i]
        if i > 0 and self._ends[i - 1] == offset:
            self._ends[i - 1] = end
        else:
            self._starts.insert(i, offset)
            self._ends.insert(i, end)
