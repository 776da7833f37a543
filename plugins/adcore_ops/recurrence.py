"""Linear recurrences along the last axis, and the running product, whose derivatives they are.

    recurrence(a, b):  y[k] = a[k] y[k-1] + b[k],  y[-1] = 0            (with `reverse` from the last k down)
        y_dot = recurrence(a, a_dot y[k-1] + b_dot)
        b_bar[k] = y_bar[k] + a[k+1] b_bar[k+1],  a_bar[k] = b_bar[k] y[k-1]
    cumprod(x):        y[k] = x[k] y[k-1],  y[-1] = 1
        y_dot = recurrence(x, x_dot y[k-1]),  exact where factors are zero, unlike y sum(x_dot / x)

Source: Griewank and Walther 2008, "Evaluating Derivatives", section 12.1 (evolutions and their adjoints).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adcore.extend import BOOL, INT, Rule, Sample, Type, op

STEPS = 512
"""Steps done at a time as Python's own numbers, each of which takes four times the bytes of an element."""


def before(y: Any, first: float, reverse: bool = False) -> Any:
    """The elements of the step before: y shifted by one along the last axis."""
    edge = np.full_like(y[..., :1], first)
    return np.concatenate([y[..., 1:], edge] if reverse else [edge, y[..., :-1]], -1)


def _infer(a: Type, b: Type, *, reverse: bool) -> Type:
    if a != b or not a.ndim or a.dtype.kind not in "fc":
        raise TypeError("two arrays of floats of one type, with at least one axis, are needed")
    return a


def _jvp(ts: Any, y: Any, a: Any, b: Any, *, reverse: bool) -> Any:
    return recurrence(a, ts[0] * before(y, 0.0, reverse) + ts[1], reverse=reverse)


def _vjp(g: Any, y: Any, a: Any, b: Any, *, reverse: bool) -> Any:
    b_bar = recurrence(before(a, 0.0, not reverse), g, reverse=not reverse)
    return b_bar * before(y, 0.0, reverse), b_bar


@op(
    "core::recurrence",
    params={"reverse": BOOL},
    infer=_infer,
    rule=Rule(jvp=_jvp, vjp=_vjp),
    batch="core",
    out=True,
    samples=(
        Sample(((5,), (5,)), params={"reverse": False}),
        Sample(((2, 3, 5), (2, 3, 5)), params={"reverse": True}),
        Sample(((3, 5), (3, 5)), params={"reverse": False}, dtypes=("complex128", "complex128")),
        Sample(((2, 0), (2, 0)), params={"reverse": False}),
    ),
)
def recurrence(a: Any, b: Any, out: Any = None, *, reverse: bool) -> Any:
    """y[k] = a[k] y[k-1] + b[k] along the last axis, from 0; with `reverse` from the last k down."""
    out = np.empty(a.shape, a.dtype) if out is None else out
    if not a.size:
        return out
    if a.size == a.shape[-1] and a.dtype.kind == "f":  # NumPy rounds products of complex arrays otherwise
        _one_lane(*(v.reshape(v.size)[:: -1 if reverse else 1] for v in (a, b, out)))
        return out
    total = np.zeros(a.shape[:-1], a.dtype)
    for k in range(a.shape[-1])[:: -1 if reverse else 1]:
        np.multiply(a[..., k], total, total)
        np.add(total, b[..., k], total)
        out[..., k] = total
    return out


def _one_lane(a: Any, b: Any, y: Any) -> None:
    """The same for arrays with one axis; as Python's own numbers where these are as precise."""
    same = a.dtype == np.float64
    total: Any = 0.0 if same else a.dtype.type(0)
    for start in range(0, a.size, STEPS):
        part = slice(start, start + STEPS)
        found = []
        for p, q in zip(*(v[part].tolist() if same else v[part] for v in (a, b)), strict=True):
            total = p * total + q
            found.append(total)
        y[part] = found


# --- the running product -------------------------------------------------------------------------


def _product_infer(x: Type, *, axis: int) -> Type:
    if not -x.ndim <= axis < 0:
        raise ValueError(f"axis {axis} is not one of its {x.ndim} axes, counted from the end")
    return Type(np.multiply.accumulate(np.empty(0, x.dtype)).dtype, x.shape)


def _product_jvp(ts: Any, y: Any, x: Any, *, axis: int) -> Any:
    x, t, y = (np.moveaxis(v, axis, -1) for v in (x, ts[0], y))
    return np.moveaxis(recurrence(x, t * before(y, 1.0), reverse=False), -1, axis)


def _product_vjp(g: Any, y: Any, x: Any, *, axis: int) -> Any:
    x, g, y = (np.moveaxis(v, axis, -1) for v in (x, g, y))
    down = recurrence(before(x, 0.0, reverse=True), g, reverse=True)
    return np.moveaxis(down * before(y, 1.0), -1, axis)


@op(
    "core::cumprod",
    pattern="axis",
    params={"axis": INT},
    infer=_product_infer,
    rule=Rule(jvp=_product_jvp, vjp=_product_vjp),
    batch="core",
    out=True,
    samples=(
        Sample(((5,),), params={"axis": -1}),
        Sample(((2, 3, 5),), params={"axis": -2}),
        Sample(((2, 0),), params={"axis": -1}),
        Sample(((2, 3),), params={"axis": -1}, dtypes=("complex128",)),
    ),
)
def cumprod(x: Any, out: Any = None, *, axis: int) -> Any:
    """Products of the elements so far."""
    return np.multiply.accumulate(x, axis, None, out)


OPS = [recurrence, cumprod]
