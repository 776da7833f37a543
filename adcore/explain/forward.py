"""The table of forward mode: a column of tangents per pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from adcore.explain.running import alone, arrays_of, blank_rows, seeds_of
from adcore.explain.table import Explanation
from adcore.explain.words import Words, names_of
from adcore.graph import Graph, Value, values
from adcore.trace import Trace
from adcore.transform.jvp import push
from adcore.types import Array, Type

MOST_PASSES = 6
"""Input elements up to which there is a pass for each; above, one pass along all ones."""


def forward_table(
    graph: Graph, leaves: list[Array], wrt: Sequence[int], of: Sequence[int], seeds: dict[str, Any]
) -> Explanation:
    """The table of forward mode: the values, and their tangents in every pass, all from one recording."""
    names = names_of(graph)
    trace = Trace()
    trace.constants.update(graph.constants)
    dots = {graph.inputs[i]: Value(graph.inputs[i].type) for i in wrt}
    rules: dict[Value, str] = {}
    with trace:
        tangents = {x: trace.wrap(x_dot) for x, x_dot in dots.items()}
        words = Words(trace, dict(names) | {x_dot: f"{names[x]}_dot" for x, x_dot in dots.items()})
        for node in graph.nodes:
            push(trace, alone(graph, node), tangents, {})
            for y in node.outputs:
                if y in tangents:
                    rules[y] = words.of(tangents[y]._read(), f"jvp of {node.op}")
                    words.names[tangents[y]._read()] = f"{names[y]}_dot"
        read = {v: t._read() for v, t in tangents.items() if isinstance(v.type, Type)}
    labels, passes = _passes(graph, wrt, seeds)
    arrays = [v for v in values(graph) if isinstance(v.type, Type)]
    ends, wanted = (*graph.inputs, *dots.values()), [*arrays, *read.values()]
    runs = [arrays_of(graph, trace.nodes, ends, [*leaves, *seed], wanted, trace) for seed in passes]
    rows = [
        replace(
            row,
            tangents=tuple(run[read[v]] if v in read else None for run in runs),
            rule=rules.get(v, ""),
            value=runs[0].get(v),
        )
        for v, row in blank_rows(graph, names)
    ]
    results = [(graph.output_names[i], runs[0][graph.outputs[i]]) for i in of]
    for label, run in zip(labels, runs, strict=True):
        for i in of:
            y = graph.outputs[i]
            tangent = run[read[y]] if y in read else np.zeros(y.type.shape)  # type: ignore[union-attr]
            results.append((label.replace("d/", f"d{graph.output_names[i]}/", 1), tangent))
    return Explanation("forward", graph, tuple(labels), tuple(rows), tuple(results))


def _passes(graph: Graph, wrt: Sequence[int], seeds: dict[str, Any]) -> tuple[list[str], list[list[Array]]]:
    """The label of every pass, and its tangents for the inputs in `wrt`."""
    types: list[Any] = [graph.inputs[i].type for i in wrt]
    names = [graph.input_names[i] for i in wrt]
    if seeds:
        given = seeds_of(seeds, names, types, 0.0)
        return ["d/dt"], [given]
    total = sum(t.size for t in types)
    if total > MOST_PASSES:
        return ["d/dt (all inputs move by t)"], [[np.ones(t.shape, t.dtype) for t in types]]
    labels, passes = [], []
    for k, (name, t) in enumerate(zip(names, types, strict=True)):
        for index in np.ndindex(*t.shape):
            unit = [np.zeros(u.shape, u.dtype) for u in types]
            unit[k][index] = 1.0
            passes.append(unit)
            labels.append(f"d/d{name}" + (f"[{','.join(map(str, index))}]" if index else ""))
    return labels, passes
