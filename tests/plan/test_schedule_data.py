"""Schedules as plain data, and the names under which they are found."""

import re
from collections.abc import Generator
from dataclasses import dataclass
from typing import ClassVar

import pytest

from adcore.errors import PlanError
from adcore.plan.schedule import Action, Schedule, ScheduleError, Turn, Whole, register_schedule


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            7,
            "7 is not a schedule\n"
            "  read from data, where [name, {field: value}] is expected\n"
            "  write schedules with to_data()",
        ),
        (
            ["whole", {"slots": 1}],
            "schedule 'whole' has fields [], not ['slots']\n"
            "  read from data by adcore.plan.schedule\n"
            "  the data was written by another version: plan again",
        ),
    ],
)
def test_data_that_is_no_schedule(data, message):
    with pytest.raises(ScheduleError, match=f"^{re.escape(message)}$"):
        Schedule.from_data(data)


@pytest.mark.parametrize("name", ["acme", 3, ["whole"]])
def test_data_of_an_unknown_schedule(name):
    pattern = (
        rf"^no schedule is called {re.escape(repr(name))}\n"
        r"  known: [\w, ]*whole[\w, ]*\n"
        r"  load the plugin that brings it, or plan again$"
    )
    with pytest.raises(ScheduleError, match=pattern):
        Schedule.from_data([name, {}])


def test_a_name_is_taken_once():
    class Other(Schedule):
        name: ClassVar[str] = "whole"

        def actions(self, length: int | None) -> Generator[Action, int | None, None]:
            yield Turn()

    here = f"{__name__}.test_a_name_is_taken_once.<locals>.Other"
    message = (
        f"schedule 'whole' is not a frozen dataclass\n"
        f"  registered by {here}\n"
        "  put @register_schedule above @dataclass(frozen=True)"
    )
    with pytest.raises(ScheduleError, match=f"^{re.escape(message)}$"):
        register_schedule(Other)
    message = f"two schedules are called 'whole'\n  adcore.plan.schedule.Whole and {here}\n  rename one of them"
    with pytest.raises(ScheduleError, match=f"^{re.escape(message)}$"):
        register_schedule(dataclass(frozen=True)(Other))
    assert register_schedule(Whole) is Whole  # the same class again is no clash


def test_a_schedule_error_is_a_plan_error():
    assert issubclass(ScheduleError, PlanError)
    assert issubclass(ScheduleError, ValueError)
