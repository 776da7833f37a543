"""Control flow that a graph can hold: loops and named regions. Python's own loops unroll.

The ops themselves (`core::scan`, `core::call`) are brought by a plugin and looked up by name.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from adcore.errors import InputError, TraceError
from adcore.graph import Graph, Value
from adcore.registry import find_op
from adcore.trace import Trace, caller, current
from adcore.tracer import Tracer
from adcore.tracing import is_leaf, trace_graph
from adcore.tree import Tree, flatten, unflatten
from adcore.types import Type


def scan(
    step: Callable[[Any, Any], tuple[Any, Any]], init: Any, xs: Any = None, length: int | None = None,
    reverse: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """The carry after the last step, and the stacked results: carry, y = step(carry, x), over and over.

    step(carry, x) -> (carry, y). init: the first carry, nested as you like; its shapes and dtypes stay.
    xs: arrays whose leading axis is scanned, nested; None: step gets None. length: steps, needed if
    xs is None. reverse: from the last x to the first; results keep their places.
    Returns: the last carry, and ys with a leading axis of `length` (None where step gives None).
    Raises: InputError when lengths differ, or the carry changes its shape, dtype or nesting.

    >>> import numpy as np
    >>> carry, ys = scan(lambda c, x: (c + x, c * x), 0.0, np.array([1.0, 2.0, 3.0]))
    >>> carry, ys
    (np.float64(6.0), array([0., 2., 9.]))
    """
    if current() is None:
        graph, _ = trace_graph(lambda init, xs: scan(step, init, xs, length, reverse), (_arrays(init), xs), name="scan")
        return graph(_arrays(init), xs)  # type: ignore[no-any-return]
    trace = current()
    assert trace is not None
    carry, carry_tree = flatten(_arrays(init), is_leaf)
    rows, xs_tree = flatten(xs, is_leaf)
    rows = [trace.wrap(trace.lift(x)) for x in rows]
    length = _length(rows, length)
    first = [trace.wrap(trace.lift(c)) for c in carry]
    body, captured, ys_tree = _body(trace, step, first, carry_tree, rows, xs_tree)
    widened = [
        trace.wrap(trace.convert(c._read(), v.type.dtype))  # type: ignore[union-attr]
        for c, v in zip(first, body.outputs, strict=False)
    ]
    if any(a.dtype != b.dtype for a, b in zip(first, widened, strict=True)):  # an int that became a float
        first = widened
        body, captured, ys_tree = _body(trace, step, first, carry_tree, rows, xs_tree)
    _check_carry(first, body, carry_tree)
    consts = [trace.wrap(v) for v in captured]
    found = find_op("core::scan")(
        *first, *rows, *consts,
        step=body, length=length, carries=len(first), scanned=len(rows), trails=(), reverse=reverse,
    )  # fmt: skip
    results = list(found) if isinstance(found, tuple) else [found]
    return unflatten(carry_tree, results[: len(first)]), unflatten(ys_tree, results[len(first) :])


def _arrays(tree: Any) -> Any:
    """Python's own numbers as arrays, so that a carry has a dtype."""
    leaves, shape = flatten(tree, is_leaf)
    return unflatten(shape, [x if isinstance(x, Tracer | np.ndarray) else np.asarray(x) for x in leaves])


def _length(rows: list[Any], length: int | None) -> int:
    found = {x.shape[0] if x.ndim else None for x in rows} | ({int(length)} if length is not None else set())
    if len(found) != 1 or None in found:
        shown = ", ".join(sorted(map(str, found))) or "none"
        raise InputError(
            f"a scan needs one length; found {shown}", f"at {caller()}", "give xs of one length, or length="
        )
    return int(found.pop())  # type: ignore[arg-type]


def _body(
    trace: Trace, step: Callable[..., Any], first: list[Any], carry_tree: Tree, rows: list[Any], xs_tree: Tree
) -> tuple[Graph, list[Any], Tree]:
    """The step as a graph of flat (carry, x, captured) -> (carry, y), and the tree of y."""
    trees: dict[str, Tree] = {}

    def flat(*args: Any) -> tuple[Any, ...]:
        carry = unflatten(carry_tree, args[: len(first)])
        x = unflatten(xs_tree, args[len(first) :])
        found = step(carry, x)
        if not isinstance(found, tuple) or len(found) != 2:
            raise InputError(f"the step of a scan returned {found!r}", instead="return (carry, y); y may be None")
        new, new_tree = flatten(found[0], is_leaf)
        ys, trees["y"] = flatten(found[1], is_leaf)
        if new_tree != carry_tree:
            raise InputError("the step of a scan changed the nesting of its carry", f"in {_step_name(step)}")
        return (*new, *ys)

    types = [x._type for x in first] + [Type(x.dtype, x.shape[1:]) for x in rows]
    graph, captured = trace_graph(flat, [trace.wrap(Value(t)) for t in types], name=_step_name(step))
    return graph, captured, trees["y"]


def _step_name(step: Any) -> str:
    return str(getattr(step, "__name__", "step"))


def _check_carry(first: list[Any], body: Graph, carry_tree: Tree) -> None:
    for c, v in zip(first, body.outputs, strict=False):
        if c._type != v.type:
            raise InputError(
                f"the carry of a scan is {c._type} before a step and {v.type} after it",
                f"in {body.name}, at {caller()}",
                "give init the shape and dtype that the step returns",
            )


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
        if graph.checks or graph.reports:
            raise TraceError(f"region {label} holds a check or a report", instead="move it out of the region")
        found = find_op("core::call")(*values, graph=graph, name=label)
        return unflatten(graph.out_tree, list(found) if isinstance(found, tuple) else [found])

    return recorded
