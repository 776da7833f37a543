"""Convolution over any number of axes, as one op that is closed under its transposes.

y[n, o, t] = sum over c, k of x'[n, c, t s + k q] w[o, c, k]

x' is x with p - 1 zeros between its elements and `low`, `high` zeros around them (fewer elements, if
negative); s strides, p and q dilations of x and w, all per axis. With L(n, d) = (n - 1) d + 1:

x_bar = conv(g, w flipped, o and c swapped;  strides p, dilations s and q, low (K-1) q - low)
w_bar = conv(x, g, n and c of both swapped;  strides q, dilations p and s, low as it was)

and `high` such that the sizes come out. The kernel is not flipped: it is a correlation, as in learning.
Source: Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning", section 4.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adcore.extend import INTS, Op, Sample, Type, multilinear, op

Ints = tuple[int, ...]


def reach(n: int, dilation: int) -> int:
    """Size of n elements with dilation - 1 gaps between them."""
    return (n - 1) * dilation + 1 if n else 0


def _out_sizes(size: Ints, kernel: Ints, p: dict[str, Ints]) -> Ints:
    found = []
    for i, (n, k) in enumerate(zip(size, kernel, strict=True)):
        room = reach(n, p["x_dilation"][i]) + p["low"][i] + p["high"][i] - reach(k, p["w_dilation"][i])
        if not k or room < 0:
            raise ValueError(f"a kernel of {k} elements does not fit axis {i} of {n}, padded by {p['low'][i]}")
        found.append(room // p["strides"][i] + 1)
    return tuple(found)


def _conv_infer(x: Type, w: Type, **p: Any) -> Type:
    d = len(p["strides"])
    if any(len(v) != d for v in p.values()) or any(
        n < 1 for k in ("strides", "x_dilation", "w_dilation") for n in p[k]
    ):
        raise ValueError("strides and dilations are positive, one per axis")
    if x.ndim < d + 2 or w.ndim < d + 2:
        raise ValueError(f"x (..., n, c, *{d} axes) and w (..., o, c, *{d} axes) are needed")
    at_x, at_w = x.ndim - d, w.ndim - d
    if x.shape[at_x - 1] != w.shape[at_w - 1]:
        raise ValueError(f"x has {x.shape[at_x - 1]} channels, w {w.shape[at_w - 1]}")
    lead = np.broadcast_shapes(x.shape[: at_x - 2], w.shape[: at_w - 2])
    sizes = _out_sizes(x.shape[at_x:], w.shape[at_w:], p)
    return Type(np.result_type(x.dtype, w.dtype), (*lead, x.shape[at_x - 2], w.shape[at_w - 2], *sizes))


# --- run -----------------------------------------------------------------------------------------


def _spread(x: Any, p: dict[str, Ints], dtype: Any) -> Any:
    """x with its gaps and its padding."""
    d = len(p["strides"])
    sizes = [
        reach(n, g) + a + b
        for n, g, a, b in zip(x.shape[x.ndim - d :], p["x_dilation"], p["low"], p["high"], strict=True)
    ]
    if not any(p["low"]) and not any(p["high"]) and all(gap == 1 for gap in p["x_dilation"]):
        return x
    wide = np.zeros((*x.shape[: x.ndim - d], *sizes), dtype)
    source: list[Any] = [Ellipsis]
    target: list[Any] = [Ellipsis]
    for n, size, gap, low in zip(x.shape[x.ndim - d :], sizes, p["x_dilation"], p["low"], strict=True):
        first = max(0, -(low // gap)) if low < 0 else 0  # the first element that lies inside
        last = min(n, (size - 1 - low) // gap + 1) if size else 0
        source.append(slice(first, max(first, last)))
        target.append(slice(low + first * gap, max(low + (last - 1) * gap + 1, 0) if last > first else 0, gap))
    if all(s.stop > s.start for s in source[1:]):
        wide[tuple(target)] = x[tuple(source)]
    return wide


def _window(at: Ints, count: Ints, step: Ints) -> tuple[Any, ...]:
    return (Ellipsis, *(slice(a, a + (n - 1) * s + 1 if n else a, s) for a, n, s in zip(at, count, step, strict=True)))


def _conv_run(x: Any, w: Any, **p: Any) -> Any:
    d = len(p["strides"])
    t = _conv_infer(Type(x.dtype, x.shape), Type(w.dtype, w.shape), **p)
    sizes, kernel = t.shape[t.ndim - d :], w.shape[w.ndim - d :]
    y = np.zeros(t.shape, t.dtype)
    if not y.size or not w.size:
        return y
    wide = _spread(x, p, t.dtype)
    flat_w = w.reshape(*w.shape[: w.ndim - d], -1)
    if math.prod(kernel) <= math.prod(sizes):  # one product of all places per element of the kernel
        flat_y = y.reshape(*t.shape[: t.ndim - d], -1)
        for i, k in enumerate(np.ndindex(*kernel)):
            start = tuple(a * q for a, q in zip(k, p["w_dilation"], strict=True))
            part = wide[_window(start, sizes, p["strides"])]
            flat_y += np.matmul(flat_w[..., None, :, :, i], part.reshape(*part.shape[: part.ndim - d], -1))
    else:  # one product with the whole kernel per place
        rows = np.swapaxes(flat_w.reshape(*flat_w.shape[:-2], -1), -1, -2)
        for place in np.ndindex(*sizes):
            start = tuple(a * s for a, s in zip(place, p["strides"], strict=True))
            part = wide[_window(start, kernel, p["w_dilation"])]
            y[(Ellipsis, *place)] = np.matmul(part.reshape(*part.shape[: part.ndim - d - 1], -1), rows)
    return y


# --- transposes ----------------------------------------------------------------------------------


def _swapped(x: Any, d: int) -> Any:
    """The two axes before the last d swapped."""
    return np.swapaxes(x, x.ndim - d - 2, x.ndim - d - 1)


def _x_bar(g: Any, x: Any, w: Any, **p: Any) -> Any:
    d = len(p["strides"])
    size, kernel, out = (v.shape[v.ndim - d :] for v in (x, w, g))
    low = tuple((k - 1) * q - a for k, q, a in zip(kernel, p["w_dilation"], p["low"], strict=True))
    high = tuple(
        (n - 1) * gap + reach(k, q) - reach(m, s) - a
        for n, gap, k, q, m, s, a in zip(
            size, p["x_dilation"], kernel, p["w_dilation"], out, p["strides"], low, strict=True
        )
    )
    turned = np.flip(_swapped(w, d), tuple(range(w.ndim - d, w.ndim)))
    return conv(
        g, turned, strides=p["x_dilation"], low=low, high=high, x_dilation=p["strides"], w_dilation=p["w_dilation"]
    )  # fmt: skip


def _w_bar(g: Any, x: Any, w: Any, **p: Any) -> Any:
    d = len(p["strides"])
    size, kernel, out = (v.shape[v.ndim - d :] for v in (x, w, g))
    high = tuple(
        (k - 1) * q + reach(m, s) - reach(n, gap) - a
        for n, gap, k, q, m, s, a in zip(
            size, p["x_dilation"], kernel, p["w_dilation"], out, p["strides"], p["low"], strict=True
        )
    )
    turned = conv(
        _swapped(x, d), _swapped(g, d), strides=p["w_dilation"], low=p["low"], high=high, x_dilation=p["x_dilation"],
        w_dilation=p["strides"],
    )  # fmt: skip
    return _swapped(turned, d)


def _batch(flags: tuple[bool, ...], size: int, node: Any, xs: list[Any]) -> Any:
    """A batch of x is more samples, a batch of w more outputs; a batch of both is one more leading axis."""
    (x, w), p, d = xs, node.params, len(node.params["strides"])
    cores = [v.type.ndim for v in node.inputs]
    if flags == (True, False) and cores[0] == d + 2:
        y = conv(np.reshape(x, (size * x.shape[1], *x.shape[2:])), w, **p)
        y = np.reshape(y, (*y.shape[: y.ndim - d - 2], size, x.shape[1], *y.shape[y.ndim - d - 1 :]))
        return np.moveaxis(y, y.ndim - d - 3, 0)
    if flags == (False, True) and cores[1] == d + 2:
        y = conv(x, np.reshape(w, (size * w.shape[1], *w.shape[2:])), **p)
        y = np.reshape(y, (*y.shape[: y.ndim - d - 1], size, w.shape[1], *y.shape[y.ndim - d :]))
        return np.moveaxis(y, y.ndim - d - 2, 0)
    lead = max(cores)
    wide = [
        np.reshape(v, (size, *(1,) * (lead - n), *v.shape[1:])) if flag else v
        for v, n, flag in zip(xs, cores, flags, strict=True)
    ]
    return conv(*wide, **p)


def _flops(types: tuple[Any, ...], params: dict[str, Any]) -> float:
    w, d = types[1], len(params["strides"])
    return 2.0 * _conv_infer(*types, **params).size * math.prod(w.shape[w.ndim - d - 1 :])


def _heap(types: tuple[Any, ...], params: dict[str, Any]) -> int:
    """x with its gaps and padding, one window of it, and one product of that."""
    (x, w), y, d = types, _conv_infer(*types, **params), len(params["strides"])
    lead, size, kernel = x.shape[: x.ndim - d], x.shape[x.ndim - d :], w.shape[w.ndim - d :]
    places = math.prod(y.shape[y.ndim - d :])
    wide = math.prod(
        reach(n, g) + a + b
        for n, g, a, b in zip(size, params["x_dilation"], params["low"], params["high"], strict=True)
    )
    spread = 0 if wide == math.prod(size) else wide
    by_element = math.prod(kernel) <= places
    window, product = (places, y.size) if by_element else (math.prod(kernel), y.size // max(places, 1))
    return y.dtype.itemsize * (math.prod(lead) * (spread + window) + product)


def _params(d: int, strides: int = 1, low: int = 0, high: int = 0, x: int = 1, w: int = 1) -> dict[str, Ints]:
    values = {"strides": strides, "low": low, "high": high, "x_dilation": x, "w_dilation": w}
    return {name: (value,) * d for name, value in values.items()}


@op(
    "core::conv", params=dict.fromkeys(("strides", "low", "high", "x_dilation", "w_dilation"), INTS),
    infer=_conv_infer, rule=multilinear(_x_bar, _w_bar, broadcasts=True), batch=_batch, flops=_flops, heap=_heap,
    samples=(
        Sample(((2, 3, 7), (5, 3, 2)), params=_params(1)),
        Sample(((1, 2, 7), (3, 2, 3)), params=_params(1, strides=2, low=2, high=1)),
        Sample(((2, 1, 5, 7), (3, 1, 2, 3)), params=_params(2, strides=2, low=1, high=2, w=2)),
        Sample(((1, 2, 3), (3, 2, 4)), params=_params(1, x=3, low=1, high=-1)),
        Sample(((7, 2, 1, 5), (3, 1, 3)), params=_params(1, low=-1)),
        Sample(((2, 5), (3, 5)), params=_params(0)),
        Sample(((1, 1, 2), (1, 1, 1)), params=_params(1, strides=2, high=1)),
        Sample(((1, 1, 5), (1, 1, 3)), params=_params(1, low=2, high=2), dtypes=("complex128", "float64")),
    ),
)  # fmt: skip
def conv(x: Any, w: Any, **params: Any) -> Any:
    """x: (..., n, c, *sizes) correlated with w: (..., o, c, *kernel): (..., n, o, *places); leading axes broadcast."""
    return _conv_run(x, w, **params)


OPS: list[Op] = [conv]
