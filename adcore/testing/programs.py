"""A small zoo of programs, one per thing that a strategy must keep: trees, names, loops, types, views."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from adcore.control import region, scan

_RNG = np.random.default_rng(20260102)


def _normal(*shape: int) -> Any:
    return _RNG.normal(size=shape)


@dataclass(frozen=True)
class Program:
    """A function with arguments. scalar: it returns one real number, so it has a gradient."""

    name: str
    f: Callable[..., Any]
    args: tuple[Any, ...]
    scalar: bool = True
    kwargs: Mapping[str, Any] = field(default_factory=dict)


def _product(a: Any, b: Any) -> Any:
    return a * b + np.sin(a)


def _layers(params: Any, x: Any) -> Any:
    for layer in params["layers"]:
        x = np.tanh(x @ layer["w"] + layer["b"])
    return np.sum(x * x)


def _several(x: Any, k: Any) -> Any:
    return {"sum": np.sum(x) * 2.0, "parts": (x**2 * k, x[::2]), "same": x, "flags": x > 0}


def _written(x: Any) -> Any:
    y = x * 1.0
    y[1:3] *= 2.0
    y[::-1][0] += y[1] * x[2]
    return np.sum(y**3)


def _loop(c: Any, xs: Any, k: Any) -> Any:
    c, ys = scan(lambda c, x: (np.sin(c) * x + k, c * c), c, xs)
    return c + np.sum(ys)


def _loops(c: Any, xs: Any) -> Any:
    def outer(c: Any, x: Any) -> Any:
        d, zs = scan(lambda d, _: (np.sin(d * x) + c, d * x), c, None, length=3)
        return d, np.sum(zs)

    c, ys = scan(outer, c, xs)
    return c + np.sum(ys**2)


def _regions(x: Any) -> Any:
    block = region(lambda x, k: (np.tanh(x) * k, np.sum(x)), name="block")
    for k in (1.0, 2.0):
        x, s = block(x, k)
        x = x + s
    return np.sum(x)


def _unused(x: Any, unused: Any) -> Any:
    return np.sum(np.exp(x))


PROGRAMS = (
    Program("product", _product, (2.0, 3.0)),
    Program(
        "layers",
        _layers,
        ({"layers": [{"w": _normal(3, 5), "b": _normal(5)}, {"w": _normal(5, 2), "b": _normal(2)}]}, _normal(7, 3)),
    ),
    Program("several results", _several, (_normal(5), np.int64(3)), scalar=False),
    Program("writes through views", _written, (_normal(5),)),
    Program("loop", _loop, (0.3, _normal(7), 0.9)),
    Program("loop in a loop", _loops, (0.3, _normal(3))),
    Program("regions", _regions, (_normal(3),)),
    Program("an argument that is not used", _unused, (_normal(3), _normal(2))),
    Program("single precision", _written, (_normal(5).astype(np.float32),)),
)
