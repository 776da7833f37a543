"""A working directory as the examples of the help texts expect it, and the command line as a function."""

from __future__ import annotations

import io
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adcore.cli import main

MODEL = """\
import numpy as np


def f(x1, x2):
    return x1 * x2 + np.sin(x1)


def loss(x):
    return np.sum(np.sin(x) * x)


def power(x, n):
    for _ in range(n):
        x = x * x
    return x


def example():
    return (np.ones(3),)


def branchy(x):
    return x if x > 0 else -x


def broken(x):
    return x / (1 - 1) if isinstance(x, str) else {}["x"]
"""


@dataclass
class Ended:
    """How a command ended: exit code, stdout (as bytes too), stderr."""

    code: int
    data: bytes
    err: str

    @property
    def out(self) -> str:
        return self.data.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class _Stream(io.TextIOWrapper):
    def __init__(self, data: bytes = b"") -> None:
        super().__init__(io.BytesIO(data), encoding="utf-8", write_through=True)


@pytest.fixture
def adcore(monkeypatch):
    """adcore("grad", "f.adg", ..., stdin=b"") runs a command line in this process."""

    def run(*words: str, stdin: bytes = b"") -> Ended:
        out, err = _Stream(), _Stream()
        with monkeypatch.context() as streams:
            streams.setattr(sys, "stdin", _Stream(stdin))
            streams.setattr(sys, "stdout", out)
            streams.setattr(sys, "stderr", err)
            code = main(list(words))
        return Ended(code, out.buffer.getvalue(), err.buffer.getvalue().decode())  # type: ignore[attr-defined]

    return run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    """A working directory with a model, graphs and inputs, and no settings from elsewhere."""
    for name in [n for n in os.environ if n.startswith("ADCORE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "model", raising=False)
    Path("model.py").write_text(MODEL)
    Path("inputs.json").write_text('{"x1": 2, "x2": 3}')
    np.savez("inputs.npz", x1=2.0, x2=3.0)
    import adcore as ad

    names: dict[str, Any] = {}
    exec(compile(MODEL, str(tmp_path / "model.py"), "exec"), names)
    ad.trace(names["f"], 2.0, 3.0).save("f.adg")
    ad.trace(names["loss"], np.ones(3)).save("loss.adg")
    yield tmp_path
    sys.modules.pop("model", None)
