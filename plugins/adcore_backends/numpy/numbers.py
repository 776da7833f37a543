"""Small arrays held as Python's own numbers: which values of a graph, and by which functions.

An operation on Python's floats takes 10 ns where a call of NumPy takes 200, so a value of a few float64 or
bool elements, made by an op that is written on numbers (`adcore.elements`), is one local variable per
element. The bits are NumPy's: floats are doubles; a function comes from `math` only where it gives NumPy's
bits. What Python refuses (a division by zero, the root of a negative number) NumPy answers by inf or nan
and a warning: a program that meets it is run again on arrays, and so is one whose results are not finite.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import numpy as np

from adcore.extend import Graph, Node, Type, Value, find_op, kept

SMALL = 6
"""Elements up to which arithmetic on numbers is faster than one call of NumPy."""

MANY = 4096
"""Elements up to which numbers are put together to a larger array, or read from one, element by element."""

FEW = 4
"""Fewer nodes than this on numbers are not worth the way there and back."""


def numbers_of(graph: Graph) -> frozenset[Value]:
    """The values that are held as numbers."""
    refused: set[Value] = set()
    while True:
        held = _held(graph, refused)
        if not held:
            return frozenset()
        wanted = arrays_wanted(graph, held)
        # views of more than a few elements that are needed as arrays too are better left views
        large = {
            v for n in graph.nodes for v in n.outputs
            if v in held and v in wanted and size(v) > SMALL and find_op(n.op).view is not None
        }  # fmt: skip
        if not large:
            break
        refused |= large
    return frozenset(held) if sum(not held.isdisjoint(n.outputs) for n in graph.nodes) >= FEW else frozenset()


def _held(graph: Graph, refused: Iterable[Value]) -> set[Value]:
    held: set[Value] = set()
    for node in graph.nodes:
        if fits(node, graph, held) and node.outputs[0] not in refused:
            held.update(node.outputs)
    return held


def arrays_wanted(graph: Graph, held: Iterable[Value]) -> set[Value]:
    """The values of which an array is needed: kept by the graph, or read by a node that works on arrays."""
    held = set(held)
    wanted = set(kept(graph))
    for node in reversed(graph.nodes):
        viewed = not wanted.isdisjoint(node.outputs) and find_op(node.op).view is not None
        if viewed or held.isdisjoint(node.outputs):
            wanted.update(node.inputs)
    return wanted


def fits(node: Node, graph: Graph, held: set[Value]) -> bool:
    """True when a node can, and should, be made on numbers, given the values that are."""
    op = find_op(node.op)
    if op.numbers is None or len(node.outputs) != 1:
        return False
    n = size(node.outputs[0])
    if (n > SMALL and op.elementwise) or not all(map(is_number, (*node.inputs, *node.outputs))):
        return False
    if n > SMALL:
        own = sum(size(v) for v in node.inputs if v in held)
        whole = all(v in held or v in graph.constants for v in node.inputs)
        if not ((whole and n <= 4 * own) or _is_filling(node, graph)):
            return False
    elif op.elementwise and any(size(v) > SMALL for v in node.inputs):
        return False
    names = [["x"] * size(v) for v in node.inputs]
    return op.numbers(names, [v.type for v in node.inputs], node.params) is not None


def _is_filling(node: Node, graph: Graph) -> bool:
    """True for a constant number that is repeated, as the zeros are to which parts of a cotangent are added."""
    return len(node.inputs) == 1 and node.inputs[0] in graph.constants and size(node.inputs[0]) == 1


def is_number(v: Value) -> bool:
    """True for a value that may be held, or read, as numbers."""
    return isinstance(v.type, Type) and v.type.dtype.char in "d?" and v.type.size <= MANY


def size(v: Value) -> int:
    """Elements of a value; of a trail, more than any number has."""
    return v.type.size if isinstance(v.type, Type) else MANY + 1


# --- functions -----------------------------------------------------------------------------------

REFUSED = (ZeroDivisionError, ValueError, OverflowError)
"""What Python's numbers raise where NumPy gives inf or nan."""

EXACT = {"sin": math.sin, "cos": math.cos, "sqrt": math.sqrt}
"""Functions of `math` that may have NumPy's bits: correctly rounded, or of the library that NumPy calls."""


@lru_cache(maxsize=256)
def on_numbers(ufunc: np.ufunc) -> Callable[..., Any]:
    """The ufunc on Python's numbers, with the same bits."""
    exact = EXACT.get(ufunc.__name__)
    if exact is not None and _agree(exact, ufunc):
        return exact
    return lambda *xs: ufunc(*xs).item()


def _agree(exact: Callable[[float], float], ufunc: np.ufunc) -> bool:
    """True when both give the same bits at many numbers, in the middle of the number line and far out."""
    chance = np.random.default_rng(7)
    far = chance.normal(size=8192) * np.exp(chance.uniform(-20.0, 20.0, 8192))
    x = np.concatenate([chance.normal(size=8192), far])
    x = np.abs(x) if ufunc is np.sqrt else x
    return bool(np.array_equal(ufunc(x), np.array([exact(v) for v in x.tolist()])))
