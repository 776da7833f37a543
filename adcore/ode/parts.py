"""The sub-graphs of an initial-value problem: right-hand side, events, resets, and the stepper's step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from adcore.control.captures import aligned, joined
from adcore.errors import InputError
from adcore.graph import Graph, Value
from adcore.registry import registered, registry
from adcore.systems import Full, systems_of
from adcore.trace import Trace, array_type, caller, current
from adcore.tracing import trace_graph
from adcore.transform.jvp import jvp
from adcore.transform.simplify import simplify
from adcore.transform.splice import call_graph, pruned
from adcore.tree import Tree, unflatten
from adcore.types import Type

if TYPE_CHECKING:
    from adcore.ode.problem import Problem


@dataclass(frozen=True, slots=True)
class Parts:
    """The sub-graphs of a problem, all made to take the same constants.

    n: how many states. costs: how many running costs, 0 or 1, come after them.
    """

    trace: Trace
    real: Any
    state: Any
    tree: Tree
    consts: list[Any]
    n: int
    costs: int

    def build(self, p: Problem) -> tuple[dict[str, Any], list[Value]]:
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
        events = tuple(_with_rate(aligned(g, own, c, wanted)) for g, c in event_graphs)
        mass = self.mass(p)
        step, dense = _step_graphs(find_stepper(p.method), whole, mass)
        inputs = 5 + len(self.consts) + len(wanted)
        graphs = {"rhs": whole, "step": step, "dense": dense, "events": events, "resets": resets_all}
        flat = () if mass is None else np.ravel(np.diag(mass) if _is_diagonal(mass) else mass).tolist()
        return {**graphs, "mass": tuple(flat), "batched": (0,) * inputs}, wanted

    def mass(self, p: Problem) -> Any:
        """The mass matrix, with a one for the running cost; None where there is none."""
        if p.mass is None:
            return None
        stepper = find_stepper(p.method)
        if not stepper.masses:
            known = sorted(name for name, s in registry().steppers.items() if s.masses)
            raise InputError(f"{p.method} takes no mass matrix", f"at {caller()}", f"use {' or '.join(known)}")
        if p.events:  # the rate of an event along the flow needs y', and fun is M y'
            raise InputError(
                "solve_ivp finds no events of a problem with a mass matrix", f"at {caller()}",
                "solve M y' = fun for y' where M is regular; use jumps where the times are known",
            )  # fmt: skip
        if np.iscomplexobj(p.mass):
            raise InputError("the mass matrix is complex", f"at {caller()}", "divide the equations until it is real")
        matrix = np.asarray(p.mass, self.real)
        matrix = np.diag(matrix) if matrix.ndim == 1 else matrix
        if matrix.shape != (self.n, self.n):
            raise InputError(f"the mass matrix has shape {matrix.shape}, for {self.n} states", f"at {caller()}")
        return matrix if p.running is None else np.block([[matrix, np.zeros((self.n, 1))], [np.zeros(self.n), 1.0]])

    def traced(self, f: Callable[..., Any], kinds: Sequence[str], where: str) -> tuple[Graph, list[Value]]:
        """The graph of f(t, y, *constants), and what it captured."""
        types = {"t": Type(self.real, ()), "y": Type(self.state.dtype, (self.n + self.costs,))}
        example = [self.trace.wrap(Value(types[k])) for k in kinds]
        consts = [self.trace.wrap(Value(c._type)) for c in self.consts]
        graph, captured = trace_graph(f, [*example, *consts], name=f.__name__)
        if graph.checks or graph.reports:
            raise InputError("a part of solve_ivp holds a check or a report", where, "move it out of the function")
        return graph, captured

    def _args(self, leaves: Sequence[Any]) -> Any:
        return unflatten(self.tree, leaves)

    def states(self, y: Any) -> Any:
        """The states without the running cost: what the user's functions see."""
        return y[: self.n] if self.costs else y

    def _augmented(self, p: Problem) -> Callable[..., Any]:
        """The right-hand side of the state and, after it, of the running cost."""
        n, running = self.n, p.running

        def rhs(t: Any, y: Any, *leaves: Any) -> Any:
            args = self._args(leaves)
            slope = self.shaped(p.fun(t, self.states(y), *args), (n,), _name(p.fun))
            if running is None:
                return slope
            rate = self.shaped(running(t, self.states(y), *args), (), _name(running))
            return np.concatenate([slope, np.reshape(rate, (1,))])

        rhs.__name__ = _name(p.fun)
        return rhs

    def _event(self, e: Any) -> Callable[..., Any]:
        def event(t: Any, y: Any, *leaves: Any) -> Any:
            return self.shaped(e(t, self.states(y), *self._args(leaves)), (), _name(e), self.real)

        event.__name__ = _name(e)
        return event

    def _reset(self, r: Callable[..., Any]) -> Callable[..., Any]:
        def reset(t: Any, y: Any, *leaves: Any) -> Any:
            after = self.shaped(r(t, self.states(y), *self._args(leaves)), (self.n,), _name(r))
            return np.concatenate([after, y[self.n :]]) if self.costs else after

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
    raise InputError(f"no ODE method is called {name!r}", f"known: {', '.join(sorted(registry().steppers))}")


