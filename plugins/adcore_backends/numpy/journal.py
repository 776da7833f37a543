"""How a run that was killed goes on: what it has to leave on disk, and which actions it need not repeat.

A store that is opened by name finds the snapshots of the run before. Beside these it keeps

    end       the results of the forward loop, written at Turn
    back-N    the cotangents when steps N and later were reversed, written before a snapshot is loaded

A run goes on where nothing but the disk is needed: where a carry has just been saved there, or is about to be
loaded from there, while no snapshot and no residual is held in memory. So a snapshot stays on disk until the next
`back-N` is written. For schedules of known length, in the outermost graph.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any

from adcore.extend import Action, Back, Drop, Load, Save, Schedule, Snapshots, Spill, Tape, Turn, open_snapshots

Arrays = Sequence[Any]

END = "end"
BACK = "back-"


def spills(schedule: Schedule, length: int | None) -> bool:
    """Whether a schedule saves anything on disk."""
    return length is not None and any(type(a) is Save and a.tier == "disk" for a in schedule.actions(length))


@dataclass(frozen=True, slots=True)
class Point:
    """Where a run goes on. number: of actions that are done. frontier: the first step reversed, None before Turn."""

    number: int
    step: int
    frontier: int | None


class Journal:
    """The store of one run of a loop, and what is in it.

    point: where to go on, None at the start. rows: whether the forward loop has stacked results, which are on disk
    only once it has ended.
    """

    def __init__(self, spill: Spill, name: str, schedule: Schedule, length: int, rows: bool) -> None:
        self.store: Snapshots = open_snapshots(spill, name)
        self.schedule, self.length = schedule, length
        self._last: str | None = None  # the cotangents that are on disk
        self._doomed: list[int] = []  # snapshots that the next ones make superfluous
        self._keys = frozenset(self.store.keys())
        self.point = self._find(self._keys, rows)

    def _find(self, keys: Set[int | str], rows: bool) -> Point | None:
        steps = {key for key in keys if isinstance(key, int)}
        backs = [int(key[len(BACK) :]) for key in keys if isinstance(key, str) and key.startswith(BACK)]
        if backs and END in keys:
            found = next((p for p in points(self.schedule, self.length, steps) if p.frontier == min(backs)), None)
            if found is not None:
                self._last = f"{BACK}{found.frontier}"
                return found
        if rows and END not in keys:
            return None
        return max(
            (p for p in points(self.schedule, self.length, steps) if p.frontier is None),
            key=lambda p: p.number,
            default=None,
        )

    def actions(self) -> Generator[Action, int | None, None]:
        """The actions from the point on."""
        found = self.schedule.actions(self.length)
        for _ in range(self.point.number if self.point is not None else 0):
            next(found)
        return found

    def save(self, step: int, carry: Arrays) -> None:
        """Keep a carry. One that was to go stays: it has the same bits."""
        if step in self._doomed:
            self._doomed.remove(step)
        else:
            self.store.save(step, carry)

    def forward(self, results: Arrays) -> bool:
        """Whether the forward loop need not run, its results being in these places now, or only from the point on."""
        if self.point is None:
            return False
        if END in self._keys:
            self.store.load(END, results)
        return self.point.frontier is not None

    def ended(self, results: Arrays) -> None:
        """The forward loop is done."""
        self.store.save(END, results)

    def back(self, cotangents: Arrays) -> bool:
        """Whether some steps are reversed already, the cotangents being in these places now."""
        if self.point is None or self.point.frontier is None:
            return False
        assert self._last is not None
        self.store.load(self._last, cotangents)
        return True

    def reversed(self, frontier: int, cotangents: Arrays) -> None:
        """The steps from there on are reversed, and nothing is held in memory."""
        name = f"{BACK}{frontier}"
        if name == self._last:
            return
        self.store.save(name, cotangents)
        for key in (*self._doomed, *([] if self._last is None else [self._last])):
            self.store.drop(key)
        self._last, self._doomed = name, []

    def drop(self, step: int) -> None:
        """The snapshot goes when the run no longer goes on from before here."""
        self._doomed.append(step)


def points(schedule: Schedule, length: int, there: Set[int]) -> Iterator[Point]:
    """Where a run can go on that finds these snapshots on disk."""
    memory: set[int] = set()
    disk: set[int] = set()
    frontier: int | None = None
    for number, action in enumerate(schedule.actions(length)):
        match action:
            case Load(step, "disk") if frontier is not None and not memory and disk <= there:
                yield Point(number, step, frontier)
            case Save(step, "memory") | Tape(step, _):
                memory.add(step if isinstance(action, Save) else ~step)
            case Drop(step, "memory") | Back(step, _):
                memory.discard(step if isinstance(action, Drop) else ~step)
                frontier = step if isinstance(action, Back) else frontier
            case Save(step, "disk"):
                disk.add(step)
                if frontier is None and not memory and disk <= there:
                    yield Point(number + 1, step, None)
            case Drop(step, "disk"):
                disk.discard(step)
            case Turn():
                frontier = length
