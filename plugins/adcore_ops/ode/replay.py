"""The realised mesh run again as a loop of the graph: the discrete derivative of an integration.

Forward or reverse, to any order, this is the exact derivative of the scheme on the steps that were taken.
The mesh is read back as fractions of segments, so the times of start, end, jumps and observations have
their derivatives too. An event step gets its length from two Newton steps on the event function: they
change nothing in the value, and carry the derivative of the event time to second order.

Source: Hairer, Norsett and Wanner 1993, section II.6, for sensitivities of a scheme; Griewank and Walther
2008, section 15.3, for the derivative of an implicit function by Newton steps at its solution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from adcore.extend import (
    AnyType,
    DifferentiationError,
    Graph,
    Node,
    Taped,
    Trace,
    Trail,
    Type,
    Value,
    call_graph,
    caller,
    closed,
    cond,
    current,
    jvp,
    op_call,
    trace_graph,
    vmap,
    while_loop,
)
from adcore.extend import vjp as reverse
from adcore_ops.ode.lanes import one_lane
from adcore_ops.step import step_graph

scan = op_call("core::scan")
OUTPUTS = 5  # y_eval, y1, t1, event times, event states: what may have a derivative
STEP_COUNT = Type(np.dtype(np.int64), ())
STEPS, MESH = 10, 11  # places of the number of steps and of the mesh among the outputs of the op


def jvp_by_replay(ts: Any, y: Any, *xs: Any, **p: Any) -> Any:
    """Tangents of the outputs, carried along the realised mesh."""
    trace = current()
    assert trace is not None
    refuse_whole(p, f"at {caller()}", "reverse mode with ")
    wrt = [i for i, t in enumerate(ts) if t is not None]
    made = jvp(replay_graph(p, [x._value for x in xs], y[MESH]._value), wrt)
    found = call_graph(trace, made, [*xs, y[STEPS], y[MESH], *(ts[i] for i in wrt)])
    return (*found[OUTPUTS:], *(None,) * (len(y) - OUTPUTS))


def tape_by_replay(node: Node, active: tuple[bool, ...]) -> Taped:
    """Cotangents of the inputs, by running the realised mesh again and going back along it."""
    refuse_whole(node.params, f"at {node.source or 'source unknown'}")
    wrt = [i for i, a in enumerate(active) if a]
    made = reverse(replay_graph(node.params, node.inputs, node.outputs[MESH]), wrt)

    def record(gs: Any, y: Any, xs: Any, residuals: Any) -> Any:
        trace = current()
        assert trace is not None
        bars = [g if g is not None else np.zeros_like(v) for g, v in zip(gs[:OUTPUTS], y, strict=False)]
        found = call_graph(trace, made, [*xs, y[STEPS], y[MESH], *bars])[OUTPUTS:]
        by_input = dict(zip(wrt, found, strict=True))
        return tuple(by_input.get(i) for i in range(len(xs)))

    return Taped(dict(node.params), (), record)


def refuse_whole(p: Any, where: str, mode: str = "") -> None:
    """Raise DifferentiationError for a solver whose steps cannot be run again."""
    if p["samples"]:
        raise DifferentiationError(
            f"{p['method']} steps by itself: its steps have no derivative", where,
            f'use {mode}the method "gauss", "interpolating" or "backsolve" of core::solve_ivp, or Radau or RK45',
        )  # fmt: skip


def replay_graph(p: Any, inputs: Sequence[Value], mesh: Value) -> Graph:
    """(inputs of the op, number of steps, mesh) -> the outputs that may have a derivative, by replay."""
    return over_lanes(p, inputs, mesh, (), partial(_replayed, p), "replay")


def over_lanes(
    p: Any,
    inputs: Sequence[Value],
    mesh: Value,
    more: Sequence[AnyType],
    build: Callable[..., Sequence[Any]],
    name: str,
) -> Graph:
    """(inputs of the op, number of steps, mesh, more) -> what `build` makes of them for one lane, in all lanes.

    more: types of further inputs, every one with all lane axes.
    """
    lanes = p["lanes"]
    inner = Trace()
    types = [one_lane(v.type, lanes, bits) for v, bits in zip(inputs, p["batched"], strict=True)]
    record = tuple(t.with_shape(t.shape[len(lanes) :]) for t in mesh.type.record)  # type: ignore[union-attr]
    further = [t.with_shape(t.shape[len(lanes) :]) for t in more]  # type: ignore[union-attr]
    values = [Value(t) for t in (*types, STEP_COUNT, Trail(record, None), *further)]
    with inner:
        found = [inner.lift(x) for x in build(*(inner.wrap(v) for v in values))]
    names = [f"in{i}" for i in range(len(values))]
    graph = closed(inner, values, names, found, [f"out{i}" for i in range(len(found))], name=name)
    for k in range(len(lanes)):  # the innermost lane axis first
        flags = [bool(bits >> k & 1) for bits in p["batched"]]
        graph = vmap(graph, [*flags, True, True, *(True for _ in more)], lanes[len(lanes) - 1 - k])
    return graph


def along_trails(
    step: Callable[..., Sequence[Any]], first: Sequence[Any], trails: Sequence[Any], steps: Any, left: int = 0,
    reverse: bool = False, name: str = "step",
) -> tuple[Any, ...]:  # fmt: skip
    """The carries after step(*carries, *records) -> (*carries, *what it leaves), over trails of so many steps.

    left: how many arrays each step leaves; they are one trail, given after the carries.
    """
    trace = current()
    assert trace is not None
    records = [trace.wrap(Value(t)) for trail in trails for t in trail._value.type.record]
    graph, captured = trace_graph(step, [*(trace.wrap(Value(x._type)) for x in first), *records], name=name)
    at = len(first) + len(records)  # a loop without length takes the number of its steps as first constant
    inputs = (*graph.inputs[:at], Value(STEP_COUNT), *graph.inputs[at:])
    graph = step_graph(graph.constants, graph.nodes, inputs, graph.outputs, graph.name)
    found = scan(
        *first, *trails, steps, *(trace.wrap(v) for v in captured), step=graph, length=None, carries=len(first),
        scanned=0, trails=(left,) if left else (), reverse=reverse,
    )  # fmt: skip
    return found if isinstance(found, tuple) else (found,)


def _replayed(p: Any, y0: Any, t0: Any, t1: Any, t_eval: Any, jumps: Any, *rest: Any) -> tuple[Any, ...]:
    """(y_eval, y1, t1, event times, event states) by running the steps of the mesh again."""
    *consts, steps, mesh = rest
    n, m, events, slots = y0.shape[0], t_eval.shape[0], len(p["events"]), len(p["events"]) * p["max_events"]
    points = np.concatenate([jumps, np.reshape(t1, (1,))])
    nothing = np.zeros_like(y0, shape=()) + np.nan
    found = [t0, np.broadcast_to(nothing, (m, n))]
    found += [np.broadcast_to(np.zeros_like(t0) + np.nan, (slots,)), np.broadcast_to(nothing, (slots, n))]
    first = at_start(p, y0, t0, consts)

    def step(*args: Any) -> tuple[Any, ...]:
        carry, (_, observed, times, states), (reals, ints) = args[:-6], args[-6:-2], args[-2:]
        made = moved(p, carry, (reals, ints), points, consts, exact=False)
        _, _, low, high, slot, _ = (ints[i] for i in range(6))
        if m:
            observed = _observe(p, low, high, t_eval, observed, made, consts)
        if events:
            times, states = cond(
                ints[0] >= 0, lambda times, states: (_put(times, slot, made.now), _put(states, slot, made.y1)),
                lambda *both: both, times, states,
            )  # fmt: skip
        return *made.after, made.now, observed, times, states

    y1, *_, end, observed, times, states = along_trails(step, [*first, *found], [mesh], steps, name="replayed step")
    shape = (events, p["max_events"])
    return observed, y1, end, np.reshape(times, shape), np.reshape(states, (*shape, n))


@dataclass(frozen=True, slots=True)
class Moved:
    """One step of the mesh, run again: from y at t to y1 at t + h, which is `now`. after: the carry for the next."""

    t: Any
    h: Any
    now: Any
    y: Any
    y1: Any
    stages: Any
    after: tuple[Any, ...]


def at_start(p: Any, y0: Any, t0: Any, consts: Sequence[Any]) -> list[Any]:
    """The carry of `moved`: the state, the start of the segment, and the slope where a step leaves it to the next."""
    return [y0, t0, *(inline(p["rhs"], [t0, y0, *consts]) if p["fsal"] else [])]


def moved(
    p: Any, carry: Sequence[Any], record: Sequence[Any], points: Any, consts: Sequence[Any], exact: bool
) -> Moved:
    """A step by its record. points: where segments end. exact: a step that ends at an event is as long as was found;
    else by Newton steps from there, which carry the derivative of the event's time."""
    reals, ints, *samples = record
    y, start, *known = carry
    event, segment, reset = ints[0], ints[1], ints[5]
    span = _pick(points, segment) - start
    t, h = start + reals[0] * span, reals[1] * span
    if p["resets"]:  # in a batch, a lane that is done makes idle steps where it last started
        t = np.where(reals[1] == 0.0, start, t)
    slope = known[0] if known else inline(p["rhs"], [t, y, *consts])[0]
    if p["events"] and not exact:
        h = cond(event >= 0, lambda h: _event_length(p, event, t, h, y, slope, consts), lambda h: h, h)
    y1, stages = (samples[0][-1], samples[0]) if samples else stepped(p, t, h, y, consts, slope)
    now = np.where(np.logical_and(event < 0, reals[0] + reals[1] == 1.0), start + span, t + h)
    after = y1
    for i, graph in enumerate(p["resets"]):
        after = cond(reset == i, lambda y1, g=graph: inline(g, [now, y1, *consts])[0], lambda y1: y1, after)
    left = np.logical_or(event >= 0, reset >= 0)
    if known and p["resets"]:
        known = [cond(left, lambda slope: inline(p["rhs"], [now, after, *consts])[0], lambda slope: slope, stages[-1])]
    elif known:
        known = [stages[-1]]
    return Moved(t, h, now, y, y1, stages, (after, np.where(left, now, start), *known))


