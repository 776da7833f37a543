"""Ops on whole trails, the residual records of a loop: zeros, and the sum of two.

At run time a trail is a sequence of arrays, one per array of the record, stacked over the steps. The
place of a trail of unknown length is an empty list, which the op that makes the trail fills.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.extend import SIZE, Kind, Op, Trail, Type, linear

TYPES = Kind(
    "type*",
    tuple,
    tuple,
    lambda ts: [[t.dtype.name, list(t.shape)] for t in ts],
    lambda data: tuple(Type(np.dtype(d), tuple(s)) for d, s in data),
)


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


ZERO_TRAIL = Op(
    "core::zero_trail", _zero_trail, lambda *, types, length: Trail(types, length), None,
    {"types": TYPES, "length": SIZE}, out=True, doc="A trail of zeros.",
)  # fmt: skip
ADD_TRAILS = Op(
    "core::add_trails", _add_trails, lambda a, b: a, linear(lambda g, a, b: (g, g)), out=True,
    doc="The sum of two trails, record by record.",
)  # fmt: skip

OPS = [ZERO_TRAIL, ADD_TRAILS]
FUNCTIONS: dict[Any, Callable[..., Any]] = {}
