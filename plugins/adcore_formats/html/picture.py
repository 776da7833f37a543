"""A graph as SVG: a box per input, array constant, node and output.

A small sub-graph is drawn inside the box of its node; a larger one is a view of its own, which the box opens.
"""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from adcore.extend import Graph, Node, Value, bodies, find_op, numbering
from adcore_formats.html.layers import GAP_Y, Box, Point, drawing
from adcore_formats.words import Values, number, params, short, size

CHARACTER, LINE, PAD = 6.7, 15.0, 8.0
"""Width of a character and height of a line of the font (11 px, all characters equally wide); inner margin."""

LONGEST = 38
"""Characters of a line in a box; what is longer is cut, and in full in the panel."""

INSIDE = 12
"""Nodes up to which a sub-graph is drawn inside the box of its node."""

KINDS = {
    "input": "input", "output": "output", "constant": "constant array", "elementwise": "elementwise op",
    "linear": "linear op", "multilinear": "multilinear op", "other": "op with a rule of its own",
    "none": "no derivative", "graph": "op with a sub-graph",
}  # fmt: skip
"""The kinds of boxes: class in the page, words in its legend."""


@dataclass
class Item:
    """A box: its id in the page, kind, lines of text, and what the panel says of it.

    inner, views: its sub-graphs by caption, drawn inside it and elsewhere.
    """

    id: str
    kind: str
    lines: list[tuple[str, str]]  # class, text
    details: dict[str, Any]
    inner: list[tuple[str, Picture]] = field(default_factory=list)
    views: list[tuple[str, Picture]] = field(default_factory=list)
    corner: Point = (0.0, 0.0)

    @property
    def box(self) -> Box:
        """Its size."""
        wide = max((len(text) for _, text in self.lines), default=1) * CHARACTER + 2 * PAD
        high = len(self.lines) * LINE + PAD
        if self.inner:
            wide = max(wide, sum(p.width for _, p in self.inner) + PAD * (1 + len(self.inner)))
            high += LINE + PAD + max(p.height for _, p in self.inner)
        return Box(wide, high)


@dataclass
class Picture:
    """The boxes and lines of one graph, placed."""

    items: list[Item]
    lines: list[tuple[str, str, tuple[Point, ...], str]]  # from, to, points, type
    width: float
    height: float

    def all_items(self) -> list[Item]:
        """Its boxes, and those of the sub-graphs."""
        inner = [i for item in self.items for _, p in (*item.inner, *item.views) for i in p.all_items()]
        return [*self.items, *inner]

    def all_views(self) -> dict[str, Picture]:
        """The pictures of the sub-graphs that are drawn elsewhere, by id."""
        found: dict[str, Picture] = {}
        for item in self.items:
            for _, inner in item.inner:
                found |= inner.all_views()
            for name, view in item.views:
                found |= {f"{item.id}-{name}": view} | view.all_views()
        return found


def picture(graph: Graph, values: Values | None = None, prefix: str = "") -> Picture:
    """The picture of a graph. prefix: of the ids of its boxes."""
    made = _Made(graph, values or {}, prefix)
    made.collect()
    outputs = [i for i, item in enumerate(made.items) if item.kind == "output"]
    placed = drawing([item.box for item in made.items], [(a, b) for a, b, _ in made.links], outputs)
    for item, corner in zip(made.items, placed.corners, strict=True):
        item.corner = corner
    lines = [
        (made.items[a].id, made.items[b].id, points, str(v.type))
        for (a, b, v), points in zip(made.links, placed.lines, strict=True)
    ]
    return Picture(made.items, lines, placed.width, placed.height)


