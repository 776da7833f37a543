"""Elementwise ops that are ufuncs: one row each, with the partial derivatives dy/dx from (y, *xs).

Values at kinks: 0 at 0 for abs and sign, and at the origin for hypot and arctan2; halves at ties for maximum,
minimum and logaddexp of equal infinities; floor, ceil, rint and comparisons have derivative zero; x**y is 0 in
the direction of y at x = 0, and in that of x at y = 0. Poles stay: sqrt and cbrt have the derivative inf at 0.
Source of the formulas: Abramowitz and Stegun 1972, sections 3.3, 4.1 to 4.6.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.extend import (
    ZERO,
    Op,
    Rule,
    Sample,
    along,
    called,
    each,
    elementwise,
    find_op,
    known,
    ufunc_infer,
)  # fmt: skip
from adcore_ops.accurate import cosine, one_minus_square, radius, sech, share

WRITTEN = {
    np.add: each("{0} + {1}"), np.subtract: each("{0} - {1}"), np.multiply: each("{0} * {1}"),
    np.divide: each("{0} / {1}"), np.negative: each("-{0}"), np.positive: each("{0}"), np.square: each("{0} * {0}"),
    np.reciprocal: each("1.0 / {0}"), np.absolute: each("abs({0})"), np.equal: each("{0} == {1}"),
    np.not_equal: each("{0} != {1}"), np.less: each("{0} < {1}"), np.less_equal: each("{0} <= {1}"),
    np.greater: each("{0} > {1}"), np.greater_equal: each("{0} >= {1}"), np.isnan: each("{0} != {0}"),
    np.logical_and: each("({0} and {1})", "??"), np.logical_or: each("({0} or {1})", "??"),
    np.logical_not: each("(not {0})", "?"),
}  # fmt: skip
"""Ufuncs that have an operator of Python with the same bits. The others are called."""

NEUTRAL = {
    np.multiply: (1.0, 1.0), np.divide: (None, 1.0), np.power: (None, 1.0), np.subtract: (None, 0.0),
    np.add: (-0.0, -0.0),
}  # fmt: skip
"""Numbers that change nothing, to the bit: not 0.0 for a sum, since -0.0 + 0.0 is 0.0."""

LN2, LN10 = float(np.log(2.0)), float(np.log(10.0))
ANY, POSITIVE, UNIT, ABOVE_ONE = (-2.0, 2.0), (0.3, 3.0), (-0.9, 0.9), (1.1, 4.0)


def _by_keyword(node: Any, lower: Any) -> Callable[..., Any]:
    """The kernel of np.maximum and np.minimum, for which NumPy reserves a third positional argument."""
    ufunc = find_op(node.op).run
    return lambda a, b, out: ufunc(a, b, out=out)


def _complex_samples(ufunc: np.ufunc, ranges: Any) -> tuple[Sample, ...]:
    if "D" * ufunc.nin not in (types.partition("->")[0] for types in ufunc.types):
        return ()
    mixed = (Sample(((2, 3), (2, 3)), ranges, dtypes=("float64", "complex128")),) if ufunc.nin == 2 else ()
    return (Sample(((2, 3),) * ufunc.nin, ranges, dtypes=("complex128",) * ufunc.nin), *mixed)


def row(
    ufunc: np.ufunc,
    *partials: Any,
    inside: tuple[float, float] = ANY,
    rule: Rule | None = None,
    name: str = "",
) -> Op:
    """An elementwise op that is a ufunc. inside: where its samples are drawn; complex ones if it takes them."""
    ranges = (inside,) * ufunc.nin
    shapes = (((2, 3),), ((),)) if ufunc.nin == 1 else (((2, 3), (2, 3)), ((5, 1), (3,)), ((), (7,)))
    return Op(
        f"core::{name or ufunc.__name__}", ufunc, ufunc_infer(ufunc), rule or elementwise(*partials),
        elementwise=True, out=True, numpy=(ufunc,), neutral=NEUTRAL.get(ufunc, ()),
        kernel=_by_keyword if ufunc in (np.maximum, np.minimum) else None,
        samples=(*(Sample(s, ranges) for s in shapes), *_complex_samples(ufunc, ranges)),
        numbers=WRITTEN.get(ufunc, called(ufunc)), doc=f"np.{ufunc.__name__}, elementwise.",
    )  # fmt: skip


def _if_chosen(t: Any, y: Any, own: Any, other: Any) -> Any:
    # the result tells which input was chosen, also where the other one is nan (fmax)
    return np.where(own == other, 0.5 * t, np.where(y == own, t, 0.0))


CHOICE = along(lambda t, y, a, b: _if_chosen(t, y, a, b)), along(lambda t, y, a, b: _if_chosen(t, y, b, a))
"""The partials of maximum or minimum: 1 where an input is chosen, halves at ties."""


def _power_base(y: Any, a: Any, b: Any) -> Any:
    # b a^(b-1), and 0 at b = 0 whatever a is
    n = known(b)
    if n is None or n.ndim:
        return np.where(b == 0, 0.0, b * np.power(a, np.where(b == 0, 1.0, b - 1.0)))
    if n in (0, 1, 2):
        return (0.0, 1.0, 2.0 * a)[int(n.real)]
    return n[()] * (np.square(a) if n == 3 else np.power(a, n[()] - 1))


def _power_exponent(y: Any, a: Any, b: Any) -> Any:
    # y log a, and 0 at a = 0 (its limit for b > 0)
    return y * np.log(np.where(a == 0, 1.0, a))


def _complex(x: Any) -> bool:
    return bool(x.dtype.kind == "c")


def _outside(x: Any) -> Any:
    """|x|, and inf at 0, so that what is divided by it is 0 there."""
    size = np.abs(x)
    return np.where(size == 0, np.inf, size)


# s = x / |x|:  s' = (t - s Re(s~ t)) / |x|; its transpose has s and s~ exchanged. Both halves are stated, so
# that a real x, where there is no derivative, costs nothing
def _sign_jvp(ts: Any, y: Any, x: Any) -> Any:
    return (ts[0] - y * np.real(np.conjugate(y) * ts[0])) / _outside(x) if _complex(x) else None


def _sign_vjp(g: Any, y: Any, x: Any) -> Any:
    return (g - np.conjugate(y) * np.real(y * g)) / _outside(x) if _complex(x) else None


ROWS = [
    row(np.add, 1, 1),
    row(np.subtract, 1, -1),
    row(np.multiply, lambda y, a, b: b, lambda y, a, b: a),
    row(np.divide, along(lambda t, y, a, b: t / b), along(lambda t, y, a, b: -(t * y) / b), inside=POSITIVE),
    row(np.power, _power_base, _power_exponent, inside=POSITIVE),
    row(np.float_power, _power_base, _power_exponent, inside=POSITIVE),
    row(np.negative, -1),
    row(np.positive, 1),
    row(np.reciprocal, lambda y, x: -y * y, inside=POSITIVE),
    row(np.square, lambda y, x: 2.0 * x),
    row(np.sqrt, along(lambda t, y, x: t / (2.0 * y)), inside=POSITIVE),
    row(np.cbrt, along(lambda t, y, x: t / (3.0 * y * y)), inside=POSITIVE),
    row(np.exp, lambda y, x: y),
    row(np.exp2, lambda y, x: y * LN2),
    row(np.expm1, lambda y, x: np.exp(x)),
    row(np.log, along(lambda t, y, x: t / x), inside=POSITIVE),
    row(np.log2, along(lambda t, y, x: t / (x * LN2)), inside=POSITIVE),
    row(np.log10, along(lambda t, y, x: t / (x * LN10)), inside=POSITIVE),
    row(np.log1p, along(lambda t, y, x: t / (1.0 + x)), inside=POSITIVE),
    row(np.sin, lambda y, x: np.cos(x)),
    row(np.cos, along(lambda t, y, x: -(t * np.sin(x)))),
    row(np.tan, lambda y, x: 1.0 + y * y, inside=UNIT),
    row(np.arcsin, along(lambda t, y, x: t / np.sqrt(one_minus_square(x))), inside=UNIT),
    row(np.arccos, along(lambda t, y, x: -t / np.sqrt(one_minus_square(x))), inside=UNIT),
    row(np.arctan, along(lambda t, y, x: t / (1.0 + x * x))),
    row(np.sinh, lambda y, x: np.cosh(x)),
    row(np.cosh, lambda y, x: np.sinh(x)),
    row(np.tanh, lambda y, x: 1.0 - y * y if _complex(x) else np.square(sech(x))),
    row(np.arcsinh, along(lambda t, y, x: t / (np.sqrt(1.0 + x * x) if _complex(x) else np.hypot(x, 1.0)))),
    row(np.arccosh, along(lambda t, y, x: t / (np.sqrt(x - 1.0) * np.sqrt(x + 1.0))), inside=ABOVE_ONE),
    row(np.arctanh, along(lambda t, y, x: t / one_minus_square(x)), inside=UNIT),
    row(
        np.arctan2,
        lambda y, a, b: cosine(b, a) / radius(a, b),
        lambda y, a, b: -cosine(a, b) / radius(a, b),
        inside=POSITIVE,
    ),
    row(np.hypot, lambda y, a, b: cosine(a, b), lambda y, a, b: cosine(b, a), inside=POSITIVE),
    row(np.logaddexp, lambda y, a, b: share(a, b), lambda y, a, b: share(b, a)),
    row(np.logaddexp2, lambda y, a, b: share(a * LN2, b * LN2), lambda y, a, b: share(b * LN2, a * LN2)),
    row(np.maximum, *CHOICE),
    row(np.minimum, *CHOICE),
    row(np.fmax, *CHOICE),
    row(np.fmin, *CHOICE),
    # 0 at 0; the pairing has no conjugate, so for a complex x both modes need that of x / |x|
    row(np.absolute, lambda y, x: np.conjugate(np.sign(x)) if _complex(x) else np.sign(x)),
    row(np.sign, rule=Rule(jvp=_sign_jvp, vjp=_sign_vjp)),
    row(np.fabs, lambda y, x: np.sign(x)),
    row(np.copysign, along(lambda t, y, a, b: t * np.sign(a) * np.sign(y)), None),
    row(np.remainder, 1, lambda y, a, b: -np.floor_divide(a, b), inside=POSITIVE),
    row(np.fmod, 1, lambda y, a, b: -np.trunc(a / b), inside=POSITIVE),
    row(np.heaviside, None, lambda y, a, b: a == 0),
    row(np.nextafter, 1, None),
    row(np.deg2rad, np.pi / 180.0),
    row(np.rad2deg, 180.0 / np.pi),
    row(np.radians, np.pi / 180.0),
    row(np.degrees, 180.0 / np.pi),
    row(np.conjugate, rule=Rule(jvp=lambda ts, y, x: np.conjugate(ts[0]), vjp=lambda g, y, x: np.conjugate(g))),
]

FLAT = [  # derivative zero wherever it exists
    row(u, rule=ZERO)
    for u in (
        np.floor, np.ceil, np.trunc, np.rint, np.floor_divide, np.spacing, np.signbit,
        np.isnan, np.isfinite, np.isinf, np.equal, np.not_equal, np.less, np.less_equal, np.greater,
        np.greater_equal, np.logical_and, np.logical_or, np.logical_xor, np.logical_not,
    )
]  # fmt: skip

_INTEGERS = [
    np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, np.left_shift, np.right_shift, np.gcd, np.lcm,
    *([np.bitwise_count] if hasattr(np, "bitwise_count") else []),
]  # fmt: skip

INTEGER = [
    Op(
        f"core::{u.__name__}",
        u,
        ufunc_infer(u),
        ZERO,
        elementwise=True,
        out=True,
        numpy=(u,),
        samples=(Sample(((2, 3),) * u.nin, ((1.0, 9.0),), dtypes=("int64",) * u.nin),),
        doc=f"np.{u.__name__}, elementwise.",
    )
    for u in _INTEGERS
]

OPS = [*ROWS, *FLAT, *INTEGER]


# --- ufuncs made of these ------------------------------------------------------------------------


def outer(ufunc: np.ufunc) -> Callable[..., Any]:
    """ufunc.outer: every element of a with every element of b."""

    def function(a: Any, b: Any, **kwargs: Any) -> Any:
        return ufunc(np.reshape(a, (*np.shape(a), *(1,) * np.ndim(b))), b, **kwargs)

    return function


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    (op.run, "outer"): outer(op.run) for op in OPS if isinstance(op.run, np.ufunc) and op.run.nin == 2
}
