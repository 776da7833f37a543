"""`scan`: a loop whose number of steps is known before it starts.

scan[step](c, xs, trails, consts) -> c', ys, trails'

The step maps (c, x, records, consts) at one position to (c', y, records'). Its derivative is again
a scan. Forward: the step carries tangents along. Reverse: see `adcore_ops.scan_back`. Trails behave
as xs and ys do, but only a plan decides whether they exist in full.

With length None the number of steps is a value: the first of the consts. Such a scan has no xs and
no ys, for their shapes would not be known; it is what the reverse of a while loop is made of.
Source: Griewank and Walther 2008, "Evaluating Derivatives", section 12.1 (evolutions and their adjoints).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.extend import (
    BOOL,
    GRAPH,
    INT,
    INTS,
    SIZE,
    AnyType,
    Graph,
    Loop,
    Node,
    Op,
    Rule,
    Taped,
    Trail,
    Type,
    current,
    optional,
    padded,
)
from adcore_ops.batching import scan_batch
from adcore_ops.control_samples import SCAN_SAMPLES
from adcore_ops.loop_jvp import doubled
from adcore_ops.patterns import scan_pattern
from adcore_ops.ranges import back_steps, forward_steps
from adcore_ops.scan_back import backward
from adcore_ops.scan_numbers import loop_on_numbers
from adcore_ops.step import only_compiled, parts_of


def _infer(*types: AnyType, step: Graph, length: Any, carries: int, scanned: int, trails: Any, reverse: bool) -> Any:
    parts = parts_of(types, {"step": step, "carries": carries, "scanned": scanned, "trails": trails})
    if length is None and (scanned or parts.ys or types[parts.cuts[3][0]] != Type(np.dtype(np.int64), ())):
        raise TypeError("a scan without length has no xs and no ys; its first constant is the number of steps, int64[]")
    fed: list[Type] = []
    for i, t in enumerate(types):
        if isinstance(t, Trail):
            if t.length != length:
                raise ValueError(f"a trail of {t.length} records is read in {length} steps")
            fed += t.record
        elif carries <= i < carries + scanned:
            if not t.shape or t.shape[0] != length:
                raise ValueError(f"an array of shape {t.shape} is scanned in {length} steps")
            fed.append(Type(t.dtype, t.shape[1:]))
        else:
            fed.append(t)
    if fed != [v.type for v in step.inputs]:
        raise TypeError(f"its step takes {', '.join(str(v.type) for v in step.inputs)}")
    made = [v.type for v in step.outputs]
    if made[:carries] != fed[:carries]:
        raise TypeError("its step does not give back carries of the types that it takes")
    stacked = [Type(t.dtype, (length, *t.shape)) for t in made[carries : carries + parts.ys]]
    records = [Trail(tuple(made[i] for i in r), length) for r in parts.out_groups[carries + parts.ys :]]
    return (*made[:carries], *stacked, *records)


# --- running -------------------------------------------------------------------------------------


def _kernel(node: Node, lower: Any) -> Callable[..., None]:
    """The loop as generated Python: carries alternate between two places, rows are written in place."""
    p = node.params
    parts = parts_of([v.type for v in node.inputs], p)
    numbers = None if p["length"] is None else lower.numbers("step")
    if numbers is not None:
        return loop_on_numbers(node, parts, numbers)
    c = range(parts.carries)
    ins = [f"c{i}" for i in c] + [f"x{i}" for i in range(parts.scanned)]
    ins += [f"t{i}" for i in range(len(parts.trails_in))] + [f"k{i}" for i in range(parts.consts)]
    outs = [f"C{i}" for i in c] + [f"Y{i}" for i in range(parts.ys)]
    outs += [f"T{i}" for i in range(len(parts.trails_out))]
    rows = [f"x{i}[i, ...]" for i in range(parts.scanned)]
    rows += [f"t{i}[{j}][i, ...]" for i, m in enumerate(parts.trails_in) for j in range(m)]
    made = [f"Y{i}[i, ...]" for i in range(parts.ys)]
    made += [f"T{i}[{j}][i, ...]" for i, m in enumerate(parts.trails_out) for j in range(m)]
    args = [*(f"a{i}" for i in c), *rows, *ins[len(ins) - parts.consts :], *(f"p{i}" for i in c), *made]
    text = [f"def loop({', '.join(ins + outs)}):"]
    text.append(f"    n = {'int(k0)' if p['length'] is None else p['length']}")
    if p["length"] is None:
        text += [
            f"    T{i} += [empty((n, *t.shape), t.dtype) for t in records[{i}]]" for i in range(len(parts.trails_out))
        ]
    for i in c:  # the last of n writes goes to C
        text.append(f"    a{i}, p{i}, q{i} = (c{i}, C{i}, S{i}) if n % 2 else (c{i}, S{i}, C{i})")
    text.append(f"    for i in {'range(n - 1, -1, -1)' if p['reverse'] else 'range(n)'}:")
    text.append(f"        body({', '.join(args)})")
    for i in c:
        text.append(f"        a{i}, p{i}, q{i} = p{i}, q{i}, p{i}")
    text += ["    if n == 0:", "        pass", *(f"        copyto(C{i}, c{i})" for i in c)]
    names: dict[str, Any] = {"body": lower.body("step"), "copyto": np.copyto, "empty": np.empty}
    names |= {f"S{i}": lower.buffer(node.inputs[i].type) for i in c}
    names["records"] = [v.type.record for v in node.outputs if isinstance(v.type, Trail)]
    exec("\n".join([*text, "    return None"]), names)
    loop: Callable[..., None] = names["loop"]
    return loop


def _scratch(types: Any, p: Any) -> int:
    return sum(padded(t.nbytes) for t in types[: p["carries"]])


def _loop(types: Any, p: Any) -> Loop:
    parts = parts_of(types, p)
    return Loop(p["step"], p["length"], parts.carries, parts.ys, p["reverse"])


def _pieces(node: Node, lower: Any, names: Any, windows: Any) -> dict[str, Any]:
    """Pieces of the loop for a schedule to drive: of its own steps, or "back", of the reverse of another's."""
    p = node.params
    parts = parts_of([v.type for v in node.inputs], p)
    from_the_end = f"{(p['length'] or 0) - 1} - k"
    if "back" in names:  # rows are counted by the steps of the other loop, which goes the other way
        return {"back": back_steps(parts, lower.body("step"), "k" if p["reverse"] else from_the_end, windows)}
    row = from_the_end if p["reverse"] else "k"
    return {name: forward_steps(parts, lower.body(name), name, row) for name in names}


