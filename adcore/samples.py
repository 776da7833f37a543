"""Samples: the inputs at which an op is tested. An op lists them beside its rule; tests are generated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Sample:
    """Shapes, ranges and params of one case.

    shapes: one per input. ranges: (low, high) per input, or one for all; drawn uniformly, seeded.
    dtypes: one per input, default float64. smooth: the derivative exists at every drawn point.
    program: a function of the drawn arrays, in plain NumPy, that applies the op. For an op whose inputs
        have structure (a positive definite matrix, a trail) or whose params are graphs; params do not count then.

    >>> Sample(((3, 3),), program=lambda a: acme_cholesky(a @ a.T + 3.0 * np.eye(3))).shapes
    ((3, 3),)
    """

    shapes: tuple[tuple[int, ...], ...]
    ranges: tuple[tuple[float, float], ...] = ((-2.0, 2.0),)
    params: Mapping[str, Any] = field(default_factory=dict)
    dtypes: tuple[str, ...] = ()
    smooth: bool = True
    program: Callable[..., Any] | None = None
