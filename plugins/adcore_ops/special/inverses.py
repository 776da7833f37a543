"""Distribution functions solved for one of their parameters.

F(y, q) = p gives dy = (dp - F_q dq) / F_y, with the slopes of the incomplete gamma and beta functions.
Source: DLMF 8.17, 8.23; the implicit function theorem.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adcore.extend import Op
from adcore_ops.special.distributions import f_density, fisher_slope, student_density, student_slope
from adcore_ops.special.gamma import beta_density, gamma_density
from adcore_ops.special.row import POSITIVE, UNIT, row, sp

Slope = Callable[..., Any]

COUNT, NUMBER = (0.5, 3.0), (4.0, 7.0)


def _beta(a: Any, b: Any, x: Any) -> tuple[Any, Any, Any]:
    """The slopes of I_x(a, b) in a, in b and in x."""
    return sp.betainc_slope(a, b, x, i=1, j=0), sp.betainc_slope(a, b, x, i=0, j=1), beta_density(a, b, x)


def _binomial(k: Any, n: Any, p: Any) -> tuple[Any, Any, Any]:
    """The slopes of bdtr = I_(1-p)(n - k, k + 1) in k, n and p."""
    a, b, x = _beta(n - k, k + 1.0, 1.0 - p)
    return b - a, a, -x


def _negative_binomial(k: Any, n: Any, p: Any) -> tuple[Any, Any, Any]:
    """The slopes of nbdtr = I_p(n, k + 1) in k, n and p."""
    a, b, x = _beta(n, k + 1.0, p)
    return b, a, x


def _gamma(a: Any, b: Any, x: Any) -> tuple[Any, Any, Any]:
    """The slopes of gdtr = P(b, a x) in a, b and x."""
    density = gamma_density(b, a * x)
    return x * density, sp.gammainc_slope(b, a * x, n=1), a * density


def _fisher(d1: Any, d2: Any, x: Any) -> tuple[Any, Any, Any]:
    return fisher_slope(d1, d2, x, True), fisher_slope(d1, d2, x, False), f_density(d1, d2, x)


def _student(df: Any, t: Any) -> tuple[Any, Any]:
    return student_slope(df, t), student_density(df, t)


def _chi(v: Any, x: Any) -> tuple[Any, Any]:
    return 0.5 * sp.gammainc_slope(0.5 * v, 0.5 * x, n=1), 0.5 * gamma_density(0.5 * v, 0.5 * x)


def _poisson(k: Any, m: Any) -> tuple[Any, Any]:
    """The slopes of pdtr = 1 - P(k + 1, m) in k and m."""
    return -sp.gammainc_slope(k + 1.0, m, n=1), -gamma_density(k + 1.0, m)


def _solved(name: str, slopes: Slope, at: int, p_at: int, ranges: tuple[tuple[float, float], ...]) -> Op:
    """F solved for its parameter `at`. Its arguments are those of F but that one, with p in place p_at."""

    def partial(i: int) -> Slope:
        def derivative(y: Any, *args: Any) -> Any:
            rest = [a for k, a in enumerate(args) if k != p_at]
            found = slopes(*rest[:at], y, *rest[at:])
            if i == p_at:
                return 1.0 / found[at]
            k = i - (i > p_at)  # its place among the rest, and then among the parameters of F
            return -found[k + (k >= at)] / found[at]

        return derivative

    return row(name, *(partial(i) for i in range(len(ranges))), ranges=ranges)


OPS: list[Op] = [
    _solved("btdtria", _beta, 0, 0, (UNIT, POSITIVE, UNIT)),
    _solved("btdtrib", _beta, 1, 1, (POSITIVE, UNIT, UNIT)),
    _solved("gdtria", _gamma, 0, 0, (UNIT, POSITIVE, POSITIVE)),
    _solved("gdtrib", _gamma, 1, 1, (POSITIVE, UNIT, POSITIVE)),
    _solved("chdtriv", _chi, 0, 0, (UNIT, POSITIVE)),
    _solved("fdtridfd", _fisher, 1, 1, (POSITIVE, (0.4, 0.6), (0.7, 1.5))),
    _solved("stdtridf", _student, 0, 0, ((0.8, 0.9), (1.5, 2.0))),
    _solved("pdtrik", _poisson, 0, 0, ((0.5, 0.9), POSITIVE)),
    _solved("bdtrik", _binomial, 0, 0, ((0.3, 0.9), NUMBER, (0.3, 0.6))),
    _solved("bdtrin", _binomial, 1, 1, (COUNT, (0.2, 0.8), (0.2, 0.5))),
    _solved("nbdtrik", _negative_binomial, 0, 0, ((0.5, 0.9), POSITIVE, (0.2, 0.5))),
    _solved("nbdtrin", _negative_binomial, 1, 1, (COUNT, (0.3, 0.8), (0.3, 0.6))),
]
