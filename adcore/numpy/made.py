"""Arrays made from nothing or from numbers, traced while a function is traced."""

from __future__ import annotations

from typing import Any

import numpy as np

from adcore.errors import TraceError
from adcore.numpy.passed import traced
from adcore.trace import caller, current
from adcore.tracer import Tracer, restack


def array(object: Any, dtype: Any = None, **kwargs: Any) -> Any:
    """np.array; of traced numbers and arrays, however nested, a traced array."""
    if not traced(object):
        return np.array(object, dtype, **kwargs)
    x = restack(object)
    x = x if dtype is None else x.astype(dtype)
    x = x[(None,) * max(0, kwargs.get("ndmin", 0) - x.ndim)] if kwargs.get("ndmin") else x
    return x.copy()


def asarray(a: Any, dtype: Any = None, order: Any = None, **kwargs: Any) -> Any:
    """np.asarray; a traced array is itself."""
    if not traced(a):
        return np.asarray(a, dtype, order, **kwargs)
    x = restack(a)
    return x if dtype is None or x.dtype == np.dtype(dtype) else x.astype(dtype)


def _writable(x: Any) -> Any:
    """A real floating-point array, made traced while tracing: so that traced values can be written into it."""
    trace = current()
    return x if trace is None or x.dtype.kind not in "fc" else trace.wrap(trace.lift(x[...]))


def zeros(shape: Any, dtype: Any = float, order: Any = "C", **kwargs: Any) -> Any:
    """np.zeros."""
    return full(shape, 0, dtype, order, **kwargs)


def ones(shape: Any, dtype: Any = None, order: Any = "C", **kwargs: Any) -> Any:
    """np.ones."""
    return full(shape, 1, float if dtype is None else dtype, order, **kwargs)


def empty(shape: Any, dtype: Any = float, order: Any = "C", **kwargs: Any) -> Any:
    """np.empty; zeros while tracing."""
    return full(shape, 0, dtype, order, **kwargs)


def full(shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C", **kwargs: Any) -> Any:
    """np.full; the value may be traced."""
    if traced(fill_value):
        value = asarray(fill_value, dtype)
        return np.broadcast_to(value, shape).copy()
    if current() is None or np.dtype(dtype or np.asarray(fill_value).dtype).kind not in "fc":
        return np.full(shape, fill_value, dtype, order, **kwargs)
    value = _writable(np.asarray(fill_value, dtype))
    return np.broadcast_to(value, shape).copy()


def arange(*args: Any, **kwargs: Any) -> Any:
    """np.arange of real numbers. Raises TraceError for traced ones: they would decide the length."""
    if any(isinstance(a, Tracer) for a in (*args, *kwargs.values())):
        raise TraceError(
            "np.arange of traced numbers has a length that is not known while tracing",
            f"at {caller()}",
            "use np.linspace(start, stop, num), or start + step * np.arange(num)",
        )
    return np.arange(*args, **kwargs)
