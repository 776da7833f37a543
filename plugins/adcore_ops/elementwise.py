"""Elementwise ops: one row each, the ufunc and its partial derivatives dy/dx from (y, *xs).

Values at kinks: 0 at 0 for abs and sign; halves at ties for maximum and minimum; floor, ceil, rint
and comparisons have derivative zero; x**y is 0 in the direction of y at x = 0, and in that of x at y = 0.
Source of the formulas: Abramowitz and Stegun 1972, sections 3.3, 4.1 to 4.6.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.extend import DTYPE, ZERO, Op, Rule, Sample, Type, along, elementwise, find_op, linear, ufunc_infer
from adcore.extend import op as define

LN2, LN10 = float(np.log(2.0)), float(np.log(10.0))
ANY, POSITIVE, UNIT, ABOVE_ONE = (-2.0, 2.0), (0.3, 3.0), (-0.9, 0.9), (1.1, 4.0)


def _by_keyword(node: Any, lower: Any) -> Callable[..., Any]:
    """The kernel of np.maximum and np.minimum, for which NumPy reserves a third positional argument."""
    ufunc = find_op(node.op).run
    return lambda a, b, out: ufunc(a, b, out=out)


def row(
    ufunc: np.ufunc,
    *partials: Any,
    inside: tuple[float, float] = ANY,
    rule: Rule | None = None,
    name: str = "",
    samples: tuple[Sample, ...] = (),
) -> Op:
    """An elementwise op that is a ufunc. inside: where its samples are drawn; samples: more of them."""
    ranges = (inside,) * ufunc.nin
    shapes = (((2, 3),), ((),)) if ufunc.nin == 1 else (((2, 3), (2, 3)), ((5, 1), (3,)), ((), (7,)))
    return Op(
        f"core::{name or ufunc.__name__}", ufunc, ufunc_infer(ufunc), rule or elementwise(*partials),
        elementwise=True, out=True, numpy=(ufunc,), kernel=_by_keyword if ufunc in (np.maximum, np.minimum) else None,
        samples=(*(Sample(s, ranges) for s in shapes), *samples), doc=f"np.{ufunc.__name__}, elementwise.",
    )  # fmt: skip


def ties(chosen: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """The partial of maximum or minimum in one input: 1 where it is chosen, halves at ties."""
    return along(lambda t, y, a, b: np.where(a == b, 0.5 * t, np.where(chosen(a, b), t, 0.0 * t)))  # type: ignore[return-value]


def _power_base(y: Any, a: Any, b: Any) -> Any:
    # b a^(b-1), and 0 at b = 0 whatever a is
    return np.where(b == 0, 0.0, b * np.power(a, np.where(b == 0, 1.0, b - 1.0)))


def _power_exponent(y: Any, a: Any, b: Any) -> Any:
    # y log a, and 0 at a = 0 (its limit for b > 0)
    return y * np.log(np.where(a == 0, 1.0, a))


COMPLEX = (Sample(((2, 3),), dtypes=("complex128",)),)


def _direction(y: Any, x: Any) -> Any:
    # the conjugate of x / |x|: |x|' = Re(direction * x'); 0 at 0
    if x.dtype.kind != "c":
        return np.sign(x)
    return np.conjugate(x) * np.where(y == 0, 0.0 * y, 1.0 / np.where(y == 0, 1.0, y))


def _absolute_jvp(ts: Any, y: Any, x: Any) -> Any:
    return np.real(_direction(y, x) * ts[0])


def _sign_jvp(ts: Any, y: Any, x: Any) -> Any:
    # of a complex number, x / |x|: what is left of x' / |x| when its part along x is taken away
    if x.dtype.kind != "c":
        return None
    size = np.absolute(x)
    turn = ts[0] - y * np.real(np.conjugate(y) * ts[0])
    return turn * np.where(size == 0, 0.0 * size, 1.0 / np.where(size == 0, 1.0, size))


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
    row(np.arcsin, along(lambda t, y, x: t / np.sqrt((1.0 - x) * (1.0 + x))), inside=UNIT),
    row(np.arccos, along(lambda t, y, x: -t / np.sqrt((1.0 - x) * (1.0 + x))), inside=UNIT),
    row(np.arctan, along(lambda t, y, x: t / (1.0 + x * x))),
    row(np.sinh, lambda y, x: np.cosh(x)),
    row(np.cosh, lambda y, x: np.sinh(x)),
    row(np.tanh, lambda y, x: 1.0 - y * y),
    row(np.arcsinh, along(lambda t, y, x: t / np.hypot(x, 1.0))),
    row(np.arccosh, along(lambda t, y, x: t / np.sqrt((x - 1.0) * (x + 1.0))), inside=ABOVE_ONE),
    row(np.arctanh, along(lambda t, y, x: t / ((1.0 - x) * (1.0 + x))), inside=UNIT),
    row(np.arctan2, lambda y, a, b: b / (a * a + b * b), lambda y, a, b: -a / (a * a + b * b), inside=POSITIVE),
    row(np.hypot, along(lambda t, y, a, b: t * (a / y)), along(lambda t, y, a, b: t * (b / y)), inside=POSITIVE),
    row(np.logaddexp, lambda y, a, b: np.exp(a - y), lambda y, a, b: np.exp(b - y)),
    row(np.logaddexp2, lambda y, a, b: np.exp2(a - y), lambda y, a, b: np.exp2(b - y)),
    row(np.maximum, ties(np.greater), ties(np.less)),
    row(np.minimum, ties(np.less), ties(np.greater)),
    row(np.fmax, ties(np.greater), ties(np.less)),
    row(np.fmin, ties(np.less), ties(np.greater)),
    row(
        np.absolute,
        samples=COMPLEX,  # 0 at 0
        rule=Rule(jvp=_absolute_jvp, vjp=lambda g, y, x: g * _direction(y, x)),
    ),
    row(np.sign, samples=COMPLEX, rule=Rule(jvp=_sign_jvp)),
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


def sinc(x: Any) -> Any:
    """np.sinc: sin(pi x) / (pi x), and 1 at 0."""
    angle = np.pi * x
    safe = np.where(angle == 0, 1.0, angle)
    # 1 - angle^2/6 has the value and the first two derivatives of sinc at 0
    return np.where(angle == 0, 1.0 - angle * angle / 6.0, np.sin(safe) / safe)


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
    np.sinc: sinc,
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
