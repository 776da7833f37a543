"""Elementwise functions of several steps, done a block at a time, so that what lies between stays small.

The same numbers as at once, and one block of each intermediate array in place of all of it: what an op
needs beside its inputs and its result is then too little to be planned for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

BLOCK = 4096
"""Elements done at a time: 32 KiB of float64."""


def blockwise(inputs: int, block: int = BLOCK) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator: f(*xs, **params) of so many arrays as the `run` of an elementwise op, which takes a place too.

    block: elements done at a time; fewer for functions with many intermediate arrays.
    """

    def make(f: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(f)
        def run(*args: Any, **params: Any) -> Any:
            xs = [np.asarray(x) for x in args[:inputs]]
            shape = np.broadcast_shapes(*(x.shape for x in xs))
            out = args[inputs] if len(args) > inputs else None
            if out is None:
                out = np.empty(shape, f(*(np.empty(0, x.dtype) for x in xs), **params).dtype)
            if out.size <= block:
                out[...] = f(*xs, **params)
                return out
            flat, parts = out.reshape(out.size), [_part(x, shape) for x in xs]
            for start in range(0, out.size, block):
                span = slice(start, start + block)
                flat[span] = f(*(part(span) for part in parts), **params)
            return out

        return run

    return make


def _part(x: Any, shape: tuple[int, ...]) -> Callable[[slice], Any]:
    """A function that gives a part of x, broadcast to that shape and flattened."""
    if not x.ndim:
        return lambda span: x
    if x.shape == shape and x.flags.c_contiguous:
        return x.reshape(x.size).__getitem__  # type: ignore[no-any-return]
    return np.broadcast_to(x, shape).flat.__getitem__
