"""Reductions over axes counted from the end; the axes go away. keepdims is a reshape after it.

any, all, argmax, argmin, and reductions of integers have no derivative.

max, min: y = x_k; the tangent is that of the chosen elements, shared equally at ties.
prod: the derivative in x_i is the product of the others, those before it times those after it. It is
exact where factors are zero, unlike y / x_i. Both halves are stated: neither needs the other's transposes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from adcore.extend import INTS, ZERO, Elements, Op, Rule, Sample, Type, linear, op_call, positions
from adcore_ops import rows
from adcore_ops.shape import axes_of, axis_of, broadcast_to, np_reshape, reshape

SAMPLES = (
    Sample(((2, 3),), params={"axes": (-1,)}),
    Sample(((2, 3, 5),), params={"axes": (-3, -1)}),
    Sample(((3,),), params={"axes": (-1,)}),
    Sample(((2, 3),), params={"axes": (-1,)}, dtypes=("complex128",)),
)
EMPTY = Sample(((2, 0, 3),), params={"axes": (-2,)})


def reduced(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape without these axes."""
    gone = {a + len(shape) for a in axes}
    if len(gone) != len(axes) or any(not 0 <= a < len(shape) for a in gone):
        raise ValueError(f"axes {axes} are not among its {len(shape)} axes, counted from the end")
    return tuple(n for i, n in enumerate(shape) if i not in gone)


def spread(g: Any, x: Any, axes: tuple[int, ...]) -> Any:
    """The transpose of a sum: g repeated along the axes that went away."""
    gone = {a + x.ndim for a in axes}
    kept = tuple(1 if i in gone else n for i, n in enumerate(x.shape))
    return broadcast_to(reshape(g, shape=kept, rank=g.ndim), shape=x.shape, rank=x.ndim)


def _nonempty(name: str, x: Type, axes: tuple[int, ...]) -> None:
    if any(x.shape[a] == 0 for a in axes):
        raise ValueError(f"{name} of no elements is not defined")


def reduction(name: str, ufunc: np.ufunc, rule: Rule, dtype: Callable[[Any], Any]) -> Op:
    """An op that is `ufunc.reduce`."""
    samples = SAMPLES if ufunc.identity is None else (*SAMPLES, EMPTY)

    def infer(x: Type, *, axes: tuple[int, ...]) -> Type:
        if ufunc.identity is None:
            _nonempty(name, x, axes)
        return Type(dtype(x.dtype), reduced(x.shape, axes))

    def run(x: Any, out: Any = None, *, axes: tuple[int, ...]) -> Any:
        return ufunc.reduce(x, axes, None, out)

    def kernel(node: Any, lower: Any) -> Any:
        axes, fold = node.params["axes"], ufunc.reduce
        t = node.inputs[0].type
        if ufunc is np.add and rows.is_few(t, axes):
            return rows.add_few
        if ufunc is np.add and rows.is_some(t, axes):
            return rows.adding([lower.buffer(part) for part in rows.parts(t)])
        return lambda x, out: fold(x, axes, None, out)

    return Op(
        f"core::{name}",
        run,
        infer,
        rule,
        {"axes": INTS},
        pattern="axes",
        batch="core",
        out=True,
        kernel=kernel,
        scratch=(lambda types, p: rows.scratch(types[0], p["axes"])) if ufunc is np.add else None,
        samples=samples,
        same_as=lambda types, p: 0 if not p["axes"] and dtype(types[0].dtype) == types[0].dtype else None,
        numbers=_sum_numbers if ufunc is np.add else None,
        doc=f"np.{ufunc.__name__}.reduce over axes counted from the end.",
    )


def _sum_numbers(xs: Sequence[Elements], types: Sequence[Type], p: Mapping[str, Any]) -> list[str] | None:
    (x,), (t,), axes = xs, types, p["axes"]
    terms = math.prod(t.shape[a] for a in axes)
    if t.dtype.char != "d" or not 0 < terms < 8:  # from 8 on NumPy adds in pairs
        return None
    kept = [i for i in range(t.ndim) if i - t.ndim not in axes]
    rows = np.transpose(positions(t), (*kept, *(a + t.ndim for a in sorted(axes))))
    rows = rows.reshape(math.prod(t.shape[i] for i in kept), terms).tolist()
    return ["0.0 + (" + " + ".join(x[k] for k in row) + ")" for row in rows]


