"""Elementwise ops: one row each, the ufunc and its partial derivatives dy/dx from (y, *xs).

Values at kinks: 0 at 0 for abs and sign, and at the origin for hypot and arctan2; halves at ties for maximum,
minimum and logaddexp of equal infinities; floor, ceil, rint and comparisons have derivative zero; x**y is 0 in
the direction of y at x = 0, and in that of x at y = 0. Poles stay: sqrt and cbrt have the derivative inf at 0.
Source of the formulas: Abramowitz and Stegun 1972, sections 3.3, 4.1 to 4.6.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.extend import DTYPE, ZERO, Op, Rule, Sample, Type, along, elementwise, find_op, linear, ufunc_infer
from adcore.extend import op as define
from adcore_ops.accurate import cosine, one_minus_square, radius, sech, share

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
        elementwise=True, out=True, numpy=(ufunc,), kernel=_by_keyword if ufunc in (np.maximum, np.minimum) else None,
        samples=(*(Sample(s, ranges) for s in shapes), *_complex_samples(ufunc, ranges)),
        doc=f"np.{ufunc.__name__}, elementwise.",
    )  # fmt: skip


def _if_chosen(t: Any, y: Any, own: Any, other: Any) -> Any:
    # the result tells which input was chosen, also where the other one is nan (fmax)
    return np.where(own == other, 0.5 * t, np.where(y == own, t, 0.0))


CHOICE = along(lambda t, y, a, b: _if_chosen(t, y, a, b)), along(lambda t, y, a, b: _if_chosen(t, y, b, a))
"""The partials of maximum or minimum: 1 where an input is chosen, halves at ties."""


def _power_base(y: Any, a: Any, b: Any) -> Any:
    # b a^(b-1), and 0 at b = 0 whatever a is
    return np.where(b == 0, 0.0, b * np.power(a, np.where(b == 0, 1.0, b - 1.0)))


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
    row(np.deg2rad, np.pi / 180.0),
    row(np.rad2deg, 180.0 / np.pi),
    row(np.radians, np.pi / 180.0),
    row(np.degrees, 180.0 / np.pi),
    row(np.conjugate, rule=Rule(jvp=lambda ts, y, x: np.conjugate(ts[0]), vjp=lambda g, y, x: np.conjugate(g))),
]

FLAT = [  # derivative zero wherever it exists
    row(u, rule=ZERO)
    for u in (
        np.floor, np.ceil, np.trunc, np.rint, np.floor_divide, np.heaviside, np.spacing, np.signbit,
        np.isnan, np.isfinite, np.isinf, np.equal, np.not_equal, np.less, np.less_equal, np.greater,
        np.greater_equal, np.logical_and, np.logical_or, np.logical_xor, np.logical_not,
    )
]  # fmt: skip

INTEGER = [
    Op(f"core::{u.__name__}", u, ufunc_infer(u), ZERO, elementwise=True, out=True, numpy=(u,),
       samples=(Sample(((2, 3),) * u.nin, ((1.0, 9.0),), dtypes=("int64",) * u.nin),), doc=f"np.{u.__name__}.")
    for u in (
        np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, np.left_shift, np.right_shift, np.gcd, np.lcm,
    )
]  # fmt: skip


# --- ops that are no ufunc -----------------------------------------------------------------------


def _where_infer(c: Type, a: Type, b: Type) -> Type:
    return Type(np.result_type(a.dtype, b.dtype), np.broadcast_shapes(c.shape, a.shape, b.shape))


def _where_run(c: Any, a: Any, b: Any, out: Any = None) -> Any:
    if out is None:
        return np.where(c, a, b)
    np.copyto(out, b)
    np.copyto(out, a, where=c)
    return out


select = define(
    "core::where",
    rule=elementwise(
        None,
        along(lambda t, y, c, a, b: np.where(c, t, 0.0 * t)),
        along(lambda t, y, c, a, b: np.where(c, 0.0 * t, t)),
    ),
    infer=_where_infer, elementwise=True, out=True,
    samples=(
        Sample(((2, 3), (2, 3), (2, 3)), dtypes=("bool", "float64", "float64")),
        Sample(((5, 1), (3,), ()), dtypes=("bool", "float64", "float64")),
    ),
)(_where_run)  # fmt: skip


def _convert_run(x: Any, out: Any = None, *, dtype: Any) -> Any:
    if out is None:
        return np.asarray(x).astype(dtype)
    np.copyto(out, x, casting="unsafe")
    return out


convert = define(
    "core::convert", params={"dtype": DTYPE}, infer=lambda x, *, dtype: Type(dtype, x.shape),
    # where a real x was made complex, only the real part of g pairs with a real tangent
    rule=linear(lambda g, x, *, dtype: convert(g if x.dtype.kind == "c" else np.real(g), dtype=x.dtype)),
    same_as=lambda types, params: 0 if types[0].dtype == params["dtype"] else None,
    elementwise=True, out=True, samples=(Sample(((2, 3),), params={"dtype": "float64"}),),
)(_convert_run)  # fmt: skip


def _real_type(x: Type) -> Type:
    return Type(np.empty(0, x.dtype).real.dtype, x.shape)


def _part(name: str, part: Callable[[Any], Any], rule: Rule) -> Op:
    def run(x: Any, out: Any = None) -> Any:
        if out is None:
            return np.array(part(x))
        np.copyto(out, part(x))
        return out

    same = (lambda types, params: 0 if types[0].dtype.kind != "c" else None) if name == "real" else None
    return Op(
        f"core::{name}", run, _real_type, rule, elementwise=True, out=True, same_as=same,
        samples=(Sample(((2, 3),), dtypes=("complex128",)),), doc=f"np.{name}, elementwise.",
    )  # fmt: skip


# under Re(sum(g * t)) with real g: Re(g * Re t) = Re(g * t), and Re(g * Im t) = Re(-i g * t)
real = _part("real", np.real, Rule(jvp=lambda ts, y, x: np.real(ts[0]), vjp=lambda g, y, x: g))
imag = _part("imag", np.imag, Rule(jvp=lambda ts, y, x: np.imag(ts[0]), vjp=lambda g, y, x: g * -1j))

OPS = [*ROWS, *FLAT, *INTEGER, select, convert, real, imag]


# --- NumPy functions made of these ---------------------------------------------------------------


def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """np.where with three arguments."""
    if x is None or y is None:
        raise TypeError("np.where of one argument has no fixed size; use np.where(c, a, b)")
    return select(condition, x, y)


def clip(a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """np.clip. Derivative 1 inside and at the bounds' own halves at ties."""
    low, high = (a_min if a_min is not None else min), (a_max if a_max is not None else max)
    if low is not None:
        a = np.maximum(a, low)
    return a if high is None else np.minimum(a, high)


