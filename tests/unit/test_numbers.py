"""Programs whose small arrays are Python's own numbers give the bits of those that keep them as arrays."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo import ZOO, Program

import adcore as ad
from adcore.extend import DropValue, Graph, Op, Run, bodies, default_plan, numbering, registry, simplify
from adcore.testing.case import cases
from adcore_backends.numpy.mixed import numbers_only
from adcore_backends.numpy.numbers import REFUSED, numbers_of, on_numbers
from adcore_backends.numpy.program import NumpyProgram

WRITTEN = sorted((op for op in registry().ops.values() if op.numbers is not None), key=lambda op: op.name)


def bits(arrays: Any) -> list[tuple[Any, bytes]]:
    return [(a.dtype, a.shape, np.where(np.isnan(a), np.nan, a).tobytes()) for a in map(np.asarray, arrays)]


def both(graph: Graph, inputs: list[Any]) -> tuple[list[Any], list[Any]]:
    """What the two programs of a graph give."""
    plan = default_plan(simplify(graph))
    return bits(NumpyProgram(plan).all(*inputs)), bits(NumpyProgram(plan, plain=True).all(*inputs))


def with_negative_zeros(a: Any) -> Any:
    return np.where(a == a.flat[0], -0.0, a) if a.dtype == float and a.size else a


def some_cases(op: Op) -> list[tuple[Graph, tuple[Any, ...]]]:
    """Its samples, the same with negative zeros, and bools for what is of bools."""
    found = [(case.graph, case.arrays) for case in cases(op)]
    zeros = [
        (g, tuple(np.where(a == a.flat[0], -0.0, a) if a.dtype == float and a.size else a for a in xs))
        for g, xs in found
    ]
    if op.name.startswith("core::logical"):
        bools = (np.array([False, False, True, True]), np.array([False, True, False, True]))[: len(found[0][1])]
        found.append((ad.trace(op, *bools), bools))
    return found + zeros


@pytest.mark.parametrize("op", WRITTEN, ids=lambda op: op.name)
def test_an_op_on_numbers_has_the_bits_of_its_run(op: Op) -> None:
    seen = 0
    for graph, arrays in some_cases(op):
        run = numbers_only(graph)
        if run is None:
            continue
        seen += 1
        with np.errstate(all="ignore"):
            expected = np.asarray(op.run(*arrays, **graph.nodes[0].params))
            try:
                found = run(*(x for a in arrays for x in a.ravel().tolist()))
            except REFUSED:
                assert not np.all(np.isfinite(expected))
                continue
        again = np.array(found, expected.dtype).reshape(expected.shape)
        assert bits([again]) == bits([expected])
    assert seen


@pytest.mark.parametrize("p", ZOO, ids=repr)
@pytest.mark.parametrize("kind", ["primal", "jvp", "vjp", "hvp"])
def test_every_program_of_the_zoo_has_the_same_bits_with_and_without_numbers(p: Program, kind: str) -> None:
    graph = ad.trace(p.f, *p.args)
    if kind != "primal":
        if kind == "hvp" and (len(graph.outputs) != 1 or graph.outputs[0].type.shape):
            return
        graph = ad.differentiate(graph, kind)
    rng = np.random.default_rng(7)
    inputs = [np.asarray(rng.uniform(0.5, 1.5, v.type.shape), v.type.dtype) for v in graph.inputs]
    with np.errstate(all="ignore"):
        mixed, plain = both(graph, inputs)
    assert mixed == plain


def polynomial(x: Any) -> Any:
    a, b = x[0], x[1]
    for _ in range(3):
        a, b = a * b - x[2], np.where(a > b, a / (b - 1.0), np.sqrt(b) + np.exp(-a))
    return np.stack([a, b, np.abs(a - b)]), np.sum(x * a)


GRAPH = ad.trace(polynomial, np.ones(3))
MIXED, PLAIN = NumpyProgram(default_plan(simplify(GRAPH))), NumpyProgram(default_plan(simplify(GRAPH)), plain=True)
anything = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, -0.0, 1.0, 1e308, -1e-308])


@settings(max_examples=150, deadline=None)
@given(st.tuples(anything, anything, anything))
def test_numbers_that_python_refuses_are_left_to_numpy(x: tuple[float, float, float]) -> None:
    with np.errstate(all="ignore"):
        assert bits(MIXED.all(np.array(x))) == bits(PLAIN.all(np.array(x)))


def test_a_result_that_is_not_finite_comes_with_the_warning_of_numpy() -> None:
    assert numbers_of(GRAPH)
    for x, words in (
        ([0.3, 1.0, 2.0], "divide by zero"),
        ([1.0, -1.0, 2.0], "invalid value"),
        ([1e200, 1e200, 1.0], "overflow"),
    ):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            MIXED(np.array(x))
        assert any(words in str(w.message) for w in caught), x


def test_a_value_that_is_an_output_and_read_by_arrays_is_both() -> None:
    def f(x: Any, w: Any) -> Any:
        s = x[0] * x[1] + x[2]
        t = np.stack([s, x[1] - s])
        return s, t, w * s, t[:, None] @ t[None, :], np.reshape(t, (1, 2)) * 3.0

    graph = ad.trace(f, np.ones(3), np.ones(50))
    mixed, plain = both(graph, [np.array([0.3, 0.7, 1.1]), np.linspace(0.0, 1.0, 50)])
    assert numbers_of(simplify(graph))
    assert mixed == plain


def test_a_large_array_read_in_a_few_places_is_read_there_only() -> None:
    graph = ad.trace(lambda x: (x[3] * x[17] - x[40]) / (x[3] + 1.0) * x[17], np.ones(4000))
    plan = default_plan(simplify(graph))
    text = NumpyProgram(plan).source.text
    assert text.count(".item(") == 3
    assert ".tolist()" not in text
    mixed, plain = both(graph, [np.random.default_rng(7).normal(size=4000)])
    assert mixed == plain


def test_functions_of_python_are_used_only_where_they_have_the_bits_of_numpy() -> None:
    x = np.random.default_rng(11).normal(size=2000) * 3.0
    for ufunc in (np.sin, np.cos, np.sqrt, np.exp, np.tanh, np.log):
        values = np.abs(x) if ufunc in (np.sqrt, np.log) else x
        found = [on_numbers(ufunc)(v) for v in values.tolist()]
        assert all(type(v) is float for v in found)
        np.testing.assert_array_equal(found, ufunc(values))


def test_a_plan_that_makes_values_again_has_the_same_bits() -> None:
    graph = simplify(ad.trace(lambda x: np.sin(x[0] * x[1]) * (x[0] - x[1]) * x[2], np.ones(3)))
    plan = default_plan(graph)
    first = numbering(graph)[graph.nodes[0].outputs[0]]
    again = replace(plan, steps=(Run(0), DropValue(first), *plan.steps))
    x = np.array([0.3, 0.7, 1.1])
    assert numbers_of(graph)
    assert NumpyProgram(again)(x) == NumpyProgram(plan)(x) == NumpyProgram(plan, plain=True)(x)


@pytest.mark.parametrize("length", [0, 1, 2, 63, 64, 65, 130])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_loop_on_numbers_has_the_bits_of_one_on_arrays(length: int, reverse: bool) -> None:
    def f(c: Any, k: Any, xs: Any, ys: Any) -> Any:
        def step(carry: Any, row: Any) -> Any:
            (a, b), (x, y) = carry, row
            a = np.sin(a * k[0]) + y[1] * x
            return (a, b * 0.9 + np.stack([y[0] * a, x - k[2]])), (a, np.stack([b, y])[:, ::-1])

        (a, b), (zs, ws) = ad.scan(step, (c, np.stack([c, 1.0])), (xs, ys), length=length, reverse=reverse)
        return a, b, zs, ws

    rng = np.random.default_rng(7)
    args = (0.3, rng.normal(size=3), rng.normal(size=length), rng.normal(size=(length, 2)))
    graph = ad.trace(f, *args)
    for made in (graph, ad.differentiate(graph, "vjp"), ad.differentiate(graph, "jvp")):
        inputs = [np.asarray(rng.normal(size=v.type.shape)) for v in made.inputs]
        mixed, plain = both(made, inputs)
        assert mixed == plain
        assert all(numbers_only(body) is not None for node in made.nodes for _, body in bodies(node))


def test_a_loop_on_numbers_that_python_refuses_is_run_on_arrays() -> None:
    graph = ad.trace(lambda c, xs: ad.scan(lambda c, x: (c / x, c), c, xs), 1.0, np.ones(100))
    xs = np.ones(100)
    xs[70] = 0.0
    with np.errstate(all="ignore"):
        mixed, plain = both(graph, [np.array(1.0), xs])
    assert mixed == plain