def _sum_dtype(dtype: Any) -> Any:
    return np.add.reduce(np.empty(0, dtype)).dtype


def _same(dtype: Any) -> Any:
    return dtype


def _chosen_jvp(ts: Any, y: Any, x: Any, *, axes: tuple[int, ...]) -> Any:
    chosen = np.equal(x, spread(y, x, axes)).astype(x.dtype)
    return sum_(chosen * ts[0], axes=axes) / sum_(chosen, axes=axes)


def _others(x: Any, axes: tuple[int, ...]) -> Any:
    """For each element the product of all others along these axes: of those before it and those after it."""
    order = [i for i in range(x.ndim) if i - x.ndim not in axes] + [a + x.ndim for a in axes]
    rows = np.transpose(x, order)
    flat = np.reshape(rows, (*reduced(x.shape, axes), math.prod(x.shape[a] for a in axes)))
    one = np.ones_like(flat[..., :1])
    before, after = (op_call("core::cumprod")(v, axis=-1) for v in (flat, np.flip(flat, -1)))
    before, after = np.concatenate([one, before[..., :-1]], -1), np.concatenate([one, after[..., :-1]], -1)
    return np.transpose(np.reshape(before * np.flip(after, -1), rows.shape), np.argsort(order).tolist())


PROD = Rule(
    jvp=lambda ts, y, x, *, axes: sum_(_others(x, axes) * ts[0], axes=axes),
    vjp=lambda g, y, x, *, axes: spread(g, x, axes) * _others(x, axes),
)

sum_ = reduction("sum", np.add, linear(lambda g, x, *, axes: spread(g, x, axes)), _sum_dtype)
prod_ = reduction("prod", np.multiply, PROD, lambda d: np.multiply.reduce(np.empty(0, d)).dtype)
max_ = reduction("max", np.maximum, Rule(jvp=_chosen_jvp), _same)
min_ = reduction("min", np.minimum, Rule(jvp=_chosen_jvp), _same)
any_ = reduction("any", np.logical_or, ZERO, lambda d: np.dtype(bool))
all_ = reduction("all", np.logical_and, ZERO, lambda d: np.dtype(bool))


def _arg(name: str, function: Callable[..., Any]) -> Op:
    def run(x: Any, out: Any = None, *, axes: tuple[int, ...]) -> Any:
        return function(x, axes[0], out)

    def infer(x: Type, *, axes: tuple[int, ...]) -> Type:
        _nonempty(name, x, axes)
        return Type(np.dtype(np.intp), reduced(x.shape, axes))

    return Op(
        f"core::{name}",
        run,
        infer,
        ZERO,
        {"axes": INTS},
        pattern="axes",
        batch="core",
        out=True,
        samples=(SAMPLES[0],),
        doc=f"np.{name} along one axis counted from the end.",
    )


argmax_, argmin_ = _arg("argmax", np.argmax), _arg("argmin", np.argmin)

OPS = [sum_, prod_, max_, min_, any_, all_, argmax_, argmin_]


# --- NumPy functions made of these ---------------------------------------------------------------

NOTHING = getattr(np, "_NoValue", None)
"""What NumPy passes for an argument that was not given."""


def given(x: Any) -> bool:
    """True for an argument that was given."""
    return x is not NOTHING and x is not None


def keeping(result: Any, x: Any, axes: tuple[int, ...], keepdims: Any) -> Any:
    """The result of a reduction of x with axes of length 1 in place of those that went away, if asked."""
    if keepdims is NOTHING or not keepdims:
        return result
    gone = {a + x.ndim for a in axes}
    return np_reshape(result, tuple(1 if i in gone else n for i, n in enumerate(x.shape)))


