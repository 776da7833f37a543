"""Laws that every schedule keeps, and the binomial tables."""

import doctest
import hashlib
import importlib
import os
import subprocess
import sys
import time
import tracemalloc
from functools import cache
from math import comb

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adcore.plan.schedule import Caps, Save, Schedule, ScheduleError, Sizes, Tape, Turn, Whole, replay
from adcore_strategies.schedules import Binomial, Mixed, Online, TwoLevel, minimum_bytes, slots_within
from adcore_strategies.schedules.binomial import forward_steps

SIZES = st.builds(
    Sizes,
    state=st.integers(1, 9),
    record=st.integers(1, 9),
    adjoint=st.integers(0, 9),
    advance=st.integers(0, 9),
    tape=st.integers(0, 9),
    back=st.integers(0, 9),
)
LENGTHS = st.integers(0, 300)
SLOTS = st.integers(1, 20)
LEAVES = st.sampled_from([1, 1, 1, 2, 7, 100])
laws = settings(deadline=None, derandomize=True, max_examples=80)


@cache
def untaped(length: int, slots: int) -> int:
    """The recurrence behind the closed form: t(l, s) = min over j of j + t(l - j, s - 1) + t(j, s)."""
    if length < 2:
        return 0
    if slots == 1:
        return length * (length - 1) // 2
    return min(j + untaped(length - j, slots - 1) + untaped(j, slots) for j in range(1, length))


@pytest.mark.parametrize("slots", range(1, 9))
def test_binomial_equals_the_recurrence(slots):
    for length in range(61):
        cost = replay(Binomial(slots), length, caps=Caps(memory=slots, disk=0, taped=1))
        assert cost.forward_steps == length + untaped(length, slots) == forward_steps(length, slots)


@pytest.mark.parametrize(
    ("length", "slots", "steps", "saves", "loads"),
    [
        (1, 1, 1, 0, 0),
        (2, 1, 3, 1, 1),
        (3, 1, 6, 1, 2),
        (10, 1, 55, 1, 9),
        (10, 2, 30, 4, 9),
        (10, 3, 25, 6, 9),
        (10, 4, 24, 5, 9),
        (10, 9, 19, 9, 9),
        (50, 3, 230, 15, 49),
        (56, 5, 196, 35, 55),
        (100, 1, 5050, 1, 99),
        (100, 5, 416, 44, 99),
        (100, 10, 322, 55, 99),
        (100, 99, 199, 99, 99),
        (220, 9, 814, 165, 219),
        (1000, 10, 4636, 714, 999),
        (1000, 30, 3472, 504, 999),
        (1000, 100, 2898, 899, 999),
        (5000, 20, 22976, 3229, 4999),
        (10000, 20, 47976, 8229, 9999),
    ],
)
def test_binomial_table(length, slots, steps, saves, loads):
    """Counts of the Multistage schedules of the checkpoint-schedules package 1.0.4, replayed."""
    cost = replay(Binomial(slots), length, caps=Caps(memory=slots, disk=0, taped=1))
    assert (cost.forward_steps, cost.memory_saves, cost.memory_loads) == (steps, saves, loads)
    assert Binomial(slots).forward_steps(length) == steps


def test_ten_thousand_steps_are_planned_and_validated_within_a_second():
    start = time.process_time()
    cost = replay(Binomial(20), 10_000, caps=Caps(memory=20, disk=0, taped=1))
    assert time.process_time() - start < 1
    assert cost.forward_steps == 47_976


def test_a_million_steps_stream_in_constant_memory():
    schedule = Binomial(slots=20, leaf=100)
    tracemalloc.start()
    cost = replay(schedule, 1_000_000, caps=Caps(memory=20, taped=100))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000
    assert cost.forward_steps == 100 * 47_976 == schedule.forward_steps(1_000_000)


