"""Mistakes in a job file and its data: told whole, before anything runs. And what a good one expands to."""

import csv
import json

import numpy as np
import pytest

from adcore.batch import verbs
from adcore.batch.job import read_job
from adcore.errors import ConfigError

GOOD = """
[job]
graph = "model.adg"
out = "runs"
workers = 1
[inputs]
what = 0
x = [1.0, 2.0, 3.0]
"""

MISTAKES = [
    (
        '[job]\ngraph = "model.adg"\nrequest = "grads"',
        'request = "grads" is not known',
        "[job] request in {job}:3",
        "did you mean 'grad'? allowed: eval, grad, value_and_grad, jvp, vjp, jacobian, hessian, hvp",
    ),
    ('[job]\nwork = 1\ngraph = "model.adg"', "there is no setting 'work'", "[job] work in {job}:2", None),
    ("[job]\n", "the job names no graph", "[job] graph in {job}:1", 'write graph = "model.adg"'),
    (
        '[job]\ngraph = "model.adg"\nworkers = "two"',
        'workers is "two", not a whole number of at least 0',
        "[job] workers in {job}:3",
        "write a whole number of at least 0",
    ),
    (
        '[job]\ngraph = "model.adg"\nkills = 0',
        "kills = 0 is too small",
        "[job] kills in {job}:3",
        "write a whole number of at least 1",
    ),
    (
        '[job]\ngraph = "model.adg"\nitem_memory = "1 Gib of"',
        'item_memory = "1 Gib of" is not a size',
        "[job] item_memory in {job}:3",
        'write bytes, as in "512 MiB"',
    ),
    (
        '[job]\ngraph = "model.adg"\n[jop]',
        "there is no setting 'jop'",
        "jop in {job}:3",
        "did you mean 'job'? allowed: job, executor, plugins, strategy, profile, backend, inputs, items, sweep",
    ),
    (
        '[job]\ngraph = "model.adg"\n[sweep]\ncount = 5',
        "count = 5, but nothing is random",
        "[sweep] count in {job}:4",
        "add a table [sweep.random]",
    ),
    (
        '[job]\ngraph = "model.adg"\n[items]\n',
        "the items have no table",
        "[items] table in {job}:3",
        'write table = "parameters.csv"',
    ),
    (
        '[job]\ngraph = "model.adg"\n[items]\ntable = "items.xlsx"',
        'table = "items.xlsx" is of no known kind',
        "[items] table in {job}:4",
        "give a .csv, .jsonl or .npz file",
    ),
]


@pytest.mark.parametrize(("text", "what", "key", "instead"), MISTAKES)
def test_a_mistake_names_file_key_and_nearest(bench, text, what, key, instead):
    path = bench.job(text)
    with pytest.raises(ConfigError) as caught:
        read_job(path)
    lines = str(caught.value).split("\n  ")
    assert lines[:2] == [what, key.replace("{job}", str(path))]
    assert instead is None or lines[2] == instead