class _Made:
    """The boxes of a graph and the links between them, while they are collected."""

    def __init__(self, graph: Graph, values: Values, prefix: str) -> None:
        self.graph, self.values, self.prefix = graph, values, prefix
        self.number = numbering(graph)
        self.items: list[Item] = []
        self.links: list[tuple[int, int, Value]] = []
        self.maker: dict[Value, int] = {}
        self.inline = {v for v, a in graph.constants.items() if a.ndim == 0}

    def collect(self) -> None:
        """All boxes, in an order in which links go forward."""
        graph = self.graph
        for v, name in zip(graph.inputs, graph.input_names, strict=True):
            self._start(v, "input", f"in{self.number[v]}", name)
        for v in graph.constants:
            if v not in self.inline:
                self._start(v, "constant", f"k{self.number[v]}", "constant")
        for i, node in enumerate(graph.nodes):
            self._node(i, node)
        for i, (v, name) in enumerate(zip(graph.outputs, graph.output_names, strict=True)):
            text = f"{name} = {number(graph.constants[v])}" if v in self.inline else name
            self._end(v, "output", f"out{i}", text)
        for i, check in enumerate(graph.checks):
            self._end(check.value, "output", f"check{i}", f"check: {check.message}")
        for i, (name, v) in enumerate(graph.reports):
            self._end(v, "output", f"report{i}", f"report {name}")

    def _start(self, v: Value, kind: str, id: str, name: str) -> None:
        lines = [("op", _cut(name)), ("type", _cut(str(v.type))), *self._value(v)]
        self.maker[v] = len(self.items)
        self.items.append(Item(self.prefix + id, kind, lines, {"name": name, "results": [self._result(v)]}))

    def _end(self, v: Value, kind: str, id: str, name: str) -> None:
        lines = [("op", _cut(name)), ("type", _cut(str(v.type))), *self._value(v)]
        if v in self.maker:
            self.links.append((self.maker[v], len(self.items), v))
        self.items.append(Item(self.prefix + id, kind, lines, {"name": name, "results": [self._result(v)]}))

    def _node(self, i: int, node: Node) -> None:
        shown = [number(self.graph.constants[v]) if v in self.inline else "·" for v in node.inputs]
        title = short(node.op) + (f"({', '.join(shown)})" if set(shown) != {"·"} and shown else "")
        extra = params(node)
        lines = [("op", _cut(title))]
        lines += [("params", _cut(extra))] if extra else []
        for v in node.outputs[:3]:
            lines += [("type", _cut(str(v.type))), *self._value(v)]
        lines += [("type", f"and {len(node.outputs) - 3} more")] if len(node.outputs) > 3 else []
        lines += [("source", _cut(str(node.source)))] if node.source else []
        details: dict[str, Any] = {
            "name": node.op, "params": extra, "source": str(node.source or ""), "node": i if not self.prefix else -1,
            "results": [self._result(v) for v in node.outputs],
        }  # fmt: skip
        for v in dict.fromkeys(node.inputs):
            if v not in self.inline:
                self.links.append((self.maker[v], len(self.items), v))
        self.maker |= dict.fromkeys(node.outputs, len(self.items))
        id = f"{self.prefix}n{i}"
        inner, views = [], []
        for name, body in bodies(node):
            drawn = picture(body, prefix=f"{id}-{name}-")
            if len(body.nodes) <= INSIDE and not drawn.all_views():
                inner.append((f"{name}: {body.name}", drawn))
            else:
                views.append((name, drawn))
                lines.append(("fold", f"▸ {name}: {_cut(body.name)}, {len(body.nodes)} nodes"))
        details["views"] = [[f"{id}-{name}", name] for name, _ in views]
        self.items.append(Item(id, "graph" if inner or views else kind_of(node.op), lines, details, inner, views))

    def _value(self, v: Value) -> list[tuple[str, str]]:
        n = self.number[v]
        return [("value", _cut(number(self.values[n])))] if n in self.values else []

    def _result(self, v: Value) -> dict[str, Any]:
        """What the panel says of an array."""
        found: dict[str, Any] = {"number": self.number[v], "type": str(v.type)}
        if isinstance(getattr(v.type, "nbytes", None), int):
            found["bytes"] = size(v.type.nbytes)
        if found["number"] in self.values:
            array = np.asarray(self.values[found["number"]])
            found["value"] = np.array2string(array, threshold=60, edgeitems=3, max_line_width=46)
        return found


def kind_of(op: str) -> str:
    """The kind of box for an op, by its rule."""
    rule = find_op(op).rule
    if rule is None or rule.kind == "zero":
        return "none"
    return rule.kind if rule.kind in KINDS else "other"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


# --- SVG -----------------------------------------------------------------------------------------


def svg(found: Picture) -> str:
    """The picture as SVG elements, without the <svg> around them."""
    return "\n".join([*(_line(*line) for line in found.lines), *map(_item, found.items)])


def _item(item: Item) -> str:
    x, y = item.corner
    box = item.box
    round_ = 14 if item.kind in ("input", "output") else 5
    parts = [
        f'<g class="item {item.kind}" id="{_text(item.id)}" transform="translate({x:.1f} {y:.1f})" tabindex="0">',
        f'<rect width="{box.width:.1f}" height="{box.height:.1f}" rx="{round_}"/>',
    ]
    middle = box.width / 2
    for i, (kind, text) in enumerate(item.lines):
        parts.append(f'<text class="{kind}" x="{middle:.1f}" y="{PAD + 8 + i * LINE:.1f}">{_text(text)}</text>')
    left, top = PAD, len(item.lines) * LINE + PAD
    for name, inner in item.inner:
        parts.append(f'<text class="caption" x="{left:.1f}" y="{top + 10:.1f}">{_text(name)}</text>')
        parts.append(f'<g transform="translate({left:.1f} {top + LINE + 2:.1f})">{svg(inner)}</g>')
        left += inner.width + PAD
    return "".join([*parts, "</g>"])


def _line(a: str, b: str, points: tuple[Point, ...], type: str) -> str:
    (x, y), *rest = points
    path = f"M{x:.1f} {y:.1f}"
    for px, py in rest:
        bend = (y + py) / 2
        path += f"L{px:.1f} {py:.1f}" if px == x else f"C{x:.1f} {bend:.1f} {px:.1f} {bend:.1f} {px:.1f} {py:.1f}"
        x, y = px, py
    title = f"<title>{_text(type)}</title>"
    far = " far" if len(rest) == 1 and rest[0][1] - points[0][1] > 2 * GAP_Y else ""
    return f'<path class="line{far}" data-from="{_text(a)}" data-to="{_text(b)}" d="{path}">{title}</path>'


def _text(text: str) -> str:
    return html.escape(text)
