"""Vector mode: a graph for one case becomes the graph for a batch of cases.

Every op acts on trailing (core) axes, so a batch is one more leading axis. What an op does with it
is its `batch`:
  elementwise ops     lower ranks get axes of length 1 after the batch axis, then broadcast
  a tuple of ints     the same, for ops whose leading axes broadcast (matmul): the number of own axes of each
  "core"              applied as it stands; inputs that are not batched are broadcast first
  a function          ops that carry graphs, or have axes elsewhere: batch(batched, size, node, xs) -> results
  None                a loop over the batch, correct and slow, logged once per op
Values that do not depend on the batch stay as they are: the primal of a batched tangent pass runs once.
Source: Bischof, Green and Haghighat 1992, "Calculation of Jacobian matrices ...: vector mode".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from adcore.graph import Check, Graph, Node, Value
from adcore.registry import Op, find_op
from adcore.trace import Trace, op_call
from adcore.tracer import Tracer
from adcore.transform.splice import closed
from adcore.types import AnyType, Trail, Type

broadcast_to, reshape, scan = op_call("core::broadcast_to"), op_call("core::reshape"), op_call("core::scan")


def batched_type(t: AnyType, size: int) -> AnyType:
    """The type of a batch of values: one more leading axis; of every array of a trail's record."""
    if isinstance(t, Trail):
        return Trail(tuple(Type(r.dtype, (size, *r.shape)) for r in t.record), t.length)
    return Type(t.dtype, (size, *t.shape))


def vmap(graph: Graph, batched: Sequence[bool], size: int, outputs: Sequence[bool] | None = None) -> Graph:
    """The graph over a batch. batched: which inputs have the batch as leading axis.

    outputs: which outputs must have it (default: all); the others may only be left out where the
    output does not depend on the batch, see `depends`.
    """
    trace = Trace()
    trace.constants.update(graph.constants)
    given = [Value(batched_type(v.type, size)) if b else v for v, b in zip(graph.inputs, batched, strict=True)]
    env: dict[Value, Value] = {v: g for v, g, b in zip(graph.inputs, given, batched, strict=True) if b}
    with trace:
        for node in graph.nodes:
            flags = tuple(v in env for v in node.inputs)
            if not any(flags):
                trace.nodes.append(node)
                continue
            trace.source = node.source
            xs = [trace.wrap(env.get(v, v)) for v in node.inputs]
            for v, y in zip(node.outputs, _batch_node(trace, node, flags, size, xs), strict=True):
                env[v] = trace.lift(y)
        trace.source = None
        wanted = [True] * len(graph.outputs) if outputs is None else list(outputs)
        results = [
            env[v] if v in env else trace.lift(broadcast_batch(trace.wrap(v), size)) if w else v
            for v, w in zip(graph.outputs, wanted, strict=True)
        ]
    trace.checks = [
        Check(env.get(c.value, c.value), c.message, tuple(env.get(v, v) for v in c.shown), c.source)
        for c in graph.checks
    ]
    trace.reports = [(name, env.get(v, v)) for name, v in graph.reports]
    return closed(
        trace, given, graph.input_names, results, graph.output_names, graph.in_tree, graph.out_tree, graph.signature,
        f"vmap({graph.name})",
    )  # fmt: skip


def depends(graph: Graph, batched: Sequence[bool]) -> list[bool]:
    """For each output, whether it depends on a batched input."""
    reached = {v for v, b in zip(graph.inputs, batched, strict=True) if b}
    for node in graph.nodes:
        if not reached.isdisjoint(node.inputs):
            reached.update(node.outputs)
    return [v in reached for v in graph.outputs]


def _batch_node(trace: Trace, node: Node, flags: tuple[bool, ...], size: int, xs: list[Tracer]) -> tuple[Any, ...]:
    """The results of a node for a batch, each with the batch axis leading."""
    op = find_op(node.op)
    if callable(op.batch):
        found = op.batch(flags, size, node, xs)
    elif op.elementwise or isinstance(op.batch, tuple):
        cores = op.batch if isinstance(op.batch, tuple) else (0,) * len(xs)
        found = op(*_aligned(node, cores, flags, size, xs), **node.params)
    elif op.batch == "core":
        found = op(*(x if b else broadcast_batch(x, size) for x, b in zip(xs, flags, strict=True)), **node.params)
    else:
        found = _loop(trace, op, node, flags, size, xs)
    results = found if isinstance(found, tuple) else (found,)
    return tuple(
        r if r._value.type == batched_type(v.type, size) else broadcast_batch(r, size)
        for r, v in zip(results, node.outputs, strict=True)
    )


def _aligned(node: Node, cores: tuple[int, ...], flags: tuple[bool, ...], size: int, xs: list[Tracer]) -> list[Tracer]:
    """Batched operands with axes of length 1 put in after the batch axis, so that the leading axes broadcast.

    cores: how many trailing axes of each operand are its own; the axes before them broadcast.
    """
    shapes = [v.type.shape if isinstance(v.type, Type) else () for v in node.inputs]
    lead = max(len(shape) - core for shape, core in zip(shapes, cores, strict=True))
    found = []
    for x, own, core, batched in zip(xs, shapes, cores, flags, strict=True):
        shape = (size, *(1,) * (lead - len(own) + core), *own)
        found.append(reshape(x, shape=shape, rank=x.ndim) if batched and x.shape != shape else x)
    return found


def broadcast_batch(x: Tracer, size: int) -> Tracer:
    """A value that does not depend on the batch, repeated along a new leading axis (a view)."""
    result: Tracer = broadcast_to(x, shape=(size, *x.shape), rank=x.ndim)
    return result


def _loop(trace: Trace, op: Op, node: Node, flags: tuple[bool, ...], size: int, xs: list[Tracer]) -> Any:
    """One application per case, by a scan over the batch."""
    _say_once(op.name)
    inner = Trace(trace)
    values = [Value(v.type) for v in node.inputs]
    with inner:
        ys = inner.record(op, values, dict(node.params))
    order = [i for i, b in enumerate(flags) if b] + [i for i, b in enumerate(flags) if not b]
    step = closed(
        inner, [values[i] for i in order], [f"in{i}" for i in order], ys, [f"out{i}" for i in range(len(ys))],
        name=f"each({op.name})",
    )  # fmt: skip
    return scan(
        *(xs[i] for i in order), step=step, length=size, carries=0, scanned=sum(flags), trails=(), reverse=False
    )


@lru_cache(maxsize=1024)
def _say_once(op: str) -> None:
    import logging  # 2 ms, so not at import

    logging.getLogger("adcore").info("op %s states no batch rule; vmap runs it in a loop", op)
