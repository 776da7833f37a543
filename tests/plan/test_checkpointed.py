"""The strategy `checkpointed`: budgets kept, bits kept, least work, errors that say what would do."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo import ZOO, Program

import adcore as ad
from adcore.backend import find_backend
from adcore.errors import BudgetError, PlanError, StrategyError
from adcore.graph import Graph
from adcore.plan.explain import overhead
from adcore.plan.schedule import replay
from adcore.plan.steps import Plan, default_plan
from adcore.plan.work import total_work
from adcore.transform.simplify import simplify
from adcore.tree import flatten
from adcore_strategies.planners.ways import Ways
from tests.plan.measured import run, true_to_the_byte

RNG = np.random.default_rng(11)
KB = 1000


def layers(x: Any, w: Any) -> Any:
    for k in range(12):
        x = np.tanh(x * w[k]) + 0.1
    return np.sum(x * x)


def skips(x: Any, w: Any) -> Any:
    kept = []
    for k in range(4):
        x = np.sin(x * w[k])
        kept.append(x)
        x = x[::2] + x[1::2]
    for k in range(4):
        x = np.repeat(x, 2) * kept[3 - k] + w[k]
    return np.sum(np.tanh(x))


def branches(x: Any, w: Any) -> Any:
    a, b = x, x[::-1] * w[0]
    for k in range(5):
        a, b = np.tanh(a + w[k] * b), np.exp(-a * a) + b * w[k]
    return np.sum(a * b)


def loop(x: Any, w: Any) -> Any:
    def step(y: Any, _: Any) -> Any:
        return y + 0.01 * np.sin(y * w[0]), None

    y, _ = ad.scan(step, x, None, length=200)
    return np.sum(y * y)


def loop_in_network(x: Any, w: Any) -> Any:
    y = np.tanh(x * w[1])
    z, zs = ad.scan(lambda y, _: (y + 0.01 * np.sin(y * w[0]), np.sum(y)), y, None, length=60)
    u, _ = ad.scan(lambda y, _: (y * np.cos(y * w[2]), None), z, None, length=40)
    for k in range(4):
        u = np.tanh(u * w[k]) * y
    return np.sum(u) + np.sum(zs)


def loops_in_a_loop(x: Any, w: Any) -> Any:
    def outer(y: Any, _: Any) -> Any:
        z, _ = ad.scan(lambda z, _: (z + 0.01 * np.sin(z * w[0]), None), y, None, length=50)
        return z * w[1], None

    y, _ = ad.scan(outer, x, None, length=30)
    return np.sum(y * y)


MODELS = {f.__name__: f for f in (layers, skips, branches, loop, loop_in_network, loops_in_a_loop)}
ARGS = RNG.normal(size=2048), RNG.normal(size=12)
GRAPHS: dict[str, Graph] = {}


def gradient(name: str) -> Graph:
    if name not in GRAPHS:
        GRAPHS[name] = ad.differentiate(ad.trace(MODELS[name], *ARGS), "grad", wrt=[0, 1])
    return GRAPHS[name]


@cache
def ways_of(name: str) -> Ways:
    """What is known about the plans of a model; it grows with what is asked."""
    return Ways(simplify(gradient(name)), effort="quick")


def outputs(plan: Plan, *args: Any) -> list[bytes]:
    return [a.tobytes() for a in find_backend().compile(plan).all(*args)]


QUICK = {"strategy": {"checkpointed": {"effort": "quick"}}}


@pytest.mark.parametrize("part", [0, 3])
@pytest.mark.parametrize("name", MODELS)
def test_a_budget_is_kept_with_the_bits_of_reverse_and_the_peak_that_is_measured(name: str, part: int) -> None:
    ways = ways_of(name)
    low, high = ways.least.way.nbytes, ways.plain.nbytes
    budget = low + (high - low) * part // 8
    way = ways.within(budget)
    assert way is not None
    plan = way.plan
    assert plan.cost.peak_bytes <= budget
    found, measured = run(plan, ARGS)
    assert found == outputs(ways.plain.plan, *ARGS)
    assert true_to_the_byte(plan.cost.peak_bytes, measured)


@pytest.mark.parametrize("name", ["layers", "loop", "loop_in_network", "loops_in_a_loop"])
def test_more_memory_never_costs_more_work(name: str) -> None:
    ways = ways_of(name)
    low, high = ways.least.way.nbytes, ways.plain.nbytes
    found = [ways.within(low + (high - low) * k // 24) for k in range(25)]
    costs = [way.work for way in found if way is not None]
    assert len(costs) == 25
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] == ways.plain.work


def test_without_a_budget_everything_is_kept() -> None:
    graph = gradient("loop_in_network")
    plan = ad.plan(graph, "checkpointed")
    assert plan.cost == default_plan(simplify(graph)).cost
    assert plan.reason == "no budget is given: everything is kept"


def test_planning_twice_gives_the_same_plan() -> None:
    graph = gradient("branches")
    first, second = (ad.plan(graph, "checkpointed", memory="50%", config=QUICK) for _ in range(2))
    assert first.steps == second.steps


@pytest.mark.parametrize("name", MODELS)
def test_an_infeasible_budget_says_what_would_do_and_that_does(name: str) -> None:
    graph = gradient(name)
    with pytest.raises(
        BudgetError, match=r"(?s)no plan of .* fits in 5000 bytes: (\d+) are needed.*binds them, at"
    ) as e:
        ad.plan(graph, "checkpointed", memory=5000, config=QUICK)
    least = int(str(e.value).rsplit("memory=", 1)[1].split()[0])
    assert e.value.minimum == least
    way = ways_of(name).within(least)
    assert way is not None
    assert way.nbytes <= least
    assert outputs(way.plan, *ARGS) == outputs(ways_of(name).plain.plan, *ARGS)


def test_a_chain_of_small_graphs_is_refused_with_the_exact_minimum() -> None:
    graph = ad.differentiate(ad.trace(lambda x: np.sum(np.sin(np.cos(x))), np.ones(1000)), "grad")
    with pytest.raises(BudgetError, match=r"are needed, the exact minimum\n"):
        ad.plan(graph, "checkpointed", memory=1)


@pytest.mark.parametrize("memory", [40_000, "40 kB", "0.04 MB"])
def test_a_budget_may_be_given_in_any_unit(memory: Any) -> None:
    assert ad.plan(gradient("layers"), "checkpointed", memory=200 * KB).cost.peak_bytes <= 200 * KB
    x = RNG.normal(size=100)
    graph = ad.differentiate(ad.trace(lambda x: np.sum(np.sin(x)), x), "grad")
    assert ad.plan(graph, "checkpointed", memory=memory).cost.peak_bytes <= 40_000


def test_snapshots_lead_every_loop() -> None:
    graph = gradient("loops_in_a_loop")
    plan = ad.plan(graph, "checkpointed", snapshots=3)
    assert plan.cost.forward_steps == ad_steps(30, 3) + 30 * ad_steps(50, 3)
    assert outputs(plan, *ARGS) == outputs(default_plan(simplify(graph)), *ARGS)


def ad_steps(length: int, slots: int) -> int:
    """F of the recurrence, by dynamic programming: an oracle of the closed form."""
    table: dict[tuple[int, int], int] = {}

    def advances(n: int, s: int) -> int:
        if n == 1:
            return 0
        if s == 1:
            return n * (n - 1) // 2
        if (n, s) not in table:
            table[n, s] = min(j + advances(n - j, s - 1) + advances(j, s) for j in range(1, n))
        return table[n, s]

    return length + advances(length, slots)


def test_a_while_loop_keeps_a_budget_whatever_its_length() -> None:
    def model(x: Any, n: Any) -> Any:
        _, y = ad.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1.0, c[1] + 0.01 * np.sin(c[1] * x)), (0.0, x))
        return np.sum(y)

    x = RNG.normal(size=1000)
    graph = ad.differentiate(ad.trace(model, x, 1.0), "grad", wrt=[0])
    plan = ad.plan(graph, "checkpointed", memory=200 * KB)
    assert plan.cost.peak_bytes <= 200 * KB
    for n in (0.0, 1.0, 300.0):
        assert outputs(plan, x, np.float64(n)) == outputs(default_plan(graph), x, np.float64(n))
    program = find_backend().compile(plan)
    program(x, np.float64(300.0))
    assert program.measure(x, np.float64(300.0)).peak_bytes <= 200 * KB + 65536


@pytest.mark.parametrize("p", ZOO, ids=repr)
def test_every_gradient_of_the_zoo_keeps_five_budgets_to_the_bit_and_to_the_byte(p: Program) -> None:
    graph = simplify(ad.differentiate(ad.trace(p.f, *p.args), "vjp"))
    ways = Ways(graph, effort="quick")
    least = ways.least
    rng = np.random.default_rng(3)
    args = [np.asarray(x) for x in flatten(p.args)[0]]
    args += [np.asarray(rng.normal(size=v.type.shape), v.type.dtype) for v in graph.inputs[len(args) :]]
    whole = outputs(default_plan(graph), *args)
    most = 2 * least.way.nbytes if ways.unbounded else ways.plain.nbytes
    for part in (0, 1, 2, 4, 8):
        budget = least.way.nbytes + (most - least.way.nbytes) * part // 8
        way = ways.within(budget)
        assert way is not None
        assert way.nbytes <= budget
        found, measured = run(way.plan, args)
        assert found == whole
        assert true_to_the_byte(way.plan.cost.peak_bytes, measured)


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=12),
    st.integers(20, 95),
)
@settings(max_examples=15)
def test_random_graphs_keep_random_budgets(shape: list[tuple[int, int, int]], percent: int) -> None:
    def model(x: Any) -> Any:
        values = [x, x * 2.0]
        for back, other, kind in shape:
            a, b = values[-1 - back % len(values)], values[-1 - other % len(values)]
            values.append((np.sin(a) * b, a + b, np.tanh(a), a[::-1] * b)[kind])
        return np.sum(values[-1] * values[-2])

    x = np.linspace(0.1, 0.9, 500)
    graph = simplify(ad.differentiate(ad.trace(model, x), "grad"))
    ways = Ways(graph, effort="quick")
    budget = ways.plain.nbytes * percent // 100
    way = ways.within(budget)
    if way is None:
        assert ways.least.way.nbytes > budget
        return
    assert way.nbytes <= budget
    assert way.work >= total_work(default_plan(graph))
    assert overhead(way.plan) >= 0.0
    assert outputs(way.plan, x) == outputs(default_plan(graph), x)


# --- disk ------------------------------------------------------------------------------------------


def test_a_disk_budget_buys_work_and_is_kept(tmp_path: Any) -> None:
    graph = gradient("loop")
    told = {"effort": "quick", "directory": str(tmp_path), "write_speed": "100 GB", "read_speed": "100 GB"}
    memory = 250 * KB
    without = ad.plan(graph, "checkpointed", memory=memory)
    config = {"strategy": {"checkpointed": {**told, "disk": "1 MB"}}}
    plan = ad.plan(graph, "checkpointed", memory=memory, config=config)
    assert plan.cost.peak_bytes <= memory
    assert plan.cost.disk_written > 0
    assert plan.cost.forward_steps < without.cost.forward_steps
    (schedule,) = set(plan.trails.values())
    assert replay(schedule, 200).peak_disk * 2048 * 8 <= 1_000_000
    assert outputs(plan, *ARGS) == outputs(default_plan(simplify(graph)), *ARGS)
    assert list(tmp_path.iterdir()) == []


def test_a_slow_disk_is_left_alone() -> None:
    config = {
        "strategy": {"checkpointed": {"effort": "quick", "disk": "1 MB", "write_speed": "1 kB", "read_speed": "1 kB"}}
    }
    assert ad.plan(gradient("loop"), "checkpointed", memory=250 * KB, config=config).cost.disk_written == 0


# --- planners --------------------------------------------------------------------------------------


def asked(planner: str) -> dict[str, Any]:
    return {"strategy": {"checkpointed": {"planner": planner}}}


@pytest.mark.parametrize("planner", ["chain", "greedy", "search"])
def test_a_planner_may_be_asked_for_by_name(planner: str) -> None:
    graph = gradient("layers")
    budget = 300 * KB
    plan = ad.plan(graph, "checkpointed", memory=budget, config=asked(planner))
    assert plan.cost.peak_bytes <= budget
    assert plan.cost.recomputed > 0
    assert outputs(plan, *ARGS) == outputs(default_plan(simplify(graph)), *ARGS)


def test_an_unknown_planner_is_answered_with_the_nearest() -> None:
    with pytest.raises(StrategyError, match=r"(?s)no planner is called 'gredy'.*did you mean 'greedy'\?"):
        ad.plan(gradient("layers"), "checkpointed", memory=300 * KB, config=asked("gredy"))


def test_a_planner_that_breaks_the_budget_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from adcore.registry import registry

    monkeypatch.setitem(registry().planners, "greedy_one", lambda graph, budget: default_plan(graph))
    with pytest.raises(PlanError, match=r"planner 'greedy_one' gave a plan of \d+ bytes for a budget of 300000"):
        ad.plan(gradient("layers"), "checkpointed", memory=300 * KB, config=asked("greedy_one"))
    monkeypatch.setitem(registry().planners, "greedy_one", lambda graph, budget: None)
    with pytest.raises(PlanError, match=r"(?s)gave no plan of the graph.*it gave NoneType"):
        ad.plan(gradient("layers"), "checkpointed", memory=300 * KB, config=asked("greedy_one"))
