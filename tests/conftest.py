"""Shared by all tests: the folder of helpers is importable, and Hypothesis draws the same cases every time."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.load_profile("fixed")
