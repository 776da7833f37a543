"""The validator of schedules: what it counts, and that it refuses every kind of broken schedule by name."""

import re
from collections.abc import Generator
from dataclasses import dataclass
from typing import ClassVar

import pytest

from adcore.plan.schedule import (
    Action,
    Advance,
    Back,
    Caps,
    Drop,
    Load,
    Peek,
    Save,
    Schedule,
    ScheduleError,
    Sizes,
    Tape,
    Turn,
    Whole,
    replay,
)


@dataclass(frozen=True)
class Script(Schedule):
    """Yields the actions that it was given, whatever the length."""

    name: ClassVar[str] = "script"
    script: tuple[Action, ...]

    def actions(self, length: int | None) -> Generator[Action, int | None, None]:
        for action in self.script:  # noqa: UP028, a tuple takes no answers
            yield action


GOOD = (
    Save(0, "memory"),
    Advance(0, 2),
    Save(2, "disk"),
    Advance(2, 3),
    Tape(3, 4),
    Turn(),
    Back(3, 4),
    Load(2, "disk"),
    Drop(2, "disk"),
    Tape(2, 3),
    Back(2, 3),
    Load(0, "memory"),
    Drop(0, "memory"),
    Tape(0, 2),
    Back(0, 2),
)


def refused(message: str, *script: Action, length: int | None = 3, **options: object) -> None:
    with pytest.raises(ScheduleError, match=f"^{re.escape(message)}$"):
        replay(Script(script), length, **options)


def test_what_is_counted():
    cost = replay(Script(GOOD), 4, sizes=Sizes(state=10, record=100, adjoint=1, advance=3, tape=5, back=7))
    assert (cost.forward_steps, cost.back_steps, cost.actions) == (7, 4, 15)
    assert (cost.memory_saves, cost.memory_loads, cost.disk_saves, cost.disk_loads) == (1, 1, 1, 1)
    assert (cost.peak_memory, cost.peak_disk, cost.peak_taped) == (1, 1, 2)
    assert cost.peak_bytes == 10 + 200 + 1 + 5  # Tape(0, 2): carry, two records, adjoint, scratch
    assert cost.peak_disk_bytes == 10
    assert cost.makespan(forward=2, back=3, write=50, read=70) == 14 + 12 + 50 + 70


@pytest.mark.parametrize(
    ("sizes", "peak"),
    [
        (Sizes(10, 100, 1, advance=1000), 10 + 10 + 1000),  # Advance: snapshot, carry; no adjoint before Turn
        (Sizes(10, 100, 1, tape=1000), 10 + 200 + 1 + 1000),  # Tape(0, 2): carry, records, adjoint
        (Sizes(10, 100, 1, back=1000), 200 + 1 + 1000),  # Back(0, 2): records, adjoint; the carry is released
        (Sizes(10, 0, 100), 10 + 10 + 100),  # Load(0): snapshot, carry, adjoint
    ],
)
def test_the_peak_is_that_of_the_dearest_action(sizes, peak):
    assert replay(Script(GOOD), 4, sizes=sizes).peak_bytes == peak


def test_the_good_script_passes_with_exact_caps():
    caps = Caps(memory=1, disk=1, taped=2, memory_bytes=30, disk_bytes=10)
    assert replay(Script(GOOD), 4, caps=caps, sizes=Sizes(10, 10)).peak_bytes == 30


@pytest.mark.parametrize("index", range(len(GOOD)))
def test_no_action_of_the_good_script_can_be_left_out(index):
    with pytest.raises(ScheduleError):
        replay(Script(GOOD[:index] + GOOD[index + 1 :]), 4)


def test_load_of_what_is_not_there():
    refused(
        "action 3, Load(step=0, tier='disk'), reads a snapshot that is not there\n"
        "  before Turn; carry at 2; memory [0], disk [], taped []; reversed from 3 of 3\n"
        "  Save it before, and Drop it only after its last Load",
        *(Save(0, "memory"), Advance(0, 2), Load(0, "disk")),
    )


def test_advance_from_another_step():
    refused(
        "action 2, Advance(start=1, stop=2), runs or keeps another step than the carry's\n"
        "  before Turn; carry at 2; memory [], disk [], taped []; reversed from 3 of 3\n"
        "  Load a snapshot of that step, or Advance to it",
        *(Advance(0, 2), Advance(1, 2)),
    )


def test_tape_from_another_step():
    refused(
        "action 1, Tape(start=1, stop=3), runs or keeps another step than the carry's\n"
        "  before Turn; carry at 0; memory [], disk [], taped []; reversed from 3 of 3\n"
        "  Load a snapshot of that step, or Advance to it",
        *(Tape(1, 3),),
    )


