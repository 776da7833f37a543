"""Fourier transforms: the functions of numpy.fft, each made of one of three linear ops and of pads and slices.

fft:    y = s F x, with F_jk = exp(-+ 2 pi i j k / n) symmetric: its transpose, without conjugate, is itself.
rfft:   the first n // 2 + 1 elements of the fft of a real x:  x_bar = irfft(conj(g) / c), scaled alike.
irfft:  y_j = s sum_k c_k Re(x_k exp(2 pi i j k / n)), c_k = 1 at the ends, else 2:  x_bar = c conj(rfft(g)).
s is 1, n^-1/2 or 1/n, as `norm` says; the scaling of a transform and of its inverse are swapped
between "backward" and "forward".
Source: Briggs and Henson 1995, "The DFT: an owner's manual", sections 2.2 and 4.2 (real transforms).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adcore.extend import BOOL, INT, INTS, SIZE, STR, Op, Sample, Type, linear, op
from adcore_ops.join import roll
from adcore_ops.shape import axes_of, axis_of

OTHER = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


def _complex(dtype: Any) -> Any:
    """The dtype of a transform: single precision stays single."""
    if dtype.kind in "biu":
        return np.dtype(np.complex128)
    return np.result_type(dtype, np.complex64)


def _norm(norm: str | None) -> str:
    if norm is None:
        return "backward"
    if norm not in OTHER:
        raise ValueError(f'Invalid norm value {norm}; should be "backward", "ortho" or "forward".')
    return norm


# --- the ops -------------------------------------------------------------------------------------


def _fft_infer(x: Type, *, axes: tuple[int, ...], inverse: bool, norm: str) -> Type:
    if any(not -x.ndim <= a < 0 or x.shape[a] < 1 for a in axes) or len(set(axes)) != len(axes):
        raise ValueError(f"axes {axes} are not different axes of it, counted from the end, with elements")
    return Type(_complex(x.dtype), x.shape)


@op(
    "fft::fft", params={"axes": INTS, "inverse": BOOL, "norm": STR}, infer=_fft_infer, batch="core", out=True,
    rule=linear(lambda g, x, **params: fft(g, **params)),
    heap=lambda types, p: 0 if types[0].dtype.kind == "c" or not p["axes"] else _fft_infer(*types, **p).nbytes,
    flops=lambda types, p: 5.0 * types[0].size * sum(np.log2(max(types[0].shape[a], 1)) for a in p["axes"]),
    samples=(
        Sample(((2, 5),), params={"axes": (-1,), "inverse": False, "norm": "backward"}),
        Sample(((2, 3, 5),), params={"axes": (-3, -1), "inverse": True, "norm": "ortho"}, dtypes=("complex128",)),
        Sample(((7, 1),), params={"axes": (-2, -1), "inverse": True, "norm": "forward"}, dtypes=("complex128",)),
        Sample(((7,),), params={"axes": (), "inverse": False, "norm": "ortho"}),
    ),
)  # fmt: skip
def fft(x: Any, out: Any = None, *, axes: tuple[int, ...], inverse: bool, norm: str) -> Any:
    """The transform, or its inverse, over these axes, counted from the end."""
    x = x if x.dtype.kind in "fc" else x.astype(np.float64)
    if not axes:
        y = np.empty(x.shape, _complex(x.dtype)) if out is None else out
        np.copyto(y, x)
        return y
    transform = np.fft.ifftn if inverse else np.fft.fftn
    return np.ascontiguousarray(transform(x, axes=axes, norm=norm, out=out))


def _real_axis(x: Type, axis: int) -> int:
    if not -x.ndim <= axis < 0 or x.shape[axis] < 1:
        raise ValueError(f"axis {axis} is not one of its axes, counted from the end, with elements")
    return x.ndim + axis


def _weights(n: int, axis: int, dtype: Any) -> Any:
    """c_k along that axis: how often element k of a half stands in the whole of n."""
    c = np.full(n // 2 + 1, 2, np.empty(0, dtype).real.dtype)
    c[0] = 1
    if n % 2 == 0:
        c[-1] = 1
    return c.reshape(-1, *(1,) * (-axis - 1))


def _rfft_infer(x: Type, *, axis: int, norm: str) -> Type:
    if x.dtype.kind == "c":
        raise TypeError("a real array is needed; use fft")
    i = _real_axis(x, axis)
    return Type(_complex(x.dtype), (*x.shape[:i], x.shape[i] // 2 + 1, *x.shape[i + 1 :]))


def _rfft_transpose(g: Any, x: Any, *, axis: int, norm: str) -> Any:
    n = x.shape[axis]
    return irfft(np.conjugate(g) / _weights(n, axis, g.dtype), axis=axis, n=n, norm=OTHER[norm])


@op(
    "fft::rfft", params={"axis": INT, "norm": STR}, infer=_rfft_infer, batch="core", rule=linear(_rfft_transpose),
    samples=(
        Sample(((3, 5),), params={"axis": -1, "norm": "backward"}),
        Sample(((6, 2),), params={"axis": -2, "norm": "ortho"}),
        Sample(((1,),), params={"axis": -1, "norm": "forward"}),
    ),
)  # fmt: skip
def rfft(x: Any, *, axis: int, norm: str) -> Any:
    """The first n // 2 + 1 elements of the transform of a real array along an axis counted from the end."""
    x = x if x.dtype.kind == "f" else x.astype(np.float64)
    return np.ascontiguousarray(np.fft.rfft(x, axis=axis, norm=norm))


