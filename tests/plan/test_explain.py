"""What a plan says about itself: the words, the rows, and that they agree with the validator."""

from __future__ import annotations

import doctest
import importlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import adcore as ad
from adcore.plan.explain import overhead, size
from adcore.plan.steps import Drop, Plan, Run, default_plan


def layers(x: Any) -> Any:
    for _ in range(5):
        x = np.tanh(x) * 1.1
    return np.sum(x)


def gradient_plan() -> Plan:
    return default_plan(ad.differentiate(ad.trace(layers, np.zeros(1009)), "grad"), "reverse", "for a test")


@pytest.mark.parametrize("module", ["adcore.plan.explain", "adcore.plan.work"])
def test_the_examples_run(module: str) -> None:
    assert doctest.testmod(importlib.import_module(module)).failed == 0


def test_the_timeline_has_a_row_per_step_and_the_peak_of_the_validator() -> None:
    plan = gradient_plan()
    rows = plan.timeline()
    assert [row["step"] for row in rows] == list(range(len(plan.steps)))
    assert max(row["during"] for row in rows) == plan.cost.live_bytes
    assert max(row["held"] for row in rows) == plan.cost.peak_bytes
    assert rows[plan.cost.binds]["during"] == plan.cost.live_bytes
    assert rows[0]["op"] == "core::tanh"
    assert rows[0]["source"].startswith("test_explain.py:")


def test_what_runs_again_is_named_and_weighed() -> None:
    plan = gradient_plan()
    again = replace(plan, steps=(Run(0), Drop(len(plan.graph.inputs) + len(plan.graph.constants)), *plan.steps))
    assert again.cost.recomputed == 1
    assert overhead(plan) == 0.0
    assert 0 < overhead(again) < 0.1
    text = again.explain()
    assert f"{overhead(again):.1%} more than running everything once; 1 runs are repetitions" in text
    assert "run             1x core::tanh at test_explain.py" in text
    assert [row["again"] for row in again.timeline()][:3] == [False, False, True]


def test_values_that_live_at_the_peak_are_grouped_by_the_line_that_made_them() -> None:
    text = gradient_plan().explain()
    assert ", 4 times" in text or ", 5 times" in text
    assert "plan of grad(layers) by reverse: for a test" in text


def test_sizes_are_written_as_people_read_them() -> None:
    assert [size(n) for n in (0, 999, 1000, 2_500_000, 3e12)] == ["0 B", "999 B", "1.0 kB", "2.5 MB", "3.0 TB"]
