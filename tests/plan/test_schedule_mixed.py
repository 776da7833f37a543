"""Budgets in bytes, against an exhaustive search in the validator's own terms."""

import heapq
import re
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adcore.errors import BudgetError
from adcore.plan.schedule import Caps, Sizes, replay
from adcore_strategies.schedules import Binomial, Mixed, curve, minimum_bytes

SIZES = st.builds(
    Sizes,
    state=st.integers(0, 6),
    record=st.integers(0, 6),
    adjoint=st.integers(0, 6),
    advance=st.integers(0, 6),
    tape=st.integers(0, 6),
    back=st.integers(0, 6),
)
laws = settings(deadline=None, derandomize=True)


def fewest_steps(length, budget, sizes):
    """Dijkstra over (carry or -1, first reversed step, after Turn, snapshots, taped steps); None: no way."""
    start = (0, length, False, 0, 0)
    best, queue = {start: 0}, [(0, start)]
    while queue:
        spent, state = heapq.heappop(queue)
        if spent > best[state]:
            continue
        if state[1] == 0 and state[2]:
            return spent
        for price, live, after in moves(length, sizes, *state):
            if live <= budget and spent + price < best.get(after, 1 << 30):
                best[after] = spent + price
                heapq.heappush(queue, (spent + price, after))
    return None


def moves(length, sizes, carry, frontier, turned, snapshots, taped):
    """(forward steps, bytes while it runs, state after), one step or one snapshot at a time."""
    z, tau = sizes.state, sizes.record
    held = z * snapshots.bit_count() + tau * taped.bit_count() + sizes.adjoint * turned
    if 0 <= carry < length:
        yield 1, held + z + sizes.advance, (carry + 1, frontier, turned, snapshots, taped)
        if carry < frontier and not taped >> carry & 1:
            after = (carry + 1, frontier, turned, snapshots, taped | 1 << carry)
            yield 1, held + z + tau + sizes.tape, after
    if carry >= 0 and not snapshots >> carry & 1:
        yield 0, held + 2 * z, (carry, frontier, turned, snapshots | 1 << carry, taped)
    for step in range(length):
        if snapshots >> step & 1:
            yield 0, held + z, (step, frontier, turned, snapshots, taped)
            yield 0, 0, (carry, frontier, turned, snapshots & ~(1 << step), taped)
    if carry == length and not turned:
        yield 0, held + sizes.adjoint, (-1, frontier, True, snapshots, taped)
    if turned and frontier and taped >> (frontier - 1) & 1:
        last = frontier - 1
        yield 0, held + sizes.back, (-1, last, True, snapshots, taped & ~(1 << last))


@settings(laws, max_examples=60)
@given(st.integers(0, 5), SIZES, st.integers(0, 12))
def test_no_schedule_takes_fewer_steps(length, sizes, extra):
    budget = minimum_bytes(length, sizes) + extra
    best = fewest_steps(length, budget, sizes)
    cost = replay(Mixed(budget, sizes), length, caps=Caps(disk=0, memory_bytes=budget), sizes=sizes)
    assert cost.forward_steps == best == Mixed(budget, sizes).forward_steps(length)


@settings(laws, max_examples=60)
@given(st.integers(0, 5), SIZES)
def test_the_minimum_is_exact(length, sizes):
    least = minimum_bytes(length, sizes)
    assert fewest_steps(length, least, sizes) is not None
    if least:
        assert fewest_steps(length, least - 1, sizes) is None


@settings(laws, max_examples=60)
@given(st.integers(0, 120), SIZES, st.floats(0, 1))
def test_a_budget_is_kept_and_never_costs_more_than_a_smaller_one(length, sizes, part):
    least = minimum_bytes(length, sizes)
    whole = Mixed(10**9, sizes)
    most = replay(whole, length, sizes=sizes).peak_bytes
    assert whole.forward_steps(length) == length
    budget = least + int(part * (max(most, least) - least))
    cost = replay(Mixed(budget, sizes), length, caps=Caps(memory_bytes=budget), sizes=sizes)
    assert cost.forward_steps <= replay(Mixed(least, sizes), length, sizes=sizes).forward_steps


@pytest.mark.parametrize(
    ("length", "slots", "binomial", "mixed"),
    [
        (10, 2, 30, 26),
        (10, 3, 25, 19),
        (100, 5, 416, 352),
        (250, 25, 723, 486),
        (1000, 5, 7284, 6828),
        (1000, 10, 4636, 3921),
        (1000, 20, 3747, 2823),
        (1000, 40, 3097, 2142),
    ],
)
def test_residuals_as_large_as_a_carry_reproduce_the_mixed_table(length, slots, binomial, mixed):
    """Mixed of checkpoint-schedules 1.0.4. Beside the slots there are the current carry and one record."""
    sizes = Sizes(state=1, record=1)
    cost = replay(Mixed(slots + 2, sizes), length, caps=Caps(memory_bytes=slots + 2), sizes=sizes)
    assert cost.forward_steps == mixed < Binomial(slots).forward_steps(length) == binomial


