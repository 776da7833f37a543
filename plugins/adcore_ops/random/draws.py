"""Draws: pure functions of a key, so a graph that draws gives the same numbers wherever it runs.

uniform      53 (or 24) bits of a word, in [0, 1)
normal       the quantile of a probability with 52 bits, and a sign bit: |z| up to 8.3
exponential  -log of a probability with 52 bits
gamma(a)     by rejection; its derivative in a by reparametrisation, dy/da = -(dP(a, y)/da) / density
randint      the upper word of a product: every value within 2^-64 times the range of its share
permutation  the order of n words
Source: Marsaglia and Tsang 2000, "A simple method for generating gamma variables"; Figurnov, Mohamed and
Mnih 2018, "Implicit reparameterization gradients", eq. 5; Lemire 2019, "Fast random integer generation in
an interval", section 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.extend import DTYPE, INT, SHAPE, ZERO, Op, Rule, Sample, Type, op, op_call
from adcore_ops.random.exact import exp, log, lower_quantile
from adcore_ops.random.philox import FOLD, GAMMA, SPLIT, encrypt, high_product, words

FLOATS = ("float32", "float64")


def _lead(key: Type) -> tuple[int, ...]:
    if key.dtype != np.uint64 or not key.ndim or key.shape[-1] != 2:
        raise TypeError("a key is uint64[2]; make one with adcore.random.key(seed)")
    return key.shape[:-1]


def _each(nbytes: int, of: Callable[..., Any]) -> Callable[..., int]:
    """`heap` of so many bytes per element of the result."""
    return lambda types, params: nbytes * int(of(*types, **params).size)


def _sample(*shapes: tuple[int, ...], **params: Any) -> Sample:
    dtypes = ("uint64", *("int64",) * len(shapes))
    return Sample(((2,), *shapes), ((0.0, 1e9), *((1.0, 9.0),) * len(shapes)), params, dtypes)


# --- keys ----------------------------------------------------------------------------------------


def _split_infer(key: Type, *, num: int) -> Type:
    return Type(np.dtype(np.uint64), (*_lead(key), num, 2))


@op(
    "random::split", params={"num": INT}, rule=ZERO, batch="core", samples=(_sample(num=3),), infer=_split_infer,
    heap=_each(8, _split_infer),
)  # fmt: skip
def split(key: Any, *, num: int) -> Any:
    """num keys of one: (..., num, 2). Their streams are independent of each other and of the key's own."""
    return words(key, 2 * num, SPLIT).reshape((*key.shape[:-1], num, 2))


def _fold_infer(key: Type, data: Type) -> Type:
    if data.dtype.kind not in "iu":
        raise TypeError(f"an integer is folded into a key, not a {data.dtype.name}")
    return Type(key.dtype, (*np.broadcast_shapes(_lead(key), data.shape), 2))


@op(
    "random::fold_in", infer=_fold_infer, rule=ZERO, batch=(1, 0), samples=(_sample(()), _sample((3,))),
    heap=_each(56, _fold_infer),
)  # fmt: skip
def fold_in(key: Any, data: Any) -> Any:
    """A key made of a key and an integer, such as the number of a step."""
    return np.ascontiguousarray(encrypt(key, np.zeros((), np.uint64), data.astype(np.uint64), FOLD)[..., :2])


# --- draws ---------------------------------------------------------------------------------------


def _bits_infer(key: Type, *, shape: tuple[int, ...]) -> Type:
    return Type(np.dtype(np.uint64), (*_lead(key), *shape))


@op(
    "random::bits", params={"shape": SHAPE}, infer=_bits_infer, rule=ZERO, batch="core", heap=_each(8, _bits_infer),
    samples=(_sample(shape=(2, 3)), _sample(shape=(300,)), _sample(shape=(0,))),
)  # fmt: skip
def bits(key: Any, *, shape: tuple[int, ...]) -> Any:
    """Words of 64 random bits."""
    return words(key, math.prod(shape)).reshape((*key.shape[:-1], *shape))


def _floats(name: str, draw: Callable[[Any, Any], Any], heap: int, doc: str) -> Op:
    """An op of a key that gives floats of a shape. draw(words, dtype) -> floats; heap: bytes per number."""

    def infer(key: Type, *, shape: tuple[int, ...], dtype: Any) -> Type:
        if dtype.name not in FLOATS:
            raise TypeError(f"numbers of dtype {dtype.name} cannot be drawn; choose {' or '.join(FLOATS)}")
        return Type(dtype, (*_lead(key), *shape))

    def run(key: Any, *, shape: tuple[int, ...], dtype: Any) -> Any:
        stream = words(key, math.prod(shape))
        return draw(stream, np.dtype(dtype)).reshape((*key.shape[:-1], *shape))

    return Op(
        f"random::{name}", run, infer, ZERO, {"shape": SHAPE, "dtype": DTYPE}, batch="core", doc=doc,
        heap=_each(heap, infer),
        samples=(_sample(shape=(2, 3), dtype="float64"), _sample(shape=(), dtype="float32")),
    )  # fmt: skip


def _uniform(stream: Any, dtype: Any) -> Any:
    if dtype == np.float32:
        np.right_shift(stream, np.uint64(40), stream)
        return stream.astype(np.float32) * np.float32(2.0**-24)
    np.right_shift(stream, np.uint64(11), stream)
    return stream * 2.0**-53


def probability(stream: Any) -> Any:
    """Numbers in (0, 1), as far from 0 as from 1: the odd multiples of 2^-53. From the lower 52 bits of a word."""
    p = (stream & np.uint64(2**52 - 1)).astype(np.float64)
    p += 0.5
    p *= 2.0**-52
    return p


