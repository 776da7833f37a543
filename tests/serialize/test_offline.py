"""A process that cannot import the model reads its file: the same identity, bits, derivatives, plan and print."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest

import adcore as ad

MODEL = """
import numpy as np
import adcore as ad
from typing import NamedTuple

class Rates(NamedTuple):
    growth: float
    loss: float

TABLE = np.linspace(0.5, 1.5, 37)

def model(rates, x):
    def step(c, k):
        return c * (1.0 + rates.growth * k) - rates.loss * np.sin(c) * c, c

    c, ys = ad.scan(step, x, TABLE)
    return np.sum(c ** 2) + np.mean(ys)
"""

READER = """
import json, sys
sys.path[:0] = {paths!r}
import numpy as np
import adcore as ad

assert "secret_model" not in sys.modules
try:
    import secret_model
except ImportError:
    pass
else:
    raise SystemExit("the model can be imported")
graph = ad.load(sys.argv[1])
x = np.array([0.3, 0.7])
rates = dict(growth=0.02, loss=0.1)
from types import SimpleNamespace
args = SimpleNamespace(**rates), x
first = ad.differentiate(graph, "grad", wrt="x")
second = ad.differentiate(graph, "vjp")
third = ad.differentiate(ad.differentiate(ad.differentiate(graph, "jvp", wrt="x"), "jvp", wrt="x"), "jvp", wrt="x")
ones = [np.ones(v.type.shape) * 0.5 for v in third.inputs]
plan = ad.plan(graph)
print(json.dumps(dict(
    identity=graph.identity, text=str(graph), value=float(graph(*args)).hex(),
    first=[float(v).hex() for v in first.compile()(np.float64(0.02), np.float64(0.1), x)],
    second=second.identity, third=[np.asarray(v).tobytes().hex() for v in third.compile().all(*ones)],
    peak=plan.cost.peak_bytes, record=type(args[0]).__name__,
)))
"""


def in_a_clean_process(script: str, *argv: Any) -> Any:
    """What a script prints as JSON, in a process with no path but ours and no user's site."""
    root = Path(ad.__file__).parents[1]
    paths = [str(root), str(root / "plugins")]
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", script.format(paths=paths), *map(str, argv)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_stranger_computes_the_same_bits_to_third_order(tmp_path: Path) -> None:
    names: dict[str, Any] = {"__name__": "secret_model"}
    exec(dedent(MODEL), names)
    rates, x = names["Rates"](0.02, 0.1), np.array([0.3, 0.7])
    graph = ad.trace(names["model"], rates, x)
    graph.save(tmp_path / "model.adg")
    found = in_a_clean_process(READER, tmp_path / "model.adg")
    third = ad.differentiate(ad.differentiate(ad.differentiate(graph, "jvp", wrt="x"), "jvp", wrt="x"), "jvp", wrt="x")
    ones = [np.ones(v.type.shape) * 0.5 for v in third.inputs]
    first = ad.differentiate(graph, "grad", wrt="x").compile()(np.float64(0.02), np.float64(0.1), x)
    assert found == {
        "identity": graph.identity,
        "text": str(graph),
        "value": float(graph(rates, x)).hex(),
        "first": [float(v).hex() for v in first],
        "second": ad.differentiate(graph, "vjp").identity,
        "third": [np.asarray(v).tobytes().hex() for v in third.compile().all(*ones)],
        "peak": ad.plan(graph).cost.peak_bytes,
        "record": "SimpleNamespace",
    }


STARTING = """
import json, sys
sys.path[:0] = {paths!r}
import adcore as ad
print(json.dumps([m for m in ("msgpack", "adcore.serialize", "scipy", "pluggy") if m in sys.modules]))
"""


def test_what_reads_files_is_imported_with_the_first_file() -> None:
    assert in_a_clean_process(STARTING) == []


PLUGIN = """
import numpy as np
from adcore.extend import elementwise, op

@op("acme::softplus", rule=elementwise(lambda y, x: 1 / (1 + np.exp(-x))), elementwise=True)
def softplus(x):
    return np.logaddexp(0.0, x)
"""

LACKING = """
import json, sys
sys.path[:0] = {paths!r}
import adcore as ad
try:
    ad.load(sys.argv[1])
except ad.AdcoreError as e:
    print(json.dumps(dict(kind=type(e).__name__, text=str(e))))
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A distribution that brings acme::softplus, in a folder on the path."""
    site = tmp_path / "site"
    info = site / "acme_ops-1.2.dist-info"
    info.mkdir(parents=True)
    (site / "acme_ops.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-ops\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[adcore]\nacme = acme_ops\n")
    return site


WRITING = """
import json, sys
sys.path[:0] = {paths!r}
sys.path.insert(0, sys.argv[2])
import numpy as np
import adcore as ad
from adcore.registry import find_op
softplus = find_op("acme::softplus")

def energy(x):
    y = x * 2.0
    return np.sum(softplus(y))

graph = ad.trace(energy, np.zeros(3))
graph.save(sys.argv[1])
print(json.dumps(dict(identity=graph.identity, value=float(ad.load(sys.argv[1])(np.ones(3))))))
"""


def test_a_file_that_needs_a_missing_plugin_says_what_to_install(tmp_path: Path, installed: Path) -> None:
    path = tmp_path / "energy.adg"
    written = in_a_clean_process(WRITING, path, installed)
    assert written["value"] == pytest.approx(3 * np.logaddexp(0.0, 2.0))
    found = in_a_clean_process(LACKING, path)
    assert found == {
        "kind": "UnknownOpError",
        "text": "no op is called acme::softplus here\n"
        f"  {path}, node 1 of graph energy (<string>:12)\n"
        "  install acme-ops 1.2, which brought it where the file was written",
    }


def test_a_file_loads_the_plugin_that_it_needs_and_no_other(tmp_path: Path, installed: Path) -> None:
    path = tmp_path / "energy.adg"
    written = in_a_clean_process(WRITING, path, installed)
    script = LACKING.replace("import adcore as ad", f"sys.path.insert(0, {str(installed)!r})\nimport adcore as ad")
    script = script.replace("    ad.load(sys.argv[1])", "    print(json.dumps(ad.load(sys.argv[1]).identity))")
    assert in_a_clean_process(script, path) == written["identity"]