# --- forward -------------------------------------------------------------------------------------


def _jvp(ts: Any, y: Any, *xs: Any, **p: Any) -> Any:
    trace = current()
    assert trace is not None
    loop = doubled(trace, [trace.lift(x) for x in xs], ts, p)
    made = {"step": loop.step, "carries": loop.carries, "scanned": loop.scanned, "trails": loop.trails}
    return loop.tangents(trace, trace.record(SCAN, loop.args, {**p, **made}))


# --- reverse -------------------------------------------------------------------------------------


def _tape(node: Node, active: tuple[bool, ...]) -> Taped:
    p = node.params
    parts = parts_of([v.type for v in node.inputs], p)
    back = backward(p["step"], parts, active, p["length"], p["reverse"])
    params = {**p, "step": back.taped, "trails": (*parts.trails_out, len(back.records))}
    first = parts.cuts[3][0] if p["length"] is None else None

    def record(gs: Any, y: Any, xs: Any, residuals: Any) -> Any:
        return back.record(gs, xs, residuals[0], None if first is None else xs[first])

    return Taped(params, (back.trail,), record)


SCAN = Op(
    "core::scan", only_compiled, _infer, Rule(jvp=_jvp, tape=_tape),
    {"step": GRAPH, "length": optional(SIZE), "carries": INT, "scanned": INT, "trails": INTS, "reverse": BOOL},
    batch=scan_batch, pattern=scan_pattern, out=True, kernel=_kernel,
    loop=_loop, pieces=_pieces, samples=SCAN_SAMPLES, scratch=_scratch,
    doc="A loop of known length: scan[step](carries, xs, trails, consts) -> carries, ys, trails.",
)  # fmt: skip

OPS = [SCAN]
FUNCTIONS: dict[Any, Callable[..., Any]] = {}
