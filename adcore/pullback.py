"""`vjp`: the result of a function, and the function from a cotangent of it to those of the arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from adcore.compose import differentiate
from adcore.derivatives import Compiled, Options, cast
from adcore.errors import InputError
from adcore.evaluate import is_recorded
from adcore.graph import Graph
from adcore.remember import Remembered
from adcore.select import Selection, select_inputs, select_outputs
from adcore.strategy import Choice, Request, Strategy
from adcore.trace import Trace
from adcore.tracing import is_leaf
from adcore.transform.simplify import simplify
from adcore.transform.splice import closed, pruned
from adcore.transform.split import split
from adcore.tree import Tree, flatten, flatten_as, paths, unflatten


def vjp(f: Callable[..., Any], *primals: Any, **options: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """(y, pullback): the result, and the function from a cotangent of it to those of the primals.

    pullback(y_bar) -> a tuple, one per primal, nested as they are; None where there is no derivative.
    A cotangent may be None for zero. The pairing is Re sum(y_bar * y_dot), with no conjugate. The pullback
    keeps what it needs of the forward pass; under a strategy with a schedule of its own, or a budget, it
    runs that pass again.

    >>> import numpy as np
    >>> y, pullback = vjp(lambda a, b: a @ b, np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    >>> y, pullback(1.0)
    (np.float64(11.0), (array([3., 4.]), array([1., 2.])))
    """
    product = _Product(f, options)
    made, leaves = product.made.find(primals, {})
    y, residuals = made.forward(leaves)
    nested = _as_arguments(made.chosen.tree, len(primals))

    def pullback(y_bar: Any) -> tuple[Any, ...]:
        x_bars = made.back(residuals, _cotangents(y_bar, made.graph, made.request.of))
        return tuple(unflatten(nested, x_bars))

    return y, pullback


class _Product:
    """The vjp of a function, made once per form of the arguments."""

    def __init__(self, f: Callable[..., Any], options: Mapping[str, Any]) -> None:
        self.options = Options.of(options)
        key = self.options.key()
        self.made = Remembered(f, None, self.make, None if key is None else ("vjp", *key))

    def make(self, graph: Graph, captured: int) -> _Halves:
        graph = simplify(graph)
        chosen = select_inputs(graph, None, captured)
        request = Request("vjp", chosen.positions, select_outputs(graph, None))
        choice = self.options.choose(graph, request)
        return _Halves(graph, chosen, request, choice, self.options.backend or choice.backend)


@dataclass
class _Halves:
    """A graph and the two passes of its derivative, each made when it is first needed."""

    graph: Graph
    chosen: Selection
    request: Request
    choice: Choice
    backend: str

    @cached_property
    def joint(self) -> Compiled:
        """(xs, y_bars) -> (ys, x_bars)."""
        made = differentiate(self.graph, self.request, self.choice.strategy, self.choice.budget)
        return Compiled(made, self.choice, self.backend)

    @cached_property
    def parts(self) -> tuple[Compiled, Compiled]:
        """xs -> (ys, residuals), and (residuals, y_bars) -> x_bars."""
        return tuple(Compiled(part, self.choice, self.backend) for part in halves(self.joint.graph, self.graph))  # type: ignore[return-value]

    @cached_property
    def primal(self) -> Compiled:
        """xs -> ys."""
        return Compiled(self.graph, self.choice, self.backend)

    def kept(self, leaves: Sequence[Any]) -> bool:
        """True when the forward pass is kept; else it is run again, as the strategy's schedule says."""
        scheduled = type(self.choice.strategy).schedule is not Strategy.schedule
        budget = self.choice.budget
        limited = not (budget.memory is budget.share is budget.snapshots is None)
        return is_recorded(leaves) or not (scheduled or limited)

    def forward(self, leaves: Sequence[Any]) -> tuple[Any, tuple[bool, Sequence[Any]]]:
        """The nested result, and what `back` takes: whether residuals were kept, and these or the inputs."""
        if not self.kept(leaves):
            return self.primal.run(leaves), (False, leaves)
        found = self.parts[0].outputs(leaves)
        n = len(self.graph.outputs)
        return unflatten(self.graph.out_tree, found[:n]), (True, found[n:])

    def back(self, residuals: tuple[bool, Sequence[Any]], y_bars: Sequence[Any]) -> list[Any]:
        """The cotangents of the inputs."""
        kept, values = residuals
        if kept:
            return self.parts[1].outputs([*values, *y_bars])
        return self.joint.outputs([*values, *y_bars])[len(self.graph.outputs) :]

    def nbytes(self) -> int:
        """Bytes of the constants, and of the memory to run in."""
        made = [self.__dict__.get(name) for name in ("joint", "primal")] + list(self.__dict__.get("parts", ()))
        return sum(part.nbytes() for part in made if part is not None)


def halves(joint: Graph, primal: Graph) -> tuple[Graph, Graph]:
    """The vjp of a graph as two: xs -> (ys, residuals) and (residuals, y_bars) -> x_bars."""
    cut = split(joint, primal)
    first, second = Trace(), Trace()
    first.nodes, first.constants = list(cut.forward), dict(joint.constants)
    first.checks, first.reports = list(primal.checks), list(primal.reports)
    second.nodes, second.constants = list(cut.back), dict(joint.constants)
    n, m = len(primal.inputs), len(primal.outputs)
    kept = [f"residual{i}" for i in range(len(cut.residuals))]
    forward = closed(
        first, primal.inputs, primal.input_names, (*primal.outputs, *cut.residuals), (*primal.output_names, *kept)
    )
    back = closed(
        second, (*cut.residuals, *joint.inputs[n:]), (*kept, *joint.input_names[n:]),
        joint.outputs[m:], joint.output_names[m:],
    )  # fmt: skip
    return simplify(pruned(forward)), simplify(pruned(back))


def _as_arguments(tree: Tree, n: int) -> Tree:
    """The tree of results as a tuple of one per primal."""
    missing = n - len(tree.children)
    return Tree("tuple", (), (*tree.children, *(Tree("static"),) * missing)) if missing else tree


def _cotangents(y_bar: Any, graph: Graph, of: Sequence[int]) -> list[Any]:
    """The leaves of a cotangent, in the dtypes of the outputs. Raises InputError when shapes differ."""
    found = flatten_as(y_bar, graph.out_tree, is_leaf)
    if found is not None:
        found = [found[i] for i in of]
    else:
        found, tree = flatten(y_bar, is_leaf)  # or those of the differentiable results only, in their order
        if len(found) != len(of) or any(t.keys for t in (tree, *tree.children)):
            raise InputError(
                f"the cotangent holds {', '.join(paths(tree, '')) or 'no array'}, "
                f"the result {', '.join(paths(graph.out_tree, ''))}",
                f"pullback of {graph.name}",
                "nest it as the result is",
            )
    bars = []
    for g, i in zip(found, of, strict=True):
        t: Any = graph.outputs[i].type
        if g is None:
            g = np.zeros(t.shape, t.dtype)
        if np.shape(g) != t.shape:
            raise InputError(
                f"the cotangent has shape {np.shape(g)}, its result {t}", f"output {graph.output_names[i]}"
            )
        bars.append(cast(g, t.dtype))
    return bars
