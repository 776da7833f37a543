"""`root`: the solution of equations, as one node; its derivative by the implicit function theorem."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adcore.control.captures import aligned
from adcore.control.statements import check, report
from adcore.errors import InputError
from adcore.graph import Graph, Value
from adcore.registry import find_op
from adcore.trace import caller, current
from adcore.tracing import is_leaf, trace_graph
from adcore.transform.jvp import jvp
from adcore.transform.simplify import simplify
from adcore.transform.splice import call_graph
from adcore.transform.vmap import vmap
from adcore.tree import flatten, unflatten


def root(fun: Callable[..., Any], x0: Any, args: Sequence[Any] = (), tol: float = 1e-12, max_steps: int = 50) -> Any:
    """The x near x0 with fun(x, *args) = 0, by Newton's method; a steady state, for the right-hand side of an ODE.

    fun(x, *args) -> (n,), with a Jacobian that is not singular at the solution. x0: (n,), without derivative.
    args: nested as you like; fun may also use values of the function around it. tol: of the last correction,
    relative to x. The derivative needs no iteration: J dx = -d fun, to any order.
    Raises: CheckError when it runs and the iteration does not converge.
    Source: Griewank and Walther 2008, "Evaluating Derivatives", section 15.1 (implicit functions).

    >>> import adcore as ad
    >>> square_root = lambda a: root(lambda x, a: x * x - a, np.array([1.0]), (a,))[0]
    >>> square_root(2.0), ad.grad(square_root)(2.0)
    (np.float64(1.41421356...), np.float64(0.35355339...))
    """
    if current() is None:
        leaves, tree = flatten((x0, tuple(args)), is_leaf)
        given = unflatten(tree, [float(v) if type(v) is int else v for v in leaves])
        graph, _ = trace_graph(lambda x0, args: root(fun, x0, args, tol, max_steps), given, name="root")
        return graph(*given)
    x, ok, steps, _ = implicit(lambda x: fun(x, *args), x0, tol, max_steps)
    check(ok, f"root of {getattr(fun, '__name__', 'fun')}: no convergence in {{}} Newton steps from x0", steps)
    report("root: Newton steps", steps)
    return x


def implicit(
    fun: Callable[[Any], Any], guess: Any, tol: float = 1e-12, max_steps: int = 50
) -> tuple[Any, Any, Any, Any]:
    """(x, ok, steps, factorizations): the solution of fun(x) = 0 as a node of the current trace, and whether it was
    found; evaluations of fun, and of its Jacobian."""
    trace = current()
    assert trace is not None
    x0: Any = trace.wrap(trace.lift(guess))
    if x0.ndim != 1 or x0.dtype.kind not in "fc":
        raise InputError(f"the start of root is {x0._type}", f"at {caller()}", "give a vector of floats")
    graph, captured = trace_graph(lambda x: _equations(fun(x), x), [trace.wrap(Value(x0._type))], name="equations")
    if graph.checks or graph.reports:
        raise InputError("the equations of root hold a check or a report", f"at {caller()}", "move it out of them")
    residual = simplify(aligned(graph, 1, captured, captured))
    found = find_op("core::root")(
        x0, *(trace.wrap(v) for v in captured), residual=residual, jacobian=jacobian_graph(residual),
        tol=float(tol), max_steps=int(max_steps),
    )  # fmt: skip
    x, ok, steps, factorizations = found
    return x, ok, steps, factorizations


def jacobian_of(fun: Callable[[Any], Any], x: Any) -> Any:
    """The Jacobian of fun at the vector x, of shape (m, n), recorded in the current trace."""
    trace = current()
    assert trace is not None
    graph, captured = trace_graph(fun, [trace.wrap(Value(x._type))], name="field")
    matrix = jacobian_graph(aligned(graph, 1, captured, captured))
    return call_graph(trace, matrix, [x, *(trace.wrap(v) for v in captured)])[0]


def jacobian_graph(graph: Graph) -> Graph:
    """(x, constants) -> d graph / dx, of shape (m, n), for a graph from a vector to a vector: n batched tangents."""
    n, dtype = graph.inputs[0].type.shape[0], graph.inputs[0].type.dtype  # type: ignore[union-attr]
    columns = vmap(jvp(graph, [0]), [False] * len(graph.inputs) + [True], n, [False, True])

    def jacobian(*args: Any) -> Any:
        trace = current()
        assert trace is not None
        return np.transpose(call_graph(trace, columns, [*args, trace.wrap(trace.constant(np.eye(n, dtype=dtype)))])[1])

    trace = current()
    assert trace is not None
    made, _ = trace_graph(jacobian, [trace.wrap(Value(v.type)) for v in graph.inputs], name=f"jacobian({graph.name})")
    return simplify(made)


def _equations(found: Any, x: Any) -> Any:
    trace = current()
    assert trace is not None
    value: Any = trace.wrap(trace.lift(np.stack(found) if isinstance(found, list | tuple) else found))
    if value.shape != x.shape:
        raise InputError(f"the equations of root give {value._type} for {x._type}", f"at {caller()}", "give as many")
    return value if value.dtype == x.dtype else value.astype(x.dtype)
