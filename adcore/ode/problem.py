"""An initial-value problem: what is static of it, and its node in a trace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from adcore.errors import InputError
from adcore.ode.parts import Parts, find_stepper
from adcore.registry import find_op
from adcore.trace import Trace, caller, current
from adcore.tracing import is_leaf
from adcore.tree import flatten


@dataclass(frozen=True, slots=True)
class OdeResult:
    """The solution of an initial-value problem.

    t: (m,), times of `y`. y: (n, m), states. t_events: (events, max_events), NaN where there was none.
    y_events: (events, max_events, n). n_events: (events,). t_end, y_end: where the integration ended.
    running: the integral of the running cost, or None. status: 0 at t1, 1 at a terminal event.
    where, component: t and h at the end, and the component that failed, if one did.
    steps, rejected, nfev, nlu: accepted and rejected steps, evaluations of the right-hand side, and of Jacobians,
    each with a factorization.
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
    where: Any
    component: Any
    steps: Any
    rejected: Any
    nfev: Any
    nlu: Any


@dataclass(frozen=True, slots=True)
class Made:
    """A node of `core::solve_ivp`: its inputs and outputs, as tracers, and its params."""

    inputs: tuple[Any, ...]
    params: dict[str, Any]
    outputs: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Problem:
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
    quadratures: int = 0

    def recorded(self, t_span: Any, y0: Any, t_eval: Any, times: Any, args: Any) -> OdeResult:
        """The problem as a node of the current trace, its result without checks."""
        made = self.node(t_span, y0, t_eval, times, args)
        return self.result(made, t_eval is None)

    def node(self, t_span: Any, y0: Any, t_eval: Any, times: Any, args: Any) -> Made:
        """The node itself."""
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
        parts = Parts(trace, real, state, tree, consts, n, int(self.running is not None))
        graphs, captured = parts.build(self)
        first = state if self.running is None else np.concatenate([state, np.zeros_like(state, shape=(1,))])
        inputs = (first, t0, t1, observed, jumps, *consts, *(trace.wrap(v) for v in captured))
        params = {**graphs, **self.settings(n)}
        return Made(inputs, params, find_op("core::solve_ivp")(*inputs, **params))

    def settings(self, n: int) -> dict[str, Any]:
        """The params of the op that are numbers."""
        stepper = find_stepper(self.method)
        has = {"events": self.events, "jumps": self.jumps, "steps=": self.steps, "hit=": self.hit}
        if stepper.samples and any(has.values()):
            told = " and ".join(name for name, value in has.items() if value)
            raise InputError(f"{self.method} steps by itself, without {told}", f"at {caller()}", "use RK45 or Radau")
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
            "method": self.method, "order": stepper.error_order, "fsal": stepper.fsal, "samples": stepper.samples,
            "rtol": float(self.rtol), "atol": atol,
            "tested": n - self.quadratures,
            "fixed": int(self.steps or 0), "first_step": float(self.first_step or 0.0),
            "max_step": float(self.max_step), "max_steps": self.max_steps, "controller": controller,
            "directions": tuple(directions), "terminal": tuple(terminal), "max_events": self.max_events, "lanes": (),
            "hit": stepper.implicit if self.hit is None else bool(self.hit),
        }  # fmt: skip

    def result(self, made: Made, only_end: bool = True) -> OdeResult:
        """The result of a node in SciPy's shapes."""
        y_eval, y1, t_end, t_events, y_events, n_events, status, where, component, counts, _, _ = made.outputs
        n, times = y1.shape[0] - (self.running is not None), made.inputs[3]
        states = np.reshape(y1, (1, -1)) if only_end else y_eval
        return OdeResult(
            np.reshape(t_end, (1,)) if only_end else times, np.transpose(states[:, :n]), t_events, y_events[..., :n],
            n_events, t_end, y1[:n], None if self.running is None else y1[n], status, where, component,
            counts[0], counts[1], counts[2], counts[3],
        )  # fmt: skip


def _real(trace: Trace, t: Any, real: Any) -> Any:
    value: Any = trace.wrap(trace.lift(t))
    if value.shape:
        raise InputError(f"a time has shape {value.shape}", f"at {caller()}", "give a number")
    return value if value.dtype == real else value.astype(real)
