"""Derivative rules: a derivative is stated once, in plain NumPy, and the engine makes both modes of it.

The pairing is Re sum(y_bar * x_dot), with no conjugate; vjp is the transpose of jvp under it.

| kind                          | the author writes                      | the engine gives             |
|-------------------------------|----------------------------------------|------------------------------|
| `elementwise(*partials)`      | dy/dx per input, from (y, *xs)         | both modes                   |
| `linear(transpose)`           | the transpose, from (g, *xs)           | jvp is the op itself         |
| `multilinear(*transposes)`    | one transpose per input, from (g, *xs) | jvp by the product rule      |
| `Rule(jvp=...)`, `Rule(vjp=)` | one of them, or both                   | the other, by transposition  |
| `Rule(jvp=..., tape=...)`     | for ops that carry graphs              | a place for their residuals  |

In a rule `y` is the output, `x` or `a, b` the inputs, `t` a tangent, `g` a cotangent; params come
by keyword. Broadcasting, zeros, sums of paths, dtypes, and "is it needed" belong to the engine:
a rule never meets None and may return None for "no derivative".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from adcore.graph import Node
from adcore.types import AnyType

Partial: TypeAlias = "Callable[..., Any] | float | Along | None"


@dataclass(frozen=True, slots=True)
class Along:
    """A partial derivative stated as the product with a tangent: `along(lambda t, y, a, b: t / b)`.

    For elementwise ops the product with a cotangent is the same formula, so it serves both modes;
    it is used where the product can be had more cheaply or more safely than the factor.
    """

    product: Callable[..., Any]


def along(product: Callable[..., Any]) -> Along:
    """The partial derivative with this product: product(t, y, *xs, **params)."""
    return Along(product)


@dataclass(frozen=True, slots=True)
class Window:
    """A cotangent that is zero outside a window of its value, given by what is inside.

    The window covers the trailing axes: element k along an axis is start + k * step. All windows of one
    value are added up by one op, so that reading n parts of an array does not cost n arrays of zeros.
    """

    inside: Any
    start: tuple[int, ...]
    step: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Taped:
    """A node made again with its residuals as further outputs.

    params: of the new node. residuals: types of the further outputs.
    back(g, y, xs, residuals) -> cotangents of the inputs, as a vjp returns them.
    """

    params: dict[str, Any]
    residuals: tuple[AnyType, ...]
    back: Callable[[Any, Any, tuple[Any, ...], tuple[Any, ...]], Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """The derivative of an op.

    jvp(ts, y, *xs, **params): tangent of y (a tuple for several outputs) from a tuple of tangents,
        zeros filled in by the engine.
    vjp(g, y, *xs, **params): cotangents of the inputs, a tuple (or one, if there is one input), from
        the cotangent of y (a tuple for several outputs, zeros filled in). A cotangent may be a `Window`.
    partials, transposes: what `elementwise`, `linear` and `multilinear` were given.
    tape(node, active): the node made again to keep its residuals, see `Taped`; active: per input.
    """

    jvp: Callable[..., Any] | None = None
    vjp: Callable[..., Any] | None = None
    kind: str = "rule"
    partials: tuple[Partial, ...] = ()
    transposes: tuple[Callable[..., Any] | None, ...] = ()
    tape: Callable[[Node, tuple[bool, ...]], Taped] | None = None
    broadcasts: bool = False  # the inputs' leading axes broadcast; the engine sums cotangents over them


def elementwise(*partials: Partial) -> Rule:
    """The rule of an elementwise op: one partial derivative per input.

    A partial is a function of (y, *xs), or of t as well when wrapped by `along`; a number when it
    is constant; None when there is no derivative with respect to that input.

    >>> import numpy as np
    >>> elementwise(lambda y, x: np.cos(x)).kind  # the rule of sin
    'elementwise'
    """
    return Rule(kind="elementwise", partials=partials)


def linear(transpose: Callable[..., Any]) -> Rule:
    """The rule of an op that is linear in all its inputs together.

    transpose(g, *xs, **params): cotangents of the inputs. It may use the shapes of xs, never their values.
    A cotangent that is zero outside a window may be a `Window`.
    """
    return Rule(kind="linear", transposes=(transpose,))


def multilinear(*transposes: Callable[..., Any] | None, broadcasts: bool = False) -> Rule:
    """The rule of an op that is linear in each of its inputs: one transpose(g, *xs, **params) per input.

    None marks an input that has no derivative (an index, a mask): it is passed on as it is.
    broadcasts: leading axes of the inputs broadcast, and the engine sums over them.
    """
    return Rule(kind="multilinear", transposes=transposes, broadcasts=broadcasts)


ZERO = Rule(kind="zero")
"""The rule of an op whose derivative is zero wherever it exists (floor, sign) or that has none (argmax)."""

__all__ = ["ZERO", "Along", "Partial", "Rule", "Taped", "Window", "along", "elementwise", "linear", "multilinear"]
