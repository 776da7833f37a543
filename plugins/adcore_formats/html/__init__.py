"""A graph as one HTML page that needs nothing beside it: zoom, search, values, sources, the memory of a plan."""

from __future__ import annotations

import html
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from adcore.extend import DropValue, Graph, InputError, Plan, Run, numbering
from adcore_formats.html.picture import KINDS, picture, svg
from adcore_formats.words import Values, size

MOST_NODES = 20_000
"""A graph with more nodes is no picture any more."""


def page(graph: Graph, values: Values | None = None, plan: Plan | None = None) -> str:
    """The page. values: by number of the value, shown in the boxes; plan: of this graph, for the timeline.

    Raises: InputError for a graph that is too large to be drawn.
    """
    if len(graph.nodes) > MOST_NODES:
        raise InputError(
            f"a graph of {len(graph.nodes):,} nodes is too large for a page",
            f"graph {graph.name}; at most {MOST_NODES:,} are drawn",
            "show it as text or json",
        )
    found = picture(graph, values)
    views = {"": found, **found.all_views()}
    kinds = {item.kind for item in found.all_items()}
    data = {
        "name": graph.name,
        "items": {item.id: item.details for item in found.all_items()},
        "legend": [[kind, words] for kind, words in KINDS.items() if kind in kinds],
        "facts": _facts(graph, plan),
        "plan": None if plan is None or plan.graph is not graph else _timeline(plan),
        "views": {id: [view.width, view.height] for id, view in views.items()},
    }
    here = Path(__file__).parent
    text = (here / "page.html").read_text(encoding="utf-8")
    parts = {
        "TITLE": html.escape(graph.name),
        "STYLE": (here / "page.css").read_text(encoding="utf-8"),
        "PICTURE": "\n".join(f'<g class="view" data-view="{id}">\n{svg(view)}\n</g>' for id, view in views.items()),
        "DATA": json.dumps(data, ensure_ascii=False).replace("<", "\\u003c"),
        "SCRIPT": (here / "page.js").read_text(encoding="utf-8"),
    }
    for name, part in parts.items():
        text = text.replace(f"<!--{name}-->", part)
    return text


def _facts(graph: Graph, plan: Plan | None) -> list[list[str]]:
    """What the panel says of the whole graph."""
    facts = [
        ["inputs", ", ".join(f"{n}: {v.type}" for n, v in zip(graph.input_names, graph.inputs, strict=True))],
        ["outputs", ", ".join(f"{n}: {v.type}" for n, v in zip(graph.output_names, graph.outputs, strict=True))],
        ["nodes", f"{len(graph.nodes):,}"],
    ]
    if plan is not None:
        cost = plan.cost
        facts += [
            ["plan", f"{plan.strategy}: {plan.reason}" if plan.reason else plan.strategy],
            ["peak", f"{size(cost.peak_bytes)}, of which inputs {size(cost.input_bytes)}"],
            ["runs", f"{cost.runs:,}" + (f", {cost.recomputed:,} again" if cost.recomputed else "")],
        ]
    return facts


def _timeline(plan: Plan) -> dict[str, Any]:
    """The memory of a plan step by step, and when the results of every node are there."""
    rows = plan.timeline()
    lives: dict[int, list[list[int]]] = defaultdict(list)
    node_of = {v: i for i, node in enumerate(plan.graph.nodes) for v in node.outputs}
    made = {n: node_of[v] for v, n in numbering(plan.graph).items() if v in node_of}
    for i, step in enumerate(plan.steps):
        if isinstance(step, Run):
            lives[step.node].append([i, len(plan.steps)])
        elif isinstance(step, DropValue) and lives[made[step.value]]:
            lives[made[step.value]][-1][1] = i
    return {
        "during": [row["during"] for row in rows],
        "after": [row["bytes"] for row in rows],
        "held": [row["held"] for row in rows],
        "nodes": [-1 if row["node"] is None else row["node"] for row in rows],
        "ops": [row["op"] for row in rows],
        "again": [i for i, row in enumerate(rows) if row["again"]],
        "peak": plan.cost.peak_bytes,
        "lives": lives,
    }
