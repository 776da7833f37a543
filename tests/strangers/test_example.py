"""The example distribution: built, installed beside adcore, used through a saved graph and a batch job."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from strangers.conftest import Python, packages

from adcore.cli.new_plugin import write_plugin

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "plugins" / "examples" / "acme"

MODEL = """
import numpy as np
from acme import kepler, rms, softplus

def orbit(m, e):
    return rms(softplus(np.cos(kepler(m, e))))
"""
LOOP = """
import adcore as ad
import numpy as np

def loss(x):
    y, _ = ad.scan(lambda y, _: (y + 0.01 * np.sin(y), None), x, None, length=1000)
    return np.sum(y * y)
"""
JOB = """
[job]
graph = "orbit.adg"
request = "grad"
out = "runs"
workers = 1
[strategy]
name = "acme_fewest"
[inputs]
e = 0.3
[sweep]
grid = { m = [[0.5, 1.0, 2.0], [0.1, 0.2, 0.3]] }
"""


@pytest.fixture(scope="module")
def acme(environment, install):
    install(EXAMPLE)
    (environment.folder / "model.py").write_text(MODEL)
    (environment.folder / "job.toml").write_text(JOB)
    return environment


def test_the_example_passes_its_own_tests(acme):
    ended = acme("-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", str(EXAMPLE / "tests"))
    assert " passed" in ended.stdout


def test_its_ops_work_through_a_saved_graph_and_a_batch_job(acme):
    acme.adcore("trace", "model.py:orbit", "--example", "m=float64[3]", "--example", "e=0.3", "-o", "orbit.adg")
    (acme.folder / "model.py").rename(acme.folder / "gone.py")
    told = acme.adcore("grad", "orbit.adg", "-i", "m=[0.5,1,2]", "-i", "e=0.3", "--wrt", "e", "--json")
    alone = json.loads(told.stdout)
    done = acme.adcore("batch", "run", "job.toml", "--quiet")
    assert "2 done" in done.stdout + done.stderr
    acme.adcore("batch", "results", "job.toml", "-o", "all.npz")
    with np.load(acme.folder / "all.npz") as found:
        name = next(k for k in found if k.startswith("e_bar"))
        np.testing.assert_allclose(found[name][0], next(iter(alone.values())), rtol=1e-12)
    (acme.folder / "gone.py").rename(acme.folder / "model.py")


def test_its_planner_is_asked_for_by_a_line_of_settings(acme):
    (acme.folder / "loop.py").write_text(LOOP)
    acme.adcore("trace", "loop.py:loss", "--example", "x=float64[500]", "-o", "loop.adg")
    asked = ["plan", "loop.adg", "--strategy", "checkpointed", "--memory", "1 MB", "--set"]
    told = acme.adcore(*asked, "checkpointed.planner=acme_segments")
    assert "loops in 8 segments" in told.stdout
    assert "1,875 steps of loops that are differentiated" in told.stdout
    missing = acme.adcore(*asked, "checkpointed.planner=acme_segment", code=2)
    assert "did you mean 'acme_segments'?" in missing.stderr


def test_a_graph_that_needs_a_missing_plugin_says_which_distribution_wrote_it(acme):
    acme.adcore("trace", "model.py:orbit", "--example", "m=float64[3]", "--example", "e=0.3", "-o", "orbit.adg")
    blocked = acme.adcore("-p", "no:acme", "grad", "orbit.adg", "-i", "m=[0.5,1,2]", "-i", "e=0.3", code=3)
    assert "acme of adcore-acme is blocked" in blocked.stderr
    elsewhere = Python(sys.executable, acme.folder, tuple(packages()))
    ended = elsewhere.adcore("grad", "orbit.adg", "-i", "m=[0.5,1,2]", "-i", "e=0.3", code=3)
    assert "adcore-acme 0.1.0" in ended.stderr and "acme::kepler" in ended.stderr and "orbit.adg" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_new_plugin_passes_its_own_tests_at_once(environment, install, tmp_path):
    write_plugin("fresh", tmp_path)
    install(tmp_path / "adcore-fresh")
    ended = environment("-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / "adcore-fresh" / "tests"))
    assert " passed" in ended.stdout
    assert environment.report()["fresh"]["brought"] == {"ops": ["fresh::softplus"]}
