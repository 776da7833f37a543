"""What lambda does at events and jumps, going back through them.

At tau the state is reset, y+ = R(tau, y-, p); f-, f+ are the slopes before and after, and the loss may have a part
l(tau, y-) of its own. With

    a = lambda+ (R_tau - f+) + l_tau,      b = R_y^T lambda+ + l_y,      D = c_tau + c_y f-

a change of tau with the flow before held costs a, one along it a + b f-. At a given time, lambda- = b, dL/dp gains
R_p^T lambda+, and dL/dtau = a + b f-. An event of c(tau, y-, p) = 0 moves with its argument, so with
s = (a + b f-) / D it is lambda- = b - s c_y, and dL/dp gains R_p^T lambda+ - s c_p. Where an event ends the
integration, y+ and tau are its results: a is their cotangent of tau, and b that of y+.
Source: Galan, Feehery and Barton 1999, "Parametric sensitivity functions for hybrid discrete/continuous systems",
section 4, whose transition of sensitivities this transposes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adcore.extend import Graph, cond, vjp
from adcore_ops.ode.replay import inline
from adcore_ops.step import step_graph


def crossed(
    p: Any, consts: Sequence[Any], wrt: Sequence[int], bars: Any, ints: Any, now: Any, y1: Any,
    lam: Any, mus: Sequence[Any], of_jumps: Any,
) -> tuple[Any, list[Any], Any]:  # fmt: skip
    """(lambda, integrals, cotangents of the times of jumps) before what is at the end of a step, if anything.

    p: params of the op. wrt: which constants are differentiated. ints: the record of the step. now, y1: where it ended.
    """
    event, slot, reset, events = ints[0], ints[4], ints[5], len(p["events"])

    def after(i: int, lam: Any) -> tuple[Any, Any, list[Any]]:
        """lambda+ (R_tau - f+), R_y^T lambda+ and R_p^T lambda+."""
        y_plus = inline(p["resets"][i], [now, y1, *consts])[0]
        of_t, of_y, *of_p = _pulled(p["resets"][i], wrt, [now, y1, *consts], lam)
        return of_t - _dot(lam, inline(p["rhs"], [now, y_plus, *consts])[0]), of_y, of_p

    def at_event(i: int) -> Callable[..., tuple[Any, ...]]:
        def back(lam: Any, *mus: Any) -> tuple[Any, ...]:
            goes_on = reset >= 0
            a, b, of_p = after(i, lam)
            a = np.where(goes_on, a, bars.t_end) + bars.times[slot]
            b = np.where(goes_on, b, lam) + bars.states[slot]
            slope = inline(p["rhs"], [now, y1, *consts])[0]
            rate = inline(p["events"][i], [now, y1, slope, *consts])[1]
            s = (a + _dot(b, slope)) / rate
            c_of = _event_alone(p["events"][i])
            _, c_y, *c_p = _pulled(c_of, wrt, [now, y1, *consts], np.ones_like(now))
            return b - s * c_y, *(m + np.where(goes_on, r, 0.0) - s * c for m, r, c in zip(mus, of_p, c_p, strict=True))

        return back

    def at_jump(i: int) -> Callable[..., tuple[Any, ...]]:
        def back(lam: Any, of_jumps: Any, *mus: Any) -> tuple[Any, ...]:
            a, b, of_p = after(i, lam)
            moved = a + _dot(b, inline(p["rhs"], [now, y1, *consts])[0])
            of_jumps = np.where(np.arange(of_jumps.shape[0]) == i - events, moved, of_jumps)
            return b, of_jumps, *(m + r for m, r in zip(mus, of_p, strict=True))

        return back

    for i in range(events):
        lam, *mus = cond(event == i, at_event(i), lambda *same: same, lam, *mus)
    for i in range(events, len(p["resets"])):
        lam, of_jumps, *mus = cond(reset == i, at_jump(i), lambda *same: same, lam, of_jumps, *mus)
    return lam, list(mus), of_jumps


def _pulled(graph: Graph, wrt: Sequence[int], args: Sequence[Any], bar: Any) -> list[Any]:
    """bar times the derivatives of graph(t, y, constants) by t, y and the constants in `wrt`."""
    made = vjp(graph, [0, 1, *(2 + i for i in wrt)])
    alone = step_graph(made.constants, made.nodes, made.inputs, made.outputs[len(graph.outputs) :], made.name)
    return inline(alone, [*args, bar])


def _event_alone(graph: Graph) -> Graph:
    """(t, y, constants) -> value, of an event graph that takes the slope too and gives the rate."""
    inputs = [*graph.inputs[:2], *graph.inputs[3:]]
    return step_graph(graph.constants, graph.nodes, inputs, graph.outputs[:1], graph.name)


def _dot(a: Any, b: Any) -> Any:
    """The real part of sum a b, the pairing of cotangents with tangents."""
    return np.sum(a * b).real
