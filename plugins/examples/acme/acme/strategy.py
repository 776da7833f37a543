"""A strategy: both modes, each where it needs fewer passes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from adcore.extend import Budget, Graph, Request, Strategy, jvp, vjp


@dataclass(frozen=True, slots=True)
class Options:
    """chunk: passes per batch; None: as many as the memory for lanes holds. Its fields are what config may say."""

    chunk: int | None = None


class Fewest(Strategy):
    """Supplies both modes, so the engine takes the one of fewer passes: rows or columns of a Jacobian.

    A tall one (few inputs, many outputs) is made by forward mode, a wide one by reverse mode.
    """

    name = "acme_fewest"
    kinds = frozenset({"jvp", "vjp"})
    Options: ClassVar[type] = Options

    def differentiate(self, graph: Graph, request: Request, budget: Budget) -> Graph:
        """(xs, x_dots) -> (ys, y_dots) or (xs, y_bars) -> (ys, x_bars), by what is asked for."""
        if request.kind == "jvp":
            return jvp(graph, request.wrt, self.methods)
        return vjp(graph, request.wrt, request.of, self.methods)
