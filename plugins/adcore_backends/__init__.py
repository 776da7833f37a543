"""The backends that come with adcore."""

from __future__ import annotations

from collections.abc import Mapping

from adcore.extend import Backend, Snapshots, hookimpl
from adcore_backends.files import FileSnapshots
from adcore_backends.numpy import NumpyBackend


@hookimpl
def adcore_register_backends() -> Mapping[str, Backend]:
    """The NumPy backend."""
    return {"numpy": NumpyBackend()}


@hookimpl
def adcore_register_snapshots() -> Mapping[str, type[Snapshots]]:
    """Snapshots of loops as files."""
    return {"files": FileSnapshots}
