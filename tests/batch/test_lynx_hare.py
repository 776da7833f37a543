"""The main job, as a user runs it: the saved likelihood differentiated at 200 parameter sets, and the fit."""

import csv
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import adcore as ad
from adcore.batch import verbs

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "lynx_hare"
RATES = ("theta.alpha", "theta.beta", "theta.gamma", "theta.delta")
BARS = ("theta_bar.alpha", "theta_bar.beta", "theta_bar.gamma", "theta_bar.delta", "start_bar", "sigma_bar")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A copy of the example, with the traced model; both jobs have run in it."""
    folder = tmp_path_factory.mktemp("lynx_hare")
    for name in ("model.py", "fit.py", "job.toml", "pelts.csv"):
        shutil.copy(EXAMPLE / name, folder)
    adcore(folder, "-m", "adcore.cli", "trace", "model.py:graph", "-o", "model.adg")
    text = (folder / "job.toml").read_text()
    lines = [line for line in text.splitlines() if line.startswith('name = "reverse"')]
    assert len(lines) == 1, "one line of the job says how derivatives are got"
    (folder / "forward.toml").write_text(text.replace('name = "reverse"', 'name = "forward"'))
    return folder


def adcore(folder, *arguments):
    """Run Python in the folder; its stdout and stderr."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def jobs(folder):
    """The directories of both jobs."""
    places = {}
    for strategy, file in (("reverse", "job.toml"), ("forward", "forward.toml")):
        out, progress = adcore(folder, "-m", "adcore.cli", "batch", "run", file, "--json")
        summary = json.loads(out)
        assert (summary["code"], summary["done"], summary["failed"]) == (0, 200, 0)
        last = json.loads(progress.splitlines()[-1])
        assert (last["done"], last["total"]) == (200, 200)
        places[strategy] = Path(summary["directory"])
    return places


def gradients(place):
    with verbs.results(place) as found:
        assert found.items.tolist() == list(range(200))
        columns = [found.array(name).reshape(200, -1) for name in BARS]
        return found.array("y"), np.concatenate(columns, 1)


def test_every_item_has_a_row_with_its_time_and_peak_memory(jobs):
    with open(jobs["reverse"] / "report.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["item"]) for row in rows] == list(range(200))
    assert {row["state"] for row in rows} == {"done"}
    assert {row["strategy"] for row in rows} == {"reverse"}
    assert all(0 < float(row["seconds"]) < 5 and int(row["peak_bytes"]) > 1 << 20 for row in rows)


def test_the_results_are_those_of_a_bare_loop_bit_for_bit(folder, jobs):
    loss = ad.load(folder / "model.adg")
    both = ad.differentiate(loss, "value_and_grad", wrt=["theta", "start", "sigma"], strategy="reverse")
    program = both.compile()
    data = np.genfromtxt(folder / "pelts.csv", delimiter=",", names=True)
    pelts = [np.ascontiguousarray(data[name]) for name in ("hare", "lynx")]
    with verbs.results(jobs["reverse"]) as found:
        for line in (jobs["reverse"] / "manifest.jsonl").read_text().splitlines()[::40]:
            entry = json.loads(line)
            theta = [np.array(entry["inputs"][name]) for name in RATES]
            expected = program(*theta, np.array([30.0, 4.0]), np.array(0.25), *pelts)
            for name, array in zip(both.output_names, expected, strict=True):
                assert found[entry["item"]][name].tobytes() == np.asarray(array).tobytes()


def test_one_line_of_config_changes_the_strategy_and_not_the_gradients(jobs):
    """Relative to the largest part of each gradient both are within 1e-13 of each other (measured: 1.3e-14)."""
    values, reverse = gradients(jobs["reverse"])
    same, forward = gradients(jobs["forward"])
    assert jobs["forward"] != jobs["reverse"]
    np.testing.assert_allclose(values, same, rtol=1e-13)
    scale = np.abs(reverse).max(axis=1, keepdims=True)
    assert (np.abs(forward - reverse) / scale).max() < 1e-13
    assert (forward != reverse).any(), "these are two computations, not one result read twice"


def test_the_gradient_is_that_of_the_equations_as_scipy_solves_them(folder, jobs):
    """Along a random direction, by Richardson's differences of a likelihood that knows nothing of adcore."""
    data = np.genfromtxt(folder / "pelts.csv", delimiter=",", names=True)
    logs = np.log(np.stack([data["hare"], data["lynx"]], 1))

    def loss(p):
        def rates(t, z):
            return (p[0] - p[1] * z[1]) * z[0], (-p[2] + p[3] * z[0]) * z[1]

        z = solve_ivp(rates, (0, 20), p[4:6], t_eval=np.arange(21.0), method="DOP853", rtol=1e-12, atol=1e-12).y.T
        return 0.5 * np.sum(((logs - np.log(z)) / p[6]) ** 2) + 42 * np.log(p[6])

    values, reverse = gradients(jobs["reverse"])
    with open(jobs["reverse"] / "manifest.jsonl") as file:
        entry = json.loads(file.readline())
    p = np.array([*(entry["inputs"][name] for name in RATES), 30.0, 4.0, 0.25])
    direction = np.random.default_rng(3).standard_normal(7) * p
    wide, narrow = ((loss(p + h * direction) - loss(p - h * direction)) / (2 * h) for h in (2e-4, 1e-4))
    # the model takes ten Runge-Kutta steps a year: their error, and not that of the derivative, is what is left
    np.testing.assert_allclose(values[0], loss(p), rtol=1e-4)
    np.testing.assert_allclose(reverse[0] @ direction, (4 * narrow - wide) / 3, rtol=2e-4)


def test_the_fit_ends_at_the_published_parameters(folder):
    """Posterior means of Carpenter 2018, "Predator-prey population dynamics": 0.55, 0.028, 0.80, 0.024."""
    out, _ = adcore(
        folder, "-c", "import fit, model, numpy as np, adcore as ad\n"
        "found = fit.fit(ad.load('model.adg'), model.pelts())\n"
        "print(*np.exp(found.x), found.fun, np.abs(found.jac).max(), sep='\\n')"
    )  # fmt: skip
    *p, value, slope = map(float, out.split())
    np.testing.assert_allclose(p[:4], [0.55, 0.028, 0.80, 0.024], rtol=0.05)
    assert slope < 1e-4
    assert value == pytest.approx(-42.7399, abs=1e-4)


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="needs the extra `example`")
def test_the_example_draws_the_fit_over_the_data(folder):
    out, _ = adcore(folder, "fit.py")
    assert "alpha        0.54" in out
    assert (folder / "fit.svg").read_text().count("<use") >= 42, "a marker for every pelt count"
