"""Environments with plugins of strangers: a real virtual environment, and folders that look like installed packages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import venv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import adcore

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Python:
    """An interpreter with adcore and what it needs, run in a folder."""

    executable: str
    folder: Path
    path: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)

    def __call__(self, *args: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("ADCORE", "PYTEST", "PYTHON"))}
        env |= {"PYTHONPATH": os.pathsep.join(self.path), "PYTHONDONTWRITEBYTECODE": "1", **self.variables}
        ended = subprocess.run([self.executable, *args], cwd=self.folder, env=env, capture_output=True, text=True)
        assert code is None or ended.returncode == code, f"{args}\n{ended.stdout}\n{ended.stderr}"
        return ended

    def adcore(self, *args: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        return self("-m", "adcore", *args, code=code)

    def report(self, *args: str) -> dict[str, dict[str, Any]]:
        """`adcore plugins --json`, by plugin."""
        ended = self.adcore("plugins", "--json", *args)
        return {p["name"]: p for p in json.loads(ended.stdout)} | {"": {"stderr": ended.stderr}}


def packages() -> list[str]:
    """Where adcore and what it depends on are imported from."""
    home = Path(adcore.__file__).parents[1]
    return [str(home), str(ROOT / "plugins"), *(p for p in sys.path if p.endswith("site-packages"))]


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Python:
    """A fresh virtual environment beside whose own packages adcore and its dependencies are seen."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=False, symlinks=True)
    python = place / ("Scripts" if os.name == "nt" else "bin") / "python"
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], capture_output=True, text=True
    ).stdout.strip()
    (Path(site) / "beside.pth").write_text("\n".join(packages()) + "\n")
    return Python(str(python), tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="session")
def install(environment: Python):
    def run(source: Path) -> None:
        subprocess.run(
            [sys.executable, "-m", "pip", "--python", environment.executable, "install", "--quiet", "--no-deps",
             "--no-build-isolation", "--no-index", "--disable-pip-version-check", str(source)],
            check=True, capture_output=True, text=True,
        )  # fmt: skip

    return run


@pytest.fixture
def site(tmp_path: Path):
    """site(name, module text, domain=...) puts a plugin into a folder as an installer would; the interpreter."""
    folder = tmp_path / "site"
    folder.mkdir()
    work = tmp_path / "work"
    work.mkdir()

    def put(name: str, text: str, domain: str = "", version: str = "1.0") -> Python:
        module = f"plugin_{name}"
        (folder / f"{module}.py").write_text(textwrap.dedent(text))
        info = folder / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[adcore]\n{domain or name} = {module}\n")
        return Python(sys.executable, work, (str(folder), *packages()))

    return put
