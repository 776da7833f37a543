"""From a Python function and example arguments to a graph."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from adcore.errors import AdcoreError, InputError, TraceError
from adcore.graph import Graph, Source, Value
from adcore.trace import Trace, called_in, current, instead_of, raised_at
from adcore.tracer import Tracer, has_tracer, restack
from adcore.transform.splice import closed
from adcore.tree import LEAF, Tree, flatten, is_number, paths, unflatten
from adcore.types import DTYPES, Type, type_of


def is_leaf(x: Any) -> bool:
    """True for what becomes one value of a graph: a number, an array, a tracer, a stack of tracers."""
    return is_number(x) or (has_tracer(x) and isinstance(x, np.ndarray))


def argument_names(f: Callable[..., Any], args: Sequence[Any]) -> tuple[str, ...]:
    """The name of every positional argument; those of *args are numbered."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        return tuple(f"arg{i}" for i in range(len(args)))
    names = []
    for i in range(len(args)):
        p = parameters[min(i, len(parameters) - 1)] if parameters else None
        if p is None or p.kind is p.KEYWORD_ONLY or p.kind is p.VAR_KEYWORD:
            names.append(f"arg{i}")
        elif p.kind is p.VAR_POSITIONAL:
            names.append(f"{p.name}{i - parameters.index(p)}")
        else:
            names.append(p.name)
    return tuple(names)


def bound(
    f: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments as far as possible by position, so that one call has one form. Raises InputError."""
    try:
        call = inspect.signature(f).bind(*args, **kwargs)
    except ValueError:
        return tuple(args), dict(kwargs)
    except TypeError as e:
        raise InputError(f"{getattr(f, '__name__', f)} cannot be called with these arguments: {e}") from None
    return call.args, dict(call.kwargs)


def input_type(x: Any, name: str) -> Type:
    """The type of an example. Raises InputError for what is no array of numbers."""
    if isinstance(x, Tracer):
        return x._type
    if isinstance(x, np.ma.MaskedArray | np.matrix):
        raise InputError(
            f"{name} is a {type(x).__name__}, which has an arithmetic of its own",
            instead="pass a plain array: np.asarray(x), or x.filled(value) where some of it is masked",
        )
    t = type_of(x)
    if t.dtype.name not in DTYPES:
        raise InputError(f"{name} has dtype {t.dtype}", instead=f"pass one of {', '.join(DTYPES)}")
    return Type(np.dtype(t.dtype.name), t.shape)


def trace_graph(
    f: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None = None,
    name: str = "",
    traced: Callable[[Any], bool] = is_leaf,
) -> tuple[Graph, list[Value]]:
    """The graph of f at arguments of these types, and the values of an outer trace that it captured.

    traced: which of the (nested) arguments become inputs, by default numbers, arrays and tracers; anything
    else is static. Captured values are further inputs of the graph, after the others.
    """
    kwargs = kwargs or {}
    leaves, in_tree = flatten((tuple(args), dict(kwargs)), traced)
    args_tree, kwargs_tree = in_tree.children
    signature = (*argument_names(f, args), *kwargs)
    input_names: list[str] = []
    for root, child in zip(signature, (*args_tree.children, *kwargs_tree.children), strict=True):
        input_names += paths(child, root)
    inputs = [Value(input_type(x, n)) for x, n in zip(leaves, input_names, strict=True)]
    parent = current()
    inner = Trace(parent)
    with inner:
        call_args, call_kwargs = unflatten(in_tree, [inner.wrap(v) for v in inputs])
        result = _call(f, call_args, call_kwargs)
        found, out_tree = flatten(result, is_leaf)
        outputs = [inner.lift(_output(x)) for x in found]
    if not outputs:
        raise TraceError(
            f"{_name(f)} returned {result!r}, which holds no array", instead="return what is to be computed"
        )
    captured = list(inner.captured)
    inputs += list(inner.captured.values())
    input_names += [f"captured{i}" for i in range(len(captured))]
    if captured:
        names = tuple(f"captured{i}" for i in range(len(captured)))
        more = Tree("dict", (*kwargs_tree.keys, *names), (*kwargs_tree.children, *(LEAF for _ in captured)))
        in_tree = Tree("tuple", (), (args_tree, more))
        signature = (*signature, *names)
    graph = closed(
        inner,
        inputs,
        input_names,
        outputs,
        paths(out_tree, "y"),
        in_tree,
        out_tree,
        signature,
        name or _name(f),
    )
    return graph, captured


def _call(f: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """f at traced arguments. What NumPy made of an error of ours, or of an array of tracers, is undone."""
    try:
        return f(*args, **kwargs)
    except (AdcoreError, TypeError, ValueError) as e:
        function, source = _given_cells(e)
        if function:
            instead = "join traced numbers by np.stack or adcore.numpy.array in place of np.array"
            raise TraceError(
                f"{function} was given an object array of traced numbers",
                f"at {source}",
                instead_of(function) if function.startswith("scipy") else instead,
            ) from e
        if isinstance(e, AdcoreError):
            raise e.located(raised_at(e)) from e.__cause__
        if isinstance(e.__cause__, AdcoreError):
            raise e.__cause__ from None  # NumPy hid it behind "setting an array element with a sequence"
        raise


def _given_cells(e: BaseException) -> tuple[str, Source | None]:
    """What of NumPy or SciPy failed on an object array of tracers, and who called it; ("", None) if nothing did."""
    entry, source, found = e.__traceback__, None, ""
    while entry is not None:
        frame = entry.tb_frame
        module = str(frame.f_globals.get("__name__", ""))
        package = module.partition(".")[0]
        if package in ("numpy", "scipy"):
            if not found and any(map(has_tracer, frame.f_locals.values())):
                found = f"{module.partition('._')[0].replace('numpy', 'np', 1)}.{called_in(frame).lstrip('_')}"
        elif package != "adcore":
            source, found = Source(frame.f_code.co_filename, entry.tb_lineno), ""
        entry = entry.tb_next
    return found, source


def _output(x: Any) -> Any:
    return restack(x) if isinstance(x, np.ndarray) and x.dtype == object else x


def _name(f: Any) -> str:
    return str(getattr(f, "__name__", type(f).__name__))
