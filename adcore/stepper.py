"""A Runge-Kutta method as data, and the step that it makes.

    k_i = f(t + c_i h, y + h sum_j a_ij k_j)       y1 = y + h sum_i b_i k_i
    y(theta) = y + h sum_i k_i sum_j p_ij theta^(j+1)      0 <= theta <= 1

Source: Hairer, Norsett and Wanner 1993, "Solving Ordinary Differential Equations I", sections II.1, II.4, II.6.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from adcore.systems import Systems

Field = Callable[[Any, Any], Any]
"""f(t, y): the right-hand side."""


class Stepper(ABC):
    """One step of a one-step method, written in NumPy: on traced values it builds the step as a graph.

    name: as written in `method=`. order: of the step. error_order: of what the error estimate falls with.
    implicit: it solves equations; observations are then at ends of steps. masses: it takes a mass matrix.
    fsal: its last stage is the slope at the end, with which the next step starts (first same as last).
    samples: how many states along a step it leaves, if its steps cannot be made again; see `Solver`.
    A stranger's stepper comes through the hook `adcore_register_steppers`.
    """

    name: str
    order: int
    error_order: int
    implicit: ClassVar[bool] = False
    masses: ClassVar[bool] = False
    samples: ClassVar[int] = 0

    @property
    def fsal(self) -> bool:
        """Whether `stages[-1]` of a step is f at its end."""
        return False

    @abstractmethod
    def step(
        self, f: Field, t: Any, h: Any, y: Any, slope: Any, systems: Systems | None = None
    ) -> tuple[Any, tuple[Any, ...], Any, Any]:
        """(y1, error estimates, stages, told): the state after the step; estimates of its error, none for a
        method of fixed steps; what `dense` needs, stacked along a leading axis; four integers: 1 if its equations
        were solved, else 0; evaluations of f; factorizations; evaluations of f by every call of `dense`. slope:
        f(t, y), which is known. systems: the `Systems` with the Jacobian of f and M, only for implicit methods."""

    @abstractmethod
    def dense(self, f: Field, t: Any, h: Any, y: Any, y1: Any, stages: Any, theta: Any) -> Any:
        """The state at t + theta h, of about the order of the step."""


def combine(weights: Sequence[float], ks: Sequence[Any]) -> Any:
    """sum_i weights_i ks_i, without the zeros; at least one is none."""
    first, *rest = [w * k for w, k in zip(weights, ks, strict=False) if w]
    return sum(rest, first)


@dataclass(frozen=True, slots=True)
class Tableau(Stepper):
    """An explicit Runge-Kutta method.

    a: rows of coefficients, the first row empty. b, c: weights and nodes, of as many stages as `a` has rows.
    errors: weights of the estimates, each of the stages; none: for fixed steps only.
    dense_weights: p_ij, one row per stage, for the stages of `more` too. more: rows and nodes of further
    stages that only `dense` needs.
    """

    name: str
    order: int
    error_order: int
    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    c: tuple[float, ...]
    dense_weights: tuple[tuple[float, ...], ...]
    errors: tuple[tuple[float, ...], ...] = ()
    more: tuple[tuple[tuple[float, ...], float], ...] = ()

    @property
    def fsal(self) -> bool:
        """Whether the last row is b itself, so that the last stage is evaluated at y1."""
        return len(self.a) > 1 and (*self.a[-1], 0.0) == self.b and self.c[-1] == 1.0

    def step(
        self, f: Field, t: Any, h: Any, y: Any, slope: Any, systems: Systems | None = None
    ) -> tuple[Any, tuple[Any, ...], Any, Any]:
        """One step; where the last stage is the next first one, its row is b and is not summed again."""
        ks, at = [slope], y
        for row, c in zip(self.a[1:], self.c[1:], strict=True):
            at = y + h * combine(row, ks)
            ks.append(f(t + c * h, at))
        y1 = at if self.fsal else y + h * combine(self.b, ks)
        told = np.array([1, len(self.a) - 1, 0, len(self.more)])
        return y1, tuple(h * combine(e, ks) for e in self.errors), np.stack(ks), told

    def dense(self, f: Field, t: Any, h: Any, y: Any, y1: Any, stages: Any, theta: Any) -> Any:
        """The interpolant of the method, as a polynomial in theta whose coefficients do not depend on it."""
        ks = [stages[i] for i in range(len(self.a))]
        for row, c in self.more:
            ks.append(f(t + c * h, y + h * combine(row, ks)))
        return y + h * theta * polynomial([combine(p, ks) for p in zip(*self.dense_weights, strict=True)], theta)


@dataclass(frozen=True, slots=True)
class Walked:
    """One step of a `Solver`, to time t and state y. dense(times) -> (n, k), for times of the step. factorizations:
    since the start."""

    t: float
    y: Any
    dense: Callable[[Any], Any]
    factorizations: int


class Solver(Stepper):
    """A whole solver of another package: it chooses its steps itself, and they cannot be made again.

    Of each step it leaves the states at `SAMPLED`, by its own dense output; the adjoint ODE goes back along the
    polynomial through these. backwards: the stepper for that, where no other is named.
    """

    backwards: str
    samples: ClassVar[int] = 8

    @property
    def error_order(self) -> int:  # type: ignore[override]
        """As that of the step: it has an error control of its own."""
        return self.order

    @abstractmethod
    def walk(
        self, f: Field, jacobian: Field, t0: float, y0: Any, t1: float, rtol: float, atol: Any, first_step: float,
        max_step: float,
    ) -> Iterator[Walked]:  # fmt: skip
        """Its steps to t1, or as far as it comes. f(t, y) -> (n,) and jacobian(t, y) -> (n, n) take and give arrays.
        first_step: 0 where it is to choose."""

    def step(
        self, f: Field, t: Any, h: Any, y: Any, slope: Any, systems: Systems | None = None
    ) -> tuple[Any, tuple[Any, ...], Any, Any]:
        """There is none."""
        raise TypeError(f"{self.name} steps by itself")

    def dense(self, f: Field, t: Any, h: Any, y: Any, y1: Any, stages: Any, theta: Any) -> Any:
        """The polynomial of degree `samples` - 1 through the samples, which are the stages, in 2 theta - 1."""
        weights = np.linalg.inv(np.vander(2.0 * SAMPLED - 1.0, increasing=True)).astype(stages.dtype)
        coefficients = weights @ stages
        return polynomial([coefficients[i] for i in range(len(SAMPLED))], 2.0 * theta - 1.0)


SAMPLED = 0.5 - 0.5 * np.cos(np.pi * np.arange(Solver.samples) / (Solver.samples - 1))
"""Fractions of a step: where Chebyshev's polynomial of degree 7 is 1 or -1."""


def polynomial(coefficients: Sequence[Any], x: Any) -> Any:
    """c_0 + c_1 x + ... by Horner's rule."""
    value: Any = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        value = value * x + c
    return value