def _irfft_infer(x: Type, *, axis: int, n: int, norm: str) -> Type:
    i = _real_axis(x, axis)
    if x.shape[i] != n // 2 + 1:
        raise ValueError(f"the half of {n} elements has {n // 2 + 1}, not {x.shape[i]}")
    return Type(np.empty(0, _complex(x.dtype)).real.dtype, (*x.shape[:i], n, *x.shape[i + 1 :]))


def _irfft_transpose(g: Any, x: Any, *, axis: int, n: int, norm: str) -> Any:
    half = rfft(g, axis=axis, norm=OTHER[norm])
    return np.conjugate(half) * _weights(n, axis, half.dtype)


@op(
    "fft::irfft", params={"axis": INT, "n": SIZE, "norm": STR}, infer=_irfft_infer, batch="core",
    rule=linear(_irfft_transpose),
    samples=(
        Sample(((2, 3),), params={"axis": -1, "n": 5, "norm": "backward"}, dtypes=("complex128",)),
        Sample(((2, 3),), params={"axis": -1, "n": 4, "norm": "ortho"}, dtypes=("complex128",)),
        Sample(((3, 2),), params={"axis": -2, "n": 5, "norm": "forward"}),
    ),
)  # fmt: skip
def irfft(x: Any, *, axis: int, n: int, norm: str) -> Any:
    """The n real elements of which x holds half the transform, along an axis counted from the end."""
    return np.ascontiguousarray(np.fft.irfft(x.astype(_complex(x.dtype), copy=False), n, axis=axis, norm=norm))


OPS: list[Op] = [fft, rfft, irfft]


# --- NumPy functions made of these ---------------------------------------------------------------


def _sized(x: Any, n: int | None, axis: int) -> Any:
    """The first n elements along an axis, zeros after the end."""
    have = x.shape[axis]
    if n is None or n == have:
        return x
    if n < 1:
        raise ValueError(f"Invalid number of FFT data points ({n}) specified.")
    if n < have:
        return x[(slice(None),) * axis_of(axis, x.ndim) + (slice(n),)]
    widths = [(0, 0)] * x.ndim
    widths[axis] = (0, n - have)
    return np.pad(x, widths)


