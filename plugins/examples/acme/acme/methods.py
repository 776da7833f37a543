"""Other rules: for a named call (`adcore.region`) and for initial-value problems. Chosen by a line of config:

[strategy.methods]
"call:encoder" = "acme_frozen"
"core::solve_ivp" = { name = "acme_adjoint", rtol = 1e-9 }
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adcore.extend import ZERO, DifferentiationError, Method, Rule, call_graph, current, find_op, solve_ivp, vjp

FROZEN = Method("call:*", "acme_frozen", lambda: ZERO)
"""The derivative stops there: the call counts as a constant."""


def adjoint(rtol: float = 1e-6, stepper: str = "DOP853") -> Rule:
    """The adjoint ODE of the textbooks: y, lambda and the integrals of P^T lambda together, from t1 back to t0.

    A rule is given the cotangents, results, inputs and params of a node, here of `core::solve_ivp`, and writes plain
    NumPy. The right-hand side is one of the params, a graph; its vjp is a graph too, which `solve_ivp` can integrate.
    So the gradient is again a graph that can be saved and differentiated. rtol, stepper: of the way back.
    """

    def backward(
        gs: Any, results: Any, y0: Any, t0: Any, t1: Any, t_eval: Any, jumps: Any, *consts: Any, **p: Any
    ) -> Any:
        if t_eval.size or p["resets"] or p["mass"] or p["lanes"]:
            raise DifferentiationError("acme_adjoint takes y(t1) alone, without events, masses and batches")
        n, y1, end = y0.size, results[1], gs[1]
        floats = [i for i, c in enumerate(consts) if c.dtype.kind == "f"]
        pulled = vjp(p["rhs"], [1, *(2 + i for i in floats)])

        def together(t: Any, s: Any) -> Any:
            slope, *bars = call_graph(current(), pulled, [t, s[:n], *consts, s[n : 2 * n]])
            return np.concatenate([slope, *(-np.ravel(bar) for bar in bars)])

        sizes = [consts[i].size for i in floats]
        start = np.concatenate([y1, end, np.zeros(sum(sizes))])
        found = solve_ivp(together, (t1, t0), start, stepper, rtol=rtol, atol=1e-3 * rtol, quadratures=sum(sizes)).y_end
        lam, mus = found[n : 2 * n], np.split(found[2 * n :], np.cumsum(sizes)[:-1])
        by_const = {i: np.reshape(mu, consts[i].shape) for i, mu in zip(floats, mus, strict=False)}
        of_t0, of_t1 = -np.sum(lam * field(p, t0, y0, consts)), np.sum(end * field(p, t1, y1, consts))
        return (lam, of_t0, of_t1 + gs[2], None, None, *(by_const.get(i) for i in range(len(consts))))

    return Rule(jvp=find_op("core::solve_ivp").rule.jvp, vjp=backward)  # forward mode as without the method


def field(p: Any, t: Any, y: Any, consts: Any) -> Any:
    """f(t, y)."""
    return call_graph(current(), p["rhs"], [t, y, *consts])[0]


ADJOINT = Method("core::solve_ivp", "acme_adjoint", adjoint)
