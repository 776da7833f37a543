"""`solve_ivp`: an initial-value problem as one node of a graph, with SciPy's names and signature.

The right-hand side, events, resets, jumps and the running cost are traced into sub-graphs, so that a saved
graph holds the whole problem. How it is differentiated is a method of the op `core::solve_ivp`, chosen by
config; without one, the derivative is that of the scheme on the steps that were taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adcore.control.statements import check, report_next
from adcore.errors import InputError
from adcore.ode.problem import OdeResult, Problem
from adcore.trace import caller, current
from adcore.tracing import is_leaf, trace_graph
from adcore.tree import flatten, unflatten

MESSAGES = {
    2: "the step size fell to {1} at t = {0}, component {2}: below the spacing of floats",
    3: "the right-hand side or the state is not finite at t = {0}, step {1}, component {2}",
    4: "the step limit was reached at t = {0}, step {1}",
    5: "the times of t_eval or of the jumps are not in order between t0 and t1",
    6: "an event function touches zero without crossing it at t = {0}",
    7: "an event happened more than max_events times, the last at t = {0}",
    8: "the implicit equations of a step could not be solved at t = {0}, step {1}, component {2}",
}
"""What a failed integration says, by status (see `adcore_ops.ode.integrate.Status`)."""


def solve_ivp(
    fun: Callable[..., Any], t_span: Any, y0: Any, method: str = "RK45", t_eval: Any = None, dense_output: bool = False,
    events: Any = None, vectorized: bool = False, args: Any = None, *, rtol: float = 1e-3, atol: Any = 1e-6,
    first_step: float | None = None, max_step: float = math.inf, max_steps: int = 100_000, steps: int | None = None,
    jumps: Sequence[tuple[Any, Callable[..., Any]]] = (), running: Callable[..., Any] | None = None,
    max_events: int = 16, controller: str | tuple[float, float] = "I", mass: Any = None, hit: bool | None = None,
    quadratures: int = 0,
) -> OdeResult:  # fmt: skip
    """Solve y' = fun(t, y, *args), y(t0) = y0, from t0 to t1; everything in it may be differentiated.

    fun(t, y, *args) -> (n,). t_span: (t0, t1), either order. y0: (n,). args: further arguments, nested as
    you like; fun, events and the rest may also use traced values of the function around them.
    t_eval: times of the results, in the order of integration. None: y(t1) alone, of shape (n, 1).
    events: functions (t, y, *args) -> number, found where it crosses zero. As in SciPy with attributes
    `terminal` (True, or after how many), `direction` (1, -1, 0); and `reset(t, y, *args) -> y`.
    jumps: (time, reset) pairs in the order of integration; an observation at that time sees the state after.
    running(t, y, *args) -> number, whose integral is `running`. steps: that many equal steps per segment,
    without error control. controller: "I", "PI", or the exponents of the last two errors.
    mass: the constant matrix M of M y' = fun, which may be singular (index 1); or its diagonal.
    hit: end a step at each time of t_eval; default: only where the method is implicit, else interpolate.
    quadratures: that many of the last states feed nothing back, and stay out of the error test.
    Returns: OdeResult.
    Raises: CheckError when it runs, saying time, step and component, where the problem cannot be solved.
    Source: Hairer, Norsett and Wanner 1993, "Solving Ordinary Differential Equations I".

    >>> decay = lambda t, y, k: -k * y
    >>> float(solve_ivp(decay, (0.0, 1.0), np.array([2.0]), args=(0.5,), rtol=1e-10, atol=1e-12).y[0, -1])
    1.21306131942...
    """
    if dense_output or vectorized:
        name = "dense_output" if dense_output else "vectorized"
        raise InputError(
            f"solve_ivp has no {name}=True here", f"at {caller()}", "ask for the times you need by t_eval="
        )
    problem = Problem(
        fun, method, _list(events), list(jumps), running, rtol, atol, first_step, max_step, max_steps, steps,
        max_events, controller, mass, hit, quadratures,
    )  # fmt: skip
    times = [time for time, _ in jumps]
    inputs = (tuple(t_span), y0, t_eval, times, tuple(args or ()))

    def recorded(*inputs: Any) -> OdeResult:
        found = problem.recorded(*inputs)
        for code, message in MESSAGES.items():
            told = f"solve_ivp ({method}): {message}"
            check(found.status != code, told, found.where[0], found.where[1], found.component)
        report_next("solve_ivp", np.stack([found.steps, found.rejected, found.nfev, found.nlu]))
        return found

    if current() is not None:
        return recorded(*inputs)
    graph, _ = trace_graph(recorded, [_floats(x) for x in inputs], name="solve_ivp")
    found: OdeResult = graph(*[_floats(x) for x in inputs])
    return found


def _floats(x: Any) -> Any:
    """Python's own numbers as floats, so that they are arrays of a graph."""
    leaves, tree = flatten(x, is_leaf)
    return unflatten(tree, [float(v) if type(v) is int else v for v in leaves])


def _list(events: Any) -> list[Any]:
    return [] if events is None else list(events) if isinstance(events, list | tuple) else [events]


__all__ = ["MESSAGES", "OdeResult", "Problem", "solve_ivp"]
