"""What a loop's trail may take, and what it then costs: the ladder of one pair of loops.

The bytes of a rung are those of the range in which a schedule keeps snapshots and residuals. Rungs are estimates by
the binomial formula, which is quick; `schedule` finds the best known schedule for a number of bytes exactly. With
a disk, snapshots may go there too, where they cost time and no range.
"""

from __future__ import annotations

from dataclasses import dataclass

from adcore.extend import BudgetError, Pair, Schedule, Sizes, extent, schedule_cost, tape_bytes
from adcore_strategies.schedules import Binomial, Mixed, Online, TwoLevel
from adcore_strategies.schedules.binomial import forward_steps

__all__ = ["Disk", "Rung", "ladder", "least", "schedule", "whole"]

_GROWTH = 1.15
_GUESS = 1000  # steps that a loop of unknown length is taken to have when rungs are compared
_BLOCKS = 400  # leaves of a loop under a schedule with a disk; its tables grow with their square
_OPENING = 100_000.0  # work of opening, checking and closing a file: about a tenth of a millisecond


@dataclass(frozen=True)
class Disk:
    """Bytes that the snapshots of one trail may take on disk, and the work of writing and reading a byte."""

    nbytes: int
    write: float
    read: float

    def times(self, pair: Pair) -> tuple[float, float]:
        """The work of writing a snapshot of that pair, and of reading one."""
        return _OPENING + self.write * pair.state, _OPENING + self.read * pair.state


@dataclass(frozen=True)
class Rung:
    """Bytes of the range, and the work of forward steps and of the disk that suffices with them."""

    nbytes: int
    work: float


def least(pair: Pair, disk: Disk | None = None) -> int:
    """The fewest bytes with which the loop can be reversed: its first carry and the residuals of one step."""
    if pair.loop.length is not None and pair.loop.length < 2:
        return tape_bytes(pair.record, pair.loop.length)
    snapshot = 0 if _slots(pair, disk) else pair.state
    return min(snapshot + tape_bytes(pair.record, 1), whole(pair) if pair.loop.length else 2**62)


def whole(pair: Pair) -> int:
    """Bytes of the residuals of all steps."""
    return tape_bytes(pair.record, pair.loop.length or 0)


def ladder(pair: Pair, step: float, disk: Disk | None = None) -> tuple[Rung, ...]:
    """Rungs from the least bytes to where more does not help; bytes rise and work falls. step: work of one step."""
    rungs: list[Rung] = []
    nbytes = least(pair, disk)
    top = whole(pair) if pair.loop.length is not None else nbytes + _GUESS * pair.state
    while True:
        work = _estimate(pair, nbytes, step, disk)
        if not rungs or work < rungs[-1].work:
            rungs.append(Rung(nbytes, work))
        if nbytes >= top:
            return tuple(rungs)
        nbytes = min(max(nbytes + max(pair.state, 64), int(nbytes * _GROWTH)), top)


def schedule(pair: Pair, nbytes: int, step: float = 1.0, disk: Disk | None = None) -> Schedule:
    """The schedule of least work whose range has at most so many bytes.

    Raises: BudgetError if there is none.
    """
    length = pair.loop.length
    if length is None:
        return _online(pair, nbytes)
    if length < 2 or nbytes >= whole(pair):
        return Binomial(1, max(1, length))
    found = [s for s in (_in_memory(pair, nbytes), _with_disk(pair, nbytes, step, disk)) if s is not None]
    if not found:
        raise BudgetError(
            f"no schedule reverses a loop of {length} steps within {nbytes} bytes", f"of {least(pair, disk)} at least"
        )
    return min(found, key=lambda s: _work(s, pair, step, disk))


def _work(found: Schedule, pair: Pair, step: float, disk: Disk | None) -> float:
    cost = schedule_cost(found, pair)
    assert cost is not None
    write, read = disk.times(pair) if disk is not None else (0.0, 0.0)
    return cost.makespan(step, 0.0, write, read)


def _estimate(pair: Pair, nbytes: int, step: float, disk: Disk | None) -> float:
    """Work of the best binomial schedule with leaves, or of one with a disk, in rough blocks."""
    length = pair.loop.length
    if length is None:
        return step * forward_steps(_GUESS, max(1, (nbytes - tape_bytes(pair.record, 1)) // max(pair.state, 1)))
    if nbytes >= whole(pair):
        return step * length
    best, leaf = float("inf"), 1
    while leaf <= length:
        slots = (nbytes - tape_bytes(pair.record, leaf)) // pair.state if pair.state else length
        if slots < 1:
            break
        blocks = -(-length // leaf)
        best = min(best, step * (leaf * forward_steps(blocks, slots) - (blocks * leaf - length)))
        leaf += max(1, leaf // 4)
    rough = _two_level(pair, nbytes, step, disk, 60)
    return best if rough is None else min(best, rough.makespan(length))


def _in_memory(pair: Pair, nbytes: int) -> Schedule | None:
    """The fewest forward steps without a disk."""
    length, room = pair.loop.length, nbytes
    assert length is not None
    sizes = Sizes(state=pair.state, record=pair.record_bytes)
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
    return Binomial(slots) if slots >= 1 else None


def _slots(pair: Pair, disk: Disk | None) -> int:
    """Snapshots that the disk holds."""
    if disk is None or not pair.state or pair.loop.length is None:
        return 0
    return min(disk.nbytes // pair.state, pair.loop.length)


def _with_disk(pair: Pair, nbytes: int, step: float, disk: Disk | None) -> Schedule | None:
    found = _two_level(pair, nbytes, step, disk, _BLOCKS)
    return found if found is not None and extent(found, pair) <= nbytes else None


def _two_level(pair: Pair, nbytes: int, step: float, disk: Disk | None, blocks: int) -> TwoLevel | None:
    """The best schedule on two levels, with leaves so that there are not many more blocks than that."""
    length, slots = pair.loop.length, _slots(pair, disk)
    if disk is None or length is None or not slots:
        return None
    leaf = max(1, -(-length // blocks))
    while leaf > 1 and tape_bytes(pair.record, leaf) > nbytes // 2:
        leaf = leaf // 2
    if length // leaf > 4 * blocks:
        return None
    room = nbytes - tape_bytes(pair.record, leaf)
    if room < 0:
        return None
    write, read = disk.times(pair)
    return TwoLevel(min(room // pair.state, length), min(slots, blocks), step, write, read, leaf)


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
