"""Programs that run by blocks give the bits of those that run on whole arrays, wherever their values lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import adcore as ad
from adcore.extend import Graph, Op, Run, default_plan, find_op, numbering, registry, simplify
from adcore.plan.check import check
from adcore.plan.steps import Drop, Plan
from adcore_backends.numpy.program import NumpyProgram
from adcore_backends.numpy.regions import BLOCK, LARGE, Region, regions

N = LARGE + 517  # not a whole number of blocks
CHANCE = np.random.default_rng(7)


def same_bits(plan: Plan, inputs: list[Any]) -> None:
    with np.errstate(all="ignore"):
        found, expected = NumpyProgram(plan).all(*inputs), NumpyProgram(plan, plain=True).all(*inputs)
        again = NumpyProgram(plan).all(*inputs)
    for a, b, c in zip(found, expected, again, strict=True):
        assert a.dtype == b.dtype
        assert a.tobytes() == b.tobytes() == c.tobytes()


def blocked(graph: Graph) -> list[Region]:
    return list(regions(default_plan(simplify(graph))).values())


def chain(x: Any) -> Any:
    y = x
    for k in range(7):
        y = np.where(y > 0.4, np.sin(y) * x, y + 0.1 * k)
    return y


def test_a_chain_is_one_region_and_only_its_result_is_ever_whole() -> None:
    graph = ad.trace(chain, np.ones(N))
    (region,) = blocked(graph)
    assert len(region.nodes) == len(simplify(graph).nodes)
    assert len(region.compact) == len(region.nodes) - 1
    assert region.flat
    assert region.step == BLOCK


@pytest.mark.parametrize("kind", ["primal", "vjp", "jvp"])
@pytest.mark.parametrize("n", [LARGE - 1, LARGE, LARGE + 1, N, 5 * BLOCK])
def test_blocks_have_the_bits_of_whole_arrays(kind: str, n: int) -> None:
    def f(x: Any, k: Any) -> Any:
        y = chain(x * k)
        return np.exp(-y), np.sum(y * x), y.astype(np.float32) * np.float32(2.0)

    graph = ad.trace(f, np.ones(n), 2.0)
    graph = graph if kind == "primal" else ad.differentiate(graph, kind)
    inputs = [np.asarray(CHANCE.uniform(0.1, 1.0, v.type.shape), v.type.dtype) for v in graph.inputs]
    assert bool(blocked(graph)) == (n >= LARGE)
    same_bits(default_plan(simplify(graph)), inputs)


def test_rows_are_cut_where_something_is_broadcast_along_them() -> None:
    def f(x: Any, w: Any, c: Any) -> Any:
        y = np.tanh(x * w + c)
        return (y - w) * c, np.sum(y, axis=1)

    x, w, c = np.ones((LARGE // 64 + 3, 64)), np.linspace(0.0, 1.0, 64), np.linspace(1.0, 2.0, LARGE // 64 + 3)[:, None]
    graph = ad.trace(f, x, w, c)
    (region,) = blocked(graph)
    assert not region.flat
    assert region.step == BLOCK // 64
    for made in (graph, ad.differentiate(graph, "vjp")):
        inputs = [CHANCE.normal(size=v.type.shape) for v in made.inputs]
        same_bits(default_plan(simplify(made)), inputs)


def test_strided_arrays_and_inputs_as_outputs_are_left_as_they_are() -> None:
    def f(x: Any) -> Any:
        y = np.sin(x[::2]) * x[1::2]
        z = (y * 2.0).reshape(2, -1)
        return z + z[::-1], x, (x * 2.0 + 1.0)[::-1]

    n = 4 * (N // 2)
    same_bits(default_plan(simplify(ad.trace(f, np.ones(n)))), [CHANCE.normal(size=n)])


def test_a_view_made_within_a_region_keeps_what_it_is_a_view_of() -> None:
    def f(x: Any, y: Any) -> Any:
        a = np.sin(x)
        s = np.sum(y @ y.T)  # no elementwise op: the region starts after it
        b = x * s + a.T  # the last that reads a, whose place is free from here
        c = b * b + y
        return np.cos(c) * c, s

    n = 182
    same_bits(
        default_plan(simplify(ad.trace(f, np.ones((n, n)), np.ones((n, n))))), list(CHANCE.normal(size=(2, n, n)))
    )


ELEMENTWISE = [op for op in registry().ops.values() if op.elementwise and op.name.startswith("core::")]


@pytest.mark.parametrize("op", ELEMENTWISE, ids=lambda op: op.name)
def test_an_elementwise_op_gives_the_same_bits_block_by_block(op: Op) -> None:
    for sample in op.samples:
        if sample.shapes is None or not op.out:
            continue
        low, high = sample.ranges[0] if sample.ranges else (-2.0, 2.0)
        dtypes = sample.dtypes or ("float64",) * len(sample.shapes)
        xs = [np.asarray(CHANCE.uniform(low, high, N)).astype(d) for d in dtypes]
        whole = as_tuple(op.run(*xs, **sample.params))
        parts = zip(
            *(as_tuple(op.run(*(x[i : i + BLOCK] for x in xs), **sample.params)) for i in range(0, N, BLOCK)),
            strict=True,
        )
        for blocks, y in zip(parts, whole, strict=True):
            assert np.concatenate(blocks).tobytes() == y.tobytes()


def as_tuple(x: Any) -> tuple[Any, ...]:
    return x if isinstance(x, tuple) else (x,)


# --- wherever values lie --------------------------------------------------------------------------

BINARY, UNARY = (np.add, np.multiply, np.subtract, np.maximum), (np.sin, np.negative, np.square, np.tanh)


@st.composite
def programs(draw: st.DrawFn) -> tuple[Graph, Plan]:
    """A graph of elementwise nodes, sums among them, and a plan of it that drops values early and makes some again."""
    count = draw(st.integers(4, 18))
    picks = [
        (
            draw(st.sampled_from([*BINARY, *UNARY, "sum", "float32", "row", "turned"])),
            draw(st.integers(0, 30)),
            draw(st.integers(0, 30)),
        )
        for _ in range(count)
    ]
    kept = draw(st.sets(st.integers(0, count), max_size=3))
    shape = draw(st.sampled_from([(3 * (N // 3),), (183, 183)]))

    def f(x: Any, y: Any) -> Any:
        made = [x, y]
        for op, i, j in picks:
            a, b = made[i % len(made)], made[j % len(made)]
            if op == "sum":
                made.append(a * np.sum(b))
            elif op == "float32":
                made.append(a.astype(np.float32) * b)
            elif op == "turned":
                made.append(a.T * b)
            elif op == "row":
                made.append(a.reshape(-1, 3)[:, 1:2].reshape(-1)[0] + b)
            else:
                made.append(op(a, b) if op in BINARY else op(a))
        return (made[-1], *(made[k % len(made)] for k in sorted(kept)))

    graph = simplify(ad.trace(f, np.ones(shape), np.ones(shape)))
    plan = default_plan(graph)
    shared = {node.inputs[0] for node in graph.nodes if find_op(node.op).view is not None}
    again = {
        numbering(graph)[v]: i
        for i, node in enumerate(graph.nodes)
        for v in node.outputs
        if set(node.inputs) <= set(graph.inputs) and v not in shared
    }
    steps: list[Any] = []
    for step in plan.steps:  # what is dropped may be made again, and dropped again, at once
        steps.append(step)
        if isinstance(step, Drop) and step.value in again and draw(st.booleans()):
            steps += [Run(again[step.value]), Drop(step.value)]
    return graph, Plan(graph, tuple(steps), plan.bodies)


@settings(max_examples=60, deadline=None)
@given(programs(), st.integers(0, 2**32 - 1))
def test_blocks_never_write_over_what_is_still_read(made: tuple[Graph, Plan], seed: int) -> None:
    graph, plan = made
    check(plan)
    rng = np.random.default_rng(seed)
    same_bits(plan, [rng.normal(size=v.type.shape) for v in graph.inputs])
