"""Predicted peak against what tracemalloc sees, and the law of plans against broken plans."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from zoo import ZOO, Program

import adcore as ad
from adcore.errors import PlanError
from adcore.plan.check import check
from adcore.plan.steps import Drop, Plan, Run, default_plan

SIZE = 20_000


def scaled(x: Any) -> Any:
    return np.linspace(0.1, 1.0, SIZE)


def chain(x: Any) -> Any:
    for k in range(20):
        x = np.tanh(x * 1.1) + 0.1 * k
    return np.sum(x)


def wide(x: Any) -> Any:
    parts = [np.sin(x * k) for k in range(1, 8)]
    return np.sum(np.concatenate(parts) ** 2)


def matrix(x: Any) -> Any:
    m = x[:19600].reshape(140, 140)
    return np.sum((m @ m.T) * np.exp(-m)) + np.max(m[::2, ::3])


def looped(x: Any) -> Any:
    c, ys = ad.scan(lambda c, _: (np.sin(c) * 1.01, c[:100]), x, None, length=9)
    return np.sum(c) + np.sum(ys**2)


def views_as_outputs(x: Any) -> Any:
    return x[::2], x.reshape(2, -1).T, x


MODELS = {f.__name__: f for f in (chain, wide, matrix, looped, views_as_outputs)}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("kind", ["primal", "vjp", "jvp"])
def test_measured_peak_is_the_predicted_one(name: str, kind: str) -> None:
    graph = ad.trace(MODELS[name], scaled(None))
    if kind != "primal":
        graph = ad.differentiate(graph, kind)
    program = graph.compile()
    inputs = [np.full(v.type.shape, 0.3, v.type.dtype) for v in graph.inputs]
    program.measure(*inputs)
    measured = program.measure(*inputs).peak_bytes
    predicted = program.plan.cost.peak_bytes
    assert abs(measured - predicted) <= 0.02 * predicted + 65536


@pytest.mark.parametrize("p", ZOO, ids=repr)
def test_every_derivative_of_the_zoo_has_a_lawful_plan(p: Program) -> None:
    for kind in ("vjp", "jvp"):
        plan = default_plan(ad.differentiate(ad.trace(p.f, *p.args), kind))
        cost = check(plan)
        assert cost.recomputed == 0
        assert 0 < cost.live_bytes <= cost.peak_bytes


def small_plan() -> Plan:
    return default_plan(ad.trace(lambda x: np.sum(np.sin(x) * x), np.zeros(3)))


def test_a_plan_that_reads_a_dropped_value_is_refused() -> None:
    plan = small_plan()
    broken = (plan.steps[0], Drop(1), *plan.steps[1:])
    with pytest.raises(
        PlanError, match=r"(?s)step 2 runs node 1 \(core::multiply\), whose input of type float64\[3\] was"
    ):
        check(replace(plan, steps=broken))


def test_a_plan_that_drops_what_is_not_live_is_refused() -> None:
    plan = small_plan()
    with pytest.raises(PlanError, match=r"step 0 drops value 2, which is not live"):
        check(replace(plan, steps=(Drop(2), *plan.steps)))


def test_a_plan_that_drops_an_input_is_refused() -> None:
    plan = small_plan()
    with pytest.raises(PlanError, match=r"drops value 0, which is not live"):
        check(replace(plan, steps=(*plan.steps, Drop(0))))


def test_a_plan_that_forgets_an_output_is_refused() -> None:
    plan = small_plan()
    with pytest.raises(PlanError, match=r"an output of type float64\[\] is not live at the end"):
        check(replace(plan, steps=plan.steps[:-2]))


def test_a_plan_that_leaves_values_is_refused() -> None:
    plan = small_plan()
    steps = tuple(s for s in plan.steps if not isinstance(s, Drop))
    with pytest.raises(PlanError, match=r"2 values are still live at the end"):
        check(replace(plan, steps=steps))


def test_a_plan_of_another_graph_is_refused() -> None:
    plan = small_plan()
    with pytest.raises(PlanError, match=r"(?s)runs node 9, of 3.*is the plan of another graph\?"):
        check(replace(plan, steps=(Run(9),)))


def test_a_plan_that_makes_a_live_value_again_is_refused() -> None:
    plan = small_plan()
    with pytest.raises(PlanError, match=r"runs node 0 \(core::sin\) while its result is live"):
        check(replace(plan, steps=(Run(0), *plan.steps)))


def test_a_value_may_be_dropped_and_made_again_with_the_same_bits() -> None:
    plan = small_plan()
    again = replace(plan, steps=(Run(0), Drop(1), *plan.steps))
    assert check(again).recomputed == 1
    from adcore.backend import find_backend

    x = np.array([0.3, 0.7, 1.1])
    np.testing.assert_array_equal(find_backend().compile(again)(x), find_backend().compile(plan)(x))
