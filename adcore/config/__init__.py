"""Settings, each with its origin: defaults < pyproject.toml < adcore.toml < environment < argument.

    [strategy]                                  # in pyproject.toml: [tool.adcore.strategy]
    name = "checkpointed"                       # a strategy, "auto", or the name of a profile
    memory = "512 MiB"
    checkpointed = { planner = "auto" }         # options of a strategy, by its name
    [strategy.methods]
    "core::solve_ivp" = { name = "gauss", rtol = 1e-8 }
    "call:encoder" = "forward"
    [profile.wide]                              # counts as if written where its name is asked for
    strategy = { name = "forward", chunk = 16 } # options of the strategy named may stand beside its name
    [backend]
    name = "numpy"
    [plugins]
    local = ["./my_ops.py"]

The nearest `adcore.toml` and `pyproject.toml` at or above the working directory are read. A variable
`ADCORE_STRATEGY`, `ADCORE_MEMORY` or `ADCORE_STRATEGY__CHECKPOINTED__PLANNER` is a setting too.
What the option tables may hold is checked in `adcore.settings`, which knows the strategies.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from adcore.config.known import OPEN, SETTINGS, SHORT, VARIABLES, Known
from adcore.config.layers import Config, Layer, Setting, unknown
from adcore.config.sources import discovered, file_layer
from adcore.config.words import Key, assignment, near, nearest, nested, parsed, quoted

__all__ = [
    "OPEN", "SETTINGS", "SHORT", "VARIABLES", "Config", "Key", "Known", "Layer", "Setting", "assignment", "config",
    "discovered", "near", "nearest", "nested", "parsed", "quoted", "unknown",
]  # fmt: skip


def config(given: Config | Mapping[str, Any] | str | os.PathLike[str] | None = None) -> Config:
    """The settings in force: a Config as it is; else those of the working directory and environment,
    and over them a dict, or the settings file of that path.

    Raises: ConfigError for what is no TOML or cannot be read. Unknown keys and wrong values are found
    when settings are asked for.

    >>> config({"strategy": {"name": "forward"}})["strategy.name"]
    'forward'
    """
    if isinstance(given, Config):
        return given
    if given is None:
        return discovered()
    if isinstance(given, Mapping):
        return discovered().over(given)
    return Config((*discovered().layers, file_layer(os.path.abspath(given), (), "give the path of a settings file")))
