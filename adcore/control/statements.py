"""`check` and `report`: what a function says beside its result; and how a sub-graph's go to the graph around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from adcore.errors import CheckError, InputError
from adcore.graph import Check, Graph
from adcore.trace import Trace, caller, current
from adcore.tracer import Tracer
from adcore.tree import LEAF, Tree


def check(ok: Any, message: str, *shown: Any) -> None:
    """Demand that `ok` is true (in every element) when the function runs.

    message: may have a place {} for each of the numbers `shown`. In a call a false check raises
    CheckError; in a batch it fails the item. Every transform of the graph keeps it.

    >>> import numpy as np
    >>> import adcore as ad
    >>> def root(x):
    ...     ad.check(x > 0, "x is {}, which has no real root", x)
    ...     return np.sqrt(x)
    >>> ad.grad(root)(-1.0)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    adcore.errors.CheckError: x is -1.0, which has no real root
      at ...
    """
    trace = current()
    if trace is None or not any(isinstance(x, Tracer) for x in (ok, *shown)):
        if not np.all(ok):
            raise CheckError(message.format(*shown), f"at {caller()}")
        return
    if np.ndim(ok):
        ok = np.all(ok)
    value = trace.lift(ok, np.dtype(bool))
    trace.checks.append(Check(value, message, tuple(trace.lift(s) for s in shown), caller()))


def report(name: str, value: Any) -> None:
    """Name a value that a measured run and a batch report show beside the result.

    Outside a trace it does nothing. Raises InputError when the name is taken.

    >>> import adcore as ad
    >>> def f(x):
    ...     ad.report("square", x * x)
    ...     return x * x * x
    >>> ad.trace(f, 2.0).compile().measure(2.0).reports
    {'square': array(4.)}
    """
    trace = current()
    if trace is None:
        return
    if any(name == known for known, _ in trace.reports):
        raise InputError(f"two reports are called {name!r}", f"the second at {caller()}", "rename one")
    trace.reports.append((name, trace.lift(value)))


def report_next(name: str, value: Any) -> None:
    """A report under that name, or under the first of "name 2", "name 3", ... that is free."""
    trace = current()
    taken = set() if trace is None else {known for known, _ in trace.reports}
    free, i = name, 1
    while free in taken:
        i += 1
        free = f"{name} {i}"
    report(free, value)


@dataclass(frozen=True, slots=True)
class Plain:
    """A sub-graph whose checks and reports are further outputs, since only the outermost graph can state them."""

    graph: Graph
    checks: tuple[Check, ...]
    reports: tuple[str, ...]

    def restate(self, trace: Trace, found: Sequence[Any]) -> None:
        """State them in the graph around it. found: the further outputs, as tracers or values."""
        values = iter([trace.lift(x) for x in found])
        for c in self.checks:
            trace.checks.append(replace(c, value=next(values), shown=tuple(next(values) for _ in c.shown)))
        taken = {name for name, _ in trace.reports}
        for name in self.reports:
            while name in taken:
                name += "'"
            taken.add(name)
            trace.reports.append((name, next(values)))


def out_of(graph: Graph) -> Plain:
    """The graph with the values of its checks and reports as further outputs: ok, shown...; then reports."""
    said = [v for c in graph.checks for v in (c.value, *c.shown)] + [v for _, v in graph.reports]
    names = tuple(name for name, _ in graph.reports)
    if not said:
        return Plain(graph, (), ())
    plain = replace(
        graph,
        outputs=(*graph.outputs, *said),
        output_names=(*graph.output_names, *(f"said{i}" for i in range(len(said)))),
        out_tree=Tree("tuple", (), (graph.out_tree, *(LEAF,) * len(said))),
        checks=(),
        reports=(),
    )
    return Plain(plain, graph.checks, names)
