"""Bessel functions and their kin. Orders have no derivative; an argument has, also a complex one.

J' = (J_(v-1) - J_(v+1)) / 2, and so Y, H;  I' = (I_(v-1) + I_(v+1)) / 2;  K' = -(K_(v-1) + K_(v+1)) / 2.
Unlike J_(v-1) - v J_v / z these have no 0 / 0 at z = 0. The scaled functions have the slope of their scale
on top: e^(-|Re z|) for I (0 at its kink), e^(-|Im z|) for J and Y, e^z for K, e^(-+iz) for H.
Spherical:  j_n' = (n j_(n-1) - (n+1) j_(n+1)) / (2n+1), and so y; i and k by DLMF 10.51.5.
Source: DLMF 10.6.1, 10.29.1, 10.51.1, 10.51.4, 9.2.1, 11.4.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.extend import Op, Rule, Sample, elementwise
from adcore_ops.special.row import (
    FORMS,
    FUNCTIONS,
    ORDER,
    POSITIVE,
    Form,
    argument,
    arrays,
    no_partial,
    row,
    scipy_function,
    sp,
)


def _half(name: str, sign: float) -> Callable[..., Any]:
    """(F_(v-1) + sign F_(v+1)) / 2."""
    call = getattr(sp, name)
    return lambda v, z: 0.5 * (call(v - 1, z) + sign * call(v + 1, z))


def _order(name: str, sign: float, scale: float = 1.0, complex_at: tuple[int, ...] = (1,), **kw: Any) -> Op:
    """A function of order and argument with F' = scale (F_(v-1) + sign F_(v+1)) / 2."""
    slope = _half(name, sign)
    return row(
        name, no_partial(name, "order"), lambda y, v, z: scale * slope(v, z), ranges=(ORDER, POSITIVE), orders=1,
        complex_at=complex_at, **kw,
    )  # fmt: skip


def _scaled(name: str, sign: float, of_real: bool) -> list[Op]:
    """A function scaled by e^-|Re z| (of_real), or by e^-|Im z|, which is 1 for real z.

    Of complex z the scale is not holomorphic, so there the op is one of z and of the exponent: F(z) e^-r.
    """
    slope = _half(name, sign)
    damped = f"{name[:-1]}_damped"
    at = getattr(sp, damped)
    form = FORMS[damped] = Form(3, complex_at=(1,))

    def run(v: Any, z: Any, r: Any) -> Any:
        size = np.abs(np.real(z) if of_real else np.imag(z))
        y = scipy_function(name)(argument(v), argument(z)) * np.exp(size - argument(r))
        return y.astype(form.dtype((v.dtype, z.dtype, r.dtype)), copy=False)

    def called(v: Any, z: Any, **options: Any) -> Any:
        if getattr(z, "dtype", None) is None or z.dtype.kind != "c":
            return call(v, z)
        return at(v, z, np.abs(np.real(z) if of_real else np.imag(z)))

    sample = Sample(((5, 1), (3,)), (POSITIVE, POSITIVE), dtypes=("complex128", "float64"),
                    program=lambda z, r: at(2.0, z, r))  # fmt: skip
    ops = [
        row(
            name, no_partial(name, "order"), lambda y, v, z: slope(v, z) - np.sign(z) * y if of_real else slope(v, z),
            ranges=(ORDER, POSITIVE), orders=1, records=(),
        ),
        Op(
            f"special::{damped}", run, form.infer, elementwise=True, heap=arrays(48), samples=(sample,),
            rule=elementwise(
                no_partial(damped, "order"), lambda y, v, z, r: 0.5 * (at(v - 1, z, r) + sign * at(v + 1, z, r)),
                lambda y, v, z, r: -y,
            ),
            doc=f"scipy.special.{name[:-1]} times e^-r, elementwise.",
        ),
    ]  # fmt: skip
    call, FUNCTIONS[f"scipy.special:{name}"] = getattr(sp, name), called
    return ops


def _below(n: Any) -> Any:
    """The order before n, and 1 for n = 0, where its factor is 0."""
    return np.where(n == 0, 1, n - 1)


