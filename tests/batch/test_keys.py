"""What an item's key is made of: equal keys, equal results; nothing that changes a result is left out."""

import csv
import json
import os

import numpy as np
import pytest

import adcore as ad
from adcore.batch import verbs
from adcore.batch.create import create, source_hash
from adcore.batch.job import read_job
from adcore.errors import StrategyError

JOB = """
[job]
graph = "model.adg"
out = "runs/{hash}"
request = "value_and_grad"
executor = "here"
wrt = ["x"]
[strategy]
name = "reverse"
[inputs]
w = [1.0, 2.0, 3.0]
[items]
table = "items.jsonl"
tag = "name"
"""


@pytest.fixture
def folder(tmp_path):
    graph = ad.trace(lambda x, w: np.sum(w * x**3) + np.sum(np.sin(w)), np.ones(3), np.ones(3))
    graph.save(tmp_path / "model.adg")
    other = ad.trace(lambda x, w: np.sum(w * x**3) - np.sum(np.sin(w)), np.ones(3), np.ones(3))
    other.save(tmp_path / "other.adg")
    (tmp_path / "items.jsonl").write_text("".join(f'{{"x": [{n}, 1, 2], "name": "n{n}"}}\n' for n in range(5)))
    return tmp_path


def keys(folder, text, number=[0]):  # noqa: B006 - a fresh directory each time
    """The keys of the items of a job that is made and not run."""
    number[0] += 1
    (folder / "job.toml").write_text(text)
    place = folder / f"made{number[0]}"
    place.mkdir()
    job = read_job(folder / "job.toml")
    create(place, job, source_hash(job), lambda message: None)
    return [json.loads(line)["key"] for line in (place / "manifest.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"model.adg"', '"other.adg"'),
        ("value_and_grad", "grad"),
        ('["x"]', '["x", "w"]'),
        ('name = "reverse"', 'name = "forward"'),
        ('name = "reverse"', 'name = "reverse"\nchunk = 2'),
        ('out = "runs/{hash}"', 'out = "runs/{hash}"\nthreads = 2'),
        ("3.0]", "3.5]"),
        ("3.0]", "-0.0]"),
    ],
)
def test_what_may_change_a_result_changes_every_key(folder, old, new):
    assert old in JOB
    before, after = keys(folder, JOB), keys(folder, JOB.replace(old, new))
    assert len({*before, *after}) == 10


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('out = "runs/{hash}"', 'out = "elsewhere"\nworkers = 7\nretries = 5\nitem_seconds = 3.0'),
        ('tag = "name"', 'tag = "name"\n[executor]\nname = "futures"'),
        ("[1.0, 2.0, 3.0]", "[1, 2, 3]"),
    ],
)
def test_where_and_how_a_job_runs_changes_no_key(folder, old, new):
    assert old in JOB
    assert keys(folder, JOB) == keys(folder, JOB.replace(old, new))


def test_zeros_of_both_signs_are_two_items_and_equal_items_are_one(folder):
    (folder / "items.jsonl").write_text('{"x": [0.0, 1, 2]}\n{"x": [-0.0, 1, 2]}\n{"x": [0, 1.0, 2]}\n')
    first, second, third = keys(folder, JOB)
    assert first == third != second


def test_a_job_beside_this_one_lends_its_results_and_nothing_is_computed_twice(folder):
    (folder / "job.toml").write_text(JOB)
    first = verbs.run(folder / "job.toml")
    assert first.messages == ()
    with open(folder / "items.jsonl", "a") as file:
        file.write('{"x": [9, 9, 9], "name": "new"}\n')
    second = verbs.run(folder / "job.toml")
    assert second.place.parent == first.place.parent != second.place
    assert second.messages == ("5 items have results in other jobs: taken from there",)
    shared = set(os.listdir(first.place / "results"))
    assert shared < set(os.listdir(second.place / "results"))
    assert all((second.place / "results" / name).stat().st_nlink == 2 for name in shared), "linked, not copied"
    with verbs.results(first.place) as before, verbs.results(second.place) as after:
        assert before.array("x_bar").tobytes() == after.array("x_bar")[:5].tobytes()
    path = folder / "job.toml"
    path.write_text(path.read_text().replace("[job]", "[job]\nreuse = []\nthreads = 2"))
    (message,) = verbs.run(path).messages
    assert message.startswith("not all workers had threads = 2 for linear algebra")


def test_a_damaged_neighbour_lends_nothing_and_stops_nobody(folder):
    (folder / "job.toml").write_text(JOB)
    first = verbs.run(folder / "job.toml").place
    for name in os.listdir(first / "results"):
        raw = bytearray((first / "results" / name).read_bytes())
        raw[-1] ^= 1
        (first / "results" / name).write_bytes(raw)
    (folder / "runs" / "broken").mkdir()
    (folder / "runs" / "broken" / "job.toml").write_text("not TOML at all")
    (folder / "runs" / "broken" / "journal.sqlite").write_text("nor this a journal")
    with open(folder / "items.jsonl", "a") as file:
        file.write('{"x": [9, 9, 9], "name": "new"}\n')
    second = verbs.run(folder / "job.toml")
    assert (second.code, second.counts["done"], second.messages) == (0, 6, ())


def test_an_item_may_name_its_profile(folder):
    lines = ["reverse", "tight", "", "forward", "tight"]
    (folder / "items.jsonl").write_text(
        "".join(f'{{"x": [{n}, 1, 2], "name": "n{n}", "how": "{how}"}}\n' for n, how in enumerate(lines))
    )
    text = JOB.replace('tag = "name"', 'tag = "name"\nprofile = "how"')
    (folder / "job.toml").write_text(text + '[profile.tight]\nstrategy = { name = "forward", chunk = 2 }\n')
    summary = verbs.run(folder / "job.toml")
    with open(summary.report, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["tag"], row["strategy"]) for row in rows] == [
        ("n0", "reverse"), ("n1", "tight"), ("n2", "reverse"), ("n3", "forward"), ("n4", "tight"),
    ]  # fmt: skip
    with verbs.results(summary.place) as found:
        np.testing.assert_allclose(found.array("x_bar"), 3 * np.array([1, 2, 3]) * found.array("inputs/x") ** 2)
    (folder / "job.toml").write_text(text)
    with pytest.raises(StrategyError) as caught:
        verbs.run(folder / "job.toml")
    assert str(caught.value).startswith(
        f"no strategy is called 'tight'\n  [items] profile in {folder / 'job.toml'}:15\n  allowed: "
    )
