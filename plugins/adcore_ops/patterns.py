"""Which elements depend on which, for ops that carry graphs and for scatter_add; see `adcore.pattern`.

A pattern is a function of (node, rows, known, follow): rows and known constants of the inputs, and
follow(graph, rows, known) for a sub-graph. It gives the rows of every output; None where nothing depends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adcore.extend import Node, Trail, find_op, joined_rows, matrices
from adcore_ops.step import parts_of

Follow = Callable[..., list[Any]]


def call_pattern(node: Node, rows: Sequence[Any], known: Sequence[Any], follow: Follow) -> Sequence[Any]:
    """That of the sub-graph."""
    return follow(node.params["graph"], rows, known)


def cond_pattern(node: Node, rows: Sequence[Any], known: Sequence[Any], follow: Follow) -> Sequence[Any]:
    """What either branch depends on."""
    branches = [follow(node.params[name], rows[1:], known[1:]) for name in ("yes", "no")]
    return [joined_rows(pair) for pair in zip(*branches, strict=True)]


def scan_pattern(node: Node, rows: Sequence[Any], known: Sequence[Any], follow: Follow) -> Sequence[Any]:
    """Step by step; a carry that has come to rest is not followed further. Trails are not followed."""
    p, n = node.params, node.params["length"]
    parts = parts_of([v.type for v in node.inputs], p)
    if n is None or parts.trails_in or any(isinstance(v.type, Trail) for v in node.outputs):
        return _all_on_all(node, rows)
    carry, fixed = list(rows[: parts.carries]), [None] * parts.carries
    at = parts.carries + parts.scanned
    ys: list[list[Any]] = [[None] * n for _ in range(parts.ys)]
    for i in range(n - 1, -1, -1) if p["reverse"] else range(n):
        row = [
            None if r is None else r[_span(v, i, n)]
            for v, r in zip(node.inputs[parts.carries : at], rows[parts.carries : at], strict=True)
        ]
        one = [None if a is None else a[i] for a in known[parts.carries : at]]
        made = follow(p["step"], [*carry, *row, *rows[at:]], [*fixed, *one, *known[at:]])
        carry = made[: parts.carries]
        for j in range(parts.ys):
            ys[j][i] = made[parts.carries + j]
    stacked = [
        _stack(y, v.type.size // max(n, 1))
        for y, v in zip(ys, node.outputs[parts.carries :], strict=False)  # type: ignore[union-attr]
    ]
    return [*carry, *stacked]


def scatter_add_pattern(node: Node, rows: Sequence[Any], known: Sequence[Any], follow: Follow) -> Sequence[Any]:
    """x and, at the positions that are known, what is added."""
    x, _, new = rows
    if known[1] is None:
        return _all_on_all(node, rows)
    t = node.inputs[0].type
    numbers = np.arange(t.size).reshape(t.shape)  # type: ignore[union-attr]
    p = {name: node.params[name] for name in ("inner", "batch_dims")}
    target = np.asarray(find_op("core::gather").run(numbers, known[1], **p)).ravel()
    if new is None:
        return [x]
    add = matrices().csr_array(
        (np.ones(target.size, bool), (target, np.arange(target.size))), shape=(t.size, target.size)
    )  # type: ignore[union-attr]
    return [joined_rows([x, add @ new])]


def _span(v: Any, i: int, n: int) -> slice:
    size = v.type.size // n
    return slice(i * size, (i + 1) * size)


def _stack(parts: list[Any], size: int) -> Any:
    some = next((r for r in parts if r is not None), None)
    if some is None:
        return None
    empty = matrices().csr_array((size, some.shape[1]), dtype=bool)
    return matrices().vstack([empty if r is None else r for r in parts], format="csr")


def _all_on_all(node: Node, rows: Sequence[Any]) -> Sequence[Any]:
    """Every element of every output depends on all that any input does."""
    some = [r for r in rows if r is not None]
    columns = np.unique(np.concatenate([r.indices for r in some]))
    found = []
    for v in node.outputs:
        size = 0 if isinstance(v.type, Trail) else v.type.size
        parts = (np.ones(size * len(columns), bool), np.tile(columns, size), np.arange(size + 1) * len(columns))
        found.append(matrices().csr_array(parts, shape=(size, some[0].shape[1])))
    return found
