"""Implicit Runge-Kutta methods for stiff problems: ESDIRK of orders 3 to 5, and Radau IIA of order 5.

    M (Y_i - y) = h sum_j a_ij f(t + c_j h, Y_j)        y1 = Y_s

The equations of a stage are a `root` node, so a step is differentiated by the implicit function theorem at
the converged stages. Error estimates are filtered by (M - h gamma J)^-1, else stiff components dominate them.
Source: Kennedy and Carpenter 2003, "Additive Runge-Kutta schemes for convection-diffusion-reaction
equations", the ESDIRK parts of ARK3(2)4L[2]SA, ARK4(3)6L[2]SA and ARK5(4)8L[2]SA; Hairer and Wanner 1996,
"Solving Ordinary Differential Equations II", sections IV.5 and IV.8, for Radau IIA and its error estimate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from adcore.extend import (
    Field,
    Linear,
    Stepper,
    Systems,
    Value,
    call_graph,
    combine,
    current,
    implicit,
    polynomial,
    trace_graph,
    vmap,
)
from adcore_ops.ode.esdirk_weights import WEIGHTS3, WEIGHTS4, WEIGHTS5, Weights


@dataclass(frozen=True, slots=True)
class Esdirk(Stepper):
    """A diagonally implicit method with an explicit first stage, whose last stage is the result.

    a: rows with their diagonal gamma. c: nodes. error: weights of the estimate. dense_weights: p_ij, as in a Tableau.
    """

    name: str
    order: int
    error_order: int
    a: tuple[tuple[float, ...], ...]
    c: tuple[float, ...]
    error: tuple[float, ...]
    dense_weights: Weights
    implicit: ClassVar[bool] = True

    @property
    def fsal(self) -> bool:
        """The slope of its last stage is that at the end."""
        return True

    def step(
        self, f: Field, t: Any, h: Any, y: Any, slope: Any, systems: Systems | None = None
    ) -> tuple[Any, tuple[Any, ...], Any, Any]:
        """Stage by stage; a slope is what its stage says, (Y - base) / (h gamma), which rounding harms least.

        All stages begin with the factors of M - h gamma J at the start.
        """
        assert systems is not None
        gamma, ks, told = self.a[-1][-1], [slope], np.array([1, 0, 1, 0])
        factors = systems.factors(systems.mass - h * gamma * systems.jacobian(lambda Y: f(t, Y), y))
        nonzero = np.where(h == 0, 1.0, h)
        at = y
        for row, c in zip(self.a[1:], self.c[1:], strict=True):
            base = y + h * combine(row[:-1], ks)
            at, *counts = implicit(
                lambda Y, b=base, c=c: Y - b - h * gamma * f(t + c * h, Y), base + h * gamma * ks[-1], factors=factors,
                linear=_one_stage(systems, lambda Y, c=c: f(t + c * h, Y), h * gamma),
            )  # fmt: skip
            told = _and(told, counts)
            ks.append(np.where(h == 0, slope, (at - base) / (nonzero * gamma)))
        return at, (systems.corrected(h * combine(self.error, ks), *factors),), np.stack(ks), told

    def dense(self, f: Field, t: Any, h: Any, y: Any, y1: Any, stages: Any, theta: Any) -> Any:
        """The interpolant of `adcore_ops.ode.esdirk_weights`."""
        ks = [stages[i] for i in range(len(self.a))]
        return y + h * theta * polynomial([combine(p, ks) for p in zip(*self.dense_weights, strict=True)], theta)


SQRT6 = float(np.sqrt(6.0))
RADAU_A = (
    ((88 - 7 * SQRT6) / 360, (296 - 169 * SQRT6) / 1800, (-2 + 3 * SQRT6) / 225),
    ((296 + 169 * SQRT6) / 1800, (88 + 7 * SQRT6) / 360, (-2 - 3 * SQRT6) / 225),
    ((16 - SQRT6) / 36, (16 + SQRT6) / 36, 1 / 9),
)
RADAU_C = ((4 - SQRT6) / 10, (4 + SQRT6) / 10, 1.0)
RADAU_E = ((-13 - 7 * SQRT6) / 3, (-13 + 7 * SQRT6) / 3, -1 / 3)
RADAU_DENSE = tuple(map(tuple, np.linalg.inv(np.array([[c, c**2, c**3] for c in RADAU_C])).T.tolist()))


# A^-1 = V diag(MU) V^-1: a real eigenvalue, then a pair, of which one is enough where the state is real.
_MU, _V = np.linalg.eig(np.linalg.inv(np.array(RADAU_A)))
_PLACES = np.argsort(np.abs(_MU.imag) + (_MU.imag < 0))
MU, V = tuple(_MU[_PLACES].tolist()), _V[:, _PLACES]
INTO = np.linalg.inv(V) @ np.linalg.inv(np.array(RADAU_A))


@dataclass(frozen=True, slots=True)
class Radau(Stepper):
    """Radau IIA with three stages: collocation, stiffly accurate, also for singular mass matrices of index 1."""

    name: str = "Radau"
    order: int = 5
    error_order: int = 3
    implicit: ClassVar[bool] = True
    masses: ClassVar[bool] = True

    def step(
        self, f: Field, t: Any, h: Any, y: Any, slope: Any, systems: Systems | None = None
    ) -> tuple[Any, tuple[Any, ...], Any, Any]:
        """All stages at once; corrections by systems of the size of y, with the Jacobian at one place for all."""
        assert systems is not None
        n = y.shape[0]

        def equations(flat: Any) -> Any:
            Y = np.reshape(flat, (3, n))
            slopes = _at_stages(f, t, h, Y)
            if isinstance(slopes, list):
                moved = [systems.times(Y[i] - y) for i in range(3)]
                return np.concatenate([moved[i] - h * combine(RADAU_A[i], slopes) for i in range(3)])
            return np.ravel(systems.times(Y - y) - h * (np.array(RADAU_A, y.dtype) @ slopes))

        linear = _three_stages(systems, f, t, h, n)
        factors = _decoupled(systems, h * systems.jacobian(lambda Y: f(t, Y), y))
        first = factors[: len(factors) // _systems(y)]
        ahead = MU[0].real * systems.corrected(h * slope, *first)  # a step of implicit Euler
        found, *counts = implicit(
            equations, np.concatenate([y + c * ahead for c in RADAU_C]), linear=linear, factors=factors
        )
        stages = np.reshape(found, (3, n))
        z = combine(RADAU_E, [stages[i] - y for i in range(3)])
        error = systems.corrected(h * slope + systems.times(z), *first)
        return stages[2], (error,), stages, _and(np.array([1, 0, 1, 0]), counts, 3)

    def dense(self, f: Field, t: Any, h: Any, y: Any, y1: Any, stages: Any, theta: Any) -> Any:
        """The collocation polynomial."""
        weights = [theta * polynomial(p, theta) for p in RADAU_DENSE]
        return y + sum(w * (stages[i] - y) for i, w in enumerate(weights))


def _one_stage(systems: Systems, f: Callable[[Any], Any], weight: Any) -> Linear:
    """The systems of a stage Y = base + weight f(Y)."""
    return Linear(
        lambda Y: systems.factors(systems.mass - weight * systems.jacobian(f, Y)),
        systems.corrected,
        lambda Y, r: systems.solve(systems.coupled([[weight]], [systems.jacobian(f, Y)]), np.reshape(r, (1, -1)))[0],
    )


def _systems(y: Any) -> int:
    """How many systems of the size of y the three stages of Radau IIA come to."""
    return 3 if y.dtype.kind == "c" else 2


def _decoupled(systems: Systems, jacobian: Any) -> tuple[Any, ...]:
    """Factors of MU[k] M - h J for all k that are needed, h J given."""
    shifts = (MU[0].real, *MU[1 : _systems(jacobian)])
    return tuple(x for mu in shifts for x in systems.factors(mu * systems.mass - jacobian))


def _three_stages(systems: Systems, f: Field, t: Any, h: Any, n: int) -> Linear:
    """The systems of all stages of Radau IIA: (M - h A (x) J)^-1 = V (Mu M - h J)^-1 V^-1 A^-1, if all have one J.

    Source: Hairer and Wanner 1996, section IV.8, (8.5).
    """

    def factors(flat: Any) -> tuple[Any, ...]:
        return _decoupled(systems, h * systems.jacobian(lambda Y: f(t + h, Y), flat[2 * n :]))

    def correct(r: Any, *factors: Any) -> Any:
        count = _systems(r)
        size = len(factors) // count
        own = [factors[k * size : (k + 1) * size] for k in range(count)]
        r = np.reshape(r, (3, n))
        if count == 3:
            parts = INTO.astype(r.dtype) @ r
            return np.ravel(V.astype(r.dtype) @ np.stack([systems.corrected(parts[k], *own[k]) for k in range(3)]))
        real = np.stack([INTO[0].real, INTO[1].real, INTO[1].imag]).astype(r.dtype) @ r
        pair = systems.corrected(real[1] + 1j * real[2], *own[1])
        back = np.stack([V[:, 0].real, 2 * V[:, 1].real, -2 * V[:, 1].imag], axis=1).astype(r.dtype)
        return np.ravel(back @ np.stack([systems.corrected(real[0], *own[0]), np.real(pair), np.imag(pair)]))

    def solve(flat: Any, r: Any) -> Any:
        Y = np.reshape(flat, (3, n))
        jacobians = _at_stages(lambda t, y: systems.jacobian(lambda Y: f(t, Y), y), t, h, Y)
        weights = [[h * a for a in row] for row in RADAU_A]
        matrix = systems.coupled(weights, [jacobians[i] for i in range(3)])
        return np.ravel(systems.solve(matrix, np.reshape(r, (3, n))))

    return Linear(factors, correct, solve)


FEW = 24
"""Up to so many states the stages are evaluated one by one, number by number; more in one batch, by fewer calls."""


def _at_stages(f: Field, t: Any, h: Any, Y: Any) -> Any:
    """f(t + c_i h, Y_i) of all three stages: a list of them for few states, else stacked. Y: (3, n)."""
    if Y.shape[1] <= FEW:
        return [f(t + c * h, Y[i]) for i, c in enumerate(RADAU_C)]
    trace = current()
    assert trace is not None
    times = t + h * np.array(RADAU_C, t.dtype)
    one = [trace.wrap(Value(x._type.with_shape(x.shape[1:]))) for x in (times, Y)]
    graph, captured = trace_graph(f, one, name="stage")
    batched = vmap(graph, [True, True, *(False for _ in captured)], 3)
    return call_graph(trace, batched, [times, Y, *map(trace.wrap, captured)])[0]


def _and(told: Any, counts: Sequence[Any], each: int = 1) -> Any:
    """What a step tells, with one more solution: whether it was found, evaluations of `each` slopes, Jacobians."""
    ok, evaluations, factorizations = counts
    return np.stack([told[0] * ok, told[1] + each * evaluations, told[2] + factorizations, told[3]])


def _esdirk(name: str, order: int, rows: Any, c: Any, embedded: Any, dense: Weights, times: float = 1.0) -> Esdirk:
    """times: what the estimate is multiplied by, where it is far smaller than the error of a step."""
    error = tuple(times * (b - e) for b, e in zip(rows[-1], embedded, strict=True))
    return Esdirk(name, order, order - 1, rows, c, error, dense)


G3 = 1767732205903 / 4055673282236
ESDIRK3 = _esdirk(
    "ESDIRK3", 3,
    (
        (0,), (G3, G3), (2746238789719 / 10658868560708, -640167445237 / 6845629431997, G3),
        (1471266399579 / 7840856788654, -4482444167858 / 7529755066697, 11266239266428 / 11593286722821, G3),
    ),
    (0, 2 * G3, 3 / 5, 1),
    (
        2756255671327 / 12835298489170, -10771552573575 / 22201958757719, 9247589265047 / 10645013368117,
        2193209047091 / 5459859503100,
    ),
    WEIGHTS3,
)  # fmt: skip
ESDIRK4 = _esdirk(
    "ESDIRK4", 4,
    (
        (0,), (1 / 4, 1 / 4), (8611 / 62500, -1743 / 31250, 1 / 4),
        (5012029 / 34652500, -654441 / 2922500, 174375 / 388108, 1 / 4),
        (15267082809 / 155376265600, -71443401 / 120774400, 730878875 / 902184768, 2285395 / 8070912, 1 / 4),
        (82889 / 524892, 0, 15625 / 83664, 69875 / 102672, -2260 / 8211, 1 / 4),
    ),
    (0, 1 / 2, 83 / 250, 31 / 50, 17 / 20, 1),
    (
        4586570599 / 29645900160, 0, 178811875 / 945068544, 814220225 / 1159782912, -3700637 / 11593932,
        61727 / 225920,
    ),
    WEIGHTS4,
)  # fmt: skip
G5 = 41 / 200
ESDIRK5 = _esdirk(
    "ESDIRK5", 5,
    (
        (0,), (G5, G5), (41 / 400, -567603406766 / 11931857230679, G5),
        (683785636431 / 9252920307686, 0, -110385047103 / 1367015193373, G5),
        (3016520224154 / 10081342136671, 0, 30586259806659 / 12414158314087, -22760509404356 / 11113319521817, G5),
        (
            218866479029 / 1489978393911, 0, 638256894668 / 5436446318841, -1179710474555 / 5321154724896,
            -60928119172 / 8023461067671, G5,
        ),
        (
            1020004230633 / 5715676835656, 0, 25762820946817 / 25263940353407, -2161375909145 / 9755907335909,
            -211217309593 / 5846859502534, -4269925059573 / 7827059040749, G5,
        ),
        (
            -872700587467 / 9133579230613, 0, 0, 22348218063261 / 9555858737531, -1143369518992 / 8141816002931,
            -39379526789629 / 19018526304540, 32727382324388 / 42900044865799, G5,
        ),
    ),
    (0, 41 / 100, 2935347310677 / 11292855782101, 1426016391358 / 7196633302097, 92 / 100, 24 / 100, 3 / 5, 1),
    (
        -975461918565 / 9796059967033, 0, 0, 78070527104295 / 32432590147079, -548382580838 / 3424219808633,
        -33438840321285 / 15594753105479, 3629800801594 / 4656183773603, 4035322873751 / 18575991585200,
    ),
    WEIGHTS5,
    10.0,  # measured: on the reference problems the gradient is then within 100 tolerances
)  # fmt: skip
RADAU = Radau()
