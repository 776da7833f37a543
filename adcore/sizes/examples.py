"""Tracing with named sizes: the examples, made anew at other sizes."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from adcore.errors import AdcoreError, InputError, OpError, TraceError
from adcore.graph import Graph
from adcore.sizes.fit import Point, fit
from adcore.sizes.solve import Sized, parse_size, sizes_of
from adcore.tracing import argument_names, is_leaf
from adcore.tree import flatten, paths, unflatten
from adcore.types import Dim

Make = Callable[[Sequence[Any], Mapping[str, Any]], Graph]
"""Traces at these arguments."""


def trace_sized(
    f: Callable[..., Any], make: Make, args: Sequence[Any], kwargs: Mapping[str, Any], dims: Mapping[str, Any]
) -> Graph:
    """The graph of f with named sizes.

    make(args, kwargs) traces at arguments. dims: by argument or path, one size per axis: a name, an
    int, or text like "2*n+1".
    Raises: InputError when dims and examples do not belong together; TraceError.
    """
    leaves, tree = flatten((tuple(args), dict(kwargs)), is_leaf)
    names: list[str] = []
    arguments = (*tree.children[0].children, *tree.children[1].children)
    for root, child in zip((*argument_names(f, args), *kwargs), arguments, strict=True):
        names += paths(child, root)
    where = f"dims= of {getattr(f, '__name__', 'f')}"
    stated = {name: _stated(name, sizes, where) for name, sizes in dims.items()}
    for name in stated:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            raise InputError(
                f"dims names {name!r}, which is no array among the arguments", where,
                f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names) or 'none'}",
            )  # fmt: skip
    used = {n: None for sizes in stated.values() for s in sizes if isinstance(s, Dim) for n, _ in s.terms}
    if not used:
        raise InputError("dims names no size", where, 'give names in it: dims={"x": ("n", 3)}')
    rows = [Sized(n, stated[n], tuple(np.shape(x))) for n, x in zip(names, leaves, strict=True) if n in stated]
    first = sizes_of(rows, tuple(used), where)
    make(args, kwargs)  # what is wrong at any size is told as always

    def at(point: Point) -> Graph:
        resized = [_resized(x, stated[n], point) if n in stated else x for n, x in zip(names, leaves, strict=True)]
        call_args, call_kwargs = unflatten(tree, resized)
        return _traced(make, call_args, call_kwargs, point)

    return fit(at, first)


def _stated(name: str, sizes: Any, where: str) -> tuple[Any, ...]:
    if isinstance(sizes, str | int) or not isinstance(sizes, Sequence):
        raise InputError(f"dims[{name!r}] is {sizes!r}", where, 'give one size per axis: ("n", 3)')
    return tuple([parse_size(s) for s in sizes])


def _resized(x: Any, stated: Sequence[Any], point: Point) -> Any:
    """A stand-in for an example, of another shape."""
    shape = [s.at(point) if isinstance(s, Dim) else s for s in stated]
    return np.broadcast_to(np.zeros((), np.asarray(x).dtype), shape)


def _traced(make: Make, args: Sequence[Any], kwargs: Mapping[str, Any], point: Point) -> Graph:
    """The graph at one point. A program that only works at some sizes ends in an error that says so."""
    try:
        return make(args, kwargs)
    except (TraceError, InputError, OpError, ValueError, IndexError, ZeroDivisionError) as e:
        sizes = ", ".join(f"{name} = {n}" for name, n in point.items())
        what, where = (e.what, e.where) if isinstance(e, AdcoreError) else (f"{type(e).__name__}: {e}", "")
        raise TraceError(
            f"the function does not work at {sizes}: {what}", where,
            'sizes that belong together need one name: dims={"x": ("n",), "y": ("2*n",)}',
        ) from e  # fmt: skip
