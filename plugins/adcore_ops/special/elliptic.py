"""Incomplete elliptic integrals and Jacobi's functions in their parameter, at every order; the mean of agm.

J(phi, m; n, k) = integral of sin^2n (1 - m sin^2)^(-k/2) from 0 to phi.  F is J(0, 1), and E is J(0, -1).
dJ/dphi is the integrand;  dJ/dm = k/2 J(n + 1, k + 2): the family is closed, and nothing cancels.
Jacobi:  F(ph, m) = u gives d ph = dn (du - F_m dm);  sn = sin ph, cn = cos ph, dn^2 = 1 - m sn^2.
Mean:    agm(a, b) = pi/4 (a + b) / K(mu), mu = ((a - b) / (a + b))^2.
Source: DLMF 19.2.4, 19.2.5, 19.8.5, 22.16.1; Takahasi and Mori 1974 (double exponential quadrature).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adcore.extend import INT, Op, Rule, Sample, Type, elementwise, op
from adcore_ops.special.row import ANY, POSITIVE, argument, arrays, result_dtype, row, sp

# nodes w in (0, 1), their distances 1 - w, and weights: w = 1 / (1 + e^(-pi sinh t)), t in steps of 1/24, fine
# enough for m up to 1 - 1e-6, where the integrand nearly has a pole
_T = np.arange(-84, 85) / 24.0
_U = math.pi * np.sinh(_T)
_NODES, _DISTANCES = 1.0 / (1.0 + np.exp(-_U)), 1.0 / (1.0 + np.exp(_U))
_WEIGHTS = math.pi / 24.0 * np.cosh(_T) * _NODES * _DISTANCES


def _integral(a: Any, m: Any, n: int, k: int) -> Any:
    """J for 0 <= a <= pi / 2, by a rule that singularities at either end do not disturb."""
    total = np.zeros_like(a)
    for w, far, weight in zip(_NODES, _DISTANCES, _WEIGHTS, strict=True):
        sine, cosine = np.sin(a * w), np.sin(0.5 * math.pi - a + a * far)
        total = total + weight * sine ** (2 * n) * ((1.0 - m) + m * cosine * cosine) ** (-0.5 * k)
    return a * total


def _infer(phi: Type, m: Type, *, n: int, k: int) -> Type:
    return Type(result_dtype((phi.dtype, m.dtype)), np.broadcast_shapes(phi.shape, m.shape))


@op(
    "special::elliptic_integral", params={"n": INT, "k": INT}, infer=_infer, elementwise=True, heap=arrays(81),
    rule=elementwise(
        lambda y, phi, m, *, n, k: np.sin(phi) ** (2 * n) * np.power(1.0 - m * np.sin(phi) ** 2, -0.5 * k),
        lambda y, phi, m, *, n, k: 0.5 * k * elliptic_integral(phi, m, n=n + 1, k=k + 2),
    ),
    samples=(
        Sample(((2, 3), (2, 3)), ((-1.5, 1.5), (-2.0, 0.9)), {"n": 1, "k": 3}),
        Sample(((5, 1), (3,)), ((2.0, 9.0), (0.1, 0.8)), {"n": 0, "k": -1}),
    ),
)  # fmt: skip
def elliptic_integral(phi: Any, m: Any, *, n: int, k: int) -> Any:
    """The integral of sin^2n (1 - m sin^2)^(-k/2) from 0 to phi."""
    dtype = result_dtype((phi.dtype, m.dtype))
    phi, m = np.broadcast_arrays(*(np.asarray(argument(x), np.float64) for x in (phi, m)))
    turns = np.rint(phi / math.pi)
    rest = phi - turns * math.pi
    with np.errstate(all="ignore"):
        part = np.copysign(_integral(np.minimum(np.abs(rest), 0.5 * math.pi), m, n, k), rest)
        whole = 2.0 * turns * _integral(np.full_like(phi, 0.5 * math.pi), m, n, k) if turns.any() else 0.0
        y = np.where(turns == 0, part, part + whole)  # the whole is infinite at m = 1
    return y.astype(dtype, copy=False)


def _incomplete(name: str, k: int) -> Op:
    """ellipkinc (k = 1) or ellipeinc (k = -1)."""
    return row(
        name, lambda y, phi, m: np.power(1.0 - m * np.sin(phi) ** 2, -0.5 * k),
        lambda y, phi, m: 0.5 * k * elliptic_integral(phi, m, n=1, k=k + 2), ranges=(ANY, (0.0, 0.9)),
    )  # fmt: skip


def _jacobi(ts: Any, y: Any, u: Any, m: Any) -> Any:
    sn, cn, dn, ph = y
    angle = dn * (ts[0] - 0.5 * elliptic_integral(ph, m, n=1, k=3) * ts[1])
    return cn * angle, -sn * angle, -(m * sn * cn * angle + 0.5 * sn * sn * ts[1]) / dn, angle


def _mean_slope(y: Any, a: Any, b: Any) -> Any:
    """The slope of agm in a."""
    mu = ((a - b) / (a + b)) ** 2
    slope = (math.pi / 8) * sp.hyp2f1(1.5, 1.5, 2.0, mu) / sp.ellipk(mu)
    return y / (a + b) - y * slope * 4.0 * b * (a - b) / (a + b) ** 3


OPS: list[Op] = [
    elliptic_integral,
    _incomplete("ellipkinc", 1),
    _incomplete("ellipeinc", -1),
    row("ellipj", rule=Rule(jvp=_jacobi), ranges=(ANY, (0.1, 0.9)), outputs=4),
    row("agm", _mean_slope, lambda y, a, b: _mean_slope(y, b, a), ranges=(POSITIVE, POSITIVE)),
]
