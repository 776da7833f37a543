"""NumPy functions whose result has a size that depends on values: not known while tracing, so they refuse.

The error says what to write instead. Inside a graph sizes are fixed, so that it can be planned and batched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.extend import TraceError, caller

_MASK = "use np.where(mask, x, 0), or reduce with where=mask"
_SETS = "compute it outside of the traced function and pass it in, or use np.sort and compare neighbours"

INSTEAD: dict[str, str] = {
    "nonzero": _MASK,
    "flatnonzero": _MASK,
    "argwhere": _MASK,
    "trim_zeros": _MASK,
    "unique": _SETS,
    "unique_all": _SETS,
    "unique_counts": _SETS,
    "unique_inverse": _SETS,
    "unique_values": _SETS,
    "union1d": _SETS,
    "intersect1d": _SETS,
    "setdiff1d": _SETS,
    "setxor1d": _SETS,
    "roots": "use np.linalg.eigvals of the companion matrix: np.roots first strips zeros, which are not known",
}
"""What to write in place of each function, by its name in NumPy."""


def _refusal(name: str, instead: str) -> Callable[..., Any]:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise TraceError(
            f"np.{name} gives a result whose size or dtype depends on values, which are not known while tracing",
            f"at {caller()}",
            instead,
        )

    return refuse


def real_if_close(a: Any, tol: float = 100) -> Any:
    """np.real_if_close of real numbers: themselves."""
    if a.dtype.kind != "c":
        return a
    return _refusal("real_if_close", "use np.real if you know that the imaginary part is rounding error")()


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    getattr(np, name): _refusal(name, instead) for name, instead in INSTEAD.items() if hasattr(np, name)
}
FUNCTIONS[np.real_if_close] = real_if_close
