"""What both modes share: zeros, sums of paths, shapes and dtypes made to fit, the factor of a partial."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

import numpy as np

from adcore.errors import RuleError
from adcore.graph import Node
from adcore.registry import Op, find_op
from adcore.rules import Along, Partial, Rule
from adcore.trace import Trace, op_call
from adcore.tracer import Tracer
from adcore.types import AnyType, Trail, Type

convert, reshape, reduce_sum = op_call("core::convert"), op_call("core::reshape"), op_call("core::sum")
broadcast_to, take_real, add_any = op_call("core::broadcast_to"), op_call("core::real"), op_call("core::add")

Methods = Mapping[str, Rule]
"""Other rules for ops or named calls, chosen by config: "core::solve_ivp", "call:encoder"."""


_in_force: ContextVar[Methods] = ContextVar("adcore_methods", default=MappingProxyType({}))


@contextmanager
def in_force(methods: Methods | None) -> Iterator[Methods]:
    """The methods of a transform, in force also for the sub-graphs that rules differentiate inside it.

    None: those of the transform around this one, if there is one.
    """
    chosen = _in_force.get() if methods is None else methods
    token = _in_force.set(chosen)
    try:
        yield chosen
    finally:
        _in_force.reset(token)


def rule_of(node: Node, methods: Methods) -> tuple[Op, Rule]:
    """The op of a node and the rule that differentiates it. Raises RuleError when it has none."""
    op = find_op(node.op)
    rule = methods.get(node.op) or op.rule
    if "name" in node.params:
        rule = methods.get(f"call:{node.params['name']}") or rule
    if rule is None:
        raise RuleError(
            f"{op.name} has no derivative rule", f"applied at {node.source or 'source unknown'}",
            "give its op a rule, or stop the derivative before it",
        )  # fmt: skip
    return op, rule


def zeros(trace: Trace, t: AnyType) -> Tracer:
    """A zero of that type: one number, broadcast."""
    if isinstance(t, Trail):
        return trace.wrap(trace.record(find_op("core::zero_trail"), (), {"types": t.record, "length": t.length})[0])
    zero = trace.wrap(trace.constant(np.zeros((), t.dtype)))
    return zero if not t.shape else broadcast_to(zero, shape=t.shape, rank=0)


def or_zeros(x: Tracer | None, trace: Trace, t: AnyType) -> Tracer:
    """The tracer, or a zero of that type for None."""
    return zeros(trace, t) if x is None else x


def add(a: Tracer | None, b: Tracer | None) -> Tracer | None:
    """The sum of two paths; None is zero."""
    if a is None or b is None:
        return a if b is None else b
    total: Tracer = add_any(a, b) if isinstance(a._value.type, Type) else add_trails(a, b)
    return total


add_trails = op_call("core::add_trails")


def fit(x: Any, t: AnyType, trace: Trace, node: Node, spread: bool) -> Tracer | None:
    """What a rule returned, as a (co)tangent of type t.

    The real part is taken where complex meets real; the dtype is converted; with `spread` (the op
    broadcasts its inputs) the axes that were broadcast are summed; a smaller array is broadcast up.
    Raises RuleError naming the op when the shape still is not that of t.
    """
    if x is None:
        return None
    value = x if isinstance(x, Tracer) else trace.wrap(trace.lift(x))
    if not isinstance(t, Type):
        return value
    if value.dtype.kind == "c" and t.dtype.kind != "c":
        value = take_real(value)
    if value.dtype != t.dtype:
        value = convert(value, dtype=t.dtype)
    if value.shape == t.shape:
        return value
    if spread:
        value = unbroadcast(value, t.shape)
    if value.shape != t.shape:
        if not broadcasts(value.shape, t.shape):
            raise RuleError(
                f"the rule of {node.op} gives {value._type} where {t} is needed",
                f"for the node at {node.source or 'source unknown'}",
                "a (co)tangent has the shape of its value",
            )
        value = broadcast_to(value, shape=t.shape, rank=value.ndim)
    return value


def broadcasts(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """True when an array of that shape broadcasts to the target."""
    if len(shape) > len(target):
        return False
    return all(n in (1, m) for n, m in zip(reversed(shape), reversed(target), strict=False))


def unbroadcast(value: Tracer, shape: tuple[int, ...]) -> Tracer:
    """Sum over the axes along which `shape` was broadcast: the transpose of broadcasting."""
    extra = value.ndim - len(shape)
    if extra < 0:
        return value
    axes = [i for i, n in enumerate(value.shape) if i < extra or (shape[i - extra] == 1 and n != 1)]
    if axes:
        value = reduce_sum(value, axes=tuple(i - value.ndim for i in axes))
    if value.shape != shape and value.size == np.prod(shape, dtype=int):
        value = reshape(value, shape=shape, rank=value.ndim)
    return value


def times(partial: Partial, t: Tracer, y: Tracer, xs: tuple[Tracer, ...], params: Mapping[str, Any]) -> Any:
    """The product of a partial derivative with a tangent or cotangent; None where there is none."""
    if partial is None:
        return None
    if isinstance(partial, Along):
        return partial.product(t, y, *xs, **params)
    if callable(partial):
        return t * partial(y, *xs, **params)
    if partial == 1:
        return t
    return -t if partial == -1 else partial * t


def as_tuple(x: Any) -> tuple[Any, ...]:
    """One result, or several, as a tuple."""
    return tuple(x) if isinstance(x, tuple | list) else (x,)


def one_or_all(xs: tuple[Any, ...]) -> Any:
    """One output as itself, several as a tuple: what a rule sees as y or g."""
    return xs[0] if len(xs) == 1 else xs


Products = Callable[..., Any]
