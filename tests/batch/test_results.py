"""Reading results, and exporting them to what other programs read."""

import numpy as np
import pytest

import adcore as ad
from adcore.batch import verbs
from adcore.errors import BatchError, ConfigError

JOB = """
[job]
graph = "model.adg"
out = "runs"
executor = "here"
[inputs]
what = 0
[items]
table = "items.jsonl"
tag = "name"
"""


@pytest.fixture
def job(bench):
    """Five items, tagged a to e; x of item n is [n, 0.5, -n]."""
    lines = [f'{{"name": "{"abcde"[n]}", "x": [{n}, 0.5, {-n}]}}\n' for n in range(5)]
    (bench.folder / "items.jsonl").write_text("".join(lines))
    return bench.job(JOB)


XS = np.array([[n, 0.5, -n] for n in range(5)])
BARS = 2 * np.sin(XS) * np.cos(XS)


def test_results_come_in_item_order_beside_their_inputs_and_tags(job):
    verbs.run(job)
    with verbs.results(job) as found:
        assert (len(found), found.names, found.input_names, found.tags) == (5, ["y", "x_bar"], ["x"], list("abcde"))
        np.testing.assert_array_equal(found.array("x_bar"), BARS)
        np.testing.assert_array_equal(found.array("inputs/x"), XS)
        np.testing.assert_array_equal(found.inputs(3)["x"], XS[3])
        assert [item for item, _ in found] == [0, 1, 2, 3, 4]
        with pytest.raises(BatchError, match=r"there is no item 5\n  job .*\n  items are numbered 0 to 4"):
            found[5]
        with pytest.raises(BatchError, match=r"item 0 has no output 'x_bat'\n  job .*\n  did you mean 'x_bar'\?"):
            found.array("x_bat")


def test_results_that_are_missing_are_an_error_or_filled_in(bench):
    (bench.folder / "items.jsonl").write_text("".join(f'{{"what": {w}, "x": [1, 2, 3]}}\n' for w in (0, 1, 0)))
    place = verbs.run(bench.job(JOB.replace("what = 0\n", "").replace('tag = "name"\n', ""))).place
    with verbs.results(place) as found:
        with pytest.raises(BatchError) as caught:
            found.array("y")
        assert str(caught.value) == (
            f"1 of 3 items have no result, the first is item 1\n  job {place}\n"
            "  pass missing=float('nan') to fill them in, or iterate over the finished ones"
        )
        assert np.isnan(found.array("y", missing=np.nan)).tolist() == [False, True, False]


def test_an_npz_holds_inputs_and_outputs_stacked(job, tmp_path):
    verbs.run(job)
    with verbs.results(job) as found:
        assert found.save(tmp_path / "out.npz") == 5
    with np.load(tmp_path / "out.npz") as saved:
        assert list(saved) == ["item", "tag", "inputs/x", "y", "x_bar"]
        np.testing.assert_array_equal(saved["x_bar"], BARS)
        assert saved["tag"].tolist() == list("abcde")


def test_a_parquet_table_has_a_row_per_item(job, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra `parquet`")
    verbs.run(job)
    with verbs.results(job) as found:
        found.save(tmp_path / "out.parquet")
        table = parquet.read_table(tmp_path / "out.parquet")
        assert table.column_names == ["item", "tag", "inputs/x", "y", "x_bar"]
        np.testing.assert_array_equal(np.array(table["x_bar"].to_pylist()), BARS)
        np.testing.assert_array_equal(table["y"].to_numpy(), found.array("y"))


def test_a_zarr_group_has_an_array_per_output_and_is_not_overwritten(job, tmp_path):
    zarr = pytest.importorskip("zarr", reason="needs the extra `zarr`")
    verbs.run(job)
    with verbs.results(job) as found:
        found.save(tmp_path / "out.zarr")
        group = zarr.open_group(tmp_path / "out.zarr", mode="r")
        np.testing.assert_array_equal(group["x_bar"][:], BARS)
        np.testing.assert_array_equal(group["inputs/x"][:], XS)
        assert group.attrs["tags"] == list("abcde")
        with pytest.raises(BatchError, match="it is there already"):
            found.save(tmp_path / "out.zarr")


def test_an_ending_that_nothing_writes_is_told_with_those_that_there_are(job, tmp_path):
    verbs.run(job)
    with verbs.results(job) as found, pytest.raises(ConfigError) as caught:
        found.save(tmp_path / "out.parket")
    assert str(caught.value) == (
        "nothing writes results to a file that ends in '.parket'\n  the name of the output\n"
        "  did you mean '.parquet'? allowed: .npz, .parquet, .zarr"
    )


def test_reports_and_checks_of_a_graph_belong_to_its_items(tmp_path):
    def f(x):
        ad.check(x > 0, "x is {}, which is no length", x)
        ad.report("inside", 2.0 * x)
        return x * x

    ad.trace(f, 1.0).save(tmp_path / "model.adg")
    path = tmp_path / "job.toml"
    path.write_text('[job]\ngraph = "model.adg"\nexecutor = "here"\n[sweep.grid]\nx = [4.0, -1.0, 9.0]\n')
    summary = verbs.run(path)
    assert (summary.counts["done"], summary.failures[0].kind) == (2, "CheckError")
    assert summary.failures[0].message.startswith("x is -1.0, which is no length\n  at test_results.py:")
    with verbs.results(path) as found:
        assert found.names == ["y", "x_bar", "report/inside"]
        np.testing.assert_array_equal(found.array("report/inside", missing=np.nan), [8.0, np.nan, 18.0])
        assert found[2]["x_bar"] == 18.0
