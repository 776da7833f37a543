"""Backends: how a plan runs. A backend lowers and never changes the order of arithmetic."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from adcore.errors import StrategyError
from adcore.plan.steps import Plan
from adcore.registry import registered, registry


@dataclass(frozen=True, slots=True)
class Result:
    """Outputs of a measured run.

    outputs: arrays, in the order of the graph's. reports: by name. seconds: of the run.
    peak_bytes: the most that was allocated at one time, by tracemalloc, inputs included.
    """

    outputs: tuple[Any, ...]
    reports: dict[str, Any]
    seconds: float
    peak_bytes: int


class Program(Protocol):
    """A compiled plan. Called with the inputs as arrays, in order; thread-safe and re-entrant."""

    plan: Plan

    def __call__(self, *args: Any) -> Any:
        """The output, or the tuple of outputs if there is not exactly one."""

    def all(self, *args: Any) -> tuple[Any, ...]:
        """The outputs, always as a tuple."""

    def measure(self, *args: Any) -> Result:
        """The same, with reports, time and peak memory."""


class Backend(ABC):
    """Makes programs of plans."""

    name: ClassVar[str]

    @abstractmethod
    def compile(self, plan: Plan) -> Program:
        """The program of a plan that obeys the law of plans."""


def find_backend(name: str = "numpy") -> Backend:
    """The backend of that name. Raises StrategyError when no plugin brings it."""
    backend: Backend | None = registered("backends", name)
    if backend is None:
        raise StrategyError(f"no backend is called {name!r}", f"known: {', '.join(sorted(registry().backends))}")
    return backend
