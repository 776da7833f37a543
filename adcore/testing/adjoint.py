"""`check_adjoint`: the gradient of a function with initial-value problems in it, checked where differences cannot.

dot product    <y_bar, J x_dot> = <J^T y_bar, x_dot>, forward against the method that config names
scaling        c y_bar gives c x_bar, for c from 1e-12 to 1e12: no tolerance depends on the units of the loss
ladder         how value and gradient change when every rtol and atol is ten times smaller
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from adcore.api import trace
from adcore.compose import differentiate
from adcore.errors import LawError
from adcore.graph import Graph, Node, bodies
from adcore.select import select_inputs, select_outputs
from adcore.settings import choose
from adcore.strategy import Request
from adcore.testing.measure import direction, lawful, pairing, run, vector, worst
from adcore.tracing import is_leaf
from adcore.transform.jvp import jvp
from adcore.tree import flatten
from adcore.types import Array

SOLVE = "core::solve_ivp"
FACTORS = (1e-12, 1e-6, 1e6, 1e12)
EXACT = ("default", "discrete", "forward", "auto")
"""Methods that are the transpose of the tangent of the scheme; the others are that of the exact solution."""


@dataclass(frozen=True, slots=True)
class AdjointReport:
    """What was found, each relative to the largest element.

    dot: the gap of the dot-product test. scaling: the worst gap over all factors. value, gradient: their
    change when every tolerance is ten times smaller, which is about their error; with fixed steps, when there
    are twice as many.
    """

    dot: float
    scaling: float
    value: float
    gradient: float


def check_adjoint(
    f: Callable[..., Any], args: Sequence[Any], config: Any = None, rtol: float | None = None, ladder: float = 1000.0
) -> AdjointReport:
    """The report, if the gradient of f at args is right.

    f: a function or graph that calls `solve_ivp`. config: as everywhere; it names the method. rtol: of the dot
    product; default 1e-10 where the method is the transpose of the scheme, and else `ladder` times the
    largest rtol in f. ladder: how many times its rtol the gradient may change when that is ten times smaller.
    Raises: LawError with the numbers.

    >>> import numpy as np
    >>> import adcore as ad
    >>> decay = lambda y0, k: ad.solve_ivp(lambda t, y: -k * y, (0.0, 1.0), y0, rtol=1e-6).y
    >>> check_adjoint(decay, (np.ones(2), 0.7)).gradient < 1e-5
    True
    """
    graph = f if isinstance(f, Graph) else trace(f, *args)
    arrays = [np.asarray(x) for x in flatten(tuple(args), is_leaf)[0]]
    largest = max((node.params["rtol"] for node in solves(graph)), default=None)
    if largest is None:
        raise LawError(f"{graph.name} holds no initial-value problem", instead="use check_grads")
    work = _Work(graph, arrays, config)
    tolerance = rtol if rtol is not None else 1e-10 if work.exact else ladder * largest
    dot, scaling = _dot_product(work, tolerance), _scaling(work)
    value, gradient = _ladder(work, ladder * largest)
    return AdjointReport(dot, scaling, value, gradient)


class _Work:
    """A graph, its derivative by the settings, and fixed directions."""

    def __init__(self, graph: Graph, arrays: list[Any], config: Any) -> None:
        self.graph, self.arrays, self.config = graph, arrays, config
        self.wrt, self.of = select_inputs(graph, None).positions, select_outputs(graph, None)
        request = Request("vjp", self.wrt, self.of)
        self.choice = choose(graph, request, config=config)
        self.back = lawful(differentiate(graph, request, self.choice.strategy, self.choice.budget))
        rng = np.random.default_rng(29)
        self.dots = direction([graph.inputs[i].type for i in self.wrt], rng)
        self.bars = direction([graph.outputs[i].type for i in self.of], rng)

    @property
    def exact(self) -> bool:
        """Whether the method is the transpose of the tangent of the scheme."""
        said: Mapping[str, Any] = self.choice.settings.get("methods", {})
        setting = said.get(SOLVE, "default")
        return (setting if isinstance(setting, str) else setting["name"]) in EXACT

    def pulled(self, factor: float = 1.0) -> tuple[Array, Array]:
        """The outputs, and the cotangents of the inputs for `factor` times the cotangents, each as one vector."""
        bars = [np.asarray(factor * b, b.dtype) for b in self.bars]
        found, n = run(self.back, [*self.arrays, *bars]), len(self.graph.outputs)
        return vector([found[i] for i in self.of]), vector(found[n:])


def _dot_product(work: _Work, tolerance: float) -> float:
    found = run(lawful(jvp(work.graph, work.wrt)), [*work.arrays, *work.dots])[len(work.graph.outputs) :]
    left, size = pairing(work.bars, found)
    bars = run(work.back, [*work.arrays, *work.bars])[len(work.graph.outputs) :]
    right, other = pairing(bars, work.dots)
    gap = abs(left - right) / (size + other + 1e-300)
    if not gap <= tolerance:
        raise LawError(
            f"<y_bar, J x_dot> = {left:.16g} and <J^T y_bar, x_dot> = {right:.16g}: a gap of {gap:.1e}, more than "
            f"{tolerance:.1e}", f"in {work.graph.name}, by {work.choice.strategy.name}",
            "tighten rtol of the method, or use the method discrete",
        )  # fmt: skip
    return gap


def _scaling(work: _Work) -> float:
    plain, worst_gap = work.pulled()[1], 0.0
    size = np.max(np.abs(plain), initial=0.0) + 1e-300
    for factor in FACTORS:
        found = work.pulled(factor)[1] / factor
        gap = float(np.max(np.abs(found - plain), initial=0.0) / size)
        if not gap <= 1e-10:
            raise LawError(
                f"cotangents times {factor:g} give a gradient that is not {factor:g} times as large: "
                f"{worst(found, plain)}", f"in {work.graph.name}, by {work.choice.strategy.name}",
                "an adjoint needs tolerances in units of its own size",
            )  # fmt: skip
        worst_gap = max(worst_gap, gap)
    return worst_gap


def _ladder(work: _Work, allowed: float) -> tuple[float, float]:
    tight = _Work(tightened(work.graph), work.arrays, work.config)
    changes = []
    for loose, exact in zip(work.pulled(), tight.pulled(), strict=True):
        changes.append(
            float(np.max(np.abs(loose - exact), initial=0.0) / (np.max(np.abs(exact), initial=0.0) + 1e-300))
        )
    if not changes[1] <= allowed:
        raise LawError(
            f"with tolerances ten times smaller the gradient changes by {changes[1]:.1e} of itself, more than "
            f"{allowed:.1e}, and the value by {changes[0]:.1e}", f"in {work.graph.name}",
            "tighten rtol and atol in solve_ivp until the gradient is what you need",
        )  # fmt: skip
    return changes[0], changes[1]


# --- graphs with other tolerances ----------------------------------------------------------------


def solves(graph: Graph) -> list[Node]:
    """The initial-value problems in a graph, those in its sub-graphs too."""
    found = []
    for node in graph.nodes:
        found += [node] if node.op == SOLVE else [n for _, body in bodies(node) for n in solves(body)]
    return found


def tightened(graph: Graph) -> Graph:
    """The graph with a tenth of the tolerances in every initial-value problem; where steps are fixed, twice as many."""
    return replace(graph, nodes=tuple(_tightened(node) for node in graph.nodes))


def _tightened(node: Node) -> Node:
    p = dict(node.params)
    if node.op == SOLVE:
        p |= {"rtol": p["rtol"] / 10, "atol": tuple(a / 10 for a in p["atol"]), "fixed": 2 * p["fixed"]}
        return replace(node, params=p)
    for name, value in p.items():
        if isinstance(value, Graph):
            p[name] = tightened(value)
        elif isinstance(value, tuple) and value and isinstance(value[0], Graph):
            p[name] = tuple(tightened(v) for v in value)
    return replace(node, params=p)
