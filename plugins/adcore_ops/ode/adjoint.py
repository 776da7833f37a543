"""Continuous adjoints along the mesh of the forward integration: methods `interpolating` and `gauss`.

    lambda' = -J^T lambda,    at every observation lambda jumps by dL/dy_j              J = df/dy, P = df/dp
    dL/dy0 = lambda(t0),  dL/dp = integral of P^T lambda,  dL/dt0 = -lambda(t0+) f(t0, y0)
    dL/dt1 = dL/dy1 f(t1, y1),  dL/dt_j = dL/dy_j f(t_j, y_j)
at events and jumps: `adcore_ops.ode.crossing`;   with a mass matrix: `adcore_ops.ode.algebraic`

The mesh is run once more and leaves its states and stages as a trail; on the way back each of its steps is
an integration of its own, over theta from 1 to 0, with y from the interpolant of the step. So lambda has its
own error control, and every evaluation is within the step that its y belongs to. Lambda is in units of the
largest jump: the loss times a number gives the gradient times that number.
Source: Cao, Li, Petzold and Serban 2003, "Adjoint sensitivity analysis for differential-algebraic equations",
section 2, for ODEs; Kidger 2022, "On neural differential equations", section 5.1, for quadratures outside the
error test; Norcliffe and Deisenroth 2023, "Faster training of neural ODEs using Gauss-Legendre quadrature".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from adcore.extend import (
    Graph,
    InputError,
    Problem,
    cond,
    jvp,
    registry,
    vjp,
    while_loop,
)
from adcore_ops.ode.algebraic import Mass, batched
from adcore_ops.ode.crossing import crossed
from adcore_ops.ode.replay import MESH, STEPS, Moved, along_trails, at_start, inline, moved, stepped
from adcore_ops.step import step_graph


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of a continuous method.

    rtol, atol: of lambda, in units of the largest jump. 0: `looser` times the rtol of the forward integration, and
    a thousandth of that. stepper: name of a method of solve_ivp; "": that of the forward integration. max_steps: of
    one integration backwards.
    """

    name: str
    looser: float
    rtol: float = 0.0
    atol: float = 0.0
    stepper: str = ""
    max_steps: int = 10_000


@dataclass(frozen=True, slots=True)
class Told:
    """What the integrations backwards said so far: the worst status, where that was, and counts of
    steps, rejected steps, evaluations and factorizations."""

    status: Any
    where: Any
    counts: Any

    @classmethod
    def nothing(cls, t: Any) -> Told:
        """Before the first."""
        none = np.zeros_like(t, dtype=np.int64)
        return cls(none, t, np.zeros_like(t, dtype=np.int64, shape=(4,)))

    def and_of(self, sol: Any, t: Any) -> Told:
        """With one more, which began at t."""
        worse = sol.status > self.status
        counts = np.stack([sol.steps, sol.rejected, sol.nfev, sol.nlu])
        return Told(np.maximum(self.status, sol.status), np.where(worse, t, self.where), self.counts + counts)

    @property
    def leaves(self) -> tuple[Any, ...]:
        """As carries of a loop."""
        return self.status, self.where, self.counts