def standard_normal(stream: Any) -> Any:
    """Normal numbers; the highest bit of a word is the sign."""
    z = lower_quantile(0.5 * probability(stream))
    return np.where(stream >> np.uint64(63), z, -z)


uniform = _floats("uniform", _uniform, 8, "Numbers in [0, 1).")
normal = _floats("normal", lambda w, dtype: standard_normal(w).astype(dtype), 48, "Standard normal numbers.")
exponential = _floats(
    "exponential", lambda w, dtype: -log(probability(w)).astype(dtype), 89, "Exponential numbers of mean 1."
)


def _randint_infer(key: Type, *, low: int, high: int, shape: tuple[int, ...]) -> Type:
    if not -(2**62) <= low < high <= 2**62:
        raise ValueError(f"there are no integers from {low} up to {high}, within 2^62")
    return Type(np.dtype(np.int64), (*_lead(key), *shape))


@op(
    "random::randint", params={"low": INT, "high": INT, "shape": SHAPE}, rule=ZERO, batch="core",
    infer=_randint_infer, heap=_each(56, _randint_infer),
    samples=(_sample(low=-3, high=5, shape=(2, 3)), _sample(low=0, high=2**62, shape=())),
)  # fmt: skip
def randint(key: Any, *, low: int, high: int, shape: tuple[int, ...]) -> Any:
    """Integers from low up to high, which is left out."""
    stream = words(key, math.prod(shape)).reshape((*key.shape[:-1], *shape))
    return high_product(stream, high - low).astype(np.int64) + np.int64(low)


def _permutation_infer(key: Type, *, n: int) -> Type:
    return Type(np.dtype(np.int64), (*_lead(key), n))


@op(
    "random::permutation", params={"n": INT}, rule=ZERO, batch="core", samples=(_sample(n=5), _sample(n=1)),
    infer=_permutation_infer, heap=_each(8, _permutation_infer),
)  # fmt: skip
def permutation(key: Any, *, n: int) -> Any:
    """The numbers 0 to n - 1 in random order."""
    return np.argsort(words(key, n), axis=-1, kind="stable").astype(np.int64)


# --- gamma ---------------------------------------------------------------------------------------


def _gamma_infer(key: Type, a: Type) -> Type:
    if a.dtype.kind not in "iuf" or (a.dtype.kind == "f" and a.dtype.name not in FLOATS):
        raise TypeError(f"the shape parameter is {' or '.join(FLOATS)}, not {a.dtype.name}")
    lead = _lead(key)
    if a.shape[: len(lead)] != lead:
        raise ValueError(f"parameters of shape {a.shape} do not start with the keys' {lead}")
    return a if a.dtype.kind == "f" else Type(np.dtype(np.float64), a.shape)


def _gamma_jvp(ts: Any, y: Any, key: Any, a: Any) -> Any:
    slope, gammaln = op_call("special::gammainc_slope"), op_call("special::gammaln")
    log_density = (a - 1.0) * np.log(y) - y - gammaln(a)
    return -slope(a, y, n=1) * np.exp(-log_density) * ts[1]


@op(
    "random::gamma", infer=_gamma_infer, rule=Rule(jvp=_gamma_jvp), batch="core", heap=_each(219, _gamma_infer),
    samples=(  # along the quantile, not along the draws of one acceptance, which differences would see
        Sample(((2,), (2, 3)), ((0.0, 1e9), (0.3, 3.0)), dtypes=("uint64", "float64"), smooth=False), _sample(()),
    ),
)  # fmt: skip
def gamma(key: Any, a: Any) -> Any:
    """Gamma numbers with shape parameters a > 0 and scale 1, one per parameter; nan for others."""
    dtype = a.dtype if a.dtype.kind == "f" else np.float64
    lead = key.shape[:-1]
    flat = a.astype(np.float64).reshape((*lead, math.prod(a.shape[len(lead) :])))
    y = np.empty_like(flat)
    for i in np.ndindex(*lead):
        y[i] = _gamma_of_one_key(key[i], flat[i])
    return y.reshape(a.shape).astype(dtype)


def _gamma_of_one_key(key: Any, a: Any) -> Any:
    """Element i takes words of block i of draw 0, 1, ... until one is accepted."""
    small = a < 1.0  # Gamma(a) = Gamma(a + 1) U^(1/a)
    d = np.where(small, a + 1.0, a) - 1.0 / 3.0
    with np.errstate(invalid="ignore"):
        c = 1.0 / np.sqrt(9.0 * d)
    y = np.full_like(a, np.nan)
    waiting = np.flatnonzero(a > 0)
    for draw in range(1000):
        if not waiting.size:
            break
        block = encrypt(key, waiting.astype(np.uint64), draw, GAMMA)
        x, u = standard_normal(block[..., 0]), probability(block[..., 1])
        v = 1.0 + c[waiting] * x
        v = v * v * v
        here = d[waiting]
        fits = v > 0
        safe = np.where(fits, v, 1.0)
        fits &= log(u) < 0.5 * (x * x) + here * (1.0 - safe + log(safe))
        scale = np.where(small[waiting], exp(log(probability(block[..., 2])) / a[waiting]), 1.0)
        done = waiting[fits]
        y[done] = (here * safe * scale)[fits]
        waiting = waiting[~fits]
    return y


OPS: list[Op] = [split, fold_in, bits, uniform, normal, exponential, randint, permutation, gamma]
