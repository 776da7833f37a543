"""Batches of conds and of loops of unknown length, whose cases (lanes) part ways.

A batched cond runs both branches and selects; a loop goes on until its last lane has ended, the others
being frozen. What a lane computes without need is thrown away, but must not be undefined: 0 * nan would
spoil its derivative. So such a lane is fed the operands of a lane that does run, and a branch that no
lane takes is not run at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from adcore.extend import Graph, Node, Trace, Type, Value, closed, depends, find_op, op_call, splice, vmap
from adcore.extend import broadcast_batch as full
from adcore_ops.step import as_tuple, parts_of

INT64 = np.dtype(np.int64)
scan, cond_op, while_op = op_call("core::scan"), op_call("core::cond"), op_call("core::while_loop")
zeros_op = op_call("core::broadcast_to")


def _spread(mask: Any, x: Any) -> Any:
    """The mask of lanes, of shape (size,), made to broadcast against x: (size, ...)."""
    return np.reshape(mask, (mask.shape[0], *(1,) * (x.ndim - 1)))


def _select(mask: Any, a: Any, b: Any) -> Any:
    """a in the lanes of the mask, b in the others."""
    return np.where(_spread(mask, a), a, b)


def _safe(mask: Any, xs: Sequence[Any], batched: Sequence[bool]) -> list[Any]:
    """Operands in which the lanes outside the mask are copies of one inside; at least one must be inside."""
    if not mask.shape[0]:
        return list(xs)
    one = np.equal(np.arange(mask.shape[0]), np.argmax(mask))
    found = []
    for x, b in zip(xs, batched, strict=True):
        if b:
            lane = np.sum(np.where(_spread(one, x), x, np.zeros((), x.dtype)[()]), axis=0).astype(x.dtype)
            x = _select(mask, x, np.broadcast_to(lane, x.shape))
        found.append(x)
    return found


def _graph(trace: Trace, inputs: Sequence[Value], outputs: Sequence[Any], name: str) -> Graph:
    values = [trace.lift(y) for y in outputs]
    names = [f"in{i}" for i in range(len(inputs))], [f"out{i}" for i in range(len(values))]
    return closed(trace, inputs, names[0], values, names[1], name=name)


def _apply(trace: Trace, graph: Graph, args: Sequence[Any]) -> list[Any]:
    return [trace.wrap(v) for v in splice(trace, graph, [trace.lift(x) for x in args])]


# --- cond ----------------------------------------------------------------------------------------


def cond_batch(flags: tuple[bool, ...], size: int, node: Node, xs: list[Any]) -> Any:
    """A cond over a batch; where the predicate is of the batch, a select over the lanes."""
    branches = [vmap(node.params[name], flags[1:], size) for name in ("yes", "no")]
    if not flags[0]:
        return cond_op(*xs, yes=branches[0], no=branches[1])
    p, args = xs[0], xs[1:]
    results = []
    for mask, branch in ((p, branches[0]), (np.logical_not(p), branches[1])):
        taken, skipped = _on_safe_lanes(branch, args, flags[1:], size), _nothing(branch, args, size)
        results.append(as_tuple(cond_op(np.any(mask), mask, *args, yes=taken, no=skipped)))
    return tuple(_select(p, a, b) for a, b in zip(*results, strict=True))


def _on_safe_lanes(branch: Graph, args: Sequence[Any], batched: Sequence[bool], size: int) -> Graph:
    """(mask, xs) -> the branch at xs, the lanes outside the mask at safe operands."""
    inner = Trace()
    mask, inputs = Value(Type(np.dtype(bool), (size,))), [Value(v.type) for v in branch.inputs]
    with inner:
        safe = _safe(inner.wrap(mask), [inner.wrap(v) for v in inputs], batched)
        return _graph(inner, [mask, *inputs], _apply(inner, branch, safe), branch.name)


def _nothing(branch: Graph, args: Sequence[Any], size: int) -> Graph:
    """(mask, xs) -> zeros of the types of the branch's results."""
    inner = Trace()
    inputs = [Value(Type(np.dtype(bool), (size,))), *(Value(v.type) for v in branch.inputs)]
    with inner:
        zeros = [
            zeros_op(inner.wrap(inner.constant(np.zeros((), v.type.dtype))), shape=v.type.shape, rank=0)  # type: ignore[union-attr]
            for v in branch.outputs
        ]
        return _graph(inner, inputs, zeros, f"not {branch.name}")


# --- loops ---------------------------------------------------------------------------------------


