"""The tables of forward and reverse mode as text, Markdown and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adcore.graph import Graph
from adcore.types import Array

SMALL = 6
"""Elements up to which an array is shown in full."""


@dataclass(frozen=True, slots=True)
class Path:
    """One term of a cotangent: through which node it came, its expression and its value."""

    through: str
    expression: str
    value: Array


@dataclass(frozen=True, slots=True)
class Row:
    """One value of the graph. tangents: one per pass (forward). cotangent, paths: reverse; None where there is none."""

    node: str
    op: str
    type: str
    source: str
    expression: str
    value: Array | None
    tangents: tuple[Array | None, ...] = ()
    rule: str = ""
    cotangent: Array | None = None
    paths: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """A table with numbers. str() is the text; `markdown()` and `data()` (for JSON) the same otherwise.

    passes: what each pass is along (forward), or of (reverse). results: what was asked for, by name.
    """

    mode: str
    graph: Graph
    passes: tuple[str, ...]
    rows: tuple[Row, ...]
    results: tuple[tuple[str, Array], ...]

    def __str__(self) -> str:
        head, rows = self._cells()
        return "\n".join([self.title, "", _aligned(head, rows), "", *(f"{n} = {number(v)}" for n, v in self.results)])

    def markdown(self) -> str:
        """The table in Markdown."""
        head, rows = self._cells()
        lines = [f"**{self.title}**", "", "| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
        lines += ["| " + " | ".join(_code(c, i) for i, c in enumerate(row)) + " |" for row in rows]
        return "\n".join([*lines, "", *(f"- `{n}` = {number(v)}" for n, v in self.results)])

    def data(self) -> dict[str, Any]:
        """Plain data: the same rows with all digits; arrays as nested lists."""
        return {
            "mode": self.mode,
            "graph": self.graph.name,
            "passes": list(self.passes),
            "rows": [_row_data(row, self.mode) for row in self.rows],
            "results": {n: plain(v) for n, v in self.results},
        }

    @property
    def title(self) -> str:
        """One line that says what one pass gives."""
        if self.mode == "reverse":
            return f"reverse mode: one pass gives all derivatives of {', '.join(self.passes)}"
        n = len(self.passes)
        each = "a column of tangents" if n == 1 else "a column of tangents each"
        return f"forward mode: {n} pass{'es' if n > 1 else ''}, {each}"

    def _cells(self) -> tuple[list[str], list[list[str]]]:
        if self.mode == "forward":
            head = ["node", "expression", "value", *self.passes, "tangent"]
            return head, [
                [r.node, r.expression, _shown(r.value, r.type), *(_shown(t, "") for t in r.tangents), r.rule]
                for r in self.rows
            ]
        head = ["step", "node", "expression", "cotangent", "how it arose"]
        rows = [[r.node, r.expression, _shown(r.cotangent, ""), _how(r)] for r in self.rows]
        return head, [[str(i), *row] for i, row in enumerate(rows, 1)]


def number(a: Any) -> str:
    """An array for people: seven digits of a number, small arrays in full, large ones by type and range.

    >>> number(np.float64(2.5838531634528574)), number(np.array([1.0, 2.0]))
    ('2.583853', '[1, 2]')
    """
    a = np.asarray(a)
    if not a.ndim:
        return f"{a[()] + 0:.7g}" if a.dtype.kind in "fc" else str(a[()])
    if a.size <= SMALL:
        return "[" + ", ".join(number(part) for part in a) + "]"
    kind = f"{a.dtype.name}[{','.join(map(str, a.shape))}]"
    return f"{kind} in {number(a.min())} .. {number(a.max())}" if a.dtype.kind in "fiu" else kind


def plain(a: Any) -> Any:
    """An array as nested lists of JSON: complex as {"real", "imag"}, what is not finite as a string."""
    a = np.asarray(a)
    if a.dtype.kind == "c":
        return {"real": plain(a.real), "imag": plain(a.imag)}
    if a.dtype.kind == "f" and not np.isfinite(a).all():
        return _strings(a.tolist())
    return a.tolist()


def _strings(x: Any) -> Any:
    if isinstance(x, list):
        return [_strings(e) for e in x]
    return x if np.isfinite(x) else str(x)


def _shown(a: Array | None, otherwise: str) -> str:
    return otherwise if a is None else number(a)


def _how(row: Row) -> str:
    text = " + ".join(p.expression for p in row.paths)
    if len(row.paths) == 1:
        return text
    terms = " + ".join(number(p.value) for p in row.paths).replace("+ -", "- ")
    return f"{text}  (sum of {len(row.paths)} paths: {terms})"


def _row_data(row: Row, mode: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "node": row.node,
        "op": row.op,
        "type": row.type,
        "source": row.source,
        "expression": row.expression,
    }
    found["value"] = None if row.value is None else plain(row.value)
    if mode == "forward":
        tangents = [None if t is None else plain(t) for t in row.tangents]
        return found | {"tangents": tangents, "rule": row.rule}
    paths = [{"through": p.through, "expression": p.expression, "value": plain(p.value)} for p in row.paths]
    return found | {
        "cotangent": plain(row.cotangent),
        "how": " + ".join(p.expression for p in row.paths),
        "paths": paths,
    }


def _aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns two spaces apart; those that hold numbers are flush right."""
    widths = [max(len(r[i]) for r in (head, *rows)) for i in range(len(head))]
    right = [h in ("step", "value", "cotangent") or h.startswith("d/") for h in head]
    lines = [head, ["-" * w for w in widths], *rows]
    return "\n".join(
        "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, widths, right, strict=True)).rstrip()
        for line in lines
    )


def _code(cell: str, column: int) -> str:
    text = cell.replace("|", "\\|")
    return f"`{text}`" if text and column < 3 and text[0].isalpha() else text
