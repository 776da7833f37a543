"""What a mass matrix M changes for lambda: M y' = f, with M constant, singular where there are constraints (index 1).

    M^T lambda' = -J^T lambda,    dL/dy0 = M^T lambda(t0),    dL/dp = integral of P^T lambda

With columns L and R that span the null spaces, L^T M = 0 and M R = 0, the constraints are L^T f(t, y) = 0. A cotangent
g of y(t) is one of what is free of it: as L^T (J dy + P dp + f_t dt) = 0, it acts as g + J^T w and leaves P^T w to p
and f_t w to t, for any w = L omega. That which lambda can take solves

    M^T lambda - J^T L omega = g,    R^T J^T lambda = 0

Source: Cao, Li, Petzold and Serban 2003, "Adjoint sensitivity analysis for differential-algebraic equations",
section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from adcore.extend import Type, Value, call_graph, current, trace_graph, vmap

if TYPE_CHECKING:
    from adcore_ops.ode.adjoint import Backwards, Bars, Solved


@dataclass(frozen=True, slots=True)
class Mass:
    """M, (n, n), and its null spaces: left and right, (n, k)."""

    m: Any
    left: Any
    right: Any

    @classmethod
    def of(cls, flat: Sequence[float], n: int) -> Mass | None:
        """From the param `mass` of the op; None where there is no M."""
        if not flat:
            return None
        if len(flat) == n:
            none = np.eye(n)[:, np.equal(flat, 0.0)]
            return cls(np.diag(flat), none, none)
        m = np.reshape(np.array(flat), (n, n))
        u, s, vh = np.linalg.svd(m)
        rank = int(np.sum(s > n * np.finfo(float).eps * s[0]))
        return cls(m, u[:, rank:], vh[rank:].T)


def split(back: Backwards, t: Any, y: Any, g: Any) -> tuple[Any, Any]:
    """(lambda, w) of a cotangent g of y(t)."""
    mass, n = back.mass, y.shape[0]
    assert mass is not None
    m, left, right = (x.astype(t.dtype) for x in (mass.m, mass.left, mass.right))
    k, j = left.shape[1], jacobian(back, t, y)
    above = np.concatenate([m.T + np.zeros_like(j), -np.transpose(j) @ left], axis=1)
    below = np.concatenate([np.transpose(j @ right), np.zeros_like(j, shape=(k, k))], axis=1)
    found = np.linalg.solve(np.concatenate([above, below]), np.concatenate([g, np.zeros_like(g, shape=(k,))]))
    return found[:n], left @ found[n:]


def jacobian(back: Backwards, t: Any, y: Any) -> Any:
    """J, (n, n), row by row."""
    pulled, units = back.pulled([1]), np.eye(y.shape[0], dtype=y.dtype)
    return batched(lambda bar: pulled(t, y, bar), [_constant(units)])[0]


def through_constraints(back: Backwards, solved: Solved, bars: Bars) -> tuple[Bars, Any, list[Any]]:
    """(with what lambda takes of observations and of the end, cotangents of the times of observations, those of the
    constants in `wrt` by the constraints)."""
    pulled = back.pulled([0, *back.inputs])

    def one(t: Any, y: Any, g: Any) -> tuple[Any, ...]:
        lam, w = split(back, t, y, g)
        of_t, *of_p = pulled(t, y, w)
        return lam, np.sum(lam * back.field(t, y)).real + of_t, *of_p

    end, _, *of_end = one(solved.t1, solved.y1, bars.end)
    if not solved.t_eval.shape[0]:
        return replace(bars, lam=end), np.zeros_like(solved.t_eval), of_end
    observed, of_times, *of_p = batched(one, [solved.t_eval, solved.y_eval, bars.observed])
    more = [a + np.sum(b, axis=0) for a, b in zip(of_end, of_p, strict=True)]
    return replace(bars, observed=observed, lam=end), of_times, more


def batched(f: Callable[..., Any], xs: Sequence[Any]) -> list[Any]:
    """The results of f, a tuple or list, for each row of xs, in one batched pass."""
    trace = current()
    assert trace is not None
    one = [trace.wrap(Value(Type(x.dtype, x.shape[1:]))) for x in xs]
    graph, captured = trace_graph(lambda *row: tuple(f(*row)), one, name="row")
    flags = [True] * len(xs) + [False] * len(captured)
    return list(call_graph(trace, vmap(graph, flags, xs[0].shape[0]), [*xs, *map(trace.wrap, captured)]))


def _constant(x: Any) -> Any:
    trace = current()
    assert trace is not None
    return trace.wrap(trace.constant(x))
