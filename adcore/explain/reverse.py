"""The table of reverse mode: one cotangent per value, and the paths that it came by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from adcore.explain.running import alone, arrays_of, blank_rows, seeds_of
from adcore.explain.table import Explanation, Path
from adcore.explain.words import Words, names_of
from adcore.graph import Graph, Node, Value, affected
from adcore.trace import Trace
from adcore.tracer import Tracer
from adcore.transform.vjp import record_forward
from adcore.types import Array, Type


def reverse_table(
    graph: Graph, leaves: list[Array], wrt: Sequence[int], of: Sequence[int], seeds: dict[str, Any]
) -> Explanation:
    """The table of reverse mode: cotangents in the order in which they are complete, and the terms of each."""
    names = names_of(graph)
    trace = Trace()
    trace.constants.update(graph.constants)
    y_bars = [Value(graph.outputs[i].type) for i in of]
    active = affected(graph, [graph.inputs[i] for i in wrt])
    with trace:
        pulls = [(node, _taken(trace, graph, node, active)) for node in graph.nodes]
        words = Words(trace, names)
        terms: dict[Value, list[tuple[str, str, Value]]] = {}
        for i, bar in zip(of, y_bars, strict=True):
            terms.setdefault(graph.outputs[i], []).append(("seed", "seed", bar))
        bars: dict[Value, Value] = {}
        order: list[Value] = []
        for node, pull in reversed(pulls):
            _close(trace, words, node.outputs, terms, bars, order)
            pairs = [(v, trace.wrap(bars[v])) for v in node.outputs if v in bars]
            if pull is None or not pairs:
                continue
            for x, x_bar in pull(pairs).items():
                for part in _parts(trace, x_bar._read(), node.inputs.count(x)):
                    terms.setdefault(x, []).append((names[node.outputs[0]], words.of(part, f"vjp of {node.op}"), part))
        _close(trace, words, [graph.inputs[i] for i in wrt], terms, bars, order)
    types: list[Any] = [graph.outputs[i].type for i in of]
    given = seeds_of(seeds, [graph.output_names[i] for i in of], types, 1.0)
    shown = [v for v in order if isinstance(v.type, Type)]
    wanted = [*graph.outputs, *shown, *(bars[v] for v in shown), *(t[2] for v in shown for t in terms[v])]
    run = arrays_of(graph, trace.nodes, (*graph.inputs, *y_bars), [*leaves, *given], wanted, trace)
    rows = dict(blank_rows(graph, names))
    made = [
        replace(
            rows[v], value=run[v], cotangent=run[bars[v]],
            paths=tuple(Path(through, text, run[bar]) for through, text, bar in terms[v]),
        )
        for v in shown
    ]  # fmt: skip
    results = [(graph.output_names[i], run[graph.outputs[i]]) for i in of]
    label = graph.output_names[of[0]] if len(of) == 1 else "(" + " + ".join(graph.output_names[i] for i in of) + ")"
    for i in wrt:
        x = graph.inputs[i]
        zero = np.zeros(x.type.shape)  # type: ignore[union-attr]
        results.append((f"d{label}/d{graph.input_names[i]}", run[bars[x]] if x in bars else zero))
    return Explanation("reverse", graph, (label,), tuple(made), tuple(results))


def _taken(trace: Trace, graph: Graph, node: Node, active: set[Value]) -> Callable[..., dict[Value, Tracer]] | None:
    """Record one node; its own part of the backward pass, None if it has none."""
    if active.isdisjoint(node.outputs):
        trace.nodes.append(node)
        return None
    return record_forward(trace, alone(graph, node), [v for v in node.inputs if v in active], {})


def _close(
    trace: Trace, words: Words, ends: Sequence[Value], terms: dict[Value, list[tuple[str, str, Value]]],
    bars: dict[Value, Value], order: list[Value],
) -> None:  # fmt: skip
    """The cotangents of these values are complete: add up their terms, give the sum a name."""
    for v in ends:
        if v not in terms:
            continue
        total: Any = trace.wrap(terms[v][0][2])
        for _, _, bar in terms[v][1:]:
            total = total + trace.wrap(bar) if isinstance(v.type, Type) else total
        bars[v] = total._read()
        words.names[bars[v]] = f"{words.names[v]}_bar"
        order.append(v)


def _parts(trace: Trace, total: Value, count: int) -> list[Value]:
    """A sum over the places where one node takes the same value, taken apart again."""
    parts: list[Value] = []
    made = {n.outputs[0]: n for n in trace.nodes[-64:] if n.op == "core::add"} if count > 1 else {}
    while len(parts) < count - 1 and total in made:
        total, last = made[total].inputs
        parts.append(last)
    return [total, *reversed(parts)]
