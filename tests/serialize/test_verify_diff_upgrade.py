"""What `adcore verify`, `diff` and `upgrade` stand on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from mutants import mutant
from strategies import graphs
from zoo import ZOO

import adcore as ad
from adcore.errors import FileFormatError
from adcore.params import FLOAT, INT
from adcore.registry import REGISTRY, Op
from adcore.rules import elementwise
from adcore.serialize.diff import diff
from adcore.serialize.upgrade import upgrade
from adcore.serialize.verify import verify
from adcore.types import Type

# --- verify --------------------------------------------------------------------------------------


def test_verify_tells_what_is_in_a_file(tmp_path: Path) -> None:
    table = np.random.default_rng(0).normal(size=(100, 3))
    graph = ad.trace(
        lambda x: ad.scan(lambda c, r: (c + r @ r, None), 0.0, x + table[:1])[0], table, dims={"x": ("n", 3)}
    )
    graph.save(tmp_path / "f.adg")
    found = verify(tmp_path / "f.adg")
    assert found.identity == graph.identity
    assert (found.nodes, found.graphs, found.dims, found.requires) == (4, 2, ("n",), ("dims",))
    assert found.inputs == ("x float64[n,3]",) and found.outputs == ("y float64[]",)
    assert found.size == (tmp_path / "f.adg").stat().st_size and found.outdated == ()
    assert f"is whole: <lambda>, 4 nodes in 2 graphs, {found.size:,} bytes" in str(found)
    assert json.loads(json.dumps(found.data()))["identity"] == graph.identity


def test_verify_finds_a_flipped_bit_of_a_tensor(tmp_path: Path) -> None:
    table = np.random.default_rng(0).normal(size=100)
    ad.trace(lambda x: x * table, table).save(tmp_path / "f.adg")
    data = bytearray((tmp_path / "f.adg").read_bytes())
    data[-20] ^= 4
    (tmp_path / "f.adg").write_bytes(data)
    with pytest.raises(FileFormatError, match=r"the checksum of tensor 0 is wrong\n  .*f\.adg\n  get it again"):
        verify(tmp_path / "f.adg")


# --- diff ----------------------------------------------------------------------------------------


def changes(a: Any, b: Any, *args: Any) -> list[str]:
    found = diff(ad.trace(a, *args), ad.trace(b, *args))
    assert not found.same
    return [str(c).replace("test_verify_diff_upgrade.py", "here") for c in found.changes]


def test_diff_names_an_inserted_node_and_what_reads_it() -> None:
    def a(x: Any) -> Any:
        return np.sum(np.sin(x) * 2.0)

    def b(x: Any) -> Any:
        return np.sum(np.abs(np.sin(x)) * 2.0)

    line = b.__code__.co_firstlineno + 1
    assert changes(a, b, np.zeros(3)) == [
        f"node 1 at here:{line}:\n  + d: float64[3] = core::absolute(c)",
        f"node 1 at here:{line - 3}:\n"
        "  - d: float64[3] = core::multiply(c, b)\n  + e: float64[3] = core::multiply(d, b)",
    ]


def test_diff_looks_into_sub_graphs() -> None:
    def loop(k: float) -> Any:
        return lambda x: ad.scan(lambda c, _: (np.sin(c) * k, None), x, None, length=3)[0]

    (only,) = changes(loop(2.0), loop(3.0), np.zeros(3))
    assert only == "node 0 (core::scan).step, constant:\n  - b: float64[] = 2.0\n  + b: float64[] = 3.0"


@pytest.mark.parametrize(
    ("a", "b", "wheres"),
    [
        (lambda x: x * 2, lambda y: y * 2, ["names of the arguments", "input"]),
        (lambda x: {"u": x * 2}, lambda x: {"v": x * 2}, ["nesting of the result", "output"]),
        (lambda x: (x[0] * 2, x[1]), lambda x: (x[1] * 2, x[0]), ["node 0", "node 3"]),
    ],
)
def test_diff_names_what_goes_in_and_comes_out(a: Any, b: Any, wheres: list[str]) -> None:
    found = [c.where.partition(" at ")[0] for c in diff(ad.trace(a, np.zeros(3)), ad.trace(b, np.zeros(3))).changes]
    assert found == wheres


def test_graphs_of_one_meaning_have_no_difference_and_others_have() -> None:
    traced = [ad.trace(p.f, *p.args) for p in ZOO]
    for i, a in enumerate(traced):
        for b in traced[i:]:
            found = diff(a, b)
            assert found.same == (a.identity == b.identity) == (not found.changes)
            json.dumps(found.data())


@settings(max_examples=30)
@given(graphs(), graphs())
def test_drawn_graphs_differ_by_something_that_is_told(a: ad.Graph, b: ad.Graph) -> None:
    found = diff(a, b)
    assert found.same == (not found.changes)
    back = diff(b, a)
    assert sorted((c.before, c.after) for c in found.changes) == sorted((c.after, c.before) for c in back.changes)


def test_every_changed_meaning_is_told() -> None:
    told = 0
    for seed in range(500):
        right, data = mutant(seed)
        try:
            a, b = ad.loads(right), ad.loads(data)
        except ad.AdcoreError:
            continue
        found = diff(a, b)
        assert found.same == (a.identity == b.identity) == (not found.changes)
        told += not found.same
    assert told > 3


# --- upgrade -------------------------------------------------------------------------------------


def power(version: int, **params: Any) -> Op:
    """x to the power of a param: `n` in version 1, `exponent` in 2, `exponent` and `scale` in 3."""
    name, kinds = "old::power", {"n": INT, "exponent": FLOAT, "scale": FLOAT}

    def run(x: Any, **p: Any) -> Any:
        return p.get("scale", 1.0) * x ** p.get("exponent", p.get("n"))

    def partial(y: Any, x: Any, **p: Any) -> Any:
        return p.get("scale", 1.0) * p.get("exponent", p.get("n")) * x ** (p.get("exponent", p.get("n")) - 1)

    def infer(x: Type, **_: Any) -> Type:
        return x

    return Op(name, run, infer, elementwise(partial), {k: kinds[k] for k in params}, version, elementwise=True)


@pytest.fixture
def old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with version 1 of an op whose version here is 3."""
    first = power(1, n=3)
    monkeypatch.setitem(REGISTRY.ops, "old::power", first)
    ad.trace(lambda x: first(x, n=3) + 1.0, 2.0).save(tmp_path / "old.adg")
    monkeypatch.setitem(REGISTRY.ops, "old::power", power(3, exponent=3.0, scale=1.0))
    monkeypatch.setitem(REGISTRY.upgraders, ("old::power", 1), lambda p: {"exponent": float(p["n"])})
    monkeypatch.setitem(REGISTRY.upgraders, ("old::power", 2), lambda p: {**p, "scale": 1.0})
    return tmp_path / "old.adg"


