"""A graph for Mermaid, which READMEs and issue pages draw. For small graphs."""

from __future__ import annotations

import html
from collections.abc import Iterator

from adcore.extend import Graph, bodies
from adcore_formats.words import Names, Values, params, short


def mermaid(graph: Graph, values: Values | None = None) -> str:
    """The graph as a Mermaid flowchart; sub-graphs are boxes.

    >>> import adcore as ad
    >>> print(mermaid(ad.trace(lambda x: x * x, 2.0)))
    flowchart TD
      v0(["x: float64[]"])
      n0["multiply"]
      v0 --> n0
      v0 --> n0
      out0(["y: float64[]"])
      n0 --> out0
      classDef input fill:#dbe9f6,stroke:#5b8db8,color:#000
      classDef output fill:#dff0d8,stroke:#6b9c5b,color:#000
      class v0 input
      class out0 output
    """
    names = Names(graph, values)
    lines = ["flowchart TD", *_lines(graph, names, "", "  ")]
    lines.append("  classDef input fill:#dbe9f6,stroke:#5b8db8,color:#000")
    lines.append("  classDef output fill:#dff0d8,stroke:#6b9c5b,color:#000")
    inputs = [f"v{names.number[v]}" for v in graph.inputs]
    lines += [f"  class {','.join(inputs)} input"] if inputs else []
    lines.append(f"  class {','.join(f'out{i}' for i in range(len(graph.outputs)))} output")
    return "\n".join(lines)


def _lines(graph: Graph, names: Names, prefix: str, indent: str) -> Iterator[str]:
    made = {v: f"{prefix}v{names.number[v]}" for v in (*graph.inputs, *graph.constants)}
    for v, name in zip(graph.inputs, graph.input_names, strict=True):
        yield f"{indent}{made[v]}([{_label(f'{name}: {v.type}', names.value(v))}])"
    for v in graph.constants:
        yield f"{indent}{made[v]}[/{_label(names.constant(v))}/]"
    for i, node in enumerate(graph.nodes):
        name = f"{prefix}n{i}"
        made |= dict.fromkeys(node.outputs, name)
        yield f"{indent}{name}[{_label(short(node.op), params(node), *(names.value(v) for v in node.outputs))}]"
        yield from (f"{indent}{made[v]} --> {name}" for v in node.inputs)
        for which, body in bodies(node):
            inner = f"{name}_{which.replace('[', '_').replace(']', '')}"
            yield f"{indent}subgraph {inner}[{_label(f'{which}: {body.name}')}]"
            yield from _lines(body, Names(body), f"{inner}_", indent + "  ")
            yield f"{indent}end"
            yield f"{indent}{name} -.- {inner}"
    for i, (name, v) in enumerate(zip(graph.output_names, graph.outputs, strict=True)):
        yield f"{indent}{prefix}out{i}([{_label(f'{name}: {v.type}', names.value(v))}])"
        yield f"{indent}{made[v]} --> {prefix}out{i}"


def _label(*parts: str) -> str:
    return '"' + "<br/>".join(html.escape(part, quote=False).replace('"', "#quot;") for part in parts if part) + '"'
