"""Nothing that a user may meet is missing from the pages: hooks, errors, settings, verbs, strategies, words."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import adcore as ad
from adcore import errors, hookspecs
from adcore.cli import VERBS
from adcore.registry import doors, registry
from docs import graph_ops

DOCS = Path(__file__).parents[2] / "docs"


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text()


def hooks() -> list[str]:
    return [name for name, f in vars(hookspecs).items() if name.startswith("adcore_") and inspect.isfunction(f)]


def error_classes() -> list[type]:
    return [c for c in vars(errors).values() if inspect.isclass(c) and issubclass(c, errors.AdcoreError)]


@pytest.mark.parametrize("hook", hooks())
def test_every_hook_is_documented_with_its_arguments(hook):
    arguments = ", ".join(inspect.signature(getattr(hookspecs, hook)).parameters)
    assert f"`{hook}({arguments})`" in page("plugins")


@pytest.mark.parametrize("error", error_classes(), ids=lambda c: c.__name__)
def test_every_error_is_documented(error):
    assert f"`{error.__name__}`" in page("errors")
    assert error.__doc__


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_documented(verb):
    assert f"adcore {verb}" in page("cli")


def test_every_setting_is_documented():
    from adcore.config.known import SETTINGS

    text = page("strategies")
    missing = [name for name in SETTINGS if name.rpartition(".")[2] not in text]
    assert not missing


def test_every_strategy_stepper_and_method_is_documented():
    doors["load"](None)
    known = registry()
    text = "".join(p.read_text() for p in DOCS.glob("*.md"))
    names = [*known.strategies, *known.steppers, *(name for _, name in known.methods)]
    assert [n for n in names if f"`{n}`" not in text] == []


def test_every_op_is_documented():
    again = "run python tests/docs/graph_ops.py > docs/graph_ops.md"
    assert page("graph_ops") == graph_ops.page(), again


def test_every_public_name_is_documented():
    text = "".join(p.read_text() for p in DOCS.glob("*.md"))
    assert [n for n in ad.__all__ if f"ad.{n}" not in text and f"`{n}`" not in text] == []


WORDS = [
    "adjoint",
    "backend",
    "batch",
    "budget",
    "carry",
    "check",
    "checkpoint",
    "cotangent",
    "dim",
    "domain",
    "executor",
    "graph",
    "hook",
    "identity",
    "jvp",
    "kink",
    "lane",
    "mesh",
    "method",
    "node",
    "op",
    "plan",
    "planner",
    "primal",
    "profile",
    "program",
    "registry",
    "report",
    "request",
    "residual",
    "rule",
    "sample",
    "schedule",
    "segment",
    "snapshot",
    "stepper",
    "store",
    "strategy",
    "tangent",
    "trail",
    "tracer",
    "transform",
    "transpose",
    "value",
    "vjp",
]


def test_the_words_of_the_design_are_in_the_glossary():
    text = page("glossary")
    assert [w for w in WORDS if not re.search(rf"^- \*\*{w}\*\*", text, re.MULTILINE | re.IGNORECASE)] == []
