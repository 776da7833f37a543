"""The zoo: small programs in plain NumPy, each with arguments; tests run over all of them.

Adding a test is adding a function: (name, f, arguments). All take and return floats unless said,
so that an oracle can difference them; none reads anything but its arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

import adcore as ad

RNG = np.random.default_rng(20260101)


@dataclass(frozen=True)
class Program:
    name: str
    f: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)

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


@program(normal(3), 0.7)
def branch_in_a_graph(x, k):
    return np.sum(ad.cond(np.sum(x) > -10.0, lambda x: np.sin(x) * k, lambda x: x**2, x))


@program(0.3, 1.2)
def loop_until_large(x, k):
    y, n = ad.while_loop(lambda c: c[0] * c[0] < 30.0, lambda c: (c[0] * 1.5 + k, c[1] + 1), (x, 0))
    return y * y + n


@program(normal(2), 0.9)
def pendulum(y0, k):
    found = ad.solve_ivp(
        lambda t, y: np.stack([y[1], -k * np.sin(y[0])]), (0.0, 1.0), y0, t_eval=np.array([0.4, 1.0]), steps=4
    )
    return np.sum(found.y**2)


@program(normal(3, 3), normal(3))
def linear_algebra(a, b):
    m = a @ a.T + 4.0 * np.eye(3)
    lower = np.linalg.cholesky(m)
    return np.linalg.solve(m, b) @ b + np.linalg.slogdet(m)[1] + np.linalg.norm(lower)


@program(normal(5), normal(3, 5))
def picked_and_put(x, table):
    rows = table[[0, 2, 0]]
    y = x[np.array([4, 0, 0])] * rows[:, 1]
    z = np.zeros_like(x)
    z[[1, 3]] = y[:2]
    np.add.at(z, [1, 1], y[1:])
    return np.sum(z * x) + np.sum(np.sort(x)[::2]) + np.sum(np.cumsum(y))


@program(normal(2, 3), normal(3, 5), normal(5))
def contractions(a, b, c):
    return np.einsum("ij,jk,k->i", a, b, c) @ np.einsum("ij->i", a) + np.sum(np.tensordot(a, b, 1) * c)


@program(normal(7))
def transformed(x):
    y = np.fft.rfft(x)
    return np.sum(np.abs(y * (1.0 + 0.5j)) ** 2) + np.sum(np.real(np.fft.ifft(y)))


@program(normal(3), normal(7, 3))
def batched_inside(w, xs):
    return np.sum(ad.vmap(lambda x: np.tanh(x @ w) * x)(xs) ** 2)


@program(normal(3))
def jacobian_inside(x):
    return np.sum(ad.jacobian(lambda z: np.sin(z) * z[0])(x) ** 2)


@program(normal(4))
def loop_of_views(x):
    def step(c, k):
        c = c * 1.0
        c[1:] += 0.3 * c[:-1]
        return c[::-1], c[:2]

    c, ys = ad.scan(step, x, np.arange(3.0))
    return np.sum(c * x) + np.sum(ys)


@program(normal(3), 0.8)
def regions_in_regions(x, k):
    inner = ad.region(lambda x: np.sin(x) * k, name="inner")
    outer = ad.region(lambda x: inner(inner(x)) + x, name="outer")
    return np.sum(outer(outer(x)))


@program(State(State(normal(2), normal(3)), [normal(2), {"deep": normal(1)}]))
def records_in_records(s):
    inner = s.position
    return {"a": State(inner.position * 2.0, s.speed[0]), "b": (inner.speed @ inner.speed, s.speed[1]["deep"])}


MIXED: list[Program] = []
"""Programs with ints, bools, complex numbers, strings and keyword-only arguments, for laws that need no oracle."""


def mixed(*args: Any, **kwargs: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def add(f: Callable[..., Any]) -> Callable[..., Any]:
        MIXED.append(Program(f.__name__, f, args, kwargs))
        return f

    return add


@mixed(normal(5), np.array([0, 2, 2]), np.array([True, False, True]))
def whole_numbers_and_flags(x, index, flags):
    return np.sum(np.where(flags, x[index], 1.0) * index), index * 2, flags & True, np.argmax(x)


@mixed(normal(3), scale=2.0, power=np.int64(3))
def keywords(x, *, scale, power):
    return {"y": np.sum(x**power) * scale, "n": power}


@mixed("square", normal(3), None)
def words(mode, x, nothing):
    return np.sum(x * x if mode == "square" else x)


@mixed(normal(3) + 1j * normal(3), normal(3))
def complex_and_real(z, x):
    return np.sum(np.abs(z * x) ** 2), z * x, np.real(z)


@mixed(normal(3).astype(np.complex64), normal(3).astype(np.float32))
def single_and_complex(z, x):
    return np.sum(np.real(z * z) * x)


@mixed(normal(0), normal(2, 0))
def empty_arrays(x, y):
    return np.sum(x) + np.sum(y * 2.0), x * 2.0


@mixed(normal(3), np.float32(0.5), np.int8(3))
def several_precisions(x, half, n):
    return np.sum(x) * half, np.float32(2.0) * half, half * n
