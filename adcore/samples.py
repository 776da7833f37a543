"""Samples: the inputs at which an op is tested. An op lists them beside its rule; tests are generated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Sample:
    """Shapes, ranges and params of one case.

    shapes: one per input. ranges: (low, high) per input, or one for all; drawn uniformly, seeded.
    dtypes: one per input, default float64. smooth: the derivative exists at every drawn point.
    """

    shapes: tuple[tuple[int, ...], ...]
    ranges: tuple[tuple[float, float], ...] = ((-2.0, 2.0),)
    params: Mapping[str, Any] = field(default_factory=dict)
    dtypes: tuple[str, ...] = ()
    smooth: bool = True
