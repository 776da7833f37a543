"""Random bits from a key and a position: Philox 4x64 with 10 rounds, the same on every machine.

A key is two 64-bit words. A stream of words belongs to a key, a purpose and a draw: block j of it (four
words) is the encryption of the counter (j + 1, draw, 0, purpose), j = 0, 1, ... So any part of a stream can
be had without the rest, and streams of different purposes never meet.
Source: Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3.

Long streams of few keys come from NumPy's own generator, short ones of many keys from array arithmetic;
both give the same words.
"""

from __future__ import annotations

from typing import Any

import numpy as np

BITS, SPLIT, FOLD, GAMMA = 0, 1, 2, 3
"""Purposes of streams."""

_MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_WEYL = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B))
_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
_LONG = 256
"""Words per key from which NumPy's generator, which costs some 10 us to make, is faster."""


def high_product(a: Any, b: int) -> Any:
    """The upper 64 bits of a product of two 64-bit integers, by halves."""
    low, high = np.uint64(b & 0xFFFFFFFF), np.uint64(b >> 32)
    a_low, a_high = a & _LOW, a >> _HALF
    across, other = a_low * high, a_high * low
    middle = ((a_low * low) >> _HALF) + (across & _LOW) + (other & _LOW)
    return a_high * high + (across >> _HALF) + (other >> _HALF) + (middle >> _HALF)


def encrypt(key: Any, block: Any, draw: Any, purpose: int) -> Any:
    """The four words of some blocks: (..., 4). key: (..., 2); block, draw: integers; all broadcast."""
    block = np.asarray(block, np.uint64) + np.uint64(1)
    shape = np.broadcast_shapes(key.shape[:-1], block.shape, np.shape(draw))
    k0, k1 = (np.broadcast_to(key[..., i], shape).reshape(-1) for i in (0, 1))
    c0 = np.broadcast_to(block, shape).reshape(-1)
    c1 = np.broadcast_to(np.asarray(draw, np.uint64), shape).reshape(-1)
    c2, c3 = np.zeros_like(c0), np.full_like(c0, purpose)
    for round_ in range(10):
        if round_:
            k0, k1 = k0 + _WEYL[0], k1 + _WEYL[1]
        first, second = (np.uint64(m) for m in _MULTIPLIERS)
        c0, c1, c2, c3 = (
            high_product(c2, _MULTIPLIERS[1]) ^ c1 ^ k0, c2 * second,
            high_product(c0, _MULTIPLIERS[0]) ^ c3 ^ k1, c0 * first,
        )  # fmt: skip
    return np.stack([c0, c1, c2, c3], axis=-1).reshape(*shape, 4)


def words(key: Any, n: int, purpose: int = BITS, draw: int = 0) -> Any:
    """The first n words of the streams of some keys: (..., n). key: (..., 2) uint64."""
    if n < _LONG:
        blocks = np.arange(-(-n // 4), dtype=np.uint64)
        stream = encrypt(key[..., None, :], blocks, draw, purpose)
        return np.ascontiguousarray(stream.reshape((*key.shape[:-1], 4 * len(blocks)))[..., :n])
    found = np.empty((*key.shape[:-1], n), np.uint64)
    counter = np.array([0, draw, 0, purpose], np.uint64)
    for i in np.ndindex(*key.shape[:-1]):
        found[i] = np.random.Philox(counter=counter, key=key[i]).random_raw(n)
    return found