def fed_back(step: Graph, fed: list[bool], carries: int) -> list[bool]:
    """Which inputs of a step depend on the batch, its carries fed back until nothing changes."""
    fed = list(fed)
    while True:
        reached = depends(step, fed)
        more = [fed[i] or reached[i] for i in range(carries)]
        if more == fed[:carries]:
            return fed
        fed[:carries] = more


def while_batch(flags: tuple[bool, ...], size: int, node: Node, xs: list[Any]) -> Any:
    """A while loop over a batch."""
    p, n = node.params, node.params["carries"]
    fed = fed_back(p["step"], list(flags), n)
    if depends(p["cond"], fed)[0]:
        return _while_lanes(fed[n:], flags, size, node, xs)
    outputs = [fed[i] if i < n else True for i in range(len(p["step"].outputs))]
    args = [full(x, size) if b and not f else x for x, b, f in zip(xs, fed, flags, strict=True)]
    made = {"cond": vmap(p["cond"], fed, size, [False]), "step": vmap(p["step"], fed, size, outputs)}
    found = as_tuple(while_op(*args, **{**p, **made}))
    carries = [x if b else full(x, size) for x, b in zip(found[:n], fed, strict=False)]
    return (*carries, full(found[n], size), *found[n + 1 :])


def _while_lanes(consts: list[bool], flags: tuple[bool, ...], size: int, node: Node, xs: list[Any]) -> Any:
    """Lanes end one by one: each counts its own steps, and is frozen when its condition is false."""
    p, n = node.params, node.params["carries"]
    batched = [True] * n + consts
    test, step = vmap(p["cond"], batched, size), vmap(p["step"], batched, size)
    counts = Value(Type(INT64, (size,)))
    graphs = []
    for whole in (False, True):
        inner = Trace()
        inputs = [Value(v.type) for v in step.inputs]
        with inner:
            args = [inner.wrap(v) for v in inputs]
            (going,) = _apply(inner, test, args)
            outputs: list[Any] = [np.any(going)]
            if whole:
                found = _apply(inner, step, _safe(going, args, batched))
                outputs = [_select(going, new, old) for new, old in zip(found[:n], args, strict=False)]
                outputs += [inner.wrap(counts) + going.astype(INT64), *found[n:]]
            graphs.append(_graph(inner, [*inputs[:n], counts, *inputs[n:]], outputs, (step if whole else test).name))
    first = [x if b else full(x, size) for x, b in zip(xs[:n], flags, strict=False)]
    made = {"cond": graphs[0], "step": graphs[1], "carries": n + 1}
    found = as_tuple(
        while_op(*first, full(np.zeros_like(xs[0], dtype=INT64, shape=()), size), *xs[n:], **{**p, **made})
    )
    return (*found[: n + 1], *found[n + 2 :])


def scan_lanes(flags: tuple[bool, ...], size: int, node: Node, xs: list[Any]) -> Any:
    """A scan without length whose number of steps is of the batch: each lane does its own, counted from 0.

    The last step comes first where the loop runs in reverse, so a lane waits until its own last step.
    """
    p = node.params
    parts = parts_of([v.type for v in node.inputs], p)
    n, at = parts.carries, parts.cuts[3][0]  # the number of steps is the first constant
    fed = [f for group, flag in zip(parts.groups, flags, strict=True) for f in [flag] * len(group)]
    fed[:n] = [True] * n
    place = parts.groups[at][0]
    step = vmap(p["step"], [f and i != place for i, f in enumerate(fed)], size)
    inner = Trace()
    inputs, counter, counts = [Value(v.type) for v in step.inputs], Value(Type(INT64, ())), Value(Type(INT64, (size,)))
    with inner:
        args = [inner.wrap(v) for v in inputs]
        now = inner.wrap(counter)
        going = np.less(now, inner.wrap(counts))
        found = _apply(inner, step, args)
        outputs = [_select(going, new, old) for new, old in zip(found[:n], args, strict=False)]
        outputs += [now - 1 if p["reverse"] else now + 1, *found[n:]]
        ins = [*inputs[:n], counter, *inputs[n : place + 1], counts, *inputs[place + 1 :]]
        graph = _graph(inner, ins, outputs, step.name)
    most = np.max(xs[at], initial=0)
    first = [x if b else full(x, size) for x, b in zip(xs[:n], flags, strict=False)]
    start = most - 1 if p["reverse"] else most - most
    args = [*first, start, *xs[n:at], most, xs[at], *xs[at + 1 :]]
    made = as_tuple(find_op("core::scan")(*args, **{**p, "step": graph, "carries": n + 1}))
    return (*made[:n], *made[n + 1 :])
