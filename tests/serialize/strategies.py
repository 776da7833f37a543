"""Hypothesis: programs to be written and read, and edits of files that shrink."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgpack
import numpy as np
from hypothesis import strategies as st
from mutants import files, parts, sealed

import adcore as ad

# --- programs ------------------------------------------------------------------------------------

UNARY: tuple[Callable[[Any], Any], ...] = (
    np.sin, np.tanh, lambda x: x[::-1], lambda x: x[1:], np.sum, np.transpose, lambda x: x * 0.5,
    lambda x: x.astype(np.float32), lambda x: x > 0.25, lambda x: np.concatenate([np.ravel(x), np.ravel(x)]),
    lambda x: ad.scan(lambda c, _: (c * 0.9 + 0.1, np.sum(c)), x * 1.0, None, length=3)[1],
    lambda x: ad.region(lambda x: np.cos(x) * x, name="block")(x * 1.0),
)  # fmt: skip
BINARY: tuple[Callable[[Any, Any], Any], ...] = (
    lambda a, b: a + b, lambda a, b: a * b, lambda a, b: np.where(a > b, a, b), lambda a, b: np.sum(a) * b,
)  # fmt: skip
TEXT = st.text(st.characters(codec="utf-8").filter(str.isprintable), max_size=3)
LEAVES = st.sampled_from([(), (3,), (2, 5)]).map(lambda shape: np.full(shape, 0.5))
NESTED = st.recursive(
    LEAVES | st.none() | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(TEXT | st.integers(-9, 9), inner, max_size=3)
    ),
    max_leaves=6,
)


def _steps(steps: list[tuple[int, int, int]], leaves: list[Any]) -> list[Any]:
    """Values made step by step; a step that does not fit its values is left out."""
    values = list(leaves)
    for kind, i, j in steps:
        a, b = values[i % len(values)], values[j % len(values)]
        try:
            made = UNARY[kind](a) if kind < len(UNARY) else BINARY[kind - len(UNARY)](a, b)
        except (TypeError, ValueError, IndexError):
            continue
        values.append(made)
    return values


@st.composite
def graphs(draw: Any) -> ad.Graph:
    """The graph of a drawn program with nested arguments and results."""
    argument = draw(NESTED.filter(lambda x: bool(ad.tree.flatten(x)[0])))
    kinds = st.integers(0, len(UNARY) + len(BINARY) - 1)
    steps = draw(st.lists(st.tuples(kinds, st.integers(0, 99), st.integers(0, 99)), max_size=8))
    key = draw(TEXT)

    def program(x: Any) -> Any:
        leaves, _ = ad.tree.flatten(x, ad.tracing.is_leaf)
        return {"": x, key: tuple(_steps(steps, leaves))}

    return ad.trace(program, argument)


# --- edits ---------------------------------------------------------------------------------------

PLAIN: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.integers(-3, 9) | st.text(max_size=6)
    | st.binary(max_size=9) | st.sampled_from(["float64", "core", "add", "leaf", "dims", "graph"]),
    lambda inner: st.lists(inner, max_size=4), max_leaves=8,
)  # fmt: skip
EDITS = st.lists(st.tuples(st.lists(st.integers(0, 60), min_size=1, max_size=6), PLAIN), min_size=1, max_size=3)


def _edited(tree: Any, path: list[int], new: Any) -> None:
    """Put a value in a place that a path of numbers leads to."""
    for step in path[:-1]:
        inner = tree[step % len(tree)]
        if not isinstance(inner, list) or not inner:
            break
        tree = inner
    tree[path[-1] % len(tree)] = new


@st.composite
def edited_files(draw: Any) -> bytes:
    """A file in which some values are others; its checksums are right."""
    meaning, notes, tensors = parts(draw(st.sampled_from(files())))
    which = draw(st.booleans())
    tree = msgpack.unpackb(meaning if which else notes)
    for path, new in draw(EDITS):
        _edited(tree, path, new)
    packed = msgpack.packb(tree)
    return sealed(packed, notes, tensors) if which else sealed(meaning, packed, tensors)