def round_(a: Any, decimals: int = 0, out: Any = None) -> Any:
    """np.round."""
    return np.rint(a) if decimals == 0 else np.rint(a * 10.0**decimals) / 10.0**decimals


def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """np.nan_to_num."""
    info = np.finfo(x.dtype)
    x = np.where(np.isnan(x), nan, x)
    x = np.where(x == np.inf, info.max if posinf is None else posinf, x)
    return np.where(x == -np.inf, info.min if neginf is None else neginf, x)


def divmod_(a: Any, b: Any) -> tuple[Any, Any]:
    """np.divmod."""
    return np.floor_divide(a, b), np.remainder(a, b)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.where: where,
    np.clip: clip,
    np.round: round_,
    np.around: round_,
    np.nan_to_num: nan_to_num,
    np.divmod: divmod_,
    np.real: lambda val: real(val) if val.dtype.kind == "c" else val,
    np.imag: lambda val: imag(val) if val.dtype.kind == "c" else np.zeros_like(val),
    np.isclose: lambda a, b, rtol=1e-5, atol=1e-8, equal_nan=False: np.abs(a - b) <= atol + rtol * np.abs(b),
    np.iscomplexobj: lambda x: x.dtype.kind == "c",
    np.isrealobj: lambda x: x.dtype.kind != "c",
}
