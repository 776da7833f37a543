"""Short words for what pictures show: names of ops, params, arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from adcore.extend import Graph, Node, Value, numbering, show_param

Values = Mapping[int, Any]

SMALL = 6
"""Elements up to which an array is shown in full."""


def short(op: str) -> str:
    """The name of an op without the domain `core`."""
    return op.removeprefix("core::")


def params(node: Node) -> str:
    """The params of a node; sub-graphs and what says nothing (empty, False) left out.

    >>> import adcore as ad
    >>> g = ad.trace(lambda x: np.sum(x, axis=0), np.ones((2, 3)))
    >>> params(g.nodes[0])
    'axes=(-2,)'
    """
    return ", ".join(
        f"{name}={show_param(value)}"
        for name, value in node.params.items()
        if not _graphs(value) and not (value is False or value == () or value is None)
    )


def _graphs(value: Any) -> bool:
    return isinstance(value, Graph) or (isinstance(value, tuple) and bool(value) and isinstance(value[0], Graph))


def number(array: Any) -> str:
    """An array for people: four digits of a number, a small array in full, a large one by its range.

    >>> number(np.float64(2.5838531634)), number(np.array([1.0, 2.0])), number(np.arange(100.0))
    ('2.584', '[1, 2]', '0 .. 99')
    """
    a = np.asarray(array)
    if not a.ndim:
        return f"{a[()] + 0:.4g}" if a.dtype.kind in "fc" else str(a[()])
    if a.size <= SMALL:
        return "[" + ", ".join(map(number, a)) + "]"
    return f"{number(a.min())} .. {number(a.max())}" if a.dtype.kind in "fiu" else f"{a.size} numbers"


def size(nbytes: float) -> str:
    """Bytes as people read them.

    >>> size(7), size(16072)
    ('7 B', '16.1 kB')
    """
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if nbytes < 1000 or unit == "TB":
            break
        nbytes /= 1000
    return f"{nbytes:.0f} {unit}" if unit == "B" else f"{nbytes:.1f} {unit}"


class Names:
    """How the values of a graph are called and described in a picture."""

    def __init__(self, graph: Graph, values: Values | None = None) -> None:
        self.graph = graph
        self.number = numbering(graph)
        self.values = values or {}

    def value(self, v: Value) -> str:
        """The number of an array, in words; empty when it is not known."""
        n = self.number.get(v)
        return number(self.values[n]) if n in self.values else ""

    def constant(self, v: Value) -> str:
        """A constant: a scalar by its number, an array by its type."""
        array = self.graph.constants[v]
        return number(array) if array.ndim == 0 else str(v.type)
