"""Jobs over real graph files, whose items can work, fail, kill, hang or eat memory at will."""

import os
import sys
from pathlib import Path

import pytest

from adcore.plugins import loader

sys.path.insert(0, str(Path(__file__).parent))

from batch_jobs import CHAOS, Bench

loader().load_file(str(CHAOS))
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # what jobs say, for those that run in this process


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A folder with a graph file and jobs."""
    return Bench(tmp_path)
