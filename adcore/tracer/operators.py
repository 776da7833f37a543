"""Python's operators on tracers."""

from __future__ import annotations

from typing import Any

import numpy as np

from adcore.tracer.calls import in_place_cast
from adcore.tracer.handle import ArrayTracer, Tracer


def set_operators() -> None:
    """Python's operators are NumPy's ufuncs; the in-place ones rebind an array and give a new scalar."""

    def binary(name: str, ufunc: np.ufunc) -> None:
        def forward(self: Tracer, other: Any) -> Any:
            if not _fits(other):
                return NotImplemented
            return self.__array_ufunc__(ufunc, "__call__", self, other)

        def backward(self: Tracer, other: Any) -> Any:
            if not _fits(other):
                return NotImplemented
            return self.__array_ufunc__(ufunc, "__call__", other, self)

        def in_place(self: ArrayTracer, other: Any) -> Any:
            result = forward(self, other)
            if result is NotImplemented:
                return NotImplemented
            self[...] = in_place_cast(self, result)
            return self

        setattr(Tracer, f"__{name}__", forward)
        if name not in ("lt", "le", "eq", "ne", "gt", "ge"):
            setattr(Tracer, f"__r{name}__", backward)
            setattr(ArrayTracer, f"__i{name}__", in_place)

    for name, ufunc in {
        "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.divide,
        "floordiv": np.floor_divide, "mod": np.remainder, "pow": np.power, "matmul": np.matmul,
        "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
        "lshift": np.left_shift, "rshift": np.right_shift,
        "lt": np.less, "le": np.less_equal, "eq": np.equal, "ne": np.not_equal,
        "gt": np.greater, "ge": np.greater_equal,
    }.items():  # fmt: skip
        binary(name, ufunc)
    setattr(Tracer, "__divmod__", lambda self, other: np.divmod(self, other))  # noqa: B010
    setattr(Tracer, "__rdivmod__", lambda self, other: np.divmod(other, self))  # noqa: B010
    for name, ufunc in {
        "neg": np.negative,
        "abs": np.absolute,
        "invert": np.invert,
        "pos": np.positive,
    }.items():
        setattr(Tracer, f"__{name}__", lambda self, u=ufunc: self.__array_ufunc__(u, "__call__", self))
    Tracer.__round__ = lambda self, ndigits=0: np.round(self, ndigits or 0)  # type: ignore[attr-defined]


def _fits(other: Any) -> bool:
    return isinstance(other, Tracer | np.ndarray | np.generic | bool | int | float | complex | list | tuple)
