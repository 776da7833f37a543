"""Samples of the ops that carry graphs: programs that use them, and are differentiated and batched whole."""

from __future__ import annotations

from typing import Any

import numpy as np

from adcore.extend import Sample, cond, find_op, region, scan, trace, while_loop


def _called(x: Any, k: Any) -> Any:
    y, s = region(lambda x: (np.tanh(x) * k, np.sum(x)), name="block")(x)
    return y * s


def _called_twice(x: Any) -> Any:
    inner = region(np.sin, name="inner")
    return region(lambda x: inner(x) * inner(x * x), name="outer")(x)


def _loop(c: Any, xs: Any, k: Any) -> Any:
    return scan(lambda c, x: (np.sin(c) * x + k, c * x), c, xs)


def _loop_backwards(c: Any, xs: Any) -> Any:
    return scan(lambda c, x: ((np.tanh(c[0] * x), c[1] + 1), (c[0], c[1])), (c, 0), xs, reverse=True)


def _loop_in_loop(c: Any, xs: Any) -> Any:
    def outer(c: Any, x: Any) -> Any:
        d, zs = scan(lambda d, _: (np.sin(d * x) + c, d * x), c, None, length=2)
        return d, np.sum(zs)

    return scan(outer, c, xs)


def _no_steps(c: Any) -> Any:
    return scan(lambda c, _: (c * 2.0, None), c, None, length=0)[0]


def _branch(p: Any, x: Any, k: Any) -> Any:
    return cond(p, lambda x: (np.sin(x) * k, x), lambda x: (x * x, np.exp(x) * k), x)


def _branch_by_value(x: Any) -> Any:
    return cond(x > 0, lambda x: x**1.5, lambda x: np.tanh(x), x)


def _branch_in_loop(c: Any, xs: Any) -> Any:
    return scan(lambda c, x: (cond(x > 0, lambda c: np.sin(c) * x, lambda c: c - x, c), c), c, xs)[0]


def _while(x: Any, k: Any) -> Any:
    return while_loop(lambda c: c[0] < 5, lambda c: (c[0] + 1, np.sin(c[1]) * k + c[1]), (0, x))[1]


def _while_by_value(x: Any) -> Any:
    return while_loop(lambda y: np.sum(y * y) < 40.0, lambda y: y * 1.3 + y * y * 0.1, x)


def _while_never(x: Any) -> Any:
    return while_loop(lambda y: y > 1e9, lambda y: y * 2.0, x)


def _trails(c: Any, xs: Any) -> Any:
    """A loop that leaves two trails, their sum, and a loop that reads it."""
    loop, number = find_op("core::scan"), np.zeros((), c.dtype)
    leave = trace(lambda c, x: (np.sin(c) * x, c * x, c + x), number, number)
    read = trace(lambda c, r: c * r, number, number)
    c, one, other = loop(
        c, xs, step=leave, length=xs.shape[0], carries=1, scanned=1, trails=(1, 1), reverse=False
    )  # fmt: skip
    both = find_op("core::add_trails")(one, other)
    return loop(c, both, step=read, length=xs.shape[0], carries=1, scanned=0, trails=(), reverse=True)


def _no_trail(c: Any, xs: Any) -> Any:
    """A loop that reads a trail of zeros beside its own."""
    loop, number = find_op("core::scan"), np.zeros((), c.dtype)
    leave = trace(lambda c, x: (np.sin(c) * x, c * x), number, number)
    read = trace(lambda c, r: c * 0.5 + r, number, number)
    c, one = loop(c, xs, step=leave, length=xs.shape[0], carries=1, scanned=1, trails=(1,), reverse=False)
    record = one._value.type.record
    zero = c._trace.wrap(c._trace.record(find_op("core::zero_trail"), (), {"types": record, "length": xs.shape[0]})[0])
    both = find_op("core::add_trails")(one, zero)
    return loop(c, both, step=read, length=xs.shape[0], carries=1, scanned=0, trails=(), reverse=True)


CALL_SAMPLES = (Sample(((3,), ()), program=_called), Sample(((2,),), program=_called_twice))
SCAN_SAMPLES = (
    Sample(((2,), (3,), ()), program=_loop),
    Sample(((), (5,)), program=_loop_backwards),
    Sample(((), (3,)), program=_loop_in_loop),
    Sample(((3,),), program=_no_steps),
)
COND_SAMPLES = (
    Sample(((), (3,), ()), dtypes=("bool", "float64", "float64"), program=_branch),
    Sample(((),), ranges=((0.3, 2.0),), program=_branch_by_value),
    Sample(((),), ranges=((-2.0, -0.3),), program=_branch_by_value),
    Sample(((), (3,)), program=_branch_in_loop),
)
WHILE_SAMPLES = (
    Sample(((3,), ()), program=_while),
    Sample(((2,),), ranges=((0.3, 3.0),), program=_while_by_value),
    Sample(((),), program=_while_never),
)
ADD_TRAILS_SAMPLES = (Sample(((), (3,)), program=_trails),)
ZERO_TRAIL_SAMPLES = (Sample(((), (3,)), program=_no_trail),)
