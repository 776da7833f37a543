"""`core::solve_ivp`: an initial-value problem as one node.

solve_ivp[rhs, step, dense, events, resets](y0, t0, t1, t_eval, jumps, consts)
    -> y_eval, y1, t1, event times, event states, event counts, status, where, component, counts, steps, mesh

The mesh is a trail: one small record per step, with which the realised steps can be run again
(`adcore_ops.ode.replay`). It has no derivative, so neither have the step sizes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from adcore.extend import (
    BOOL,
    FLOAT,
    GRAPH,
    GRAPHS,
    INT,
    INTS,
    SIZE,
    STR,
    AnyType,
    Node,
    Op,
    Rule,
    Trail,
    Type,
    many,
    registry,
)
from adcore_ops.ode.integrate import Integration, Parts, Record, Rules
from adcore_ops.ode.lanes import lane_axes, ode_batch, one_lane
from adcore_ops.ode.replay import jvp_by_replay, tape_by_replay
from adcore_ops.ode.samples import SAMPLES
from adcore_ops.ode.whole import Whole
from adcore_ops.step import only_compiled

FLOATS = many(FLOAT)
INT64 = np.dtype(np.int64)

PARAMS = {
    "rhs": GRAPH, "step": GRAPH, "dense": GRAPH, "events": GRAPHS, "resets": GRAPHS, "mass": FLOATS,
    "method": STR, "order": INT, "fsal": BOOL, "samples": SIZE, "rtol": FLOAT, "atol": FLOATS, "tested": SIZE,
    "fixed": SIZE, "hit": BOOL, "first_step": FLOAT, "max_step": FLOAT, "max_steps": INT, "controller": FLOATS,
    "directions": INTS, "terminal": INTS, "max_events": INT, "lanes": INTS, "batched": INTS,
}  # fmt: skip
INPUTS = ("y0", "t0", "t1", "t_eval", "jumps")

# mass: nothing, the diagonal of M, or all of it row by row; M is in the graph of the step too


@dataclass(frozen=True, slots=True)
class Results:
    """Names of the outputs, in their order."""

    y_eval: Any
    y1: Any
    t1: Any
    event_times: Any
    event_states: Any
    event_counts: Any
    status: Any
    where: Any  # t and h at the end
    component: Any
    counts: Any  # accepted, rejected, evaluations, factorizations
    steps: Any  # records of the mesh
    mesh: Any


def mesh_type(real: Any, state: Type, samples: int) -> tuple[Type, ...]:
    """One record: s, ds; the integers of `adcore_ops.ode.integrate.Record`; the samples of a step, if it leaves any."""
    own = (Type(np.dtype(real), (2,)), Type(INT64, (6,)))
    return (*own, Type(state.dtype, (samples, *state.shape))) if samples else own


def _infer(*types: AnyType, **p: Any) -> tuple[AnyType, ...]:
    lead = p["lanes"]
    own = [one_lane(t, lead, bits) for t, bits in zip(types, p["batched"], strict=True)]
    y0, _, _, t_eval, jumps = own[:5]
    if y0.ndim != 1 or y0.dtype.kind not in "fc" or t_eval.ndim != 1 or jumps.ndim != 1:
        raise TypeError("it takes a state vector of floats, two times, and vectors of times")
    real = np.zeros(0, y0.dtype).real.dtype
    if {t.dtype for t in own[1:5]} != {real} or len(p["resets"]) != len(p["events"]) + jumps.shape[0]:
        raise TypeError(f"its times are of {real.name}, with one reset per event and per jump")
    if [v.type for v in p["rhs"].inputs[2:]] != own[5:]:
        raise TypeError("its right-hand side takes other constants")
    n, m, e, k = y0.shape[0], t_eval.shape[0], len(p["events"]), p["max_events"]
    state = y0.dtype
    record = tuple(Type(t.dtype, (*lead, *t.shape)) for t in mesh_type(real, y0, p["samples"]))
    return (
        Type(state, (*lead, m, n)), Type(state, (*lead, n)), Type(real, lead), Type(real, (*lead, e, k)),
        Type(state, (*lead, e, k, n)), Type(INT64, (*lead, e)), Type(INT64, lead), Type(real, (*lead, 2)),
        Type(INT64, lead), Type(INT64, (*lead, 4)), Type(INT64, lead), Trail(record, None),
    )  # fmt: skip


# --- running -------------------------------------------------------------------------------------


class _Kernel:
    """The op bound to its compiled sub-graphs."""

    def __init__(self, node: Node, lower: Any) -> None:
        p = self.p = node.params
        self.body = {
            name: lower.body(name)
            for name in (
                "rhs", "step", "dense", *(f"events[{i}]" for i in range(len(p["events"]))),
                *(f"resets[{i}]" for i in range(len(p["resets"]))),
            )
        }  # fmt: skip
        self.step_types = [v.type for v in p["step"].outputs]
        self.y_type = p["rhs"].inputs[1].type
        self.real = p["rhs"].inputs[0].type.dtype
        self.solver = registry().steppers.get(p["method"]) if p["samples"] else None
        self.axes = [lane_axes(bits, p["lanes"]) for bits in p["batched"]]

    def __call__(self, *args: Any) -> None:
        n = len(self.p["rhs"].inputs) - 2 + len(INPUTS)
        inputs, out = args[:n], Results(*args[n:])
        lanes, meshes, sampled = self.p["lanes"], [], []
        names = [name for name in Results.__dataclass_fields__ if name != "mesh"]
        for index in np.ndindex(*lanes):
            own = [x[(*(index[i] for i in a), ...)] for x, a in zip(inputs, self.axes, strict=True)]
            part = Results(*(getattr(out, name)[(*index, ...)] for name in names), None)
            found = self.one(own, part)
            meshes.append(found.mesh)
            part.steps[...] = len(found.mesh)
            if isinstance(found, Whole):
                sampled.append(found.sampled)
        out.mesh.extend(_stacked(meshes, lanes, self.real))
        if self.solver is not None:
            out.mesh.append(
                _stacked_samples(sampled, lanes, (self.p["samples"], *self.y_type.shape), self.y_type.dtype)
            )

    def one(self, inputs: Any, out: Results) -> Integration:
        """Integrate one problem into its places."""
        y0, t0, t1, t_eval, jumps, *consts = inputs
        problem = (
            self.parts(consts), self.rules(), t_eval.tolist(), [*jumps.tolist(), float(t1)], float(t0),
            y0.copy(), out.y_eval, out.event_times, out.event_states, [0] * len(self.p["events"]),
        )  # fmt: skip
        found = Integration(*problem) if self.solver is None else Whole(*problem, solver=self.solver)
        for place in (out.y_eval, out.event_times, out.event_states):
            place[...] = np.nan
        with np.errstate(all="ignore"):
            found.run()
        out.y1[...], out.t1[...], out.event_counts[...] = found.y, found.t, found.counts
        out.status[...], out.component[...] = int(found.status), found.component
        out.where[...] = found.t, found.h
        out.counts[...] = found.accepted, found.rejected, found.evaluations, found.factorizations
        return found

    def rules(self) -> Rules:
        """The settings, from the params."""
        p = self.p
        atol = np.broadcast_to(np.array(p["atol"]), self.y_type.shape)
        same = {name: p[name] for name in Rules.__dataclass_fields__ if name != "atol"}
        return Rules(atol=atol, **same)

    def parts(self, consts: Any) -> Parts:
        """The compiled sub-graphs with these constants; every call makes its own results."""
        y, real = self.y_type, self.real

        def number(x: float) -> Any:
            return np.array(x, real)

        def vector(name: str) -> Callable[..., Any]:
            def call(t: float, state: Any) -> Any:
                made = np.empty(y.shape, y.dtype)
                self.body[name](number(t), state, *consts, made)
                return made

            return call

        def step(t: float, h: float, state: Any, slope: Any) -> Any:
            made = [np.empty(s.shape, s.dtype) for s in self.step_types]
            try:
                self.body["step"](number(t), number(h), state, slope, *consts, *made)
            except np.linalg.LinAlgError:  # a matrix of the step is singular: the step is tried shorter
                made[0].fill(np.nan)
                return made[0], made[1:-2], made[-2], (0, 0, 0, 0)
            return made[0], made[1:-2], made[-2], made[-1].tolist()

        def dense(t: float, h: float, state: Any, y1: Any, stages: Any, theta: float) -> Any:
            made = np.empty(y.shape, y.dtype)
            self.body["dense"](number(t), number(h), state, y1, stages, number(theta), *consts, made)
            return made

        def event(name: str) -> Callable[..., tuple[float, float]]:
            def call(t: float, state: Any, slope: Any) -> tuple[float, float]:
                value, rate = np.empty((), real), np.empty((), real)
                self.body[name](number(t), state, slope, *consts, value, rate)
                return float(value), float(rate)

            return call

        def jacobian(t: float, state: Any) -> Any:
            made = np.empty((*y.shape, *y.shape), y.dtype)
            state = np.array(state, y.dtype)
            self.body["step"](number(t), number(0.0), state, state, *consts, made)
            return made

        return Parts(
            vector("rhs"), step if self.solver is None else jacobian, dense,
            [event(f"events[{i}]") for i in range(len(self.p["events"]))],
            [vector(f"resets[{i}]") for i in range(len(self.p["resets"]))],
        )  # fmt: skip


def _stacked(meshes: list[list[Record]], lanes: tuple[int, ...], real: Any) -> list[Any]:
    """The records of all lanes as the arrays of the trail, as long as the longest; the others end in idle steps."""
    most = max(map(len, meshes), default=0)
    idle: Record = (1.0, 0.0, -1, 0, 0, 0, -1, -1)
    records = [[*m, *[idle] * (most - len(m))] for m in meshes]
    reals = np.array([[r[:2] for r in m] for m in records], real).reshape(*lanes, most, 2)
    ints = np.array([[r[2:] for r in m] for m in records], INT64).reshape(*lanes, most, 6)
    return [np.ascontiguousarray(np.moveaxis(a, len(lanes), 0)) for a in (reals, ints)]


def _stacked_samples(sampled: list[list[Any]], lanes: tuple[int, ...], shape: tuple[int, ...], dtype: Any) -> Any:
    """The samples of all lanes, as many steps as the longest; idle steps are where the lane ended."""
    most = max(map(len, sampled), default=0)
    found = np.zeros((len(sampled), most, *shape), dtype)
    for place, own in zip(found, sampled, strict=True):
        for i in range(most if own else 0):
            place[i] = own[i] if i < len(own) else own[-1][-1]
    return np.ascontiguousarray(np.moveaxis(found.reshape(*lanes, most, *shape), len(lanes), 0))


SOLVE = Op(
    "core::solve_ivp", only_compiled, _infer, Rule(jvp=jvp_by_replay, tape=tape_by_replay), PARAMS, batch=ode_batch,
    out=True, kernel=_Kernel, samples=SAMPLES,
    doc="An initial-value problem y' = rhs(t, y), y(t0) = y0, with events and jumps.",
)  # fmt: skip
