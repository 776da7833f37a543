"""Colouring: which columns, rows or unknowns may go through the graph in one pass.

Greedy, in the order of falling degree. Source: Gebremedhin, Manne and Pothen 2005, "What color is your Jacobian?",
sections 3.3 (distance two) and 4.3 (star).
"""

from __future__ import annotations

from typing import Any

import numpy as np


def distance_two(pattern: Any) -> Any:
    """A colour for each column, such that no row has two entries in columns of one colour."""
    by_column = pattern.tocsc()
    colours = np.full(pattern.shape[1], -1, np.int64)
    taken: list[set[int]] = [set() for _ in range(pattern.shape[0])]
    for j in np.argsort(-np.diff(by_column.indptr), kind="stable"):
        rows = by_column.indices[by_column.indptr[j] : by_column.indptr[j + 1]]
        colour = _first_free(set().union(*(taken[i] for i in rows)))
        colours[j] = colour
        for i in rows:
            taken[i].add(colour)
    return colours


def star(pattern: Any) -> Any:
    """A colour for each unknown of a symmetric pattern, such that every path of four of them has three colours.

    Then of each pair of entries (i, j), (j, i) one can be read off its compressed row.
    """
    neighbours = [
        [int(j) for j in pattern.indices[pattern.indptr[i] : pattern.indptr[i + 1]] if j != i]
        for i in range(pattern.shape[0])
    ]
    colours = np.full(pattern.shape[0], -1, np.int64)
    for v in np.argsort([-len(n) for n in neighbours], kind="stable"):
        forbidden: set[int] = set()
        for w in neighbours[v]:
            if colours[w] >= 0:
                forbidden.add(int(colours[w]))
            for x in neighbours[w]:
                if x == v or colours[x] < 0:
                    continue
                if colours[w] < 0 or any(y != w and colours[y] == colours[w] for y in neighbours[x]):
                    forbidden.add(int(colours[x]))
        colours[v] = _first_free(forbidden)
    return colours


def _first_free(taken: set[int]) -> int:
    colour = 0
    while colour in taken:
        colour += 1
    return colour
