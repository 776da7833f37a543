"""Jobs made of a program that is no graph, so that items can work, fail, kill, hang or eat memory at will."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # `stand_in` is imported by tests and, by this path, by their workers


@dataclass(frozen=True)
class Bench:
    """A folder with a graph file, and a way to run jobs in it, here or in a process of its own."""

    folder: Path

    def job(self, text: str, name: str = "job.toml", seconds: float = 0.0) -> Path:
        (self.folder / "model.adg").write_text(str(seconds))
        path = self.folder / name
        path.write_text(text)
        return path

    def script(self, body: str) -> list[str]:
        """A command that runs a line of Python with the driver's modules at hand."""
        lines = [
            "import sys",
            f"sys.path[:0] = {sys.path!r}",
            "from adcore.batch import verbs",
            "from adcore.errors import AdcoreError",
            body,
        ]
        return [sys.executable, "-c", "\n".join(lines)]

    def driver(self, body: str, **options: object) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
            self.script(body), cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
        )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)
