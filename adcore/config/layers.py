"""Layers of settings, the later over the earlier, and what they come to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from adcore.config.known import OPEN, SETTINGS, SHORT
from adcore.config.words import Key, nearest, quoted, said, wrong
from adcore.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Setting:
    """One value, and where it comes from, in words: "[strategy] memory in adcore.toml:3"."""

    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class Layer:
    """Nested settings from one place. where: the origin of a key, in words. folder: what paths are relative to."""

    values: Mapping[str, Any]
    where: Callable[[Key], str]
    folder: str

    @property
    def name(self) -> str | None:
        """The strategy or profile that this layer names."""
        table = self.values.get("strategy")
        name = table.get("name") if isinstance(table, Mapping) else table
        if name is not None and not SETTINGS["strategy.name"].fits(name):
            raise wrong("strategy.name", name, self.said(("strategy", "name")))
        return name

    def said(self, key: Key) -> str:
        """The origin of a key as it is written here: a table may be given by a plain value."""
        return self.where(key if isinstance(self.values.get(key[0]), Mapping) else key[:1])


@dataclass(frozen=True)
class Config:
    """Settings from several layers, the later over the earlier. Never changes; `over` gives another one.

    >>> c = Config(()).over({"strategy": {"name": "forward", "chunk": 16}})
    >>> c["strategy.name"], c.options("strategy", "forward")["chunk"].value, c["backend.name"]
    ('forward', 16, 'numpy')
    >>> c.origin("strategy.name"), c.origin("backend.name")
    ('strategy.name in the argument config=', 'default')
    """

    layers: tuple[Layer, ...]

    def over(self, values: Mapping[str, Any], where: Callable[[Key], str] | None = None) -> Config:
        """These settings with others on top."""
        return Config((*self.layers, Layer(values, where or _argument, os.getcwd())))

    def __getitem__(self, key: str) -> Any:
        """The value of a setting, "strategy.memory"; its default when nothing is said."""
        found = self.settings.get(tuple(key.split(".")))
        return SETTINGS[key].default if found is None else found.value

    def origin(self, key: str) -> str:
        """Where the value of a setting comes from: "default", or place and key."""
        found = self.settings.get(tuple(key.split(".")))
        return "default" if found is None else found.origin

    def options(self, table: str, name: str) -> dict[str, Setting]:
        """What is said of the options of one strategy or backend; ("strategy", "methods"): by op or call."""
        return {k[2]: s for k, s in self.settings.items() if len(k) == 3 and k[:2] == (table, name)}

    @cached_property
    def settings(self) -> dict[Key, Setting]:
        """Everything that is said, by key, the profile in force included. Raises ConfigError."""
        layers, profile = self._expanded()
        names = [n for n in (layer.name for layer in layers) if n is not None and n not in self.profiles]
        final = names[-1] if names else None
        found: dict[Key, Setting] = {}
        if profile is not None:
            found["profile",] = Setting(self.profile, profile.said(("strategy", "name")))
        for layer in layers:
            for key, written, value in _leaves(layer, final, self.profiles):
                found[key] = Setting(value, layer.said(written))
        return found

    @property
    def profile(self) -> str | None:
        """The profile in force."""
        names = [n for n in (layer.name for layer in self.layers) if n is not None]
        return names[-1] if names and names[-1] in self.profiles else None

    @cached_property
    def profiles(self) -> dict[str, list[Layer]]:
        """The tables of every profile."""
        found: dict[str, list[Layer]] = {}
        for layer in self.layers:
            tables = layer.values.get("profile", {})
            if not isinstance(tables, Mapping):
                where = layer.where(("profile",))
                raise ConfigError(f"profile is {said(tables)}", where, "write a table [profile.NAME]")
            for name, table in tables.items():
                found.setdefault(name, []).append(_profile(layer, name, table))
        return found

    def _expanded(self) -> tuple[list[Layer], Layer | None]:
        """All layers, those of the profile in force right under the one that asks for it; and this one."""
        asking = [i for i, layer in enumerate(self.layers) if layer.name is not None]
        if self.profile is None:
            return list(self.layers), None
        i = asking[-1]
        return [*self.layers[:i], *self.profiles[self.profile], *self.layers[i:]], self.layers[i]


def _profile(layer: Layer, name: str, table: Any) -> Layer:
    def where(key: Key) -> str:
        return layer.where(("profile", name, *key))

    if not isinstance(table, Mapping):
        raise ConfigError(f"profile {name} is {said(table)}", where(()), f"write a table [profile.{quoted(name)}]")
    for key in table:
        if key not in OPEN:
            raise unknown(key, OPEN, where((key,)))
    return Layer(table, where, layer.folder)


def _leaves(layer: Layer, final: str | None, profiles: Iterable[str]) -> Iterator[tuple[Key, Key, Any]]:
    """The settings of a layer: full key, key as written, checked value.

    final: the strategy whose options are those that stand beside no name, or the name of a profile.
    """
    for table, values in layer.values.items():
        if table == "profile":
            continue
        if table not in SHORT:
            raise unknown(table, (*SHORT, "profile"), layer.where((table,)))
        if not isinstance(values, Mapping):
            values = {SHORT[table]: values}
        named = values.get(SHORT[table]) if table in OPEN else None
        owner = final if table == "strategy" and (named is None or named in profiles) else named
        for key, value in values.items():
            if key == "name" and value in profiles and table == "strategy":
                continue
            if f"{table}.{key}" in SETTINGS:
                value = _checked(f"{table}.{key}", value, layer)
            if table in OPEN and isinstance(value, Mapping):
                for inner in value:
                    yield (table, key, inner), (table, key, inner), value[inner]
            elif f"{table}.{key}" in SETTINGS:
                yield (table, key), (table, key), value
            elif table in OPEN and owner is not None:
                yield (table, owner, key), (table, key), value
            else:
                fixed = [k.partition(".")[2] for k in SETTINGS if k.startswith(f"{table}.")]
                raise unknown(key, fixed, layer.where((table, key)))


def _checked(key: str, value: Any, layer: Layer) -> Any:
    if not SETTINGS[key].fits(value):
        raise wrong(key, value, layer.said(tuple(key.split("."))))
    return [os.path.normpath(os.path.join(layer.folder, file)) for file in value] if key == "plugins.local" else value


def unknown(key: str, allowed: Iterable[str], where: str) -> ConfigError:
    """The error for a setting that there is not."""
    return ConfigError(f"there is no setting {key!r}", where, nearest(key, allowed))


def _argument(key: Key) -> str:
    return f"{'.'.join(map(quoted, key))} in the argument config="
