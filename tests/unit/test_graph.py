"""The law of graphs: every way to break it, and the queries and prints of a graph."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import adcore as ad
from adcore.errors import GraphError, OpError, UnknownOpError
from adcore.graph import Check, Graph, Node, Value, affected, check, kept, letters, live_nodes, numbering, values
from adcore.registry import check_node
from adcore.transform.simplify import simplify
from adcore.transform.splice import derived_name, pruned, unique
from adcore.tree import LEAF, Tree
from adcore.types import Dim, Trail, Type, tangent_type, type_of

FLOAT = Type(np.dtype(float), (3,))


def example() -> Graph:
    return ad.trace(lambda x: (np.sin(x) * x, np.sum(x)), np.ones(3))


def looped() -> Graph:
    return ad.trace(lambda c, xs: ad.scan(lambda c, x: (np.sin(c) * x, c), c, xs), 1.0, np.ones(5))


def with_nodes(graph: Graph, *nodes: Node) -> Graph:
    return replace(graph, nodes=nodes)


# --- broken graphs ---------------------------------------------------------------------------------


def swapped(g: Graph) -> Graph:
    return with_nodes(g, g.nodes[1], g.nodes[0], *g.nodes[2:])


def missing_node(g: Graph) -> Graph:
    return with_nodes(g, *g.nodes[:2])


def node_twice(g: Graph) -> Graph:
    return with_nodes(g, *g.nodes, g.nodes[0])


def input_assigned_by_a_node(g: Graph) -> Graph:
    return with_nodes(g, *g.nodes, Node("core::sin", (g.inputs[0],), {}, (g.inputs[0],)))


def input_twice(g: Graph) -> Graph:
    tree = Tree("tuple", (), (Tree("tuple", (), (LEAF, LEAF)), Tree("dict")))
    return replace(g, inputs=(g.inputs[0], g.inputs[0]), input_names=("x", "z"), in_tree=tree)


def constant_of_another_type(g: Graph) -> Graph:
    return replace(g, constants={Value(FLOAT): np.ones(2)})


def names_twice(g: Graph) -> Graph:
    return replace(g, output_names=("y", "y"))


def too_few_names(g: Graph) -> Graph:
    return replace(g, input_names=())


def tree_with_other_leaves(g: Graph) -> Graph:
    return replace(g, out_tree=LEAF)


def check_of_a_float(g: Graph) -> Graph:
    return replace(g, checks=(Check(g.outputs[1], "positive"),))


def check_of_a_stranger(g: Graph) -> Graph:
    return replace(g, checks=(Check(Value(Type(np.dtype(bool), ())), "positive"),))


def shown_value_of_a_stranger(g: Graph) -> Graph:
    flag = Value(Type(np.dtype(bool), ()))
    g = with_nodes(g, *g.nodes, Node("core::isnan", (g.outputs[1],), {}, (flag,)))
    return replace(g, checks=(Check(flag, "{0}", (Value(FLOAT),)),))


def report_of_a_stranger(g: Graph) -> Graph:
    return replace(g, reports=(("steps", Value(FLOAT)),))


def trail_as_output(g: Graph) -> Graph:
    trail = Value(Trail((Type(np.dtype(float), ()),), 3))
    node = Node("core::zero_trail", (), {"types": trail.type.record, "length": 3}, (trail,))  # type: ignore[union-attr]
    return replace(g, nodes=(*g.nodes, node), outputs=(g.outputs[0], trail))


NAME = "in graph <lambda>$"
AT_3 = r"^a value of type float64\[3\] is assigned twice\n  at node 3 \(core::sin\), "
AT_0 = r"^an input of type float64\[3\] is used before it is assigned\n  at node 0 \(core::multiply\), "
BROKEN = [
    (swapped, AT_0 + r"test_graph\.py:\d+, " + NAME),
    (missing_node, r"^an output of type float64\[\] is never assigned\n  " + NAME),
    (node_twice, AT_3 + r"test_graph\.py:\d+, " + NAME),
    (input_assigned_by_a_node, AT_3 + "source unknown, " + NAME),
    (input_twice, r"^a value of type float64\[3\] is assigned twice\n  " + NAME),
    (constant_of_another_type, r"^a constant of type float64\[2\] is declared as float64\[3\]\n  " + NAME),
    (names_twice, r"^2 outputs, 1 output names, 2 leaves of the tree\n  " + NAME),
    (too_few_names, r"^1 inputs, 0 input names, 1 leaves of the tree\n  " + NAME),
    (tree_with_other_leaves, r"^2 outputs, 2 output names, 1 leaves of the tree\n  " + NAME),
    (check_of_a_float, r"^a check needs a bool, not float64\[\]\n  " + NAME),
    (check_of_a_stranger, r"^an output of type bool\[\] is never assigned\n  " + NAME),
    (shown_value_of_a_stranger, r"^an output of type float64\[3\] is never assigned\n  " + NAME),
    (report_of_a_stranger, r"^an output of type float64\[3\] is never assigned\n  " + NAME),
    (trail_as_output, r"^a trail is never an output of a graph\n  " + NAME),
]  # fmt: skip


@pytest.mark.parametrize(("break_it", "message"), BROKEN, ids=lambda x: getattr(x, "__name__", ""))
def test_a_graph_that_breaks_the_law_is_refused(break_it: Any, message: str) -> None:
    check(example())
    with pytest.raises(GraphError, match=message):
        check(break_it(example()))


def test_a_sub_graph_that_breaks_the_law_is_refused() -> None:
    graph = looped()
    node = graph.nodes[-1]
    step = node.params["step"]
    broken = replace(node, params={**node.params, "step": with_nodes(step, *step.nodes[1:])})
    with pytest.raises(GraphError, match=r"^an (in|out)put of type float64\[\] is "):
        check(with_nodes(graph, *graph.nodes[:-1], broken))


def test_a_body_does_not_see_values_of_the_graph_around_it() -> None:
    graph = looped()
    node = graph.nodes[-1]
    step = node.params["step"]
    leaky = with_nodes(step, replace(step.nodes[0], inputs=(graph.inputs[0],)), *step.nodes[1:])
    with pytest.raises(GraphError, match=r"^an input of type float64\[\] is used before it is assigned\n  at node 0 "):
        check(with_nodes(graph, *graph.nodes[:-1], replace(node, params={**node.params, "step": leaky})))


@pytest.mark.parametrize(
    ("node", "error", "message"),
    [
        (
            Node("core::sin", (Value(FLOAT),), {}, (Value(Type(np.dtype("float32"), (3,))),)), OpError,
            r"^core::sin gives float64\[3\], not float32\[3\]\n  at source unknown$",
        ),
        (
            Node("core::sum", (Value(FLOAT),), {}, (Value(FLOAT),)), OpError,
            r"^core::sum: param axes is missing or unknown\n  it takes: axes$",
        ),
        (
            Node("core::sum", (Value(FLOAT),), {"axes": (1.5,)}, (Value(FLOAT),)), OpError,
            r"^core::sum: param axes: an int is needed, not 1\.5\n  its kind is int\*$",
        ),
        (
            Node("core::sum", (Value(FLOAT),), {"axes": (-2,)}, (Value(FLOAT),)), OpError,
            r"^core::sum cannot be applied to float64\[3\]: axes \(-2,\) are not among its 1 axes, counted ",
        ),
        (
            Node("core::sinn", (Value(FLOAT),), {}, (Value(FLOAT),)), UnknownOpError,
            r"^no op is called core::sinn\n  did you mean core::sinh?\?\n  install the plugin that brings 'core'; see ",
        ),
        (
            Node("acme::spline", (Value(FLOAT),), {}, (Value(FLOAT),)), UnknownOpError,
            r"^no op is called acme::spline\n  .*\n  install the plugin that brings 'acme'; see `adcore plugins`$",
        ),
    ],
)  # fmt: skip
def test_a_node_that_its_op_does_not_allow_is_refused(node: Node, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        check_node(node)


def test_graphs_and_nodes_never_change() -> None:
    graph = example()
    for thing, name in ((graph, "nodes"), (graph.nodes[0], "op"), (graph.outputs[0].type, "shape")):
        with pytest.raises((FrozenInstanceError, AttributeError)):
            setattr(thing, name, None)


# --- queries and print -----------------------------------------------------------------------------


def test_values_are_numbered_inputs_constants_results() -> None:
    graph = ad.trace(lambda x: x * 2.0 + x, np.ones(3))
    found = list(values(graph))
    assert found[0] is graph.inputs[0]
    assert found[1] in graph.constants
    assert found[2:] == [n.outputs[0] for n in graph.nodes]
    assert numbering(graph)[graph.outputs[0]] == 3


def test_what_a_value_reaches_and_what_it_needs() -> None:
    graph = ad.trace(lambda x, k: (x * k, np.argmax(x), k + 1.0), np.ones(3), 2.0)
    product, _, plain = graph.outputs
    assert {graph.inputs[0], product} <= affected(graph, [graph.inputs[0]])
    assert plain not in affected(graph, [graph.inputs[0]])
    assert affected(graph, [graph.inputs[1]]) == {graph.inputs[1], product, plain}
    assert [n.op for n in live_nodes(graph.nodes, [plain])] == ["core::add"]
    assert kept(graph) == graph.outputs


def test_a_graph_prints_as_its_grammar_says() -> None:
    assert str(ad.trace(lambda x, n: {"y": np.sum(x[1:] * 2.0), "n": n}, np.ones(3), 2)) == (
        "graph <lambda>(a: x float64[3], b: n int64[]) {\n"
        "  c: float64[] = 2.0\n"
        "  d: float64[2] = core::slice[start=(1,), size=(2,), step=(1,)](a)\n"
        "  e: float64[2] = core::multiply(d, c)\n"
        "  f: float64[] = core::sum[axes=(-1,)](e)\n"
        "  return y.y = f, y.n = b\n"
        "}"
    )
    assert str(ad.trace(lambda c: ad.scan(lambda c, _: (np.sin(c), None), c, None, length=3)[0], 1.0)) == (
        "graph <lambda>(a: c float64[]) {\n"
        "  b: float64[] = core::scan[step=<<lambda>>, length=3, carries=1, scanned=0, trails=(), reverse=False](a)\n"
        "    graph <lambda>(a: args0 float64[]) {\n"
        "      b: float64[] = core::sin(a)\n"
        "      return y[0] = b\n"
        "    }\n"
        "  return y = b\n"
        "}"
    )
    assert repr(example()) == "<graph <lambda>: 3 nodes, 1 inputs, 2 outputs>"


def test_letters_go_on_after_z() -> None:
    assert [letters(i) for i in (0, 25, 26, 51, 52, 701, 702)] == ["a", "z", "aa", "az", "ba", "zz", "aaa"]
    assert len({letters(i) for i in range(2000)}) == 2000


def test_names_are_made_unique_and_derived_at_their_root() -> None:
    assert unique(["a", "b", "a", "a"]) == ("a", "b", "a_", "a__")
    assert [derived_name(p, "bar") for p in ("x", "p.w", "p[0].w")] == ["x_bar", "p_bar.w", "p_bar[0].w"]


# --- simplify --------------------------------------------------------------------------------------


def test_simplify_merges_equal_nodes_and_drops_dead_ones() -> None:
    graph = ad.trace(
        lambda x: (np.sin(x) + np.sin(x), [np.cos(x)] and x.astype(float), np.reshape(x, (3,))), np.ones(3)
    )
    small = simplify(graph)
    assert [n.op for n in small.nodes] == ["core::sin", "core::add"]
    assert small.outputs[1] is small.outputs[2] is small.inputs[0]
    check(small)


def test_simplify_tells_constants_apart_by_their_bits() -> None:
    graph = ad.trace(lambda x: (x * 0.0, x * -0.0, x * 3.0, x * np.float32(3.0), x * np.True_), np.ones(3))
    assert len(simplify(graph).nodes) == len(graph.nodes)
    for y, z in zip(simplify(graph)(-np.ones(3)), graph(-np.ones(3)), strict=True):
        assert y.tobytes() == z.tobytes()


def test_pruning_keeps_what_checks_and_reports_need() -> None:
    def f(x: Any) -> Any:
        ad.check(np.sum(x) > 0, "sum {}", np.sum(x) * 2.0)
        ad.report("largest", np.max(x))
        return x * 1.0

    graph = pruned(ad.trace(f, np.ones(3)))
    assert {n.op for n in graph.nodes} == {"core::sum", "core::greater", "core::multiply", "core::max"}
    check(simplify(graph))


# --- types -----------------------------------------------------------------------------------------


def test_types_count_and_print() -> None:
    t = Type(np.dtype("complex64"), (2, 3))
    assert (t.ndim, t.size, t.nbytes, str(t), t.differentiable) == (2, 6, 48, "complex64[2,3]", True)
    assert tangent_type(Type(np.dtype("int8"), ())) is None
    trail = Trail((FLOAT, Type(np.dtype(bool), ())), 5)
    assert (trail.nbytes, str(trail), trail.differentiable) == (5 * 25, "trail[5](float64[3], bool[])", True)
    assert tangent_type(trail) == Trail((FLOAT,), 5)
    assert str(Trail((), None)) == "trail[?]()"
    assert type_of(3) == Type(np.dtype(np.int64), ())


@given(st.integers(-5, 5), st.integers(-5, 5), st.integers(-5, 5), st.integers(0, 9), st.integers(0, 9))
def test_dims_compute_as_integers_do(a: int, b: int, c: int, n: int, m: int) -> None:
    sizes = {"n": n, "m": m}
    x, y = Dim.named("n"), Dim.named("m")
    assert (a * x + b * y + c).at(sizes) == a * n + b * m + c
    assert (x - a * y - c).at(sizes) == n - a * m - c
    assert (c - x).at(sizes) == c - n
    assert a * x + b * y == b * y + x * a
    assert (x - x) == Dim((), 0)


def test_a_size_that_is_not_given_is_named() -> None:
    with pytest.raises(GraphError, match=r"^size m is not given\n  in 2\*m\+1\n  known sizes: n$"):
        (2 * Dim.named("m") + 1).at({"n": 3})


def test_what_is_neutral_to_the_bit_is_removed_and_nothing_else() -> None:
    one, zero, minus = np.float64(1.0), np.float64(0.0), np.float64(-0.0)

    def ops(f: Any, dtype: Any = float) -> list[str]:
        return [n.op.removeprefix("core::") for n in simplify(ad.trace(f, np.ones(3, dtype))).nodes]

    for f in (lambda x: x * one, lambda x: one * x, lambda x: x / one, lambda x: x**one, lambda x: x - zero,
              lambda x: minus + x, lambda x: x * np.broadcast_to(one, (3,)),
              lambda x: x * np.ones((1, 3))[0]):  # fmt: skip
        assert ops(f) == []
    assert ops(lambda x: x + zero) == ["add"]  # -0.0 + 0.0 is 0.0
    assert ops(lambda x: one / x) == ["divide"]
    assert ops(lambda x: x - minus) == ["subtract"]
    assert ops(lambda x: x * np.ones((2, 3))) == ["multiply"]  # broadcasts
    assert ops(lambda x: x * one, np.float32) == ["multiply"]  # becomes float64
    assert ops(lambda x: x * (one + 0j)) == ["multiply"]
    x = np.array([-0.0, np.nan, np.inf])
    np.testing.assert_array_equal(np.signbit(ad.trace(lambda x: x * one - zero, x)(x)), np.signbit(x))


def test_the_gradient_of_a_sum_does_not_multiply_by_ones() -> None:
    gradient = ad.differentiate(ad.trace(lambda x: np.sum(np.sin(x)), np.ones(1000)), "grad", wrt=0)
    assert [n.op for n in gradient.nodes] == ["core::cos"]
