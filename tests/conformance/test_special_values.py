"""Every ufunc at infinities, nan, signed zeros, and the largest and smallest numbers: traced, it gives NumPy's bits.

The array API standard lists what these must be; NumPy obeys most of it, and a graph must obey NumPy,
whether it runs a kernel on an array or holds a few numbers as Python's own.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import adcore as ad
from adcore.registry import registry
from adcore.testing.measure import same_bits

REALS = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, np.inf, -np.inf, np.nan, 1e308, -1e308, 5e-324, 1e-310, 709.9, -745.2, 3.0]
COMPLEX = [complex(a, b) for a, b in itertools.product([0.0, -0.0, 1.5, np.inf, -np.inf, np.nan], repeat=2)]
INTS = [0, 1, -1, 2, 7, -128, 127]

UFUNCS = [
    (op, f) for op in registry().ops.values() for f in op.numpy if isinstance(f, np.ufunc) and f.signature is None
]


def grids(f: np.ufunc, values: list[Any], dtype: str) -> list[Any]:
    column = np.array(values).astype(dtype)
    if f.nin == 1:
        return [column]
    return [np.repeat(column, len(column)), np.tile(column, len(column))] if f.nin == 2 else []


def cases(f: np.ufunc) -> Iterator[tuple[str, list[Any]]]:
    for dtype, values in (
        ("float64", REALS),
        ("float32", REALS),
        ("complex128", COMPLEX),
        ("int8", INTS),
        ("bool", [0, 1]),
    ):
        arrays = grids(f, values, dtype)
        if not arrays:
            continue
        try:
            f.resolve_dtypes((*(np.dtype(dtype),) * f.nin, *(None,) * f.nout))
        except TypeError:
            continue
        yield dtype, arrays


@pytest.mark.parametrize(("op", "f"), UFUNCS, ids=lambda x: getattr(x, "__name__", ""))
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::numpy.exceptions.ComplexWarning")
def test_a_traced_ufunc_gives_numpys_bits(op: Any, f: np.ufunc) -> None:
    for dtype, arrays in cases(f):
        try:
            wanted = f(*arrays)
        except ValueError:  # integers to negative powers
            continue
        graph = ad.trace(lambda *xs: f(*xs), *arrays)
        for y, z in zip(graph.compile().all(*arrays), wanted if isinstance(wanted, tuple) else (wanted,), strict=True):
            assert same_bits(y, z), f"{f.__name__} of {dtype}"


@pytest.mark.parametrize(("op", "f"), UFUNCS, ids=lambda x: getattr(x, "__name__", ""))
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::numpy.exceptions.ComplexWarning")
def test_a_traced_ufunc_of_single_numbers_gives_the_same_bits(op: Any, f: np.ufunc) -> None:
    for dtype, arrays in cases(f):
        if dtype not in ("float64", "bool"):
            continue
        program = ad.trace(lambda *xs: f(*xs), *(a[0] for a in arrays)).compile()
        for row in zip(*arrays, strict=True):
            wanted = f(*row)
            for y, z in zip(program.all(*row), wanted if isinstance(wanted, tuple) else (wanted,), strict=True):
                assert same_bits(y, z), f"{f.__name__}{row} of {dtype}: {y} in place of {z}"
