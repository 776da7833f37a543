"""The continuous adjoint with nothing kept: y, lambda and the integrals backwards together, from t1 to t0.

Going back, y is integrated in the direction in which a stable problem is unstable. So y is set to what was
found at every observation, and before that compared with it: a state that has moved by more than 100
tolerances means that lambda went along another trajectory, and is an error, never a gradient.
Source: Chen, Rubanova, Bettencourt and Duvenaud 2018, "Neural ordinary differential equations", algorithm 1;
Gholami, Keutzer and Biros 2019, "ANODE", section 3, for where it cannot work.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adcore.extend import scan
from adcore_ops.ode.adjoint import Back, Backwards, Bars, Solved, Told

UNRELATED = 100
"""The status of a state that does not come back; statuses below it are those of an integration."""

MISMATCH = 100.0


def backsolve(back: Backwards, solved: Solved, bars: Bars) -> Back:
    """y, lambda and the integrals from t1 to t0, y set right at every observation."""
    n, shapes = bars.end.shape[0], [back.consts[i].shape for i in back.wrt]
    sizes = [int(np.prod(s)) for s in shapes]
    told, allowed = Told.nothing(solved.t1), _allowed(back, solved)
    mu = np.zeros_like(bars.end, shape=(sum(sizes),))
    carry = (solved.t1, solved.y1, bars.end, mu, *told.leaves)
    if solved.t_eval.shape[0]:

        def step(carry: Any, row: Any) -> Any:
            t, y, lam, mu, *rest = carry
            before, y_there, jump = row
            lam, mu, told = _stretch(back, allowed, t, before, y, y_there, lam, mu, Told(*rest))
            return (before, y_there, lam + jump, mu, *told.leaves), None

        carry, _ = scan(step, carry, (solved.t_eval, solved.y_eval, bars.observed), reverse=True)
    t, y, lam, mu, *rest = carry
    lam, mu, told = _stretch(back, allowed, t, solved.t0, y, solved.y0, lam, mu, Told(*rest))
    cuts = np.cumsum([0, *sizes])
    mus = [np.reshape(mu[a:b], s) for a, b, s in zip(cuts, cuts[1:], shapes, strict=False)]
    moving = np.sum(bars.end * back.field(solved.t1, solved.y1)).real + bars.t_end
    return Back(lam[:n], mus, told, np.zeros_like(solved.jumps), moving)


def _allowed(back: Backwards, solved: Solved) -> Any:
    """How far each component of the state may be off, by its size over all that was observed: atol + rtol |y|."""
    seen = np.concatenate([np.stack([solved.y0, solved.y1]), solved.y_eval])
    atol = np.broadcast_to(np.array(back.p["atol"], seen.dtype), solved.y0.shape)
    return MISMATCH * (atol + back.p["rtol"] * np.max(np.abs(seen), axis=0))


def _stretch(
    back: Backwards, allowed: Any, t: Any, before: Any, y: Any, y_there: Any, lam: Any, mu: Any, told: Told
) -> tuple[Any, Any, Told]:
    """(lambda, mu, told) at an earlier time, where the state was found to be y_there."""
    n, pulled = y.shape[0], back.pulled([1, *back.inputs])

    def both(time: Any, state: Any) -> Any:
        bars = pulled(time, state[:n], state[n : 2 * n])
        slope = back.field(time, state[:n])
        return np.concatenate([slope, *(-np.ravel(b).astype(state.dtype) for b in bars)])

    m, p = mu.shape[0], back.p
    atol = np.concatenate([np.broadcast_to(np.array(p["atol"]), (n,)), np.full(n + m, back.atol)])
    sol = back.problem(both, m, atol).recorded((t, before), np.concatenate([y, lam, mu]), None, [], ())
    there = np.logical_or(np.all(np.abs(sol.y_end[:n] - y_there) <= allowed), sol.status != 0)
    told = told.and_of(sol, t)
    return sol.y_end[n : 2 * n], sol.y_end[2 * n :], Told(
        np.where(there, told.status, np.maximum(told.status, UNRELATED)),
        np.where(there, told.where, before), told.counts,
    )  # fmt: skip
