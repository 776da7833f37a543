"""Arrays made like others: constants in the shape of a traced array, ranges with traced ends, grids."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.extend import UNKNOWN, Tracer, current
from adcore_ops.join import stack
from adcore_ops.shape import broadcast_to, lifted, moveaxis, np_reshape
from adcore_ops.sized import integers


def counting(size: int) -> Any:
    """0, 1, ..., size - 1 as int64; recorded if there is a trace, so that no constant of that size is kept."""
    params = {"shape": (size,), "start": 0, "steps": (1,), "dtype": np.int64}
    trace = current()
    return integers(**params) if trace is None else trace.wrap(trace.record(integers, (), params)[0])


# --- like others ---------------------------------------------------------------------------------


def _shape(shape: Any) -> tuple[int, ...]:
    return tuple(map(operator.index, shape)) if isinstance(shape, tuple | list) else (operator.index(shape),)


def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, **_: Any
) -> Any:
    """np.full_like: a traced array that may be written to."""
    a = lifted(a)
    dtype = a.dtype if dtype is None else np.dtype(dtype)
    value = lifted(fill_value if isinstance(fill_value, Tracer) else np.asarray(fill_value).astype(dtype))
    value = value if value.dtype == dtype else value.astype(dtype)
    shape = a.shape if shape is None else _shape(shape)
    result = broadcast_to(value, shape=shape, rank=value.ndim)
    if a.layout is not None and result.ndim > 1 and order in "KA":
        result.layout = UNKNOWN
    return result


def _like(value: int) -> Callable[..., Any]:
    def like(a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, **_: Any) -> Any:
        return full_like(a, value, dtype, shape=shape)

    return like


def np_copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    """np.copy, which keeps the order of what is not C-contiguous."""
    result = a.copy()
    if a.layout is not None and a.ndim > 1 and order in "KA":
        result.layout = UNKNOWN
    return result


def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    """np.copyto into a traced array."""
    if not isinstance(dst, Tracer):
        dst[...] = src  # says why that cannot be
    dst[...] = src if where is True else np.where(where, src, dst)


# --- ranges --------------------------------------------------------------------------------------


def linspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, retstep: bool = False, dtype: Any = None,
    axis: int = 0, *, device: Any = None,
) -> Any:  # fmt: skip
    """np.linspace; linear in both ends."""
    num = operator.index(num)
    if num < 0:
        raise ValueError(f"Number of samples, {num}, must be non-negative.")
    a, b = lifted(start) * 1.0, lifted(stop) * 1.0
    parts = num - 1 if endpoint else num
    delta = b - a
    step = delta / parts if parts > 0 else delta * np.nan
    k = np_reshape(counting(num), (-1,) + (1,) * delta.ndim).astype(delta.dtype)
    y = (k * step if parts > 0 else k * delta) + a
    if endpoint and num > 1:  # the last is the end itself, not rounded
        y = np.where(k == num - 1, b, y)
    y = y if axis == 0 else moveaxis(y, 0, axis)
    y = y if dtype is None else np.floor(y).astype(dtype) if np.dtype(dtype).kind in "iu" else y.astype(dtype)
    return (y, step) if retstep else y


def logspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None, axis: int = 0
) -> Any:
    """np.logspace."""
    y = np.power(base, linspace(start, stop, num, endpoint, axis=axis))
    return y if dtype is None else y.astype(dtype)


def geomspace(start: Any, stop: Any, num: Any = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    """np.geomspace."""
    a, b = lifted(start), lifted(stop)
    wide = np.result_type(a.dtype, b.dtype, np.float64, np.dtype(dtype))
    a, b = a.astype(wide), b.astype(wide)
    turn = np.sign(a)
    y = np.power(10.0, linspace(np.log10(a / turn), np.log10(b / turn), num, endpoint)) * turn
    k = np_reshape(counting(operator.index(num)), (-1,) + (1,) * (y.ndim - 1))
    y = np.where(k == 0, a, y)
    if endpoint and num > 1:  # the ends are themselves, not rounded
        y = np.where(k == num - 1, b, y)
    y = y if axis == 0 else moveaxis(y, 0, axis)
    return y if dtype is None else y.astype(dtype)


# --- grids and triangles -------------------------------------------------------------------------


def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Any, ...]:
    """np.meshgrid."""
    if indexing not in ("xy", "ij"):
        raise ValueError("Valid values for `indexing` are 'xy' and 'ij'.")
    n = len(xi)
    grids = [np_reshape(x, (1,) * i + (-1,) + (1,) * (n - i - 1)) for i, x in enumerate(map(lifted, xi))]
    if indexing == "xy" and n > 1:
        grids = [np.swapaxes(g, 0, 1) for g in grids]
    return tuple(grids) if sparse else np.broadcast_arrays(*grids)


def ix_(*args: Any) -> tuple[Any, ...]:
    """np.ix_ of integers."""
    n = len(args)
    return tuple(np_reshape(x, (1,) * i + (-1,) + (1,) * (n - i - 1)) for i, x in enumerate(map(lifted, args)))


def vander(x: Any, N: Any = None, increasing: bool = False) -> Any:
    """np.vander: the powers of x, by products one after the other, as NumPy does them."""
    if x.ndim != 1:
        raise ValueError("x must be a one-dimensional array or sequence.")
    x = x.astype(np.promote_types(x.dtype, int))
    powers = [np.ones_like(x)]
    for _ in range((x.shape[0] if N is None else int(N)) - 1):
        powers.append(powers[-1] * x)
    if N == 0:
        return np.zeros_like(x, shape=(x.shape[0], 0))
    return stack(powers if increasing else powers[::-1], 1)


def triangle(m: int, n: int, k: int) -> Any:
    """A bool array of shape (m, n), true at and below diagonal k."""
    return np_reshape(counting(m), (m, 1)) + k >= counting(n)


def tril(m: Any, k: int = 0) -> Any:
    """np.tril."""
    keep = triangle(m.shape[max(-2, -m.ndim)], m.shape[-1], k)
    return np.where(keep, m, np.zeros((), m.dtype)[()])


def triu(m: Any, k: int = 0) -> Any:
    """np.triu."""
    keep = triangle(m.shape[max(-2, -m.ndim)], m.shape[-1], k - 1)
    return np.where(keep, np.zeros((), m.dtype)[()], m)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.full_like: full_like,
    np.zeros_like: _like(0),
    np.ones_like: _like(1),
    np.empty_like: _like(0),
    np.copy: np_copy,
    np.copyto: copyto,
    np.linspace: linspace,
    np.logspace: logspace,
    np.geomspace: geomspace,
    np.meshgrid: meshgrid,
    np.ix_: ix_,
    np.vander: vander,
    np.tril: tril,
    np.triu: triu,
}
