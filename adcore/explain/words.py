"""Nodes as they would be written: names of values, infix signs, parentheses."""

from __future__ import annotations

from collections.abc import Callable

from adcore.explain.table import number
from adcore.graph import Graph, Node, Value, bodies, show_param
from adcore.trace import Trace
from adcore.types import Trail

WIDEST = 68
"""Characters of an expression; a longer one is named by its op only."""

INFIX = {
    "core::add": ("+", 1), "core::subtract": ("-", 1), "core::multiply": ("*", 2), "core::divide": ("/", 2),
    "core::matmul": ("@", 2), "core::matvec": ("@", 2), "core::vecmat": ("@", 2), "core::vecdot": ("@", 2),
    "core::power": ("**", 4), "core::less": ("<", 0), "core::greater": (">", 0), "core::equal": ("==", 0),
}  # fmt: skip
"""Ops that are written between their operands: sign and precedence. All others are written as functions."""

SIGN, ATOM = 3, 9


def names_of(graph: Graph) -> dict[Value, str]:
    """Names for tables: inputs by their own, results v1, v2, ..., numbers by themselves, other constants k1, ..."""
    names = dict(zip(graph.inputs, graph.input_names, strict=True))
    many = [v for v, a in graph.constants.items() if a.ndim]
    names |= {v: f"k{i}" for i, v in enumerate(many, 1)}
    names |= {v: number(a) for v, a in graph.constants.items() if not a.ndim}
    results = [v for node in graph.nodes for v in node.outputs]
    return names | {v: f"v{i}" for i, v in enumerate(results, 1)}


def expression(node: Node, words: Callable[[Value], tuple[str, int]], with_params: bool = True) -> tuple[str, int]:
    """A node as it would be written, and the precedence of its outermost sign."""
    parts = [words(v) for v in node.inputs]
    if node.op in INFIX and len(parts) == 2:
        sign, strength = INFIX[node.op]
        left, right = (_within(p, strength + (i and sign not in "+*")) for i, p in enumerate(parts))
        return f"{left} {sign} {right}", strength
    if node.op == "core::negative":
        return f"-{_within(parts[0], SIGN)}", SIGN
    inner = [text for text, _ in parts]
    if with_params:
        graphs = dict(bodies(node))
        inner += [f"{k}={show_param(v)}" for k, v in node.params.items() if k not in graphs and v not in ((), False)]
        inner = [g.name for g in graphs.values()] + inner
    return f"{node.op.rpartition('::')[2]}({', '.join(inner)})", ATOM


def _within(part: tuple[str, int], strength: int) -> str:
    text, own = part
    return text if own >= strength and not (text.startswith("-") and strength > 1) else f"({text})"


class Words:
    """Expressions of what a rule recorded, in the names of values that are known."""

    def __init__(self, trace: Trace, names: dict[Value, str]) -> None:
        self.trace, self.names = trace, dict(names)
        self._made: dict[Value, Node] = {}
        self._seen = 0

    def of(self, value: Value, otherwise: str) -> str:
        """The expression of a value; `otherwise` when it is too long to be read."""
        for node in self.trace.nodes[self._seen :]:
            self._made.update(dict.fromkeys(node.outputs, node))
        self._seen = len(self.trace.nodes)
        text = self._text(value, 0)[0]
        return text if len(text) <= WIDEST else otherwise

    def _text(self, value: Value, depth: int) -> tuple[str, int]:
        if value in self.names:
            return self.names[value], ATOM
        if value in self.trace.constants:
            a = self.trace.constants[value]
            return (number(a) if not a.ndim else "k"), ATOM
        if value not in self._made:
            return "trail" if isinstance(value.type, Trail) else "?", ATOM
        if depth > 8:
            return " " * WIDEST, ATOM
        return expression(self._made[value], lambda v: self._text(v, depth + 1), with_params=False)
