"""`adcore batch` as it is typed: what it prints, and what it ends with."""

import json
import shutil

import pytest
from batch_jobs import items

from adcore.cli import main

DONE, SOME_FAILED, USAGE, LOAD, STOPPED = 0, 1, 2, 3, 75


@pytest.fixture
def run(capsys):
    def run(*line):
        code = main(["batch", *map(str, line)])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_a_job_from_run_to_export(bench, run, monkeypatch):
    monkeypatch.chdir(bench.folder)
    items(bench, [0, 1, 0], executor="here")
    code, out, err = run("run", "job.toml")
    assert code == SOME_FAILED
    lines = out.splitlines()
    assert lines[0].startswith("2 done, 1 failed in ") and lines[0].endswith("; report: runs/report.csv")
    assert lines[1] == "  item 1: ValueError: x is 1"
    assert lines[2].startswith("      while running chaos::act at batch_jobs.py:")
    assert lines[3:] == ["    with what = 1, x = [1.0, 1.5, 1.0]"]
    *progress, hint = err.splitlines()
    assert json.loads(progress[-1])["failed"] == 1
    assert hint == "try failed items again with: adcore batch retry runs"
    code, out, err = run("status", "job.toml")
    assert (code, err) == (DONE, "")
    assert out.splitlines()[0] == f"{bench.folder / 'runs'}: 3 items, nobody runs it"
    code, out, _ = run("results", "runs", "--item", "2", "--json")
    assert json.loads(out)["x_bar"][2] == pytest.approx(0.9092974268256817)
    code, out, _ = run("results", "runs", "-o", "out.npz")
    assert (code, out) == (DONE, "2 items written to out.npz\n")
    code, out, _ = run("results", "runs")
    assert out.splitlines()[0] == "2 items have results; each of them:"
    code, out, err = run("retry", "runs", "--kind", "ValueError", "--quiet", "--json")
    assert (code, json.loads(out)["messages"]) == (SOME_FAILED, ["1 items go again"])


def test_mistakes_end_with_the_code_of_their_kind(bench, run, monkeypatch):
    monkeypatch.chdir(bench.folder)
    path = items(bench, [0])
    path.write_text(path.read_text().replace("workers", "wokers"))
    code, out, err = run("run", "job.toml")
    assert (code, out) == (USAGE, "")
    assert err.startswith(
        "ConfigError: there is no setting 'wokers'\n  [job] wokers in job.toml:5\n  did you mean 'workers'?"
    )
    assert run("run", "job.toml", "--workers", "0")[0] == USAGE
    assert run("status", bench.folder)[0] == LOAD
    path = items(bench, [0])
    (bench.folder / "model.adg").write_bytes(b"not a graph")
    code, _, err = run("run", "job.toml")
    assert code == LOAD
    assert err.startswith("FileFormatError: ")
    items(bench, [0])
    shutil.rmtree("runs")
    (bench.folder / "runs").write_text("in the way")
    code, _, err = run("run", "job.toml")
    assert code == STOPPED
    assert err.startswith("StorageError: the job's directory cannot be made: File exists")


def test_help_shows_examples_for_every_verb(run, capsys):
    for verb in ("run", "resume", "status", "retry", "results", "cancel"):
        assert main(["batch", verb, "--help"]) == 0
        assert f"adcore batch {verb}" in capsys.readouterr().out
