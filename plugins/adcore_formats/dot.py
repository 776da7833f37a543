"""A graph for Graphviz: `adcore show f.adg --format dot | dot -Tsvg`."""

from __future__ import annotations

from collections.abc import Iterator

from adcore.extend import Graph, bodies
from adcore_formats.words import Names, Values, params, short


def dot(graph: Graph, values: Values | None = None) -> str:
    """The graph in the language of Graphviz; sub-graphs are clusters.

    >>> import adcore as ad
    >>> print(dot(ad.trace(lambda x: x * x, 2.0)))  # doctest: +ELLIPSIS
    digraph "<lambda>" {
      node [fontname="Helvetica", fontsize=11, shape=box, style=rounded]
      edge [fontname="Helvetica", fontsize=9, color="#777777"]
      v0 [label="x\\nfloat64[]", shape=ellipse, style=filled, fillcolor="#dbe9f6"]
      n0 [label="multiply", tooltip="..."]
      v0 -> n0
      v0 -> n0
      out0 [label="y\\nfloat64[]", shape=ellipse, style=filled, fillcolor="#dff0d8"]
      n0 -> out0 [label="float64[]"]
    }
    """
    head = [
        f"digraph {_quoted(graph.name)} {{",
        '  node [fontname="Helvetica", fontsize=11, shape=box, style=rounded]',
        '  edge [fontname="Helvetica", fontsize=9, color="#777777"]',
    ]
    return "\n".join([*head, *_lines(graph, Names(graph, values), "", "  "), "}"])


def _lines(graph: Graph, names: Names, prefix: str, indent: str) -> Iterator[str]:
    made = {v: f"{prefix}v{names.number[v]}" for v in (*graph.inputs, *graph.constants)}
    types = dict.fromkeys(made, "")
    for v, name in zip(graph.inputs, graph.input_names, strict=True):
        label = _label(name, str(v.type), names.value(v))
        yield f'{indent}{made[v]} [label={label}, shape=ellipse, style=filled, fillcolor="#dbe9f6"]'
    for v in graph.constants:
        yield f"{indent}{made[v]} [label={_label(names.constant(v))}, shape=plaintext]"
    for i, node in enumerate(graph.nodes):
        name = f"{prefix}n{i}"
        made |= dict.fromkeys(node.outputs, name)
        types |= {v: str(v.type) for v in node.outputs}
        at = str(node.source or "")
        found = [names.value(v) for v in node.outputs]
        tip = f", tooltip={_quoted(at)}" if at else ""
        yield f"{indent}{name} [label={_label(short(node.op), params(node), *found)}{tip}]"
        yield from (f"{indent}{made[v]} -> {name}{_edge(types[v])}" for v in node.inputs)
        for which, body in bodies(node):
            inner = f"{name}_{which.replace('[', '_').replace(']', '')}"
            title = f"{which} of {short(node.op)}: {body.name}"
            yield f"{indent}subgraph cluster_{inner} {{"
            yield f'{indent}  label={_quoted(title)}; color="#bbbbbb"; fontname="Helvetica"; fontsize=10'
            yield from _lines(body, Names(body), f"{inner}_", indent + "  ")
            yield f"{indent}}}"
            yield f"{indent}{name} -> {inner}_out0 [style=dashed, arrowhead=none, constraint=false]"
    for i, (name, v) in enumerate(zip(graph.output_names, graph.outputs, strict=True)):
        label = _label(name, str(v.type), names.value(v))
        yield f'{indent}{prefix}out{i} [label={label}, shape=ellipse, style=filled, fillcolor="#dff0d8"]'
        yield f"{indent}{made[v]} -> {prefix}out{i}{_edge(types[v])}"


def _edge(type: str) -> str:
    return f" [label={_quoted(type)}]" if type else ""


def _label(*parts: str) -> str:
    return _quoted("\\n".join(part.replace("\\", "\\\\") for part in parts if part))


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'
