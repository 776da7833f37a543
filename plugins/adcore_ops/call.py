"""`call`: a named sub-graph. Its derivatives are calls of the derivatives of the sub-graph.

Reverse: the sub-graph is made again to give its residuals as further outputs, which a second call reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adcore.extend import GRAPH, STR, Graph, Node, Op, Rule, Taped, current, jvp, split, vjp, zeros
from adcore_ops.batching import call_batch
from adcore_ops.control_samples import CALL_SAMPLES
from adcore_ops.patterns import call_pattern
from adcore_ops.step import as_tuple, only_compiled, step_graph


def _infer(*types: Any, graph: Graph, name: str) -> Any:
    if list(types) != [v.type for v in graph.inputs]:
        raise TypeError(f"it takes {', '.join(str(v.type) for v in graph.inputs)}")
    return tuple(v.type for v in graph.outputs)


def _jvp(ts: Any, y: Any, *xs: Any, graph: Graph, name: str) -> Any:
    wrt = [i for i, t in enumerate(ts) if t is not None and graph.inputs[i].type.differentiable]
    doubled = jvp(graph, wrt)
    dots = [i for i, v in enumerate(graph.outputs) if v.type.differentiable]
    outputs = doubled.outputs[len(graph.outputs) :]
    inputs = [*xs, *(ts[i] for i in wrt)]
    step = step_graph(doubled.constants, doubled.nodes, doubled.inputs, outputs, f"jvp({graph.name})")
    found = dict(zip(dots, as_tuple(CALL(*inputs, graph=step, name=f"jvp({name})")), strict=True))
    return tuple(found.get(i) for i in range(len(graph.outputs)))


def _tape(node: Node, active: tuple[bool, ...]) -> Taped:
    graph, name = node.params["graph"], node.params["name"]
    wrt = [i for i, a in enumerate(active) if a]
    of = [i for i, v in enumerate(graph.outputs) if v.type.differentiable]
    joint = vjp(graph, wrt, of)
    cut = split(joint, graph)
    kept = [v for v in cut.residuals if v not in graph.inputs]
    taped = step_graph(graph.constants, cut.forward, graph.inputs, (*graph.outputs, *kept), graph.name)
    back = step_graph(
        joint.constants, cut.back, (*cut.residuals, *joint.inputs[len(graph.inputs) :]),
        joint.outputs[len(graph.outputs) :], f"back({graph.name})",
    )  # fmt: skip
    position = {v: i for i, v in enumerate(graph.inputs)}

    def record(gs: Any, y: Any, xs: Any, residuals: Any) -> Any:
        trace = current()
        assert trace is not None
        have = dict(zip(kept, residuals, strict=True))
        args = [xs[position[v]] if v in position else have[v] for v in cut.residuals]
        bars = [gs[i] if gs[i] is not None else zeros(trace, graph.outputs[i].type) for i in of]
        found = dict(zip(wrt, as_tuple(CALL(*args, *bars, graph=back, name=f"back({name})")), strict=True))
        return tuple(found.get(i) for i in range(len(xs)))

    return Taped({"graph": taped, "name": name}, tuple(v.type for v in kept), record)


def _kernel(node: Node, lower: Any) -> Any:
    return lower.body("graph")


CALL = Op(
    "core::call", only_compiled, _infer, Rule(jvp=_jvp, tape=_tape),
    {"graph": GRAPH, "name": STR}, batch=call_batch, pattern=call_pattern, out=True, kernel=_kernel,
    samples=CALL_SAMPLES,
    doc="A named sub-graph.",
)  # fmt: skip

OPS = [CALL]
FUNCTIONS: dict[Any, Callable[..., Any]] = {}
