"""Interval tables: the recorded numbers, agreement with exact search, the shapes of chain they must recognise."""

import itertools
import time

import pytest
from hypothesis import given, settings

from adcore_strategies.planners import chain as chains
from adcore_strategies.planners import exact
from adcore_strategies.planners.problem import plain, simulate
from adcore_strategies.planners.sequence import reduce_problem, sweep
from tests.plan.planner_samples import Maker, chain, layered, residual, small_chains, uniform

# Optimal overheads of the uniform chain of 100 layers (forward 1, backward 2, loss 1): budget -> cost.
UNIFORM = {91: 312, 76: 327, 51: 352, 30: 373, 25: 378, 20: 383, 10: 457, 7: 576, 5: 1047}
# Unit chains, proven optimal by a solver where one could: (layers, budget) -> cost.
UNIT = {(12, 9): 30, (12, 7): 32, (12, 6): 35, (12, 5): 42, (24, 13): 62, (50, 26): 127}


@pytest.fixture(scope="module")
def hundred():
    return reduce_problem(uniform(100))


@pytest.mark.parametrize("budget", sorted(UNIFORM))
def test_uniform_chain_costs_what_theory_says(hundred, budget):
    best = chains.candidates(hundred, budget)[0]
    assert best.cost == UNIFORM[budget]
    assert best.peak <= budget


def test_uniform_chain_is_planned_within_five_seconds():
    problem = uniform(100)
    start = time.perf_counter()
    steps = chains.plan(problem, 51)
    assert time.perf_counter() - start < 5.0
    assert simulate(problem, steps).cost == 352


def test_one_run_gives_the_whole_curve(hundred):
    curve = {swept.peak: swept.cost for swept in chains.frontier(hundred)}
    assert {budget: curve[budget] for budget in UNIFORM} == UNIFORM
    peaks = sorted(curve)
    assert (peaks[0], peaks[-1], curve[peaks[-1]]) == (4, 102, 301)
    assert all(curve[low] > curve[high] for low, high in itertools.pairwise(peaks))


@pytest.mark.parametrize(("layers", "budget"), sorted(UNIT))
def test_unit_chain_costs_what_solvers_prove(layers, budget):
    problem = chain(layers)
    outcome = simulate(problem, chains.plan(problem, budget))
    assert (outcome.cost, outcome.peak <= budget) == (UNIT[layers, budget], True)


@settings(max_examples=120, deadline=None)
@given(small_chains(most=5))
def test_tables_agree_with_exact_search_on_heterogeneous_chains(problem):
    core = reduce_problem(problem)
    detected, budget = chains.detect(core), sweep(core, core.order).peak
    while budget >= 0:
        truth = exact.search(core, budget)
        assert truth.complete
        best = None if truth.runs is None else sweep(core, truth.runs)
        same = 0 if best is None else best.peak  # down to there the optimum is the same
        for within in range(same, budget + 1):
            found = chains.candidates(core, within, detected) if detected else []
            if best is None:
                assert found == []
            elif found:
                assert found[0].cost >= best.cost
                assert found[0].peak <= within
        budget = same - 1


def test_a_layer_of_several_tasks_is_one_segment():
    m = Maker()
    x = m.given_value()
    values = [x]
    for _ in range(8):  # z = W a, a = tanh(z): only a is read again
        values.append(m.run([m.run([values[-1]])]))
    bar = m.run([values[-1]])
    weights = []
    for t in range(8, 0, -1):
        slope = m.run([values[t]])
        bar = m.run([slope, bar])
        weights.append(m.run([bar, values[t - 1]], 0))
        bar = m.run([bar])
    problem = m.problem([*weights, bar])
    found = chains.detect(reduce_problem(problem))
    assert len(found.leaves) in (9, 10)  # the first slope may count as the last forward task
    peak = simulate(problem, plain(problem)).peak
    assert simulate(problem, chains.plan(problem, peak - 3)).peak <= peak - 3


def test_residual_blocks_become_segments_with_a_tape():
    found = chains.detect(reduce_problem(residual(5)))
    assert len(found.leaves) >= 5
    assert any(leaf.tape for leaf in found.leaves)


def test_a_problem_without_a_turn_is_no_chain():
    m = Maker()
    x = m.given_value()
    problem = m.problem([m.run([x]) for _ in range(5)])
    assert chains.detect(reduce_problem(problem)) is None
    assert chains.plan(problem, 100) is None


def test_bytes_that_are_no_multiple_of_anything_still_give_plans_within_budget():
    primes = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71]
    sizes = [100_003 * p + 17 for p in primes]
    problem = chain(19, sizes=sizes, forward=[float(p) for p in primes[1:]])
    peak = simulate(problem, plain(problem)).peak
    for percent in (90, 70, 50):
        steps = chains.plan(problem, peak * percent // 100)
        assert simulate(problem, steps).peak <= peak * percent // 100


def test_a_layered_graph_that_is_detected_as_a_chain_still_gives_legal_plans():
    problem = layered(24, 1)
    peak = simulate(problem, plain(problem)).peak
    steps = chains.plan(problem, peak * 80 // 100)
    assert simulate(problem, steps).peak <= peak * 80 // 100


def test_a_wanted_block_that_no_later_task_reads_is_still_made():
    m = Maker()
    x = m.given_value(0)
    a = m.run([x])
    b = m.run([a])
    c = m.run([b])
    turn = m.run([c])  # the last forward task, whose result is only wanted
    problem = m.problem([turn, m.run([b, c]), m.run([a, x])])
    for swept in chains.frontier(reduce_problem(problem)):
        assert set(swept.runs) == set(range(6))
