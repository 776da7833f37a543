"""Files of earlier versions, kept as they were written: they are read for ever, and mean what they meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden.write import arrays, inputs, numbers

import adcore as ad
from adcore.serialize.container import MAJOR, MINOR
from adcore.serialize.shard import read
from adcore.serialize.upgrade import upgrade
from adcore.serialize.verify import verify

GOLDEN = Path(__file__).parent / "golden"
EXPECTED: dict[str, Any] = json.loads((GOLDEN / "expected.json").read_text())
GRAPHS, PLANS, SHARDS = ([name for name in EXPECTED if name.endswith(end)] for end in (".adg", ".plan", ".shard"))
BY_ITSELF = 1e-12
"""How far outputs may be from those that were recorded: NumPy and its BLAS are other ones elsewhere."""
ADAPTIVE = 1e-6
"""And where steps are chosen by an error, which such a difference may move."""


def test_every_golden_file_is_known() -> None:
    kept = [path.name for path in GOLDEN.iterdir() if path.suffix in (".adg", ".plan", ".shard")]
    assert sorted(kept) == sorted(EXPECTED)


def tolerance(name: str) -> float:
    return ADAPTIVE if "_ode_" in name or "decay" in name else BY_ITSELF


@pytest.mark.parametrize("name", GRAPHS)
def test_a_golden_file_means_what_it_meant(name: str) -> None:
    found = verify(GOLDEN / name)
    graph = ad.load(GOLDEN / name)
    assert found.identity == EXPECTED[name]["identity"]
    assert found.outdated or graph.identity == found.identity
    for y, wanted in zip(numbers(graph), EXPECTED[name]["outputs"], strict=True):
        np.testing.assert_allclose(y, wanted, rtol=tolerance(name), atol=tolerance(name))


@pytest.mark.parametrize("name", [name for name in GRAPHS if not name.endswith(("_vjp.adg", "_jvp.adg"))])
def test_a_golden_file_is_differentiated(name: str) -> None:
    graph = ad.load(GOLDEN / name)
    by_itself = any(word in name for word in ("BDF", "LSODA", "SciPy"))  # its steps have no derivative
    config = {"strategy": {"methods": {"core::solve_ivp": "gauss"}}} if by_itself else None
    for kind in ("vjp",) if by_itself else ("vjp", "jvp"):
        assert ad.differentiate(graph, kind, config=config).dumps()


@pytest.mark.parametrize("name", PLANS)
def test_a_golden_plan_keeps_what_it_kept_and_changes_no_bit(name: str) -> None:
    wanted = EXPECTED[name]
    graph = ad.load(GOLDEN / wanted["graph"])
    plan = ad.Plan.loads((GOLDEN / name).read_bytes(), graph)
    assert len(plan.steps) == wanted["steps"] and plan.cost.forward_steps == wanted["forward_steps"]
    assert json.loads(json.dumps([s.to_data() for s in plan.trails.values()])) == wanted["schedules"]
    xs = inputs(graph)
    for a, b in zip(graph.compile(plan=plan).all(*xs), graph.compile().all(*xs), strict=True):
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("name", SHARDS)
def test_a_golden_shard_holds_what_it_held(name: str) -> None:
    found = read(GOLDEN / name, verify=True)
    assert found.meta == {"told": ["text", 1, True, None, 0.5]}
    for key, array in arrays().items():
        assert found[key].dtype == array.dtype and found[key].tobytes() == array.tobytes()


def test_a_file_of_version_0_is_upgraded_to_the_same_graph(tmp_path: Path) -> None:
    done = upgrade(GOLDEN / "v0_sized.adg", tmp_path / "new.adg")
    told = [f"format: 0.0 is now {MAJOR}.{MINOR}", f"identity: {done.before[:12]}..., as before"]
    assert str(done).splitlines()[1:] == told
    assert done.before == done.after == verify(tmp_path / "new.adg").identity
    assert not upgrade(tmp_path / "new.adg", tmp_path / "again.adg").changed