DATA_MISTAKES = [
    (
        GOOD + "y = 1",
        "the graph has no input 'y'\n  [inputs] y in {job}:9\n  inputs: what, x",
    ),
    (
        GOOD.replace("x = [1.0, 2.0, 3.0]", ""),
        "input 'x' gets no value\n  x: float64[3], in {job}\n"
        "  give it under [inputs], in the table of [items], or in [sweep]",
    ),
    (
        GOOD.replace("[1.0, 2.0, 3.0]", "[1.0, 2.0]"),
        "input 'x' has shape (2,)\n  [inputs] x in {job}:8\n  give float64[3]",
    ),
    (
        GOOD.replace("what = 0", "what = 0.5"),
        "input 'what' has dtype float64, which does not fit int64 without loss\n  [inputs] what in {job}:7\n"
        "  convert it to int64, or trace the model at float64",
    ),
    (
        GOOD.replace("[1.0, 2.0, 3.0]", '"three"'),
        "the value of input 'x' cannot be used: 'three' is not a number\n  [inputs] x in {job}:8\n  give float64[3]",
    ),
    (
        GOOD.replace("[1.0, 2.0, 3.0]", '{ file = "no.csv", column = "x" }'),
        "{folder}/no.csv cannot be read: No such file or directory\n  [inputs] x in {job}:8\n"
        "  correct the name, or make the file",
    ),
    (
        GOOD.replace("[1.0, 2.0, 3.0]", '{ file = "data.csv", column = "hares" }'),
        "{folder}/data.csv has no column 'hares'\n  [inputs] x in {job}:8\n"
        "  did you mean 'hare'? there are: year, hare",
    ),
    (
        GOOD.replace("[1.0, 2.0, 3.0]", '{ file = "data.csv", column = "hare" }'),
        "\"many\" is not a number\n  row 2, column 'hare' of {folder}/data.csv\n  write a number",
    ),
    (
        GOOD + "[sweep.grid]\nwhat = [0, 1]",
        "input 'what' is given twice\n  [inputs] and [items] or [sweep] in {job}\n  remove one of them",
    ),
    (
        GOOD.replace("x = [1.0, 2.0, 3.0]", "") + "[sweep.random]\nx = { unifrom = [0, 1] }",
        "x is not a distribution\n  [sweep.random] x in {job}:10\n"
        "  write { uniform = [low, high] }, { log_uniform = [low, high] } or { normal = [mean, std] }",
    ),
    (
        GOOD.replace('out = "runs"', 'out = "runs"\nexecutor = "dusk"'),
        "there is no executor 'dusk'\n  [job] executor\n  did you mean 'dask'? allowed: dask, futures, here, local",
    ),
    (
        GOOD.replace('out = "runs"', 'out = "{strategies}"'),
        'out = "{strategies}" names something unknown\n  [job] out in {job}:4\n'
        "  allowed: {name}, {strategy}, {request}, {hash}",
    ),
]


@pytest.mark.parametrize(("text", "message"), DATA_MISTAKES)
def test_data_that_does_not_fit_is_told_before_anything_runs(bench, text, message):
    (bench.folder / "data.csv").write_text("year,hare\n1900,30.0\n1901,many\n")
    path = bench.job(text)
    with pytest.raises(ConfigError) as caught:
        verbs.run(path)
    assert str(caught.value) == message.replace("{job}", str(path)).replace("{folder}", str(bench.folder))
    assert not (bench.folder / "runs" / "job.toml").exists()


RANDOM = GOOD.replace("x = [1.0, 2.0, 3.0]", "")


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ('random = { x = { uniform = ["a", 1] } }', "uniform = ['a', 1] does not fit x\n"),
        ("random = { x = { uniform = [[0, 1], 2] } }", "uniform = [[0, 1], 2] does not fit x\n"),
        ("random = { x = { uniform = [2, 1] } }", "uniform = [2, 1] is no distribution of x\n"),
        ("random = { x = { uniform = [0, inf] } }", "uniform = [0, inf] is no distribution of x\n"),
        ("random = { x = { log_uniform = [0, 1] } }", "log_uniform = [0, 1] is no distribution of x\n"),
        ("random = { x = { normal = [0, -1] } }", "normal = [0, -1] is no distribution of x\n"),
        ("random = { x = { normal = [nan, 1] } }", "normal = [nan, 1] is no distribution of x\n"),
        ('grid = { x = { linspace = ["a", 1, 3] } }', "x is not a grid\n"),
        ("grid = { x = { linspace = [0, 1, 2.5] } }", "x is not a grid\n"),
        ("grid = { x = { linspace = [0, 1, 0] } }", "x is not a grid\n"),
        ("grid = { x = [] }", "x is not a list of values\n"),
        ("grid = { x = [[1, 2, 3], [1, 2]] }", "input 'x' has shape (2,)\n"),
    ],
)
def test_a_sweep_that_makes_no_sense_is_told_before_anything_runs(bench, sweep, message):
    path = bench.job(f"{RANDOM}[sweep]\n{sweep}")
    with pytest.raises(ConfigError) as caught:
        verbs.run(path)
    assert str(caught.value).startswith(message)
    assert f" in {path}:10" in str(caught.value)
    assert not (bench.folder / "runs" / "job.toml").exists()


def test_integers_that_do_not_fit_are_refused_and_not_wrapped(bench):
    path = bench.job(GOOD.replace("what = 0", "what = 9223372036854775808"))
    with pytest.raises(ConfigError, match="input 'what' has dtype uint64, which does not fit int64 without loss"):
        verbs.run(path)


