"""`adcore new-plugin NAME`: a package that brings an op, with its rule and its tests, ready to be changed."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from adcore.cli.command import Arguments, Command, emit

PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "adcore-{name}"
version = "0.1.0"
description = "Ops of adcore: {name}"
requires-python = ">=3.11"
dependencies = ["adcore>=0.1"]

[project.optional-dependencies]
test = ["pytest>=8"]

# the name of the entry point is the domain of the ops
[project.entry-points.adcore]
{name} = "adcore_{name}"

[tool.hatch.build.targets.wheel]
packages = ["adcore_{name}"]
"""

MODULE = '''\
"""Ops of the domain `{name}`. An Op at the top of this module is found by adcore; hooks bring the rest.

See `adcore.hookspecs` for all hooks, and `adcore.extend` for all that a plugin may import.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adcore.extend import Sample, elementwise, op

ADCORE_API = 1
"""The plugin interface that this is written for."""


@op(
    "{name}::softplus",
    rule=elementwise(lambda y, x: 1.0 / (1.0 + np.exp(-x))),  # dy/dx, in NumPy: both modes come from it
    elementwise=True,
    samples=(Sample(((2, 3),)), Sample(((),))),  # where the laws are checked
)
def softplus(x: Any) -> Any:
    """log(1 + e^x), without overflow."""
    return np.logaddexp(x, np.zeros((), x.dtype))
'''

TEST = '''\
"""Every op of the plugin under every law: values, both modes, second order, batches, dtypes, files."""

from adcore.testing import laws

test_{name} = laws("{name}")
'''

README = """\
# adcore-{name}

Ops of adcore in the domain `{name}`.

    pip install -e '.[test]'
    pytest
    adcore plugins {name}
"""

FILES = {
    "pyproject.toml": PYPROJECT,
    "README.md": README,
    "adcore_{name}/__init__.py": MODULE,
    "tests/test_{name}.py": TEST,
}


def write_plugin(name: str, parent: Path) -> list[Path]:
    """Write the package into parent/adcore-NAME; the files. Raises InputError for a bad name or a folder in the way."""
    from adcore.errors import InputError

    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name == "core":
        raise InputError(f"{name!r} is no name of a domain", "new-plugin", "use lower-case letters, digits and _")
    folder = parent / f"adcore-{name}"
    if folder.exists():
        raise InputError(f"{folder} is there already", "new-plugin", "choose another name, or another --directory")
    written = []
    for path, text in FILES.items():
        file = folder / path.replace("{name}", name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace("{name}", name))
        written.append(file)
    return written


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the domain of its ops, as in acme::softplus")
    parser.add_argument("--directory", metavar="DIR", default=".", help="where to put it; default: here")


def _run(args: Arguments) -> int:
    files = write_plugin(args.name, Path(args.directory))
    folder = Path(args.directory) / f"adcore-{args.name}"
    text = "\n".join([*map(str, files), "", f"next: cd {folder} && pip install -e '.[test]' && pytest"])
    emit(args, {"directory": str(folder), "files": [str(f) for f in files]}, text)
    return 0


COMMANDS = {
    "new-plugin": Command(
        "write a package that brings an op, with its tests",
        _arguments,
        _run,
        ("adcore new-plugin acme", "adcore new-plugin acme --directory plugins"),
    )
}
