"""`adcore plan --schedule`: the schedule of a loop, as text and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import adcore as ad
from adcore.cli import main


def looped(x: Any) -> Any:
    y, _ = ad.scan(lambda y, _: (y + 0.1 * np.sin(y), None), x, None, length=30)
    return np.sum(y)


def test_the_schedule_of_a_loop_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ad.trace(looped, np.zeros(7)).save(tmp_path / "f.adg")
    common = ["plan", str(tmp_path / "f.adg"), "--strategy", "checkpointed", "--snapshots", "3", "--schedule"]
    assert main([*common, str(tmp_path / "loop.svg")]) == 0
    assert "30 steps under schedule binomial (slots 3, leaf 1)" in (tmp_path / "loop.svg").read_text()
    assert main([*common, str(tmp_path / "loop.txt")]) == 0
    lines = (tmp_path / "loop.txt").read_text().splitlines()
    assert lines[1] == "Save     o"
    assert lines[-1].endswith("at most 3 snapshots")
    assert "loop of <lambda>: 30 steps in" in capsys.readouterr().out


def test_a_budget_for_the_disk_is_an_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ad.trace(looped, np.zeros(20_011)).save(tmp_path / "f.adg")
    fast = ["--set", "write_speed=1 TB", "--set", "read_speed=1 TB"]
    common = ["plan", str(tmp_path / "f.adg"), "--strategy", "checkpointed", "--memory", "2 MB", *fast]
    assert main([*common, "--disk", "2MB"]) == 0
    assert " on disk, " in capsys.readouterr().out
    assert main([*common, "--disk", "much"]) == 2
    assert "--disk" in capsys.readouterr().err


def test_a_plan_without_a_schedule_says_how_to_get_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ad.trace(lambda x: np.sum(x * x), np.zeros(7)).save(tmp_path / "f.adg")
    code = main(["plan", str(tmp_path / "f.adg"), "--schedule", str(tmp_path / "loop.svg")])
    assert code != 0
    assert "the plan leads no loop by a schedule" in capsys.readouterr().err
