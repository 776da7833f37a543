"""Python functions applied along axes: np.apply_along_axis and np.apply_over_axes. They unroll."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adcore_ops.join import stack
from adcore_ops.shape import axis_of, expand_dims, lifted, moveaxis, np_reshape


def apply_along_axis(func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """np.apply_along_axis: one call for every row; for many rows `adcore.vmap` is faster."""
    x = lifted(arr)
    at = axis_of(axis, x.ndim)
    rows = moveaxis(x, at, -1)
    lead = rows.shape[:-1]
    if 0 in lead:
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    found = stack([lifted(func1d(rows[i], *args, **kwargs)) for i in np.ndindex(*lead)], 0)
    y = np_reshape(found, (*lead, *found.shape[1:]))
    own = found.ndim - 1  # axes of each result stand where the axis was
    return np.moveaxis(y, tuple(range(len(lead), y.ndim)), tuple(range(at, at + own))) if own else y


def apply_over_axes(func: Callable[..., Any], a: Any, axes: Any) -> Any:
    """np.apply_over_axes: one axis after the other, each kept."""
    y = lifted(a)
    for axis in np.atleast_1d(axes).tolist():
        at = axis_of(axis, y.ndim)
        found = func(y, at)
        y = found if found.ndim == y.ndim else expand_dims(found, at)
    return y


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.apply_along_axis: apply_along_axis,
    np.apply_over_axes: apply_over_axes,
}
