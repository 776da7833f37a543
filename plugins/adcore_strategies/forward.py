"""Forward mode: one pass per input element, a column of the Jacobian each, memory for one pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from adcore.extend import Budget, Graph, Request, Strategy, jvp


@dataclass(frozen=True, slots=True)
class Options:
    """chunk: passes per batch; 1 is one pass at a time, None as many as the memory for lanes holds."""

    chunk: int | None = None


class Forward(Strategy):
    """A tangent is carried beside each value.

    Cost of a gradient: as many passes as there are input elements, each about twice the work of the
    function; memory of one pass. Prefer it for few inputs and many outputs.
    Source: Griewank and Walther 2008, "Evaluating Derivatives", section 3.1.
    """

    name = "forward"
    kinds = frozenset({"jvp"})
    Options: ClassVar[type] = Options

    def differentiate(self, graph: Graph, request: Request, budget: Budget) -> Graph:
        """(xs, x_dots) -> (ys, y_dots)."""
        return jvp(graph, request.wrt, self.methods)
