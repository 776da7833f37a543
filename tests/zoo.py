"""The zoo: small programs in plain NumPy, each with arguments; tests run over all of them.

Adding a test is adding a function: (name, f, arguments). All take and return floats unless said,
so that an oracle can difference them; none reads anything but its arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

import adcore as ad

RNG = np.random.default_rng(20260101)


@dataclass(frozen=True)
class Program:
    name: str
    f: Callable[..., Any]
    args: tuple[Any, ...]

    def __repr__(self) -> str:
        return self.name


class Layer(NamedTuple):
    w: Any
    b: Any


@dataclass(frozen=True)
class State:
    position: Any
    speed: Any


ZOO: list[Program] = []


def program(*args: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def add(f: Callable[..., Any]) -> Callable[..., Any]:
        ZOO.append(Program(f.__name__, f, args))
        return f

    return add


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape)


@program(2.0, 3.0)
def worked_example(x1, x2):
    return x1 * x2 + np.sin(x1)


@program(normal(7))
def sum_of_sines(x):
    return np.sum(np.sin(x) * np.exp(-(x**2)))


@program(normal(2, 3), normal(3, 5), normal(5))
def two_layers(x, w, b):
    return np.mean(np.tanh(x @ w + b) ** 2)


@program({"layers": [Layer(normal(3, 5), normal(5)), Layer(normal(5, 2), normal(2))]}, normal(7, 3))
def nested_parameters(params, x):
    for layer in params["layers"]:
        x = np.tanh(x @ layer.w + layer.b)
    return np.sum(x * x)


@program(State(normal(3), normal(3)))
def record_in_record_out(s):
    return State(s.position + 0.1 * s.speed, s.speed - 0.1 * np.sin(s.position))


@program(normal(5))
def writes_through_views(x):
    y = x * 1.0
    y[1:3] *= 2.0
    head = y[:2]
    head[0] = y[4] * y[3]
    y[::-1][0] += head[1]
    grid = y[:4].reshape(2, 2)
    grid[0, 1] = 3.0 * x[2]
    return np.sum(y**3)


@program(normal(5))
def arguments_are_not_written_to(x):
    x[0] = x[1] * x[2]
    x += 1.0
    return np.prod(x)


@program(normal(3, 5), normal(5))
def broadcasting(a, b):
    return np.sum((a * b - b) / (1.0 + b**2) + a[:, :1])


@program(normal(2, 3, 5))
def axes_and_shapes(x):
    y = np.transpose(x, (2, 0, 1)).reshape(5, 6)
    z = np.concatenate([y, y[:, ::-1] * 2.0], axis=1)
    return np.sum(np.max(z, axis=0) * np.mean(z, axis=0)) + np.std(np.swapaxes(x, 0, 2)[1:, :, 0])


@program(normal(5))
def branches_by_where(x):
    return np.sum(np.where(x > 0, x**2, np.abs(x) + 1.0))


@program(normal(3), normal(7, 3))
def log_likelihood(mu, data):
    d = data - mu
    return -0.5 * np.sum(d * d) - np.log(1.0 + np.exp(mu)).sum()


@program(0.3, normal(7))
def loop_over_inputs(c, xs):
    def step(c, x):
        c = np.sin(c) * x + c
        return c, c * c

    c, ys = ad.scan(step, c, xs)
    return c + np.sum(ys)


@program(normal(5), 1.3)
def loop_with_captured_constants(x, k):
    scale = np.sum(x) * 0.1

    def step(carry, _):
        i, y = carry
        return (i + 1, y + 0.1 * np.cos(k * y) * scale / (i + 1.0)), None

    (_, y), _ = ad.scan(step, (0, x), None, length=11)
    return np.sum(y * y)


@program(normal(3), normal(5, 3))
def loop_backwards(c, xs):
    c, ys = ad.scan(lambda c, x: (np.tanh(c * x), c + x), c, xs, reverse=True)
    return np.sum(ys[0] * c) + np.sum(ys**2)


@program(0.3, normal(5))
def loop_in_loop(c, xs):
    def outer(c, x):
        d, zs = ad.scan(lambda d, _: (np.sin(d * x) + c, d * x), c, None, length=3)
        return d, np.sum(zs)

    c, ys = ad.scan(outer, c, xs)
    return c + np.sum(ys**2)


@program(normal(3))
def regions(x):
    block = ad.region(lambda x, k: (np.tanh(x) * k, np.sum(x)), name="block")
    for k in (1.0, 2.0):
        x, s = block(x, k)
        x = x + s
    return np.sum(x)


@program(0.4, 1.7)
def region_with_a_loop(x, k):
    block = ad.region(lambda x: ad.scan(lambda c, _: (np.sin(c) * k, c), x, None, length=5), name="block")
    c, ys = block(x)
    return c * np.sum(ys)


@program(normal(5).astype(np.float32), normal(5).astype(np.float32))
def single_precision(a, b):
    return np.sum(a * b + np.float32(2.0) * np.tanh(a)) * 0.5


@program(normal(3, 3), normal(3))
def gradient_inside(a, x):
    inner = ad.grad(lambda z: np.sum(np.sin(a @ z) * z))
    return np.sum(inner(x) ** 2)


@program(normal(2, 3), normal(3), normal(3, 2), normal(7, 2, 3))
def products(m, v, n, batch):
    return np.sum(m @ v) + np.trace(m @ n) + np.sum(batch @ n @ m) + v @ v + np.sum((v @ n) * (m @ v))


@program(normal(5))
def several_results(x):
    return {"sum": np.sum(x), "parts": (x * 2.0, np.ones(2) * x[0])}


@program(normal(5))
def input_as_output(x):
    return x, x[::2], np.ones(3) * 2.0


@program(normal(6))
def stacks_of_scalars(x):
    rows = np.array([[x[0], 2.0], [x[1] * x[2], x[3]]])
    return np.sum(rows @ rows) + np.stack([x[4], x[5]]).sum()