def _one(inverse: bool) -> Callable[..., Any]:
    def function(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
        axis = axis_of(axis, a.ndim) - a.ndim
        return fft(_sized(a, _size(n), axis), axes=(axis,), inverse=inverse, norm=_norm(norm))

    return function


def _size(n: Any) -> int | None:
    return None if n is None else operator.index(n)


def np_rfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    """np.fft.rfft."""
    axis = axis_of(axis, a.ndim) - a.ndim
    return rfft(_sized(a, _size(n), axis), axis=axis, norm=_norm(norm))


def np_irfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    """np.fft.irfft."""
    axis = axis_of(axis, a.ndim) - a.ndim
    n = (a.shape[axis] - 1) * 2 if n is None else operator.index(n)
    if n < 1:
        raise ValueError(f"Invalid number of FFT data points ({n}) specified.")
    return irfft(_sized(a, n // 2 + 1, axis), axis=axis, n=n, norm=_norm(norm))


def hfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    """np.fft.hfft: of a Hermitian signal, of which the first half is given."""
    return np_irfft(np.conjugate(a), n, axis, OTHER[_norm(norm)])


def ihfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    """np.fft.ihfft."""
    return np.conjugate(np_rfft(a, n, axis, OTHER[_norm(norm)]))


def _sizes_and_axes(x: Any, s: Any, axes: Any) -> tuple[list[Any], list[int]]:
    """One size (or None) and one axis per transform, in NumPy's order."""
    if axes is None:
        count = x.ndim if s is None else len(s)
        axes = range(-count, 0)
    axes = [axis_of(a, x.ndim) - x.ndim for a in axes]
    sizes = [None] * len(axes) if s is None else [None if n in (-1, None) else operator.index(n) for n in s]
    if len(sizes) != len(axes):
        raise ValueError("Shape and axes have different lengths.")
    return sizes, axes


def _many(x: Any, sizes: Sequence[Any], axes: Sequence[int], inverse: bool, norm: str) -> Any:
    """The transform over several axes: one op, or one after the other where an axis is named again."""
    if len(set(axes)) == len(axes):
        for n, axis in zip(sizes, axes, strict=True):
            x = _sized(x, n, axis)
        return fft(x, axes=tuple(axes), inverse=inverse, norm=norm)
    for n, axis in zip(reversed(sizes), reversed(axes), strict=True):
        x = fft(_sized(x, n, axis), axes=(axis,), inverse=inverse, norm=norm)
    return x


def _all(inverse: bool, default: Any) -> Callable[..., Any]:
    def function(a: Any, s: Any = None, axes: Any = default, norm: Any = None, out: Any = None) -> Any:
        return _many(a, *_sizes_and_axes(a, s, axes), inverse, _norm(norm))

    return function


def _all_real(default: Any) -> Callable[..., Any]:
    def function(a: Any, s: Any = None, axes: Any = default, norm: Any = None, out: Any = None) -> Any:
        sizes, axes = _sizes_and_axes(a, s, axes)
        half = np_rfft(a, sizes[-1], axes[-1], norm)
        return _many(half, sizes[:-1], axes[:-1], False, _norm(norm)) if axes[:-1] else half

    return function


def _all_inverse_real(default: Any) -> Callable[..., Any]:
    def function(a: Any, s: Any = None, axes: Any = default, norm: Any = None, out: Any = None) -> Any:
        sizes, axes = _sizes_and_axes(a, s, axes)
        half = _many(a, sizes[:-1], axes[:-1], True, _norm(norm)) if axes[:-1] else a
        return np_irfft(half, sizes[-1], axes[-1], norm)

    return function


def _shift(forward: bool) -> Callable[..., Any]:
    def function(x: Any, axes: Any = None) -> Any:
        axes = tuple(a + x.ndim for a in axes_of(axes, x.ndim))
        half = [x.shape[a] // 2 for a in axes]
        return roll(x, half if forward else [-n for n in half], axes)

    return function


LAST_TWO = (-2, -1)

FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.fft.fft: _one(False),
    np.fft.ifft: _one(True),
    np.fft.rfft: np_rfft,
    np.fft.irfft: np_irfft,
    np.fft.hfft: hfft,
    np.fft.ihfft: ihfft,
    np.fft.fftn: _all(False, None),
    np.fft.ifftn: _all(True, None),
    np.fft.fft2: _all(False, LAST_TWO),
    np.fft.ifft2: _all(True, LAST_TWO),
    np.fft.rfftn: _all_real(None),
    np.fft.irfftn: _all_inverse_real(None),
    np.fft.rfft2: _all_real(LAST_TWO),
    np.fft.irfft2: _all_inverse_real(LAST_TWO),
    np.fft.fftshift: _shift(True),
    np.fft.ifftshift: _shift(False),
}
