"""`solve_ivp`: an initial-value problem as one node of a graph, with SciPy's names and signature.

The right-hand side, events, resets, jumps and the running cost are traced into sub-graphs, so that a saved
graph holds the whole problem. How it is differentiated is a method of the op `core::solve_ivp`, chosen by
config; without one, the derivative is that of the scheme on the steps that were taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adcore.control.captures import aligned, joined
from adcore.control.statements import check, report
from adcore.errors import InputError, MissingExtraError
from adcore.graph import Graph, Value
from adcore.registry import find_op, registered, registry
from adcore.trace import Trace, caller, current
from adcore.tracing import is_leaf, trace_graph
from adcore.transform.jvp import jvp
from adcore.transform.splice import call_graph
from adcore.tree import Tree, flatten, unflatten
from adcore.types import Type

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


@dataclass(frozen=True, slots=True)
class OdeResult:
    """The solution of an initial-value problem.

    t: (m,), times of `y`. y: (n, m), states. t_events: (events, max_events), NaN where there was none.
    y_events: (events, max_events, n). n_events: (events,). t_end, y_end: where the integration ended.
    running: the integral of the running cost, or None. status: 0 at t1, 1 at a terminal event.
    steps, rejected, nfev: accepted and rejected steps, evaluations of the right-hand side.
    """

    t: Any
    y: Any
    t_events: Any
    y_events: Any
    n_events: Any
    t_end: Any
    y_end: Any
    running: Any
    status: Any
    steps: Any
    rejected: Any
    nfev: Any


def solve_ivp(
    fun: Callable[..., Any], t_span: Any, y0: Any, method: str = "RK45", t_eval: Any = None, dense_output: bool = False,
    events: Any = None, vectorized: bool = False, args: Any = None, *, rtol: float = 1e-3, atol: Any = 1e-6,
    first_step: float | None = None, max_step: float = math.inf, max_steps: int = 100_000, steps: int | None = None,
    jumps: Sequence[tuple[Any, Callable[..., Any]]] = (), running: Callable[..., Any] | None = None,
    max_events: int = 16, controller: str | tuple[float, float] = "I", mass: Any = None, hit: bool | None = None,
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
    problem = _Problem(
        fun, method, _list(events), list(jumps), running, rtol, atol, first_step, max_step, max_steps, steps,
        max_events, controller, mass, hit,
    )  # fmt: skip
    times = [time for time, _ in jumps]
    inputs = (tuple(t_span), y0, t_eval, times, tuple(args or ()))
    if current() is not None:
        return problem.recorded(*inputs)
    graph, _ = trace_graph(problem.recorded, [_floats(x) for x in inputs], name="solve_ivp")
    found: OdeResult = graph(*[_floats(x) for x in inputs])
    return found


@dataclass(frozen=True, slots=True)
class _Problem:
    """What is static of an initial-value problem."""

    fun: Callable[..., Any]
    method: str
    events: list[Any]
    jumps: list[tuple[Any, Callable[..., Any]]]
    running: Callable[..., Any] | None
    rtol: float
    atol: Any
    first_step: float | None
    max_step: float
    max_steps: int
    steps: int | None
    max_events: int
    controller: str | tuple[float, float]
    mass: Any
    hit: bool | None

    def recorded(self, t_span: Any, y0: Any, t_eval: Any, times: Any, args: Any) -> OdeResult:
        """The problem as a node of the current trace."""
        trace = current()
        assert trace is not None
        if len(t_span) != 2 or np.ndim(y0) != 1:
            raise InputError(
                f"t_span has {len(t_span)} entries and y0 shape {np.shape(y0)}", f"at {caller()}",
                "give (t0, t1) and a vector; reshape inside fun where the state is an array",
            )  # fmt: skip
        state: Any = trace.wrap(trace.lift(y0))
        if state.dtype.kind not in "fc":
            state = state.astype(float)
        real = np.zeros(0, state.dtype).real.dtype
        t0, t1 = (_real(trace, t, real) for t in t_span)
        wanted = np.zeros(0, real) if t_eval is None else t_eval
        observed = trace.wrap(trace.lift(wanted, real))
        at = np.stack([_real(trace, t, real) for t in times]) if times else np.zeros(0, real)
        jumps = trace.wrap(trace.lift(at))
        leaves, tree = flatten(args, is_leaf)
        consts = [trace.wrap(trace.lift(x)) for x in leaves]
        n = state.shape[0]
        parts = _Parts(trace, real, state, tree, consts, n)
        graphs, captured = parts.build(self)
        first = state if self.running is None else np.concatenate([state, np.zeros_like(state, shape=(1,))])
        found = find_op("core::solve_ivp")(
            first, t0, t1, observed, jumps, *consts, *(trace.wrap(v) for v in captured), **graphs, **self.settings(n)
        )
        return self._result(found, n, t_eval is None, observed)

    def settings(self, n: int) -> dict[str, Any]:
        """The params of the op that are numbers."""
        stepper = find_stepper(self.method)
        controller = self.controller
        if isinstance(controller, str):
            k = stepper.error_order + 1
            known = {"I": (1.0 / k, 0.0), "PI": (0.7 / k, 0.4 / k)}
            if controller not in known:
                raise InputError(f"no controller is called {controller!r}", f"known: {', '.join(known)}")
            controller = known[controller]
        atol = tuple(float(a) for a in np.atleast_1d(self.atol))
        if len(atol) not in (1, n) or min(atol) < 0 or self.rtol < 0:
            raise InputError(f"atol has {len(atol)} entries for {n} states", f"at {caller()}", "give one, or one each")
        if self.running is not None and len(atol) == n:
            atol = (*atol, max(atol))
        terminal = [int(getattr(e, "terminal", 0) or 0) for e in self.events]
        directions = [int(np.sign(getattr(e, "direction", 0) or 0)) for e in self.events]
        return {
            "method": self.method, "order": stepper.error_order, "rtol": float(self.rtol), "atol": atol, "tested": n,
            "fixed": int(self.steps or 0), "first_step": float(self.first_step or 0.0),
            "max_step": float(self.max_step), "max_steps": self.max_steps, "controller": controller,
            "directions": tuple(directions), "terminal": tuple(terminal), "max_events": self.max_events, "lanes": (),
            "hit": stepper.implicit if self.hit is None else bool(self.hit),
        }  # fmt: skip

    def _result(self, found: Any, n: int, only_end: bool, times: Any) -> OdeResult:
        """Checks, reports, and the result in SciPy's shapes."""
        y_eval, y1, t_end, t_events, y_events, n_events, status, where, component, counts, _, _ = found
        for code, message in MESSAGES.items():
            check(status != code, f"solve_ivp ({self.method}): {message}", where[0], where[1], component)
        report("solve_ivp: steps, rejected, evaluations", counts)
        states = np.reshape(y1, (1, -1)) if only_end else y_eval
        return OdeResult(
            np.reshape(t_end, (1,)) if only_end else times, np.transpose(states[:, :n]), t_events, y_events[..., :n],
            n_events, t_end, y1[:n], None if self.running is None else y1[n], status, counts[0], counts[1], counts[2],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Parts:
    """The sub-graphs of a problem, all made to take the same constants."""

    trace: Trace
    real: Any
    state: Any
    tree: Tree
    consts: list[Any]
    n: int

    def build(self, p: _Problem) -> tuple[dict[str, Any], list[Value]]:
        """The params of the op that are graphs, and what they captured together."""
        where = f"in {_name(p.fun)}, at {caller()}"
        rhs, of_rhs = self.traced(self._augmented(p), ("t", "y"), where)
        resets = [getattr(e, "reset", None) or (lambda t, y, *args: y) for e in p.events] + [r for _, r in p.jumps]
        made = [(self._reset(r), r) for r in resets]
        reset_graphs = [self.traced(f, ("t", "y"), f"in the reset {_name(r)}, at {caller()}") for f, r in made]
        event_graphs = [
            self.traced(self._event(e), ("t", "y"), f"in the event {_name(e)}, at {caller()}") for e in p.events
        ]
        wanted = joined([of_rhs, *(c for _, c in reset_graphs), *(c for _, c in event_graphs)])
        own = 2 + len(self.consts)
        whole = aligned(rhs, own, of_rhs, wanted)
        resets_all = tuple(aligned(g, own, c, wanted) for g, c in reset_graphs)
        events = tuple(_with_rate(aligned(g, own, c, wanted), whole) for g, c in event_graphs)
        step, dense = _step_graphs(find_stepper(p.method), whole, self.mass(p))
        inputs = 5 + len(self.consts) + len(wanted)
        graphs = {"rhs": whole, "step": step, "dense": dense, "events": events, "resets": resets_all}
        return {**graphs, "batched": (0,) * inputs}, wanted

    def mass(self, p: _Problem) -> Any:
        """The mass matrix, with a one for the running cost; None where there is none."""
        if p.mass is None:
            return None
        stepper = find_stepper(p.method)
        if not stepper.masses:
            known = sorted(name for name, s in registry().steppers.items() if s.masses)
            raise InputError(f"{p.method} takes no mass matrix", f"at {caller()}", f"use {' or '.join(known)}")
        matrix = np.asarray(p.mass, self.state.dtype)
        matrix = np.diag(matrix) if matrix.ndim == 1 else matrix
        if matrix.shape != (self.n, self.n):
            raise InputError(f"the mass matrix has shape {matrix.shape}, for {self.n} states", f"at {caller()}")
        return matrix if p.running is None else np.block([[matrix, np.zeros((self.n, 1))], [np.zeros(self.n), 1.0]])

    def traced(self, f: Callable[..., Any], kinds: Sequence[str], where: str) -> tuple[Graph, list[Value]]:
        """The graph of f(t, y, *constants), and what it captured."""
        size = self.n + (f.__name__.endswith("+"))
        types = {"t": Type(self.real, ()), "y": Type(self.state.dtype, (size,))}
        example = [self.trace.wrap(Value(types[k])) for k in kinds]
        consts = [self.trace.wrap(Value(c._type)) for c in self.consts]
        graph, captured = trace_graph(f, [*example, *consts], name=f.__name__.rstrip("+"))
        if graph.checks or graph.reports:
            raise InputError("a part of solve_ivp holds a check or a report", where, "move it out of the function")
        return graph, captured

    def _args(self, leaves: Sequence[Any]) -> Any:
        return unflatten(self.tree, leaves)

    def _augmented(self, p: _Problem) -> Callable[..., Any]:
        """The right-hand side of the state and, after it, of the running cost."""
        n, running = self.n, p.running

        def rhs(t: Any, y: Any, *leaves: Any) -> Any:
            args = self._args(leaves)
            slope = self.shaped(p.fun(t, y if running is None else y[:n], *args), (n,), _name(p.fun))
            if running is None:
                return slope
            rate = self.shaped(running(t, y[:n], *args), (), _name(running))
            return np.concatenate([slope, np.reshape(rate, (1,))])

        rhs.__name__ = _name(p.fun) + ("" if running is None else "+")
        return rhs

    def _event(self, e: Any) -> Callable[..., Any]:
        def event(t: Any, y: Any, *leaves: Any) -> Any:
            return self.shaped(e(t, y[: self.n], *self._args(leaves)), (), _name(e), self.real)

        event.__name__ = _name(e)
        return event

    def _reset(self, r: Callable[..., Any]) -> Callable[..., Any]:
        def reset(t: Any, y: Any, *leaves: Any) -> Any:
            return self.shaped(r(t, y, *self._args(leaves)), (self.n,), _name(r))

        reset.__name__ = _name(r)
        return reset

    def shaped(self, x: Any, shape: tuple[int, ...], name: str, dtype: Any = None) -> Any:
        """What a user's function returned, held to its shape, in the dtype of the state."""
        inner = current()
        assert inner is not None
        value: Any = inner.wrap(inner.lift(np.stack(x) if isinstance(x, list | tuple) else x))
        if value.shape != shape:
            raise InputError(f"{name} returned {value._type} in solve_ivp", f"at {caller()}", f"return shape {shape}")
        dtype = dtype or self.state.dtype
        if value.dtype.kind == "c" and np.dtype(dtype).kind != "c":
            raise InputError(f"{name} returned {value._type} for a real state", f"at {caller()}", "give a complex y0")
        return value if value.dtype == dtype else value.astype(dtype)


def find_stepper(name: str) -> Any:
    """The stepper of that name. Raises InputError with what there is."""
    stepper = registered("steppers", name)
    if stepper is not None:
        return stepper
    if name in ("LSODA", "BDF"):
        raise MissingExtraError(f"the method {name} is not differentiable here", instead="use Radau")
    raise InputError(f"no ODE method is called {name!r}", f"known: {', '.join(sorted(registry().steppers))}")


def _step_graphs(stepper: Any, rhs: Graph, mass: Any) -> tuple[Graph, Graph]:
    """(t, h, y, consts) -> (y1, errors, stages, ok), and (t, h, y, y1, stages, theta, consts) -> y(theta)."""
    t, y = (v.type for v in rhs.inputs[:2])
    consts = [v.type for v in rhs.inputs[2:]]

    def field(leaves: Sequence[Any]) -> Callable[[Any, Any], Any]:
        def f(t: Any, y: Any) -> Any:
            trace = current()
            assert trace is not None
            return call_graph(trace, rhs, [t, y, *leaves])[0]

        return f

    def step(t: Any, h: Any, y: Any, *leaves: Any) -> Any:
        y1, errors, stages, ok = stepper.step(field(leaves), t, h, y, mass)
        return (y1, *errors, stages, ok)

    def dense(t: Any, h: Any, y: Any, y1: Any, stages: Any, theta: Any, *leaves: Any) -> Any:
        return stepper.dense(field(leaves), t, h, y, y1, stages, theta)

    step_graph = _flat(step, [t, t, y, *consts], f"{stepper.name} step")
    stages = step_graph.outputs[-2].type
    return step_graph, _flat(dense, [t, t, y, y, stages, t, *consts], f"{stepper.name} dense")


def _flat(f: Callable[..., Any], types: Sequence[Any], name: str) -> Graph:
    trace = current()
    assert trace is not None
    graph, _ = trace_graph(f, [trace.wrap(Value(t)) for t in types], name=name)
    return graph


def _with_rate(event: Graph, rhs: Graph) -> Graph:
    """(t, y, consts) -> the event's value and its rate along the flow, c_t + c_y f."""
    doubled = jvp(event, [0, 1] if event.inputs[1].type.differentiable else [0])

    def both(t: Any, y: Any, *leaves: Any) -> Any:
        trace = current()
        assert trace is not None
        slope = call_graph(trace, rhs, [t, y, *leaves])[0]
        return tuple(call_graph(trace, doubled, [t, y, *leaves, np.ones_like(t), slope]))

    return _flat(both, [v.type for v in rhs.inputs], event.name)


def _real(trace: Trace, t: Any, real: Any) -> Any:
    value: Any = trace.wrap(trace.lift(t))
    if value.shape:
        raise InputError(f"a time has shape {value.shape}", f"at {caller()}", "give a number")
    return value if value.dtype == real else value.astype(real)


def _floats(x: Any) -> Any:
    """Python's own numbers as floats, so that they are arrays of a graph."""
    leaves, tree = flatten(x, is_leaf)
    return unflatten(tree, [float(v) if type(v) is int else v for v in leaves])


def _list(events: Any) -> list[Any]:
    return [] if events is None else list(events) if isinstance(events, list | tuple) else [events]


def _name(f: Any) -> str:
    return str(getattr(f, "__name__", type(f).__name__))
