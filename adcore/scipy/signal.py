"""scipy.signal's convolutions for traced arrays; see `adcore.scipy`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adcore.errors import InputError
from adcore.scipy.theirs import arrays, theirs
from adcore.trace import op_call

__getattr__ = theirs("signal")

_conv = op_call("core::conv")


def _lengths(mode: str, n: int, k: int) -> tuple[int, int]:
    """Zeros before and after n elements along which k elements move; negative: fewer places."""
    full = k - 1
    if mode == "full":
        return full, full
    if mode == "same":  # as many places as the first array has elements, in the middle
        before = full - (full // 2)
        return before, full - before
    if mode == "valid":
        return 0, 0
    raise InputError(f"mode is {mode!r}", instead='give "full", "valid" or "same"')


def _direct(a: Any, b: Any, mode: str) -> Any:
    """The convolution over all axes, as one op."""
    d = a.ndim
    if mode == "valid" and any(n < k for n, k in zip(a.shape, b.shape, strict=True)):
        if any(n > k for n, k in zip(a.shape, b.shape, strict=True)):
            raise ValueError("For 'valid' mode, one must be at least as large as the other in every dimension")
        a, b = b, a
    pads = [_lengths(mode, n, k) for n, k in zip(a.shape, b.shape, strict=True)]
    params = {"strides": (1,) * d, "low": tuple(p for p, _ in pads), "high": tuple(p for _, p in pads)}
    y = _conv(a[None, None], np.flip(b)[None, None], **params, x_dilation=(1,) * d, w_dilation=(1,) * d)
    return y[0, 0]


def _by_transforms(a: Any, b: Any, mode: str, axes: Sequence[int]) -> Any:
    """The convolution over some axes, by Fourier transforms."""
    if mode == "valid" and any(a.shape[i] < b.shape[i] for i in axes):
        a, b = b, a
    full = [a.shape[i] + b.shape[i] - 1 for i in axes]
    size = [_fast(n) for n in full]
    y: Any
    if "c" in (a.dtype.kind, b.dtype.kind):
        y = np.fft.ifftn(np.fft.fftn(a, size, axes) * np.fft.fftn(b, size, axes), size, axes)
    else:
        y = np.fft.irfftn(np.fft.rfftn(a, size, axes) * np.fft.rfftn(b, size, axes), size, axes)
    cut: list[Any] = [slice(None)] * y.ndim
    for i, n in zip(axes, full, strict=True):
        count = {"full": n, "same": a.shape[i], "valid": a.shape[i] - b.shape[i] + 1}[mode]
        start = (n - count) // 2
        cut[i] = slice(start, start + count)
    return y[tuple(cut)]


def _fast(n: int) -> int:
    """The next size whose factors are 2, 3 and 5."""
    while True:
        rest = n
        for p in (2, 3, 5):
            while rest % p == 0:
                rest //= p
        if rest == 1:
            return n
        n += 1


def _is_large(a: Any, b: Any) -> bool:
    """True where Fourier transforms take less work than all products."""
    full = math.prod(n + k - 1 for n, k in zip(a.shape, b.shape, strict=True))
    return bool(math.prod(a.shape) * math.prod(b.shape) > 40 * full * math.log2(max(full, 2)))


def convolve(
    in1: Any, in2: Any, mode: str = "full", method: str = "auto", *, axes: Any = None,
    dot_axes: tuple[Sequence[int], Sequence[int]] = ((), ()),
) -> Any:  # fmt: skip
    """The convolution of two arrays of as many axes.

    mode: "full", "valid" or "same" (the size of in1). method: "direct", "fft", or "auto", the quicker one.
    axes: pairs of axes to convolve, (of in1, of in2); dot_axes: pairs that are summed over. The others of
    in1, then those of in2, come first in the result, each with each.
    """
    a, b = arrays(in1, in2)
    if axes is not None or len(dot_axes[0]):
        return _paired(a, b, mode, axes, dot_axes)
    if a.ndim != b.ndim:
        raise ValueError("volume and kernel should have the same dimensionality")
    if not a.ndim:
        return a * b
    inexact = "f" in (a.dtype.kind, b.dtype.kind) or "c" in (a.dtype.kind, b.dtype.kind)
    if method == "fft" or (method == "auto" and inexact and _is_large(a, b)):
        return _by_transforms(a, b, mode, range(a.ndim))
    return _direct(a, b, mode)


def _paired(a: Any, b: Any, mode: str, axes: Any, dot_axes: Any) -> Any:
    """One convolution with channels: summed axes are channels, the others samples of a and outputs of b."""
    along = tuple([i % x.ndim for i in pair] for pair, x in zip(axes, (a, b), strict=True))
    summed = tuple([i % x.ndim for i in pair] for pair, x in zip(dot_axes, (a, b), strict=True))
    rest = tuple([i for i in range(x.ndim) if i not in (*along[j], *summed[j])] for j, x in enumerate((a, b)))
    shapes = [[x.shape[i] for i in group] for group, x in ((rest[0], a), (rest[1], b))]
    flat = []
    for j, x in enumerate((a, b)):
        order = [*rest[j], *summed[j], *along[j]]
        sizes = [math.prod(x.shape[i] for i in group) for group in (rest[j], summed[j])]
        flat.append(np.reshape(np.transpose(x, order), (*sizes, *(x.shape[i] for i in along[j]))))
    x, w = flat
    d = len(along[0])
    spaces = list(zip(x.shape[2:], w.shape[2:], strict=True))
    if mode == "valid" and any(n < k for n, k in spaces):
        y = np.moveaxis(_with_channels(w, x, mode, d), 0, 1)
    else:
        y = _with_channels(x, w, mode, d)
    return np.reshape(y, (*shapes[0], *shapes[1], *y.shape[2:]))


def _with_channels(x: Any, w: Any, mode: str, d: int) -> Any:
    pads = [_lengths(mode, n, k) for n, k in zip(x.shape[2:], w.shape[2:], strict=True)]
    turned = np.flip(w, tuple(range(2, 2 + d))) if d else w
    params = {"strides": (1,) * d, "low": tuple(p for p, _ in pads), "high": tuple(p for _, p in pads)}
    return _conv(x, turned, **params, x_dilation=(1,) * d, w_dilation=(1,) * d)


def correlate(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
    """The correlation of two arrays: the convolution with the second turned round and conjugated."""
    a, b = arrays(in1, in2)
    if mode == "valid" and any(n < k for n, k in zip(a.shape, b.shape, strict=True)):
        return np.flip(_conj(correlate(b, a, mode, method)))
    return convolve(a, np.flip(_conj(b)), mode, method)


def _conj(x: Any) -> Any:
    return np.conjugate(x) if x.dtype.kind == "c" else x


def fftconvolve(in1: Any, in2: Any, mode: str = "full", axes: Any = None) -> Any:
    """The convolution over some axes (all, if None) by Fourier transforms; other axes broadcast."""
    a, b = arrays(in1, in2)
    chosen = range(a.ndim) if axes is None else [i % a.ndim for i in np.atleast_1d(axes).tolist()]
    return _by_transforms(a, b, mode, list(chosen))


def _in_two_axes(function: Callable[..., Any], centre: int) -> Callable[..., Any]:
    """centre: added to the size of the kernel, half of that is where "same" starts."""

    def two(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0) -> Any:
        a, b = arrays(in1, in2)
        if a.ndim != 2 or b.ndim != 2:
            raise ValueError(f"{function.__name__}2d inputs must both be 2-D arrays")
        if mode == "valid":
            return function(a, b, mode, "direct")
        kinds: Any = {"fill": "constant", "wrap": "wrap", "symm": "symmetric"}
        more: Any = {"constant_values": fillvalue} if boundary == "fill" else {}
        wide = np.pad(a, [(k - 1, k - 1) for k in b.shape], mode=kinds[boundary], **more)
        y = function(wide, b, "valid", "direct")
        if mode == "full":
            return y
        start = [(k + centre) // 2 for k in b.shape]
        return y[tuple(slice(i, i + n) for i, n in zip(start, a.shape, strict=True))]

    two.__name__ = f"{function.__name__}2d"
    two.__doc__ = f"{function.__name__} of two matrices, whose surroundings are filled, wrapped or mirrored."
    return two


convolve2d, correlate2d = _in_two_axes(convolve, -1), _in_two_axes(correlate, 0)
