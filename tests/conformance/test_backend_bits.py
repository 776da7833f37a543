"""A compiled program gives the bits of its nodes run one by one, for random expressions at special values.

The interpreter here is the meaning of a graph: each op's `run` on C-contiguous arrays and declared views.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo import ZOO, Program

import adcore as ad
from adcore.graph import Graph, bodies
from adcore.testing.measure import interpreted, same_bits
from adcore.transform.simplify import simplify
from adcore.tree import flatten

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def agree(graph: Graph, inputs: list[Any]) -> None:
    small = simplify(graph)
    with np.errstate(all="ignore"):
        wanted = interpreted(small, inputs)
        found = small.compile().all(*inputs)
    for y, z, name in zip(found, wanted, graph.output_names, strict=True):
        assert same_bits(y, z), f"{name}: {y} in place of {z}"


special = st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.0, np.inf, -np.inf, np.nan, 1e308, -1e-310, 710.0, 0.1, 3.0, -2.5])
numbers = special | st.floats(-4, 4)
UNARY = ["exp", "sin", "sqrt", "abs", "negative", "square", "tanh", "log", "reciprocal", "floor", "expm1", "sign"]
BINARY = ["add", "subtract", "multiply", "divide", "maximum", "minimum", "power", "hypot", "arctan2", "logaddexp"]
expressions = st.lists(
    st.one_of(
        st.tuples(st.just("unary"), st.sampled_from(UNARY), st.integers(0, 9)),
        st.tuples(st.just("binary"), st.sampled_from(BINARY), st.integers(0, 9), st.integers(0, 9)),
        st.tuples(st.just("where"), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)),
        st.tuples(st.just("item"), st.integers(0, 9), st.integers(0, 2)),
        st.tuples(st.just("sum"), st.integers(0, 9)),
        st.tuples(st.just("stack"), st.integers(0, 9), st.integers(0, 9)),
        st.tuples(st.just("scaled"), st.integers(0, 9), numbers),
        st.tuples(st.just("matvec"), st.integers(0, 9)),
    ),
    min_size=2,
    max_size=12,
)


def compute(script: list[Any], a: Any, b: Any, c: Any) -> Any:
    known = [a, b, c]
    for verb, *rest in script:
        x = known[rest[-1 if verb in ("unary", "binary") else 0] % len(known)]
        if verb == "unary":
            known.append(getattr(np, rest[0])(x))
        elif verb == "binary":
            known.append(getattr(np, rest[0])(known[rest[1] % len(known)], x))
        elif verb == "where":
            y, z = known[rest[1] % len(known)], known[rest[2] % len(known)]
            known.append(np.where(x > 0.5, y, z))
        elif verb == "item":
            known.append(x[rest[1] % x.shape[0]] if x.ndim else x)
        elif verb == "sum":
            known.append(np.sum(x))
        elif verb == "stack":
            y = known[rest[1] % len(known)]
            known.append(np.stack([np.sum(x), np.sum(y), c]))
        elif verb == "scaled":
            known.append(x * rest[1] + 1.0)
        else:
            known.append(np.arange(9.0).reshape(3, 3) @ x if x.shape == (3,) else x)
    return known[-1], known[-2]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(expressions, st.lists(numbers, min_size=5, max_size=5))
def test_an_expression_and_its_derivatives_have_the_bits_of_their_nodes(script: list[Any], values: list[float]) -> None:
    inputs = [np.array(values[:3]), np.array(values[3]), np.array(values[4])]
    graph = ad.trace(lambda a, b, c: compute(script, a, b, c), *inputs)
    agree(graph, inputs)
    rng = np.random.default_rng(0)
    for kind in ("jvp", "vjp"):
        derived = ad.differentiate(graph, kind)
        seeds = [np.asarray(rng.normal(size=v.type.shape)) for v in derived.inputs[3:]]
        agree(derived, [*inputs, *seeds])


def _plain(graph: Graph) -> bool:
    return not any(True for node in graph.nodes for _ in bodies(node)) and not graph.checks


@pytest.mark.parametrize("p", ZOO, ids=repr)
def test_the_zoo_has_the_bits_of_its_nodes(p: Program) -> None:
    graph = ad.trace(p.f, *p.args)
    inputs = [np.asarray(x) for x in flatten(p.args)[0]]
    rng = np.random.default_rng(0)
    for made in (graph, ad.differentiate(graph, "vjp"), ad.differentiate(graph, "jvp")):
        if _plain(made):
            seeds = [np.asarray(rng.normal(size=v.type.shape), v.type.dtype) for v in made.inputs[len(inputs) :]]
            agree(made, [*inputs, *seeds])
