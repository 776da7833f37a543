"""The theory, shown: forward and reverse mode of a small graph, one row per value, with numbers.

forward   node, expression, value, and beside it the tangent: one column per pass
reverse   step, node, cotangent, and how it arose: one term per path, "sum of N paths" where several meet

Both are made by the pieces that differentiate (`adcore.transform`), one node at a time, so they hold
for every op. A loop or a named region is one row.

>>> import numpy as np
>>> print(explain(lambda x1, x2: x1 * x2 + np.sin(x1), 2.0, 3.0))
reverse mode: one pass gives all derivatives of y
<BLANKLINE>
step  node  cotangent  how it arose
----  ----  ---------  ----------------------------------------------------
   1  v3            1  seed
   2  v2            1  v3_bar
   3  v1            1  v3_bar
   4  x1     2.583853  v1_bar * x2 + v2_bar * cos(x1)  (sum of 2 paths: 3 - 0.4161468)
   5  x2            2  v1_bar * x1
<BLANKLINE>
y = 6.909297
dy/dx1 = 2.583853
dy/dx2 = 2
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from adcore.errors import InputError
from adcore.evaluate import leaves_of, run_leaves
from adcore.graph import Graph, Node, Value, bodies, numbering, show_param, values
from adcore.select import Which, select_inputs, select_outputs
from adcore.trace import Trace
from adcore.tracer import Tracer
from adcore.transform.jvp import push
from adcore.transform.splice import closed
from adcore.transform.vjp import record_forward
from adcore.types import Array, Trail, Type

MODES = ("forward", "reverse")
MOST_PASSES = 6
"""Input elements up to which the forward table has a pass for each; above, one pass along all ones."""

WIDEST = 68
"""Characters of an expression; a longer one is named by its op only."""


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
        head = ["step", "node", "cotangent", "how it arose"]
        return head, [[str(i), r.node, _shown(r.cotangent, ""), _how(r)] for i, r in enumerate(self.rows, 1)]


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
    table = _forward if mode == "forward" else _reverse
    return table(graph, list(leaves), inputs, select_outputs(graph, of), dict(seeds or {}))


def values_at(graph: Graph, leaves: Sequence[Array]) -> dict[int, Array]:
    """The value of every array of a graph at these inputs, by its number (`adcore.graph.numbering`)."""
    number_of = numbering(graph)
    arrays = [v for v in values(graph) if isinstance(v.type, Type)]
    found = _run(graph, list(graph.nodes), graph.inputs, leaves, arrays)
    return {number_of[v]: found[v] for v in arrays}


# --- forward -------------------------------------------------------------------------------------


def _forward(
    graph: Graph, leaves: list[Array], wrt: Sequence[int], of: Sequence[int], seeds: dict[str, Any]
) -> Explanation:
    names = names_of(graph)
    trace = Trace()
    trace.constants.update(graph.constants)
    dots = {graph.inputs[i]: Value(graph.inputs[i].type) for i in wrt}
    rules: dict[Value, str] = {}
    with trace:
        tangents = {x: trace.wrap(x_dot) for x, x_dot in dots.items()}
        words = _Words(trace, dict(names) | {x_dot: f"{names[x]}_dot" for x, x_dot in dots.items()})
        for node in graph.nodes:
            push(trace, _alone(graph, node), tangents, {})
            for y in node.outputs:
                if y in tangents:
                    rules[y] = words.of(tangents[y]._read(), f"jvp of {node.op}")
                    words.names[tangents[y]._read()] = f"{names[y]}_dot"
        read = {v: t._read() for v, t in tangents.items() if isinstance(v.type, Type)}
    labels, passes = _passes(graph, wrt, seeds)
    arrays = [v for v in values(graph) if isinstance(v.type, Type)]
    runs = [
        _run(graph, trace.nodes, (*graph.inputs, *dots.values()), [*leaves, *seed], [*arrays, *read.values()], trace)
        for seed in passes
    ]
    rows = [
        replace(
            row,
            tangents=tuple(run[read[v]] if v in read else None for run in runs),
            rule=rules.get(v, ""),
            value=runs[0].get(v),
        )
        for v, row in _rows(graph, names)
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
        given = _seeds(seeds, names, types, 0.0)
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


def _seeds(given: dict[str, Any], names: Sequence[str], types: Sequence[Any], otherwise: float) -> list[Array]:
    unknown = [n for n in given if n not in names]
    if unknown:
        raise InputError(f"no seed is called {unknown[0]!r}", f"seeds are of {', '.join(names)}")
    found = [np.asarray(given.get(n, np.full(t.shape, otherwise)), t.dtype) for n, t in zip(names, types, strict=True)]
    for n, a, t in zip(names, found, types, strict=True):
        if a.shape != t.shape:
            raise InputError(f"the seed of {n} has shape {a.shape}, its value {t}")
    return found


# --- reverse -------------------------------------------------------------------------------------


def _reverse(
    graph: Graph, leaves: list[Array], wrt: Sequence[int], of: Sequence[int], seeds: dict[str, Any]
) -> Explanation:
    names = names_of(graph)
    trace = Trace()
    trace.constants.update(graph.constants)
    y_bars = [Value(graph.outputs[i].type) for i in of]
    active = _active(graph, wrt)
    with trace:
        pulls = [(node, _taken(trace, graph, node, active)) for node in graph.nodes]
        words = _Words(trace, names)
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
    given = _seeds(seeds, [graph.output_names[i] for i in of], types, 1.0)
    shown = [v for v in order if isinstance(v.type, Type)]
    wanted = [*graph.outputs, *shown, *(bars[v] for v in shown), *(t[2] for v in shown for t in terms[v])]
    run = _run(graph, trace.nodes, (*graph.inputs, *y_bars), [*leaves, *given], wanted, trace)
    rows = dict(_rows(graph, names))
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


def _active(graph: Graph, wrt: Sequence[int]) -> set[Value]:
    from adcore.graph import affected

    return affected(graph, [graph.inputs[i] for i in wrt])


def _taken(trace: Trace, graph: Graph, node: Node, active: set[Value]) -> Callable[..., dict[Value, Tracer]] | None:
    """Record one node; its own part of the backward pass, None if it has none."""
    if active.isdisjoint(node.outputs):
        trace.nodes.append(node)
        return None
    return record_forward(trace, _alone(graph, node), [v for v in node.inputs if v in active], {})


def _close(
    trace: Trace, words: _Words, ends: Sequence[Value], terms: dict[Value, list[tuple[str, str, Value]]],
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


# --- words ---------------------------------------------------------------------------------------

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


class _Words:
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


# --- running and showing -------------------------------------------------------------------------


def _alone(graph: Graph, node: Node) -> Graph:
    """One node as a graph of its own, on the same values."""
    inputs = tuple(dict.fromkeys(node.inputs))
    return Graph(
        inputs, tuple(f"x{i}" for i in range(len(inputs))), (node,), node.outputs, tuple(f"y{i}" for i in range(len(node.outputs))),
        name=graph.name,
    )  # fmt: skip


def _run(
    graph: Graph, nodes: list[Node], inputs: Sequence[Value], leaves: Sequence[Array], wanted: Sequence[Value],
    trace: Trace | None = None,
) -> dict[Value, Array]:  # fmt: skip
    """The arrays of the wanted values."""
    made = Trace()
    made.nodes, made.constants = nodes, dict(trace.constants if trace else graph.constants)
    wanted = list(dict.fromkeys(wanted))
    whole = closed(
        made,
        inputs,
        [f"i{k}" for k in range(len(inputs))],
        wanted,
        [f"o{k}" for k in range(len(wanted))],
        name=graph.name,
    )
    return dict(zip(wanted, run_leaves(whole, leaves), strict=True))


def _rows(graph: Graph, names: Mapping[Value, str]) -> list[tuple[Value, Row]]:
    """A row for every input and every result of a node, without numbers."""
    found = [(v, Row(names[v], "", str(v.type), "", "input", None)) for v in graph.inputs]
    for node in graph.nodes:
        text = expression(node, lambda v: (names[v], ATOM))[0]
        text = text if len(text) <= WIDEST else node.op
        for i, v in enumerate(node.outputs):
            part = text if len(node.outputs) == 1 else f"{text}[{i}]"
            found.append((v, Row(names[v], node.op, str(v.type), str(node.source or ""), part, None)))
    return found


def number(a: Any) -> str:
    """An array for people: seven digits of a number, small arrays in full, large ones by type and range.

    >>> number(np.float64(2.5838531634528574)), number(np.array([1.0, 2.0]))
    ('2.583853', '[1, 2]')
    """
    a = np.asarray(a)
    if not a.ndim:
        return f"{a[()]:.7g}" if a.dtype.kind in "fc" else str(a[()])
    if a.size <= MOST_PASSES:
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
    return f"`{text}`" if text and column < 2 and not text.isdigit() else text
