"""Which settings there are: what each must be, its default, and what it is for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from adcore.errors import ConfigError
from adcore.strategy import Budget, bytes_of


@dataclass(frozen=True, slots=True)
class Known:
    """A setting that there is. what: its value, in words. fits: whether a value will do."""

    what: str
    fits: Callable[[Any], bool]
    default: Any
    meaning: str


def _accepts(read: Callable[[Any], Any], value: Any) -> bool:
    try:
        read(value)
    except ConfigError:
        return False
    return True


def _size(value: Any) -> bool:
    return isinstance(value, int | float | str) and _accepts(bytes_of, value)


def _memory(value: Any) -> bool:
    return isinstance(value, int | float | str) and _accepts(Budget.of, value)


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _word(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _words(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(map(_word, value))


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _table(value: Any) -> bool:
    return isinstance(value, Mapping)


SIZE, SHARE = 'bytes, as in "4 GiB"', 'bytes or a share, as in "512 MiB" or "50%"'

SETTINGS: dict[str, Known] = {
    "strategy.name": Known("the name of a strategy or profile", _word, None, "how derivatives are got; else by kind"),
    "strategy.memory": Known(SHARE, _memory, None, "the peak that a run may reach"),
    "strategy.disk": Known(SIZE, _size, None, "what snapshots may take on disk"),
    "strategy.snapshots": Known("a whole number from 1", _count, None, "states of a loop kept, in place of bytes"),
    "strategy.methods": Known("a table of methods", _table, {}, "other rules, for an op or a named call"),
    "backend.name": Known("the name of a backend", _word, "numpy", "what runs plans"),
    "plugins.enabled": Known("true or false", _flag, True, "false: load none but the built-in plugins"),
    "plugins.only": Known("a list of names", _words, [], "load these plugins and no others"),
    "plugins.disable": Known("a list of names", _words, [], "never load these plugins"),
    "plugins.strict": Known("true or false", _flag, False, "a plugin that cannot load is an error"),
    "plugins.local": Known("a list of files", _words, [], "Python files that are plugins, relative to the settings"),
}
"""All settings, except the options of strategies and backends: those are dataclasses that plugins bring."""

SHORT = {"strategy": "name", "backend": "name", "plugins": "local"}
"""The tables, and what a plain value in place of one means: `strategy = "forward"`."""

OPEN = ("strategy", "backend")
"""The tables that also hold option tables, by name."""

VARIABLES = {
    "ADCORE_CONFIG": "the settings file to read in place of the nearest adcore.toml",
    "ADCORE_DISABLE_PLUGINS": "names of plugins not to load, separated by commas; or all",
    "ADCORE_TRACE_PLUGINS": "1: print what every plugin registers",
    "ADCORE_TRACEBACK": "1: the command line shows where an error was raised",
}
"""Environment variables that are no settings. All others that start with ADCORE_ must name a setting."""


def variable(key: str) -> str:
    """The shortest environment variable of a setting.

    >>> variable("strategy.name"), variable("strategy.memory"), variable("plugins.strict")
    ('ADCORE_STRATEGY', 'ADCORE_MEMORY', 'ADCORE_PLUGINS__STRICT')
    """
    table, _, last = key.partition(".")
    if SHORT[table] == last:
        return f"ADCORE_{table.upper()}"
    return f"ADCORE_{last.upper()}" if table == "strategy" else f"ADCORE_{table.upper()}__{last.upper()}"
