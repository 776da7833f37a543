"""The portfolio: hard budgets, exact minima, monotone curves, proofs, determinism, and recorded numbers."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adcore_strategies.planners import exact, greedy
from adcore_strategies.planners.portfolio import EFFORTS, Effort, best, curve, minimum
from adcore_strategies.planners.problem import BudgetError, Problem, plain, simulate
from adcore_strategies.planners.sequence import reduce_problem, sweep
from tests.plan.planner_samples import Maker, chain, layered, residual, small_chains, small_problems, unet, uniform

SMALL = Effort(20_000, 8_000_000)

# Unit chain of 12 layers (25 tasks): budget -> optimal cost, proven.
UNIT = {9: 30, 7: 32, 6: 35, 5: 42}


def check_against_the_optimum(problem, percent):
    core = reduce_problem(problem)
    budget = simulate(problem, plain(problem)).peak * percent // 100
    truth = exact.search(core, budget - core.base)
    assert truth.complete
    if truth.runs is None:
        with pytest.raises(BudgetError) as caught:
            best(problem, budget, SMALL)
        assert caught.value.proven
        assert caught.value.minimum > budget
        outcome = best(problem, caught.value.minimum, SMALL).outcome
        assert outcome.peak <= caught.value.minimum
        assert exact.search(core, caught.value.minimum - 1 - core.base).runs is None
    else:
        planned = best(problem, budget, SMALL)
        assert planned.outcome == simulate(problem, planned.steps)
        assert planned.outcome.peak <= budget
        assert planned.proven
        assert planned.outcome.cost == pytest.approx(sweep(core, truth.runs).cost, rel=1e-12)


@settings(max_examples=120, deadline=None)
@given(small_problems(most=9), st.integers(20, 100))
def test_small_problems_are_solved_to_the_proven_optimum_or_refused_with_the_exact_minimum(problem, percent):
    check_against_the_optimum(problem, percent)


@settings(max_examples=40, deadline=None)
@given(small_chains(most=5), st.integers(30, 100))
def test_small_chains_are_solved_to_the_proven_optimum_or_refused_with_the_exact_minimum(problem, percent):
    check_against_the_optimum(problem, percent)


@pytest.mark.parametrize("budget", sorted(UNIT))
def test_unit_chain_is_planned_optimally(budget):
    planned = best(chain(12), budget)
    assert planned.outcome.cost == UNIT[budget]
    assert planned.proven


# Proven by exact search with a large limit (limit=20_000_000): (graph, percent of plain peak) -> cost.
PROVEN = {
    ("residual", 80): 93,
    ("residual", 70): 97,
    ("residual", 60): 102,
    ("residual", 50): 110,
    ("residual", 40): 152,
    ("layered", 80): 206,
    ("layered", 70): 215,
    ("layered", 60): 226,
}
GRAPHS = {"residual": residual(4), "layered": layered(24, 1), "unet": unet(4), "deep": layered(24, 2)}


@pytest.mark.parametrize(("name", "percent"), sorted(PROVEN))
def test_quick_effort_is_within_five_percent_of_the_proven_optimum(name, percent):
    problem = GRAPHS[name]
    planned = best(problem, simulate(problem, plain(problem)).peak * percent // 100, "quick")
    assert PROVEN[name, percent] <= planned.outcome.cost <= 1.05 * PROVEN[name, percent]


@pytest.mark.parametrize(("name", "percent"), [("residual", 70), ("residual", 50), ("layered", 70), ("layered", 60)])
def test_normal_effort_is_within_one_percent_of_the_proven_optimum(name, percent):
    problem = GRAPHS[name]
    planned = best(problem, simulate(problem, plain(problem)).peak * percent // 100)
    assert PROVEN[name, percent] <= planned.outcome.cost <= 1.01 * PROVEN[name, percent]


@pytest.mark.parametrize("percent", [51, 25, 10])
def test_uniform_chain_of_a_hundred_layers_meets_theory(percent):
    # of the plain peak of 102 units; overheads 16.9 %, 25.6 %, 51.8 %
    budget = {51: 51, 25: 25, 10: 10}[percent]
    planned = best(uniform(100), budget, Effort(0, 0))
    assert planned.outcome.cost == {51: 352, 25: 378, 10: 457}[percent]
    assert planned.planner == "chain"


def test_three_hundred_tasks_are_planned_in_seconds_and_no_worse_than_any_policy():
    problem = layered(110, 4)
    core = reduce_problem(problem)
    budget = simulate(problem, plain(problem)).peak * 60 // 100
    start = time.perf_counter()
    planned = best(problem, budget, "quick")
    assert time.perf_counter() - start < 10.0  # 2 s on one quiet core
    assert planned.outcome.peak <= budget
    for policy in greedy.POLICIES:
        runs = greedy.evict(core, core.order, budget - core.base, policy)
        assert runs is None or planned.outcome.cost <= sweep(core, runs).cost


@pytest.mark.parametrize("name", sorted(GRAPHS))
def test_planning_twice_gives_the_same_plan(name):
    problem = GRAPHS[name]
    budget = simulate(problem, plain(problem)).peak * 75 // 100
    assert best(problem, budget, "quick") == best(problem, budget, "quick")


@pytest.mark.parametrize("name", sorted(GRAPHS))
def test_a_curve_never_rises_and_every_point_keeps_its_budget(name):
    problem = GRAPHS[name]
    points = curve(problem, points=6, effort=Effort(10_000, 0))
    assert [p.budget for p in points] == sorted({p.budget for p in points})
    costs = [p.planned.outcome.cost for p in points]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] == simulate(problem, plain(problem)).cost
    assert all(simulate(problem, p.planned.steps).peak <= p.budget for p in points)


def test_an_infeasible_budget_says_what_is_needed_and_which_task_binds():
    m = Maker()
    x = m.given_value(4)
    a = m.run([x], 8)
    b = m.run([a], 16)
    problem = m.problem([m.run([b], 2)])
    message = (
        "no schedule fits in 20 bytes\n  28 bytes are needed (the exact minimum); task 1 binds there\n"
        "  ask for at least 28 bytes, or make task 1 smaller"
    )
    with pytest.raises(BudgetError, match=f"^{re.escape(message)}$") as caught:
        best(problem, 20)
    assert (caught.value.minimum, caught.value.proven, caught.value.task) == (28, True, 1)


@pytest.mark.parametrize("name", ["residual", "unet", "layered"])
def test_the_minimum_is_feasible_and_respects_its_bound(name):
    least = minimum(GRAPHS[name], "quick")
    outcome = simulate(GRAPHS[name], least.steps)
    assert outcome.peak == least.budget >= least.bound
    assert best(GRAPHS[name], least.budget, "quick").outcome.peak <= least.budget
    with pytest.raises(BudgetError):
        best(GRAPHS[name], least.bound - 1, "quick")


def test_a_budget_that_needs_only_another_order_recomputes_nothing():
    m = Maker()
    x = m.given_value()
    big = [m.run([x], 10) for _ in range(4)]
    small = [m.run([b], 1) for b in big]
    planned = best(m.problem([m.run(small, 1)]), 14)
    assert (planned.planner, planned.outcome.recomputed, planned.proven) == ("order", 0, True)
    assert planned.reason == (
        "every task runs once in an order that frees memory sooner and fits; nothing is recomputed"
    )


def test_a_problem_without_tasks_is_planned():
    planned = best(Problem((), (8,), (0,), frozenset({0}), (0,)), 8)
    assert (planned.steps, planned.outcome.peak, planned.outcome.cost) == ((), 8, 0.0)


def test_the_gap_is_stated_when_nothing_is_proven():
    problem = GRAPHS["deep"]
    planned = best(problem, simulate(problem, plain(problem)).peak * 60 // 100, "quick")
    assert not planned.proven
    assert 0 < planned.gap == planned.outcome.cost / planned.bound - 1
    assert planned.reason.endswith("could still be saved")


def test_efforts_are_named_by_what_they_cost():
    assert list(EFFORTS) == ["quick", "normal", "high", "solver"]