def test_a_budget_below_the_minimum_is_refused_with_the_minimum():
    sizes = Sizes(state=8, record=24, adjoint=8, advance=8, tape=2, back=4)
    least = minimum_bytes(50, sizes)
    assert least == 8 + 8 + 24 + 2 + 8  # snapshot, carry, record, scratch, adjoint
    assert replay(Mixed(least, sizes), 50, sizes=sizes).peak_bytes == least
    message = (
        "no schedule can reverse 50 steps within 49 bytes\n"
        "  Sizes(state=8, record=24, adjoint=8, advance=8, tape=2, back=4)\n"
        "  50 bytes are the least that do"
    )
    with pytest.raises(BudgetError, match=f"^{re.escape(message)}$"):
        next(Mixed(least - 1, sizes).actions(50))


def test_a_long_loop_between_two_minima_is_refused_with_a_budget_that_does():
    """Here the least budget mixes residuals and snapshots step by step, which segments cannot."""
    sizes = Sizes(state=10**6, record=100, adjoint=10**7, advance=10**7)
    length, least = 150_000, 15_800_000
    assert minimum_bytes(length, sizes) == least
    message = (
        "no schedule was found that reverses 150000 steps within 15800000 bytes\n"
        "  Sizes(state=1000000, record=100, adjoint=10000000, advance=10000000, tape=0, back=0)\n"
        "  22000000 bytes are sure to do"
    )
    with pytest.raises(BudgetError, match=f"^{re.escape(message)}$"):
        Mixed(least, sizes).forward_steps(length)
    assert Mixed(22_000_000, sizes).forward_steps(length) > length


@pytest.mark.parametrize("length", [1, 2, 3, 17, 1000])
@pytest.mark.parametrize("sizes", [Sizes(1, 1), Sizes(1000, 3), Sizes(3, 1000, 7, 11, 13, 17)])
def test_the_minimum_can_be_had_at_any_length(length, sizes):
    least = minimum_bytes(length, sizes)
    start = Mixed(least, sizes)
    cost = replay(start, length, caps=Caps(memory_bytes=least), sizes=sizes)
    assert cost.forward_steps == start.forward_steps(length)
    assert start.forward_steps(length) <= length * (length + 1) // 2


@pytest.mark.parametrize("length", [5000, 100_000])
def test_long_loops_are_cut_into_segments_and_keep_the_budget(length):
    sizes = Sizes(state=1000, record=1777, adjoint=1000, advance=1000, tape=300, back=2000)
    start = time.process_time()
    cost = replay(Mixed(60_000, sizes), length, caps=Caps(memory_bytes=60_000), sizes=sizes)
    assert time.process_time() - start < 20
    slots = (60_000 - 1000 - 1777 - 300 - 1000) // 1000
    assert cost.forward_steps < Binomial(slots).forward_steps(length)


@settings(laws, max_examples=25)
@given(st.integers(1, 40), SIZES)
def test_the_curve_is_the_cost_of_every_budget(length, sizes):
    points = dict(curve(length, sizes))
    assert min(points) == minimum_bytes(length, sizes)
    assert min(points.values()) == length
    current = None
    for budget in range(min(points), max(points) + 1):
        current = points.get(budget, current)
        assert Mixed(budget, sizes).forward_steps(length) == current


def test_a_long_curve_agrees_with_the_plans():
    sizes = Sizes(state=1000, record=1777, adjoint=1000, advance=1000, tape=300, back=2000)
    points = curve(700, sizes)
    assert [steps for _, steps in points] == sorted({steps for _, steps in points}, reverse=True)
    for budget, steps in points[:: len(points) // 6]:
        cost = replay(Mixed(budget, sizes), 700, caps=Caps(memory_bytes=budget), sizes=sizes)
        assert cost.forward_steps <= 1.01 * steps


def test_a_planned_schedule_takes_next_to_no_memory_and_work_when_it_runs():
    schedule = Mixed(40_000, Sizes(state=1600, record=1600))
    steps = schedule.forward_steps(10_000)
    assert replay(schedule, 10_000).forward_steps == steps
    tracemalloc.start()
    actions = sum(1 for _ in schedule.actions(10_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert actions > 1000
    assert peak < 8192