def _reducer(fold: Op, neutral: Callable[[Any], Any] | None, combine: np.ufunc) -> Callable[..., Any]:
    """A function with the signature of np.sum. neutral: what elements that do not count are replaced by."""

    def function(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        keepdims: Any = NOTHING,
        initial: Any = NOTHING,
        where: Any = True,
    ) -> Any:
        x = a if dtype is None else a.astype(dtype)
        if where is not True and where is not NOTHING:
            if neutral is None and not given(initial):
                raise ValueError("reduction operation with where= needs initial=, it has no identity")
            x = np.where(where, x, initial if neutral is None else neutral(x.dtype))
        axes = axes_of(axis, x.ndim)
        y = keeping(fold(x, axes=axes), x, axes, keepdims)
        return combine(y, initial) if given(initial) else y

    return function


np_sum = _reducer(sum_, lambda d: np.zeros((), d)[()], np.add)
np_prod = _reducer(prod_, lambda d: np.ones((), d)[()], np.multiply)
np_max, np_min = _reducer(max_, None, np.maximum), _reducer(min_, None, np.minimum)
np_any = _reducer(any_, lambda d: False, np.logical_or)
np_all = _reducer(all_, lambda d: True, np.logical_and)


def _no_dtype(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same without the dtype argument, as np.max has it."""
    return lambda a, axis=None, out=None, keepdims=NOTHING, initial=NOTHING, where=True: function(
        a, axis, None, None, keepdims, initial, where
    )


def _without_initial(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same as np.any has it."""
    return lambda a, axis=None, out=None, keepdims=NOTHING, *, where=True: function(
        a, axis, None, None, keepdims, NOTHING, where
    )


def _from_ufunc(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same as ufunc.reduce has it: axis 0 by default."""
    return lambda a, axis=0, dtype=None, out=None, keepdims=False, initial=NOTHING, where=True: function(
        a, axis, dtype, None, keepdims, initial, where
    )


def logaddexp_reduce(
    a: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: Any = False,
    initial: Any = NOTHING, where: Any = True,
) -> Any:  # fmt: skip
    """np.logaddexp.reduce: log of the sum of exp, the largest term taken out."""
    x = a if where is True else np.where(where, a, -np.inf)
    top = np_max(x, axis, None, None, True)
    top = np.where(np.isfinite(top), top, 0.0)
    axes = axes_of(axis, x.ndim)
    y = np.log(np_sum(np.exp(x - top), axis)) + np.squeeze(top, tuple(i + x.ndim for i in axes))
    y = keeping(y, x, axes, keepdims)
    return np.logaddexp(y, initial) if given(initial) else y


def _arg_function(op: Op) -> Callable[..., Any]:
    def function(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = NOTHING) -> Any:
        if axis is None:
            y = op(np_reshape(a, -1), axes=(-1,))
            return np_reshape(y, (1,) * a.ndim) if given(keepdims) and keepdims else y
        at = axis_of(axis, a.ndim) - a.ndim
        return keeping(op(a, axes=(at,)), a, (at,), keepdims)

    return function


def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """np.count_nonzero."""
    return np_sum(a != 0, axis, None, None, keepdims)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sum: np_sum,
    np.prod: np_prod,
    np.max: _no_dtype(np_max),
    np.min: _no_dtype(np_min),
    np.any: _without_initial(np_any),
    np.all: _without_initial(np_all),
    np.argmax: _arg_function(argmax_),
    np.argmin: _arg_function(argmin_),
    np.count_nonzero: count_nonzero,
    np.amax: _no_dtype(np_max),
    np.amin: _no_dtype(np_min),
    (np.add, "reduce"): _from_ufunc(np_sum),
    (np.multiply, "reduce"): _from_ufunc(np_prod),
    (np.maximum, "reduce"): _from_ufunc(np_max),
    (np.minimum, "reduce"): _from_ufunc(np_min),
    (np.logical_or, "reduce"): _from_ufunc(np_any),
    (np.logical_and, "reduce"): _from_ufunc(np_all),
    (np.logaddexp, "reduce"): logaddexp_reduce,
}
