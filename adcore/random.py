"""Random numbers from explicit keys: pure functions, so graphs that draw can be saved, batched and differentiated.

A key is an array of two words. Equal keys give equal numbers, on every machine and in every release; a
key is used once, and `split` makes more of it. Inside a traced function a key should be an argument:
then each run of the graph may be given another.

>>> k = key(0)
>>> a, b = split(k)
>>> normal(a, (3,))
array([-0.75491493, -1.514686  ,  0.63974659])
>>> import adcore as ad
>>> ad.grad(lambda scale: np.sum(scale * normal(b, (3,)) ** 2))(2.0) > 0
np.True_

Numbers that depend on parameters are made of standard ones, so derivatives in the parameters flow
(reparametrisation); those of gamma numbers by the implicit function theorem.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from adcore.errors import InputError
from adcore.registry import find_op
from adcore.trace import op_call
from adcore.tracer import Tracer
from adcore.types import Array

Shape = int | Sequence[int]
_bits, _split, _fold_in = op_call("random::bits"), op_call("random::split"), op_call("random::fold_in")
_uniform, _normal, _exponential = (op_call(f"random::{name}") for name in ("uniform", "normal", "exponential"))
_randint, _permutation, _gamma = (op_call(f"random::{name}") for name in ("randint", "permutation", "gamma"))


def _shape(shape: Shape) -> tuple[int, ...]:
    return (int(shape),) if isinstance(shape, int | np.integer) else tuple(int(n) for n in shape)


def _of(parameters: Sequence[Any], shape: Shape | None) -> tuple[int, ...]:
    """The shape that was given, or that of the parameters."""
    found = np.broadcast_shapes(*(np.shape(p) for p in parameters))
    if shape is None:
        return found
    given = _shape(shape)
    fits = len(found) <= len(given) and all(n in (1, m) for n, m in zip(found[::-1], given[::-1], strict=False))
    if not fits:
        raise InputError(f"parameters of shape {found} do not fit numbers of shape {given}")
    return given


def _scalar(y: Any) -> Any:
    return y[()] if isinstance(y, np.ndarray) and not y.ndim else y


# --- keys ----------------------------------------------------------------------------------------


def key(seed: int) -> Array:
    """A key: uint64[2], the seed in its two words. Raises InputError for what is no integer of 0 to 2^128.

    >>> key(7)
    array([7, 0], dtype=uint64)
    """
    if isinstance(seed, Tracer) or not isinstance(seed, int | np.integer) or not 0 <= int(seed) < 2**128:
        raise InputError(
            f"a key is made of an integer from 0 up to 2^128, not of {seed!r}",
            instead="pass keys as arguments of traced functions, and use fold_in(key, i) for traced integers",
        )
    return np.array([int(seed) % 2**64, int(seed) >> 64], np.uint64)


def split(key: Any, num: int = 2) -> Any:
    """num new keys of one: uint64[num, 2]; the old one is not to be used again."""
    return _split(key, num=num)


def fold_in(key: Any, data: Any) -> Any:
    """A new key from a key and an integer (the number of a step or of a lane), which may be traced."""
    return _fold_in(key, np.asarray(data) if isinstance(data, int) else data)


# --- standard draws ------------------------------------------------------------------------------


def bits(key: Any, shape: Shape = ()) -> Any:
    """Words of 64 random bits: uint64[shape]."""
    return _scalar(_bits(key, shape=_shape(shape)))


def uniform(key: Any, shape: Shape = (), dtype: Any = np.float64, low: Any = 0.0, high: Any = 1.0) -> Any:
    """Numbers in [low, high); the bounds may be traced."""
    u = _scalar(_uniform(key, shape=_shape(shape), dtype=dtype))
    return u if _is(low, 0.0) and _is(high, 1.0) else low + u * (high - low)


def normal(key: Any, shape: Shape = (), dtype: Any = np.float64, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """Normal numbers of that mean and standard deviation, which may be traced."""
    z = _scalar(_normal(key, shape=_shape(shape), dtype=dtype))
    return z if _is(loc, 0.0) and _is(scale, 1.0) else loc + scale * z


def _is(x: Any, number: float) -> bool:
    return isinstance(x, int | float) and x == number


def exponential(key: Any, shape: Shape = (), dtype: Any = np.float64, scale: Any = 1.0) -> Any:
    """Exponential numbers of that mean, which may be traced."""
    x = _scalar(_exponential(key, shape=_shape(shape), dtype=dtype))
    return x if _is(scale, 1.0) else scale * x


def randint(key: Any, low: int, high: int, shape: Shape = ()) -> Any:
    """Integers from low up to high, which is left out: int64[shape]."""
    return _scalar(_randint(key, low=low, high=high, shape=_shape(shape)))


def bernoulli(key: Any, p: Any = 0.5, shape: Shape | None = None) -> Any:
    """True with probability p: bool[shape], by default of p's shape. It has no derivative."""
    return uniform(key, _of([p], shape)) < p