def _spherical(name: str, low: float, high: float) -> Op:
    """F_n' = (low n F_(n-1) + high (n + 1) F_(n+1)) / (2n + 1)."""
    call = getattr(sp, name)

    def slope(y: Any, n: Any, z: Any) -> Any:
        return (low * n * call(_below(n), z) + high * (n + 1) * call(n + 1, z)) / (2 * n + 1)

    return row(
        name, no_partial(name, "order"), slope, ranges=((0.0, 5.0), POSITIVE), integers=(0,), whole=True,
        complex_at=(1,), out=False, heap=arrays(17), records=(f"scipy.special._ufuncs:_{name}",),
    )  # fmt: skip


def _over(y: Any, x: Any) -> Any:
    """y / x, and its limit 0 at x = 0."""
    return np.where(x == 0, 0.0 * y, y / np.where(x == 0, 1.0, x))


def _kelvin(ts: Any, y: Any, x: Any) -> Any:
    # w = ber + i bei and ker + i kei solve w'' = i w - w' / x; DLMF 10.61.3
    return ts[0] * y[2], ts[0] * y[3], ts[0] * (1j * y[0] - _over(y[2], x)), ts[0] * (1j * y[1] - _over(y[3], x))


def _scaled_airy(ts: Any, y: Any, z: Any) -> Any:
    # with s = 2/3 z^(3/2), s' = z^(1/2): Ai and Ai' are scaled by e^s, Bi and Bi' by e^-|Re s|, for real z < 0 by 1
    t = ts[0]
    if z.dtype.kind == "c":
        root = np.sqrt(z)
        moved = np.sign(np.real(root * z)) * np.real(root * t)
    else:
        root = np.sqrt(np.maximum(z, 0.0))
        moved = root * t
    ai = t * (y[1] + root * y[0]), t * (z * y[0] + root * y[1])
    return (*ai, t * y[3] - moved * y[2], t * z * y[2] - moved * y[3])


def _struve(v: Any, x: Any) -> Any:
    # (x/2)^v / (2 sqrt(pi) Gamma(v + 3/2)); DLMF 11.4.27
    return (0.5 / math.sqrt(math.pi)) * np.power(0.5 * x, v) * sp.rgamma(v + 1.5)


def _integrals(name: str, integrands: Callable[[Any], tuple[Any, ...]]) -> Op:
    """Two integrals, of which the derivatives are the integrands."""
    rule = Rule(jvp=lambda ts, y, x: tuple(ts[0] * f for f in integrands(x)))
    return row(name, rule=rule, ranges=(POSITIVE,), outputs=2)


