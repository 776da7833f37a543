"""Plans as bytes: the same steps again, for the graph that they were made for and no other."""

from __future__ import annotations

import hashlib
from typing import Any

import msgpack
import numpy as np
import pytest
from zoo import ZOO, Program

import adcore as ad
import adcore.extend
from adcore.errors import FileFormatError, PlanError
from adcore.plan.schedule import Whole
from adcore.serialize.plans import MAGIC


@pytest.mark.parametrize("kind", [None, "vjp"])
@pytest.mark.parametrize("program", ZOO, ids=repr)
def test_a_read_plan_is_the_written_one(program: Program, kind: str | None) -> None:
    graph = ad.trace(program.f, *program.args)
    graph = graph if kind is None else ad.differentiate(graph, kind)
    plan = ad.plan(graph)
    data = plan.dumps()
    again = ad.Plan.loads(data, ad.loads(graph.dumps()))
    assert again.dumps() == data
    assert again.steps == plan.steps and again.cost == plan.cost
    assert (again.strategy, again.reason) == (plan.strategy, plan.reason)
    xs = [np.asarray(np.full(v.type.shape, 0.3, v.type.dtype)) for v in graph.inputs]
    for a, b in zip(graph.compile(plan=plan).all(*xs), graph.compile(plan=again).all(*xs), strict=True):
        assert a.tobytes() == b.tobytes()


def looped(x: Any) -> Any:
    return np.sum(ad.scan(lambda c, _: (np.sin(c) * 1.1, None), x, None, length=50)[0])


def test_schedules_of_trails_are_kept() -> None:
    graph = ad.differentiate(ad.trace(looped, np.zeros(3)), "vjp")
    plan = ad.plan(graph)
    number = next(
        i for i, v in enumerate(ad.extend.values(plan.graph)) if isinstance(v.type, ad.extend.Trail)
    )  # fmt: skip
    marked = ad.Plan(plan.graph, plan.steps, plan.bodies, {number: Whole()}, "reverse", "by hand")
    again = ad.Plan.loads(marked.dumps(), graph)
    assert again.trails == {number: Whole()} and again.reason == "by hand"


def test_a_plan_of_another_graph_is_refused() -> None:
    plan = ad.plan(ad.trace(lambda x: np.sin(x) * x, 1.0))
    other = ad.trace(lambda x: np.cos(x) * x, 1.0)
    message = r"the plan is for another graph, \w{12}\.\.\.\n  graph <lambda> is \w{12}\.\.\.\n  load the graph"
    with pytest.raises(PlanError, match=f"^{message}"):
        ad.Plan.loads(plan.dumps(), other)


def sealed(value: Any) -> bytes:
    body: bytes = msgpack.packb(value)
    return MAGIC + hashlib.sha256(body).digest() + body


def test_damaged_plans_end_in_an_error_of_ours() -> None:
    graph = ad.differentiate(ad.trace(looped, np.zeros(3)), "vjp")
    data = ad.plan(graph).dumps()
    rng = np.random.default_rng(5)
    for _ in range(300):
        broken = bytearray(data)
        broken[rng.integers(len(data))] ^= 1 << rng.integers(8)
        with pytest.raises(FileFormatError):
            ad.Plan.loads(bytes(broken[: rng.integers(1, len(data) + 1)]), graph)
    value = msgpack.unpackb(data[40:])
    for _ in range(300):
        plan = value[4][rng.integers(len(value[4]))]
        steps = plan[0]
        i = int(rng.integers(len(steps)))
        kept = list(steps)
        steps[i] = [int(rng.integers(-40, 40)), "x", None, 2**62, steps[i - 1]][int(rng.integers(5))]
        try:
            again = ad.Plan.loads(sealed(value), graph)
        except (PlanError, FileFormatError):
            pass
        else:
            assert again.dumps() == sealed(value)  # another plan that is right
        plan[0][:] = kept
