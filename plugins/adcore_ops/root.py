"""`root`: the solution of equations by Newton's method, and its derivative by the implicit function theorem.

r(x, c) = 0:   J x' = -r_c c',  J = dr/dx at the solution. The iteration itself is never differentiated.
Source: Griewank and Walther 2008, "Evaluating Derivatives", section 15.1; Hairer and Wanner 1996, "Solving
Ordinary Differential Equations II", section IV.8, for the simplified iteration.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.extend import (
    FLOAT,
    GRAPH,
    INT,
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
"""A correction that is more than this part of the one before it calls for a new Jacobian."""


def _infer(x0: Type, *consts: Any, residual: Graph, jacobian: Graph, tol: float, max_steps: int) -> Any:
    if [x0, *consts] != [v.type for v in residual.inputs] or [x0, *consts] != [v.type for v in jacobian.inputs]:
        raise TypeError(f"its equations take {', '.join(str(v.type) for v in residual.inputs)}")
    if [v.type for v in residual.outputs] != [x0]:
        raise TypeError("its equations are not as many as its unknowns")
    return x0, OK, COUNT, COUNT


def _kernel(node: Node, lower: Any) -> Callable[..., None]:
    equations, jacobian = lower.body("residual"), lower.body("jacobian")
    p, x_type = node.params, node.inputs[0].type
    n = x_type.shape[0]  # type: ignore[union-attr]
    r, matrix = lower.buffer(x_type), lower.buffer(Type(x_type.dtype, (n, n)))  # type: ignore[union-attr]

    def solve(x0: Any, *rest: Any) -> None:
        *consts, x, ok, steps, factorizations = rest
        with np.errstate(all="ignore"):
            ok[...], steps[...], factorizations[...] = newton(
                x, x0, lambda at: equations(at, *consts, r), lambda at: jacobian(at, *consts, matrix), r, matrix,
                p["tol"], p["max_steps"],
            )  # fmt: skip

    return solve


def newton(
    x: Any, x0: Any, equations: Callable[[Any], None], jacobian: Callable[[Any], None], r: Any, matrix: Any,
    tol: float, max_steps: int,
) -> tuple[bool, int, int]:  # fmt: skip
    """Fill x with the solution from x0; whether it converged, in how many steps, with how many Jacobians.

    The inverse of a Jacobian is kept while it makes corrections shrink fast. The iteration ends when a
    correction is below tol, or can shrink no more since rounding is reached.
    """
    np.copyto(x, x0)
    inverse, last, made = None, np.inf, 0
    for step in range(max_steps):
        equations(x)
        if not np.all(np.isfinite(r)):
            return False, step, made
        dx = None if inverse is None else inverse @ r
        if dx is None or _size(dx, x) > SLOW * last:
            jacobian(x)
            try:
                inverse = np.linalg.inv(matrix)
            except np.linalg.LinAlgError:
                return False, step, made
            made += 1
            dx = inverse @ r
        size = _size(dx, x)
        x -= dx
        if size <= tol or (size <= 1e-8 and size >= 0.5 * last):
            return bool(np.all(np.isfinite(x))), step + 1, made
        last = size
    return False, max_steps, made


def _size(dx: Any, x: Any) -> float:
    """The largest correction over the largest unknown."""
    return float(np.max(np.abs(dx), initial=0.0)) / max(float(np.max(np.abs(x), initial=0.0)), 1e-300)


def _scratch(types: Any, p: Any) -> int:
    t = types[0]
    return padded(t.nbytes) + padded(t.nbytes * t.shape[0])


def _jvp(ts: Any, y: Any, x0: Any, *consts: Any, residual: Graph, jacobian: Graph, **p: Any) -> Any:
    trace = current()
    assert trace is not None
    wrt = [i for i, t in enumerate(ts) if i and t is not None]
    moved = call_graph(trace, jvp(residual, wrt), [y[0], *consts, *(ts[i] for i in wrt)])[1] if wrt else None
    if moved is None:
        return zeros(trace, y[0]._type), None, None, None
    matrix = call_graph(trace, jacobian, [y[0], *consts])[0]
    return -np.linalg.solve(matrix, moved), None, None, None


def _square_roots(a: Any, k: Any) -> Any:
    return root(lambda x: x * x + k * np.sum(x) - a, np.ones(3, a.dtype), tol=3e-7)


ROOT = Op(
    "core::root", only_compiled, _infer, Rule(jvp=_jvp),
    {"residual": GRAPH, "jacobian": GRAPH, "tol": FLOAT, "max_steps": INT}, out=True, kernel=_kernel, scratch=_scratch,
    samples=(Sample(((3,), ()), ranges=((1.0, 3.0), (0.1, 0.5)), program=_square_roots),),
    doc="The x with residual(x, consts) = 0: root[residual, jacobian](x0, consts) -> x, ok, steps, Jacobians.",
)  # fmt: skip

OPS = [ROOT]
