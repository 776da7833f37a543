"""Runs that are killed go on from what is on disk: the same bits, few steps repeated, no file left."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import adcore as ad
from adcore.backend import Program, find_backend
from adcore.errors import SnapshotError
from adcore.extend import Spill, elementwise
from adcore.graph import numbering
from adcore.plan.loops import pairs
from adcore.plan.schedule import Load, Save, Schedule
from adcore.plan.steps import Plan, default_plan
from adcore_backends.files import FileSnapshots
from adcore_strategies.schedules import TwoLevel

RNG = np.random.default_rng(23)
X, W = RNG.normal(size=5), RNG.normal(size=(60, 5))
STEPS = len(W)
RUN: list[int] = []

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # of fork


@ad.op("resume::counted", rule=elementwise(lambda y, x: np.cos(x)), elementwise=True)
def counted(x: Any, out: Any = None) -> Any:
    RUN.append(1)
    return np.sin(x, out=out)


def last(x: Any, w: Any) -> Any:
    y, _ = ad.scan(lambda y, _: (y + 0.1 * counted(y * w[0]), None), x, None, length=STEPS)
    return np.sum(y * y)


def rows(x: Any, w: Any) -> Any:
    """Stacked inputs and results, and work between the loops that is not part of them."""
    y, ys = ad.scan(lambda y, w: (y + 0.1 * counted(y * w), np.sum(y)), x, w)
    return np.sum(y * y) + np.sum(ys * ys)


def planned(
    f: Callable[..., Any], directory: Any, schedule: Schedule, store: str = "files", resume: bool = True
) -> Plan:
    graph = ad.differentiate(ad.trace(f, X, W), "grad", wrt=[0, 1])
    number = numbering(graph)
    trails = {number[v]: schedule for pair in pairs(graph) for v in pair.trails}
    return replace(default_plan(graph, trails=trails), spill=Spill(store, str(directory), resume))


class Mortal(FileSnapshots):
    """A store that ends its process before one of its operations, or in the middle of writing a file."""

    lives: ClassVar[int] = 10**9
    torn: ClassVar[bool] = False

    def save(self, key: Any, arrays: Sequence[Any]) -> None:
        if self.torn and Mortal.lives == 1:
            (self.folder / f"{key}.new").write_bytes(b"\x89ADS\r\n\x1a\nhalf")
        self.live()
        super().save(key, arrays)

    def load(self, key: Any, places: Sequence[Any]) -> None:
        self.live()
        super().load(key, places)

    def drop(self, key: Any) -> None:
        self.live()
        super().drop(key)

    @staticmethod
    def live() -> None:
        Mortal.lives -= 1
        if Mortal.lives == 0:
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def mortal(monkeypatch: pytest.MonkeyPatch) -> None:
    from adcore.registry import registry

    monkeypatch.setitem(registry().snapshots, "mortal", Mortal)


def killed(program: Program, after: int, torn: bool) -> bool:
    """Run in another process, which dies before its n-th operation on the store; False if it lives to the end."""
    pid = os.fork()
    if pid == 0:
        Mortal.lives, Mortal.torn = after, torn
        program.all(X, W)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)


def gaps(schedule: Schedule) -> int:
    """The most forward steps between two places where a run can go on, a disk save or load."""
    most = since = 0
    for action in schedule.actions(STEPS):
        if isinstance(action, Save | Load) and action.tier == "disk":
            since = 0
        elif type(action).__name__ in ("Advance", "Tape"):
            since += action.stop - action.start  # type: ignore[union-attr]
            most = max(most, since)
    return most


CASES = {
    "few": (TwoLevel(2, 4), 1, False),
    "none in memory": (TwoLevel(0, 6, leaf=3), 2, True),
    "free": (TwoLevel(3, 9, 1, 0, 0), 7, True),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("f", [last, rows])
def test_a_run_killed_anywhere_goes_on_with_the_same_bits_and_leaves_no_file(
    f: Any, case: str, tmp_path: Path, mortal: None
) -> None:
    schedule, stride, torn = CASES[case]
    plan = planned(f, tmp_path, schedule, "mortal")
    want = [a.tobytes() for a in find_backend().compile(default_plan(plan.graph)).all(X, W)]
    program = find_backend().compile(plan)
    after, longest = 1, gaps(schedule)
    RUN.clear()
    assert [a.tobytes() for a in program.all(X, W)] == want
    whole, shortest = len(RUN), 10**9
    while killed(program, after, torn):
        assert len(list(tmp_path.iterdir())) == 1
        RUN.clear()
        found = [a.tobytes() for a in program.all(X, W)]
        assert found == want
        assert list(tmp_path.iterdir()) == []
        assert len(RUN) <= whole
        shortest = min(shortest, len(RUN))
        after += stride
    assert after > 20
    assert shortest <= longest


def test_a_run_may_be_killed_again_and_again(tmp_path: Path, mortal: None) -> None:
    plan = planned(rows, tmp_path, TwoLevel(2, 4), "mortal")
    want = find_backend().compile(default_plan(plan.graph)).all(X, W)
    program = find_backend().compile(plan)
    deaths = 0
    while killed(program, 6, torn=False):
        deaths += 1
        assert deaths < 100
    assert deaths > 3
    assert list(tmp_path.iterdir()) == []
    for a, b in zip(program.all(X, W), want, strict=True):
        np.testing.assert_array_equal(a, b)


def test_other_inputs_and_other_graphs_are_other_runs(tmp_path: Path, mortal: None) -> None:
    plan = planned(last, tmp_path, TwoLevel(2, 4), "mortal")
    program = find_backend().compile(plan)
    assert killed(program, 9, torn=False)
    (left,) = tmp_path.iterdir()
    other = find_backend().compile(planned(rows, tmp_path, TwoLevel(2, 4), "mortal"))
    for run, args in ((program, (X + 1.0, W)), (other, (X, W))):
        want = find_backend().compile(default_plan(run.plan.graph)).all(*args)
        for a, b in zip(run.all(*args), want, strict=True):
            np.testing.assert_array_equal(a, b)
        assert list(tmp_path.iterdir()) == [left]
    program.all(X, W)
    assert list(tmp_path.iterdir()) == []


def test_a_budget_for_the_disk_has_room_for_what_a_run_needs_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Weighed(FileSnapshots):
        most: ClassVar[int] = 0

        def save(self, key: Any, arrays: Sequence[Any]) -> None:
            super().save(key, arrays)
            Weighed.most = max(Weighed.most, sum(p.stat().st_size - 40 for p in self.folder.glob("*.snapshot")))

    from adcore.registry import registry

    monkeypatch.setitem(registry().snapshots, "weighed", Weighed)
    x, w = RNG.normal(size=20_011), RNG.normal(size=60)
    graph = ad.differentiate(ad.trace(rows, x, w), "grad", wrt=[0, 1])
    told = {"disk": "2 MB", "directory": str(tmp_path), "store": "weighed", "write_speed": "1 TB", "read_speed": "1 TB"}
    written = []
    for resume in (False, True):
        Weighed.most = 0
        plan = ad.plan(
            graph, "checkpointed", memory="2.5 MB", config={"strategy": {"checkpointed": {**told, "resume": resume}}}
        )
        find_backend().compile(plan).all(x, w)
        written.append(plan.cost.disk_written)
        assert 1_000_000 < Weighed.most <= 2_000_000
    assert written[0] > written[1] > 0


def test_two_that_do_the_same_run_at_once_do_not_meet(tmp_path: Path) -> None:
    one, two = (FileSnapshots(Spill(directory=str(tmp_path)), "same") for _ in range(2))
    one.save(3, [X])
    two.save(3, [W])
    place = np.zeros_like(X)
    one.load(3, [place])
    np.testing.assert_array_equal(place, X)
    two.close()
    one.close()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_checked_before_it_is_used(tmp_path: Path, mortal: None) -> None:
    program = find_backend().compile(planned(last, tmp_path, TwoLevel(2, 4), "mortal"))
    want = program.all(X, W)
    assert killed(program, 12, torn=False)
    for file in tmp_path.glob("*/*.snapshot"):
        file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(SnapshotError, match=r"cannot be read: it is not what was written"):
        program.all(X, W)
    assert list(tmp_path.iterdir()) == []
    np.testing.assert_array_equal(program.all(X, W)[0], want[0])


def test_a_run_that_is_stopped_by_hand_goes_on_and_one_that_fails_does_not(tmp_path: Path) -> None:
    class Stopped(FileSnapshots):
        count: ClassVar[int] = 0
        error: ClassVar[type[BaseException]] = KeyboardInterrupt

        def load(self, key: Any, places: Sequence[Any]) -> None:
            Stopped.count += 1
            if Stopped.count == 2:
                raise self.error
            super().load(key, places)

    from adcore.registry import registry

    registry().snapshots["stopped"] = Stopped
    try:
        plan = planned(last, tmp_path, TwoLevel(2, 4), "stopped")
        program, want = find_backend().compile(plan), find_backend().compile(default_plan(plan.graph)).all(X, W)
        with pytest.raises(KeyboardInterrupt):
            program.all(X, W)
        assert len(list(tmp_path.iterdir())) == 1
        RUN.clear()
        np.testing.assert_array_equal(program.all(X, W)[0], want[0])
        assert 0 < len(RUN) < plan.cost.forward_steps
        Stopped.count, Stopped.error = 0, FloatingPointError
        with pytest.raises(FloatingPointError):
            program.all(X, W)
        assert list(tmp_path.iterdir()) == []
    finally:
        del registry().snapshots["stopped"]


def test_a_run_that_may_not_resume_leaves_nothing_but_what_the_next_one_sweeps(tmp_path: Path, mortal: None) -> None:
    program = find_backend().compile(planned(last, tmp_path, TwoLevel(2, 4), "mortal", resume=False))
    assert killed(program, 9, torn=False)
    assert len(list(tmp_path.iterdir())) == 1
    RUN.clear()
    program.all(X, W)
    assert len(RUN) >= STEPS
    assert list(tmp_path.iterdir()) == []
