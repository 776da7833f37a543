"""One half of a rule from the other.

A jvp is linear in its tangents, so the vjp of its traced graph with respect to them is its
transpose: the op's vjp. Likewise the vjp is linear in its cotangents, and its transpose is the jvp.
The traced and transposed graph is cached by op, types and params.
Source: Radul et al. 2022, "You only linearize once", section 4 (transposition of a linear program).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from adcore.errors import RuleError
from adcore.graph import Graph, Node, Value, live_nodes
from adcore.registry import find_op
from adcore.rules import Rule
from adcore.trace import Trace
from adcore.tracer import Tracer
from adcore.transform.linear import as_tuple, one_or_all, or_zeros, zeros
from adcore.transform.splice import closed, pruned, splice
from adcore.transform.sums import fit_bar, whole
from adcore.types import AnyType, tangent_type

_cache: dict[Hashable, tuple[Graph, Any]] = {}
_deriving: ContextVar[tuple[Hashable, ...]] = ContextVar("adcore_deriving", default=())


def vjp_from_jvp(trace: Trace, node: Node, rule: Rule, gs: Sequence[Tracer | None]) -> tuple[Tracer | None, ...]:
    """The cotangents of a node's inputs, by transposing the traced jvp of its rule."""
    graph = _derived(node, rule, "vjp")
    given = [g for g in gs if g is not None]
    values = splice(trace, graph, [*node.inputs, *node.outputs, *(trace.value_of(g) for g in given)])
    bars = iter(values)
    return tuple(trace.wrap(next(bars)) if tangent_type(v.type) is not None else None for v in node.inputs)


def jvp_from_vjp(trace: Trace, node: Node, rule: Rule, ts: Sequence[Tracer | None]) -> tuple[Tracer | None, ...]:
    """The tangents of a node's outputs, by transposing the traced vjp of its rule."""
    graph = _derived(node, rule, "jvp")
    given = [t for t in ts if t is not None]
    values = splice(trace, graph, [*node.inputs, *node.outputs, *(trace.value_of(t) for t in given)])
    dots = iter(values)
    return tuple(trace.wrap(next(dots)) if tangent_type(v.type) is not None else None for v in node.outputs)


def _derived(node: Node, rule: Rule, half: str) -> Graph:
    """The missing half as a graph of (xs, ys, seeds), cached."""
    op = find_op(node.op)
    params = tuple(kind.key(node.params[name]) for name, kind in op.params.items())
    key = (half, id(rule), op.name, tuple(v.type for v in (*node.inputs, *node.outputs)), params)
    if key not in _cache:
        if len(_cache) >= 4096:
            _cache.clear()
        with _guard(key, op.name, half):
            graph = _transposed(node, rule, half)
            nowhere = tuple(replace(n, source=None) for n in graph.nodes)  # it is spliced in at other lines too
            _cache[key] = (replace(graph, nodes=nowhere), (rule, node))  # keeps alive what id() stands for
    return _cache[key][0]


@contextmanager
def _guard(key: Hashable, op: str, half: str) -> Iterator[None]:
    if key in _deriving.get():
        other = "jvp" if half == "vjp" else "vjp"
        raise RuleError(
            f"the {half} of {op} cannot be derived: its {other} uses {op} itself where it must be transposed",
            instead=f"state the {half} of {op} too",
        )
    token = _deriving.set((*_deriving.get(), key))
    try:
        yield
    finally:
        _deriving.reset(token)


def _transposed(node: Node, rule: Rule, half: str) -> Graph:
    """Trace the half that is stated, and transpose it with respect to its seeds."""
    from adcore.transform.vjp import record_forward

    first = Trace()
    xs, ys = [Value(v.type) for v in node.inputs], [Value(v.type) for v in node.outputs]
    stated, wanted = (xs, ys) if half == "vjp" else (ys, xs)
    seeds = [None if tangent_type(v.type) is None else Value(v.type) for v in stated]
    with first:
        y = one_or_all(tuple(first.wrap(v) for v in ys))
        inputs = tuple(first.wrap(v) for v in xs)
        ts = tuple(None if s is None else first.wrap(s) for s in seeds)
        if half == "vjp":
            assert rule.jvp is not None, f"{node.op} states neither jvp nor vjp"
            results = as_tuple(rule.jvp(ts, y, *inputs, **node.params))
        else:
            assert rule.vjp is not None, f"{node.op} states neither jvp nor vjp"
            results = as_tuple(rule.vjp(one_or_all(ts), y, *inputs, **node.params))
        spread = rule.broadcasts and half == "jvp"
        outputs = _fit_all(first, node, results, [tangent_type(v.type) for v in wanted], spread)
    known = [s for s in seeds if s is not None]
    traced = pruned(
        closed(
            first, (*xs, *ys, *known), [f"v{i}" for i in range(len(xs) + len(ys) + len(known))],
            [v for v in outputs if v is not None], [f"r{i}" for i, v in enumerate(outputs) if v is not None],
        )
    )  # fmt: skip
    second = Trace()
    second.constants.update(traced.constants)
    bars = [Value(v.type) for v in traced.outputs]
    with second:
        pull = record_forward(second, traced, known, {})
        found = pull([(v, second.wrap(b)) for v, b in zip(traced.outputs, bars, strict=True)])
        back = [or_zeros(found.get(s), second, s.type)._read() for s in known]
    names = [f"v{i}" for i in range(len(xs) + len(ys) + len(bars))]
    _check_linear(second, node.op, back, known, half)
    return pruned(closed(second, (*xs, *ys, *bars), names, back, [f"r{i}" for i in range(len(back))]))


def _fit_all(
    trace: Trace, node: Node, results: Sequence[Any], types: Sequence[AnyType | None], spread: bool
) -> list[Value | None]:
    found: list[Value | None] = []
    for r, t in zip(results, types, strict=True):
        bar = None if t is None else fit_bar(r, t, trace, node, spread)
        if t is None:
            found.append(None)
        else:
            found.append((zeros(trace, t) if bar is None else whole(trace, t, bar))._read())
    return found


def _check_linear(trace: Trace, op: str, outputs: list[Value], seeds: list[Value], half: str) -> None:
    """A transpose does not depend on the point; if it does, the stated half was not linear."""
    used = {v for n in live_nodes(trace.nodes, outputs) for v in n.inputs}
    if used.intersection(seeds):
        stated = "jvp" if half == "vjp" else "vjp"
        raise RuleError(f"the {stated} of {op} is not linear in its seeds", instead=f"state the {half} of {op} too")
