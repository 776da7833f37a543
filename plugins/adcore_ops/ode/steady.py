"""The derivative of a steady state, wherever it was integrated from: method `steady`.

    f(y, p) = 0 at t1,    J^T w = -dL/dy1,    dL/dp = P^T w,    and none by y0, t0 and t1          J = df/dy, P = df/dp

The state is polished by Newton steps first, so that the gradient does not stop at the tolerance of the integration;
a first step that moves it by more than 100 tolerances says that it is not steady, which is an error.
Source: Griewank and Walther 2008, "Evaluating Derivatives", section 15.3 (implicit functions).
"""

from __future__ import annotations

import numpy as np

from adcore_ops.ode.adjoint import Back, Backwards, Bars, Solved, Told
from adcore_ops.ode.algebraic import jacobian

UNSTEADY, CONSERVED = 101, 102
"""The status of a state that still moves, and of one whose rest is not determined; others are of an integration."""

POLISHED = 3
TOLERANCES = 100.0


def steady(back: Backwards, solved: Solved, bars: Bars) -> Back:
    """The integral over all time of P^T lambda, by one system."""
    t, y, p = solved.t1, solved.y1, back.p
    allowed = TOLERANCES * (np.array(p["atol"], t.dtype) + p["rtol"] * np.abs(y))
    j = jacobian(back, t, y)
    sign, _ = np.linalg.slogdet(j)
    singular = np.logical_not(np.abs(sign) > 0.5)
    status = np.where(singular, CONSERVED, np.zeros_like(t, dtype=np.int64))
    safe = np.eye(y.shape[0], dtype=y.dtype)
    for i in range(POLISHED):
        correction = np.linalg.solve(np.where(singular, safe, j), back.field(t, y))
        if i == 0:
            status = np.where(np.all(np.abs(correction) <= allowed), status, np.maximum(status, UNSTEADY))
        y = y - correction
        j = jacobian(back, t, y)
    w = np.linalg.solve(np.where(singular, safe, np.transpose(j)), -bars.end)
    mus = back.pulled(back.inputs)(t, y, w) if back.wrt else []
    told = Told(status, t, Told.nothing(t).counts)
    return Back(np.zeros_like(bars.end), mus, told, np.zeros_like(solved.jumps), bars.t_end)
