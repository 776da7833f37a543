"""Laws that every program obeys, run over the zoo: batches, parts of questions, third order, files."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from zoo import MIXED, ZOO, Program

import adcore as ad
from adcore.testing import check_grads
from adcore.testing.measure import same_bits
from adcore.transform.vmap import vmap
from adcore.tree import flatten, unflatten

PROGRAMS = [*ZOO, *MIXED]
programs = pytest.mark.parametrize("p", PROGRAMS, ids=repr)
SIZE = 3


def traced(p: Program) -> Any:
    return ad.trace(p.f, *p.args, **p.kwargs)


def inputs(p: Program, seed: int = 0) -> list[Any]:
    """The inputs of a program, floats moved a little, so that no kink is passed."""
    rng = np.random.default_rng(seed)
    found = [np.asarray(x) for x in flatten((p.args, p.kwargs))[0]]
    return [
        np.asarray(x + 1e-3 * seed * rng.normal(size=x.shape), x.dtype) if x.dtype.kind in "fc" else x for x in found
    ]


def close(a: Any, b: Any, p: Program) -> None:
    single = any(v.dtype in (np.float32, np.complex64) for v in inputs(p))
    assert a.dtype == b.dtype
    np.testing.assert_allclose(a, b, rtol=1e-4 if single else 1e-10, atol=1e-5 if single else 1e-11)


def seeds(graph: Any, n: int, rng: Any) -> list[Any]:
    return [np.asarray(rng.normal(size=v.type.shape)).astype(v.type.dtype) for v in graph.inputs[n:]]


@programs
@pytest.mark.parametrize("kind", ["primal", "jvp", "vjp"])
def test_a_batch_is_a_loop(p: Program, kind: str) -> None:
    graph = traced(p)
    n = len(graph.inputs)
    if kind != "primal":
        graph = ad.differentiate(graph, kind)
    rng = np.random.default_rng(1)
    lanes = [[*inputs(p, k), *seeds(graph, n, rng)] for k in range(SIZE)]
    batched = vmap(graph, [True] * len(graph.inputs), SIZE)
    found = batched.compile().all(*(np.stack(column) for column in zip(*lanes, strict=True)))
    alone = [graph.compile().all(*lane) for lane in lanes]
    for y, zs in zip(found, zip(*alone, strict=True), strict=True):
        close(y, np.stack(zs), p)


@programs
def test_a_part_of_a_question_has_a_part_of_the_answer(p: Program) -> None:
    graph = traced(p)
    of = [n for n, v in zip(graph.output_names, graph.outputs, strict=True) if v.type.differentiable]
    names = [n for n, v in zip(graph.input_names, graph.inputs, strict=True) if v.type.differentiable]
    rng = np.random.default_rng(2)
    whole = ad.differentiate(graph, "vjp")
    xs, bars = inputs(p), seeds(whole, len(graph.inputs), rng)
    full = dict(zip(whole.output_names, whole.compile().all(*xs, *bars), strict=True))
    for name in names:
        part = ad.differentiate(graph, "vjp", wrt=name)
        found = dict(zip(part.output_names, part.compile().all(*xs, *bars), strict=True))
        assert list(found) == [*graph.output_names, *(n for n in full if n not in graph.output_names and n in found)]
        for key, value in found.items():
            close(value, full[key], p)
    for chosen in of:
        part = ad.differentiate(graph, "vjp", of=[graph.output_names.index(chosen)])
        only = [b if n == chosen else np.zeros_like(b) for n, b in zip(of, bars, strict=True)]
        wanted = whole.compile().all(*xs, *only)[len(graph.outputs) :]
        found = part.compile().all(*xs, bars[of.index(chosen)])[len(graph.outputs) :]
        for a, b in zip(found, wanted, strict=True):
            close(a, b, p)


SMOOTH = [p for p in ZOO if p.name not in ("single_precision", "pendulum", "regions_in_regions")]


@pytest.mark.parametrize("p", SMOOTH, ids=repr)
def test_derivatives_of_third_order_agree_with_differences(p: Program) -> None:
    check_grads(lambda *args: p.f(*copy.deepcopy(args)), p.args, order=2, modes=("fwd",))
    leaves, tree = flatten(p.args)
    along = unflatten(tree, [np.ones(np.shape(x)) for x in leaves])
    first = lambda *args: ad.jvp(p.f, args, along)[1]
    second = lambda *args: ad.jvp(first, args, along)[1]
    check_grads(second, p.args, order=1, rtol=1e-6)


@programs
def test_a_saved_graph_and_its_derivative_give_the_same_bits(p: Program) -> None:
    graph = traced(p)
    again = ad.loads(graph.dumps())
    assert again.identity == graph.identity
    rng = np.random.default_rng(3)
    for kind in ("jvp", "vjp"):
        before, after = ad.differentiate(graph, kind), ad.differentiate(again, kind)
        assert before.identity == after.identity
        arrays = [*inputs(p), *seeds(before, len(graph.inputs), rng)]
        for y, z in zip(before.compile().all(*arrays), after.compile().all(*arrays), strict=True):
            assert same_bits(y, z)
