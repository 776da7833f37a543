"""Ops on whole trails, the residual records of a loop: zeros, and the sum of two.

At run time a trail is a sequence of arrays, one per array of the record, stacked over the steps. The
place of a trail of unknown length is an empty list, which the op that makes the trail fills.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.extend import SIZE, TYPE, Node, Op, RuleError, Trace, Trail, Value, closed, find_op, linear, many, vmap
from adcore_ops.control_samples import ADD_TRAILS_SAMPLES, ZERO_TRAIL_SAMPLES

TYPES = many(TYPE)


def _zero_trail(out: Any = None, *, types: Any, length: int) -> Any:
    for a in out:
        a[...] = 0
    return out


def _add_trails(a: Any, b: Any, out: Any = None) -> Any:
    if isinstance(out, list):  # of unknown length
        out += [x + y for x, y in zip(a, b, strict=True)]
        return out
    for x, y, z in zip(a, b, out, strict=True):
        np.add(x, y, z)
    return out


def _add_batch(flags: tuple[bool, ...], size: int, node: Node, xs: list[Any]) -> Any:
    """Both of the batch: their sum. One of them: a loop that adds record by record, where they broadcast."""
    if all(flags):
        return ADD_TRAILS(*xs)
    trail = node.outputs[0].type
    assert isinstance(trail, Trail)
    if trail.length is None:
        raise RuleError("trails of unknown length, one batched and one not, have no sum", f"at {node.source}")
    inner = Trace()
    records = [[Value(t) for t in trail.record] for _ in range(2)]
    with inner:
        sums = [(inner.wrap(a) + inner.wrap(b))._read() for a, b in zip(*records, strict=True)]
    n = len(sums)
    names = [f"in{i}" for i in range(2 * n)], [f"out{i}" for i in range(n)]
    step = closed(inner, [*records[0], *records[1]], names[0], sums, names[1], name="add_trails")
    batched = vmap(step, [f for f in flags for _ in range(n)], size)
    return find_op("core::scan")(
        *xs, step=batched, length=trail.length, carries=0, scanned=0, trails=(n,), reverse=False
    )  # fmt: skip


ZERO_TRAIL = Op(
    "core::zero_trail", _zero_trail, lambda *, types, length: Trail(types, length), None,
    {"types": TYPES, "length": SIZE}, out=True, samples=ZERO_TRAIL_SAMPLES, doc="A trail of zeros.",
)  # fmt: skip
ADD_TRAILS = Op(
    "core::add_trails", _add_trails, lambda a, b: a, linear(lambda g, a, b: (g, g)), out=True,
    batch=_add_batch, samples=ADD_TRAILS_SAMPLES, doc="The sum of two trails, record by record.",
)  # fmt: skip

OPS = [ZERO_TRAIL, ADD_TRAILS]
FUNCTIONS: dict[Any, Callable[..., Any]] = {}
