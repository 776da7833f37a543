"""What `import adcore as ad` offers. f is a Python callable or a Graph, everywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any

from adcore import graph as _graph
from adcore.backend import Program
from adcore.compose import differentiate as compose
from adcore.derivatives import Options, grad, hessian, hvp, jacobian, jvp, value_and_grad
from adcore.errors import InputError
from adcore.evaluate import call, program_of
from adcore.files import load, loads
from adcore.graph import Graph, Value, check
from adcore.plan.steps import Plan
from adcore.pullback import vjp
from adcore.select import Which, checked, select_inputs, select_outputs
from adcore.settings import choose
from adcore.sizes import at
from adcore.sizes import static as numbered
from adcore.strategy import Request
from adcore.tracing import argument_names, bound, trace_graph
from adcore.transform.simplify import simplify
from adcore.tree import paths

__all__ = [
    "compile_graph", "differentiate", "grad", "hessian", "hvp", "jacobian", "jvp", "load", "loads", "plan", "trace",
    "value_and_grad", "vjp",
]  # fmt: skip


def trace(
    f: Callable[..., Any], *examples: Any, static: Sequence[str] = (), dims: Mapping[str, Any] | None = None,
    **named: Any,
) -> Graph:  # fmt: skip
    """The graph of f at arguments of the examples' types. Values of the examples do not matter.

    examples, named: arrays, numbers, and nested dicts, tuples, lists, NamedTuples or dataclasses of
    them; each number and array becomes an input. static: names of arguments that are kept as they
    are (a loop count, a flag). Strings, None and functions are always static.
    dims: names of sizes, by argument or path, one per axis: {"x": ("n", 3), "params.w": (3, "2*n+1")}.
    The graph then serves arrays of all sizes, see `graph.at`.
    Raises TraceError, with the line in f, where Python asks a traced value for its number.

    >>> import numpy as np
    >>> g = trace(lambda x: np.sum(x * x), np.zeros(3))
    >>> g(np.array([1.0, 2.0, 3.0]))
    np.float64(14.0)
    """
    if isinstance(f, Graph):
        return f
    args, kwargs = bound(f, examples, named)
    if dims is not None:
        from adcore.sizes.examples import trace_sized  # 4 ms, so not at import

        return trace_sized(f, lambda a, k: trace(f, *a, static=static, **k), args, kwargs, dims)
    graph, captured = _with_static(f, args, kwargs, static) if static else trace_graph(f, args, kwargs)
    if captured:
        raise InputError(
            "a graph cannot hold a traced value of another function",
            instead="pass it as an argument of the traced function",
        )
    check(graph)
    return graph


def _with_static(
    f: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], static: Sequence[str]
) -> tuple[Graph, list[Value]]:
    """Trace with some arguments held fixed; the graph takes the others."""
    names = (*argument_names(f, args), *kwargs)
    unknown = [s for s in static if s not in names]
    if unknown:
        raise InputError(f"static argument {unknown[0]!r} is none of f's", f"it has: {', '.join(names)}")
    given = (*args, *kwargs.values())
    moving = [i for i, name in enumerate(names) if name not in static]

    @wraps(f)
    def rest(*xs: Any) -> Any:
        full = list(given)
        for i, x in zip(moving, xs, strict=True):
            full[i] = x
        return f(*full[: len(args)], **dict(zip(kwargs, full[len(args) :], strict=True)))

    graph, captured = trace_graph(rest, [given[i] for i in moving])
    signature = tuple(names[i] for i in moving)
    nested = graph.in_tree.children[0].children
    inputs = [path for name, tree in zip(signature, nested, strict=True) for path in paths(tree, name)]
    return replace(graph, input_names=tuple(inputs), signature=signature), captured


def differentiate(
    graph: Graph, kind: str = "vjp", wrt: Which = None, of: Which = None, strategy: str | None = None,
    holomorphic: bool = False, **options: Any,
) -> Graph:  # fmt: skip
    """The graph of a derivative: it can be saved, shown, run and differentiated again.

    kind: jvp (xs, x_dots) -> (ys, y_dots); vjp (xs, y_bars) -> (ys, x_bars); grad xs -> x_bars;
        value_and_grad xs -> (y, x_bars); jacobian xs -> (ys, Js); hvp (xs, vs) -> (x_bars, Hvs);
        hessian xs -> (x_bars, H).
    wrt, of: inputs and outputs by position, name or path; default: all that are differentiable.
    holomorphic: complex in, complex out, and the complex derivative is meant.

    >>> g = trace(lambda x: x**3, 2.0)
    >>> differentiate(differentiate(g, "grad", wrt=0), "grad", wrt=0)(2.0)
    np.float64(12.0)
    """
    _check_graph(graph, "differentiate")
    wrt, of = checked(wrt), checked(of, "of")
    if graph.dims:
        from adcore.sizes.fit import lifted

        return lifted(lambda g: differentiate(g, kind, wrt, of, strategy, holomorphic, **options), graph)
    chosen = select_inputs(graph, wrt)
    request = Request(kind, chosen.positions, select_outputs(graph, of), holomorphic)
    choice = Options.of({"strategy": strategy, **options}).choose(graph, request)
    made = compose(graph, request, choice.strategy, choice.budget, chosen.tree)
    check(made)
    return made


def _check_graph(graph: Any, verb: str) -> None:
    if not isinstance(graph, Graph):
        raise InputError(
            f"{verb} takes a graph, not a {type(graph).__name__}", instead=f"{verb}(ad.trace(f, *examples), ...)"
        )


def plan(
    graph: Graph, strategy: str | None = None, memory: Any = None, snapshots: int | None = None, config: Any = None
) -> Plan:
    """When each node of a graph runs and what is kept; `.cost` says what that takes, before anything runs.

    memory: bytes, "64 MiB" or "50%". snapshots: states of a loop that may be kept.
    Raises: BudgetError with the least budget that would do.

    >>> import numpy as np
    >>> g = trace(lambda x: np.sum(np.sin(x)), np.zeros(1000))
    >>> plan(g).cost.peak_bytes
    16072
    """
    _check_graph(graph, "plan")
    numbered(graph, "a plan")
    choice = choose(graph, None, strategy, memory, snapshots, config)
    made: Plan = choice.strategy.schedule(simplify(graph), choice.budget)
    return made


def compile_graph(graph: Graph, plan: Plan | None = None, backend: str | None = None, **options: Any) -> Program:
    """A program of a graph: called with the inputs as arrays, in order. options: as `plan` takes them."""
    numbered(graph, "a program")
    if plan is None and options:
        choice = Options.of(options).choose(graph, None)
        plan = choice.strategy.schedule(simplify(graph), choice.budget)
        backend = backend or choice.backend
    return program_of(graph if plan is None else plan.graph, backend, plan)


_graph.doors.update(call=call, compile=compile_graph, at=at)
