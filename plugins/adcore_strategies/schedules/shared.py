"""What the schedules of this package share: their checks, the place of Turn, and slots for bytes."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from adcore.extend import Action, Schedule, ScheduleError, Sizes, Tape, Turn


def require_counts(schedule: Schedule, **least: int) -> None:
    """Raise ScheduleError unless each named field is an int and at least the number given."""
    for field, bound in least.items():
        value = getattr(schedule, field)
        if not isinstance(value, int) or isinstance(value, bool) or value < bound:
            raise ScheduleError(
                f"{field}={value!r} is not an int of at least {bound}",
                f"schedule {schedule.name!r}",
                f"pass {field}={bound} or more",
            )


def require_length(schedule: Schedule, length: int | None) -> int:
    """The length, or ScheduleError if it is not known."""
    if length is None:
        raise ScheduleError(
            f"schedule {schedule.name!r} places its snapshots by the number of steps, which is not known",
            f"a loop of unknown length under {schedule!r}",
            "use Online(slots), or give the loop a length",
        )
    return length


def turn_after(length: int, actions: Iterator[Action]) -> Generator[Action, int | None, None]:
    """The actions, with Turn after the first Tape that reaches the end of the loop."""
    if length == 0:
        yield Turn()
        return
    for action in actions:
        yield action
        if type(action) is Tape and action.stop == length:
            yield Turn()
            break
    yield from actions


def slots_within(budget: int, sizes: Sizes, leaf: int = 1) -> int:
    """How many snapshots fit into `budget` bytes beside the carry, `leaf` records, adjoint and scratch.

    Negative if not even those fit. With this number of slots Binomial, Online and, in memory, TwoLevel keep
    the budget.

    >>> slots_within(100, Sizes(state=8, record=24, adjoint=8))
    7
    """
    records = leaf * sizes.record
    run = sizes.state + max(records + sizes.tape, sizes.advance)
    spare = budget - sizes.adjoint - max(run, records + sizes.back)
    return spare // sizes.state if sizes.state else min(spare, 0) or 2**31
