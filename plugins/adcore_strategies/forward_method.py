"""The method "forward" for named calls: the Jacobian of a region, taken with it, in place of its intermediates.

    x_bar = J^T y_bar,   J: one column per element of the inputs, all columns in one batched forward pass

Reverse mode keeps of a region what its rules read again; this method keeps J, and nothing from inside.
It is for regions with few inputs whose inside is wide or long. In forward mode the region is as without it.
Source: Griewank and Walther 2008, "Evaluating Derivatives", section 10.3 (preaccumulation of local Jacobians).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adcore.extend import Graph, Method, Node, Rule, RuleError, Taped, Trace, Type, closed, find_op, jvp, simplify, vmap


def forward_method() -> Rule:
    """The rule: as that of any call, but for what is kept for the way back."""
    plain = find_op("core::call").rule
    assert plain is not None
    return Rule(jvp=plain.jvp, tape=_tape)


METHOD = Method("call:*", "forward", forward_method)


def columns(graph: Graph, wrt: list[int]) -> int:
    """How many columns the Jacobian has: elements of the inputs in wrt."""
    return sum(_array(graph.inputs[i]).size for i in wrt)


def _tape(node: Node, active: tuple[bool, ...]) -> Taped:
    graph = node.params["graph"]
    wrt = [i for i, a in enumerate(active) if a]
    of = [i for i, v in enumerate(graph.outputs) if v.type.differentiable]
    for i in wrt:
        if _array(graph.inputs[i]).dtype.kind == "c":
            raise RuleError(
                f"method forward is for real inputs; input {i} of {node.params['name']} is {graph.inputs[i].type}",
                f"at {node.source or 'source unknown'}",
                "leave the method out: plain reverse mode takes complex inputs",
            )
    if not columns(graph, wrt):
        tape = find_op("core::call").rule.tape  # type: ignore[union-attr]
        return tape(node, active)  # type: ignore[misc]
    both = with_jacobian(graph, wrt)
    residuals = tuple(v.type for v in both.outputs[len(graph.outputs) :])

    def back(gs: Any, y: Any, xs: Any, jacobians: Any) -> Any:
        total: Any = None
        for i, stacked in zip(of, jacobians, strict=True):
            if gs[i] is not None:
                rows = np.reshape(stacked, (stacked.shape[0], -1))
                part = rows @ np.reshape(gs[i], (-1,))
                total = part if total is None else total + part
        return _cut(total, graph, wrt)

    return Taped({"graph": both, "name": node.params["name"]}, residuals, back)


def with_jacobian(graph: Graph, wrt: list[int]) -> Graph:
    """The graph of xs -> (ys, Js): for every differentiable output its derivatives by all columns, stacked in front."""
    n = columns(graph, wrt)
    pushed = jvp(graph, wrt)
    inputs, ys = len(graph.inputs), len(graph.outputs)
    dots = len(pushed.outputs) - ys
    batched = vmap(pushed, [False] * inputs + [True] * len(wrt), n, [False] * ys + [True] * dots)
    trace = Trace()
    trace.nodes = list(batched.nodes)
    trace.constants.update(batched.constants)
    start = 0
    for v, i in zip(batched.inputs[inputs:], wrt, strict=True):
        t = _array(graph.inputs[i])
        units = np.zeros((n, *t.shape), t.dtype)
        units.reshape(n, -1)[start : start + t.size] = np.eye(t.size, dtype=t.dtype)
        units.flags.writeable = False
        trace.constants[v] = units
        start += t.size
    names = [f"out{k}" for k in range(len(batched.outputs))]
    made = closed(trace, batched.inputs[:inputs], graph.input_names, batched.outputs, names, name=graph.name)
    return simplify(made)


def _cut(total: Any, graph: Graph, wrt: list[int]) -> tuple[Any, ...]:
    """One vector over all columns, as cotangents of the inputs."""
    found: dict[int, Any] = {}
    start = 0
    for i in wrt:
        t = _array(graph.inputs[i])
        found[i] = np.reshape(total[start : start + t.size], t.shape) if total is not None else None
        start += t.size
    return tuple(found.get(i) for i in range(len(graph.inputs)))


def _array(v: Any) -> Type:
    assert isinstance(v.type, Type)
    return v.type
