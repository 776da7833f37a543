"""Snapshots on disk: the same bits, files that come and go, and clear errors when the disk is full or altered."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import adcore as ad
from adcore.backend import find_backend
from adcore.errors import ConfigError, SnapshotError
from adcore.extend import Snapshots, Spill
from adcore.graph import Graph, numbering
from adcore.plan.loops import pairs
from adcore.plan.schedule import replay
from adcore.plan.steps import Plan, default_plan
from adcore_backends.files import FileSnapshots
from adcore_strategies.schedules import TwoLevel

RNG = np.random.default_rng(17)
X = RNG.normal(size=7)


def model(x: Any) -> Any:
    def step(carry: Any, _: Any) -> Any:
        i, y = carry
        return (i + 1, y + 0.1 * np.sin(y) / (i + 1.0)), np.sum(y)

    (_, y), ys = ad.scan(step, (0, x), None, length=40)
    return np.sum(y * y) + np.sum(ys)


def gradient() -> Graph:
    return ad.differentiate(ad.trace(model, X), "grad")


def spilled(directory: Any, schedule: TwoLevel | None = None) -> Plan:
    graph = gradient()
    number = numbering(graph)
    trails = {number[v]: schedule or TwoLevel(2, 4, leaf=2) for pair in pairs(graph) for v in pair.trails}
    return replace(default_plan(graph, trails=trails), spill=Spill(directory=str(directory)))


def test_a_loop_on_disk_gives_the_bits_of_one_in_memory_and_leaves_no_file(tmp_path: Path) -> None:
    for schedule in (TwoLevel(2, 4, leaf=2), TwoLevel(0, 3), TwoLevel(1, 40, write=0.0, read=0.0)):
        plan = spilled(tmp_path, schedule)
        program = find_backend().compile(plan)
        want = find_backend().compile(default_plan(plan.graph))(X)
        for _ in range(2):
            np.testing.assert_array_equal(program(X), want)
            assert list(tmp_path.iterdir()) == []
        cost = replay(schedule, 40)
        (pair,) = pairs(plan.graph)
        assert (plan.cost.disk_written, plan.cost.disk_read) == (
            cost.disk_saves * pair.state,
            cost.disk_loads * pair.state,
        )


def test_the_arena_holds_nothing_of_what_is_on_disk(tmp_path: Path) -> None:
    few, many = (spilled(tmp_path, TwoLevel(1, disk, write=0.0, read=0.0)).cost for disk in (2, 30))
    assert few.arena_bytes == many.arena_bytes
    assert few.forward_steps > many.forward_steps


def test_a_directory_that_is_not_there_or_not_writable_is_named(tmp_path: Path) -> None:
    program = find_backend().compile(spilled(tmp_path / "none"))
    with pytest.raises(SnapshotError, match=r"(?s)kept in .*none: No such file or directory.*another directory"):
        program(X)
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(SnapshotError, match="Not a directory"):
        find_backend().compile(spilled(file))(X)


def test_a_full_disk_is_a_clear_error_and_leaves_no_half_file(tmp_path: Path) -> None:
    script = f"""
        import resource, sys
        sys.path[:0] = {[str(Path(__file__).parents[2]), str(Path(__file__).parents[2] / "plugins")]!r}
        import numpy as np
        from adcore.errors import SnapshotError
        from adcore.extend import Spill
        from adcore_backends.files import FileSnapshots
        store = FileSnapshots(Spill(directory={str(tmp_path)!r}))
        store.save(0, [np.ones(100)])
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            store.save(1, [np.ones(1000)])
        except SnapshotError as e:
            print(e)
        print(store.keys(), [p.suffix for p in store.folder.iterdir()])
        """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    assert "a snapshot of 8000 bytes cannot be written: File too large" in done.stdout
    assert "[0] ['.snapshot']" in done.stdout
    assert list(tmp_path.iterdir()) == []  # and the process takes its folder along


def test_an_altered_or_truncated_file_is_never_read(tmp_path: Path) -> None:
    store = FileSnapshots(Spill(directory=str(tmp_path)))
    arrays = [RNG.normal(size=5), np.array(3), np.ones((2, 3), np.float32)]
    places = [np.zeros_like(a) for a in arrays]
    store.save(7, arrays)
    store.load(7, places)
    for a, b in zip(arrays, places, strict=True):
        np.testing.assert_array_equal(a, b)
    file = next(store.folder.iterdir())
    good = file.read_bytes()
    for bad in (good[:-1], good + b"x", good[:50] + bytes([good[50] ^ 1]) + good[51:], b"", b"x" * len(good)):
        file.write_bytes(bad)
        with pytest.raises(SnapshotError, match=r"(?s)7 cannot be read: it is not what was written.*7.snapshot"):
            store.load(7, places)
    with pytest.raises(SnapshotError, match="snapshot 8 cannot be read: No such file"):
        store.load(8, places)
    store.close()
    assert list(tmp_path.iterdir()) == []


def test_folders_of_killed_processes_are_swept_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    mine = FileSnapshots(Spill(directory=str(tmp_path)))
    host = mine.folder.name.split("-")[1:-2]
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    orphan = tmp_path / "-".join(["adcore", *host, str(dead.pid), "abc"])
    orphan.mkdir()
    (orphan / "3.snapshot").write_bytes(b"left")
    other = FileSnapshots(Spill(directory=str(tmp_path)))
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([mine.folder.name, other.folder.name])
    mine.close()
    other.close()


def test_an_interrupted_run_takes_its_files_along(tmp_path: Path) -> None:
    def logs(x: Any) -> Any:
        y, _ = ad.scan(lambda y, _: (np.log(y), None), x, None, length=6)
        return np.sum(y)

    graph = ad.differentiate(ad.trace(logs, X), "grad")
    number = numbering(graph)
    trails = {number[v]: TwoLevel(1, 3) for pair in pairs(graph) for v in pair.trails}
    program = find_backend().compile(replace(default_plan(graph, trails=trails), spill=Spill(directory=str(tmp_path))))
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        program(X)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_store_is_named_with_those_that_are_known() -> None:
    plan = replace(spilled(""), spill=Spill(store="tape robot"))
    with pytest.raises(ConfigError, match=r"(?s)no store of snapshots is called 'tape robot'.*known: files"):
        find_backend().compile(plan)(X)


class Shelf(Snapshots):
    """A store of three methods, as a plugin would bring it."""

    kept: ClassVar[dict[Any, list[Any]]] = {}

    def save(self, key: Any, arrays: Sequence[Any]) -> None:
        self.kept[key] = [a.copy() for a in arrays]

    def load(self, key: Any, places: Sequence[Any]) -> None:
        for place, a in zip(places, self.kept[key], strict=True):
            place[...] = a

    def drop(self, key: Any) -> None:
        del self.kept[key]


def test_a_store_of_three_methods_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    from adcore.registry import registry

    monkeypatch.setitem(registry().snapshots, "shelf", Shelf)
    plan = replace(spilled(""), spill=Spill(store="shelf"))
    want = find_backend().compile(default_plan(plan.graph))(X)
    np.testing.assert_array_equal(find_backend().compile(plan)(X), want)
    assert Shelf.kept == {}
