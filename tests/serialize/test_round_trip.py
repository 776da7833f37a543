"""A graph that was saved and read again: the same meaning, the same bits, the same derivatives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from zoo import ZOO, Program

import adcore as ad
from adcore.serialize import decode, encode
from adcore.tree import flatten

KINDS = [None, "vjp", "jvp"]


def traced(program: Program, kind: str | None) -> ad.Graph:
    graph = ad.trace(program.f, *program.args)
    return graph if kind is None else ad.differentiate(graph, kind)


def inputs(graph: ad.Graph) -> list[Any]:
    rng = np.random.default_rng(7)
    return [np.asarray(rng.normal(size=v.type.shape)).astype(v.type.dtype) for v in graph.inputs]


def assert_same_bits(xs: Any, ys: Any) -> None:
    for x, y in zip(xs, ys, strict=True):
        assert x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("program", ZOO, ids=repr)
def test_a_read_graph_is_the_written_one(program: Program, kind: str | None) -> None:
    graph = traced(program, kind)
    data = graph.dumps()
    again = ad.loads(data)
    assert again.dumps() == data
    assert again.identity == graph.identity == encode(again).identity
    assert str(again) == str(graph)
    xs = inputs(graph)
    assert_same_bits(graph.compile().all(*xs), again.compile().all(*xs))


@pytest.mark.parametrize("program", ZOO, ids=repr)
def test_derivatives_of_a_read_graph_are_those_of_the_written_one(program: Program) -> None:
    graph = ad.trace(program.f, *program.args)
    again = ad.loads(graph.dumps())
    for kinds in (("vjp",), ("jvp", "vjp"), ("vjp", "vjp")):
        one, two = graph, again
        for kind in kinds:
            one, two = ad.differentiate(one, kind), ad.differentiate(two, kind)
        assert one.identity == two.identity
        xs = inputs(one)
        assert_same_bits(one.compile().all(*xs), two.compile().all(*xs))


def test_a_saved_graph_is_called_as_the_function_was(tmp_path: Path) -> None:
    def f(params: Any, *, scale: Any = 2.0) -> Any:
        return {"y": params["w"] @ params["x"] * scale, "w": params["w"][0]}

    params = {"w": np.arange(6.0).reshape(2, 3), "x": np.array([1.0, 0.5, 0.25])}
    graph = ad.trace(f, params, scale=3.0)
    graph.save(tmp_path / "f.adg")
    again = ad.load(tmp_path / "f.adg")
    found, wanted = again(params, scale=3.0), graph(params, scale=3.0)
    assert list(found) == ["y", "w"]
    assert_same_bits(flatten(found)[0], flatten(wanted)[0])
    assert ad.grad(lambda p: np.sum(again(p, scale=1.5)["y"]))(params)["x"].shape == (3,)


def test_a_record_without_its_class_is_a_namespace() -> None:
    (program,) = [p for p in ZOO if p.name == "record_in_record_out"]
    again = ad.loads(ad.trace(program.f, *program.args).dumps())
    state = again.in_tree.children[0].children[0]
    assert state.name == "State" and state.keys == ("position", "speed")
    found = again(*program.args)
    assert type(found).__name__ == "SimpleNamespace"
    assert found.position.shape == (3,)


def test_names_of_intermediates_and_sources_do_not_change_the_identity() -> None:
    def f(x: Any) -> Any:
        return np.sin(x) * x

    def g(x: Any) -> Any:
        y = np.sin(x)
        return y * x

    one, two = ad.trace(f, 1.0), ad.trace(g, 1.0)
    assert one.nodes[0].source != two.nodes[0].source and one.name != two.name
    assert one.identity == two.identity
    assert ad.trace(lambda z: np.sin(z) * z, 1.0).identity != one.identity  # the name of an argument is meant
    assert ad.trace(f, np.float32(1.0)).identity != one.identity
    assert ad.trace(lambda x: x * np.sin(x), 1.0).identity != one.identity


def test_equal_sub_graphs_are_kept_once() -> None:
    def f(x: Any) -> Any:
        for _ in range(5):
            x = ad.region(lambda x: np.tanh(x) * 1.5, name="block")(x)
        return x

    again = ad.loads(ad.trace(f, np.zeros(3)).dumps())
    bodies = {id(node.params["graph"]) for node in again.nodes}
    assert len(again.nodes) == 5 and len(bodies) == 1


def test_where_a_node_was_written_is_kept_relative() -> None:
    def f(x: Any) -> Any:
        return np.sin(x)

    again = ad.loads(ad.trace(f, 1.0).dumps())
    source = again.nodes[0].source
    assert source is not None and source.line == f.__code__.co_firstlineno + 1
    assert source.file in ("tests/serialize/test_round_trip.py", "test_round_trip.py")
    assert str(source) == f"test_round_trip.py:{source.line}"


def test_large_constants_are_mapped_and_cannot_be_written_to(tmp_path: Path) -> None:
    table = np.random.default_rng(1).normal(size=(500, 101))
    graph = ad.trace(lambda x: table @ x + table[0, 0], np.zeros(101))
    graph.save(tmp_path / "f.adg")
    again = ad.load(tmp_path / "f.adg")
    (kept,) = [a for a in again.constants.values() if a.size > 8]
    assert not kept.flags.owndata and not kept.flags.writeable and kept.ctypes.data % 64 == 0
    x = np.linspace(0, 1, 101)
    assert_same_bits([graph(x)], [again(x)])
    with pytest.raises(ValueError, match="read-only"):
        kept[0, 0] = 1.0


@pytest.mark.parametrize("value", [-0.0, np.nan, np.inf, 5e-324])
def test_constants_keep_their_bits(value: float) -> None:
    payload = np.array([value, np.frombuffer(b"\x01\x00\x00\x00\x00\x00\xf4\x7f")[0]])
    again = ad.loads(ad.trace(lambda x: x * payload, np.zeros(2)).dumps())
    (kept,) = again.constants.values()
    assert kept.tobytes() == payload.tobytes()


def test_saving_over_a_file_leaves_graphs_that_were_read_from_it(tmp_path: Path) -> None:
    table = np.random.default_rng(1).normal(size=101)
    path = tmp_path / "f.adg"
    ad.trace(lambda x: x * table, np.zeros(101)).save(path)
    first = ad.load(path)
    ad.trace(lambda x: x * (table + 1), np.zeros(101)).save(path)
    assert_same_bits([first(np.ones(101))], [table])
    assert_same_bits([ad.load(path)(np.ones(101))], [table + 1])
    assert [p.name for p in tmp_path.iterdir()] == ["f.adg"]


def test_decode_takes_memory_that_it_does_not_copy() -> None:
    table = np.random.default_rng(1).normal(size=101)
    data = ad.trace(lambda x: x * table, np.zeros(101)).dumps()
    (kept,) = decode(data, "here").constants.values()
    start = np.frombuffer(data, np.uint8).ctypes.data
    assert start <= kept.ctypes.data < start + len(data)
