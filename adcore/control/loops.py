"""`scan` and `while_loop`: loops that a graph holds as one node, whatever the number of steps.

A step is traced once, with what it captures of the function around it; the op gets both. Checks inside
a step hold for every step: they are carried along, and the first that fails is told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adcore.control.captures import aligned, joined
from adcore.control.statements import Plain, out_of
from adcore.errors import InputError
from adcore.graph import Graph, Value
from adcore.registry import find_op
from adcore.trace import Trace, array_type, caller, current
from adcore.tracer import Tracer
from adcore.tracing import is_leaf, trace_graph
from adcore.transform.splice import closed, splice
from adcore.tree import Tree, flatten, paths, unflatten
from adcore.types import Type


def scan(
    step: Callable[[Any, Any], tuple[Any, Any]], init: Any, xs: Any = None, length: int | None = None,
    reverse: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """The carry after the last step, and the stacked results: carry, y = step(carry, x), over and over.

    step(carry, x) -> (carry, y). init: the first carry, nested as you like; its shapes and dtypes stay.
    xs: arrays whose leading axis is scanned, nested; None: step gets None. length: steps, needed if
    xs is None. reverse: from the last x to the first; results keep their places.
    Returns: the last carry, and ys with a leading axis of `length` (None where step gives None).
    Raises: InputError when lengths differ, or the carry changes its shape, dtype or nesting.

    >>> import numpy as np
    >>> carry, ys = scan(lambda c, x: (c + x, c * x), 0.0, np.array([1.0, 2.0, 3.0]))
    >>> carry, ys
    (np.float64(6.0), array([0., 2., 9.]))
    """
    trace = current()
    if trace is None:
        graph, _ = trace_graph(lambda init, xs: scan(step, init, xs, length, reverse), (_arrays(init), xs), name="scan")
        return graph(_arrays(init), xs)  # type: ignore[no-any-return]
    rows, xs_tree = flatten(xs, is_leaf)
    rows = [trace.wrap(trace.lift(x)) for x in rows]
    length = _length(rows, length)
    row_types = [Type(x.dtype, x.shape[1:]) for x in rows]
    trees: list[Tree] = []

    def flat(carry: Any, *x: Any) -> tuple[Any, list[Any]]:
        found = step(carry, unflatten(xs_tree, x))
        if not isinstance(found, tuple) or len(found) != 2:
            raise InputError(f"the step of a scan returned {found!r}", instead="return (carry, y); y may be None")
        ys, tree = flatten(found[1], is_leaf)
        trees[:] = [tree]
        return found[0], ys

    loop = _Loop.of(trace, "scan", _name(step), flat, init, row_types)
    body, first = loop.accumulating(trace, stacked=True)
    found = find_op("core::scan")(
        *first, *rows, *loop.captured,
        step=body, length=length, carries=len(first), scanned=len(rows), trails=(), reverse=reverse,
    )  # fmt: skip
    carry, ys = loop.results(trace, found if isinstance(found, tuple) else (found,), len(first))
    return unflatten(loop.tree, carry), unflatten(trees[0], ys)


def while_loop(cond: Callable[[Any], Any], body: Callable[[Any], Any], init: Any) -> Any:
    """The carry when cond(carry) is false for the first time: while cond(carry): carry = body(carry).

    cond(carry) -> one bool. body(carry) -> carry. init: the first carry, nested as you like; its shapes
    and dtypes stay. The number of steps is not known before it runs, in either mode of differentiation.
    Raises: InputError when cond gives no single bool, or the carry changes its shape, dtype or nesting.

    >>> while_loop(lambda x: x < 100.0, lambda x: 3.0 * x, 2.0)
    np.float64(162.0)
    >>> import adcore as ad
    >>> ad.grad(lambda x: while_loop(lambda x: x < 100.0, lambda x: 3.0 * x, x))(2.0)
    np.float64(81.0)
    """
    trace = current()
    if trace is None:
        graph, _ = trace_graph(lambda init: while_loop(cond, body, init), (_arrays(init),), name="while_loop")
        return graph(_arrays(init))
    loop = _Loop.of(trace, "while loop", _name(body), lambda carry: (body(carry), []), init, [])
    step, first = loop.accumulating(trace, stacked=False)
    test, needed = trace_graph(cond, [unflatten(loop.tree, [trace.wrap(Value(x._type)) for x in loop.first])])
    if len(test.outputs) != 1 or test.outputs[0].type != Type(np.dtype(bool), ()) or test.checks or test.reports:
        shown = ", ".join(str(v.type) for v in test.outputs)
        raise InputError(
            f"the condition of a while loop gave {shown}", f"in {_name(cond)}, at {caller()}", "give one bool"
        )
    of_step = [x._read() for x in loop.captured]
    wanted = joined([of_step, needed])
    step = aligned(step, len(first), of_step, wanted)
    test = aligned(test, len(loop.first), needed, wanted, step.inputs[len(loop.first) : len(first)])
    consts = [trace.wrap(v) for v in wanted]
    found = find_op("core::while_loop")(*first, *consts, cond=test, step=step, carries=len(first), trails=())
    carry, _ = loop.results(trace, found[: len(first)], len(first))
    return unflatten(loop.tree, carry)


# --- the step ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Loop:
    """A traced step: flat (carry, x, captured) -> (carry, ys, what its checks and reports say)."""

    first: list[Any]  # carries, of the dtypes that they keep
    tree: Tree
    rows: int
    plain: Plain
    captured: list[Any]
    ys: int

    @classmethod
    def of(
        cls, trace: Trace, kind: str, name: str, step: Callable[..., tuple[Any, list[Any]]], init: Any,
        row_types: Sequence[Type],
    ) -> _Loop:  # fmt: skip
        """Trace the step, again if it widens a carry: an int that becomes a float starts as one."""
        carry, tree = flatten(_arrays(init), is_leaf)
        first = [trace.wrap(trace.lift(c)) for c in carry]

        def flat(*args: Any) -> tuple[Any, ...]:
            new, ys = step(unflatten(tree, args[: len(first)]), *args[len(first) :])
            leaves, new_tree = flatten(new, is_leaf)
            if new_tree != tree:
                raise InputError(
                    f"the step of a {kind} takes a carry of {_nesting(tree)} and returns {_nesting(new_tree)}",
                    f"in {name}, at {caller()}",
                    "return the carry nested as it came",
                )
            return (*leaves, *ys)

        def traced() -> tuple[Graph, list[Value]]:
            types = [x._type for x in first] + list(row_types)
            return trace_graph(flat, [trace.wrap(Value(t)) for t in types], name=name)

        graph, captured = traced()
        widened = [
            trace.wrap(trace.convert(c._read(), np.result_type(c.dtype, array_type(v).dtype)))
            for c, v in zip(first, graph.outputs, strict=False)
        ]
        if any(a.dtype != b.dtype for a, b in zip(first, widened, strict=True)):
            first = widened
            graph, captured = traced()
        for c, v in zip(first, graph.outputs, strict=False):
            if c._type != v.type:
                raise InputError(
                    f"the carry of a {kind} is {c._type} before a step and {v.type} after it",
                    f"in {name}, at {caller()}",
                    "give init the shape and dtype that the step returns",
                )
        ys = len(graph.outputs) - len(first)
        return cls(first, tree, len(row_types), out_of(graph), [trace.wrap(v) for v in captured], ys)

    def accumulating(self, trace: Trace, stacked: bool) -> tuple[Graph, list[Any]]:
        """The step with its checks carried along, and the first carries.

        (carries, said, xs, consts) -> (carries, said, ys).
        stacked: reports are further ys; else they are carried, and the last is told.
        """
        body, plain = self.plain.graph, self.plain
        if body is plain.graph and not plain.checks and not plain.reports:
            return body, self.first
        n = len(self.first)
        inner = Trace()
        ins = [Value(v.type) for v in body.inputs]
        outs = splice(inner, body, ins)
        said = iter(outs[n + self.ys :])
        before, after, initial = [], [], []
        with inner:
            for c in plain.checks:
                value, shown = next(said), [next(said) for _ in c.shown]
                carried = [Value(value.type), *(Value(v.type) for v in shown)]
                ok: Any = inner.wrap(carried[0])
                now: Any = inner.wrap(value)
                fails: Any = np.logical_and(ok, np.logical_not(now))
                before += carried
                after.append(inner.lift(np.logical_and(ok, now)))
                for old, new in zip(carried[1:], shown, strict=True):
                    first_failing: Any = np.where(fails, inner.wrap(new), inner.wrap(old))
                    after.append(inner.lift(first_failing))
                initial += [np.ones((), bool), *(_zeros(v) for v in shown)]
            reported = list(said)
        if not stacked:
            before += [Value(v.type) for v in reported]
            after += reported
            initial += [_zeros(v) for v in reported]
        ys = outs[n : n + self.ys] + (reported if stacked else [])
        graph = closed(
            inner, [*ins[:n], *before, *ins[n:]], [f"in{i}" for i in range(len(ins) + len(before))],
            [*outs[:n], *after, *ys], [f"out{i}" for i in range(n + len(after) + len(ys))], name=body.name,
        )  # fmt: skip
        return graph, [*self.first, *(trace.wrap(trace.constant(x)) for x in initial)]

    def results(self, trace: Trace, found: Sequence[Any], carries: int) -> tuple[list[Any], list[Any]]:
        """The carry and the ys of what the op returned; what was said goes to the graph around it."""
        n = len(self.first)
        self.plain.restate(trace, [*found[n:carries], *found[carries + self.ys :]])
        return list(found[:n]), list(found[carries : carries + self.ys])


def _zeros(v: Value) -> Any:
    return np.zeros(array_type(v).shape, array_type(v).dtype)


def _arrays(tree: Any) -> Any:
    """Python's own numbers as arrays, so that a carry has a dtype."""
    leaves, shape = flatten(tree, is_leaf)
    return unflatten(shape, [x if isinstance(x, Tracer | np.ndarray) else np.asarray(x) for x in leaves])


def _length(rows: list[Any], length: int | None) -> int:
    if length is not None and (not hasattr(length, "__index__") or length < 0):
        raise InputError(f"the length of a scan is {length!r}", f"at {caller()}", "give the number of its steps")
    found = {x.shape[0] if x.ndim else None for x in rows} | ({int(length)} if length is not None else set())
    if len(found) != 1 or None in found:
        shown = ", ".join(sorted(map(str, found))) or "none"
        raise InputError(
            f"a scan needs one length; found {shown}", f"at {caller()}", "give xs of one length, or length="
        )
    return int(found.pop())  # type: ignore[arg-type]


def _nesting(tree: Tree) -> str:
    return ", ".join(paths(tree, "carry")) or "no array"


def _name(f: Any) -> str:
    return str(getattr(f, "__name__", "step"))
