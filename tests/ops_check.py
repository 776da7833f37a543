"""One check for one NumPy expression: values, both modes, second order, batches, complex, single precision.

A Case is a function of float arrays and the arrays. `check` holds it to
  value      NumPy's own, with its dtype and shape
  jvp        Richardson-extrapolated differences along one random direction
  vjp        <y_bar, J x_dot> = <J^T y_bar, x_dot>, tightly
  second     differences of the vjp along a direction
  batch      a loop over three cases, all arguments batched, and each alone
  complex    the same jvp and vjp at complex arguments, if `complex` is set
  single     float32 where NumPy has float32
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from oracle import directional

import adcore as ad
from adcore.vector import vmap

LANES = 3


@dataclass(frozen=True)
class Case:
    """A function and its float arguments, by shape or as arrays.

    positive: drawn in (0.3, 2). order: derivatives that exist. complex: also at complex arguments.
    exact: the value has NumPy's very bits.
    """

    name: str
    f: Callable[..., Any]
    args: tuple[Any, ...]
    positive: bool = False
    order: int = 2
    complex: bool = False
    exact: bool = True
    h: float = 2.0**-7

    def __repr__(self) -> str:
        return self.name


def case(name: str, f: Callable[..., Any], *args: Any, **options: Any) -> Case:
    return Case(name, f, args, **options)


def drawn(case: Case, complex: bool = False) -> list[Any]:
    """The arguments: those given by shape are drawn, seeded by the name of the case."""
    rng = np.random.default_rng([ord(c) for c in case.name])

    def draw(shape: Any) -> Any:
        low, high = (0.3, 2.0) if case.positive else (-2.0, 2.0)
        x = rng.uniform(low, high, shape)
        return x + 1j * rng.uniform(-2.0, 2.0, shape) if complex else x

    return [draw(a) if isinstance(a, tuple) else (a + 0j if complex else a) for a in case.args]


def check(case: Case) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        _check(case, drawn(case))
        if case.complex:
            _check(case, drawn(case, complex=True))
        _single(case, [np.asarray(x, np.float32) for x in drawn(case)])


def _single(case: Case, xs: list[Any]) -> None:
    found = [v.type.dtype for v in ad.trace(case.f, *xs).outputs]
    assert found == [y.dtype for y in flat(case.f(*xs))], "single precision"


def _check(case: Case, xs: list[Any]) -> None:
    graph = ad.trace(case.f, *xs)
    program = graph.compile()
    ys = program.all(*xs)
    wanted = flat(case.f(*xs))
    assert len(ys) == len(wanted)
    for y, w in zip(ys, wanted, strict=True):
        assert (y.dtype, y.shape) == (w.dtype, w.shape)
        if case.exact:
            np.testing.assert_array_equal(y, w)
        else:
            np.testing.assert_allclose(y, w, rtol=1e-13, atol=1e-13)
    if case.order:
        _first_order(case, graph, xs)
    _batches(case, xs)


def flat(y: Any) -> list[Any]:
    return [a for part in y for a in flat(part)] if isinstance(y, tuple | list) else [np.asarray(y)]


def floats(arrays: Sequence[Any]) -> list[Any]:
    return [a for a in arrays if np.asarray(a).dtype.kind in "fc"]


def random_like(rng: Any, x: Any) -> Any:
    x = np.asarray(x)
    r = rng.normal(size=x.shape)
    return (r + 1j * rng.normal(size=x.shape) if x.dtype.kind == "c" else r).astype(x.dtype)


def pairing(a: Sequence[Any], b: Sequence[Any]) -> float:
    return float(sum(np.sum(x * y).real for x, y in zip(a, b, strict=True)))


def _first_order(case: Case, graph: Any, xs: list[Any]) -> None:
    rng = np.random.default_rng(1)
    x_dots = [random_like(rng, x) for x in xs]
    outputs = [v for v in graph.outputs if v.type.differentiable]
    n = len(graph.outputs)
    y_dots = ad.differentiate(graph, "jvp").compile().all(*xs, *x_dots)[n:]
    differences = along(lambda *zs: floats(flat(case.f(*zs))), xs, x_dots, case.h)
    for found, oracle in zip(y_dots, differences, strict=True):
        assert_close(found, oracle, 1e-7, "jvp")
    y_bars = [random_like(rng, np.empty(v.type.shape, v.type.dtype)) for v in outputs]
    pull = ad.differentiate(graph, "vjp").compile()
    x_bars = pull.all(*xs, *y_bars)[n:]
    for x, x_bar in zip(xs, x_bars, strict=True):
        assert (x_bar.dtype, x_bar.shape) == (np.asarray(x).dtype, np.shape(x))
    left, right = pairing(y_bars, y_dots), pairing(x_bars, x_dots)
    assert abs(left - right) <= 1e-11 * (1 + abs(left)), "vjp is not the transpose of jvp"
    if case.order > 1:
        second = ad.differentiate(ad.differentiate(graph, "vjp"), "jvp")
        zeros = [np.zeros_like(b) for b in y_bars]
        m = n + len(xs)
        found = second.compile().all(*xs, *y_bars, *x_dots, *zeros)[m:]
        differences = along(lambda *zs: [np.array(b) for b in pull.all(*zs, *y_bars)[n:]], xs, x_dots, case.h)
        for a, b in zip(found[len(found) - len(xs) :], differences, strict=True):
            assert_close(a, b, 1e-6, "second order")


def along(f: Callable[..., Any], xs: list[Any], x_dots: list[Any], h: float) -> list[Any]:
    """d/dt f(x + t x_dot) at 0, output by output; complex results in two parts."""

    def parts(t: float) -> Any:
        ys = f(*(x + t * x_dot for x, x_dot in zip(xs, x_dots, strict=True)))
        cells = [np.ravel(p) for y in ys for p in (np.real(y), np.imag(y))]
        return np.concatenate(cells) if cells else np.zeros(0)

    found, at, results = directional(parts, h=h), 0, []
    for y in f(*xs):
        real, imag = found[at : at + y.size], found[at + y.size : at + 2 * y.size]
        results.append((real + 1j * imag if y.dtype.kind == "c" else real).reshape(y.shape))
        at += 2 * y.size
    return results


def assert_close(found: Any, oracle: Any, tolerance: float, what: str) -> None:
    scale = 1 + np.max(np.abs(oracle), initial=0)
    np.testing.assert_allclose(found, oracle, rtol=0, atol=tolerance * scale, err_msg=what)


def _batches(case: Case, xs: list[Any]) -> None:
    rng = np.random.default_rng(2)
    shift = [np.stack([x + 1e-3 * k * random_like(rng, x) for k in range(LANES)]) for x in xs]
    choices = [[0] * len(xs)] + (
        [[0 if i == j else None for i in range(len(xs))] for j in range(len(xs))] if len(xs) > 1 else []
    )
    for axes in choices:
        args = [s if a == 0 else x for s, x, a in zip(shift, xs, axes, strict=True)]
        found = flat(vmap(case.f, in_axes=axes)(*args))
        loop = [flat(case.f(*(x[k] if a == 0 else x for x, a in zip(args, axes, strict=True)))) for k in range(LANES)]
        for i, y in enumerate(found):
            np.testing.assert_allclose(
                y, np.stack([row[i] for row in loop]), rtol=1e-12, atol=1e-12, err_msg=f"vmap {axes}"
            )