def test_single_steps_of_a_million_are_exact():
    r = 4  # the least r with C(100 + r, 100) >= 1 000 000
    assert comb(100 + r - 1, 100) < 1_000_000 <= comb(100 + r, 100)
    expected = (r + 1) * 1_000_000 - comb(100 + r, 101)
    actions = Binomial(100).actions(1_000_000)
    assert Binomial(100).forward_steps(1_000_000) == expected
    tapes = 0
    for action in actions:
        if type(action) is Turn:
            break
        tapes += type(action) is Tape
    assert tapes == 1  # the forward phase tapes the last step only
    actions.close()


def test_leaves_make_few_actions():
    cost = replay(Binomial(slots=20, leaf=100), 10_000)
    assert cost.actions == 557
    assert cost.actions * 100 < replay(Binomial(slots=20), 10_000).actions + 100


def test_a_loop_no_longer_than_a_leaf_is_taped_whole():
    actions = list(Binomial(slots=3, leaf=100).actions(100))
    assert actions == list(Whole().actions(100))


def every_schedule(length: int, slots: int, leaf: int) -> list[tuple[Schedule, Caps]]:
    sizes = Sizes(state=3, record=5, adjoint=2, advance=3, tape=1, back=4)
    budget = minimum_bytes(length, sizes) + 3 * (slots - 1)
    return [
        (Whole(), Caps(memory=0, disk=0)),
        (Binomial(slots, leaf), Caps(memory=slots, disk=0, taped=leaf)),
        (Online(slots, leaf), Caps(memory=slots, disk=0, taped=leaf)),
        (TwoLevel(slots, 0, leaf=leaf), Caps(memory=slots, disk=0, taped=leaf)),
        (TwoLevel(0, slots, 2, 3, 5, leaf), Caps(memory=0, disk=slots, taped=leaf)),
        (TwoLevel(slots, slots // 2, leaf=leaf), Caps(memory=slots, disk=slots // 2, taped=leaf)),
        (Mixed(budget, sizes), Caps(disk=0, memory_bytes=budget)),
    ]


@laws
@given(LENGTHS, SLOTS, LEAVES)
def test_every_schedule_validates_within_its_caps(length, slots, leaf):
    for schedule, caps in every_schedule(length, slots, leaf):
        sizes = getattr(schedule, "sizes", Sizes(1, 1))
        cost = replay(schedule, length, caps=caps, sizes=sizes)
        assert cost.back_steps == length
        assert schedule.forward_steps(length) == cost.forward_steps >= length


@laws
@given(LENGTHS, SIZES, st.integers(0, 200), LEAVES)
def test_slots_for_bytes_keep_the_budget(length, sizes, budget, leaf):
    slots = slots_within(budget, sizes, leaf)
    if slots >= 1:
        caps = Caps(memory_bytes=budget)
        for schedule in (Binomial(slots, leaf), Online(slots, leaf), TwoLevel(slots, 2, leaf=leaf)):
            replay(schedule, length, caps=caps, sizes=sizes)
        replay(Online(slots, leaf), None, stop_at=length, caps=caps, sizes=sizes)
        if length > 2 * leaf and slots < length / leaf - 1:
            with pytest.raises(ScheduleError):
                replay(Binomial(slots + 1, leaf), length, caps=caps, sizes=sizes)


@laws
@given(LENGTHS, SLOTS, LEAVES)
def test_schedules_for_unknown_lengths_count_the_same_as_for_known_ones(length, slots, leaf):
    for schedule in (Whole(), Online(slots, leaf)):
        unknown = replay(schedule, None, stop_at=length, caps=Caps(memory=slots, disk=0))
        assert unknown.forward_steps == schedule.forward_steps(length)


@laws
@given(LENGTHS, SLOTS)
def test_binomial_is_never_worse_than_any_other_with_the_same_slots(length, slots):
    best = forward_steps(length, slots)
    assert replay(Online(slots), length).forward_steps >= best
    assert replay(TwoLevel(slots, 0), length).forward_steps == best
    assert replay(TwoLevel(0, slots, 1, 0, 0), length).forward_steps == best
    assert Mixed(slots + 2, Sizes(1, 1)).forward_steps(length) <= best


@laws
@given(LENGTHS, SLOTS, LEAVES)
def test_every_schedule_comes_back_from_plain_data_and_plans_the_same_twice(length, slots, leaf):
    for schedule, _ in every_schedule(length, slots, leaf):
        data = msgpack.unpackb(msgpack.packb(schedule.to_data()))
        again = Schedule.from_data(data)
        assert again == schedule
        assert hash(again) == hash(schedule)
        assert list(again.actions(length)) == list(schedule.actions(length))


DIGEST = """
import hashlib
from adcore_strategies.schedules import *
from adcore.plan.schedule import Sizes
schedules = Binomial(7), Mixed(99, Sizes(4, 6, 4, 4, 2, 3)), TwoLevel(3, 4, 1.5, 0.7, 2.3), Online(6)
print(hashlib.sha256(repr([list(s.actions(211)) for s in schedules]).encode()).hexdigest())
"""


def test_plans_are_the_same_in_another_process():
    digests = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", DIGEST]
        digests.add(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
    assert len(digests) == 1
    assert len(next(iter(digests)).strip()) == 2 * hashlib.sha256().digest_size


@pytest.mark.parametrize("schedule", [Binomial(2), TwoLevel(2, 2), Mixed(9, Sizes(1, 1))])
def test_schedules_by_length_refuse_an_unknown_one(schedule):
    name = schedule.to_data()[0]
    pattern = (
        rf"^schedule '{name}' places its snapshots by the number of steps, which is not known\n"
        r"  a loop of unknown length under \w+\(.*\)\n"
        r"  use Online\(slots\), or give the loop a length$"
    )
    with pytest.raises(ScheduleError, match=pattern):
        next(schedule.actions(None))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: Binomial(0),
            "slots=0 is not an int of at least 1\n  schedule 'binomial'\n  pass slots=1 or more",
        ),
        (
            lambda: Online(3, leaf=1.5),
            "leaf=1.5 is not an int of at least 1\n  schedule 'online'\n  pass leaf=1 or more",
        ),
        (
            lambda: Mixed(-1, Sizes()),
            "budget=-1 is not an int of at least 0\n  schedule 'mixed'\n  pass budget=0 or more",
        ),
        (
            lambda: TwoLevel(0, 0),
            "memory=0 and disk=0 leave no slot for a snapshot\n"
            "  schedule 'two_level'\n"
            "  carry 0 needs one: pass memory=1 or more",
        ),
        (
            lambda: TwoLevel(1, 1, read=float("nan")),
            "read=nan is not a finite time of at least 0\n"
            "  schedule 'two_level'\n"
            "  pass seconds, or any other unit that the three share",
        ),
    ],
)
def test_options_that_make_no_schedule_are_refused(build, message):
    with pytest.raises(ScheduleError) as caught:
        build()
    assert str(caught.value) == message


