"""Ops written on single numbers, so that a backend may hold small arrays as Python's own floats and bools.

A writing is a function of (xs, types, params): xs are the elements of the inputs, each an expression of
Python and named in C order; it gives the expressions of the elements of the one output, or None where it
does not apply. The bits must be those of `run`: Python's floats are doubles, so + - * / and comparisons
are safe; a function is called by name, `f_exp(x)`, and the backend says what it is.

    numbers=each("{0} * {1}")         elementwise, of doubles
    numbers=called(np.exp)            elementwise, by that ufunc
    numbers=moved(run)                the elements of the inputs, arranged anew
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from adcore.types import Type

Elements: TypeAlias = Sequence[str]
Writing: TypeAlias = Callable[[Sequence[Elements], Sequence[Type], Mapping[str, Any]], "list[str] | None"]


def each(template: str, takes: str = "") -> Writing:
    """The writing of an elementwise op; `{0}` and `{1}` in the template are elements of its inputs.

    takes: the dtype of each input, "d" for float64 and "?" for bool; default: all float64.

    >>> x, y = Type(np.dtype(float), (2,)), Type(np.dtype(float), ())
    >>> each("{0} * {1}")([["a", "b"], ["c"]], [x, y], {})
    ['a * c', 'b * c']
    """

    def write(xs: Sequence[Elements], types: Sequence[Type], params: Mapping[str, Any]) -> list[str] | None:
        if [t.dtype.char for t in types] != list(takes or "d" * len(types)):
            return None
        if not any(t.shape for t in types):
            return [template.format(*(x[0] for x in xs))]
        shape = np.broadcast_shapes(*(t.shape for t in types))
        at = [np.broadcast_to(positions(t), shape).ravel().tolist() for t in types]
        return [template.format(*(x[i] for x, i in zip(xs, chosen, strict=True))) for chosen in zip(*at, strict=True)]

    return write


def called(ufunc: np.ufunc) -> Writing:
    """The writing of a ufunc of doubles, by a call of it.

    >>> called(np.exp)([["a"]], [Type(np.dtype(float), ())], {})
    ['f_exp(a)']
    """
    inputs = ", ".join(f"{{{i}}}" for i in range(ufunc.nin))
    return each(f"f_{ufunc.__name__}({inputs})")


def moved(run: Callable[..., Any]) -> Writing:
    """The writing of an op that only arranges elements: found by running it on their positions.

    >>> moved(np.flip)([["a", "b"]], [Type(np.dtype(float), (2,))], {})
    ['b', 'a']
    """

    def write(xs: Sequence[Elements], types: Sequence[Type], params: Mapping[str, Any]) -> list[str] | None:
        arrays, names, start = [], [], 0
        for i, t in enumerate(types):
            arrays.append(positions(t) + start)
            names += [(i, k) for k in range(t.size)]
            start += t.size
        chosen = [names[p] for p in np.ravel(run(*arrays, **params)).tolist()]
        return [xs[i][k] for i, k in chosen]

    return write


def positions(t: Type) -> Any:
    """The positions of the elements of an array of that type, in C order.

    >>> positions(Type(np.dtype(float), (2, 3)))
    array([[0, 1, 2],
           [3, 4, 5]])
    """
    return np.arange(t.size).reshape(t.shape)
