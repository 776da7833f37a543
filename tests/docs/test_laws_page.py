"""Every law stands in the page on testing, and nothing else does."""

from __future__ import annotations

import re
from pathlib import Path

from adcore.testing import LAWS


def test_every_law_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", text, re.M) == list(LAWS)
