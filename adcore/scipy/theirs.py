"""What is not written here: SciPy's own functions."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.errors import MissingExtraError
from adcore.tracer import Tracer, has_tracer, restack


def theirs(part: str) -> Callable[[str], Any]:
    """The `__getattr__` of a module: the attribute of scipy.<part>. Raises MissingExtraError without SciPy."""

    def attribute(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            module = importlib.import_module(f"scipy.{part}")
        except ImportError as e:
            raise MissingExtraError(
                f"adcore.scipy.{part}.{name} is scipy.{part}.{name}, and SciPy is not installed", "",
                'install it: pip install "adcore[scipy]"',
            ) from e  # fmt: skip
        return getattr(module, name)

    return attribute


def arrays(*xs: Any) -> list[Any]:
    """The arguments as arrays; traced ones as they are, lists of traced numbers stacked."""
    return [x if isinstance(x, Tracer) else restack(x) if has_tracer(x) else np.asarray(x) for x in xs]


def array(x: Any) -> Any:
    """One argument as an array; see `arrays`."""
    return arrays(x)[0]
