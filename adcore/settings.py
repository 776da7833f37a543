"""From what a user said (arguments, config) to a strategy and a budget."""

from __future__ import annotations

from typing import Any

from adcore.graph import Graph
from adcore.strategy import Budget, Choice, Request, make_strategy

BY_KIND = {"jvp": "forward"}


def choose(
    graph: Graph, request: Request | None, strategy: str | None = None, memory: Any = None,
    snapshots: int | None = None, config: Any = None,
) -> Choice:  # fmt: skip
    """The strategy for a request, its budget, and the reason."""
    name = strategy
    reason = "asked for by argument"
    if name is None:
        name, reason = _default(graph, request)
    budget = Budget.of(memory, None, snapshots)
    return Choice(make_strategy(name), budget, reason)


def _default(graph: Graph, request: Request | None) -> tuple[str, str]:
    if request is None:
        return "reverse", "the default"
    if request.kind == "jacobian" and request.wrt:
        n_in = sum(graph.inputs[i].type.size for i in request.wrt)  # type: ignore[union-attr]
        n_out = sum(graph.outputs[i].type.size for i in request.of)  # type: ignore[union-attr]
        name = "forward" if n_in <= n_out else "reverse"
        return name, f"{n_in} inputs, {n_out} outputs: {min(n_in, n_out)} passes"
    return BY_KIND.get(request.kind, "reverse"), "the default for this kind"
