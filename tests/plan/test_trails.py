"""Loops under schedules: the same bits as keeping everything, the steps and bytes that were promised, the law."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import adcore as ad
from adcore.backend import find_backend
from adcore.errors import PlanError
from adcore.extend import ScheduleError, Sizes, Tape, Turn, elementwise
from adcore.graph import Graph, bodies, numbering
from adcore.plan.check import check
from adcore.plan.loops import pairs
from adcore.plan.schedule import Schedule
from adcore.plan.steps import Drop, Plan, Run, default_plan
from adcore.serialize.plans import dumps, loads
from adcore_strategies.schedules import Binomial, Mixed, Online, TwoLevel, minimum_bytes

RNG = np.random.default_rng(7)
COUNTS: list[int] = []


@ad.op("trails::counted", rule=elementwise(lambda y, x: np.cos(x)), elementwise=True)
def counted(x: Any) -> Any:
    """sin, which counts how often it is run."""
    COUNTS.append(1)
    return np.sin(x)


def plan_of(graph: Graph, schedule: Schedule | Mapping[int, Schedule]) -> Plan:
    """The plan that runs every pair of loops, in sub-graphs too, under this schedule (or that of its length)."""
    number = numbering(graph)
    trails = {}
    for pair in pairs(graph):
        chosen = schedule if isinstance(schedule, Schedule) else schedule[pair.loop.length or 0]
        trails |= {number[v]: chosen for v in pair.trails}
    inner = {(i, name): plan_of(body, schedule) for i, node in enumerate(graph.nodes) for name, body in bodies(node)}
    return default_plan(graph, trails=trails, bodies=inner)


def run(plan: Plan, *args: Any) -> tuple[Any, ...]:
    """The outputs of a second run: what the first left in the buffers must not matter."""
    program = find_backend().compile(plan)
    program.all(*args)
    found: tuple[Any, ...] = program.all(*args)
    return found


def same(graph: Graph, plan: Plan, *args: Any) -> None:
    whole = run(default_plan(graph), *args)
    for a, b in zip(whole, run(plan, *args), strict=True):
        assert a.dtype == b.dtype
        assert a.tobytes() == b.tobytes()


def rows(x: Any, k: Any, xs: Any, reverse: bool = False) -> Any:
    def step(carry: Any, row: Any) -> Any:
        i, y = carry
        y = y + 0.1 * np.sin(k * y) * row / (i + 1.0)
        return (i + 1, y), y[:2] * 2.0

    (_, y), ys = ad.scan(step, (0, x), xs, reverse=reverse)
    return np.sum(y * y) + np.sum(ys**2)


def rows_of(n: int, dtype: Any = float) -> tuple[Any, ...]:
    return (
        RNG.normal(size=5).astype(dtype),
        np.asarray(1.3, dtype)[()],
        RNG.normal(size=(n, 5)).astype(dtype),
    )


SCHEDULES = [Binomial(1), Binomial(3), Binomial(3, leaf=4), Binomial(40), Online(4), Online(2, leaf=3), TwoLevel(2, 0)]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
@pytest.mark.parametrize("reverse", [False, True])
def test_a_scheduled_loop_gives_the_bits_of_a_whole_one(schedule: Schedule, reverse: bool) -> None:
    args = rows_of(23)
    graph = ad.differentiate(ad.trace(lambda x, k, xs: rows(x, k, xs, reverse), *args), "value_and_grad")
    same(graph, plan_of(graph, schedule), *args)


@given(
    st.integers(0, 40), st.integers(1, 9), st.integers(1, 9), st.sampled_from(["binomial", "online", "mixed"]),
    st.sampled_from([float, np.float32]),
)  # fmt: skip
def test_any_length_under_any_schedule_gives_the_same_bits_and_steps(
    length: int, slots: int, leaf: int, kind: str, dtype: Any
) -> None:
    args = rows_of(length, dtype)
    graph = ad.differentiate(ad.trace(rows, *args), "grad", wrt=[0, 1, 2])
    (pair,) = pairs(graph)
    sizes = Sizes(state=pair.state, record=pair.record_bytes)
    schedule: Schedule = {
        "binomial": Binomial(slots, leaf),
        "online": Online(slots, leaf),
        "mixed": Mixed(minimum_bytes(length, sizes) + slots * leaf * 16, sizes),
    }[kind]
    plan = plan_of(graph, schedule)
    assert plan.cost.forward_steps == schedule.forward_steps(length)
    same(graph, plan, *args)


def test_steps_are_really_run_as_often_as_promised() -> None:
    def model(x: Any) -> Any:
        y, _ = ad.scan(lambda y, _: (y + 0.1 * counted(y), None), x, None, length=100)
        return np.sum(y)

    graph = ad.differentiate(ad.trace(model, np.ones(3)), "grad")
    for slots, steps in ((1, 5050), (5, 416), (10, 322), (99, 199)):
        plan = plan_of(graph, Binomial(slots))
        assert plan.cost.forward_steps == steps
        program = find_backend().compile(plan)
        COUNTS.clear()
        program(np.ones(3))
        assert len(COUNTS) == steps


def test_ten_thousand_steps_with_twenty_snapshots_take_47976() -> None:
    def model(x: Any) -> Any:
        y, _ = ad.scan(lambda y, _: (y + 0.1 * np.sin(y), None), x, None, length=10_000)
        return np.sum(y)

    graph = ad.differentiate(ad.trace(model, np.ones(1000)), "grad")
    cost = plan_of(graph, Binomial(20)).cost
    assert cost.forward_steps == 47_976
    state = 8000 + 64
    assert cost.peak_bytes < 20 * state + 12 * state


def test_the_arena_holds_just_the_snapshots_and_one_leaf() -> None:
    args = rows_of(40)
    graph = ad.differentiate(ad.trace(rows, *args), "grad")
    (pair,) = pairs(graph)
    arenas = [plan_of(graph, Binomial(slots)).cost.arena_bytes for slots in (3, 4, 9)]
    assert [b - arenas[0] for b in arenas] == [0, pair.state, 6 * pair.state]


@pytest.mark.parametrize("slots", [1, 2, 5])
@pytest.mark.parametrize("steps", [0, 1, 2, 7, 30])
def test_a_while_loop_is_led_by_an_online_schedule(slots: int, steps: int) -> None:
    def model(x: Any, limit: Any) -> Any:
        def body(carry: Any) -> Any:
            i, y = carry
            return i + 1.0, y + 0.1 * np.sin(y * x)

        _, y = ad.while_loop(lambda carry: carry[0] < limit, body, (0.0, x))
        return np.sum(y)

    graph = ad.differentiate(ad.trace(model, np.ones(3), 1.0), "grad", wrt=[0])
    plan = plan_of(graph, Online(slots))
    same(graph, plan, np.array([0.3, 0.5, 0.7]), np.float64(steps))
    assert plan.cost.arena_bytes < 64 * (slots * 2 + 30)


def test_nested_loops_compose_and_each_keeps_its_own_schedule() -> None:
    def model(c: Any, xs: Any) -> Any:
        def outer(c: Any, x: Any) -> Any:
            d, zs = ad.scan(lambda d, _: (np.sin(d * x) + c, d * x), c, None, length=13)
            return d, np.sum(zs)

        c, ys = ad.scan(outer, c, xs)
        return np.sum(c) + np.sum(ys**2)

    args = RNG.normal(size=3), RNG.normal(size=(11, 3))
    graph = ad.differentiate(ad.trace(model, *args), "grad", wrt=[0, 1])
    plan = plan_of(graph, {11: Binomial(2), 13: Binomial(3)})
    outer, inner = Binomial(2).forward_steps(11), Binomial(3).forward_steps(13)
    assert plan.cost.forward_steps == outer + 11 * inner
    same(graph, plan, *args)


def test_a_loop_in_a_region_is_led_inside_the_region() -> None:
    def model(x: Any, k: Any) -> Any:
        block = ad.region(lambda x: ad.scan(lambda c, _: (np.sin(c) * k, c), x, None, length=17), name="block")
        c, ys = block(x)
        return np.sum(c) * np.sum(ys)

    graph = ad.differentiate(ad.trace(model, np.ones(3), 1.7), "grad", wrt=[0, 1])
    plan = plan_of(graph, Binomial(2))
    assert plan.cost.forward_steps == Binomial(2).forward_steps(17)
    same(graph, plan, np.array([0.1, 0.4, 0.9]), np.float64(1.7))


def test_reverse_over_reverse_keeps_what_two_loops_read_whole() -> None:
    args = rows_of(7)
    first = ad.differentiate(ad.trace(lambda x, k, xs: rows(x, k, xs), *args), "grad", wrt=0)
    graph = ad.differentiate(first, "vjp", wrt=[0, 1])
    plan = plan_of(graph, Binomial(2))
    same(graph, plan, *args, RNG.normal(size=5))


def test_a_strided_input_of_the_forward_loop_is_read_again_by_the_reverse_one() -> None:
    def model(x: Any, xs: Any) -> Any:
        y, _ = ad.scan(lambda y, row: (np.tanh(y * row) + y, None), x, xs.T[:, ::2])
        return np.sum(y)

    args = RNG.normal(size=3), RNG.normal(size=(6, 13))
    graph = ad.differentiate(ad.trace(model, *args), "grad", wrt=[0, 1])
    same(graph, plan_of(graph, Binomial(2)), *args)


# --- the law -------------------------------------------------------------------------------------


def small() -> tuple[Graph, Plan]:
    graph = ad.differentiate(ad.trace(rows, *rows_of(9)), "grad", wrt=[0, 1, 2])
    return graph, plan_of(graph, Binomial(2))


def test_a_trail_is_read_once_and_made_again_for_a_second_time() -> None:
    graph, plan = small()
    (pair,) = pairs(graph)
    number = numbering(graph)
    at = plan.steps.index(Run(pair.back))
    after = plan.steps[at + 1 :]
    trail, bars = [Drop(number[v]) for v in pair.trails], [Drop(number[v]) for v in graph.nodes[pair.back].outputs]
    rest = tuple(s for s in after if s not in trail)
    twice = replace(plan, steps=(*plan.steps[: at + 1], *bars, Run(pair.back), *after))
    with pytest.raises(PlanError, match=r"(?s)which reads a trail that its schedule has consumed.*run the loop that"):
        check(twice)
    made = [Drop(number[v]) for v in graph.nodes[pair.forward].outputs if Drop(number[v]) not in trail]
    again = (*trail, *bars, Run(pair.forward), *made, Run(pair.back), *trail)
    lawful = replace(plan, steps=(*plan.steps[: at + 1], *again, *rest))
    assert check(lawful).forward_steps == 2 * check(plan).forward_steps
    args = rows_of(9)
    for a, b in zip(run(plan, *args), run(lawful, *args), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_reverse_loop_needs_what_the_forward_one_read() -> None:
    graph = ad.differentiate(ad.trace(lambda x, k, xs: rows(x, k, xs * 2.0), *rows_of(9)), "grad", wrt=[0])
    plan = plan_of(graph, Binomial(2))
    (pair,) = pairs(graph)
    number = numbering(graph)
    late = next(Drop(number[v]) for v in pair.reads if Drop(number[v]) in plan.steps)
    steps = [s for s in plan.steps if s != late]
    steps.insert(steps.index(Run(pair.back)), late)
    with pytest.raises(
        PlanError, match=r"runs node \d+ \(core::scan\), whose input of type .* was dropped or not made"
    ):
        check(replace(plan, steps=tuple(steps)))


def test_a_schedule_for_what_is_no_trail_is_refused() -> None:
    _, plan = small()
    with pytest.raises(PlanError, match=r"value 0 has a schedule and is no trail"):
        check(replace(plan, trails={0: Binomial(2)}))


def test_a_schedule_that_breaks_its_law_is_refused_by_the_plan() -> None:
    @dataclass(frozen=True)
    class Broken(Schedule):
        name = "broken"

        def actions(self, length: int | None) -> Any:
            yield Tape(0, 1)
            yield Turn()

    _, plan = small()
    with pytest.raises(ScheduleError, match="turns before the last step is done"):
        check(replace(plan, trails=dict.fromkeys(plan.trails, Broken())))


def test_a_while_loop_wants_a_schedule_with_a_bound() -> None:
    graph = ad.differentiate(ad.trace(lambda x: ad.while_loop(lambda y: y < 9.0, lambda y: y * y, x), 2.0), "grad")
    with pytest.raises(ScheduleError, match="does not bound what it keeps"):
        check(plan_of(graph, Binomial(2)))


def test_a_plan_with_schedules_comes_back_from_bytes_with_all_its_pieces() -> None:
    def model(c: Any, xs: Any) -> Any:
        def outer(c: Any, x: Any) -> Any:
            d, zs = ad.scan(lambda d, _: (np.sin(d * x) + c, d * x), c, None, length=13)
            return d, np.sum(zs)

        c, ys = ad.scan(outer, c, xs)
        return np.sum(c) + np.sum(ys**2)

    args = RNG.normal(size=3), RNG.normal(size=(11, 3))
    graph = ad.differentiate(ad.trace(model, *args), "grad", wrt=[0, 1])
    plan = plan_of(graph, {11: Binomial(2), 13: Binomial(3)})
    found = loads(dumps(plan), graph)
    assert found.cost == plan.cost
    assert found.trails == plan.trails
    same(graph, found, *args)


def test_an_interrupted_run_leaves_nothing_behind() -> None:
    def model(x: Any) -> Any:
        y, _ = ad.scan(lambda y, _: (np.log(y), None), x, None, length=3)
        return np.sum(y)

    graph = ad.differentiate(ad.trace(model, np.ones(3)), "grad")
    program = find_backend().compile(plan_of(graph, Binomial(2)))
    good = np.array([3.0e9, 4.0e9, 5.0e9])
    want = program(good)
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        program(np.array([-1.0, 1.0, 2.0]))
    np.testing.assert_array_equal(program(good), want)
