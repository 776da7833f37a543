"""Snapshots in memory and on disk, against an exhaustive search over all placements, moves and overwrites."""

import heapq
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adcore.plan.schedule import Caps, replay
from adcore_strategies.schedules import TwoLevel

COSTS = st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0, 7.0, 20.0]) | st.floats(0, 9, width=16)


def least_time(length, memory, disk, forward, back, write, read):
    """Dijkstra over (carry, first reversed step, steps in memory, steps on disk), the stores as bit sets."""
    start = (0, length, 0, 0)
    best, queue = {start: 0.0}, [(0.0, start)]
    while queue:
        spent, state = heapq.heappop(queue)
        if spent > best[state]:
            continue
        carry, frontier, ram, file = state
        if frontier == 0:
            return spent
        for price, (c, f, a, b) in moves(carry, frontier, ram, file, memory, disk, forward, back, write, read):
            useful = (1 << f) - 1
            after = (c, f, a & useful, b & useful)
            if spent + price < best.get(after, float("inf")):
                best[after] = spent + price
                heapq.heappush(queue, (spent + price, after))
    raise AssertionError("no schedule")


def moves(carry, frontier, ram, file, memory, disk, forward, back, write, read):
    if carry + 1 == frontier:
        yield forward + back, (-1, frontier - 1, ram, file)
    elif carry >= 0:
        yield forward, (carry + 1, frontier, ram, file)
    if carry >= 0:
        for after in stored(ram, carry, memory):
            yield 0.0, (carry, frontier, after, file)
        for after in stored(file, carry, disk):
            yield write, (carry, frontier, ram, after)
    for step in range(frontier):
        if ram >> step & 1:
            yield 0.0, (step, frontier, ram, file)
        if file >> step & 1:
            yield read, (step, frontier, ram, file)


def stored(store, step, slots):
    """The stores that hold step as well: as it is, or over any other."""
    if store >> step & 1:
        return
    if store.bit_count() < slots:
        yield store | 1 << step
        return
    for other in range(store.bit_length()):
        if store >> other & 1:
            yield store & ~(1 << other) | 1 << step


def time_of(length, memory, disk, forward, back, write, read):
    """The replayed time, with caps; the closed value must agree."""
    schedule = TwoLevel(memory, disk, forward, write, read)
    cost = replay(schedule, length, caps=Caps(memory=memory, disk=disk, taped=1))
    spent = cost.makespan(forward, back, write, read)
    assert schedule.makespan(length, back) == pytest.approx(spent, abs=1e-9)
    return spent


TABLE = [
    ((8, 1, 1, 1, 1, 2, 2), 36),
    ((10, 1, 1, 1, 1, 2, 2), 47),
    ((10, 1, 2, 1, 1, 2, 2), 46),
    ((10, 2, 1, 1, 1, 2, 2), 40),
    ((10, 1, 2, 1, 1, 0.5, 0.5), 39),
    ((10, 1, 2, 1, 1, 0, 0), 35),
    ((12, 1, 1, 1, 1, 1, 1), 56),
    ((12, 1, 2, 1, 1, 1, 1), 52),
    ((12, 2, 1, 1, 1, 1, 1), 48),
    ((14, 1, 2, 1, 1, 2, 2), 68),
    ((14, 2, 1, 1, 1, 5, 5), 64),
    ((16, 1, 1, 1, 1, 2, 2), 86),
    ((10, 1, 2, 1, 3, 2, 2), 66),
    ((10, 1, 2, 3, 1, 2, 2), 100),
    ((12, 2, 2, 1, 2, 1, 1), 58),
]


@pytest.mark.parametrize(("case", "exact"), TABLE)
def test_the_exact_table(case, exact):
    assert time_of(*case) == exact


@pytest.mark.parametrize(("case", "exact"), [row for row in TABLE if row[0][0] <= 10])
def test_the_search_finds_the_same(case, exact):
    assert least_time(*case) == exact


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.integers(0, 8), st.integers(0, 3), st.integers(0, 3), COSTS, COSTS, COSTS, COSTS)
def test_no_placement_is_faster(length, memory, disk, forward, back, write, read):
    memory += memory + disk == 0
    case = (length, memory, disk, forward, back, write, read)
    assert time_of(*case) == pytest.approx(least_time(*case), abs=1e-9)


@pytest.mark.parametrize(("length", "memory", "disk"), [(100, 1, 2), (200, 5, 5), (400, 5, 5)])
def test_disk_snapshots_never_exceed_their_slots_and_are_all_dropped(length, memory, disk):
    """Where checkpoint-schedules 1.0.4 keeps 6, 7 and 15 snapshots on disk and drops most of them never.

    The validator refuses a schedule that exceeds a cap or leaves a snapshot behind.
    """
    cost = replay(TwoLevel(memory, disk), length, caps=Caps(memory=memory, disk=disk))
    assert cost.peak_disk == disk
    assert cost.peak_memory == memory


@pytest.mark.parametrize(
    ("case", "exact", "swapped"),
    [
        ((10, 1, 2, 3, 1, 2, 2), 100, 114),
        ((10, 1, 2, 1, 3, 2, 2), 66, 71),
        ((13, 2, 1, 3, 1, 4, 2), 132, 154),
    ],
)
def test_forward_and_reverse_costs_are_not_swapped(case, exact, swapped):
    """Where checkpoint-schedules 1.0.4 takes `swapped`, because it gets the two costs in the wrong order."""
    assert time_of(*case) == exact < swapped
    length, memory, disk, forward, back, write, read = case
    wrong = replay(TwoLevel(memory, disk, back, write, read), length).makespan(forward, back, write, read)
    assert wrong >= exact


@pytest.mark.parametrize(
    ("length", "steps", "disk", "loads"), [(100, 337, 5, 94), (200, 730, 7, 187), (400, 1671, 15, 379)]
)
def test_the_counts_of_h_revolve(length, steps, disk, loads):
    """At equal costs, five slots in memory and five on disk: its forward steps, disk writes, memory reads."""
    cost = replay(TwoLevel(5, 5), length)
    assert (cost.forward_steps, cost.disk_saves, cost.memory_loads) == (steps, disk, loads)


def test_unlimited_disk_reaches_disk_revolve():
    assert TwoLevel(5, 100).makespan(100) <= 281 + 2 * 13 + 2 * 13
    assert TwoLevel(5, 200).makespan(200) <= 563 + 2 * 30 + 2 * 30


def test_a_thousand_steps_on_sixty_slots_are_planned_in_ten_seconds():
    start = time.process_time()
    cost = replay(TwoLevel(10, 50), 1000, caps=Caps(memory=10, disk=50, taped=1))
    assert time.process_time() - start < 10
    assert cost.makespan(1, 0, 2, 2) == TwoLevel(10, 50).makespan(1000) == 3522


def test_a_free_disk_is_more_memory():
    for length in (7, 30, 101):
        cost = replay(TwoLevel(2, 3, 1, 0, 0), length)
        assert cost.forward_steps == replay(TwoLevel(5, 0), length).forward_steps


def test_a_slow_disk_is_not_used():
    assert replay(TwoLevel(3, 5, 1, 1e6, 1e6), 100).disk_saves == 0
