"""Python's math, for traced numbers too: `from adcore.numpy import math`.

>>> import adcore as ad
>>> from adcore.numpy import math
>>> ad.grad(lambda x: math.sin(x) ** 2)(0.0)
np.float64(0.0)
"""

from __future__ import annotations

import math as _math
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any

import numpy as np

from adcore.trace import op_call
from adcore.tracer import Tracer

SAME = frozenset(
    {
        "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "ceil", "copysign", "cos", "cosh",
        "degrees", "exp", "exp2", "expm1", "fabs", "floor", "fmod", "frexp", "hypot", "isfinite", "isinf",
        "isnan", "ldexp", "log10", "log1p", "log2", "modf", "nextafter", "pow", "radians", "sin", "sinh",
        "sqrt", "tan", "tanh", "trunc",
    }
)  # fmt: skip
"""Functions of the same name and meaning in NumPy."""

OTHERS: dict[str, Callable[..., Any]] = {
    "log": lambda x, base=None: np.log(x) if base is None else np.log(x) / np.log(base),
    "erf": op_call("special::erf"),
    "erfc": op_call("special::erfc"),
    "gamma": op_call("special::gamma"),
    "lgamma": op_call("special::gammaln"),
}


def __getattr__(name: str) -> Any:
    return _either(name)


def __dir__() -> list[str]:
    return dir(_math)


@lru_cache(maxsize=128)
def _either(name: str) -> Any:
    """Python's function on Python's numbers, NumPy's on traced ones."""
    plain = getattr(_math, name)
    traced = getattr(np, name) if name in SAME else OTHERS.get(name)
    if traced is None:
        return plain

    @wraps(plain)
    def call(*args: Any) -> Any:
        return traced(*args) if any(isinstance(a, Tracer) for a in args) else plain(*args)

    return call