def test_a_file_of_older_ops_is_read_through_their_upgraders(old_file: Path) -> None:
    graph = ad.load(old_file)
    assert dict(graph.nodes[0].params) == {"exponent": 3.0, "scale": 1.0}
    assert graph(2.0) == 9.0 and ad.grad(graph)(2.0) == 12.0
    assert verify(old_file).outdated[0].name == "old::power"


def test_upgrade_writes_the_file_again(old_file: Path) -> None:
    before = ad.load(old_file).identity
    done = upgrade(old_file, old_file)
    assert done.changed and done.ops == (("old::power", 1, 3),) and done.before == before
    again = verify(old_file)
    assert again.identity == done.after != before and again.outdated == ()
    assert ad.load(old_file)(2.0) == 9.0
    assert str(done).splitlines()[1] == "old::power: version 1 is now 3"
    twice = upgrade(old_file, old_file)
    assert not twice.changed and str(twice).endswith("is the same graph")
    assert json.loads(json.dumps(done.data()))["changed"] is True


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda m: m.delitem(REGISTRY.upgraders, ("old::power", 2)),
         "old::power has version 1 in the file and 3 here, and no upgrader leads there"),
        (lambda m: m.setitem(REGISTRY.ops, "old::power", power(0)), "old::power has version 1 in the file and 0 here"),
        (lambda m: m.setitem(REGISTRY.ops, "old::power", power(1, exponent=2.0)),
         r"old::power takes \(n: int\) in the file and \(exponent: float\) here, both as version 1"),
        (lambda m: m.setitem(REGISTRY.upgraders, ("old::power", 1), lambda p: p["missing"]),
         "the file is damaged: old::power version 1 cannot be upgraded: KeyError: 'missing'"),
        (lambda m: m.setitem(REGISTRY.upgraders, ("old::power", 1), lambda p: {"wrong": 1}),
         "the file is damaged: old::power: param"),
    ],
)  # fmt: skip
def test_what_cannot_be_upgraded_says_why(
    old_file: Path, monkeypatch: pytest.MonkeyPatch, break_it: Any, message: str
) -> None:
    break_it(monkeypatch)
    with pytest.raises(FileFormatError, match=f"^{message}") as caught:
        ad.load(old_file)
    assert "old.adg" in caught.value.where
