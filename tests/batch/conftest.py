"""Jobs over real graph files, whose items can work, fail, kill, hang or eat memory at will."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import adcore as ad
from adcore.plugins import loader
from adcore.registry import registry

sys.path.insert(0, str(Path(__file__).parent))  # tests import `chaos` for its numbers
CHAOS = Path(__file__).with_name("chaos.py")


@dataclass(frozen=True)
class Bench:
    """A folder with a graph file, and a way to run jobs in it, here or in a process of its own."""

    folder: Path

    def job(self, text: str, name: str = "job.toml", seconds: float = 0.0) -> Path:
        """A job file beside `model.adg`: sum(sin(x)**2) of x: float64[3], after doing what `what` says."""
        loader().load_file(str(CHAOS))
        act = registry().ops["chaos::act"]
        graph = ad.trace(
            lambda what, x: np.sum(np.sin(act(what, x, seconds=seconds, folder=str(self.folder))) ** 2),
            np.int64(0), np.zeros(3),
        )  # fmt: skip
        graph.save(self.folder / "model.adg")
        path = self.folder / name
        path.write_text(f'{text}\n[plugins]\nlocal = ["{CHAOS}"]\n')
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
        """A process that runs `body`, usually a verb."""
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
            self.script(body), cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
        )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)
