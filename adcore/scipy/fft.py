"""scipy.fft for traced arrays; see `adcore.scipy`. The options `overwrite_x`, `workers` and `plan` are ignored.

Cosine and sine transforms are real parts of Fourier transforms of the same length (types 2, 3), or of
the mirrored sequence (types 1, 4).
Source: Makhoul 1980, "A fast cosine transform in one and two dimensions", section II; DCT and DST as
defined in scipy.fft.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.errors import InputError
from adcore.scipy.theirs import array, theirs

__getattr__ = theirs("fft")

_SWAPPED = {None: "forward", "backward": "forward", "forward": "backward", "ortho": "ortho"}


def _one(name: str) -> Callable[..., Any]:
    transform = getattr(np.fft, name)

    def function(
        x: Any, n: int | None = None, axis: int = -1, norm: str | None = None, overwrite_x: bool = False,
        workers: int | None = None, *, plan: Any = None,
    ) -> Any:  # fmt: skip
        return transform(array(x), n, axis, norm)

    function.__name__, function.__doc__ = name, f"scipy.fft.{name} along one axis."
    return function


def _many(name: str, axes: Any) -> Callable[..., Any]:
    transform = getattr(np.fft, name)

    def function(
        x: Any, s: Any = None, axes: Any = axes, norm: str | None = None, overwrite_x: bool = False,
        workers: int | None = None, *, plan: Any = None,
    ) -> Any:  # fmt: skip
        x = array(x)
        if s is not None and axes is None:
            axes = tuple(range(-len(np.atleast_1d(s)), 0))
        return transform(x, s, axes, norm)

    function.__name__, function.__doc__ = name, f"scipy.fft.{name} over several axes."
    return function


fft, ifft, rfft, irfft, hfft, ihfft = map(_one, ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"))
fft2, ifft2, rfft2, irfft2 = (_many(name, (-2, -1)) for name in ("fft2", "ifft2", "rfft2", "irfft2"))
fftn, ifftn, rfftn, irfftn = (_many(name, None) for name in ("fftn", "ifftn", "rfftn", "irfftn"))


def hfftn(x: Any, s: Any = None, axes: Any = None, norm: str | None = None, **options: Any) -> Any:
    """The transform over several axes of a Hermitian signal, of which half is given along the last."""
    x = array(x)
    return irfftn(np.conjugate(x), s, axes, _SWAPPED[norm])


def ihfftn(x: Any, s: Any = None, axes: Any = None, norm: str | None = None, **options: Any) -> Any:
    """The inverse of `hfftn`."""
    return np.conjugate(rfftn(x, s, axes, _SWAPPED[norm]))


def fftshift(x: Any, axes: Any = None) -> Any:
    """Zero frequency moved to the middle."""
    return np.fft.fftshift(array(x), axes)


def ifftshift(x: Any, axes: Any = None) -> Any:
    """The inverse of `fftshift`."""
    return np.fft.ifftshift(array(x), axes)


# --- cosine and sine transforms ------------------------------------------------------------------


def _turned(n: int, quarter: float) -> Any:
    """exp(-i pi k / (quarter n)) for k = 0 ... n - 1."""
    return np.exp(-1j * math.pi * np.arange(n) / (quarter * n))


def _dct(x: Any, kind: int) -> Any:
    """The unnormalised cosine transform of that type along the last axis."""
    n = x.shape[-1]
    if kind == 1:
        return np.real(np.fft.rfft(np.concatenate([x, x[..., -2:0:-1]], axis=-1)))
    if kind == 2:
        folded = np.concatenate([x[..., ::2], x[..., 1::2][..., ::-1]], axis=-1)
        return 2.0 * np.real(np.fft.fft(folded) * _turned(n, 2.0))
    if kind == 3:  # n times the inverse of type 2, which is its transpose with the first element doubled
        weights = np.conjugate(_turned(n, 2.0))
        tail = np.concatenate([np.zeros_like(x[..., :1]), x[..., :0:-1]], axis=-1)
        folded = np.real(np.fft.ifft((x - 1j * tail) * weights)) * n
        half = (n + 1) // 2
        pairs = np.pad(folded[..., half:][..., ::-1], [(0, 0)] * (x.ndim - 1) + [(0, half - n // 2)])
        return np.reshape(np.stack([folded[..., :half], pairs], axis=-1), (*x.shape[:-1], 2 * half))[..., :n]
    wide = np.fft.fft(x * _turned(n, 2.0), 2 * n)[..., :n]
    return 2.0 * np.real(wide * np.exp(-1j * math.pi * (2 * np.arange(n) + 1) / (4 * n)))


def _dst(x: Any, kind: int) -> Any:
    """The unnormalised sine transform: a cosine transform with signs and order changed."""
    n = x.shape[-1]
    if kind == 1:
        zero = np.zeros_like(x[..., :1])
        return -np.imag(np.fft.rfft(np.concatenate([zero, x, zero, -x[..., ::-1]], axis=-1)))[..., 1 : n + 1]
    signs = 1.0 - 2.0 * (np.arange(n) % 2)
    if kind == 2:
        return _dct(x * signs, 2)[..., ::-1]
    if kind == 3:
        return _dct(x[..., ::-1], 3) * signs
    return _dct(x * signs, 4)[..., ::-1]


def _scale(kind: int, n: int, sine: bool) -> float:
    """What the transform of that type times its inverse's is: 2 (n - 1), 2 n or 2 (n + 1)."""
    return 2.0 * ((n + 1 if sine else n - 1) if kind == 1 else n)


