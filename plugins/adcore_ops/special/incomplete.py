"""The derivatives of the incomplete gamma function P(a, x) with respect to its parameter a, of every order.

x <= a + 1:  P = x^a e^-x / G(a + 1) S,   S = sum x^k / ((a + 1) ... (a + k))
x >  a + 1:  1 - P = x^a e^-x / G(a) K,   K the continued fraction 1 / (x+1-a - 1(1-a) / (x+3-a - 2(2-a) / ...))
Both are computed at a + e as polynomials in e (truncated Taylor series), so their coefficients are the
derivatives in a; those in x are derivatives in a of the density x^(a-1) e^-x / G(a).
Source: DLMF 8.7.1, 8.9.2; Moore 1982, "Algorithm AS 187: derivatives of the incomplete gamma integral";
Griewank and Walther 2008, "Evaluating Derivatives", section 13.2 (Taylor arithmetic).

An element stops when it has converged, so that its bits do not depend on the others.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adcore.extend import INT, Op, Sample, Type, elementwise, op
from adcore_ops.special.row import POSITIVE, argument, arrays, result_dtype, scipy_function, sp

EPS = 2.0**-51
TERMS = 20_000

Jet = list[Any]
"""The coefficients of 1, e, e^2, ..."""


def _product(p: Jet, q: Jet) -> Jet:
    return [sum(p[i] * q[k - i] for i in range(k + 1)) for k in range(len(p))]


def _quotient(p: Jet, q: Jet) -> Jet:
    r: Jet = []
    for k in range(len(p)):
        r.append((p[k] - sum(q[i] * r[k - i] for i in range(1, k + 1))) / q[0])
    return r


def _exponential(p: Jet) -> Jet:
    r = [np.exp(p[0])]
    for k in range(1, len(p)):
        r.append(sum(i * p[i] * r[k - i] for i in range(1, k + 1)) / k)
    return r


def _moved(new: Jet, old: Jet, still: Any) -> Any:
    """Where a coefficient still changes by more than rounding, among the elements that are going."""
    largest = np.max([np.abs(a) for a in new], axis=0)
    limits = [EPS * (np.abs(a) + 0.0625 * largest) for a in new]
    return still & np.any([np.abs(a - b) > e for a, b, e in zip(new, old, limits, strict=True)], axis=0)


def _front(a: Any, x: Any, n: int) -> Jet:
    """x^a e^-x / G(a) at a + e."""
    exponent = [a * np.log(x) - x - scipy_function("gammaln")(a), np.log(x) - scipy_function("digamma")(a)]
    exponent += [-scipy_function("polygamma")(k - 1, a) / math.factorial(k) for k in range(2, n + 1)]
    return _exponential(exponent[: n + 1])


def _series(a: Any, x: Any, n: int) -> Jet:
    """S at a + e."""
    zero = np.zeros_like(x)
    term = [np.ones_like(x)] + [zero] * n
    total, going = list(term), np.ones(x.shape, bool)
    for k in range(1, TERMS):
        before, term = term, []
        for j in range(n + 1):  # times x / (a + k + e)
            term.append(((x * before[j]) - (term[j - 1] if j else 0.0)) / (a + k))
        new = [np.where(going, t + c, t) for t, c in zip(total, term, strict=True)]
        going = _moved(new, total, going) | (going & (k < x - a))
        total = new
        if not going.any():
            break
    return total


def _depth(a: Any, x: Any) -> Any:
    """How many terms the continued fraction needs: where its convergents stop to change.

    For whole a it ends by itself, but its derivatives do not: no factor k - a counts as less than 1/2.
    """
    b = x + 1.0 - a
    p0, q0, p1, q1 = np.zeros_like(x), 1.0 / b, 1.0 / b, np.ones_like(x)
    depth, going = np.zeros(x.shape, int), np.ones(x.shape, bool)
    for k in range(1, TERMS):
        away = np.where(k < a, -1.0, 1.0) * np.maximum(np.abs(k - a), 0.5)
        c, b = -k * away, b + 2.0
        p, q = b * p1 + c * p0, b * q1 + c * q0
        p0, q0, p, q = p1 / q, q1 / q, p / q, np.ones_like(q)
        going &= np.abs(p - p1) > EPS * np.abs(p)
        p1, q1 = p, q
        depth = np.where(going, k, depth)
        if not going.any():
            break
    return depth


def _fraction(a: Any, x: Any, n: int) -> Jet:
    """K at a + e, from its last term upwards, which is stable for every coefficient."""
    depth = (_depth(a, x) + 2) * (1 + n)
    zero = np.zeros_like(x)
    minus = ([-np.ones_like(x)] + [zero] * n)[:n]
    tail: Jet = [x + 1.0 - a, *minus]
    for k in range(int(np.max(depth, initial=0)), -1, -1):
        b: Jet = [x + (2.0 * k + 1.0) - a, *minus]
        product: Jet = [(k + 1.0) * (k + 1.0 - a), *(-(k + 1.0) * -u for u in minus)]
        below = _quotient(product, tail)
        tail = [np.where(k < depth, u - v, u) for u, v in zip(b, below, strict=True)]
    return _quotient([np.ones_like(x)] + [zero] * n, tail)


def _slope(a: Any, x: Any, n: int) -> Any:
    small = x <= a + 1.0
    low, high = np.where(small, x, 0.5 * a), np.where(small, a + 2.0, x)
    shifted = [a, *([np.ones_like(a)] + [np.zeros_like(a)] * n)[:n]]
    below = _product(_quotient(_front(a, low, n), shifted), _series(a, low, n))[n]
    above = -_product(_front(a, high, n), _fraction(a, high, n))[n]
    nothing = (x == 0) | np.isinf(x)
    return math.factorial(n) * np.where(nothing, 0.0, np.where(small, below, above))


def _density_slope(a: Any, x: Any, n: int) -> Any:
    """The n-th derivative in a of x^(a-1) e^-x / G(a): itself times a Bell polynomial of those of its logarithm."""
    logs = [np.log(x) - sp.digamma(a)] + [-sp.polygamma(k, a) for k in range(1, n)]
    bell: list[Any] = [1.0]
    for m in range(n):
        bell.append(sum(math.comb(m, k) * bell[m - k] * logs[k] for k in range(m + 1)))
    return np.exp(sp.xlogy(a - 1.0, x) - x - sp.gammaln(a)) * bell[n]


def _infer(a: Type, x: Type, *, n: int) -> Type:
    if n < 1:
        raise ValueError(f"a slope has an order of at least 1, not {n}")
    return Type(result_dtype((a.dtype, x.dtype)), np.broadcast_shapes(a.shape, x.shape))


@op(
    "special::gammainc_slope", params={"n": INT}, infer=_infer, elementwise=True,
    heap=lambda types, p: arrays(77.0 * (p["n"] + 1))(types, p),
    rule=elementwise(
        lambda y, a, x, *, n: gammainc_slope(a, x, n=n + 1), lambda y, a, x, *, n: _density_slope(a, x, n)
    ),
    samples=(
        Sample(((2, 3), (2, 3)), (POSITIVE, POSITIVE), {"n": 1}),
        Sample(((5, 1), (3,)), (POSITIVE, (5.0, 9.0)), {"n": 2}),
    ),
)  # fmt: skip
def gammainc_slope(a: Any, x: Any, *, n: int) -> Any:
    """The n-th derivative in a of the regularised lower incomplete gamma function P(a, x)."""
    dtype = result_dtype((a.dtype, x.dtype))
    a, x = np.broadcast_arrays(*(np.asarray(argument(v), np.float64) for v in (a, x)))
    with np.errstate(all="ignore"):
        return np.asarray(_slope(a, x, n)).astype(dtype, copy=False)


OPS: list[Op] = [gammainc_slope]
