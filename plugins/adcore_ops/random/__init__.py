"""Random numbers from explicit keys: pure functions, the same bits on every machine (see `adcore.random`)."""

from collections.abc import Callable
from typing import Any

from adcore_ops.random.draws import OPS

FUNCTIONS: dict[Any, Callable[..., Any]] = {}

__all__ = ["FUNCTIONS", "OPS"]