# --- order and choice ----------------------------------------------------------------------------


def permutation(key: Any, x: Any, axis: int = 0) -> Any:
    """x in random order along an axis; for an integer x the numbers 0 to x - 1."""
    if isinstance(x, int | np.integer):
        return _permutation(key, n=int(x))
    return np.take(x, _permutation(key, n=np.shape(x)[axis]), axis=axis)


def choice(key: Any, a: Any, shape: Shape = (), replace: bool = True, p: Any = None) -> Any:
    """Elements of a (or of the numbers 0 to a - 1), with weights p if given; replace: each may be taken again."""
    n = int(a) if isinstance(a, int | np.integer) else np.shape(a)[0]
    size = _shape(shape)
    count = int(np.prod(size, dtype=int))
    if not replace:
        if p is not None or count > n:
            raise InputError(
                f"{count} different elements of {n} cannot be chosen" + (" by weights" if p is not None else "")
            )
        index = np.reshape(_permutation(key, n=n)[:count], size)
    elif p is None:
        index = randint(key, 0, n, size)
    else:
        total = np.cumsum(p)
        index = np.minimum(np.searchsorted(total, uniform(key, size) * total[-1], side="right"), n - 1)
    return index if isinstance(a, int | np.integer) else np.take(a, index, axis=0)


# --- with parameters -----------------------------------------------------------------------------


def gamma(key: Any, a: Any, shape: Shape | None = None, scale: Any = 1.0) -> Any:
    """Gamma numbers with shape parameters a > 0; differentiable in a and scale. shape: default that of a."""
    size = _of([a], shape)
    dtype = np.result_type(getattr(a, "dtype", np.float64), np.float32)
    wide = np.broadcast_to(a if isinstance(a, Tracer) else np.asarray(a, dtype), size)
    y = _scalar(_gamma(key, wide))
    return y if _is(scale, 1.0) else scale * y


def beta(key: Any, a: Any, b: Any, shape: Shape | None = None) -> Any:
    """Beta numbers with parameters a, b > 0, in which they are differentiable."""
    size = _of([a, b], shape)
    first, second = split(key)
    x, y = gamma(first, a, size), gamma(second, b, size)
    return x / (x + y)


def dirichlet(key: Any, alpha: Any, shape: Shape = ()) -> Any:
    """Vectors that sum to 1: (*shape, n) for alpha of shape (n,); differentiable in alpha."""
    x = gamma(key, alpha, (*_shape(shape), np.shape(alpha)[-1]))
    return x / np.sum(x, axis=-1, keepdims=True)


def multivariate_normal(key: Any, mean: Any, cov: Any, shape: Shape = ()) -> Any:
    """Normal vectors: (*shape, n) for mean (n,) and a positive definite cov (n, n); differentiable in both."""
    find_op("linalg::cholesky")
    z = normal(key, (*_shape(shape), np.shape(mean)[-1]))
    return mean + z @ np.swapaxes(np.linalg.cholesky(cov), -1, -2)
