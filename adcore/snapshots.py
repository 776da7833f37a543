"""Snapshots outside of memory: where the carries of a loop go that its schedule saves in the tier "disk".

A plan says by name which store takes them (`Plan.spill`); a plugin brings it. The backend opens one for
every trail when it saves the first carry of a run, and closes it when the trail is reversed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeAlias

from adcore.errors import ConfigError
from adcore.plan.steps import Spill
from adcore.registry import registered, registry
from adcore.types import Array

Key: TypeAlias = int | str
"""The step of a carry, or the name of something else that a run that can be resumed has to keep."""


class Snapshots(ABC):
    """What one trail keeps outside of memory while a program runs.

    A store is opened by `Store(spill, name)`. name: "" for a run that ends with its process; else the same
    run is known by it again, if the process is killed, and finds what `keys` says.
    """

    def __init__(self, spill: Spill, name: str = "") -> None:
        self.spill, self.name = spill, name

    @abstractmethod
    def save(self, key: Key, arrays: Sequence[Array]) -> None:
        """Keep a copy of these arrays. Raises SnapshotError when there is no room or no permission."""

    @abstractmethod
    def load(self, key: Key, places: Sequence[Array]) -> None:
        """Copy what was saved into these arrays, bit for bit. Raises SnapshotError when it was altered."""

    @abstractmethod
    def drop(self, key: Key) -> None:
        """Forget it."""

    def keys(self) -> list[Key]:
        """What is there, oldest first: of a run before this one, if it was killed and the store outlives processes."""
        return []

    def close(self) -> None:
        """The trail is reversed, or the run has failed: nothing may be left behind."""
        for key in self.keys():
            self.drop(key)


def open_snapshots(spill: Spill, name: str = "") -> Snapshots:
    """The store that a plan names, opened. Raises ConfigError when no plugin brings it."""
    kind: Callable[[Spill, str], Snapshots] | None = registered("snapshots", spill.store)
    if kind is None:
        known = ", ".join(sorted(registry().snapshots)) or "none"
        raise ConfigError(f"no store of snapshots is called {spill.store!r}", f"known: {known}")
    return kind(spill, name)
