"""Keys and values of settings as people write them, and the nearest name of one that is misspelt."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from adcore.config.known import SETTINGS, SHORT
from adcore.errors import ConfigError

Key: TypeAlias = tuple[str, ...]

_PART = r""""[^"]*"|'[^']*'"""


def parts(text: str) -> Key:
    """A dotted key, taken apart; quotes keep dots together.

    >>> parts('strategy.methods."call:a.b"')
    ('strategy', 'methods', 'call:a.b')
    """
    return tuple(p.strip("\"' ") for p in re.findall(rf"""{_PART}|[^."']+""", text) if p.strip())


def full_key(key: Key) -> Key:
    """A key that may leave out the table [strategy], in full.

    >>> full_key(("memory",)), full_key(("forward", "chunk")), full_key(("backend", "name"))
    (('strategy', 'memory'), ('strategy', 'forward', 'chunk'), ('backend', 'name'))
    """
    return key if key[:1] and key[0] in (*SHORT, "profile") else ("strategy", *key)


def parsed(text: str) -> Any:
    """A value as TOML reads it; what TOML cannot read is a string.

    >>> parsed("16"), parsed("64 MiB"), parsed("true"), parsed('["a"]')
    (16, '64 MiB', True, ['a'])
    """
    import tomllib

    try:
        return text if "\n" in text else tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text


def assignment(text: str) -> tuple[Key, Any]:
    """Key and value of "strategy.forward.chunk=16", as `--set` takes it. Raises ConfigError for anything else.

    >>> assignment('strategy.methods."call:a.b"=forward'), assignment("chunk=16")
    ((('strategy', 'methods', 'call:a.b'), 'forward'), (('strategy', 'chunk'), 16))
    """
    match = re.fullmatch(rf"""\s*((?:{_PART}|[^="'])+?)\s*=\s*(.*?)\s*""", text, re.DOTALL)
    if match is None:
        raise ConfigError(f"{text!r} is no setting", "--set", "write --set KEY=VALUE, as in --set memory=64MiB")
    return full_key(parts(match[1])), parsed(match[2])


def nested(assignments: Iterable[tuple[Key, Any]]) -> dict[str, Any]:
    """Keys and values as nested tables; a plain value where a table is needed is what it is short for.

    >>> nested([(("strategy",), "forward"), (("strategy", "memory"), "1 GiB")])
    {'strategy': {'name': 'forward', 'memory': '1 GiB'}}
    """
    values: dict[str, Any] = {}
    for key, value in assignments:
        if len(key) == 1 and key[0] in SHORT and not isinstance(value, Mapping):
            key = (*key, SHORT[key[0]])
        table = values
        for part in key[:-1]:
            inner = table.get(part)
            table = table.setdefault(part, {}) if isinstance(inner, dict) or inner is None else table
        table[key[-1]] = value
    return values


# --- messages ------------------------------------------------------------------------------------


def nearest(word: str, allowed: Iterable[str]) -> str:
    """What to write in place of a word: the nearest allowed one; all of them if they are few, or none is near.

    >>> nearest("memroy", ["name", "memory", "disk"])
    "did you mean 'memory'? allowed: name, memory, disk"
    """
    known = list(dict.fromkeys(allowed))
    close = difflib.get_close_matches(word, known, 1)
    listed = f"allowed: {', '.join(known) or 'none'}" if len(known) <= 12 or not close else ""
    return " ".join(part for part in (f"did you mean {close[0]!r}?" if close else "", listed) if part)


def wrong(key: str, value: Any, where: str) -> ConfigError:
    """The error for a value that a setting cannot have."""
    return ConfigError(f"{key} is {said(value)}", where, f"write {SETTINGS[key].what}")


def said(value: Any) -> str:
    """A value as it stands in a message."""
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else "a table" if isinstance(value, Mapping) else repr(value)


def quoted(part: str) -> str:
    """A part of a key, in quotes if TOML needs them."""
    return part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else f'"{part}"'


def near(path: str) -> str:
    """The path from here, if it is below the working directory."""
    here = os.getcwd()
    return os.path.relpath(path, here) if path.startswith(here.rstrip(os.sep) + os.sep) else path


def line_of(text: str, key: Key) -> int:
    """The line (from 1) of a TOML text where a key is set, or the innermost table around it.

    >>> line_of('[strategy]\\nname = "auto"\\nforward = { chunk = 2 }', ("strategy", "forward", "chunk"))
    3
    """
    table: Key = ()
    best, found = 0, 1
    for number, line in enumerate(text.splitlines(), 1):
        head = re.match(r"\s*\[+([^\]]+)\]", line)
        set_here = re.match(rf"""\s*((?:{_PART}|[^="'#\[{{])+?)\s*=""", line)
        if head:
            table = parts(head[1])
        reached = table if head else (*table, *parts(set_here[1])) if set_here else ()
        if len(reached) > best and key[: len(reached)] == reached:
            best, found = len(reached), number
    return found
