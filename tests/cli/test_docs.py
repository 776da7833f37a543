"""What may be set, and every verb, stands in the docs."""

from __future__ import annotations

from pathlib import Path

import pytest

from adcore.cli import VERBS
from adcore.config import SETTINGS, VARIABLES
from adcore.config.known import variable

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("key", SETTINGS)
def test_every_setting_is_documented_with_its_variable(key):
    assert f"| `{key}` | `{variable(key)}` |" in (DOCS / "strategies.md").read_text()


@pytest.mark.parametrize("name", VARIABLES)
def test_every_variable_is_documented(name):
    assert f"`{name}" in (DOCS / "strategies.md").read_text()


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_documented_with_an_example(verb):
    assert f"adcore {verb}" in (DOCS / "cli.md").read_text()