@dataclass(frozen=True, slots=True)
class Backwards:
    """One problem on its way back, inside a trace.

    p: params of the op. wrt: which of its constants are differentiated, by position. rtol, atol, stepper: of
    the integrations backwards.
    """

    p: Any
    wrt: tuple[int, ...]
    consts: Sequence[Any]
    settings: Settings
    rtol: float
    atol: float
    stepper: str
    mass: Mass | None

    @classmethod
    def of(cls, p: Any, wrt: tuple[int, ...], consts: Sequence[Any], settings: Settings) -> Backwards:
        """With the defaults filled in."""
        rtol = settings.rtol or settings.looser * p["rtol"]
        known = registry().steppers
        own = settings.stepper or getattr(known.get(p["method"]), "backwards", p["method"])
        if getattr(known.get(own), "samples", 0):
            raise InputError(f"{own} steps by itself, and is not for the way back", instead="use the stepper Radau")
        adaptive = getattr(known.get(own), "implicit", True) or bool(getattr(known.get(own), "errors", True))
        mass = Mass.of(p["mass"], p["rhs"].inputs[1].type.shape[0])
        atol = settings.atol or 1e-3 * rtol
        return cls(p, wrt, consts, settings, rtol, atol, own if adaptive else "RK45", mass)

    @property
    def implicit(self) -> bool:
        """Whether the forward integration was by an implicit method."""
        stepper = registry().steppers.get(self.p["method"])
        return stepper is None or bool(stepper.implicit)

    def field(self, t: Any, y: Any) -> Any:
        """f(t, y)."""
        return inline(self.p["rhs"], [t, y, *self.consts])[0]

    def pulled(self, wrt: Sequence[int]) -> Callable[..., list[Any]]:
        """(t, y, lambda) -> lambda times the derivatives of f by these inputs of the right-hand side."""
        graph: Graph = self.p["rhs"]
        made = vjp(graph, wrt)
        bars = step_graph(made.constants, made.nodes, made.inputs, made.outputs[len(graph.outputs) :], made.name)
        return lambda t, y, bar: inline(bars, [t, y, *self.consts, bar])

    @property
    def inputs(self) -> list[int]:
        """The constants in `wrt`, as inputs of the right-hand side."""
        return [2 + i for i in self.wrt]

    def problem(self, f: Callable[..., Any], quadratures: int = 0, atol: Any = None) -> Problem:
        """The integration backwards of f, whose first step is all that there is."""
        mass = None
        if self.mass is not None:
            n = len(self.mass.m)
            mass = np.eye(n + quadratures)
            mass[:n, :n] = self.mass.m.T
        return Problem(
            f, self.stepper, [], [], None, self.rtol, self.atol if atol is None else atol, 1.0, np.inf,
            self.settings.max_steps, None, 1, "I", mass, False, quadratures,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Solved:
    """What the op was given and made, for one lane."""

    y0: Any
    t0: Any
    t1: Any
    t_eval: Any
    jumps: Any
    steps: Any
    mesh: Any
    y_eval: Any
    y1: Any


@dataclass(frozen=True, slots=True)
class Bars:
    """Cotangents of what the op made: observations, state and time at the end, times and states of events.

    lam: lambda at the end, which is that of the state there but where there are constraints.
    """

    observed: Any
    end: Any
    lam: Any
    t_end: Any
    times: Any
    states: Any


@dataclass(frozen=True, slots=True)
class Back:
    """What a continuous method finds: lambda(t0+), integrals of P^T lambda, and what was told.

    jumps: cotangents of the times of jumps. moving: the cotangent of t1 as the end of the flow.
    """

    lam: Any
    mus: Sequence[Any]
    told: Told
    jumps: Any
    moving: Any


# --- along the mesh ------------------------------------------------------------------------------

Piece = Callable[..., tuple[Any, list[Any], Told]]
"""(back, step, hi, lo, lambda, mus, told) -> the last three at theta = lo, coming from theta = hi."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the mesh: t and h, y(theta) by its interpolant."""

    t: Any
    h: Any
    dense: Callable[[Any], Any]


def along_mesh(piece: Piece, back: Backwards, solved: Solved, bars: Bars) -> Back:
    """The steps of the mesh run again, then gone back one by one, through observations, events and jumps."""
    p, consts, t_eval, k = back.p, back.consts, solved.t_eval, len(back.wrt)
    points = np.concatenate([solved.jumps, np.reshape(solved.t1, (1,))])
    first, records = at_start(p, solved.y0, solved.t0, consts), 3 if p["samples"] else 2
    ended = np.logical_and(solved.steps < 0, False)
    slope = back.field(solved.t1, solved.y1)

    def forward(*args: Any) -> tuple[Any, ...]:
        (*carry, ended, slope), (_, ints, *_) = args[:-records], args[-records:]
        made = moved(p, carry, args[-records:], points, consts, exact=True)
        ended = np.logical_or(ended, np.logical_and(ints[0] >= 0, ints[5] < 0))
        if back.implicit:
            slope = cond(made.h != 0, lambda slope: _end_slope(p, made, consts), lambda slope: slope, slope)
        return *made.after, ended, slope, made.t, made.h, made.now, made.y, made.y1, made.stages

    *_, ended, slope, path = along_trails(
        forward, [*first, ended, slope], [solved.mesh], solved.steps, left=6, name="forward step"
    )
    told = Told.nothing(solved.t1)

    def backward(*args: Any) -> tuple[Any, ...]:
        (lam, *mus), (of_jumps, *rest) = args[: 1 + k], args[1 + k : -6 - records]
        _, ints, *_, t, h, now, y, y1, stages = args[-6 - records :]
        told = Told(*rest)
        step = Step(t, h, early(p["dense"], [t, h, y, y1, stages, t, *consts], 5))
        over = partial(_unless_empty, partial(piece, back, step), step.h)
        if p["resets"]:
            lam, mus, of_jumps = crossed(p, consts, back.wrt, bars, ints, now, y1, lam, mus, of_jumps)
        if not t_eval.shape[0]:
            lam, mus, told = over(np.ones_like(t), np.zeros_like(t), lam, mus, told)
        else:
            lam, mus, told = _over_observations(over, step, ints[2], ints[3], t_eval, bars.observed, lam, mus, told)
        return lam, *mus, of_jumps, *told.leaves

    zeros = [np.zeros_like(consts[i], dtype=solved.y0.dtype) for i in back.wrt]
    start = [bars.lam, *zeros, np.zeros_like(solved.jumps), *told.leaves]
    lam, *rest = along_trails(backward, start, [solved.mesh, path], solved.steps, reverse=True, name="adjoint")
    moving = np.where(ended, 0.0, np.sum(bars.end * slope).real + bars.t_end)
    return Back(lam, rest[:k], Told(*rest[k + 1 :]), rest[k], moving)


def _end_slope(p: Any, made: Moved, consts: Sequence[Any]) -> Any:
    """dy1/dh of a step: y' at its end as the step has it, while f(t, y1) has its error times the stiffness."""
    slope = inline(p["rhs"], [made.t, made.y, *consts])[0]
    stretched = inline(jvp(p["step"], [1]), [made.t, made.h, made.y, slope, *consts, np.ones_like(made.h)])
    return stretched[len(p["step"].outputs)]


def _unless_empty(
    piece: Callable[..., Any], h: Any, hi: Any, lo: Any, lam: Any, mus: Sequence[Any], told: Told
) -> tuple[Any, list[Any], Told]:
    """A piece of a step, unless it has no length: there nothing is to be done, and M alone may be singular."""
    n = len(mus)

    def goes(lam: Any, *rest: Any) -> tuple[Any, ...]:
        lam, mus, told = piece(hi, lo, lam, rest[:n], Told(*rest[n:]))
        return lam, *mus, *told.leaves

    moves = np.logical_and(hi != lo, h != 0)
    lam, *rest = cond(moves, goes, lambda *same: same, lam, *mus, *told.leaves)
    return lam, rest[:n], Told(*rest[n:])


def _over_observations(
    over: Callable[..., Any],
    step: Step,
    low: Any,
    high: Any,
    t_eval: Any,
    jumps: Any,
    lam: Any,
    mus: Sequence[Any],
    told: Told,
) -> tuple[Any, list[Any], Told]:
    """A step of the mesh in pieces: from its end to its last observation, and so on to its start."""
    n = len(mus)

    def body(carry: Any) -> Any:
        k, hi, lam, *rest = carry
        seen, at = k >= low, np.maximum(k, 0)
        moves = step.h != 0
        theta = (t_eval[at] - step.t) / np.where(moves, step.h, 1.0)
        lo = np.where(np.logical_and(seen, moves), np.minimum(np.maximum(theta, 0.0), hi), 0.0)
        lam, mus, told = over(hi, lo, lam, rest[:n], Told(*rest[n:]))
        return k - 1, lo, np.where(seen, lam + jumps[at], lam), *mus, *told.leaves

    first = (high - 1, np.ones_like(step.t), lam, *mus, *told.leaves)
    _, _, lam, *rest = while_loop(lambda carry: carry[0] >= low - 1, body, first)
    return lam, rest[:n], Told(*rest[n:])


def early(graph: Graph, args: Sequence[Any], late: int) -> Callable[[Any], Any]:
    """The graph as a function of its argument number `late`; what does not depend on that is computed here, once."""
    moving = {graph.inputs[late]}
    for node in graph.nodes:
        if not moving.isdisjoint(node.inputs):
            moving.update(node.outputs)
    after = [node for node in graph.nodes if not moving.isdisjoint(node.outputs)]
    needed = [v for node in after for v in node.inputs] + list(graph.outputs)
    cut = list(dict.fromkeys(v for v in needed if v not in moving and v not in graph.constants))
    first = step_graph(graph.constants, graph.nodes, graph.inputs, cut, graph.name)
    second = step_graph(graph.constants, after, [graph.inputs[late], *cut], graph.outputs, graph.name)
    known = inline(first, args)
    return lambda x: inline(second, [x, *known])[0]


# --- the two methods -----------------------------------------------------------------------------


def interpolating(back: Backwards, step: Step, hi: Any, lo: Any, lam: Any, mus: Sequence[Any], told: Told) -> Any:
    """Lambda and, after it, the integrals of P^T lambda as states outside the error test."""
    n, pulled = lam.shape[0], back.pulled([1, *back.inputs])

    def adjoint(theta: Any, state: Any) -> Any:
        bars = pulled(step.t + theta * step.h, step.dense(theta), state[:n])
        return -step.h * np.concatenate([np.ravel(b).astype(state.dtype) for b in bars])

    sizes = [int(np.prod(m.shape)) for m in mus]
    start = np.concatenate([lam, np.zeros_like(lam, shape=(sum(sizes),))]) if mus else lam
    sol = back.problem(adjoint, sum(sizes)).recorded((hi, lo), start, None, [], ())
    cuts = np.cumsum([n, *sizes])
    moved = [m + np.reshape(sol.y_end[a:b], m.shape) for m, a, b in zip(mus, cuts, cuts[1:], strict=False)]
    return sol.y_end[:n], moved, told.and_of(sol, step.t + hi * step.h)


def gauss(back: Backwards, step: Step, hi: Any, lo: Any, lam: Any, mus: Sequence[Any], told: Told) -> Any:
    """Lambda alone; the integrals of P^T lambda by Gauss-Legendre quadrature.

    Nodes are those of the whole piece; where the stepper is implicit, so that lambda may have transients far
    shorter than it, those of each step that lambda took.
    """
    pulled = back.pulled([1])

    def adjoint(theta: Any, state: Any) -> Any:
        return -step.h * pulled(step.t + theta * step.h, step.dense(theta), state)[0]

    stepper, told_at = registry().steppers[back.stepper], step.t + hi * step.h
    nodes, weights = np.polynomial.legendre.leggauss((stepper.order + 1) // 2)
    nodes, weights = (0.5 + 0.5 * nodes).astype(hi.dtype), (0.5 * weights).astype(hi.dtype)

    def added(mus: Sequence[Any], start: Any, length: Any, lams: Any) -> list[Any]:
        rates = _rates(back, step, start + length * nodes, lams)
        scale = -length * step.h * weights
        return [m + np.tensordot(scale, r, 1).astype(m.dtype) for m, r in zip(mus, rates, strict=True)]

    problem = back.problem(adjoint)
    if not mus or not stepper.implicit:
        sol = problem.recorded((hi, lo), lam, hi + (lo - hi) * nodes if mus else None, [], ())
        moved = added(mus, hi, lo - hi, np.transpose(sol.y)) if mus else []
        return sol.y_end, moved, told.and_of(sol, told_at)
    made = problem.node((hi, lo), lam, None, [], ())
    consts = made.inputs[5:]

    def again(*args: Any) -> tuple[Any, ...]:
        state, *mus, reals, _ = args
        start, length = hi + reals[0] * (lo - hi), reals[1] * (lo - hi)
        after, stages = stepped(made.params, start, length, state, consts)
        dense = early(made.params["dense"], [start, length, state, after, stages, start, *consts], 5)
        return after, *added(mus, start, length, np.stack([dense(np.full_like(start, x)) for x in nodes]))

    end, *moved = along_trails(again, [lam, *mus], [made.outputs[MESH]], made.outputs[STEPS], name="quadrature")
    return end, moved, told.and_of(problem.result(made), told_at)


def _rates(back: Backwards, step: Step, thetas: Any, lams: Any) -> list[Any]:
    """P^T lambda at all nodes, in one batched pass."""
    pulled = back.pulled(back.inputs)
    return batched(lambda theta, lam: pulled(step.t + theta * step.h, step.dense(theta), lam), [thetas, lams])
