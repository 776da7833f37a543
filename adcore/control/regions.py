"""`region`: a named part of a graph."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from adcore.control.statements import out_of
from adcore.registry import find_op
from adcore.trace import current
from adcore.tracing import is_leaf, trace_graph
from adcore.tree import flatten, unflatten


def region(f: Callable[..., Any], name: str = "") -> Callable[..., Any]:
    """f as a named part of a graph: a place for a method ("call:NAME" in config), a name in tables.

    The same values as f; outside a trace, f itself runs.

    >>> import adcore as ad
    >>> square = region(lambda x: x * x, name="square")
    >>> ad.grad(lambda x: square(x) + x)(3.0)
    np.float64(7.0)
    """
    label = name or getattr(f, "__name__", "region")

    @wraps(f)
    def recorded(*args: Any, **kwargs: Any) -> Any:
        trace = current()
        if trace is None:
            return f(*args, **kwargs)
        graph, captured = trace_graph(f, args, kwargs, name=label)
        leaves, _ = flatten((args, kwargs), is_leaf)
        values = [trace.wrap(trace.lift(x)) for x in leaves] + [trace.wrap(v) for v in captured]
        plain = out_of(graph)
        found = find_op("core::call")(*values, graph=plain.graph, name=label)
        results = list(found) if isinstance(found, tuple) else [found]
        plain.restate(trace, results[len(graph.outputs) :])
        return unflatten(graph.out_tree, results[: len(graph.outputs)])

    return recorded
