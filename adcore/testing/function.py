"""`check_grads`: the derivatives of a function against differences, to any order, in both modes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adcore.api import trace
from adcore.errors import LawError
from adcore.graph import Graph
from adcore.testing.case import results
from adcore.testing.measure import close, derivative, direction, lawful, moved, pairing, run, vector, worst
from adcore.tracing import is_leaf
from adcore.transform.jvp import jvp
from adcore.transform.vjp import vjp
from adcore.tree import flatten, unflatten
from adcore.types import Array

WIDER = {"float16": "float64", "float32": "float64", "complex64": "complex128"}


def check_grads(
    f: Callable[..., Any], args: Sequence[Any], order: int = 2, modes: Sequence[str] = ("fwd", "rev"),
    rtol: float | None = None,
) -> None:  # fmt: skip
    """None, if the derivatives of f at args are right along random directions, up to the given order.

    args: the positional arguments, nested as f takes them. modes: of "fwd" and "rev"; with both, the
    derivatives of each are checked in each. rtol: relative to the largest element; default 1e-8, and
    1e-3 where single precision occurs. f is smooth within 0.02 of args.
    Raises: LawError with mode, order and numbers; RuleError when an op has no rule.

    >>> import numpy as np
    >>> check_grads(lambda x, y: np.sin(x) @ y, (np.ones(3), np.arange(3.0)), order=3)
    """
    unknown = sorted(set(modes) - {"fwd", "rev"})
    if unknown or not modes:
        raise LawError(f"mode {unknown[0] if unknown else ''!r} is unknown", instead='give "fwd", "rev" or both')
    leaves, tree = flatten(tuple(args), is_leaf)
    arrays = [np.asarray(x) for x in leaves]
    wide = [a.astype(WIDER.get(a.dtype.name, a.dtype)) for a in arrays]
    graph = trace(f, *unflatten(tree, arrays))
    exact = isinstance(f, Graph) or all(a.dtype == w.dtype for a, w in zip(arrays, wide, strict=True))
    reference = graph if exact else trace(f, *unflatten(tree, wide))
    tolerance = rtol if rtol is not None else 1e-8 if exact else 1e-3
    _Check(graph.name, tuple(modes), tolerance).order(graph, reference, arrays, order, ())


class _Check:
    """The checks of one function; the numbers that all of them share."""

    def __init__(self, name: str, modes: tuple[str, ...], rtol: float) -> None:
        self.name, self.modes, self.rtol = name, modes, rtol

    def order(self, graph: Graph, reference: Graph, arrays: list[Any], left: int, path: tuple[str, ...]) -> None:
        """Check one more order; `path` are the modes through which the graph came."""
        made = [results(lawful(t(graph)), len(graph.outputs)) for t in (jvp, vjp)]
        tangent, cotangent = made
        if "fwd" in self.modes:
            self.differences(reference, tangent, arrays, (*path, "fwd"))
        if "rev" in self.modes:
            self.transpose(tangent, cotangent, arrays, (*path, "rev"))
            if "fwd" not in self.modes:
                self.differences(reference, tangent, arrays, (*path, "rev"))
        if left <= 1:
            return
        rng = np.random.default_rng(left)
        for mode, derived, transform in (("fwd", tangent, jvp), ("rev", cotangent, vjp)):
            if mode in self.modes:
                seeds = direction([v.type for v in derived.inputs[len(arrays) :]], rng)
                wider = derived if reference is graph else results(transform(reference), len(graph.outputs))
                self.order(derived, wider, [*arrays, *seeds], left - 1, (*path, mode))

    def differences(self, reference: Graph, tangent: Graph, arrays: list[Any], path: tuple[str, ...]) -> None:
        """Forward mode against differences of the function in double precision."""
        active = [i for i, v in enumerate(reference.inputs) if v.type.differentiable]
        dots = direction([tangent.inputs[len(arrays) + k].type for k in range(len(active))], np.random.default_rng(11))
        along = dict(zip(active, dots, strict=True))
        wide = [a.astype(v.type.dtype) for a, v in zip(arrays, reference.inputs, strict=True)]  # type: ignore[union-attr]
        floats = [i for i, v in enumerate(reference.outputs) if v.type.differentiable]

        def at(t: float) -> Array:
            ys = run(reference, [moved([x], [along[i]], t)[0] if i in along else x for i, x in enumerate(wide)])
            return vector([ys[i] for i in floats])

        wanted, error = derivative(at)
        found = vector(run(tangent, [*arrays, *dots]))
        if not close(found, wanted, self.rtol, error):
            raise LawError(
                f"order {len(path)} of {self.name} is {worst(found, wanted)}", f"by {' over '.join(reversed(path))}",
                "check_op on its ops says which rule is wrong; a kink near the arguments is no place to check",
            )  # fmt: skip

    def transpose(self, tangent: Graph, cotangent: Graph, arrays: list[Any], path: tuple[str, ...]) -> None:
        """Reverse mode as the transpose of forward mode."""
        rng = np.random.default_rng(17)
        dots = direction([v.type for v in tangent.inputs[len(arrays) :]], rng)
        bars = direction([v.type for v in cotangent.inputs[len(arrays) :]], rng)
        left, size = pairing(bars, run(tangent, [*arrays, *dots]))
        right, other = pairing(run(cotangent, [*arrays, *bars]), dots)
        tolerance = 1e-11 if self.rtol < 1e-6 else self.rtol
        if not abs(left - right) <= tolerance * (size + other) + 1e-18:  # what is left of sums that cancel
            raise LawError(
                f"order {len(path)} of {self.name}: <y_bar, J x_dot> = {left:.16g}, <J^T y_bar, x_dot> = {right:.16g}",
                f"by {' over '.join(reversed(path))}", "check_op on its ops says which rule is wrong",
            )  # fmt: skip
