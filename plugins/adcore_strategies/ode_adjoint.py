"""Reverse mode with a method for initial-value problems, chosen here or by counts.

`ode_adjoint = { method = "gauss" }` is short for `reverse` with `methods."core::solve_ivp" = "gauss"`; what is new
is `auto`, which says why.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from adcore.extend import (
    Budget,
    Graph,
    Node,
    Pick,
    Request,
    Strategy,
    affected,
    bodies,
    jvp,
    make_methods,
    method_of,
    registry,
    vjp,
)

SOLVE = "core::solve_ivp"


@dataclass(frozen=True, slots=True)
class Options:
    """method: of `core::solve_ivp`. rtol, atol: of a continuous adjoint; 0 is by the forward integration."""

    method: str = "auto"
    rtol: float = 0.0
    atol: float = 0.0


class OdeAdjoint(Strategy):
    """Reverse mode, with a method for every initial-value problem.

    Source: Sapienza et al. 2024, "Differentiable programming for differential equations: a review", section 5.
    """

    name = "ode_adjoint"
    kinds = frozenset({"jvp", "vjp"})
    Options: ClassVar[type] = Options

    def pick(self, graph: Graph, request: Request | None, budget: Budget) -> Pick:
        """reverse, or checkpointed under a budget, with the method; the reason says what auto chooses."""
        if request is not None and request.kind == "jvp":
            return Pick("forward", "a jvp is the tangent of the scheme, whatever the method")
        keeps = budget == Budget() or "checkpointed" not in registry().strategies
        wrt = () if request is None else request.wrt
        return Pick("reverse" if keeps else "checkpointed", self.reason(graph, wrt), {SOLVE: self._setting()})

    def differentiate(self, graph: Graph, request: Request, budget: Budget) -> Graph:
        """(xs, y_bars) -> (ys, x_bars); or the tangent of the scheme."""
        if request.kind == "jvp":
            return jvp(graph, request.wrt, self.methods)
        return vjp(graph, request.wrt, request.of, {**make_methods({SOLVE: self._setting()}), **self.methods})

    def reason(self, graph: Graph, wrt: tuple[int, ...]) -> str:
        """In a sentence, what is done and why."""
        found = list(solves(graph, affected(graph, [graph.inputs[i] for i in wrt])))
        if self.options.method != "auto":
            return f"the method {self.options.method} for {len(found)} initial-value problems, as asked for"
        said = [method_of(node, active)[1] for node, active in found]
        return "; ".join(dict.fromkeys(said)) or "there is no initial-value problem that is differentiated"

    def _setting(self) -> dict[str, Any]:
        """The method as in the settings."""
        o = self.options
        return {"name": o.method, **{k: v for k, v in (("rtol", o.rtol), ("atol", o.atol)) if v}}


def solves(graph: Graph, active: set[Any]) -> Iterator[tuple[Node, list[bool]]]:
    """The initial-value problems that are differentiated, also those in loops and regions, with active inputs."""
    for node in graph.nodes:
        if active.isdisjoint(node.inputs):
            continue
        if node.op == SOLVE:
            yield node, [v in active for v in node.inputs]
            continue
        for _, body in bodies(node):
            yield from solves(body, affected(body, [v for v in body.inputs if v.type.differentiable]))