OPS: list[Op] = [
    row("j0", lambda y, x: -sp.j1(x)),
    row("j1", lambda y, x: 0.5 * (sp.j0(x) - sp.jv(2.0, x))),
    row("y0", lambda y, x: -sp.y1(x), ranges=(POSITIVE,)),
    row("y1", lambda y, x: 0.5 * (sp.y0(x) - sp.yv(2.0, x)), ranges=(POSITIVE,)),
    row("i0", lambda y, x: sp.i1(x)),
    row("i1", lambda y, x: 0.5 * (sp.i0(x) + sp.iv(2.0, x))),
    row("i0e", lambda y, x: sp.i1e(x) - np.sign(x) * y),
    row("i1e", lambda y, x: 0.5 * (sp.i0e(x) + sp.ive(2.0, x)) - np.sign(x) * y),
    row("k0", lambda y, x: -sp.k1(x), ranges=(POSITIVE,)),
    row("k1", lambda y, x: -0.5 * (sp.k0(x) + sp.kv(2.0, x)), ranges=(POSITIVE,)),
    row("k0e", lambda y, x: y - sp.k1e(x), ranges=(POSITIVE,)),
    row("k1e", lambda y, x: y - 0.5 * (sp.k0e(x) + sp.kve(2.0, x)), ranges=(POSITIVE,)),
    _order("jv", -1.0, records=("jv", "jn")),
    _order("yv", -1.0),
    _order("iv", 1.0),
    _order("kv", 1.0, -1.0),
    _order("hankel1", -1.0, always_complex=True),
    _order("hankel2", -1.0, always_complex=True),
    _order("yn", -1.0, complex_at=(), integers=(0,)),
    _order("kn", 1.0, -1.0, complex_at=(), integers=(0,)),
    *_scaled("jve", -1.0, False),
    *_scaled("yve", -1.0, False),
    *_scaled("ive", 1.0, True),
    row(
        "kve", no_partial("kve", "order"), lambda y, v, z: y - _half("kve", 1.0)(v, z), ranges=(ORDER, POSITIVE),
        orders=1, complex_at=(1,),
    ),
    row(
        "hankel1e", no_partial("hankel1e", "order"), lambda y, v, z: _half("hankel1e", -1.0)(v, z) - 1j * y,
        ranges=(ORDER, POSITIVE), orders=1, complex_at=(1,), always_complex=True,
    ),
    row(
        "hankel2e", no_partial("hankel2e", "order"), lambda y, v, z: _half("hankel2e", -1.0)(v, z) + 1j * y,
        ranges=(ORDER, POSITIVE), orders=1, complex_at=(1,), always_complex=True,
    ),
    _spherical("spherical_jn", 1.0, -1.0),
    _spherical("spherical_yn", 1.0, -1.0),
    _spherical("spherical_in", 1.0, 1.0),
    _spherical("spherical_kn", -1.0, -1.0),
    row("ber", lambda y, x: sp.berp(x), ranges=(POSITIVE,)),
    row("bei", lambda y, x: sp.beip(x), ranges=(POSITIVE,)),
    row("ker", lambda y, x: sp.kerp(x), ranges=(POSITIVE,)),
    row("kei", lambda y, x: sp.keip(x), ranges=(POSITIVE,)),
    row("berp", lambda y, x: -sp.bei(x) - _over(y, x), ranges=(POSITIVE,)),
    row("beip", lambda y, x: sp.ber(x) - _over(y, x), ranges=(POSITIVE,)),
    row("kerp", lambda y, x: -sp.kei(x) - _over(y, x), ranges=(POSITIVE,)),
    row("keip", lambda y, x: sp.ker(x) - _over(y, x), ranges=(POSITIVE,)),
    row(
        "struve", no_partial("struve", "order"), lambda y, v, x: _half("struve", -1.0)(v, x) + _struve(v, x),
        ranges=(ORDER, POSITIVE), orders=1,
    ),
    row(
        "modstruve", no_partial("modstruve", "order"),
        lambda y, v, x: _half("modstruve", 1.0)(v, x) + _struve(v, x), ranges=(ORDER, POSITIVE), orders=1,
    ),
    row(
        "airy", rule=Rule(jvp=lambda ts, y, z: (y[1] * ts[0], z * y[0] * ts[0], y[3] * ts[0], z * y[2] * ts[0])),
        complex_at=(0,), outputs=4,
    ),
    row("kelvin", rule=Rule(jvp=_kelvin), ranges=(POSITIVE,), outputs=4, always_complex=True),
    row("airye", rule=Rule(jvp=_scaled_airy), ranges=(POSITIVE,), complex_at=(0,), outputs=4),
    # integrals of the above from 0, those over t from x (or, without the value at 0, to x)
    _integrals("itj0y0", lambda x: (sp.j0(x), sp.y0(x))),
    _integrals("iti0k0", lambda x: (sp.i0(x), sp.k0(x))),
    _integrals("it2j0y0", lambda x: ((1.0 - sp.j0(x)) / x, -sp.y0(x) / x)),
    _integrals("it2i0k0", lambda x: ((sp.i0(x) - 1.0) / x, -sp.k0(x) / x)),
    row("itstruve0", lambda y, x: sp.struve(0.0, x), ranges=(POSITIVE,)),
    row("itmodstruve0", lambda y, x: sp.modstruve(0.0, x), ranges=(POSITIVE,)),
    row("it2struve0", lambda y, x: -sp.struve(0.0, x) / x, ranges=(POSITIVE,)),
]  # fmt: skip
