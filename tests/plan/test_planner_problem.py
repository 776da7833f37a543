"""The rematerialisation problem and its validator: every illegal step is refused, the bytes add up by hand."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adcore_strategies.planners.problem import (
    Problem,
    ProblemError,
    ScheduleError,
    Task,
    plain,
    simulate,
)
from adcore_strategies.planners.sequence import expand, reduce_problem, sweep
from tests.plan.planner_samples import Maker, chain, small_problems


def three():
    """x (4 bytes, given) -> a (8) -> b (16) -> c (2, wanted), b with 5 bytes of scratch."""
    m = Maker()
    x = m.given_value(4)
    a = m.run([x], 8, 1.0)
    b = m.run([a], 16, 2.0, 5)
    return m.problem([m.run([a, b], 2, 4.0)])


def viewed():
    """x -> a (8) -> its view v -> c (1, wanted)."""
    m = Maker()
    v = m.view(m.run([m.given_value(4)], 8))
    return m.problem([m.run([v], 1)])


def test_plain_schedule_counts_inputs_outputs_scratch_and_given_bytes():
    outcome = simulate(three(), plain(three()))
    assert (outcome.peak, outcome.cost, outcome.runs, outcome.task) == (4 + 8 + 16 + 5, 7.0, 3, 1)
    assert outcome.recomputed == 0


def test_a_rerun_counts_and_costs_again():
    steps = [("run", 0), ("run", 1), ("drop", 1), ("run", 0), ("run", 2), ("drop", 1), ("drop", 2)]
    outcome = simulate(three(), steps)
    assert (outcome.cost, outcome.counts, outcome.recomputed) == (8.0, (2, 1, 1), 1)


def test_a_storage_is_occupied_while_any_view_of_it_lives():
    steps = [("run", 0), ("run", 1), ("drop", 1), ("run", 2), ("drop", 2)]
    outcome = simulate(viewed(), steps)
    assert outcome.peak == 4 + 8 + 1
    assert outcome.step == 3


def test_a_run_makes_again_only_the_dead_outputs_and_pays_the_live_ones_twice_meanwhile():
    m = Maker()
    a, b = m.run([m.given_value()], [3, 5])
    problem = m.problem([a, b])
    outcome = simulate(problem, [("run", 0), ("drop", a), ("run", 0)])
    assert (outcome.peak, outcome.step) == (3 + 5 + 5, 2)


REFUSED = {
    "run of a dead input": (
        three,
        [("run", 1)],
        "step 0 runs task 1, which reads value 1, and that is not live\n"
        "  value 1 was never made\n  run its producer, task 0, before step 0",
    ),
    "run of a dropped input": (
        three,
        [("run", 0), ("run", 1), ("drop", 1), ("run", 2)],
        "step 3 runs task 2, which reads value 1, and that is not live\n"
        "  value 1 was dropped at step 2\n  run its producer, task 0, before step 3",
    ),
    "run for nothing": (
        three,
        [("run", 0), ("run", 0)],
        "step 1 runs task 0 for nothing: all its outputs (1,) are live\n"
        "  they were made before step 1\n  remove the step, or drop the outputs first",
    ),
    "second buffer under a view": (
        viewed,
        [("run", 0), ("run", 1), ("drop", 1), ("run", 0)],
        "step 3 makes value 1 again while views [2] of it are live\n"
        "  they occupy storage 1, which is one buffer\n"
        "  keep value 1 (it costs no bytes) or drop its views first",
    ),
    "drop of a given value": (
        three,
        [("drop", 0)],
        "step 0 drops value 0, which is given\n  given values stay to the end\n  remove the step",
    ),
    "drop of a value never made": (
        three,
        [("drop", 1)],
        "step 0 drops value 1, which is not live\n  it was never made\n  remove the step",
    ),
    "drop twice": (
        three,
        [("run", 0), ("drop", 1), ("drop", 1)],
        "step 2 drops value 1, which is not live\n  it was dropped at step 1\n  remove the step",
    ),
    "a step that names nothing": (
        three,
        [("run", 9)],
        "step 0 is ('run', 9), which names nothing\n  the problem has 3 tasks and 4 values\n"
        '  a step is ("run", task) or ("drop", value)',
    ),
    "missing wanted value": (
        three,
        [],
        "the schedule ends without the wanted values [3]\n  after 0 steps\n"
        "  run their producers, and do not drop them afterwards",
    ),
    "leak": (
        three,
        [("run", 0), ("run", 1), ("run", 2), ("drop", 1)],
        "the schedule ends with values [2] still live\n  after 4 steps\n  drop each after its last use",
    ),
}


@pytest.mark.parametrize("case", sorted(REFUSED))
def test_validator_refuses(case):
    make, steps, message = REFUSED[case]
    with pytest.raises(ScheduleError, match=f"^{re.escape(message)}$"):
        simulate(make(), steps)


CONTRADICTIONS = {
    "input nobody makes": (
        lambda: Problem((Task((1,), (0,)),), (1, 1), (0, 1), frozenset(), (0,)),
        "value 1 is read before it is made\n  by task 0\n  put the tasks in a valid order, or list the value as given",
    ),
    "value made twice": (
        lambda: Problem((Task((), (0,)), Task((), (0,))), (1,), (0,), frozenset(), (0,)),
        "value 0 is made twice\n  again by task 1\n  a value has one producer, or is given and has none",
    ),
    "half a view": (
        lambda: Problem((Task((0,), (1, 2)),), (1, 1), (0, 0, 1), frozenset({0}), (2,)),
        "task 0 makes a view and a fresh value at once\n  its outputs are (1, 2)\n"
        "  split it in two tasks, or give the view a storage of its own",
    ),
    "two producers of one storage": (
        lambda: Problem((Task((), (0,)), Task((), (1,))), (1,), (0, 0), frozenset(), (0,)),
        "task 1 writes into a storage that has another producer\n  its outputs are (1,)\n"
        "  only a view shares a storage, and it must read a value of that storage",
    ),
    "wanted value nobody makes": (
        lambda: Problem((), (1,), (0,), frozenset(), (0,)),
        "value 0 is wanted but never made\n  by any of 0 tasks\n  add its producer, or list it as given",
    ),
    "value without storage": (
        lambda: Problem((Task((), (1,)),), (1,), (0,), frozenset(), ()),
        "value 1 has no storage\n  the problem names 1 values, 0 to 0\n  give every value an entry in `storage`",
    ),
}


@pytest.mark.parametrize("case", sorted(CONTRADICTIONS))
def test_problem_refuses(case):
    make, message = CONTRADICTIONS[case]
    with pytest.raises(ProblemError, match=f"^{re.escape(message)}$"):
        make()


def test_only_tasks_that_reach_a_wanted_value_are_needed():
    m = Maker()
    x = m.given_value()
    m.run([x])
    y = m.run([x])
    assert m.problem([y]).needed == (1,)
    assert simulate(m.problem([y]), plain(m.problem([y]))).runs == 1


@settings(max_examples=150, deadline=None)
@given(small_problems(most=14))
def test_plain_and_expanded_graph_order_are_legal_and_the_sweep_predicts_the_peak(problem):
    core = reduce_problem(problem)
    reference = simulate(problem, plain(problem))
    expanded = simulate(problem, expand(core, core.order))
    assert expanded.cost == reference.cost
    assert expanded.peak == sweep(core, core.order).peak + core.base


@settings(max_examples=150, deadline=None)
@given(small_problems(most=10), st.data())
def test_any_sequence_that_makes_its_inputs_first_expands_to_a_legal_schedule_with_the_predicted_peak(problem, data):
    core = reduce_problem(problem)
    runs = core.order
    for _ in range(data.draw(st.integers(0, 8))):
        task = data.draw(st.sampled_from(core.order))
        position = data.draw(st.integers(runs.index(task) + 1, len(runs)))
        runs.insert(position, task)
    swept = sweep(core, runs)
    outcome = simulate(problem, expand(core, runs))
    assert outcome.peak == swept.peak + core.base
    assert outcome.cost == swept.cost


def test_uniform_chain_has_the_plain_peak_of_the_literature():
    assert simulate(chain(12), plain(chain(12))).peak == 14
