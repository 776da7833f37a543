"""How `core::solve_ivp` may be differentiated in reverse: the methods that config chooses from.

discrete        the scheme on the steps that it took: the rule that the op has anyway
forward         the same derivative from tangents, one per active input, carried together along the mesh
interpolating, gauss      the adjoint ODE along the interpolated solution, with an error control of its own
backsolve       the adjoint ODE together with the ODE itself, both backwards: nothing kept, not always possible
steady          the implicit function theorem where the integration has come to rest
auto            forward or discrete, by counts

In forward mode all of them are the tangent of the scheme.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from adcore.extend import (
    Check,
    DifferentiationError,
    Method,
    Node,
    Rule,
    Taped,
    Trace,
    Value,
    call_graph,
    caller,
    current,
    jvp,
    method_of,
    report_next,
    vmap,
)
from adcore_ops.ode.adjoint import Backwards, Bars, Settings, Solved, Told, along_mesh, gauss, interpolating
from adcore_ops.ode.algebraic import through_constraints
from adcore_ops.ode.backsolve import UNRELATED, backsolve
from adcore_ops.ode.lanes import lane_axes
from adcore_ops.ode.replay import (
    MESH,
    OUTPUTS,
    STEPS,
    inline,
    jvp_by_replay,
    over_lanes,
    refuse_whole,
    replay_graph,
    tape_by_replay,
)
from adcore_ops.ode.steady import CONSERVED, UNSTEADY, steady

REASONS = {
    2: "the step size fell below the spacing of floats",
    3: "the adjoint is not finite",
    4: "the step limit was reached",
    8: "the implicit equations of a step could not be solved",
    UNSTEADY: "the state is not steady: a Newton step moves it by more than 100 tolerances; integrate longer",
    CONSERVED: "the Jacobian is singular or not finite, as where something is conserved: use the method discrete",
    UNRELATED: "the state does not come back to what it was, by more than 100 tolerances: use the method gauss",
}
"""What a failed integration backwards says, by status (see `adcore_ops.ode.integrate.Status`)."""

INPUTS = 5  # y0, t0, t1, t_eval, jumps: then come the constants

Build = Callable[..., tuple[dict[int, Any], "Told | None"]]
"""(y0, t0, t1, t_eval, jumps, *consts, steps, mesh, y_eval, y1, *cotangents of the first five outputs)
-> cotangents by input of the op, and what was told, for one lane."""


def by_lane(name: str, build: Callable[[Node, Sequence[int]], Build]) -> Rule:
    """The rule whose cotangents `build` makes for one lane; of inputs that lanes share they are summed up."""

    def tape(node: Node, active: tuple[bool, ...]) -> Taped:
        p, wrt = node.params, [i for i, a in enumerate(active) if a]
        build_one = build(node, wrt)
        more = [v.type for v in (*node.outputs[:2], *node.outputs[:OUTPUTS])]

        def one(*args: Any) -> list[Any]:
            found, told = build_one(*args)
            return [found[i] for i in wrt] + list(told.leaves if told is not None else ())

        graph = over_lanes(p, node.inputs, node.outputs[MESH], more, one, name)

        def record(gs: Any, y: Any, xs: Any, residuals: Any) -> Any:
            trace = current()
            assert trace is not None
            bars = [g if g is not None else np.zeros_like(v) for g, v in zip(gs[:OUTPUTS], y, strict=False)]
            found = call_graph(trace, graph, [*xs, y[STEPS], y[MESH], y[0], y[1], *bars])
            if len(found) > len(wrt):
                _state(trace, f"solve_ivp ({p['method']}), {name}", found[len(wrt) :])
            by_input = {i: _own_lanes(g, p["batched"][i], p["lanes"]) for i, g in zip(wrt, found, strict=False)}
            return tuple(by_input.get(i) for i in range(len(xs)))

        return Taped(dict(p), (), record)

    return Rule(jvp=jvp_by_replay, tape=tape)


def _own_lanes(bar: Any, bits: int, lanes: tuple[int, ...]) -> Any:
    """The cotangent of an input, summed over the lane axes that it has not."""
    shared = tuple(i for i in range(len(lanes)) if i not in lane_axes(bits, lanes))
    return np.sum(bar, axis=shared) if shared else bar


def _state(trace: Trace, name: str, told: Sequence[Any]) -> None:
    """State the checks and the counts of the integrations backwards."""
    status, where, counts = told
    flat = np.ravel(status)
    worst = np.max(flat)
    at = np.ravel(where)[np.argmax(flat)]
    for code, reason in REASONS.items():
        message = f"{name}: going back from t = {{}} {reason}"
        trace.checks.append(Check(trace.lift(worst != code), message, (trace.lift(at),), caller()))
    report_next("solve_ivp, backwards", np.sum(np.reshape(counts, (-1, 4)), axis=0))


def _refuse(name: str, node: Node, has: str) -> None:
    """Raise DifferentiationError if the problem has what this method does not take."""
    if has:
        raise DifferentiationError(
            f"the method {name} of solve_ivp is not for problems with {has}",
            f"at {node.source or 'source unknown'}",
            'use the method "discrete"',
        )


# --- continuous adjoints -------------------------------------------------------------------------


def continuous(settings: Settings, integrate: Callable[..., Any]) -> Rule:
    """The rule of an adjoint ODE. integrate: `along_mesh` with a piece, `backsolve`, `steady`."""

    def build(node: Node, wrt: Sequence[int]) -> Build:
        _refuse(settings.name, node, _too_much(node, settings.name))
        of_consts = tuple(i - INPUTS for i in wrt if i >= INPUTS)

        def one(y0: Any, t0: Any, t1: Any, t_eval: Any, jumps: Any, *rest: Any) -> Any:
            *consts, steps, mesh, y_eval, y1, g_eval, g_end, g_t1, g_times, g_states = rest
            back = Backwards.of(node.params, of_consts, consts, settings)
            at_start = np.logical_and(t_eval == t0, np.logical_not(np.any(jumps == t0)))
            at_start = np.reshape(at_start, (-1, 1))  # what is observed there is no part of lambda(t0+)
            solved = Solved(y0, t0, t1, t_eval, jumps, steps, mesh, y_eval, y1)
            size = _largest(g_eval, g_end, g_t1, g_times, g_states)
            bars = Bars(
                np.where(at_start, 0.0, g_eval / size), g_end / size, g_end / size, g_t1 / size,
                np.ravel(g_times / size), np.reshape(g_states / size, (-1, y0.shape[0])),
            )  # fmt: skip
            more: Sequence[Any] = [0.0 for _ in of_consts]
            if back.mass is None:
                of_times = _at_observations(back, t_eval, y_eval, g_eval)
            else:
                bars, of_times, more = through_constraints(back, solved, bars)
                of_times = of_times * size
            found = integrate(back, solved, bars)
            # where no check can be stated, in a loop, it is at least NaN
            size = np.where(found.told.status == 0, size, np.nan)
            by_input: dict[int, Any] = {
                0: (found.lam if back.mass is None else back.mass.m.T @ found.lam) * size
                + np.sum(np.where(at_start, g_eval, 0.0), axis=0),
                1: -np.sum(found.lam * size * back.field(t0, y0)).real,
                2: found.moving * size,
                3: of_times,
                4: found.jumps * size,
            }
            for i, mu, own in zip(of_consts, found.mus, more, strict=True):
                total, real = mu + own, consts[i].dtype.kind != "c"
                by_input[INPUTS + i] = (total.real if real else total).astype(consts[i].dtype) * size
            return by_input, found.told

        return one

    return by_lane(settings.name, build)


def _too_much(node: Node, name: str) -> str:
    """What of the problem this adjoint ODE does not take, in words; "" if there is nothing."""
    p = node.params
    resets, backwards = len(p["resets"]) > len(p["events"]), name == "backsolve"
    t_eval: Any = node.inputs[3].type
    kinds = {
        "observations before its end": name == "steady" and t_eval.shape[-1] > 0,
        "events": name in ("backsolve", "steady") and len(p["events"]) > 0,
        "jumps": backwards and resets,
        "a mass matrix": backwards and p["mass"],
        "a mass matrix and jumps": name in ("interpolating", "gauss") and p["mass"] and resets,
    }
    return " and ".join(kind for kind, has in kinds.items() if has)


def _largest(*bars: Any) -> Any:
    """The largest cotangent, or 1 where all are zero: the unit of lambda."""
    size = np.max(np.stack([np.max(np.abs(b)) for b in bars if b.size]))
    return np.where(size > 0, size, 1.0)


def _at_observations(back: Backwards, t_eval: Any, y_eval: Any, g_eval: Any) -> Any:
    """dL/dy_j f(t_j, y_j) for every observation."""
    if not t_eval.shape[0]:
        return np.zeros_like(t_eval)
    flags = [True, True, *(False for _ in back.consts)]
    slopes = inline(vmap(back.p["rhs"], flags, t_eval.shape[0]), [t_eval, y_eval, *back.consts])[0]
    along = np.sum(g_eval * slopes, axis=1).real
    return np.where(np.isnan(np.sum(y_eval, axis=1)), 0.0, along)  # those after a terminal event were not made


# --- forward -------------------------------------------------------------------------------------


def _forward(node: Node, wrt: Sequence[int]) -> Build:
    """Cotangents from tangents: the Jacobian by all active inputs at once, times the cotangents."""

    refuse_whole(node.params, f"at {node.source or 'source unknown'}")

    def one(*args: Any) -> Any:
        given, bars = args[: -2 - OUTPUTS], args[-OUTPUTS:]
        trace = current()
        assert trace is not None
        single = {**node.params, "lanes": (), "batched": (0,) * len(node.inputs)}
        graph = replay_graph(single, [Value(x._value.type) for x in given[:-2]], given[-1]._value)
        rows, dots = _directions([given[i] for i in wrt])
        flags = [False] * len(given) + [True] * len(wrt)
        pushed = vmap(jvp(graph, wrt), flags, rows[-1].stop, [False] * OUTPUTS + [True] * OUTPUTS)
        columns = inline(pushed, [*given, *(trace.wrap(trace.constant(d)) for d in dots)])[OUTPUTS:]
        wanted = [(c, g) for c, g in zip(columns, bars, strict=True) if g.size]
        total = sum(np.sum(np.reshape(c * g, (rows[-1].stop, -1)), axis=1).real for c, g in wanted)
        found = {}
        for i, at in zip(wrt, rows, strict=True):
            part, x = total[at.start : at.stop], given[i]
            part = part[: x.size] - 1j * part[x.size :] if x.dtype.kind == "c" else part
            found[i] = np.reshape(part, x.shape).astype(x.dtype)
        return found, None

    return one


def _directions(xs: Sequence[Any]) -> tuple[list[range], list[Any]]:
    """For each input, which tangents move it; and what all of them do to it: every real direction that there is."""
    counts = [x.size * (2 if x.dtype.kind == "c" else 1) for x in xs]
    ends = np.cumsum([0, *counts]).tolist()
    rows = [range(a, b) for a, b in pairwise(ends)]
    dots = []
    for x, at in zip(xs, rows, strict=True):
        dot = np.zeros((ends[-1], x.size), x.dtype)
        for k, unit in zip(range(at.start, at.stop, max(x.size, 1)), (1.0, 1j), strict=False):
            dot[k : k + x.size] = unit * np.eye(x.size)
        dots.append(dot.reshape(-1, *x.shape))
    return rows, dots


# --- what config calls ---------------------------------------------------------------------------


def discrete() -> Rule:
    """The scheme on the steps that it took."""
    return Rule(jvp=jvp_by_replay, tape=tape_by_replay)


def forward() -> Rule:
    """Tangents, one per active input."""
    return by_lane("forward", _forward)


def auto() -> Rule:
    """forward or discrete, by the number of active inputs; gauss for a solver whose steps cannot be made again."""
    rules = {"forward": forward(), "discrete": discrete(), "gauss": _adjoint("gauss", partial(along_mesh, gauss))()}

    def tape(node: Node, active: tuple[bool, ...]) -> Taped:
        chosen = rules[method_of(node, active)[0]].tape
        assert chosen is not None
        return chosen(node, active)

    return Rule(jvp=jvp_by_replay, tape=tape)


LOOSER = 10.0
"""Lambda goes the steps that y needs: at ten times its tolerance the gradient is measured to be no worse, while at the
same one every fourth step is rejected."""


def _adjoint(name: str, integrate: Callable[..., Any], looser: float = LOOSER) -> Callable[..., Rule]:
    def make(rtol: float = 0.0, atol: float = 0.0, stepper: str = "", max_steps: int = 10_000) -> Rule:
        """rtol, atol: of the adjoint; 0 is by the forward integration. stepper: of solve_ivp; "" the same."""
        return continuous(Settings(name, looser, float(rtol), float(atol), stepper, int(max_steps)), integrate)

    return make


METHODS = [
    Method("core::solve_ivp", "discrete", discrete),
    Method("core::solve_ivp", "forward", forward),
    Method("core::solve_ivp", "interpolating", _adjoint("interpolating", partial(along_mesh, interpolating))),
    Method("core::solve_ivp", "gauss", _adjoint("gauss", partial(along_mesh, gauss))),
    Method("core::solve_ivp", "backsolve", _adjoint("backsolve", backsolve, looser=1.0)),
    Method("core::solve_ivp", "steady", lambda: continuous(Settings("steady", 1.0), steady)),
    Method("core::solve_ivp", "auto", auto),
]
