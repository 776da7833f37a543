"""The listing that `print(graph)` gives, with the values beneath it when they are asked for."""

from __future__ import annotations

from adcore.extend import Graph, letters
from adcore_formats.words import Values, number


def text(graph: Graph, values: Values | None = None) -> str:
    """The graph line by line.

    >>> import adcore as ad
    >>> print(text(ad.trace(lambda x: x * x, 2.0), {0: 3.0, 1: 9.0}))
    graph <lambda>(a: x float64[]) {
      b: float64[] = core::multiply(a, a)
      return y = b
    }
    a = 3
    b = 9
    """
    lines = [f"{letters(n)} = {number(array)}" for n, array in sorted((values or {}).items())]
    return "\n".join([str(graph), *lines])
