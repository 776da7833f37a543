"""What NumPy asks of tracers: ufuncs and functions that it was called with, and objects that hold tracers."""

from __future__ import annotations

import inspect
import sys
from functools import lru_cache
from typing import Any

import numpy as np

from adcore import registry as _registry
from adcore.errors import TraceError
from adcore.registry import registry
from adcore.trace import Traced, apply, caller


def ufunc_called(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The result of a ufunc, or of one of its methods, on arguments of which one is traced."""
    out = kwargs.pop("out", None)
    where = kwargs.pop("where", True)
    key = ufunc if method == "__call__" else (ufunc, method)
    function = registry().function(key)
    if function is None:
        spelling = _public_name(ufunc) + ("" if method == "__call__" else f".{method}")
        raise _not_recorded(spelling, inputs)
    dtype = kwargs.pop("dtype", None)
    kwargs = {k: v for k, v in kwargs.items() if not (k == "casting" and v == "same_kind")}
    if dtype is not None and method == "__call__":
        inputs = tuple(np.asarray(x, dtype) if not isinstance(x, Traced) else x.astype(dtype) for x in inputs)
    elif dtype is not None:
        kwargs["dtype"] = dtype
    result = _call(function, inputs, kwargs)
    return _deliver(result, out, where)


def function_called(func: Any, args: Any, kwargs: Any) -> Any:
    """The result of a NumPy function on arguments of which one is traced."""
    function = registry().function(func)
    if function is None:
        raise _not_recorded(f"{func.__module__.replace('numpy', 'np', 1)}.{func.__name__}", args)
    at = _out_position(func)
    if len(args) > at >= 0:
        args, kwargs = (*args[:at], None, *args[at + 1 :]), {**kwargs, "out": args[at]}
    out = kwargs.get("out")
    result = _call(function, args, {k: v for k, v in kwargs.items() if k != "out"})
    return result if out is None else _deliver(result, (out,), True)


def _call(function: Any, args: Any, kwargs: Any) -> Any:
    """Call what records a NumPy callable: an Op as it stands, or a function with NumPy's signature."""
    if isinstance(function, _registry.Op):
        return apply(function, args, kwargs)
    return function(*args, **kwargs)


def _deliver(result: Any, out: Any, where: Any) -> Any:
    """Write the result of a ufunc where `out=` and `where=` say."""
    if out is None or all(o is None for o in out):
        if where is not True:
            raise TraceError("where= without out= leaves elements undefined", f"at {caller()}", "use np.where(c, a, b)")
        return result
    results = result if isinstance(result, tuple) else (result,)
    for r, o in zip(results, out, strict=True):
        if not isinstance(o, Traced) or o.ndim == 0:
            raise TraceError(
                f"a traced result cannot be written into a real {type(o).__name__} (by out= or +=)",
                f"at {caller()}",
                "write a = a + x in place of a += x, or make the array with np.zeros_like of a traced one",
            )
        o[...] = in_place_cast(o, r if where is True else np.where(where, r, o))
    return out if len(out) > 1 else out[0]


@lru_cache(maxsize=1024)
def _out_position(func: Any) -> int:
    """Where a NumPy function takes `out` by position, or -1."""
    try:
        parameters = list(inspect.signature(func).parameters.values())
    except (TypeError, ValueError):
        return -1
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return positional.index("out") if "out" in positional else -1


def _public_name(ufunc: np.ufunc) -> str:
    """The name under which users call a ufunc: np.sin, scipy.special.gamma."""
    places = {"np": np, "scipy.special": sys.modules.get("scipy.special")}
    found = [place for place, module in places.items() if getattr(module, ufunc.__name__, None) is ufunc]
    return ".".join((*found[:1], ufunc.__name__))


def _not_recorded(spelling: str, args: Any) -> TraceError:
    shown = ", ".join(str(a._type) for a in args if isinstance(a, Traced))
    return TraceError(
        f"{spelling} has no op here, so the trace would be lost",
        f"called on {shown or 'traced values'} at {caller()}",
        "write it with functions listed by `adcore ops`, or register it as an op (adcore.op)",
    )


def in_place_cast(target: Any, result: Any) -> Any:
    """The result, if it may be written into the target. Raises TraceError naming both dtypes."""
    if not np.can_cast(result.dtype, target.dtype, "same_kind"):
        raise TraceError(
            f"an in-place operation gives {result.dtype.name}, which does not fit a traced {target._type}",
            f"at {caller()}",
            "write x = x + y in place of x += y",
        )
    return result


# --- lists and object arrays of tracers ----------------------------------------------------------


def has_tracer(x: Any) -> bool:
    """True for an object array, list or tuple that holds a tracer."""
    if isinstance(x, np.ndarray):
        return x.dtype == object and any(isinstance(e, Traced) for e in x.flat)
    if isinstance(x, list | tuple):
        return any(isinstance(e, Traced) or has_tracer(e) for e in x)
    return False


def restack(x: Any) -> Any:
    """What Python or NumPy left as a list or object array of tracers, as one tracer again; else the array.

    Raises TraceError for objects that are neither numbers nor tracers.
    """
    if isinstance(x, Traced):
        return x
    if isinstance(x, list | tuple) and has_tracer(x):
        return np.stack([restack(e) for e in x])
    a = np.asarray(x)
    if a.dtype != object:
        return a
    cells = a.ravel().tolist() if a.ndim else [a[()]]
    if not any(isinstance(c, Traced) for c in cells):
        raise TraceError(f"an object of type {type(x).__name__} is no array", f"at {caller()}", "pass arrays")
    if a.ndim == 0:
        return cells[0]
    return np.reshape(np.stack(cells), a.shape)
