"""`root`: the solution of equations, as one node; its derivative by the implicit function theorem."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adcore.control.captures import aligned, joined
from adcore.control.statements import check, report
from adcore.errors import InputError
from adcore.graph import Value
from adcore.registry import find_op
from adcore.systems import Full
from adcore.trace import caller, current
from adcore.tracing import is_leaf, trace_graph
from adcore.transform.simplify import simplify
from adcore.transform.splice import pruned
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
    fun: Callable[[Any], Any], guess: Any, tol: float = 1e-12, max_steps: int = 50, linear: Linear | None = None,
    factors: Sequence[Any] = (),
) -> tuple[Any, Any, Any, Any]:  # fmt: skip
    """(x, ok, steps, factorizations): the solution of fun(x) = 0 as a node of the current trace, and whether it was
    found; evaluations of fun, and of its Jacobian.

    linear: how its linear systems are solved; default: with the full Jacobian. factors: as `linear.factors` makes
    them, of a matrix near the Jacobian; with them the iteration begins.
    """
    trace = current()
    assert trace is not None
    x0: Any = trace.wrap(trace.lift(guess))
    if x0.ndim != 1 or x0.dtype.kind not in "fc":
        raise InputError(f"the start of root is {x0._type}", f"at {caller()}", "give a vector of floats")
    x = trace.wrap(Value(x0._type))
    graph, captured = trace_graph(lambda x: _equations(fun(x), x), [x], name="equations")
    if graph.checks or graph.reports:
        raise InputError("the equations of root hold a check or a report", f"at {caller()}", "move it out of them")
    linear = full_linear(fun, x0) if linear is None else linear
    made, of_made = trace_graph(linear.factors, [x], name="factors")
    solve, of_solve = trace_graph(linear.solve, [x, x], name="solve")
    held = [trace.wrap(Value(v.type)) for v in made.outputs]
    correct, outside = trace_graph(linear.correct, [x, *held], name="correct")
    assert not outside, "a correction depends on nothing but the factors"
    wanted = joined([captured, of_made, of_solve])
    found = find_op("core::root")(
        x0, *factors, *(trace.wrap(v) for v in wanted),
        residual=simplify(aligned(graph, 1, captured, wanted)),
        factor=simplify(pruned(aligned(made, 1, of_made, wanted))),
        correct=simplify(correct), solve=simplify(pruned(aligned(solve, 2, of_solve, wanted))),
        given=len(factors), tol=float(tol), max_steps=int(max_steps),
    )  # fmt: skip
    solution, ok, steps, factorizations = found
    return solution, ok, steps, factorizations


@dataclass(frozen=True, slots=True)
class Linear:
    """The linear systems of Newton's method, each function recorded in a trace.

    factors(x) -> arrays, of a matrix near the Jacobian at x. correct(r, *factors) -> about J^-1 r.
    solve(x, r) -> J(x)^-1 r as exactly as can be: the derivative is made of it.
    """

    factors: Callable[..., tuple[Any, ...]]
    correct: Callable[..., Any]
    solve: Callable[..., Any]


def full_linear(fun: Callable[[Any], Any], x: Any) -> Linear:
    """The systems of fun(x) = 0 with its full Jacobian."""
    systems = Full(None, np.eye(x.shape[0], dtype=x.dtype))
    return Linear(
        lambda x: systems.factors(systems.jacobian(fun, x)),
        systems.corrected,
        lambda x, r: np.linalg.solve(systems.jacobian(fun, x), r),
    )


def _equations(found: Any, x: Any) -> Any:
    trace = current()
    assert trace is not None
    value: Any = trace.wrap(trace.lift(np.stack(found) if isinstance(found, list | tuple) else found))
    if value.shape != x.shape:
        raise InputError(f"the equations of root give {value._type} for {x._type}", f"at {caller()}", "give as many")
    return value if value.dtype == x.dtype else value.astype(x.dtype)
