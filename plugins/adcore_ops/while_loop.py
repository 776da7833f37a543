"""`while_loop`: a loop whose number of steps is known when it has ended.

while_loop[cond, step](c, consts) -> c', steps, trails

Forward: the step carries tangents along, the condition sees the primal carries. Reverse: the taped step
leaves a trail of as many records as there were steps; a `scan` without length reads it backwards.
Source: Griewank and Walther 2008, "Evaluating Derivatives", section 12.1 (evolutions and their adjoints).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from adcore.extend import (
    GRAPH,
    INT,
    INTS,
    AnyType,
    Graph,
    Loop,
    Node,
    Op,
    Rule,
    Taped,
    Trail,
    Type,
    Value,
    current,
    padded,
)
from adcore_ops.batching import while_batch
from adcore_ops.control_samples import WHILE_SAMPLES
from adcore_ops.loop_jvp import doubled
from adcore_ops.ranges import forward_steps
from adcore_ops.scan_back import backward
from adcore_ops.step import only_compiled, parts_of

FLAG, STEPS = Type(np.dtype(bool), ()), Type(np.dtype(np.int64), ())
ROOM = 16
"""Records that are made room for at first; doubled whenever they are full."""


def _infer(*types: AnyType, cond: Graph, step: Graph, carries: int, trails: Any) -> Any:
    parts = parts_of(types, {"step": step, "carries": carries, "scanned": 0, "trails": trails})
    if list(types) != [v.type for v in step.inputs] or list(types) != [v.type for v in cond.inputs]:
        raise TypeError(f"its step takes {', '.join(str(v.type) for v in step.inputs)}, and so must its condition")
    made = [v.type for v in step.outputs]
    if made[:carries] != list(types[:carries]) or parts.ys:
        raise TypeError("its step does not give back just carries of the types that it takes")
    if [v.type for v in cond.outputs] != [FLAG]:
        raise TypeError("its condition does not give one bool")
    records = [Trail(tuple(made[i] for i in r), None) for r in parts.out_groups[carries:]]  # type: ignore[misc]
    return (*made[:carries], STEPS, *records)


def _kernel(node: Node, lower: Any) -> Callable[..., None]:
    """The loop as generated Python: carries alternate between two places, records fill growing buffers."""
    p = node.params
    parts = parts_of([v.type for v in node.inputs], {**p, "scanned": 0})
    c, records = range(parts.carries), [v.type.record for v in node.outputs if isinstance(v.type, Trail)]
    consts = [f"k{i}" for i in range(parts.consts)]
    outs = [f"C{i}" for i in c] + ["N"] + [f"T{i}" for i in range(len(records))]
    now, place = [f"a{i}" for i in c], [f"p{i}" for i in c]
    rows = [f"R{i}[{j}][n, ...]" for i, r in enumerate(records) for j in range(len(r))]
    text = [f"def loop({', '.join([*(f'c{i}' for i in c), *consts, *outs])}):", "    n = 0", f"    room = {ROOM}"]
    text += [f"    a{i}, p{i}, q{i} = c{i}, S{i}, C{i}" for i in c]
    text += [f"    R{i} = [empty((room, *t.shape), t.dtype) for t in records[{i}]]" for i in range(len(records))]
    text += ["    while True:", f"        test({', '.join([*now, *consts, 'flag'])})", "        if not flag: break"]
    if records:
        text += ["        if n == room:", "            room *= 2"]
        text += [f"            R{i} = [grown(r) for r in R{i}]" for i in range(len(records))]
    text += [f"        body({', '.join([*now, *consts, *place, *rows])})"]
    text += [f"        a{i}, p{i}, q{i} = p{i}, q{i}, p{i}" for i in c]
    text += ["        n += 1"]
    for i in c:
        text.append(f"    if a{i} is not C{i}: copyto(C{i}, a{i})")
    text += ["    N[...] = n", *(f"    T{i} += [r[:n] for r in R{i}]" for i in range(len(records)))]
    names: dict[str, Any] = {"body": lower.body("step"), "test": lower.body("cond"), "copyto": np.copyto}
    names |= {"empty": np.empty, "grown": _grown, "records": records, "flag": lower.buffer(FLAG)}
    names |= {f"S{i}": lower.buffer(node.inputs[i].type) for i in c}
    exec("\n".join(text), names)
    loop: Callable[..., None] = names["loop"]
    return loop


def _grown(a: Any) -> Any:
    """Twice the room, the records so far in the first half."""
    more = np.empty((2 * len(a), *a.shape[1:]), a.dtype)
    more[: len(a)] = a
    return more


def _scratch(types: Any, p: Any) -> int:
    return padded(FLAG.nbytes) + sum(padded(t.nbytes) for t in types[: p["carries"]])


def _loop(types: Any, p: Any) -> Loop:
    return Loop(p["step"], None, p["carries"], 0, False, asks=True)


def _pieces(node: Node, lower: Any, names: Any, windows: Any) -> dict[str, Any]:
    """Pieces of the loop for a schedule to drive. Before Turn they ask its condition, then the length is known.

    peek: only the condition, of carries and constants; whether there is a step.
    """
    p = node.params
    parts = parts_of([v.type for v in node.inputs], {**p, "scanned": 0})
    if "step" not in names:
        return {name: forward_steps(parts, lower.body(name), name, "k") for name in names}
    test, flag = lower.body("cond"), lower.buffer(FLAG)

    def peek(*xs: Any) -> bool:
        test(*xs, flag)
        return bool(flag)

    found = {name: forward_steps(parts, lower.body(name), name, "k", test, flag) for name in names}
    return {**found, "peek": peek}


def _jvp(ts: Any, y: Any, *xs: Any, **p: Any) -> Any:
    trace = current()
    assert trace is not None
    loop = doubled(trace, [trace.lift(x) for x in xs], ts, {**p, "scanned": 0})
    cond = p["cond"]
    inputs = tuple(
        Value(v.type) if i is None else cond.inputs[i] for v, i in zip(loop.step.inputs, loop.origin, strict=True)
    )
    test = replace(cond, inputs=inputs, input_names=loop.step.input_names, in_tree=loop.step.in_tree, signature=())
    made = {"cond": test, "step": loop.step, "carries": loop.carries, "trails": loop.trails}
    found = trace.record(WHILE, loop.args, made)
    dots = list(loop.tangents(trace, [v for v in found if v is not found[loop.carries]]))
    dots.insert(p["carries"], None)  # of the number of steps
    return tuple(dots)


def _tape(node: Node, active: tuple[bool, ...]) -> Taped:
    p = node.params
    parts = parts_of([v.type for v in node.inputs], {**p, "scanned": 0})
    back = backward(p["step"], parts, active, None, False)
    n = parts.carries

    def record(gs: Any, y: Any, xs: Any, residuals: Any) -> Any:
        return back.record([*gs[:n], *gs[n + 1 :]], xs, residuals[0], y[n])

    return Taped({**p, "step": back.taped, "trails": (*parts.trails_out, len(back.records))}, (back.trail,), record)


WHILE = Op(
    "core::while_loop", only_compiled, _infer, Rule(jvp=_jvp, tape=_tape),
    {"cond": GRAPH, "step": GRAPH, "carries": INT, "trails": INTS}, batch=while_batch, out=True, kernel=_kernel,
    loop=_loop, pieces=_pieces, samples=WHILE_SAMPLES, scratch=_scratch,
    doc="A loop of unknown length: [cond, step](carries, consts) -> carries, steps, trails.",
)  # fmt: skip

OPS = [WHILE]
FUNCTIONS: dict[Any, Callable[..., Any]] = {}
