"""The tables behind `Mixed`: the fewest forward steps for any number of steps and of free bytes.

`after` is f and `before` is g of the recurrence in `adcore_strategies.schedules.mixed`, which has the words.
A row is a number of steps (or of segments of steps), a column a level: a number of free bytes. From a level
one gets to those with one carry, or one record, less.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd

import numpy as np
from numpy.typing import NDArray

from adcore.extend import Action, Advance, Back, Drop, Load, Save, Sizes, Tape

NEVER = 2**29  # no schedule; twice it and a loop's length still fit in 32 bits
LONGEST = 20_000  # so that length squared stays below NEVER

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Levels:
    """Numbers of free bytes, rising; for each the index of that with a carry, with a record less, or -1."""

    free: Ints
    less_state: Ints
    less_record: Ints


def lattice(length: int, budget: int, sizes: Sizes, most: int) -> Levels | None:
    """The levels budget - a z - b tau with a + b <= length; None if there are more than `most`."""
    taken = _combinations(length, budget, sizes)
    if taken is None or len(taken) > most:
        return None
    free = budget - taken[::-1]
    return Levels(free, _index(free, free - sizes.state), _index(free, free - sizes.record))


def thresholds(length: int, budget: int, sizes: Sizes, most: int) -> Levels | None:
    """Every level up to the budget at which an entry of the tables can change; None if more than `most`."""
    taken = _combinations(length, budget, sizes)
    if taken is None or len(taken) > most:
        return None
    z, d = sizes.state, sizes.adjoint
    tape, split = z + sizes.record + sizes.tape, 2 * z + sizes.advance
    needs = np.array([0, d + sizes.back, tape, tape + d, split, split + d, 2 * z + d])
    free = np.unique(taken[:, None] + needs)
    free = free[free <= budget]
    if len(free) > most:
        return None
    return Levels(free, *(np.searchsorted(free, free - less, "right") - 1 for less in (z, sizes.record)))


def _combinations(length: int, budget: int, sizes: Sizes) -> Ints | None:
    """All a z + b tau up to the budget with a + b <= length, rising; None if there are millions."""
    carries = min(length, budget // sizes.state) if sizes.state else 0
    records = min(length, budget // sizes.record) if sizes.record else 0
    if (carries + 1) * (records + 1) > 4_000_000:
        return None
    a, b = np.arange(carries + 1)[:, None], np.arange(records + 1)[None, :]
    taken = (a * sizes.state + b * sizes.record)[a + b <= length]
    return np.unique(taken[taken <= budget])


def grid(budget: int, sizes: Sizes, count: int) -> Levels:
    """About `count` equal levels up to the budget, so that a table has the answer for each of these budgets.

    The step is the common divisor of all sizes if that is enough; else it divides the larger of carry and
    record, and the smaller is rounded up.
    """
    divisor = gcd(sizes.state, sizes.record, sizes.adjoint, sizes.advance, sizes.tape, sizes.back) or 1
    larger = max(sizes.state, sizes.record, 1)
    parts = larger // divisor if budget // divisor <= count else max(1, larger * count // budget)
    index = np.arange(budget * parts // larger + 1)
    state, record = (-(-size * parts // larger) for size in (sizes.state, sizes.record))
    return Levels(index * larger // parts, np.maximum(index - state, -1), np.maximum(index - record, -1))


def _index(values: Ints, wanted: Ints) -> Ints:
    at = np.searchsorted(values, wanted)
    return np.where(values[np.minimum(at, len(values) - 1)] == wanted, at, -1)


@dataclass(frozen=True, eq=False)
class Table:
    """The recurrence, tabulated, and the actions read from it."""

    levels: Levels
    before: NDArray[np.int32]
    after: NDArray[np.int32]

    @property
    def best(self) -> int:
        """Forward steps (segments) of the whole loop at the highest level; NEVER if it cannot be reversed."""
        return int(self.before[-1, -1])

    def reverse(self, leaf: int, end: int) -> Iterator[Action]:
        """Actions without Turn, for segments of `leaf` steps, the last of which stops at `end`."""
        # what is still to do, last first: a range to reverse, or (start, length, level, before Turn, stored)
        todo: list[Back | tuple[int, int, int, bool, bool]]
        todo = [(0, len(self.before) - 1, len(self.levels.free) - 1, True, False)]
        while todo:
            task = todo.pop()
            if isinstance(task, Back):
                yield task
                continue
            start, length, level, first, stored = task
            step = start * leaf
            if stored:
                yield Load(step, "memory")
            taped, low = self.leading_tapes(length, level, first)
            if taped:
                if stored:
                    yield Drop(step, "memory")
                stop = min(step + taped * leaf, end)
                yield Tape(step, stop)
                todo.append(Back(step, stop))
                if taped < length:
                    todo.append((start + taped, length - taped, low, first, False))
                continue
            if not stored:
                yield Save(step, "memory")
            ahead = self.split(length, level, first)
            yield Advance(step, step + ahead * leaf)
            todo.append((start, ahead, level, False, True))
            low = int(self.levels.less_state[level])
            todo.append((start + ahead, length - ahead, low, first, False))

    def leading_tapes(self, length: int, level: int, first: bool) -> tuple[int, int]:
        """How many segments to tape before the next split, and the level after them."""
        table, less = self.before if first else self.after, self.levels.less_record
        taped = 0
        while taped < length:
            low = int(less[level])
            if low < 0 or table[length - taped, level] != table[length - taped - 1, low] + 1:
                break
            taped, level = taped + 1, low
        return taped, level

    def split(self, length: int, level: int, first: bool) -> int:
        """The least j that attains the minimum of the recurrence."""
        right = (self.before if first else self.after)[length - 1 : 0 : -1, self.levels.less_state[level]]
        ahead = np.arange(1, length)
        return 1 + int(np.argmin(ahead + right + self.after[1:length, level]))


def tabulate(length: int, levels: Levels, sizes: Sizes) -> Table:
    """Fill both tables: length squared times the number of levels additions."""
    z, d, free = sizes.state, sizes.adjoint, levels.free
    width = len(free)
    tables = np.full((2, length + 1, width), NEVER, dtype=np.int32)
    tables[:, 0, d + sizes.back <= free] = 0
    may_tape = z + sizes.record + sizes.tape <= free, z + sizes.record + sizes.tape + d <= free
    may_split = 2 * z + max(sizes.advance, d) <= free, 2 * z + sizes.advance + d <= free
    # rights[t][l] is tables[t][l] with one carry less, lefts[j] is j + after[j]: the two terms of (1)
    rights = np.full_like(tables, NEVER)
    lefts = np.full_like(tables[1], NEVER)
    for steps in range(length + 1):
        for t in (1, 0):
            row = tables[t, steps]
            if steps:
                rest = tables[t, steps - 1, levels.less_record]
                may = may_tape[t] & (levels.less_record >= 0)
                np.minimum(row, np.where(may, rest + 1, NEVER), out=row)
            if steps > 1:
                halves = (rights[t, steps - 1 : 0 : -1] + lefts[1:steps]).min(axis=0)
                np.minimum(row, np.where(may_split[t], halves, NEVER), out=row)
            rights[t, steps] = np.where(levels.less_state >= 0, row[levels.less_state], NEVER)
        lefts[steps] = np.minimum(tables[1, steps] + steps, NEVER)
    return Table(levels, tables[0], tables[1])