def test_tape_after_back_has_released_the_carry():
    refused(
        "action 6, Tape(start=0, stop=2), runs or keeps another step than the carry's\n"
        "  after Turn; carry at None; memory [0], disk [], taped []; reversed from 2 of 3\n"
        "  Load a snapshot of that step, or Advance to it",
        *(Save(0, "memory"), Advance(0, 2), Tape(2, 3), Turn(), Back(2, 3), Tape(0, 2)),
    )


def test_save_of_another_step():
    refused(
        "action 2, Save(step=0, tier='memory'), runs or keeps another step than the carry's\n"
        "  before Turn; carry at 1; memory [], disk [], taped []; reversed from 3 of 3\n"
        "  Load a snapshot of that step, or Advance to it",
        *(Advance(0, 1), Save(0, "memory")),
    )


def test_a_second_save_of_the_same_step():
    refused(
        "action 2, Save(step=0, tier='memory'), saves a snapshot that is already there\n"
        "  before Turn; carry at 0; memory [0], disk [], taped []; reversed from 3 of 3\n"
        "  Drop it first, or do not save it again",
        *(Save(0, "memory"), Save(0, "memory")),
    )


def test_a_drop_in_the_wrong_tier():
    refused(
        "action 2, Drop(step=0, tier='disk'), releases a snapshot that is not there\n"
        "  before Turn; carry at 0; memory [0], disk [], taped []; reversed from 3 of 3\n"
        "  Drop a snapshot once, in the tier that holds it",
        *(Save(0, "memory"), Drop(0, "disk")),
    )


def test_a_tier_that_does_not_exist():
    refused(
        "action 1, Save(step=0, tier='tape'), names no tier\n"
        "  before Turn; carry at 0; memory [], disk [], taped []; reversed from 3 of 3\n"
        '  the tiers are "memory" and "disk"',
        *(Save(0, "tape"),),
    )


@pytest.mark.parametrize("action", [Advance(0, 4), Advance(0, 0), Tape(0, 4), Tape(0, -1)])
def test_a_range_without_steps(action):
    refused(
        f"action 1, {action!r}, has no steps to run\n"
        "  before Turn; carry at 0; memory [], disk [], taped []; reversed from 3 of 3\n"
        "  ask for at least one step, and for none past the end of the loop",
        action,
    )


def test_tape_of_steps_that_are_already_reversed():
    refused(
        "action 7, Tape(start=2, stop=3), tapes steps that are already reversed\n"
        "  after Turn; carry at 2; memory [2], disk [], taped []; reversed from 2 of 3\n"
        "  stop where the reversed steps begin",
        *(Advance(0, 2), Save(2, "memory"), Tape(2, 3), Turn(), Back(2, 3), Load(2, "memory"), Tape(2, 3)),
    )


def test_tape_of_steps_that_are_already_taped():
    refused(
        "action 4, Tape(start=0, stop=3), tapes steps that are already taped\n"
        "  before Turn; carry at 0; memory [0], disk [], taped [0..2]; reversed from 3 of 3\n"
        "  Back the live buffer first, or Advance over its range",
        *(Save(0, "memory"), Tape(0, 2), Load(0, "memory"), Tape(0, 3)),
    )


def test_back_before_turn():
    refused(
        "action 2, Back(start=0, stop=3), reverses before Turn\n"
        "  before Turn; carry at 3; memory [], disk [], taped [0..3]; reversed from 3 of 3\n"
        "  yield Turn() when the carry is at the last step",
        *(Tape(0, 3), Back(0, 3)),
    )


def test_back_out_of_order():
    refused(
        "action 4, Back(start=0, stop=1), reverses out of order\n"
        "  after Turn; carry at None; memory [], disk [], taped [0..1, 1..3]; reversed from 3 of 3\n"
        "  the next range to reverse stops where the reversed steps begin",
        *(Tape(0, 1), Tape(1, 3), Turn(), Back(0, 1)),
    )


def test_back_of_part_of_a_buffer():
    refused(
        "action 3, Back(start=1, stop=3), consumes a buffer that is not there\n"
        "  after Turn; carry at None; memory [], disk [], taped [0..3]; reversed from 3 of 3\n"
        "  Tape exactly that range before it",
        *(Tape(0, 3), Turn(), Back(1, 3)),
    )


def test_a_second_turn():
    refused(
        "action 3, Turn(), turns a second time\n"
        "  after Turn; carry at None; memory [], disk [], taped [0..3]; reversed from 3 of 3\n"
        "  yield Turn() once",
        *(Tape(0, 3), Turn(), Turn()),
    )


def test_turn_before_the_end():
    refused(
        "action 2, Turn(), turns before the last step is done\n"
        "  before Turn; carry at 2; memory [], disk [], taped [0..2]; reversed from 3 of 3\n"
        "  Advance or Tape to the last step first",
        *(Tape(0, 2), Turn()),
    )


