"""`root`: the solution of equations by Newton's method, and its derivative by the implicit function theorem.

r(x, c) = 0:   J x' = -r_c c',  J = dr/dx at the solution. The iteration itself is never differentiated.

    residual(x, c) -> r.   factor(x, c) -> factors of a matrix near J.   correct(r, factors) -> about J^-1 r.
    solve(x, r, c) -> J^-1 r, of which the derivative is made.

Source: Griewank and Walther 2008, "Evaluating Derivatives", section 15.1; Hairer and Wanner 1996, "Solving
Ordinary Differential Equations II", section IV.8, for the simplified iteration.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adcore.extend import (
    FLOAT,
    GRAPH,
    INT,
    SIZE,
    Graph,
    Node,
    Op,
    Rule,
    Sample,
    Type,
    call_graph,
    current,
    jvp,
    padded,
    root,
    zeros,
)
from adcore_ops.step import only_compiled

OK, COUNT = Type(np.dtype(bool), ()), Type(np.dtype(np.int64), ())
SLOW = 0.1
"""A correction that is more than this part of the one before it calls for new factors."""


def _infer(x0: Type, *rest: Any, residual: Graph, factor: Graph, correct: Graph, solve: Graph, **p: Any) -> Any:
    given, consts = rest[: p["given"]], rest[p["given"] :]
    for graph, inputs in ((residual, [x0, *consts]), (factor, [x0, *consts]), (solve, [x0, x0, *consts])):
        if inputs != [v.type for v in graph.inputs]:
            raise TypeError(f"its equations take {', '.join(str(v.type) for v in residual.inputs)}")
    made = [v.type for v in factor.outputs]
    if [x0, *made] != [v.type for v in correct.inputs] or (given and list(given) != made):
        raise TypeError(f"its corrections take {', '.join(str(v.type) for v in correct.inputs)}")
    if any([v.type for v in g.outputs] != [x0] for g in (residual, correct, solve)):
        raise TypeError("its equations are not as many as its unknowns")
    return x0, OK, COUNT, COUNT


def _kernel(node: Node, lower: Any) -> Callable[..., None]:
    residual, factor, correct = (lower.body(name) for name in ("residual", "factor", "correct"))
    p, x_type = node.params, node.inputs[0].type
    given = p["given"]
    r, dx = lower.buffer(x_type), lower.buffer(x_type)
    own = [lower.buffer(v.type) for v in p["factor"].outputs]

    def solve(x0: Any, *rest: Any) -> None:
        *consts, x, ok, steps, factorizations = rest[given:]
        with np.errstate(all="ignore"):
            ok[...], steps[...], factorizations[...] = newton(
                x, x0, lambda at: residual(at, *consts, r), lambda at: factor(at, *consts, *own),
                lambda factors: correct(r, *factors, dx), dx, rest[:given], own, p["tol"], p["max_steps"],
            )  # fmt: skip

    return solve


def newton(
    x: Any, x0: Any, equations: Callable[[Any], None], factorize: Callable[[Any], None],
    correct: Callable[[Sequence[Any]], None], dx: Any, given: Sequence[Any], own: Sequence[Any], tol: float,
    max_steps: int,
) -> tuple[bool, int, int]:  # fmt: skip
    """Fill x with the solution from x0; whether it converged, in how many steps, with how many factorizations.

    Factors are kept while they make corrections shrink fast, the given ones first. The iteration ends when a
    correction is below tol, or can shrink no more since rounding is reached. (To end it where the corrections to come
    are estimated to sum to less costs one step less, and a thousandth of the digits of small unknowns.)
    """
    np.copyto(x, x0)
    eps = float(np.finfo(x.dtype).eps)
    tol = max(tol, 4 * eps)
    factors, last, made = given, math.inf, 0
    for step in range(1, max_steps + 1):
        equations(x)
        size = math.inf
        if factors:
            correct(factors)
            size = _size(dx, x)
        if not factors or size > SLOW * last:
            try:
                factorize(x)
            except np.linalg.LinAlgError:
                return False, step, made
            made, factors = made + 1, own
            correct(factors)
            size = _size(dx, x)
        if not size < math.inf:
            return False, step, made
        x -= dx
        if size <= tol or (size <= math.sqrt(eps) and size >= 0.5 * last):
            return bool(np.isfinite(x).all()), step, made
        last = size
    return False, max_steps, made


def _size(dx: Any, x: Any) -> float:
    """The largest correction over the largest unknown."""
    return float(np.abs(dx).max(initial=0.0)) / max(float(np.abs(x).max(initial=0.0)), 1e-300)


def _scratch(types: Any, p: Any) -> int:
    return 2 * padded(types[0].nbytes) + sum(padded(v.type.nbytes) for v in p["factor"].outputs)


def _jvp(ts: Any, y: Any, x0: Any, *rest: Any, residual: Graph, solve: Graph, given: int, **p: Any) -> Any:
    trace, consts, dots = current(), rest[given:], ts[1 + given :]
    assert trace is not None
    wrt = [1 + i for i, t in enumerate(dots) if t is not None]
    if not wrt:
        return zeros(trace, y[0]._type), None, None, None
    moved = call_graph(trace, jvp(residual, wrt), [y[0], *consts, *(dots[i - 1] for i in wrt)])[1]
    return -call_graph(trace, solve, [y[0], moved, *consts])[0], None, None, None


def _square_roots(a: Any, k: Any) -> Any:
    return root(lambda x: x * x + k * np.sum(x) - a, np.ones(3, a.dtype), tol=3e-7)


ROOT = Op(
    "core::root", only_compiled, _infer, Rule(jvp=_jvp),
    {
        "residual": GRAPH, "factor": GRAPH, "correct": GRAPH, "solve": GRAPH, "given": SIZE, "tol": FLOAT,
        "max_steps": INT,
    }, out=True, kernel=_kernel, scratch=_scratch,
    samples=(Sample(((3,), ()), ranges=((1.0, 3.0), (0.1, 0.5)), program=_square_roots),),
    doc="The x with residual(x, consts) = 0: root[residual, factor, correct, solve](x0, given factors, consts)"
    " -> x, ok, steps, factorizations.",
)  # fmt: skip

OPS = [ROOT]
