"""The lynx-and-hare likelihood by an adaptive solver: a saved graph, a batch job, and methods chosen by profiles."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import adcore as ad
from adcore.batch import verbs

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "lynx_hare"
BARS = ("theta_bar.alpha", "theta_bar.beta", "theta_bar.gamma", "theta_bar.delta", "start_bar", "sigma_bar")
PROFILES = """
[profile.by_gauss]
strategy = { name = "ode_adjoint", ode_adjoint = { method = "gauss", rtol = 1e-9 } }
[profile.by_tangents]
strategy = { name = "ode_adjoint", ode_adjoint = { method = "auto" } }
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A copy of the example with its traced graphs."""
    folder = tmp_path_factory.mktemp("lynx_hare")
    for name in ("model.py", "ode_model.py", "ode_job.toml", "pelts.csv"):
        shutil.copy(EXAMPLE / name, folder)
    adcore(folder, "trace", "ode_model.py:graph", "-o", "ode_model.adg")
    adcore(folder, "trace", "model.py:graph", "-o", "model.adg")
    for name in ("model.py", "ode_model.py"):
        (folder / name).unlink()  # workers never see the source
    return folder


def adcore(folder, *arguments):
    """Run the command line in the folder; its stdout."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "adcore.cli", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run(folder, count, strategies=()):
    """The job with that many parameter sets; all gradients, a row per item."""
    text = (folder / "ode_job.toml").read_text()
    assert text.count("count = 1000\n") == 1
    chosen = f"strategy = {json.dumps(strategies)}\n" if strategies else ""
    (folder / "this.toml").write_text(text.replace("count = 1000\n", f"{chosen}count = {count}\n") + PROFILES)
    summary = json.loads(adcore(folder, "batch", "run", "this.toml", "--json"))
    total = count * max(len(strategies), 1)
    assert (summary["done"], summary["failed"]) == (total, 0)
    with verbs.results(Path(summary["directory"])) as found:
        entries = [json.loads(x) for x in (Path(summary["directory"]) / "manifest.jsonl").read_text().splitlines()]
        return entries, found.array("y"), np.concatenate([found.array(b).reshape(total, -1) for b in BARS], 1)


def test_profiles_choose_the_method_and_all_agree(folder):
    entries, values, bars = run(folder, 23, ["ode_adjoint", "by_gauss", "by_tangents"])
    sets = [[e["inputs"][f"theta.{k}"] for k in ("alpha", "beta", "gamma", "delta")] for e in entries]
    order = np.lexsort(np.array(sets).T, 0).reshape(23, 3)  # the three ways of each set beside each other
    for a in range(3):
        for b in range(a):
            np.testing.assert_array_equal(values[order[:, a]], values[order[:, b]])
            scale = np.max(np.abs(bars), axis=0)
            assert np.max(np.abs(bars[order[:, a]] - bars[order[:, b]]) / scale) < 1e-5
    assert np.unique(np.abs(bars), axis=0).shape[0] > 23, "the adjoint ODE is not the discrete one, bit for bit"


def test_the_gradient_is_that_of_the_likelihood(folder):
    loss, by_hand = ad.load(folder / "ode_model.adg"), ad.load(folder / "model.adg")
    table = np.genfromtxt(folder / "pelts.csv", delimiter=",", names=True)
    data = [np.ascontiguousarray(table[name]) for name in ("hare", "lynx")]
    args = ({"alpha": 0.55, "beta": 0.028, "gamma": 0.80, "delta": 0.024}, np.array([30.0, 4.0]), 0.25, *data)
    assert abs(loss(*args) - by_hand(*args)) < 2e-3 * abs(by_hand(*args))  # 10 steps of order 4 a year
    found = ad.grad(loss, wrt="start", strategy="ode_adjoint")(*args)
    for i in range(2):
        h = 1e-3 * np.eye(2)[i]
        moved = [loss(args[0], args[1] + k * h, *args[2:]) for k in (-2, -1, 1, 2)]
        truth = (moved[0] - 8 * moved[1] + 8 * moved[2] - moved[3]) / 12e-3
        np.testing.assert_allclose(found[i], truth, rtol=1e-5)


@pytest.mark.slow
def test_a_thousand_parameter_sets(folder):
    _, values, bars = run(folder, 1000)
    assert np.isfinite(values).all() and np.isfinite(bars).all() and len(values) == 1000
