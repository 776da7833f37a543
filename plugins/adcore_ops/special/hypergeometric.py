"""Hypergeometric functions and the classical polynomials. Parameters have no derivative; the argument has.

2F1(a, b; c; z)' = (a b / c) 2F1(a+1, b+1; c+1; z), and so 1F1, 0F1 and U. Each family of polynomials
is closed likewise: P_n' is a polynomial of degree n - 1 with the next parameters.
Source: DLMF 13.3.15, 13.3.22, 15.5.1, 16.3.1, 18.9.15 to 18.9.28.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.extend import Op, Sample
from adcore_ops.special.row import ORDER, POSITIVE, arrays, no_partial, row, sp

INSIDE = (-0.8, 0.8)


def _next(n: Any, slope: Callable[[Any], Any]) -> Any:
    """slope(n - 1), and 0 for n = 0, where the polynomial is constant."""
    return np.where(n == 0, 0.0, slope(np.where(n == 0, 0, n - 1)))


def _polynomial(name: str, slope: Callable[..., Any], parameters: int = 0, **form: Any) -> Op:
    """A polynomial eval_*(n, *parameters, x) with the derivative slope(n, n - 1, *parameters, x)."""
    frozen = [no_partial(name, what) for what in ("degree", "first parameter", "second parameter")]

    def partial(y: Any, n: Any, *rest: Any) -> Any:
        return _next(n, lambda below: slope(n, below, *rest))

    def program(n: Any, x: Any) -> Any:
        return getattr(sp, name)(n, *(1.5, 0.5)[:parameters], x)

    samples = tuple(
        Sample(((5, 1), (3,)), ((0.0, 5.0), INSIDE), dtypes=("int64", dtype), program=program)
        for dtype in (("float64", "complex128") if form.get("complex_at") else ("float64",))
    )
    return row(
        name, *frozen[: 1 + parameters], partial, ranges=(ORDER, *(ORDER,) * parameters, INSIDE), integers=(0,),
        samples=samples, **form,
    )  # fmt: skip


def _associated(y: Any, m: Any, v: Any, x: Any) -> Any:
    # (1 - x^2) P' = (v + m) P_(v-1) - v x P; DLMF 14.10.5
    return ((v + m) * sp.lpmv(m, v - 1.0, x) - v * x * y) / (1.0 - x * x)


def _harmonic(y: Any, n: Any, m: Any, theta: Any, phi: Any) -> Any:
    """The slope in theta by the neighbours in m, which unlike m cot(theta) have no pole; DLMF 14.10.2."""
    above = np.sqrt(np.maximum((n - m) * (n + m + 1), 0.0)) * np.exp(-1j * phi)
    below = np.sqrt(np.maximum((n + m) * (n - m + 1), 0.0)) * np.exp(1j * phi)
    return 0.5 * (above * sp.sph_harm_y(n, m + 1, theta, phi) - below * sp.sph_harm_y(n, m - 1, theta, phi))


OPS: list[Op] = [
    row(
        "hyp0f1", no_partial("hyp0f1", "parameter"), lambda y, b, z: sp.hyp0f1(b + 1.0, z) / b,
        ranges=(ORDER, INSIDE), orders=1, complex_at=(1,),
    ),
    row(
        "hyp1f1", no_partial("hyp1f1", "parameter a"), no_partial("hyp1f1", "parameter b"),
        lambda y, a, b, z: a / b * sp.hyp1f1(a + 1.0, b + 1.0, z), ranges=(ORDER, ORDER, INSIDE), orders=2,
        complex_at=(2,),
    ),
    row(
        "hyperu", no_partial("hyperu", "parameter a"), no_partial("hyperu", "parameter b"),
        lambda y, a, b, z: -a * sp.hyperu(a + 1.0, b + 1.0, z), ranges=(ORDER, ORDER, POSITIVE), orders=2,
    ),
    row(
        "wright_bessel", no_partial("wright_bessel", "parameter a"), no_partial("wright_bessel", "parameter b"),
        lambda y, a, b, x: sp.wright_bessel(a, a + b, x), ranges=(ORDER, ORDER, POSITIVE), orders=2,
    ),
    row(
        "hyp2f1", *(no_partial("hyp2f1", f"parameter {p}") for p in "abc"),
        lambda y, a, b, c, z: a * b / c * sp.hyp2f1(a + 1.0, b + 1.0, c + 1.0, z),
        ranges=(ORDER, ORDER, ORDER, INSIDE), orders=3, complex_at=(3,),
    ),
    row(
        "log_wright_bessel", no_partial("log_wright_bessel", "parameter a"),
        no_partial("log_wright_bessel", "parameter b"),
        lambda y, a, b, x: np.exp(sp.log_wright_bessel(a, a + b, x) - y), ranges=(ORDER, ORDER, POSITIVE), orders=2,
    ),
    row(
        "lpmv", no_partial("lpmv", "order"), no_partial("lpmv", "degree"), _associated, ranges=(ORDER, ORDER, INSIDE),
        orders=2,
    ),
    row(
        "sph_harm_y", no_partial("sph_harm_y", "degree"), no_partial("sph_harm_y", "order"), _harmonic,
        lambda y, n, m, theta, phi: 1j * m * y, ranges=((0.0, 5.0), (0.0, 5.0), (0.2, 3.0), (0.0, 6.0)),
        integers=(0, 1), whole=True, always_complex=True, out=False, records=(), heap=arrays(64),
    ),
    _polynomial("eval_legendre", lambda n, m, x: sp.eval_gegenbauer(m, 1.5, x), complex_at=(1,)),
    _polynomial("eval_chebyt", lambda n, m, x: n * sp.eval_chebyu(m, x), complex_at=(1,)),
    _polynomial("eval_chebyu", lambda n, m, x: 2.0 * sp.eval_gegenbauer(m, 2.0, x), complex_at=(1,)),
    _polynomial("eval_sh_legendre", lambda n, m, x: 2.0 * sp.eval_gegenbauer(m, 1.5, 2.0 * x - 1.0), complex_at=(1,)),
    _polynomial("eval_sh_chebyt", lambda n, m, x: 2.0 * n * sp.eval_chebyu(m, 2.0 * x - 1.0), complex_at=(1,)),
    _polynomial("eval_sh_chebyu", lambda n, m, x: 4.0 * sp.eval_gegenbauer(m, 2.0, 2.0 * x - 1.0), complex_at=(1,)),
    _polynomial("eval_chebyc", lambda n, m, x: n * sp.eval_chebyu(m, 0.5 * x), complex_at=(1,)),
    _polynomial("eval_chebys", lambda n, m, x: sp.eval_gegenbauer(m, 2.0, 0.5 * x), complex_at=(1,)),
    _polynomial("eval_hermite", lambda n, m, x: 2.0 * n * sp.eval_hermite(m, x), whole=True),
    _polynomial("eval_hermitenorm", lambda n, m, x: n * sp.eval_hermitenorm(m, x), whole=True),
    _polynomial("eval_laguerre", lambda n, m, x: -sp.eval_genlaguerre(m, 1.0, x), complex_at=(1,)),
    _polynomial("eval_genlaguerre", lambda n, m, a, x: -sp.eval_genlaguerre(m, a + 1.0, x), 1, complex_at=(2,)),
    _polynomial("eval_gegenbauer", lambda n, m, a, x: 2.0 * a * sp.eval_gegenbauer(m, a + 1.0, x), 1, complex_at=(2,)),
    _polynomial(
        "eval_jacobi", lambda n, m, a, b, x: 0.5 * (n + a + b + 1.0) * sp.eval_jacobi(m, a + 1.0, b + 1.0, x), 2,
        complex_at=(3,),
    ),
    _polynomial(
        "eval_sh_jacobi", lambda n, m, p, q, x: n * sp.eval_sh_jacobi(m, p + 2.0, q + 1.0, x), 2, complex_at=(3,),
    ),
]  # fmt: skip
