"""What a loop's trail may take, and what it then costs: the ladder of one pair of loops.

The bytes of a rung are those of the range in which a schedule keeps snapshots and residuals. Rungs are estimates by
the binomial formula, which is quick; `schedule` finds the best known schedule for a number of bytes exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

from adcore.extend import BudgetError, Pair, Schedule, Sizes, extent, tape_bytes
from adcore_strategies.schedules import Binomial, Mixed, Online
from adcore_strategies.schedules.binomial import forward_steps

__all__ = ["Rung", "ladder", "least", "schedule"]

_GROWTH = 1.15
_GUESS = 1000  # steps that a loop of unknown length is taken to have when rungs are compared


@dataclass(frozen=True)
class Rung:
    """Bytes of the range, and forward steps that suffice with them."""

    nbytes: int
    steps: int


def least(pair: Pair) -> int:
    """The fewest bytes with which the loop can be reversed: its first carry and the residuals of one step."""
    if pair.loop.length is not None and pair.loop.length < 2:
        return tape_bytes(pair.record, pair.loop.length)
    return min(pair.state + tape_bytes(pair.record, 1), whole(pair) if pair.loop.length else 2**62)


def whole(pair: Pair) -> int:
    """Bytes of the residuals of all steps."""
    return tape_bytes(pair.record, pair.loop.length or 0)


def ladder(pair: Pair) -> tuple[Rung, ...]:
    """Rungs from the least bytes to where more does not help; bytes rise and steps fall."""
    rungs: list[Rung] = []
    nbytes = least(pair)
    top = whole(pair) if pair.loop.length is not None else nbytes + _GUESS * pair.state
    while True:
        steps = _estimate(pair, nbytes)
        if not rungs or steps < rungs[-1].steps:
            rungs.append(Rung(nbytes, steps))
        if nbytes >= top:
            return tuple(rungs)
        nbytes = min(max(nbytes + max(pair.state, 64), int(nbytes * _GROWTH)), top)


def _estimate(pair: Pair, nbytes: int) -> int:
    """Forward steps of the best binomial schedule with leaves."""
    length = pair.loop.length
    if length is None:
        return forward_steps(_GUESS, max(1, (nbytes - tape_bytes(pair.record, 1)) // max(pair.state, 1)))
    if nbytes >= whole(pair):
        return length
    best, leaf = 2**62, 1
    while leaf <= length:
        slots = (nbytes - tape_bytes(pair.record, leaf)) // pair.state if pair.state else length
        if slots < 1:
            break
        blocks = -(-length // leaf)
        best = min(best, leaf * forward_steps(blocks, slots) - (blocks * leaf - length))
        leaf += max(1, leaf // 4)
    return best


def schedule(pair: Pair, nbytes: int) -> Schedule:
    """The schedule with the fewest forward steps whose range has at most so many bytes.

    Raises: BudgetError if there is none.
    """
    length = pair.loop.length
    if length is None:
        return _online(pair, nbytes)
    if length < 2 or nbytes >= whole(pair):
        return Binomial(1, max(1, length))
    sizes, room = Sizes(state=pair.state, record=pair.record_bytes), nbytes
    for _ in range(6):  # residuals are padded, of which the table does not know
        found = Mixed(room + pair.state, sizes)
        try:
            over = extent(found, pair) - nbytes
        except BudgetError:
            break
        if over <= 0:
            return found
        room -= over
    slots = (nbytes - tape_bytes(pair.record, 1)) // pair.state if pair.state else length
    if slots < 1:
        raise BudgetError(
            f"no schedule reverses a loop of {length} steps within {nbytes} bytes", f"of {least(pair)} at least"
        )
    return Binomial(slots)


def _online(pair: Pair, nbytes: int) -> Schedule:
    """Slots for most of the bytes, and leaves that take an eighth of them, of at most 64 steps."""
    leaf = 1
    while leaf < 64 and tape_bytes(pair.record, 2 * leaf) <= nbytes // 8:
        leaf *= 2
    slots = (nbytes - tape_bytes(pair.record, leaf)) // max(pair.state, 64)
    if slots < 1:
        raise BudgetError(
            f"no schedule reverses a loop of unknown length within {nbytes} bytes", f"of {least(pair)} at least"
        )
    return Online(min(slots, 100_000), leaf)
