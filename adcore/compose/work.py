"""One piece of work: a request for a derivative of a graph, and what is there to answer it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from adcore.graph import Graph
from adcore.strategy import Budget, Request, Strategy
from adcore.transform.simplify import simplify
from adcore.tree import Tree


@dataclass(frozen=True, slots=True)
class Work:
    """tree: how results by input are nested."""

    graph: Graph
    request: Request
    strategy: Strategy
    budget: Budget
    tree: Tree

    def base(self, kind: str) -> Graph:
        """jvp or vjp as the strategy itself makes it."""
        request = replace(self.request, kind=kind)
        return simplify(self.strategy.differentiate(self.graph, request, self.budget))