def test_the_default_schedule_keeps_all_and_saves_nothing():
    cost = replay(Whole(), 1000, sizes=Sizes(state=1, record=10))
    assert (cost.forward_steps, cost.actions, cost.peak_taped, cost.peak_bytes) == (1000, 3, 1000, 10_001)
    unknown = replay(Whole(), None, stop_at=1000)
    assert (unknown.forward_steps, unknown.peak_taped) == (1000, 1000)
    assert unknown.actions < 30


def test_nothing_is_saved_for_a_single_step():
    for schedule, _ in every_schedule(1, 3, 1):
        assert not any(type(action) is Save for action in schedule.actions(1)) or schedule.name == "online"


@pytest.mark.parametrize(
    "module",
    [
        "adcore.plan.actions",
        "adcore.plan.replay",
        "adcore.plan.schedule",
        "adcore_strategies.schedules",
        "adcore_strategies.schedules.binomial",
        "adcore_strategies.schedules.byte_table",
        "adcore_strategies.schedules.mixed",
        "adcore_strategies.schedules.online",
        "adcore_strategies.schedules.shared",
        "adcore_strategies.schedules.two_level",
    ],
)
def test_examples_in_the_docstrings_run(module):
    assert doctest.testmod(importlib.import_module(module)).failed == 0