def stepped(p: Any, t: Any, h: Any, y: Any, consts: Sequence[Any], slope: Any = None) -> tuple[Any, Any]:
    """(y1, stages) of a step; slope: f(t, y), where it is known."""
    slope = inline(p["rhs"], [t, y, *consts])[0] if slope is None else slope

    def step(t: Any, h: Any, y: Any, slope: Any) -> tuple[Any, Any]:
        y1, *_, stages, _ = inline(p["step"], [t, h, y, slope, *consts])
        return y1, stages

    if not p["mass"]:
        return step(t, h, y, slope)
    shape = p["step"].outputs[-2].type.shape
    stay = lambda t, h, y, slope: (y, np.broadcast_to(y, shape))  # of no length, where M alone may be singular
    return cond(h != 0, step, stay, t, h, y, slope)  # type: ignore[no-any-return]


def _event_length(p: Any, event: Any, t: Any, h: Any, y: Any, slope: Any, consts: Sequence[Any]) -> Any:
    """The length of the step that ends at the event, by two Newton steps from the length that was found."""
    for _ in range(2):
        y1, stages = stepped(p, t, h, y, consts, slope)
        flow = stages[-1] if p["fsal"] else inline(p["rhs"], [t + h, y1, *consts])[0]
        value = rate = None
        for i, graph in enumerate(p["events"]):
            c, d = inline(graph, [t + h, y1, flow, *consts])
            value, rate = (c, d) if value is None else (np.where(event == i, c, value), np.where(event == i, d, rate))
        h = h - value / rate
    return h


