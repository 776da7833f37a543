"""Exact search, greedy policies and local search: every plan validates, none beats the optimum, most reach it."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adcore_strategies.planners import exact, greedy, improve, solver
from adcore_strategies.planners.problem import plain, simulate
from adcore_strategies.planners.sequence import expand, fits, reduce_problem, sweep
from tests.plan.planner_samples import Maker, chain, layered, residual, small_problems, unet

NAMED = {
    "residual": residual(4),
    "unet": unet(4),
    "layered": layered(16, 1),
    "deep": layered(24, 2),
    "chain": chain(24),
}


def brute_force(problem, budget, depth):
    """The least cost over all legal schedules of at most `depth` runs: plain enumeration, dropping any subset."""
    tasks = problem.tasks
    sizes = lambda live: sum(problem.sizes[s] for s in {problem.storage[v] for v in live})
    best = None
    layer = {frozenset(problem.given): 0.0}
    for _ in range(depth + 1):
        following = {}
        for live, cost in layer.items():
            if set(problem.wanted) <= live and (best is None or cost < best):
                best = cost
            for task in tasks:
                if set(task.outputs) <= live or not set(task.inputs) <= live:
                    continue
                idle = [v for v in live if v not in problem.given and v not in task.inputs]
                for count in range(len(idle) + 1):
                    for dropped in itertools.combinations(idle, count):
                        kept = live - set(dropped)
                        if kept & set(task.outputs):
                            continue
                        after = kept | set(task.outputs)
                        if sizes(after) + task.scratch <= budget and cost + task.cost < following.get(after, 1e9):
                            following[after] = cost + task.cost
        layer = following
    return best


@settings(max_examples=60, deadline=None)
@given(small_problems(most=4, views=False), st.integers(0, 100))
def test_exact_search_agrees_with_plain_enumeration(problem, percent):
    budget = simulate(problem, plain(problem)).peak * percent // 100
    truth = brute_force(problem, budget, depth=12)
    steps = exact.plan(problem, budget)
    assert (steps is None) == (truth is None)
    if steps is not None:
        outcome = simulate(problem, steps)
        assert (outcome.cost, outcome.peak <= budget) == (truth, True)


@settings(max_examples=100, deadline=None)
@given(small_problems(most=9), st.integers(40, 100))
def test_no_planner_beats_the_optimum_or_the_budget(problem, percent):
    core = reduce_problem(problem)
    budget = simulate(problem, plain(problem)).peak * percent // 100
    truth = exact.search(core, budget - core.base)
    assert truth.complete
    for planner in (greedy.plan, lambda p, b: improve.plan(p, b, 5_000)):
        steps = planner(problem, budget)
        if truth.runs is None:
            assert steps is None
        elif steps is not None:
            outcome = simulate(problem, steps)
            assert outcome.peak <= budget
            assert outcome.cost >= sweep(core, truth.runs).cost


@settings(max_examples=40, deadline=None)
@given(small_problems(most=9))
def test_least_peak_is_feasible_and_one_byte_less_is_not(problem):
    core = reduce_problem(problem)
    top = sweep(core, core.order).peak
    peak, runs, proven = exact.least_peak(core, 0, top)
    assert proven
    assert fits(core, core.order if runs is None else runs, peak) is not None
    if peak:
        assert exact.search(core, peak - 1).runs is None


@pytest.mark.parametrize("policy", greedy.POLICIES)
@pytest.mark.parametrize("name", sorted(NAMED))
def test_every_policy_keeps_the_budget(name, policy):
    core = reduce_problem(NAMED[name])
    budget = sweep(core, core.order).peak * 3 // 4
    runs = greedy.evict(core, core.order, budget, policy)
    if runs is not None:  # a policy alone may deadlock; the portfolio may not
        assert simulate(NAMED[name], expand(core, runs)).peak <= budget + core.base


@pytest.mark.parametrize("name", sorted(NAMED))
def test_orders_are_valid_and_complete(name):
    core = reduce_problem(NAMED[name])
    for order in greedy.orders(core):
        assert sorted(order) == core.order
        assert sweep(core, order).cost == core.least_cost


def test_lean_order_saves_memory_where_the_graph_order_does_not():
    m = Maker()
    x = m.given_value()
    big = [m.run([x], 10) for _ in range(4)]
    small = [m.run([b], 1) for b in big]
    problem = m.problem([m.run(small, 1)])
    core = reduce_problem(problem)
    assert sweep(core, core.order).peak == 41
    assert sweep(core, greedy.lean_order(core)).peak == 14


def test_repair_finds_a_plan_where_policies_deadlock():
    core = reduce_problem(NAMED["unet"])
    budget = sweep(core, core.order).peak * 70 // 100
    assert fits(core, improve.repair(core, core.order, budget), budget) is not None


@pytest.mark.parametrize("percent", [80, 70, 60, 50])
def test_local_search_reaches_the_proven_optimum_of_a_residual_net(percent):
    core = reduce_problem(NAMED["residual"])
    budget = sweep(core, core.order).peak * percent // 100
    truth = exact.search(core, budget)
    found = improve.improve(core, improve.repair(core, core.order, budget), budget, 1_500_000)
    assert truth.complete
    assert found.cost == sweep(core, truth.runs).cost


def test_local_search_is_deterministic():
    core = reduce_problem(NAMED["deep"])
    budget = sweep(core, core.order).peak * 60 // 100
    start = improve.repair(core, core.order, budget)
    first, second = (improve.improve(core, start, budget, 100_000) for _ in range(2))
    assert first == second


def test_squeeze_lowers_the_peak():
    core = reduce_problem(NAMED["residual"])
    lean = improve.squeeze(core, core.order, 100_000, 0)
    assert lean.peak < sweep(core, core.order).peak // 2


SOLVER_CASES = [("chain", 60), ("residual", 70)] if solver.available() else []


@pytest.mark.parametrize(("name", "percent"), SOLVER_CASES or [("absent", 0)])
def test_solver_improves_a_hint_or_is_absent(name, percent):
    core = reduce_problem(NAMED.get(name, NAMED["residual"]))
    budget = sweep(core, core.order).peak * (percent or 70) // 100
    hint = min(greedy.candidates(core, budget), key=lambda runs: sweep(core, runs).cost)
    found = solver.refine(core, hint, budget, 3.0)
    if name == "absent":
        assert found is None
    elif found is not None:
        assert fits(core, found, budget) < sweep(core, hint).cost
