"""The derivatives of the incomplete gamma and beta functions with respect to their parameters, of every order.

P(a, x), x <= a + 1:   x^a e^-x / G(a + 1) S,   S = sum x^k / ((a + 1) ... (a + k))
1 - P(a, x), else:     x^a e^-x / G(a) K,       K = 1 / (x+1-a - 1(1-a) / (x+3-a - 2(2-a) / (x+5-a - ...)))
I_x(a, b):             x^a (1-x)^b / (a B(a, b)) K,  K = 1 / (1 + d_1 / (1 + d_2 / ...)), for x < (a+1) / (a+b+2),
                       else 1 - I_(1-x)(b, a);  d_2m = m (b-m) x / ((a+2m-1) (a+2m)),
                       d_(2m+1) = -(a+m) (a+b+m) x / ((a+2m) (a+2m+1))
They are computed as Taylor series in a (and b), so their coefficients are the derivatives in these; those
in x are derivatives of the density. Source: DLMF 8.7.1, 8.9.2, 8.17.4, 8.17.22; Moore 1982, "Algorithm AS
187"; Boik and Robinson-Cox 1998, "Derivatives of the incomplete beta function".

Each element has a number of terms of its own, so that its bits do not depend on the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.extend import INT, Op, Sample, Type, elementwise, op
from adcore_ops.special.jets import Index, Jet, exponential, indices, linear, product, quotient
from adcore_ops.special.row import POSITIVE, UNIT, argument, arrays, result_dtype, scipy_function, sp

EPS = 2.0**-51
TERMS = 20_000


def _continued(depth: Any, first: Jet, term: Callable[[int], tuple[Jet, Jet]]) -> Jet:
    """1 / (b_0 - c_1 / (b_1 - c_2 / ...)) from its last term upwards, which is stable for every coefficient.

    term(k): c_(k+1) and b_k. depth: how many terms each element has.
    """
    tail = dict(first)
    for k in range(int(np.max(depth, initial=0)), -1, -1):
        above, b = term(k)
        below = quotient(above, tail)
        tail = {i: np.where(k < depth, b[i] - below[i], b[i]) for i in b}
    one = {i: np.full_like(tail[0, 0], float(i == (0, 0))) for i in tail}
    return quotient(one, tail)


def _depth(x: Any, term: Callable[[int], tuple[Any, Any]], orders: int) -> Any:
    """How many terms of the fraction are needed: where its convergents stop to change, and some for derivatives.

    term(k): c_k and b_k. orders: of the derivatives.
    """
    b = term(0)[1]
    p0, q0, p1, q1 = np.zeros_like(x), 1.0 / b, 1.0 / b, np.ones_like(x)
    depth, going = np.zeros(x.shape, int), np.ones(x.shape, bool)
    for k in range(1, TERMS):
        c, b = term(k)
        p, q = b * p1 - c * p0, b * q1 - c * q0
        p0, q0, p = p1 / q, q1 / q, p / q
        going &= np.abs(p - p1) > EPS * np.abs(p)
        p1, q1 = p, np.ones_like(q)
        depth = np.where(going, k, depth)
        if not going.any():
            break
    return depth + depth // 4 + 4 + 8 * orders


def _apart(x: Any) -> Any:
    """x, and no less than 1/2 in size: for whole parameters a fraction ends by itself, its derivatives do not."""
    return np.where(x < 0, -1.0, 1.0) * np.maximum(np.abs(x), 0.5)


# --- gamma ---------------------------------------------------------------------------------------


def _gamma_front(a: Any, x: Any, n: int) -> Jet:
    """x^a e^-x / G(a) at a + d."""
    exponent = {(0, 0): 0.0, (1, 0): np.log(x) - scipy_function("digamma")(a)}
    exponent |= {(k, 0): -scipy_function("polygamma")(k - 1, a) / math.factorial(k) for k in range(2, n + 1)}
    first = np.exp(a * np.log(x) - x - scipy_function("gammaln")(a))
    return exponential({k: exponent[k] for k in indices((n, 0))}, first)


def _gamma_series(a: Any, x: Any, n: int) -> Jet:
    """S at a + d."""
    term: Jet = {k: np.full_like(x, float(k == (0, 0))) for k in indices((n, 0))}
    total, going = dict(term), np.ones(x.shape, bool)
    for k in range(1, TERMS):
        term = quotient({i: x * t for i, t in term.items()}, linear(a + k, 1.0, 0.0, (n, 0)))
        limit = EPS * np.max([np.abs(t) for t in total.values()], axis=0) / 16.0
        total = {i: np.where(going, total[i] + term[i], total[i]) for i in total}
        going &= np.any([np.abs(t) > limit for t in term.values()], axis=0) | (k < x - a)
        if not going.any():
            break
    return total


def _gamma_fraction(a: Any, x: Any, n: int) -> Jet:
    """K at a + d."""
    depth = _depth(x, lambda k: (k * _apart(k - a), x + (2.0 * k + 1.0) - a), n)

    def term(k: int) -> tuple[Jet, Jet]:
        above = linear((k + 1.0) * (k + 1.0 - a), -(k + 1.0), 0.0, (n, 0))
        return above, linear(x + (2.0 * k + 1.0) - a, -1.0, 0.0, (n, 0))

    return _continued(depth, linear(x + 1.0 - a, -1.0, 0.0, (n, 0)), term)


def _gamma_slope(a: Any, x: Any, n: int) -> Any:
    small = x <= a + 1.0
    low, high = np.where(small, x, 0.5 * a), np.where(small, a + 2.0, x)
    lower = quotient(_gamma_front(a, low, n), linear(a, 1.0, 0.0, (n, 0)))
    below = product(lower, _gamma_series(a, low, n))[n, 0]
    above = -product(_gamma_front(a, high, n), _gamma_fraction(a, high, n))[n, 0]
    nothing = (x == 0) | np.isinf(x)
    return math.factorial(n) * np.where(nothing, 0.0, np.where(small, below, above))


def _gamma_density(a: Any, x: Any, n: int) -> Any:
    """The n-th derivative in a of x^(a-1) e^-x / G(a)."""
    logs = {(k, 0): -sp.polygamma(k - 1, a) if k > 1 else np.log(x) - sp.digamma(a) for k in range(1, n + 1)}
    return np.exp(sp.xlogy(a - 1.0, x) - x - sp.gammaln(a)) * _bell((n, 0), logs)


def _bell(k: Index, logs: dict[Index, Any]) -> Any:
    """The derivative k of e^f over e^f, from the derivatives of f: a Bell polynomial."""
    if k == (0, 0):
        return 1.0
    axis = 0 if k[0] else 1
    rest = (k[0] - 1, k[1]) if axis == 0 else (k[0], k[1] - 1)
    total: Any = 0.0
    for i, j in indices(rest):
        inner = (i + 1, j) if axis == 0 else (i, j + 1)
        weight = math.comb(rest[0], i) * math.comb(rest[1], j)
        total = total + weight * _bell((rest[0] - i, rest[1] - j), logs) * logs[inner]
    return total


def _gamma_infer(a: Type, x: Type, *, n: int) -> Type:
    if n < 1:
        raise ValueError(f"a slope has an order of at least 1, not {n}")
    return Type(result_dtype((a.dtype, x.dtype)), np.broadcast_shapes(a.shape, x.shape))


@op(
    "special::gammainc_slope", params={"n": INT}, infer=_gamma_infer, elementwise=True,
    heap=lambda types, p: arrays(77.0 * (p["n"] + 1))(types, p),
    rule=elementwise(
        lambda y, a, x, *, n: gammainc_slope(a, x, n=n + 1), lambda y, a, x, *, n: _gamma_density(a, x, n)
    ),
    samples=(
        Sample(((2, 3), (2, 3)), (POSITIVE, POSITIVE), {"n": 1}),
        Sample(((5, 1), (3,)), (POSITIVE, (5.0, 9.0)), {"n": 2}),
    ),
)  # fmt: skip
def gammainc_slope(a: Any, x: Any, *, n: int) -> Any:
    """The n-th derivative in a of the regularised lower incomplete gamma function P(a, x)."""
    return _in_double(lambda a, x: _gamma_slope(a, x, n), a, x)


def _in_double(compute: Callable[..., Any], *xs: Any) -> Any:
    """compute at the arguments, broadcast and in float64; the result in their precision."""
    dtype = result_dtype(tuple(x.dtype for x in xs))
    wide = np.broadcast_arrays(*(np.asarray(argument(x), np.float64) for x in xs))
    with np.errstate(all="ignore"):
        return np.asarray(compute(*wide)).astype(dtype, copy=False)


# --- beta ----------------------------------------------------------------------------------------


def _beta_front(a: Any, b: Any, x: Any, orders: Index) -> Jet:
    """x^a (1-x)^b / B(a, b) at a + d, b + e."""
    digamma, polygamma = scipy_function("digamma"), scipy_function("polygamma")
    exponent: Jet = {}
    for i, j in indices(orders):
        n = i + j
        if n == 0:
            exponent[i, j] = 0.0
        elif n == 1:
            exponent[i, j] = digamma(a + b) + (np.log(x) - digamma(a) if i else np.log1p(-x) - digamma(b))
        else:
            own = polygamma(n - 1, a) if j == 0 else polygamma(n - 1, b) if i == 0 else 0.0
            exponent[i, j] = (polygamma(n - 1, a + b) - own) / (math.factorial(i) * math.factorial(j))
    return exponential(exponent, np.exp(a * np.log(x) + b * np.log1p(-x) - scipy_function("betaln")(a, b)))


def _beta_fraction(a: Any, b: Any, x: Any, orders: Index) -> Jet:
    """K at a + d, b + e. Its c_k are -d_k, and its b_k are 1."""

    def scalar(k: int) -> tuple[Any, Any]:
        m = k // 2
        if k % 2:
            return (a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)), np.ones_like(x)
        return -m * _apart(b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)) if k else x, np.ones_like(x)

    def term(k: int) -> tuple[Jet, Jet]:
        k, m = k + 1, (k + 1) // 2
        if k % 2:
            above = product(linear((a + m) * x, x, 0.0, orders), linear(a + b + m, 1.0, 1.0, orders))
            shift = 2 * m + 1
        else:
            above = linear(-m * (b - m) * x, 0.0, -m * x, orders)
            shift = 2 * m - 1
        below = product(linear(a + 2 * m, 1.0, 0.0, orders), linear(a + shift, 1.0, 0.0, orders))
        return quotient(above, below), linear(np.ones_like(x), 0.0, 0.0, orders)

    return _continued(_depth(x, scalar, sum(orders)), linear(np.ones_like(x), 0.0, 0.0, orders), term)


def _beta_slope(a: Any, b: Any, x: Any, i: int, j: int) -> Any:
    left = x < (a + 1.0) / (a + b + 2.0)
    ends = (x <= 0) | (x >= 1)
    found = []
    for here, p, q, y, orders in ((left, a, b, x, (i, j)), (~left, b, a, 1.0 - x, (j, i))):
        at = np.where(here & ~ends, y, 0.5 * (p + 1.0) / (p + q + 2.0))
        front = quotient(_beta_front(p, q, at, orders), linear(p, 1.0, 0.0, orders))
        found.append(product(front, _beta_fraction(p, q, at, orders))[orders])
    return math.factorial(i) * math.factorial(j) * np.where(ends, 0.0, np.where(left, found[0], -found[1]))


def _beta_density(a: Any, b: Any, x: Any, i: int, j: int) -> Any:
    """The derivative (i, j) in a and b of x^(a-1) (1-x)^(b-1) / B(a, b)."""
    logs: dict[Index, Any] = {}
    for p, q in indices((i, j)):
        n = p + q
        if n == 1:
            logs[p, q] = sp.digamma(a + b) + (np.log(x) - sp.digamma(a) if p else np.log1p(-x) - sp.digamma(b))
        elif n:
            both = sp.polygamma(n - 1, a + b)
            logs[p, q] = both - sp.polygamma(n - 1, a) if q == 0 else both - sp.polygamma(n - 1, b) if p == 0 else both
    return np.exp(sp.xlogy(a - 1.0, x) + sp.xlog1py(b - 1.0, -x) - sp.betaln(a, b)) * _bell((i, j), logs)


def _beta_infer(a: Type, b: Type, x: Type, *, i: int, j: int) -> Type:
    if i < 0 or j < 0 or i + j < 1:
        raise ValueError(f"a slope has orders of 0 and up, one of them at least 1, not {i} and {j}")
    return Type(result_dtype((a.dtype, b.dtype, x.dtype)), np.broadcast_shapes(a.shape, b.shape, x.shape))


@op(
    "special::betainc_slope", params={"i": INT, "j": INT}, infer=_beta_infer, elementwise=True,
    heap=lambda types, p: arrays(120.0 * (p["i"] + 1) * (p["j"] + 1))(types, p),
    rule=elementwise(
        lambda y, a, b, x, *, i, j: betainc_slope(a, b, x, i=i + 1, j=j),
        lambda y, a, b, x, *, i, j: betainc_slope(a, b, x, i=i, j=j + 1),
        lambda y, a, b, x, *, i, j: _beta_density(a, b, x, i, j),
    ),
    samples=(
        Sample(((3,), (3,), (3,)), (POSITIVE, POSITIVE, UNIT), {"i": 1, "j": 0}),
    ),
)  # fmt: skip
def betainc_slope(a: Any, b: Any, x: Any, *, i: int, j: int) -> Any:
    """The derivative of orders i in a and j in b of the regularised incomplete beta function I_x(a, b)."""
    return _in_double(lambda a, b, x: _beta_slope(a, b, x, i, j), a, b, x)


OPS: list[Op] = [gammainc_slope, betainc_slope]
