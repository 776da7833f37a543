"""The planner keeps the budget and the bits, and its schedule the law of schedules."""

import numpy as np
import pytest
from acme.planner import Segments

import adcore as ad
from adcore.extend import BudgetError, Schedule, replay

ASKED = {"strategy": {"name": "checkpointed", "checkpointed": {"planner": "acme_segments"}}}


def loss(x):
    y, _ = ad.scan(lambda y, _: (y + 0.01 * np.sin(y), None), x, None, length=1000)
    return np.sum(y * y)


@pytest.mark.parametrize("memory", ["200 kB", "1 MB", "20 MB"])
def test_segments_keep_a_budget_and_the_bits(memory):
    x = np.linspace(0.0, 1.0, 500)
    gradient = ad.differentiate(ad.trace(loss, x), "grad")
    if memory == "200 kB":
        with pytest.raises(BudgetError, match="segments of loops do not bring"):
            ad.plan(gradient, memory=memory, config=ASKED)
        return
    plan = ad.plan(gradient, memory=memory, config=ASKED)
    assert plan.cost.forward_steps < 2000
    np.testing.assert_array_equal(ad.grad(loss, memory=memory, config=ASKED)(x), ad.grad(loss)(x))


@pytest.mark.parametrize("length", [0, 1, 2, 7, 30])
def test_segments_of_any_size_reverse_loops_of_any_length(length):
    for size in (1, 2, 5, 31):
        cost = replay(Segments(size), length)
        last = length - (length - 1) // size * size if length else 0
        assert cost.forward_steps == 2 * length - last


def test_the_schedule_comes_back_from_data():
    assert Schedule.from_data(Segments(3).to_data()) == Segments(3)
