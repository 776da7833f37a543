"""What is asked for, composed of what a strategy supplies (jvp, vjp, or both).

kind            arguments        results           from a strategy with vjp       with jvp only
jvp             xs, x_dots       ys, y_dots        one pass per output element    itself
vjp             xs, y_bars       ys, x_bars        itself                         one pass per input element
value_and_grad  xs               y, x_bars         vjp with y_bar = 1
grad            xs               x_bars            vjp with y_bar = 1
jacobian        xs               ys, Js            one pass per output element    one per input element
hvp             xs, vs           gs, H vs          jvp of grad: forward over the strategy
hessian         xs               gs, H             jacobian of grad, forward

directions.py   jvp and vjp, each from the other by passes where the strategy lacks it
passes.py       passes over unit vectors, batched
answers.py      the other kinds
"""

from __future__ import annotations

from collections.abc import Callable

from adcore.compose.answers import grad, hessian, hvp, jacobian, value_and_grad
from adcore.compose.directions import jvp, vjp
from adcore.compose.work import Work
from adcore.errors import DifferentiationError, StrategyError
from adcore.graph import Graph
from adcore.strategy import Budget, Request, Strategy
from adcore.transform.simplify import simplify
from adcore.tree import LEAF, Tree

_MAKERS: dict[str, Callable[[Work], Graph]] = {
    "jvp": jvp,
    "vjp": vjp,
    "grad": grad,
    "value_and_grad": value_and_grad,
    "jacobian": jacobian,
    "hvp": hvp,
    "hessian": hessian,
}

KINDS = tuple(_MAKERS)
"""What may be asked for."""


def differentiate(
    graph: Graph,
    request: Request,
    strategy: Strategy,
    budget: Budget | None = None,
    wrt_tree: Tree | None = None,
) -> Graph:
    """The graph of a derivative, simplified. wrt_tree: how results by input are nested (default: a tuple).

    Raises DifferentiationError when the question has no answer, StrategyError for an unknown kind.
    """
    if request.kind not in KINDS:
        raise StrategyError(f"no kind of derivative is called {request.kind!r}", f"known: {', '.join(KINDS)}")
    _check(graph, request)
    tree = Tree("tuple", (), (LEAF,) * len(request.wrt)) if wrt_tree is None else wrt_tree
    work = Work(simplify(graph), request, strategy, budget or Budget(), tree)  # equal nodes are differentiated once
    return simplify(_MAKERS[request.kind](work))


def _check(graph: Graph, request: Request) -> None:
    """Raise DifferentiationError for inputs and outputs that have no derivative of this kind."""
    named = [(graph.input_names[i], graph.inputs[i].type) for i in request.wrt]
    named += [(graph.output_names[i], graph.outputs[i].type) for i in request.of]
    for name, t in named:
        if not t.differentiable:
            raise DifferentiationError(
                f"{name} is {t}, which has no derivative", f"in graph {graph.name}", "use floats, or leave it out"
            )
        if request.kind in ("jacobian", "hessian") and not request.holomorphic and _complex(t):
            raise DifferentiationError(
                f"the {request.kind} of a complex function is asked for, and {name} is {t}",
                f"in graph {graph.name}",
                "say holomorphic=True if it is; else split it into its real and imaginary parts",
            )


def _complex(t: object) -> bool:
    return getattr(getattr(t, "dtype", None), "kind", "") == "c"
