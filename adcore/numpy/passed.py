"""NumPy's functions as they are passed on: lists of traced numbers become arrays on the way."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from types import ModuleType
from typing import Any

import numpy as np

from adcore.registry import registry
from adcore.trace import current
from adcore.tracer import Tracer, has_tracer, restack

SEQUENCES = frozenset(
    {
        "atleast_1d", "atleast_2d", "atleast_3d", "block", "broadcast_arrays", "choose", "column_stack", "concat",
        "concatenate", "dstack", "einsum", "einsum_path", "gradient", "histogram2d", "histogramdd", "hstack", "ix_",
        "lexsort", "meshgrid", "multi_dot", "piecewise", "select", "stack", "vstack",
    }
)  # fmt: skip
"""Functions that take lists of arrays: a list is not one array there."""


DISPATCHED = type(np.concatenate)
"""The class of the functions that NumPy offers to the arrays among their arguments."""


def traced(x: Any) -> bool:
    """True for a tracer, or what holds one."""
    return isinstance(x, Tracer) or has_tracer(x)


@lru_cache(maxsize=1024)
def passed(module: ModuleType, name: str) -> Any:
    """What a namespace of NumPy has under that name; a function that may be recorded is wrapped."""
    found = getattr(module, name)
    return _listening(found, name in SEQUENCES) if isinstance(found, DISPATCHED) else found


def _listening(function: Any, takes_lists: bool) -> Callable[..., Any]:
    """The function, which is recorded if any argument is traced, wherever it stands."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if current() is None or not (any(map(traced, args)) or any(map(traced, kwargs.values()))):
            return function(*args, **kwargs)
        if not takes_lists:
            args = tuple(restack(a) if has_tracer(a) else a for a in args)
            kwargs = {k: restack(a) if has_tracer(a) else a for k, a in kwargs.items()}
        recorded = registry().function(function)
        if recorded is None or any(isinstance(a, Tracer) for a in args[:1]):
            return function(*args, **kwargs)  # NumPy asks the tracer, or says that it cannot be recorded
        return recorded(*args, **{k: v for k, v in kwargs.items() if k != "out"})

    return call
