"""Types of values that are not computed yet: arrays, trails, and named sizes.

type  ::= array | trail
array ::= dtype "[" size,* "]"                  float64[3,n]
trail ::= "trail" "[" size "]" "(" array,* ")"  one record of arrays per step of a loop
size  ::= int | dim
dim   ::= int * name + ... + int                an integer, affine in named dimensions
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from adcore.errors import GraphError

DType: TypeAlias = np.dtype[Any]
Array: TypeAlias = np.ndarray[Any, Any]
Shape: TypeAlias = tuple[int, ...]
"""Sizes of an array. In a graph with named sizes an entry may be a `Dim`; `graph.at` makes ints of them."""

DTYPES: tuple[str, ...] = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64", "complex64", "complex128",
)  # fmt: skip
"""The dtypes that a value may have, and a file may name."""


@dataclass(frozen=True, slots=True)
class Dim:
    """An integer that is affine in named dimensions: sum of coefficient * name, plus a constant.

    >>> n = Dim.named("n")
    >>> str(2 * n + 1), (2 * n + 1).at({"n": 4})
    ('2*n+1', 9)
    """

    terms: tuple[tuple[str, int], ...]
    constant: int = 0

    @classmethod
    def named(cls, name: str) -> Dim:
        """The dimension of that name."""
        return cls(((name, 1),))

    def __add__(self, other: Dim | int) -> Dim:
        if isinstance(other, int):
            return Dim(self.terms, self.constant + other)
        sums = dict(self.terms)
        for name, coefficient in other.terms:
            sums[name] = sums.get(name, 0) + coefficient
        return Dim(tuple(sorted((k, c) for k, c in sums.items() if c)), self.constant + other.constant)

    __radd__ = __add__

    def __mul__(self, factor: int) -> Dim:
        if not isinstance(factor, int):
            return NotImplemented
        return Dim(tuple((k, c * factor) for k, c in self.terms if factor), self.constant * factor)

    __rmul__ = __mul__

    def __neg__(self) -> Dim:
        return self * -1

    def __sub__(self, other: Dim | int) -> Dim:
        return self + -other

    def __rsub__(self, other: int) -> Dim:
        return -self + other

    def at(self, sizes: Mapping[str, int]) -> int:
        """The integer for these sizes. Raises GraphError when one is missing."""
        missing = [name for name, _ in self.terms if name not in sizes]
        if missing:
            known = ", ".join(sizes) or "none"
            raise GraphError(f"size {missing[0]} is not given", f"in {self}", f"known sizes: {known}")
        return self.constant + sum(c * sizes[name] for name, c in self.terms)

    def __str__(self) -> str:
        parts = [name if c == 1 else f"{c}*{name}" for name, c in self.terms]
        if self.constant or not parts:
            parts.append(str(self.constant))
        return "+".join(parts).replace("+-", "-")


@dataclass(frozen=True, slots=True)
class Type:
    """dtype and shape of an array that is not computed yet.

    >>> Type(np.dtype("float64"), (2, 3)).nbytes
    48
    """

    dtype: DType
    shape: Shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the array."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def differentiable(self) -> bool:
        """True for real and complex floating point: integers and bools have no tangent."""
        return self.dtype.kind in "fc"

    def with_shape(self, shape: Shape) -> Type:
        """The same dtype with another shape."""
        return Type(self.dtype, shape)

    def __str__(self) -> str:
        return f"{self.dtype.name}[{','.join(map(str, self.shape))}]"


@dataclass(frozen=True, slots=True)
class Trail:
    """The residual records of a loop: `length` records, each one array of every type in `record`."""

    record: tuple[Type, ...]
    length: int | None

    @property
    def nbytes(self) -> int:
        """Bytes of all records, kept in full."""
        return (self.length or 0) * sum(t.nbytes for t in self.record)

    @property
    def differentiable(self) -> bool:
        """True when any array of the record has a tangent; the tangent is again a trail."""
        return any(t.differentiable for t in self.record)

    @property
    def stacked(self) -> tuple[Type, ...]:
        """The types of the buffers that hold the whole trail, one per array of the record."""
        return tuple(Type(t.dtype, (self.length or 0, *t.shape)) for t in self.record)

    def __str__(self) -> str:
        length = "?" if self.length is None else self.length
        return f"trail[{length}]({', '.join(map(str, self.record))})"


AnyType: TypeAlias = Type | Trail


@lru_cache(maxsize=4096)
def _array_type(dtype: DType, shape: Shape) -> Type:
    return Type(dtype, shape)


def type_of(x: Any) -> Type:
    """The Type of an array or a number.

    >>> str(type_of(np.ones((2, 3), np.float32)))
    'float32[2,3]'
    """
    array = x if isinstance(x, np.ndarray | np.generic) else np.asarray(x)
    return _array_type(array.dtype, array.shape)


def tangent_type(t: AnyType) -> AnyType | None:
    """The type of a tangent or cotangent of a value: the same; None where no derivative exists.

    A trail's tangent keeps the differentiable arrays of its record.
    """
    if isinstance(t, Type):
        return t if t.differentiable else None
    record = tuple(r for r in t.record if r.differentiable)
    return Trail(record, t.length) if record else None
