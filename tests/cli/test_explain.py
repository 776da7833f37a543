"""The tables of both modes, for the worked example and for every program of the zoo."""

from __future__ import annotations

import json

import numpy as np
import pytest

import adcore as ad
from adcore.errors import InputError
from adcore.evaluate import leaves_of
from adcore.explain import explain, explain_leaves
from adcore.testing.programs import PROGRAMS

F = lambda x1, x2: x1 * x2 + np.sin(x1)


def test_the_worked_example_has_all_rows_in_both_modes():
    forward, reverse = (explain(F, 2.0, 3.0, mode=mode) for mode in ("forward", "reverse"))
    rows = {r.node: (r.expression, float(r.value), *map(float, r.tangents)) for r in forward.rows}
    assert rows == {
        "x1": ("input", 2.0, 1.0, 0.0),
        "x2": ("input", 3.0, 0.0, 1.0),
        "v1": ("x1 * x2", 6.0, 3.0, 2.0),
        "v2": ("sin(x1)", np.sin(2.0), np.cos(2.0), 0.0),
        "v3": ("v1 + v2", 6.0 + np.sin(2.0), 3.0 + np.cos(2.0), 2.0),
    }
    how = [(r.node, float(r.cotangent), [p.expression for p in r.paths]) for r in reverse.rows]
    assert how == [
        ("v3", 1.0, ["seed"]),
        ("v2", 1.0, ["v3_bar"]),
        ("v1", 1.0, ["v3_bar"]),
        ("x1", 3.0 + np.cos(2.0), ["v2_bar * cos(x1)", "v1_bar * x2"]),
        ("x2", 2.0, ["v1_bar * x1"]),
    ]
    assert "(sum of 2 paths: -0.4161468 + 3)" in str(reverse) and "(sum of 2 paths" in reverse.markdown()
    for found in (forward, reverse):
        assert dict(found.results) == {"y": 6.0 + np.sin(2.0), "dy/dx1": 3.0 + np.cos(2.0), "dy/dx2": 2.0}
        assert json.loads(json.dumps(found.data()))["results"]["dy/dx1"] == 3.0 + np.cos(2.0)


@pytest.mark.parametrize("program", [p for p in PROGRAMS if p.scalar], ids=lambda p: p.name)
def test_the_tables_of_every_program_end_in_its_gradient(program):
    graph = ad.trace(program.f, *program.args)
    leaves = [np.asarray(x) for x in leaves_of(graph, program.args, {})]
    wanted = ad.differentiate(graph, "grad")
    bars = dict(zip(wanted.output_names, wanted.compile().all(*leaves), strict=True))
    reverse = explain_leaves(graph, leaves, "reverse")
    found = {name.rpartition("/d")[2]: value for name, value in reverse.results if "/d" in name}
    for name, bar in bars.items():
        np.testing.assert_allclose(found[name.replace("_bar", "")], bar, rtol=1e-6)
    for row in reverse.rows:
        total = sum((np.asarray(p.value, dtype=np.float64) for p in row.paths), 0.0)
        np.testing.assert_allclose(total, row.cotangent, rtol=1e-5, atol=1e-12)
    forward = explain_leaves(graph, leaves, "forward")
    moved = sum(float(np.sum(b)) for b in bars.values())
    passes = [value for name, value in forward.results if "/d" in name]
    assert float(np.sum(passes)) == pytest.approx(moved, rel=1e-5)
    assert str(forward) and forward.markdown() and json.dumps(forward.data())


def test_seeds_are_taken_and_a_wrong_one_is_told():
    assert dict(explain(F, 2.0, 3.0, seeds={"y": 10.0}).results)["dy/dx2"] == 20.0
    along = explain(F, 2.0, 3.0, mode="forward", seeds={"x1": 1.0, "x2": -1.0})
    assert dict(along.results)["dy/dt"] == pytest.approx(3.0 + np.cos(2.0) - 2.0)
    with pytest.raises(InputError, match="no seed is called 'z'\n  seeds are of y"):
        explain(F, 2.0, 3.0, seeds={"z": 1.0})
    with pytest.raises(InputError, match=r"the seed of y has shape \(2,\), its value float64\[\]"):
        explain(F, 2.0, 3.0, seeds={"y": np.ones(2)})
    with pytest.raises(InputError, match="no mode is called 'sideways'"):
        explain(F, 2.0, 3.0, mode="sideways")


def test_only_what_is_asked_for_is_told():
    found = explain(F, 2.0, 3.0, wrt="x2")
    assert [r.node for r in found.rows] == ["v3", "v1", "x2"] and dict(found.results).keys() == {"y", "dy/dx2"}
    one = explain(F, 2.0, 3.0, mode="forward", wrt=0)
    assert one.passes == ("d/dx1",)


def test_a_value_that_is_used_twice_by_one_node_is_a_sum_of_two_paths():
    found = explain(lambda x: x * x, 3.0)
    assert [float(p.value) for p in found.rows[-1].paths] == [3.0, 3.0]
    assert "sum of 2 paths: 3 + 3" in str(found)
