"""Jobs over real graph files, whose items can work, fail, kill, hang or eat memory at will."""

import sys
from pathlib import Path

import pytest

from adcore.plugins import loader

sys.path.insert(0, str(Path(__file__).parent))

from batch_jobs import CHAOS, Bench

loader().load_file(str(CHAOS))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A folder with a graph file and jobs."""
    return Bench(tmp_path)
