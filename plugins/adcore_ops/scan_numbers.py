"""A loop whose step is on numbers alone: carries are Python's own floats, rows are read and written by columns.

Reading one number off an array costs as much as two operations on it, so the arrays that are scanned
become lists, one per element of a row, a range of steps at a time; what the steps give is written the same way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from adcore.extend import Node, Trail, Value
from adcore_ops.step import Parts

STEPS = 64
"""Steps of a range; their rows are in memory as lists meanwhile."""


def loop_on_numbers(node: Node, parts: Parts, step: Callable[..., tuple[Any, ...]]) -> Callable[..., None]:
    """The kernel of a scan of known length. step: from the elements of its inputs to those of its outputs."""
    p = node.params
    n, order = p["length"], "[::-1]" if p["reverse"] else ""
    fed, made = ([math.prod(v.type.shape) for v in vs] for vs in (p["step"].inputs, p["step"].outputs))  # type: ignore[union-attr]
    ins, outs = _arrays("i", node.inputs), _arrays("o", node.outputs)
    carries, last = range(parts.carries), len(ins) - parts.consts
    scanned, results = range(parts.carries, last), range(parts.carries, len(outs))
    names = [[f"v{i}_{k}" for k in range(m)] for i, m in enumerate(fed)]
    row = [e for i in scanned for e in names[i]]
    heads = [f"i{j}" for j in range(len(node.inputs))] + [f"o{j}" for j in range(len(node.outputs))]
    starts = f"range({(n - 1) // STEPS * STEPS}, -1, -{STEPS})" if order else f"range(0, {n}, {STEPS})"
    columns = ", ".join(f"*A{i}[start:stop]{order}.T.tolist()" for i in scanned)
    text = [f"def loop({', '.join(heads)}):"]
    text += [f"    [{', '.join(names[i])}] = {ins[i]}.ravel().tolist()" for i in (*carries, *range(last, len(ins)))]
    text += [f"    A{i} = {ins[i]}.reshape({n}, {fed[i]})" for i in scanned]
    text += [f"    R{i} = {outs[i]}.reshape({n}, {made[i]})" for i in results]
    text += [f"    for start in {starts}:", f"        stop = min(start + {STEPS}, {n})", "        rows = []"]
    text += [f"        for [{', '.join(row)}] in zip({columns}):" if row else "        for _ in range(stop - start):"]
    text += [f"            row = step({', '.join(e for es in names for e in es)})"]
    text += [f"            {e} = row[{k}]" for k, e in enumerate(e for i in carries for e in names[i])]
    if results:
        text += ["            rows.append(row)", f"        columns = list(zip(*rows{order}))"]
    at = sum(fed[i] for i in carries)
    for i in results:
        text += [f"        R{i}[start:stop, {k}] = columns[{at + k}]" for k in range(made[i])]
        at += made[i]
    text += [f"    {outs[i]}.flat = [{', '.join(names[i])}]" for i in carries]
    space: dict[str, Any] = {"step": step}
    exec("\n".join([*text, "    return None"]), space)
    loop: Callable[..., None] = space["loop"]
    return loop


def _arrays(prefix: str, values: Sequence[Value]) -> list[str]:
    """The arrays that arguments of these values are, or, for trails, hold."""
    found = []
    for j, v in enumerate(values):
        found += (
            [f"{prefix}{j}[{k}]" for k in range(len(v.type.record))] if isinstance(v.type, Trail) else [f"{prefix}{j}"]
        )
    return found