def test_an_end_with_steps_left():
    refused(
        "the schedule leaves steps to reverse\n"
        "  after Turn; carry at None; memory [], disk [], taped [0..2]; reversed from 2 of 3\n"
        "  go on until the Back that starts at step 0",
        *(Tape(0, 2), Tape(2, 3), Turn(), Back(2, 3)),
    )


@pytest.mark.parametrize("tier", ["memory", "disk"])
def test_an_end_with_a_snapshot_left(tier):
    stores = "memory [0], disk []" if tier == "memory" else "memory [], disk [0]"
    refused(
        "the schedule leaves something stored\n"
        f"  after Turn; carry at None; {stores}, taped []; reversed from 0 of 3\n"
        "  Drop every snapshot after its last Load",
        *(Save(0, tier), Tape(0, 3), Turn(), Back(0, 3)),
    )


@pytest.mark.parametrize(
    ("cap", "text", "script"),
    [
        (
            Caps(memory=0),
            "Save(step=0, tier='memory'), exceeds the cap memory=0 with 1",
            (Save(0, "memory"),),
        ),
        (Caps(disk=0), "Save(step=0, tier='disk'), exceeds the cap disk=0 with 1", (Save(0, "disk"),)),
        (
            Caps(disk_bytes=9),
            "Save(step=0, tier='disk'), exceeds the cap disk_bytes=9 with 10",
            (Save(0, "disk"),),
        ),
        (Caps(taped=1), "Tape(start=0, stop=2), exceeds the cap taped=1 with 2", (Tape(0, 2),)),
        (
            Caps(memory_bytes=29),
            "Tape(start=0, stop=2), exceeds the cap memory_bytes=29 with 30",
            (Tape(0, 2),),
        ),
    ],
)
def test_a_cap_is_named_with_its_value(cap, text, script):
    with pytest.raises(ScheduleError, match=r"^action 1, " + re.escape(text) + r"\n") as caught:
        replay(Script(script), 3, caps=cap, sizes=Sizes(10, 10))
    assert str(caught.value).endswith("\n  release before storing, or raise the cap")


def test_something_that_is_no_action():
    refused(
        "action 1, 'Tape', is not an action\n"
        "  before Turn; carry at 0; memory [], disk [], taped []; reversed from 3 of 3\n"
        "  yield only the actions of adcore.plan.schedule",
        *("Tape",),
    )


def test_running_on_after_the_loop_is_known_to_be_over():
    refused(
        "action 2, Advance(start=3, stop=4), has no steps to run\n"
        "  before Turn; carry at 3; memory [], disk [], taped []; reversed from 3 of 3\n"
        "  ask for at least one step, and for none past the end of the loop",
        *(Advance(0, 4), Advance(3, 4)),
        length=None,
        stop_at=3,
    )


def test_peek_at_another_step():
    refused(
        "action 1, Peek(step=1), runs or keeps another step than the carry's\n"
        "  before Turn; carry at 0; memory [], disk [], taped []; reversed from 3 of 3\n"
        "  Load a snapshot of that step, or Advance to it",
        *(Peek(1),),
        length=None,
        stop_at=3,
    )


@dataclass(frozen=True)
class Asking(Whole):
    """Records the answers to a forward phase by steps of two."""

    name: ClassVar[str] = "asking"

    def actions(self, length: int | None) -> Generator[Action, int | None, None]:
        ranges = []
        step, told = 0, [(yield Peek(0))]
        while told[-1] > step:
            reached = yield Tape(step, step + 2)
            ranges.append((step, reached))
            step = reached
            told += [reached, (yield Peek(reached))]
        assert (yield Turn()) is None
        for a, b in reversed(ranges):
            assert (yield Back(a, b)) is None
        ANSWERS.append(told)


ANSWERS: list[list[int]] = []


@pytest.mark.parametrize(("end", "told"), [(0, [0]), (3, [1, 2, 3, 3, 3]), (4, [1, 2, 3, 4, 4])])
def test_answers_to_a_loop_of_unknown_length(end, told):
    ANSWERS.clear()
    assert replay(Asking(), None, stop_at=end).forward_steps == end
    assert ANSWERS.pop() == told


@pytest.mark.parametrize(("length", "stop_at"), [(None, None), (3, 3), (-1, None), (None, -1)])
def test_replay_wants_one_number_of_steps(length, stop_at):
    message = (
        f"length={length} and stop_at={stop_at}: one of the two is the number of steps, the other None\n"
        "  in replay(Whole())\n"
        "  give length if the schedule may know it, else stop_at"
    )
    with pytest.raises(ScheduleError, match=f"^{re.escape(message)}$"):
        replay(Whole(), length, stop_at=stop_at)
