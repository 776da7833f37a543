"""Stacks of matrices for SciPy's routines, which take one at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np


def matrices(count: int) -> Callable[..., int]:
    """`heap` of an op that works on one matrix of a stack at a time, with so many copies of it."""
    return lambda types, params: count * types[0].dtype.itemsize * math.prod(types[0].shape[-2:])


def each(routine: Callable[..., Any], results: list[tuple[tuple[int, ...], Any]], *stacks: Any) -> Any:
    """The results of a routine over stacks of matrices whose leading axes broadcast.

    results: core shape and dtype of each result; several come back as a tuple.
    """
    lead = np.broadcast_shapes(*(x.shape[:-2] for x in stacks))
    wide = [np.broadcast_to(x, lead + x.shape[-2:]) for x in stacks]
    places = [np.empty(lead + shape, dtype) for shape, dtype in results]
    for i in np.ndindex(*lead):
        found = routine(*(x[i] for x in wide))
        for place, y in zip(places, found if isinstance(found, tuple) else (found,), strict=True):
            place[i] = y
    return tuple(places) if len(places) > 1 else places[0]
