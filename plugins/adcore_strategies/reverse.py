"""Reverse mode: one pass per output element, a row of the Jacobian each, all intermediate values kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from adcore.extend import Budget, Graph, Request, Strategy, vjp


@dataclass(frozen=True, slots=True)
class Options:
    """chunk: passes per batch; 1 is one pass at a time, None as many as the memory for lanes holds."""

    chunk: int | None = None


class Reverse(Strategy):
    """A cotangent is carried backwards from the outputs.

    Cost of a gradient: one forward and one backward pass, at most about four times the work of the
    function, whatever the number of inputs; memory for every value that a rule reads again.
    Source: Griewank and Walther 2008, "Evaluating Derivatives", section 3.2 and equation (4.21).
    """

    name = "reverse"
    kinds = frozenset({"vjp"})
    Options: ClassVar[type] = Options

    def differentiate(self, graph: Graph, request: Request, budget: Budget) -> Graph:
        """(xs, y_bars) -> (ys, x_bars)."""
        return vjp(graph, request.wrt, request.of, self.methods)
