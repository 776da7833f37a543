"""Samples: the inputs at which an op is tested. An op lists them beside its rule; tests are generated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from adcore.errors import OpError


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

    def __post_init__(self) -> None:
        """Raise OpError for shapes, ranges or dtypes that do not go with each other."""
        n = len(self.shapes)
        if any(not isinstance(shape, tuple) for shape in self.shapes):
            raise OpError(f"a sample has shapes {self.shapes!r}", "one per input", "write ((2, 3),) for one input")
        if len(self.ranges) not in (1, n) and n:
            raise OpError(f"a sample has {len(self.ranges)} ranges for {n} inputs", "", "give one, or one per input")
        if self.dtypes and len(self.dtypes) != n:
            raise OpError(f"a sample has {len(self.dtypes)} dtypes for {n} inputs", "", "give none, or one per input")
