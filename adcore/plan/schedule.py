"""How one trail of a loop is kept: a Schedule is a frozen value that yields actions.

What each action means, and how a schedule of unknown length is answered, is said in `adcore.plan.actions`;
`adcore.plan.replay` validates a schedule and counts its cost. Both are re-exported here.

>>> for action in Whole().actions(5):
...     print(action)
Tape(start=0, stop=5)
Turn()
Back(start=0, stop=5)
>>> replay(Whole(), 5, sizes=Sizes(state=8, record=16, adjoint=8)).peak_bytes
88
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Any, ClassVar, TypeVar

from adcore.plan.actions import (
    Action,
    Advance,
    Back,
    Drop,
    Load,
    Peek,
    Save,
    ScheduleError,
    Tape,
    Tier,
    Turn,
)
from adcore.plan.replay import Caps, ScheduleCost, Sizes, replay

__all__ = [
    "Action",
    "Advance",
    "Back",
    "Caps",
    "Drop",
    "Load",
    "Peek",
    "Save",
    "Schedule",
    "ScheduleCost",
    "ScheduleError",
    "Sizes",
    "Tape",
    "Tier",
    "Turn",
    "Whole",
    "register_schedule",
    "replay",
]


class Schedule(ABC):
    """How one trail is kept. A subclass is a frozen dataclass of plain data, registered under its `name`.

    A new schedule fills `actions`; `forward_steps` may be overridden where a closed form is known.
    """

    name: ClassVar[str]

    @abstractmethod
    def actions(self, length: int | None) -> Generator[Action, int | None, None]:
        """The actions for a loop of `length` steps, None if it is not known before the loop has run."""

    def forward_steps(self, length: int) -> int:
        """How often a step is run, taped or not, for a loop of `length` steps known beforehand."""
        return replay(self, length).forward_steps

    def bounds(self) -> tuple[int, int]:
        """The most snapshots in memory and the most taped steps at one time, for a loop of any length.

        Raises: ScheduleError if there is no such bound: then the schedule serves known lengths only.
        """
        raise ScheduleError(
            f"schedule {self.name!r} does not bound what it keeps for a loop of unknown length",
            f"a loop of unknown length under {self!r}",
            "use Online(slots), or give the loop a length",
        )

    def to_data(self) -> list[Any]:
        """Plain data that msgpack can write: [name, {field: value}].

        >>> Whole().to_data()
        ['whole', {}]
        """
        assert is_dataclass(self)
        return [self.name, asdict(self)]

    @staticmethod
    def from_data(data: Any) -> Schedule:
        """The schedule that `to_data` described. Raises ScheduleError for an unknown name or field.

        >>> Schedule.from_data(["whole", {}])
        Whole()
        """
        if not (isinstance(data, (list, tuple)) and len(data) == 2 and isinstance(data[1], dict)):
            raise ScheduleError(
                f"{data!r} is not a schedule",
                "read from data, where [name, {field: value}] is expected",
                "write schedules with to_data()",
            )
        name, values = data
        kind = _kinds.get(name) if isinstance(name, str) else None
        if kind is None:
            raise ScheduleError(
                f"no schedule is called {name!r}",
                f"known: {', '.join(sorted(_kinds))}",
                "load the plugin that brings it, or plan again",
            )
        known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
        if set(values) != known:
            raise ScheduleError(
                f"schedule {name!r} has fields {sorted(known)}, not {sorted(values)}",
                f"read from data by {kind.__module__}",
                "the data was written by another version: plan again",
            )
        return kind(**values)


_kinds: dict[str, type[Schedule]] = {}
_S = TypeVar("_S", bound=Schedule)


def register_schedule(kind: type[_S]) -> type[_S]:
    """Class decorator: make `from_data` find this frozen dataclass by its `name`. Returns the class.

    Raises: ScheduleError if the name is taken by another class, or the class is no frozen dataclass.
    """
    here = f"{kind.__module__}.{kind.__qualname__}"
    parameters = kind.__dict__.get("__dataclass_params__")
    if parameters is None or not parameters.frozen:
        raise ScheduleError(
            f"schedule {kind.name!r} is not a frozen dataclass",
            f"registered by {here}",
            "put @register_schedule above @dataclass(frozen=True)",
        )
    other = _kinds.get(kind.name)
    if other is not None and f"{other.__module__}.{other.__qualname__}" != here:
        raise ScheduleError(
            f"two schedules are called {kind.name!r}",
            f"{other.__module__}.{other.__qualname__} and {here}",
            "rename one of them",
        )
    _kinds[kind.name] = kind
    return kind


@register_schedule
@dataclass(frozen=True)
class Whole(Schedule):
    """Keep the residuals of every step: n forward steps, n records. The default; also for unknown lengths."""

    name: ClassVar[str] = "whole"

    def actions(self, length: int | None) -> Generator[Action, int | None, None]:
        """One range for a known length; ranges that double (1, 1, 2, 4 ... steps) for an unknown one."""
        ranges: list[tuple[int, int]] = []
        start, over = 0, length == 0
        while not over:
            stop = max(1, 2 * start) if length is None else length
            answer = yield Tape(start, stop)
            reached = stop if answer is None else answer
            if reached > start:
                ranges.append((start, reached))
            over = reached < stop or reached == length
            start = reached
        yield Turn()
        for a, b in reversed(ranges):
            yield Back(a, b)

    def forward_steps(self, length: int) -> int:
        """Each step once."""
        return length
