"""Arrays: a chain of elementwise operations, a mixture of Gaussians, a network of three layers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from harness import Bench, Compare
from peers import peers

import adcore as ad

bench = Bench("arrays")


def against_peers(
    compare: Compare, f: Callable[..., Any], args: Sequence[Any], wrt: int, by_hand: Callable[[], Any],
) -> None:  # fmt: skip
    """The gradients of f by its first `wrt` arguments, by everything there is. f(F, *args): F has NumPy's names."""
    graph = ad.trace(lambda *xs: f(np, *xs), *args)
    primal, program = graph.compile(), ad.differentiate(graph, "grad", wrt=list(range(wrt))).compile()
    own: dict[str, Callable[[], Any]] = {
        "adcore": lambda: program(*args),
        "adcore, function alone": lambda: primal(*args),
        "NumPy by hand": by_hand,
    }
    bytes_ = program.plan.cost.peak_bytes
    compare(own | peers(f, args, wrt), "adcore", truth=by_hand(), alone=("adcore, function alone",),
            notes={"adcore": f"peak {bytes_ / 1e6:.1f} MB"})  # fmt: skip


# --- thirty elementwise operations ---------------------------------------------------------------

TURNS = 10


def wave(F: Any, x: Any) -> Any:
    """Ten times: sine, times x, plus a half."""
    y = x
    for _ in range(TURNS):
        y = F.sin(y) * x + 0.5
    return F.sum(y)


def steps(F: Any, x: Any) -> Any:
    """The same with functions that NumPy computes several elements at a time."""
    y = x
    for _ in range(TURNS):
        y = F.tanh(y) * x + 0.5
    return F.sum(y)


class ChainByHand:
    """Forward and reverse into arrays that are allocated once. slope(y, x): of the function, from its value."""

    def __init__(self, x: Any, function: np.ufunc, slope: Callable[..., None]) -> None:
        self.x, self.function, self.slope = x, function, slope
        n = x.size
        self.y, self.s = np.empty((TURNS + 1, n)), np.empty((TURNS, n))
        self.b, self.g, self.t = np.empty(n), np.empty(n), np.empty(n)

    def __call__(self) -> Any:
        x, b, g, t = self.x, self.b, self.g, self.t
        y = x
        for i in range(TURNS):
            s, new = self.s[i], self.y[i + 1]
            self.function(y, s)
            np.multiply(s, x, new)
            np.add(new, 0.5, new)
            y = new
        b[:] = 1.0
        g[:] = 0.0
        for i in range(TURNS - 1, -1, -1):
            np.multiply(b, self.s[i], t)
            np.add(g, t, g)
            self.slope(self.y[i] if i else x, self.s[i], t)
            np.multiply(b, x, b)
            np.multiply(b, t, b)
        return g + b


def slope_of_sin(y: Any, s: Any, out: Any) -> None:
    np.cos(y, out)


def slope_of_tanh(y: Any, s: Any, out: Any) -> None:
    np.multiply(s, s, out)
    np.subtract(1.0, out, out)


@bench.case("30 elementwise operations with sines, 1,000 numbers")
def small_waves(compare: Compare) -> None:
    x = np.random.default_rng(7).uniform(0.1, 1.5, 1_000)
    against_peers(compare, wave, [x], 1, ChainByHand(x, np.sin, slope_of_sin))


@bench.case("30 elementwise operations with sines, 1,000,000 numbers")
def large_waves(compare: Compare) -> None:
    x = np.random.default_rng(7).uniform(0.1, 1.5, 1_000_000)
    against_peers(compare, wave, [x], 1, ChainByHand(x, np.sin, slope_of_sin))


@bench.case("30 elementwise operations with tanh, 1,000,000 numbers")
def large_steps(compare: Compare) -> None:
    x = np.random.default_rng(7).uniform(0.1, 1.5, 1_000_000)
    against_peers(compare, steps, [x], 1, ChainByHand(x, np.tanh, slope_of_tanh))


# --- a mixture of Gaussians ----------------------------------------------------------------------


def logsumexp(F: Any, x: Any, axis: int) -> Any:
    """log(sum(exp(x))) along an axis, without overflow."""
    high = F.max(x, axis=axis, keepdims=True)
    return F.sum(F.log(F.sum(F.exp(x - high), axis=axis))) + F.sum(high)


def mixture(F: Any, weights: Any, means: Any, logs: Any, lower: Any, x: Any, embed: Any) -> Any:
    """Minus the log-likelihood of points under a mixture, up to a constant; factors of precisions as parameters.

    weights: (k,), unnormalised logs. means: (k, d). logs: (k, d), of the diagonals of the factors.
    lower: (k, m), the entries below the diagonals. x: (n, d). embed: (m + d, d * d), where entries go.
    """
    n, d = x.shape
    k = weights.shape[0]
    entries = F.concatenate([F.exp(logs), lower], axis=1)
    factors = F.matmul(entries, embed).reshape((k * d, d))
    shifts = F.sum(factors.reshape((k, d, d)) * means.reshape((k, 1, d)), axis=2)
    y = F.matmul(x, factors.T).reshape((n, k, d)) - shifts
    terms = weights + F.sum(logs, axis=1) - 0.5 * F.sum(y * y, axis=2)
    return n * logsumexp(F, weights.reshape((1, k)), 1) - logsumexp(F, terms, 1)


