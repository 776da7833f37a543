"""NumPy's namespace in which every call is traced and the graph is run, for the array API's own tests.

    ARRAY_API_TESTS_MODULE=array_api ARRAY_API_TESTS_VERSION=2024.12 PYTHONPATH=<this directory>:<adcore> \\
        pytest <checkout of data-apis/array-api-tests>/array_api_tests/test_special_cases.py ...

So these tests hold traced values to the standard: dtypes, shapes, special cases. `docs/testing.md` has the counts.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

import adcore as ad

__array_api_version__ = "2024.12"
DIRECT = (
    "__array_namespace_info__", "asarray", "astype", "can_cast", "finfo", "from_dlpack", "iinfo", "isdtype",
    "result_type",
)  # fmt: skip
"""What makes arrays or asks for types: not a function of values."""


def is_traceable(x: Any) -> bool:
    """True for an array of floats, and for a list of arrays that holds one."""
    if isinstance(x, list | tuple):
        return all(isinstance(a, np.ndarray) for a in x) and any(map(is_traceable, x))
    return isinstance(x, np.ndarray) and x.dtype.kind in "fc"


def traced(f: Callable[..., Any]) -> Callable[..., Any]:
    """f, whose arrays are traced where they stand and whose graph is run on them."""

    @wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        places = [i for i, a in enumerate(args) if is_traceable(a)]

        def placed(*xs: Any) -> Any:
            given = dict(zip(places, xs, strict=True))
            return f(*(given.get(i, a) for i, a in enumerate(args)), **kwargs)

        arrays = [args[i] for i in places]
        return ad.trace(placed, *arrays)(*arrays) if places else f(*args, **kwargs)

    return call


def of(module: ModuleType, name: str) -> Any:
    """What the module has under that name, traced if it is a function."""
    x = getattr(module, name)
    return traced(x) if callable(x) and not isinstance(x, type) and name not in DIRECT else x


def __getattr__(name: str) -> Any:  # not by globals(): NumPy's any, all, sum and bool would hide Python's here
    return of(np, name)


linalg, fft = (SimpleNamespace(**{name: of(m, name) for name in dir(m)}) for m in (np.linalg, np.fft))
