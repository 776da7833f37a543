"""A graph as JSON, for programs that draw or count: the shape of it, without the numbers of its constants."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from adcore.extend import Graph, Node, bodies, numbering, show_param
from adcore_formats.words import Values


def json_of(graph: Graph, values: Values | None = None) -> str:
    """The graph as JSON: values are numbered as in `adcore.extend.numbering`, sub-graphs for themselves.

    >>> import adcore as ad
    >>> found = json.loads(json_of(ad.trace(lambda x: x * x, 2.0)))
    >>> found["nodes"][0]["op"], found["nodes"][0]["inputs"], found["outputs"]
    ('core::multiply', [0, 0], [{'name': 'y', 'value': 1}])
    """
    return json.dumps(data(graph, values), indent=2)


def data(graph: Graph, values: Values | None = None) -> dict[str, Any]:
    """The same as plain data."""
    number = numbering(graph)
    found: dict[str, Any] = {
        "name": graph.name,
        "inputs": [
            {"name": n, "value": number[v], "type": str(v.type)}
            for n, v in zip(graph.input_names, graph.inputs, strict=True)
        ],
        "constants": [
            {"value": number[v], "type": str(v.type), **({"is": plain(a)} if a.ndim == 0 else {})}
            for v, a in graph.constants.items()
        ],
        "nodes": [_node(node, number) for node in graph.nodes],
        "outputs": [
            {"name": n, "value": number[v]} for n, v in zip(graph.output_names, graph.outputs, strict=True)
        ],
        "checks": [{"value": number[c.value], "message": c.message} for c in graph.checks],
        "reports": [{"name": n, "value": number[v]} for n, v in graph.reports],
        "dims": list(graph.dims),
    }  # fmt: skip
    if values is not None:
        found["values"] = {str(n): plain(array) for n, array in values.items()}
    return found


def _node(node: Node, number: dict[Any, int]) -> dict[str, Any]:
    inner = {name: data(body) for name, body in bodies(node)}
    return {
        "op": node.op,
        "inputs": [number[v] for v in node.inputs],
        "outputs": [{"value": number[v], "type": str(v.type)} for v in node.outputs],
        "params": {k: _param(v) for k, v in node.params.items() if k not in inner and f"{k}[0]" not in inner},
        "source": str(node.source or ""),
        **({"graphs": inner} if inner else {}),
    }


def _param(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_param(v) for v in value]
    return value if isinstance(value, bool | int | float | str | None) else show_param(value)


def plain(array: Any) -> Any:
    """An array as nested lists: complex as {"real", "imag"}, what is not finite as a string."""
    a = np.asarray(array)
    if a.dtype.kind == "c":
        return {"real": plain(a.real), "imag": plain(a.imag)}
    finite = a.dtype.kind in "biu" or bool(np.isfinite(a).all())
    return a.tolist() if finite else np.where(np.isfinite(a), a.astype(object), a.astype(str)).tolist()
