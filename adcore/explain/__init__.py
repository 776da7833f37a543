"""The theory, shown: forward and reverse mode of a small graph, one row per value, with numbers.

forward   node, expression, value, and beside it the tangent: one column per pass
reverse   step, node, expression, cotangent, and how it arose: one term per path, "sum of N paths" where several meet

Both are made by the pieces that differentiate (`adcore.transform`), one node at a time, so they hold
for every op. A loop or a named region is one row.

>>> import numpy as np
>>> print(explain(lambda x1, x2: x1 * x2 + np.sin(x1), 2.0, 3.0))
reverse mode: one pass gives all derivatives of y
<BLANKLINE>
step  node  expression  cotangent  how it arose
----  ----  ----------  ---------  ----------------------------------------------------------------
   1  v3    v1 + v2             1  seed
   2  v2    sin(x1)             1  v3_bar
   3  v1    x1 * x2             1  v3_bar
   4  x1    input        2.583853  v2_bar * cos(x1) + v1_bar * x2  (sum of 2 paths: -0.4161468 + 3)
   5  x2    input               2  v1_bar * x1
<BLANKLINE>
y = 6.909297
dy/dx1 = 2.583853
dy/dx2 = 2
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from adcore.errors import InputError
from adcore.evaluate import leaves_of
from adcore.explain.forward import forward_table
from adcore.explain.reverse import reverse_table
from adcore.explain.running import arrays_of
from adcore.explain.table import Explanation, Path, Row, number
from adcore.explain.words import names_of
from adcore.graph import Graph, numbering, values
from adcore.select import Which, select_inputs, select_outputs
from adcore.types import Array, Type

__all__ = ["MODES", "Explanation", "Path", "Row", "explain", "explain_leaves", "names_of", "number", "values_at"]

MODES = ("forward", "reverse")


def explain(
    f: Callable[..., Any], *args: Any, mode: str = "reverse", wrt: Which = None, of: Which = None,
    seeds: Mapping[str, Any] | None = None, **kwargs: Any,
) -> Explanation:  # fmt: skip
    """The table of a function or graph at these arguments.

    mode: "forward" or "reverse". wrt, of: as in `adcore.differentiate`. seeds: tangents by input name,
    or cotangents by output name, in place of the default (a pass per input element; ones).
    Raises: InputError for an unknown mode or seed.
    """
    if mode not in MODES:
        raise InputError(f"no mode is called {mode!r}", f"known: {', '.join(MODES)}")
    from adcore.api import trace

    graph = trace(f, *args, **kwargs)
    leaves = [np.asarray(x, v.type.dtype) for x, v in zip(leaves_of(graph, args, kwargs), graph.inputs, strict=True)]  # type: ignore[union-attr]
    return explain_leaves(graph, leaves, mode, wrt, of, seeds)


def explain_leaves(
    graph: Graph, leaves: Sequence[Array], mode: str, wrt: Which = None, of: Which = None,
    seeds: Mapping[str, Any] | None = None,
) -> Explanation:  # fmt: skip
    """The same, from the inputs as arrays in order."""
    inputs = select_inputs(graph, wrt).positions
    table = forward_table if mode == "forward" else reverse_table
    return table(graph, list(leaves), inputs, select_outputs(graph, of), dict(seeds or {}))


def values_at(graph: Graph, leaves: Sequence[Array]) -> dict[int, Array]:
    """The value of every array of a graph at these inputs, by its number (`adcore.graph.numbering`)."""
    number_of = numbering(graph)
    arrays = [v for v in values(graph) if isinstance(v.type, Type)]
    found = arrays_of(graph, list(graph.nodes), graph.inputs, leaves, arrays)
    return {number_of[v]: found[v] for v in arrays}
