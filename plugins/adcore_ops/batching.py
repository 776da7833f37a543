"""Batches of the ops that carry graphs: the sub-graph is batched, and with it what feeds it.

A scan keeps its steps as the leading axis of xs and ys, so a batch axis there is the second. A carry
is batched when the step makes it depend on the batch, which is found by feeding back until nothing
changes; a trail is batched whole.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adcore.extend import Node, depends, find_op, vmap
from adcore.extend import broadcast_batch as full
from adcore_ops.lanes import cond_batch, fed_back, scan_lanes, while_batch
from adcore_ops.step import parts_of


def call_batch(flags: tuple[bool, ...], size: int, node: Node, xs: list[Any]) -> Any:
    """A named sub-graph over a batch."""
    graph = vmap(node.params["graph"], flags, size)
    return find_op("core::call")(*xs, **{**node.params, "graph": graph})


def scan_batch(flags: tuple[bool, ...], size: int, node: Node, xs: list[Any]) -> Any:
    """A loop over a batch: one loop whose step does the whole batch."""
    p = node.params
    parts, step = parts_of([v.type for v in node.inputs], p), p["step"]
    if p["length"] is None and flags[parts.cuts[3][0]]:
        return scan_lanes(flags, size, node, xs)
    fed = [flag for group, flag in zip(parts.groups, flags, strict=True) for _ in group]
    fed = fed_back(step, fed, parts.carries)
    reached = depends(step, fed)
    trails = {i for g in parts.out_groups[parts.carries + parts.ys :] for i in g}
    outputs = [fed[i] if i < parts.carries else (reached[i] or i in trails) for i in range(len(step.outputs))]
    batched = vmap(step, fed, size, outputs)
    args: list[Any] = []
    for j, (x, flag) in enumerate(zip(xs, flags, strict=True)):
        if j < parts.carries:
            args.append(x if flag or not fed[j] else full(x, size))
        elif j < parts.carries + parts.scanned and flag:
            args.append(np.swapaxes(x, 0, 1))
        else:
            args.append(x)
    found = find_op("core::scan")(*args, **{**p, "step": batched})
    results = list(found) if isinstance(found, tuple) else [found]
    for j in range(parts.carries, parts.carries + parts.ys):
        if outputs[parts.out_groups[j][0]]:
            results[j] = np.swapaxes(results[j], 0, 1)
    for j in range(parts.carries + parts.ys):
        if not outputs[parts.out_groups[j][0]]:
            results[j] = full(results[j], size)
    return tuple(results)


__all__ = ["call_batch", "cond_batch", "scan_batch", "while_batch"]
