"""A reader that knows nothing but docs/format.md gets the same numbers from a file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

import adcore as ad

TABLE = np.linspace(-1.0, 1.0, 20).reshape(4, 5)


def model(params: Any, x: Any) -> Any:
    def step(c: Any, row: Any) -> Any:
        return np.sin(c) * params["k"] + row[0], c * 2.0

    wave = ad.region(lambda v: np.cos(v) * 0.5, name="wave")
    c, ys = ad.scan(step, wave(x) @ TABLE[0], TABLE)
    ad.check(c > -100.0, "the carry is {0:.3g}", c)
    return {"c": c, "mean": np.mean(ys), "y": (TABLE @ x - ys, wave(x))}


def test_a_foreign_reader_evaluates_a_file(tmp_path: Path) -> None:
    x = np.array([0.1, -0.2, 0.3, 0.4, 0.5])
    graph = ad.trace(model, {"k": 0.7}, x)
    graph.save(tmp_path / "model.adg")
    arguments = json.dumps({"params.k": 0.7, "x": x.tolist()})
    program = Path(__file__).with_name("foreign.py")
    done = subprocess.run(
        [sys.executable, "-I", str(program), str(tmp_path / "model.adg"), arguments],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    wanted = graph.compile().all(np.asarray(0.7), x)
    assert list(found) == list(graph.output_names) == ["y.c", "y.mean", "y.y[0]", "y.y[1]"]
    for name, y in zip(graph.output_names, wanted, strict=True):
        np.testing.assert_allclose(found[name], y, rtol=1e-13)


def test_the_page_names_every_kind_feature_and_limit() -> None:
    from adcore.serialize.limits import DEFAULT, WORDS
    from adcore.serialize.read import FEATURES
    from adcore.serialize.tables import KINDS
    from adcore.types import DTYPES

    page = (Path(ad.__file__).parents[1] / "docs" / "format.md").read_text()
    for kind in KINDS:
        assert f"| `{kind}` |" in page
    for feature in FEATURES:
        assert f'"{feature}"' in page
    for name in WORDS:
        n = getattr(DEFAULT, name)
        shown = f"{n >> 20} MiB" if n >= 1 << 20 and n % (1 << 20) == 0 else f"{n:,}"
        assert f"| `{name}` | {shown} |" in page
    assert all(f" {name} " in page.replace("`", " ") for name in DTYPES)
