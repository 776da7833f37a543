"""Items of different sizes from one graph file whose sizes are named."""

import csv
import json

import numpy as np
import pytest

import adcore as ad
from adcore.batch import verbs
from adcore.errors import ConfigError

JOB = """
[job]
graph = "model.adg"
out = "runs"
executor = "here"
request = "grad"
wrt = ["x"]
[items]
table = "items.jsonl"
"""


@pytest.fixture
def job(tmp_path):
    """sum(w * x**3) / n, of x: (n,) and w: (n,)."""
    graph = ad.trace(
        lambda x, w: np.sum(w * x**3) / x.shape[0], np.ones(3), np.ones(3), dims={"x": ("n",), "w": ("n",)}
    )
    graph.save(tmp_path / "model.adg")
    (tmp_path / "job.toml").write_text(JOB)
    return tmp_path / "job.toml"


def write(job, lines):
    (job.parent / "items.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_items_of_one_size_run_together_and_come_back_in_their_order(job):
    rng = np.random.default_rng(5)
    sizes = [3, 5, 3, 7, 5, 3]
    points = [(rng.standard_normal(n), rng.standard_normal(n)) for n in sizes]
    (job.parent / "w.csv").write_text("w\n" + "\n".join(repr(float(v)) for v in points[3][1]) + "\n")
    lines = [{"x": x.tolist(), "w": w.tolist()} for x, w in points]
    lines[3]["w"] = {"file": "w.csv", "column": "w"}
    write(job, lines)
    summary = verbs.run(job)
    assert summary.counts["done"] == 6
    with verbs.results(job) as found:
        for n, (x, w) in enumerate(points):
            np.testing.assert_allclose(found[n]["x_bar"], 3 * w * x**2 / len(x), rtol=1e-14)
        order = [row.shard for row in found._rows()]
    with open(summary.report, newline="") as file:
        assert [row["sizes"] for row in csv.DictReader(file)] == [f"n={n}" for n in sizes]
    assert len({shard for shard, n in zip(order, sizes, strict=True) if n == 3}) < 3, "three items, fewer chunks"


def test_a_size_that_does_not_fit_the_others_is_named(job):
    write(job, [{"x": [1, 2], "w": [1, 2]}, {"x": [1, 2], "w": [1, 2, 3]}])
    with pytest.raises(ConfigError) as caught:
        verbs.run(job)
    assert str(caught.value) == f"w has shape (3,), where (n,) is needed: n is 2 by x\n  in item 1 of {job}"


def test_a_data_file_of_an_item_that_changes_makes_another_job(job):
    (job.parent / "x.json").write_text("[1.0, 2.0]")
    write(job, [{"x": {"file": "x.json"}, "w": [1, 1]}])
    verbs.run(job)
    (job.parent / "x.json").write_text("[1.0, 2.0, 3.0]")
    with pytest.raises(ConfigError, match="the directory holds another job"):
        verbs.run(job)


def test_an_item_whose_size_a_graph_cannot_have_fails_with_the_reason_and_no_other_does(job):
    sizes = {"x": ("n",), "w": ("n",)}
    graph = ad.trace(lambda x, w: np.sum(w) * np.sum(x[4:] ** 2), np.ones(7), np.ones(7), dims=sizes)
    graph.save(job.parent / "model.adg")
    write(job, [{"x": [n] * n, "w": [1] * n} for n in (6, 2, 7)])
    summary = verbs.run(job)
    assert (summary.counts["done"], [failure.item for failure in summary.failures]) == (2, [1])
    assert (summary.failures[0].kind, summary.failures[0].inputs["x"]) == ("GraphError", [2.0, 2.0])
    assert summary.failures[0].message.startswith("float64[n-4] has no size at n = 2\n")