def mixture_arguments(n: int, d: int, k: int) -> list[Any]:
    """Points from a mixture, and parameters not far from it."""
    rng = np.random.default_rng(7)
    m = d * (d - 1) // 2
    embed = np.zeros((d + m, d * d))
    embed[np.arange(d), np.arange(d) * (d + 1)] = 1.0
    rows, columns = np.tril_indices(d, -1)
    embed[d + np.arange(m), rows * d + columns] = 1.0
    means = rng.normal(size=(k, d))
    x = means[rng.integers(0, k, n)] + 0.3 * rng.normal(size=(n, d))
    return [rng.normal(size=k), means, 0.1 * rng.normal(size=(k, d)), 0.1 * rng.normal(size=(k, m)), x, embed]


class MixtureByHand:
    """Two products of matrices do nearly all the work; two large arrays are allocated once."""

    def __init__(self, weights: Any, means: Any, logs: Any, lower: Any, x: Any, embed: Any) -> None:
        self.args = weights, means, logs, lower, x, embed
        n, (k, d) = len(x), means.shape
        self.y, self.w = np.empty((n, k, d)), np.empty((n, k, d))

    def __call__(self) -> list[Any]:
        weights, means, logs, lower, x, embed = self.args
        n, (k, d) = len(x), means.shape
        diagonal = np.exp(logs)
        factors = (np.concatenate([diagonal, lower], 1) @ embed).reshape(k, d, d)
        np.matmul(x, factors.reshape(k * d, d).T, self.y.reshape(n, k * d))
        self.y -= np.matmul(factors, means[:, :, None])[:, :, 0]
        terms = weights + logs.sum(1) - 0.5 * np.einsum("nkd,nkd->nk", self.y, self.y)
        terms -= terms.max(1, keepdims=True)
        share = np.exp(terms, terms)
        share /= share.sum(1, keepdims=True)
        w = np.multiply(self.y, share[:, :, None], self.w)
        per_component, sums = share.sum(0), w.sum(0)
        g = (w.reshape(n, k * d).T @ x).reshape(k, d, d) - sums[:, :, None] * means[:, None, :]
        entries = g.reshape(k, d * d) @ embed.T
        soft = np.exp(weights - weights.max())
        return [
            n * soft / soft.sum() - per_component,
            -np.matmul(factors.transpose(0, 2, 1), sums[:, :, None])[:, :, 0],
            entries[:, :d] * diagonal - per_component[:, None],
            entries[:, d:],
        ]


@bench.case("mixture of 25 Gaussians, 1,000 points in 10 dimensions")
def small_mixture(compare: Compare) -> None:
    args = mixture_arguments(1_000, 10, 25)
    against_peers(compare, mixture, args, 4, MixtureByHand(*args))


@bench.case("mixture of 25 Gaussians, 10,000 points in 10 dimensions")
def large_mixture(compare: Compare) -> None:
    args = mixture_arguments(10_000, 10, 25)
    against_peers(compare, mixture, args, 4, MixtureByHand(*args))


# --- a network -----------------------------------------------------------------------------------

SIZES = (784, 256, 256, 10)
BATCH = 128


def network(F: Any, w1: Any, w2: Any, w3: Any, b1: Any, b2: Any, b3: Any, x: Any, labels: Any) -> Any:
    """Mean cross entropy of three layers; labels as rows of zeros and a one."""
    x = F.tanh(F.matmul(x, w1) + b1)
    x = F.tanh(F.matmul(x, w2) + b2)
    x = F.matmul(x, w3) + b3
    return (logsumexp(F, x, 1) - F.sum(x * labels)) / BATCH


def network_arguments(dtype: str) -> list[Any]:
    rng = np.random.default_rng(7)
    w = [rng.normal(size=(m, n)) / math.sqrt(m) for m, n in itertools.pairwise(SIZES)]
    labels = np.eye(10)[rng.integers(0, 10, BATCH)]
    parts = [*w, *(np.zeros(n) for n in SIZES[1:]), rng.normal(size=(BATCH, SIZES[0])), labels]
    return [a.astype(dtype) for a in parts]


class NetworkByHand:
    """Products and functions into arrays that are allocated once."""

    def __init__(self, w1: Any, w2: Any, w3: Any, b1: Any, b2: Any, b3: Any, x: Any, labels: Any) -> None:
        self.w, self.b, self.x, self.labels = (w1, w2, w3), (b1, b2, b3), x, labels
        self.h = [np.empty((BATCH, n), x.dtype) for n in SIZES[1:]]
        self.d = [np.empty_like(h) for h in self.h]
        self.gw, self.gb = [np.empty_like(w) for w in self.w], [np.empty_like(b) for b in self.b]

    def __call__(self) -> list[Any]:
        a = self.x
        for i in range(3):
            np.matmul(a, self.w[i], self.h[i])
            self.h[i] += self.b[i]
            if i < 2:
                np.tanh(self.h[i], self.h[i])
            a = self.h[i]
        d = np.exp(a - a.max(1, keepdims=True), self.d[2])
        d /= d.sum(1, keepdims=True)
        d -= self.labels
        d /= BATCH
        for i in (2, 1, 0):
            np.matmul((self.h[i - 1] if i else self.x).T, d, self.gw[i])
            np.sum(d, 0, out=self.gb[i])
            if i:
                h = self.h[i - 1]
                np.matmul(d, self.w[i].T, self.d[i - 1])
                np.multiply(h, h, h)
                np.subtract(1, h, h)
                d = self.d[i - 1]
                d *= h
        return [*self.gw, *self.gb]


@bench.case("network 784-256-256-10, batch of 128, double precision")
def double_network(compare: Compare) -> None:
    args = network_arguments("float64")
    against_peers(compare, network, args, 6, NetworkByHand(*args))


@bench.case("network 784-256-256-10, batch of 128, single precision")
def single_network(compare: Compare) -> None:
    args = network_arguments("float32")
    against_peers(compare, network, args, 6, NetworkByHand(*args))


if __name__ == "__main__":
    bench.main()
