"""Snapshots and residuals within a budget of bytes, with the fewest forward steps; the length is known.

Let a carry have z bytes, the residuals of a step tau, the adjoint d, and let f(l, M) be the fewest forward
steps that reverse l steps from a current carry that is not stored, when M bytes are free, that carry's own
included. The first step is taped and its residuals kept, or its carry is saved and the rest reversed first:

    f(l, M) = min( 1 + f(l-1, M - tau),   min over 0 < j < l of  j + f(l-j, M - z) + f(j, M) )         (1)
    f(0, M) = 0 if d + back <= M, else infinite

The first choice needs z + tau + tape + d <= M, the second 2 z + advance + d <= M. Before Turn there is no
adjoint: a second table g has d left out of these two, g in place of the first f on the right, and needs
2 z + d <= M for the Load after Turn. g(n, budget) is the answer. Keeping no residuals but those of one step
gives the binomial schedules; tau = z gives the schedules that may store either in a slot.

M takes few values: budget - a z - b tau. Where those, times l squared, are too many, k steps become one
segment with residuals k tau; a binomial schedule with leaves competes with that. A budget is never exceeded.

Source: Maddison 2024, "On the implementation of checkpointing with high-level algorithmic differentiation",
for slots; Herrmann et al. 2019, "Optimal checkpointing for heterogeneous chains", for bytes.

>>> Mixed(budget=12, sizes=Sizes(state=1, record=1)).forward_steps(1000)
3921
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar, NoReturn

import numpy as np
from numpy.typing import NDArray

from adcore.extend import (
    Action,
    Advance,
    Back,
    BudgetError,
    Drop,
    Load,
    Save,
    Schedule,
    Sizes,
    Tape,
    Turn,
    register_schedule,
)
from adcore_strategies.schedules import binomial, byte_table
from adcore_strategies.schedules.shared import require_counts, require_length, slots_within, turn_after

_WORK = 2 * 10**9  # length squared times levels: about a second
_ENTRIES = 4 * 10**6  # length times levels: about 80 MB while a table is made


@register_schedule
@dataclass(frozen=True)
class Mixed(Schedule):
    """At most `budget` bytes in memory for a trail of these sizes, and the fewest forward steps, by (1).

    Raises: BudgetError when asked about a length whose `minimum_bytes` exceed the budget; for a loop so long
    that it is cut into segments also when only mixtures of residuals and snapshots finer than these would do.
    """

    name: ClassVar[str] = "mixed"
    budget: int
    sizes: Sizes

    def __post_init__(self) -> None:
        require_counts(self, budget=0)
        if isinstance(self.sizes, dict):  # as read from plain data
            object.__setattr__(self, "sizes", Sizes(**self.sizes))

    def actions(self, length: int | None) -> Generator[Action, int | None, None]:
        """From the table of (1), which is made on the first call for a length and kept for the next ones."""
        steps = require_length(self, length)
        yield from _plan(steps, self.budget, self.sizes).actions(steps)

    def forward_steps(self, length: int) -> int:
        """Read from the table; nothing is replayed."""
        return _plan(length, self.budget, self.sizes).forward_steps(length)


def minimum_bytes(length: int, sizes: Sizes) -> int:
    """The least budget with which a loop of `length` steps can be reversed at all, in this class.

    With m(l) the least M of f, and h(l) that of g, both nondecreasing: residuals of all steps, or one split,
    whose left part is best as long as its m is below what the right part needs.

    >>> minimum_bytes(1000, Sizes(state=1, record=1))
    3
    """
    z, tau, d = sizes.state, sizes.record, sizes.adjoint

    def taped(steps: int, adjoint: int) -> int:
        run = z + steps * tau + sizes.tape + adjoint
        return max(run, steps * tau + d + sizes.back) if steps else d

    if length < 2:
        return taped(length, 0)
    split = max(2 * z + sizes.advance + d, z + taped(1, d))  # after Turn, for any number of steps
    after = [d, taped(1, d)]
    before = [d, taped(1, 0)]
    most = max(2 * z + max(sizes.advance, d), z + before[1], split)
    left = 1
    for steps in range(2, length + 1):
        while left < steps - 1 and after[left] < z + before[steps - left]:
            left += 1
        halves = [max(after[j], z + before[steps - j]) for j in (left, left - 1) if j]
        best = max(2 * z + max(sizes.advance, d), min(halves))
        before.append(min(taped(steps, 0), tau + before[-1], best))
        if before[-1] >= min(most, taped(length, 0)):
            break
        after.append(min(taped(steps, d), split))
    return min(before[-1], most)


def curve(length: int, sizes: Sizes) -> tuple[tuple[int, int], ...]:
    """Pairs (budget in bytes, forward steps), from the least budget to that of keeping every residual.

    Budgets rise and steps fall, strictly. One table per factor of two answers for all its budgets. It is
    exact as long as steps and sizes make few combinations. Beyond, steps are taken in segments here as in
    Mixed, but not always in the same ones: the two then agree within a per cent or so.

    >>> curve(4, Sizes(state=1, record=1))
    ((3, 9), (4, 6), (5, 4))
    """
    least, top = minimum_bytes(length, sizes), _whole_bytes(length, sizes)
    points = {least: _plan(length, least, sizes).forward_steps(length), top: length}
    while top > least:
        ends = [end for end in _octave(length, top, sizes) if max(top // 2, least + 1) <= end[0]]
        for index, (budget, steps) in enumerate(ends):
            leafy = _leafy(length, budget, sizes) if index % (1 + len(ends) // 64) == 0 else None
            best = min(steps, leafy.forward_steps(length)) if leafy else steps
            points[budget] = min(best, points.get(budget, best))
        top //= 2
    front: list[tuple[int, int]] = []
    for budget, steps in sorted(points.items()):
        if not front or steps < front[-1][1]:
            front.append((budget, steps))
    return tuple(front)


def _octave(length: int, top: int, sizes: Sizes) -> list[tuple[int, int]]:
    """Forward steps for all levels up to `top`, from one table with segments as short as is quick."""
    leaf = 1
    while True:
        rows, segments = -(-length // leaf), replace(sizes, record=leaf * sizes.record)
        levels = byte_table.thresholds(rows, top, segments, 1024) or byte_table.grid(top, segments, 2048)
        if rows <= byte_table.LONGEST and rows**2 * len(levels.free) <= _WORK // 10:
            table = byte_table.tabulate(rows, levels, segments)
            ends = zip(levels.free.tolist(), table.before[-1].tolist(), strict=True)
            return [(free, steps * leaf - (-length % leaf)) for free, steps in ends]
        leaf += max(1, leaf // 2)


@dataclass(frozen=True)
class _Tabled:
    """A table, and how many steps one of its rows stands for."""

    table: byte_table.Table
    leaf: int

    def forward_steps(self, length: int) -> int:
        """The last segment, which may be short, is run once."""
        return self.table.best * self.leaf - (-length % self.leaf)

    def listed(self, length: int) -> _Listed:
        """The actions, read once: they take kilobytes where the table takes megabytes, and no work when they run."""
        actions = turn_after(length, self.table.reverse(self.leaf, length))
        rows = np.fromiter((number for action in actions for number in _row(action)), np.int32)
        return _Listed(rows.reshape(-1, 3), self.forward_steps(length))


@dataclass(frozen=True, eq=False)
class _Listed:
    """The actions for one length, a row each, and the forward steps among them."""

    rows: NDArray[np.int32]
    steps: int

    def actions(self, length: int) -> Iterator[Action]:
        for at in range(0, len(self.rows), 16):
            for kind, first, second in self.rows[at : at + 16].tolist():
                if kind < 3:
                    yield _RANGES[kind](first, second)
                else:
                    yield _STORED[kind - 3](first, "memory") if kind < 6 else Turn()

    def forward_steps(self, length: int) -> int:
        return self.steps


_RANGES, _STORED = (Advance, Tape, Back), (Save, Load, Drop)


def _row(action: Action) -> tuple[int, int, int]:
    match action:
        case Advance(start, stop) | Tape(start, stop) | Back(start, stop):
            return _RANGES.index(type(action)), start, stop
        case Save(step) | Load(step) | Drop(step):
            return 3 + _STORED.index(type(action)), step, 0
        case _:
            return 6, 0, 0


@lru_cache(maxsize=64)
def _plan(length: int, budget: int, sizes: Sizes) -> _Listed | binomial.Binomial:
    """The best known way for one length; ties go to the binomial schedule."""
    least = minimum_bytes(length, sizes)
    if budget < least:
        _refuse("can reverse", length, budget, sizes, f"{least} bytes are the least that do")
    if budget >= _whole_bytes(length, sizes):
        return binomial.Binomial(slots=1, leaf=max(1, length))
    leafy, tabled = _leafy(length, budget, sizes), _tabled(length, budget, sizes)
    if tabled is None and leafy is None:  # within the residuals of one segment of the least
        run = 2 * sizes.state + max(sizes.record + sizes.tape, sizes.advance)
        sure = sizes.adjoint + max(run, sizes.state + sizes.record + sizes.back)
        sure = min(sure, _whole_bytes(length, sizes))
        _refuse("was found that reverses", length, budget, sizes, f"{sure} bytes are sure to do")
    if leafy is None or (tabled is not None and tabled.forward_steps(length) < leafy.forward_steps(length)):
        assert tabled is not None
        return tabled.listed(length)
    return leafy


def _refuse(verb: str, length: int, budget: int, sizes: Sizes, advice: str) -> NoReturn:
    raise BudgetError(f"no schedule {verb} {length} steps within {budget} bytes", f"{sizes}", advice)


def _tabled(length: int, budget: int, sizes: Sizes) -> _Tabled | None:
    """The best of the tables with the shortest segments that _WORK allows; None if no residuals fit.

    Segments of one step are exact. Of longer ones four sizes are tried: none is always the best.
    """
    leaf, rivals = 1, []
    while len(rivals) < 4:
        rows = -(-length // leaf)
        segments = replace(sizes, record=leaf * sizes.record)
        most = min(_WORK // rows**2, _ENTRIES // rows)
        levels = byte_table.lattice(rows, budget, segments, most) if rows <= byte_table.LONGEST else None
        if levels is not None:
            rivals.append(_Tabled(byte_table.tabulate(rows, levels, segments), leaf))
            if leaf == 1 or rivals[-1].table.best >= byte_table.NEVER:
                break
        leaf += max(1, leaf // 4)
    best = min(rivals, key=lambda rival: rival.forward_steps(length))
    return best if best.table.best < byte_table.NEVER else None


def _leafy(length: int, budget: int, sizes: Sizes) -> binomial.Binomial | None:
    """The binomial schedule with the best leaf, up to 5 % in its size; None if not even leaf 1 fits."""
    best, leaf = None, 1
    while leaf <= length:
        slots = min(slots_within(budget, sizes, leaf), length)
        if slots < 1:
            break
        rival = binomial.Binomial(slots, leaf)
        if best is None or rival.forward_steps(length) < best.forward_steps(length):
            best = rival
        leaf += max(1, leaf // 20)
    return best


def _whole_bytes(length: int, sizes: Sizes) -> int:
    records = length * sizes.record
    run = sizes.state + records + sizes.tape if length else 0
    return max(run, records + sizes.adjoint + (sizes.back if length else 0))