def lines(place):
    return [json.loads(line) for line in (place / "manifest.jsonl").read_text().splitlines()]


def test_a_sweep_is_every_strategy_times_every_grid_point_times_every_draw(bench):
    path = bench.job(
        '[job]\ngraph = "model.adg"\nout = "runs"\n[profile.tight]\nstrategy = { name = "forward" }\n'
        '[strategy]\nname = "reverse"\n'
        '[sweep]\nstrategy = ["reverse", "tight"]\nmemory = ["1 MiB", "2 MiB"]\ncount = 3\nseed = 5\n'
        "grid = { what = [0, 0] }\nrandom = { x = { uniform = [0.0, 2.0] } }\n"
    )
    summary = verbs.run(path, executor="here")
    found = lines(summary.place)
    assert len(found) == 2 * 2 * 2 * 3
    assert [line["group"] for line in found] == [f"g{n // 6}" for n in range(24)]
    assert [line["inputs"] for line in found[:6]] == [line["inputs"] for line in found[18:]]
    assert all(0 <= v <= 2 for line in found for v in line["inputs"]["x"])
    with open(summary.report, newline="") as file:
        rows = list(csv.DictReader(file))
    labels = ["reverse 1 MiB", "reverse 2 MiB", "tight 1 MiB", "tight 2 MiB"]
    assert [row["strategy"] for row in rows] == [labels[n // 6] for n in range(24)]
    # the two grid points are equal: the second three draws share the results of the first three
    assert [row["shares"] for row in rows] == [str(n - 3) if n % 6 >= 3 else "" for n in range(24)]
    assert summary.counts["done"] == 24


def test_rows_of_an_npz_are_items_and_large_ones_stay_in_their_table(bench, monkeypatch):
    monkeypatch.setattr("adcore.batch.tables.INLINE", 2)
    xs = np.linspace(0, 1, 21).reshape(7, 3)
    np.savez(bench.folder / "items.npz", x=xs, other=np.zeros(3))
    path = bench.job('[job]\ngraph = "model.adg"\nout = "runs"\n[inputs]\nwhat = 0\n[items]\ntable = "items.npz"\n')
    place = verbs.run(path, executor="here").place
    assert [line["inputs"] for line in lines(place)] == [{"x": {"row": n}} for n in range(7)]
    with verbs.results(place) as found:
        np.testing.assert_array_equal(found.array("x_bar"), 2 * np.sin(xs) * np.cos(xs))
        assert found.save(bench.folder / "out.npz") == 7
    with np.load(bench.folder / "out.npz") as saved:
        assert set(saved) == {"item", "tag", "inputs/x", "y", "x_bar"}
        np.testing.assert_array_equal(saved["x_bar"], 2 * np.sin(xs) * np.cos(xs))
        np.testing.assert_array_equal(saved["item"], np.arange(7))


def test_a_bad_row_in_a_table_of_items_is_told_with_its_number(bench):
    (bench.folder / "items.csv").write_text("a,b,c\n1,2,3\n1,two,3\n")
    path = bench.job(
        '[job]\ngraph = "model.adg"\nout = "runs"\n[inputs]\nwhat = 0\n'
        '[items]\ntable = "items.csv"\ncolumns = { x = ["a", "b", "c"] }\n'
    )
    with pytest.raises(ConfigError) as caught:
        verbs.run(path, executor="here")
    assert str(caught.value) == (
        f"\"two\" is not a number\n  row 2, column 'b' of {bench.folder / 'items.csv'}\n  write a number"
    )
    (bench.folder / "items.csv").write_text("a,b,c\n1,2,3\n1,2,4\n")
    assert verbs.run(path, executor="here").counts["done"] == 2


def test_where_a_job_lies_does_not_change_it_but_what_is_in_its_files_does(bench, monkeypatch):
    from adcore.batch.create import source_hash

    path = bench.job(GOOD)
    first = source_hash(read_job(path))
    monkeypatch.chdir(bench.folder)
    assert source_hash(read_job("job.toml")) == first
    path.write_text(path.read_text().replace("workers = 1", "workers = 3"))
    assert source_hash(read_job(path)) == first
    (bench.folder / "model.adg").write_text("0.001")
    assert source_hash(read_job(path)) != first
