"""Where settings are found: files at or above the working directory, and the environment."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from typing import Any

from adcore.config.known import OPEN, SETTINGS, SHORT, VARIABLES, variable
from adcore.config.layers import Config, Layer
from adcore.config.words import Key, full_key, line_of, near, nearest, nested, parsed, quoted
from adcore.errors import ConfigError

MISSPELT = 0.85
"""How much a variable must resemble one of ours to be an error: other programs have variables that begin alike."""

_last: dict[Any, Config] = {}


def discovered() -> Config:
    """The settings of the working directory and the environment; read again only when these have changed."""
    here = os.getcwd()
    variables = {name: os.environ[name] for name in os.environ if name.startswith("ADCORE_")}
    named = variables.get("ADCORE_CONFIG")
    project, own = _above(here, "pyproject.toml"), os.path.abspath(named) if named else _above(here, "adcore.toml")
    key = (here, tuple(variables.items()), _state(project), _state(own))
    if key not in _last:
        layers = [file_layer(project, ("tool", "adcore"))] if project else []
        layers += [file_layer(own, (), "see the environment variable ADCORE_CONFIG" if named else "")] if own else []
        made = Config((*layers, _environment(variables)))
        _last.clear()
        _last[key] = made
    return _last[key]


def _above(folder: str, name: str) -> str | None:
    """The nearest file of that name, in the folder or above it."""
    while not os.path.isfile(path := os.path.join(folder, name)):
        if folder == os.path.dirname(folder):
            return None
        folder = os.path.dirname(folder)
    return path


def _state(path: str | None) -> tuple[Any, ...]:
    try:
        found = os.stat(path) if path else None
    except OSError:
        found = None
    return (path, found.st_mtime_ns, found.st_size) if found else (path,)


def file_layer(path: str, root: Key, otherwise: str = "") -> Layer:
    """The layer of a TOML file, or of the table `root` in it. Raises ConfigError."""
    import tomllib

    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        values: Any = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"the settings file cannot be read: {error.strerror}", near(path), otherwise) from None
    except ValueError as error:  # of TOML, or of its encoding
        raise ConfigError(f"the settings file is not TOML: {error}", near(path), "see docs/strategies.md") from None
    for part in root:
        values = values.get(part, {})

    def where(key: Key) -> str:
        full = (*root, *key)
        table = ".".join(map(quoted, full[:-1]))
        return f"{f'[{table}] ' if table else ''}{quoted(full[-1])} in {near(path)}:{line_of(text, full)}"

    return Layer(values, where, os.path.dirname(path))


def _environment(variables: Mapping[str, str]) -> Layer:
    """The layer of the environment: ADCORE_MEMORY, ADCORE_STRATEGY__FORWARD__CHUNK."""
    names: dict[Key, str] = {}
    found: list[tuple[Key, Any]] = []
    for name, text in sorted(variables.items()):
        if name in VARIABLES:
            continue
        key = full_key(tuple(name.removeprefix("ADCORE_").lower().split("__")))
        known = ".".join(key) in SETTINGS or (len(key) == 1 and key[0] in SHORT) or (len(key) > 2 and key[0] in OPEN)
        if not known:
            allowed = [*VARIABLES, *map(variable, SETTINGS)]
            if difflib.get_close_matches(name, allowed, 1, MISSPELT):
                raise ConfigError(f"there is no setting {name}", "in the environment", nearest(name, allowed))
            continue
        names[key] = name
        found.append((key, parsed(text)))

    def where(key: Key) -> str:
        said = [names[key[:end]] for end in range(len(key), 0, -1) if key[:end] in names]
        return f"environment variable {said[0]}" if said else "the environment"

    return Layer(nested(found), where, os.getcwd())