def _observe(p: Any, low: Any, high: Any, t_eval: Any, observed: Any, made: Moved, consts: Sequence[Any]) -> Any:
    """The observations from low to high, by the interpolant."""
    t, h = made.t, made.h

    def body(carry: Any) -> Any:
        i, observed = carry
        moves = h != 0
        theta = np.where(moves, (_pick(t_eval, i) - t) / np.where(moves, h, 1.0), 0.0)
        state = inline(p["dense"], [t, h, made.y, made.y1, made.stages, theta, *consts])[0]
        return i + 1, _put(observed, i, state)

    return while_loop(lambda carry: carry[0] < high, body, (low, observed))[1]


def inline(graph: Graph, args: Sequence[Any]) -> list[Any]:
    """The outputs of a graph at these arguments, recorded node by node."""
    trace = current()
    assert trace is not None
    return call_graph(trace, graph, args)


def _pick(x: Any, i: Any) -> Any:
    """x[i] for an index that is a value: for hundreds of them still faster than a gather and its scatter back."""
    return np.sum(np.where(np.equal(np.arange(x.shape[0]), i), x, np.zeros_like(x, shape=())))


def _put(x: Any, i: Any, value: Any) -> Any:
    """x with x[i] = value, for an index that is a value."""
    here = np.equal(np.arange(x.shape[0]), i)
    return np.where(np.reshape(here, (x.shape[0], *(1,) * (x.ndim - 1))), value, x)