_INVERSE = {1: 1, 2: 3, 3: 2, 4: 4}


def _transform(sine: bool, inverse: bool) -> Callable[..., Any]:
    raw = _dst if sine else _dct

    def function(
        x: Any, type: int = 2, n: int | None = None, axis: int = -1, norm: str | None = None, overwrite_x: bool = False,
        workers: int | None = None, orthogonalize: bool | None = None,
    ) -> Any:  # fmt: skip
        x = array(x)
        if type not in _INVERSE or x.dtype.kind == "c" or norm not in _SWAPPED:
            raise InputError(f"there is no real transform of type {type!r} and norm {norm!r} of {x.dtype.name}")
        x = np.moveaxis(x if x.dtype.kind == "f" else x.astype(np.float64), axis, -1)
        if n is not None and n != x.shape[-1]:
            x = x[..., :n] if n < x.shape[-1] else np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, n - x.shape[-1])])
        kind, dtype = _INVERSE[type] if inverse else type, x.dtype
        orthogonal = norm == "ortho" if orthogonalize is None else orthogonalize
        ends = _ends(kind, x.shape[-1], sine) if orthogonal else None
        y = raw(x if ends is None else x * ends[0], kind)
        y = y if ends is None else y * ends[1]
        total = _scale(kind, x.shape[-1], sine)
        whole = (norm == "forward") != (inverse and norm in (None, "backward", "forward"))
        factor = 1.0 / math.sqrt(total) if norm == "ortho" else 1.0 / total if whole else 1.0
        return np.moveaxis((y * factor).astype(dtype), -1, axis)

    name = ("i" if inverse else "") + ("dst" if sine else "dct")
    function.__name__, function.__doc__ = name, f"scipy.fft.{name} of real arrays, types 1 to 4."
    return function


def _ends(kind: int, n: int, sine: bool) -> tuple[Any, Any]:
    """Factors before and after that make the matrix of a transform orthogonal, up to its scale."""
    before, after = np.ones(n), np.ones(n)
    root = math.sqrt(2.0)
    if kind == 1 and not sine:
        before[[0, -1]], after[[0, -1]] = root, 1.0 / root
    edge = -1 if sine else 0
    if kind == 2:
        after[edge] = 1.0 / root
    if kind == 3:
        before[edge] = root
    return before, after


dct, idct = _transform(False, False), _transform(False, True)
dst, idst = _transform(True, False), _transform(True, True)
