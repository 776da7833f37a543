"""Numbers taken apart and put together: dtype, real and imaginary part, angle, mantissa and exponent.

Under the pairing Re sum(g * t) with real g: Re(g Re t) = Re(g t), and Re(g Im t) = Re(-i g t).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.extend import DTYPE, UNKNOWN, Op, Rule, Sample, Type, along, elementwise, linear, op, ufunc_infer
from adcore_ops.join import np_concatenate
from adcore_ops.shape import axis_of, read_only


@op(
    "core::convert",
    params={"dtype": DTYPE},
    infer=lambda x, *, dtype: Type(dtype, x.shape),
    # where a real x was made complex, only the real part of g pairs with a real tangent
    rule=linear(lambda g, x, *, dtype: convert(g if x.dtype.kind == "c" else np.real(g), dtype=x.dtype)),
    elementwise=True,
    out=True,
    same_as=lambda types, params: 0 if types[0].dtype == params["dtype"] else None,
    samples=(
        Sample(((2, 3),), params={"dtype": "float64"}),
        Sample(((2, 3),), params={"dtype": "complex128"}),
        Sample(((2, 3),), params={"dtype": "int64"}, smooth=False),
    ),
)
def convert(x: Any, out: Any = None, *, dtype: Any) -> Any:
    """The same numbers in another dtype."""
    if out is None:
        return np.asarray(x).astype(dtype)
    np.copyto(out, x, casting="unsafe")
    return out


def _real_type(x: Type) -> Type:
    return Type(np.empty(0, x.dtype).real.dtype, x.shape)


def _part(name: str, part: Callable[[Any], Any], rule: Rule) -> Op:
    def run(x: Any, out: Any = None) -> Any:
        if out is None:
            return np.array(part(x), order="C")
        np.copyto(out, part(x))
        return out

    return Op(
        f"core::{name}",
        run,
        _real_type,
        rule,
        elementwise=True,
        out=True,
        same_as=(lambda types, params: 0 if types[0].dtype.kind != "c" else None) if name == "real" else None,
        samples=(Sample(((2, 3),), dtypes=("complex128",)),),
        doc=f"np.{name}, elementwise.",
    )


real = _part("real", np.real, Rule(jvp=lambda ts, y, x: np.real(ts[0]), vjp=lambda g, y, x: g))
imag = _part("imag", np.imag, Rule(jvp=lambda ts, y, x: np.imag(ts[0]), vjp=lambda g, y, x: g * -1j))

ldexp = Op(
    "core::ldexp",
    np.ldexp,
    ufunc_infer(np.ldexp),
    elementwise(along(lambda t, y, a, b: np.ldexp(t, b)), None),
    elementwise=True,
    out=True,
    numpy=(np.ldexp,),
    samples=(Sample(((2, 3), (3,)), ((-2.0, 2.0), (-3.0, 4.0)), dtypes=("float64", "int64")),),
    doc="np.ldexp: a * 2**b, elementwise.",
)
frexp = Op(
    "core::frexp",
    np.frexp,
    ufunc_infer(np.frexp),
    Rule(jvp=lambda ts, y, x: (np.ldexp(ts[0], -y[1]), None)),
    elementwise=True,
    out=True,
    numpy=(np.frexp,),
    samples=(Sample(((2, 3),)),),
    doc="np.frexp: x = m * 2**e, elementwise.",
)
modf = Op(
    "core::modf",
    np.modf,
    ufunc_infer(np.modf),
    Rule(jvp=lambda ts, y, x: (ts[0], None)),
    elementwise=True,
    out=True,
    numpy=(np.modf,),
    samples=(Sample(((2, 3),)),),
    doc="np.modf: the fractional and the integral part, elementwise.",
)

OPS = [convert, real, imag, ldexp, frexp, modf]


# --- NumPy functions made of these ---------------------------------------------------------------


def np_real(val: Any) -> Any:
    """np.real; of complex numbers a view that cannot be written to."""
    return val.tied(real(val), real, read_only, UNKNOWN) if val.dtype.kind == "c" else val


def np_imag(val: Any) -> Any:
    """np.imag; of complex numbers a view that cannot be written to."""
    return val.tied(imag(val), imag, read_only, UNKNOWN) if val.dtype.kind == "c" else np.zeros_like(val)


def angle(z: Any, deg: bool = False) -> Any:
    """np.angle."""
    y = np.arctan2(np_imag(z), np_real(z))
    return y * (180.0 / np.pi) if deg else y


def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: float = 2 * np.pi) -> Any:
    """np.unwrap: jumps of more than half a period taken out; what is added has derivative 0."""
    at = axis_of(axis, p.ndim)
    jump = np.diff(p, axis=at)
    half = period / 2
    small = np.mod(jump + half, period) - half
    small = np.where((small == -half) & (jump > 0), half, small)
    correction = np.where(np.abs(jump) < (half if discont is None else discont), 0.0, small - jump)
    first, rest = (slice(None),) * at + (slice(1),), (slice(None),) * at + (slice(1, None),)
    return np_concatenate([p[first], p[rest] + np.cumsum(correction, axis=at)], at)


def round_(a: Any, decimals: int = 0, out: Any = None) -> Any:
    """np.round."""
    if decimals == 0 or a.dtype.kind in "iub":
        return np.rint(a) if a.dtype.kind in "fc" else a.copy()
    scale = 10.0 ** abs(decimals)
    return np.rint(a * scale) / scale if decimals > 0 else np.rint(a / scale) * scale


def divmod_(x1: Any, x2: Any) -> tuple[Any, Any]:
    """np.divmod."""
    return np.floor_divide(x1, x2), np.remainder(x1, x2)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.real: np_real,
    np.imag: np_imag,
    np.angle: angle,
    np.unwrap: unwrap,
    np.round: round_,
    np.around: round_,
    np.divmod: divmod_,
    np.fix: lambda x, out=None: np.trunc(x),
    np.iscomplexobj: lambda x: x.dtype.kind == "c",
    np.isrealobj: lambda x: x.dtype.kind != "c",
    np.iscomplex: lambda x: np_imag(x) != 0,
    np.isreal: lambda x: np_imag(x) == 0,
}
if hasattr(np, "astype"):  # NumPy 2.1
    FUNCTIONS[np.astype] = lambda x, dtype, /, *, copy=True, device=None: x.astype(dtype)
