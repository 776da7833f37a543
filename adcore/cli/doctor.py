"""What `adcore doctor` looks at: versions, settings, plugins, and one gradient from file to number."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

EXTRAS = ("scipy", "distributed", "ortools", "matplotlib", "zarr")
"""Packages that are used when they are there."""


def examine() -> list[dict[str, Any]]:
    """What was found, one row each: what, whether it is well, and the numbers or the reason."""
    looks: list[tuple[str, Callable[[], str]]] = [
        ("versions", _versions), ("extras", _extras), ("processors", _processors), ("settings", _settings),
        ("plugins", _plugins), ("a gradient", _gradient), ("a graph file", _file),
    ]  # fmt: skip
    found = []
    for what, look in looks:
        try:
            found.append({"what": what, "ok": True, "told": look()})
        except Exception as error:  # noqa: BLE001  (a doctor reports whatever is wrong)
            told = f"{type(error).__name__}: {error}".replace("\n", ";")
            found.append({"what": what, "ok": False, "told": told})
    return found


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _versions() -> str:
    needed = {name: _version(name) for name in ("numpy", "pluggy", "msgpack", "rich")}
    missing = [name for name, found in needed.items() if not found]
    if missing:
        raise ImportError(f"{missing[0]} is not installed; pip install {missing[0]}")
    ours = _version("adcore") or "from a source tree"
    told = ", ".join(f"{name} {found}" for name, found in needed.items())
    return f"adcore {ours}, Python {platform.python_version()}, {told}"


def _extras() -> str:
    return ", ".join(f"{name} {_version(name) or 'absent'}" for name in EXTRAS)


def _processors() -> str:
    from adcore.batch.machine import cores

    threads = os.environ.get("OPENBLAS_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS") or "not limited"
    return f"{cores()} usable, {platform.machine()}; BLAS threads: {threads}"


def _settings() -> str:
    from adcore.config import config
    from adcore.settings import check_settings

    said = config()
    check_settings(said)
    return "; ".join(f"{'.'.join(k)}: {s.origin}" for k, s in said.settings.items()) or "all defaults"


def _plugins() -> str:
    from adcore.errors import PluginError
    from adcore.plugins import loader

    found = loader().load_all()
    failed = [p for p in found if p.status == "failed"]
    if failed:
        reasons = "; ".join(f"{p.name} of {p.distribution}: {p.reason}" for p in failed)
        raise PluginError(f"{len(failed)} of {len(found)} could not be loaded: {reasons}")
    return ", ".join(f"{p.name} {p.status}" for p in found)


def _gradient() -> str:
    import numpy as np

    import adcore as ad

    found = ad.grad(lambda x: np.sum(np.sin(x) * x))(np.array([0.5, 1.5]))
    error = float(np.abs(found - np.array([0.5 * np.cos(0.5) + np.sin(0.5), 1.5 * np.cos(1.5) + np.sin(1.5)])).max())
    if not error < 1e-15:
        raise ArithmeticError(f"the gradient of sin(x) x is off by {error}")
    return f"of sin(x) x, off by {error:.1g}"


def _file() -> str:
    import adcore as ad

    graph = ad.trace(lambda x: x * x, 1.0)
    with tempfile.TemporaryDirectory() as folder:
        graph.save(os.path.join(folder, "f.adg"))
        again = ad.load(os.path.join(folder, "f.adg"))
    if again.identity != graph.identity:
        raise ArithmeticError("a graph that was saved and loaded has another identity")
    return f"saved and loaded, identity {again.identity[:16]}"
