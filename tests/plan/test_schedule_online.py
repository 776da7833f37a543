"""Loops whose length is not known: how close to the best for a known length."""

from functools import cache
from itertools import pairwise

import pytest

from adcore.plan.schedule import Advance, Caps, Drop, Peek, Save, replay
from adcore_strategies.schedules import Online
from adcore_strategies.schedules.binomial import forward_steps


def online(slots: int, length: int) -> int:
    cost = replay(Online(slots), None, stop_at=length, caps=Caps(memory=slots, disk=0, taped=1))
    return cost.forward_steps


@cache
def steps_by_length(slots: int, most: int) -> list[int]:
    """Forward steps if the loop ends after 0, 1, .. most steps, from the places that one run keeps.

    The replayed count must agree at some lengths; `forward_steps` is the binomial closed form.
    """
    counts = [0]
    places: list[int] = []
    generator = Online(slots).actions(None)
    action = next(generator)
    while len(counts) <= most:
        answer = None
        match action:
            case Save(step):
                places.append(step)
            case Drop(step):
                places.remove(step)
            case Peek(step):
                answer = step + 1
            case Advance(start, stop):
                answer = stop
                for end in range(start + 1, stop + 1):
                    gaps = [b - a for a, b in pairwise([*places, end])]
                    counts.append(end + sum(forward_steps(g, slots - i) for i, g in enumerate(gaps)))
        action = generator.send(answer)
    for length in {0, 1, slots, slots + 1, slots + 7, most // 7, most // 2 + 1, most}:
        assert length > most or counts[length] == online(slots, length)
    return counts[: most + 1]


@pytest.mark.parametrize("slots", [1, 2, 3, 4, 5, 6, 8, 10, 13, 20, 30, 50])
def test_two_steps_above_the_best_at_every_length_of_the_first_range(slots):
    counts = steps_by_length(slots, max(slots * (slots + 3) // 2, 20))
    for length in range(slots + 1, slots * (slots + 3) // 2 + 1):
        assert counts[length] == 3 * length - slots
        assert counts[length] <= forward_steps(length, slots) + 2


@pytest.mark.parametrize("slots", [1, 5, 20])
def test_one_step_above_the_best_while_every_carry_has_a_slot(slots):
    for length in range(1, slots + 1):
        assert online(slots, length) == 2 * length == forward_steps(length, slots) + 1


@pytest.mark.parametrize(
    ("slots", "ratio"), [(5, 1.08), (6, 1.05), *((slots, 1.035) for slots in range(10, 21)), (30, 1.005)]
)
def test_close_to_the_best_beyond(slots, ratio):
    counts = steps_by_length(slots, 1500)
    for length in range(slots * (slots + 3) // 2 + 1, 1501):
        assert counts[length] <= ratio * forward_steps(length, slots)


def test_no_step_at_all():
    cost = replay(Online(3), None, stop_at=0)
    assert (cost.forward_steps, cost.actions) == (0, 2)  # Peek and Turn


def test_a_place_is_given_up_only_when_the_loop_is_known_to_go_on():
    generator = Online(3).actions(None)
    action, peeked = next(generator), -1
    for _ in range(60):
        if isinstance(action, Peek):
            peeked, answer = action.step, action.step + 1
        else:
            assert not isinstance(action, Save) or action.step == peeked
            assert not isinstance(action, Drop) or peeked >= 0
            answer = action.stop if isinstance(action, Advance) else None
        action = generator.send(answer)


def test_ranges_between_places_are_run_in_one_action():
    cost = replay(Online(5), None, stop_at=1000)
    forward_phase = []
    generator = Online(5).actions(1000)
    for action in generator:
        if isinstance(action, Advance):
            forward_phase.append(action)
            if action.stop == 1000:
                break
    assert len(forward_phase) < 1000 / 4
    assert cost.peak_memory == 5


def test_leaves_end_anywhere():
    for length in range(120):
        cost = replay(Online(4, leaf=10), None, stop_at=length, caps=Caps(memory=4, taped=10))
        assert cost.forward_steps <= 10 * online(4, -(-length // 10))