def _step_graphs(stepper: Any, rhs: Graph, mass: Any) -> tuple[Graph, Graph]:
    """(t, h, y, slope, consts) -> (y1, errors, stages, told), and (t, h, y, y1, stages, theta, consts) -> y(theta).

    Of a solver that steps by itself the first gives the Jacobian.
    """
    t, y = (array_type(v) for v in rhs.inputs[:2])
    consts = [v.type for v in rhs.inputs[2:]]
    systems = systems_of(rhs, 1, mass) if stepper.implicit else None
    full = Full(None, None)

    def field(leaves: Sequence[Any]) -> Callable[[Any, Any], Any]:
        def f(t: Any, y: Any) -> Any:
            trace = current()
            assert trace is not None
            return call_graph(trace, rhs, [t, y, *leaves])[0]

        return f

    def step(t: Any, h: Any, y: Any, slope: Any, *leaves: Any) -> Any:
        y1, errors, stages, told = stepper.step(field(leaves), t, h, y, slope, systems)
        return (y1, *errors, stages, told)

    def jacobian(t: Any, h: Any, y: Any, slope: Any, *leaves: Any) -> Any:
        return full.jacobian(lambda Y: field(leaves)(t, Y), y)

    def dense(t: Any, h: Any, y: Any, y1: Any, stages: Any, theta: Any, *leaves: Any) -> Any:
        return stepper.dense(field(leaves), t, h, y, y1, stages, theta)

    if stepper.samples:
        step_graph, stages = (
            _flat(jacobian, [t, t, y, y, *consts], "Jacobian"),
            Type(y.dtype, (stepper.samples, *y.shape)),
        )
    else:
        step_graph = _flat(step, [t, t, y, y, *consts], f"{stepper.name} step")
        stages = step_graph.outputs[-2].type  # type: ignore[assignment]
    return step_graph, _flat(dense, [t, t, y, y, stages, t, *consts], f"{stepper.name} dense")


def _flat(f: Callable[..., Any], types: Sequence[Any], name: str) -> Graph:
    trace = current()
    assert trace is not None
    graph, _ = trace_graph(f, [trace.wrap(Value(t)) for t in types], name=name)
    return simplify(pruned(graph))


def _with_rate(event: Graph) -> Graph:
    """(t, y, slope, consts) -> the event's value and its rate along the flow, c_t + c_y slope."""
    doubled = jvp(event, [0, 1])

    def both(t: Any, y: Any, slope: Any, *leaves: Any) -> Any:
        trace = current()
        assert trace is not None
        return tuple(call_graph(trace, doubled, [t, y, *leaves, np.ones_like(t), slope]))

    t, y, *consts = (v.type for v in event.inputs)
    return _flat(both, [t, y, y, *consts], event.name)


def _is_diagonal(matrix: Any) -> bool:
    return not np.any(matrix - np.diag(np.diag(matrix)))


def _name(f: Any) -> str:
    return str(getattr(f, "__name__", type(f).__name__))
