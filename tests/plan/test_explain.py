"""What a plan says about itself: the words, the rows, and that they agree with the validator."""

from __future__ import annotations

import doctest
import importlib
import re
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import adcore as ad
from adcore.plan import diagram
from adcore.plan.explain import overhead, size
from adcore.plan.steps import Drop, Plan, Run, default_plan
from adcore_strategies.schedules import Binomial, TwoLevel


def layers(x: Any) -> Any:
    for _ in range(5):
        x = np.tanh(x) * 1.1
    return np.sum(x)


def gradient_plan() -> Plan:
    return default_plan(ad.differentiate(ad.trace(layers, np.zeros(1009)), "grad"), "reverse", "for a test")


@pytest.mark.parametrize(
    "module", ["adcore.plan.explain", "adcore.plan.work", "adcore.plan.arena", "adcore.plan.diagram"]
)
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
    assert f"{overhead(again):.1%} more than running everything once; 1 repetition" in text
    assert "run             1x core::tanh at test_explain.py" in text
    assert [row["again"] for row in again.timeline()][:3] == [False, False, True]


def test_values_that_live_at_the_peak_are_grouped_by_the_line_that_made_them() -> None:
    text = gradient_plan().explain()
    assert ", 4 times" in text or ", 5 times" in text
    assert "plan of grad(layers) by reverse: for a test" in text


def test_sizes_are_written_as_people_read_them() -> None:
    assert [size(n) for n in (0, 999, 1000, 2_500_000, 3e12)] == ["0 B", "999 B", "1.0 kB", "2.5 MB", "3.0 TB"]


# --- budgets and loops -----------------------------------------------------------------------------


def looped(x: Any) -> Any:
    y, _ = ad.scan(lambda y, _: (y + 0.1 * np.sin(y), None), x, None, length=300)
    return np.sum(y)


def test_a_budget_its_loops_and_what_more_memory_would_buy_are_told() -> None:
    graph = ad.differentiate(ad.trace(looped, np.zeros(1009)), "grad")
    text = ad.plan(graph, "checkpointed", memory="300 kB").explain()
    assert "\n  budget    300.0 kB\n  peak      " in text
    assert re.search(r"loop of <lambda>: 300 steps in [\d,]+ \((mixed|binomial)\); ", text)
    assert re.search(r"\d+ snapshots of 8\.1 kB, \d+ records of 8\.1 kB", text)
    found = re.search(
        r"more +a tenth more memory, 330\.0 kB, would take ([\d.]+)% more work in place of ([\d.]+)%", text
    )
    assert found is not None
    assert float(found[1]) < float(found[2])


def test_a_trail_under_a_schedule_counts_with_what_it_keeps() -> None:
    graph = ad.differentiate(ad.trace(looped, np.zeros(1009)), "grad")
    text = ad.plan(graph, "checkpointed", snapshots=3).explain()
    assert re.search(r"32\.\d kB +core::scan of <lambda> at test_explain.py:\d+, result 1", text)


def test_the_diagram_of_a_schedule_has_a_line_per_action_and_a_column_per_step() -> None:
    lines = diagram.text(Binomial(2), 6).splitlines()
    assert lines[0].strip() == "0..5"
    assert lines[1:5] == ["Save     o", "Advance  >>>", "Save     o  o", "Advance  o  >>"]
    assert lines[-1] == f"{Binomial(2).forward_steps(6)} forward steps for 6, at most 2 snapshots"
    many = diagram.text(Binomial(4), 1000, most=10).splitlines()
    assert "13 steps a column" in many[0]
    assert many[-2].startswith("... and")
    assert max(map(len, many)) < 100


def test_the_picture_of_a_schedule_draws_every_action() -> None:
    import xml.etree.ElementTree as ET

    picture = diagram.svg(TwoLevel(2, 3), 40)
    paths = {e.get("class"): e.get("d", "").count("M") for e in ET.fromstring(picture).iter() if e.tag.endswith("path")}
    actions = Counter(type(a).__name__ for a in TwoLevel(2, 3).actions(40))
    assert (paths["advance"], paths["tape"], paths["back"]) == (actions["Advance"], actions["Tape"], actions["Back"])
    assert paths["memory"] + paths["disk"] == actions["Drop"] == actions["Save"]
    assert paths["turn"] == 1
    assert ET.fromstring(diagram.svg(Binomial(1), 0)) is not None
