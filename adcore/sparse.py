"""Sparse Jacobians and Hessians: the pattern is read from the graph, coloured, and filled in a few passes.

Source: Gebremedhin, Manne and Pothen 2005, "What color is your Jacobian? Graph coloring for computing derivatives".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from adcore.colour import distance_two, star
from adcore.compose import differentiate
from adcore.derivatives import Compiled, Derivative
from adcore.errors import InputError
from adcore.graph import Graph
from adcore.pattern import matrices, pattern_of
from adcore.remember import Remembered
from adcore.select import Which, checked, select_inputs, select_outputs
from adcore.strategy import Request
from adcore.trace import Trace, array_type
from adcore.transform.simplify import simplify
from adcore.transform.splice import call_graph, closed
from adcore.transform.vmap import vmap

Rows = Any


@dataclass(frozen=True, slots=True)
class Sparsity:
    """Where a Jacobian or Hessian may be other than zero, and how it is filled.

    pattern: bool csr_array (m, n), in C order of results and argument. colours: of each column (by columns or
    symmetric) or row (by rows). passes: how many colours, so how many tangents or cotangents go through the graph.
    by: "columns" (forward mode), "rows" (reverse mode) or "star" (forward over reverse).
    """

    pattern: Any
    colours: Any
    by: str

    @property
    def passes(self) -> int:
        """Tangents or cotangents that are needed."""
        return int(self.colours.max(initial=-1)) + 1


class Sparse:
    """A sparse derivative: called, it gives a csr_array; `sparsity(*args)` says what it takes."""

    def __init__(self, f: Callable[..., Any], kind: str, wrt: Which, options: Mapping[str, Any]) -> None:
        self._base = Derivative(f, "vjp" if kind == "jacobian" else "grad", wrt, options)
        self.kind, self.wrt = kind, checked(wrt)
        key = self._base.options.key()
        self._made = Remembered(f, self.wrt, self._make, None if key is None else (f"sparse {kind}", self.wrt, *key))
        name = getattr(f, "__name__", None) or getattr(f, "name", None) or type(f).__name__
        self.__name__, self.__wrapped__ = f"sparse_{kind}({name})", f

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The matrix at these arguments: csr_array of shape (size of the result, size of the argument)."""
        made, leaves = self._made.find(args, kwargs)
        (compressed,) = made.compiled.outputs(leaves)
        return made.filled(np.asarray(compressed))

    def sparsity(self, *args: Any, **kwargs: Any) -> Sparsity:
        """Pattern, colours and passes for arguments of these shapes. Nothing runs."""
        return self._made.find(args, kwargs)[0].sparsity

    def _make(self, graph: Graph, captured: int) -> _Filling:
        chosen = select_inputs(graph, self.wrt, captured)
        if len(chosen.positions) != 1:
            raise InputError(
                f"a sparse derivative is by one array; {len(chosen.positions)} were named",
                f"in {graph.name}",
                "name one by wrt=",
            )
        of = select_outputs(graph, None)
        if len(of) != 1:
            raise InputError(f"a sparse derivative is of one array; {graph.name} gives {len(of)}")
        return self._jacobian(graph, chosen, of) if self.kind == "jacobian" else self._hessian(graph, chosen, of)

    def _jacobian(self, graph: Graph, chosen: Any, of: Sequence[int]) -> _Filling:
        pattern = pattern_of(graph, chosen.positions[0], of[0])
        columns, rows = distance_two(pattern), distance_two(pattern.T.tocsr())
        forward = int(columns.max(initial=-1)) <= int(rows.max(initial=-1))
        said = self._base.options.strategy
        forward = forward if said not in ("forward", "reverse") else said == "forward"
        sparsity = Sparsity(pattern, columns if forward else rows, "columns" if forward else "rows")
        kind = "jvp" if forward else "vjp"
        return self._filling(
            graph, Request(kind, chosen.positions, tuple(of)), chosen.tree, sparsity, len(graph.outputs)
        )

    def _hessian(self, graph: Graph, chosen: Any, of: Sequence[int]) -> _Filling:
        request = Request("grad", chosen.positions, tuple(of))
        choice = self._base.options.choose(graph, request)
        gradient = differentiate(graph, request, choice.strategy, choice.budget, chosen.tree)
        pattern = pattern_of(gradient, chosen.positions[0], 0)
        pattern = (pattern + pattern.T).tocsr()
        sparsity = Sparsity(pattern, star(pattern), "star")
        return self._filling(gradient, Request("jvp", chosen.positions, (0,)), chosen.tree, sparsity, 1)

    def _filling(self, graph: Graph, request: Request, tree: Any, sparsity: Sparsity, skipped: int) -> _Filling:
        """The batched pass over one seed per colour."""
        choice = self._base.options.choose(graph, replace(request, kind=request.kind))
        one = differentiate(graph, request, choice.strategy, choice.budget, tree)
        at = request.wrt[0] if request.kind == "jvp" else request.of[0]
        t = array_type(graph.inputs[at] if request.kind == "jvp" else graph.outputs[at])
        seeds = np.zeros((max(sparsity.passes, 1), t.size), t.dtype)
        seeds[sparsity.colours, np.arange(t.size)] = 1
        flags = [False] * len(graph.inputs) + [True]
        wanted = [i == skipped for i in range(len(one.outputs))]
        batched = vmap(one, flags, len(seeds), wanted)
        outer = Trace()
        with outer:
            args = [outer.wrap(v) for v in graph.inputs]
            found = call_graph(outer, batched, [*args, outer.wrap(outer.constant(seeds.reshape(len(seeds), *t.shape)))])
        outer.checks, outer.reports = list(graph.checks), list(graph.reports)
        made = closed(
            outer, graph.inputs, graph.input_names, [found[skipped]._read()], ["compressed"], graph.in_tree,
            signature=graph.signature, name=f"sparse_{self.kind}({graph.name})",
        )  # fmt: skip
        backend = self._base.options.backend or choice.backend
        return _Filling(Compiled(simplify(made), choice, backend), sparsity)


@dataclass(slots=True)
class _Filling:
    """A compiled batched pass, and where its numbers go."""

    compiled: Compiled
    sparsity: Sparsity

    def filled(self, compressed: Any) -> Any:
        """The matrix from its compressed form, one row per colour."""
        pattern, colours, by = self.sparsity.pattern, self.sparsity.colours, self.sparsity.by
        flat = compressed.reshape(len(compressed), -1)
        rows, columns = np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr)), pattern.indices
        if by == "columns":
            data = flat[colours[columns], rows]
        elif by == "rows":
            data = flat[colours[rows], columns]
        else:
            data = _symmetric(pattern, colours, flat, rows, columns)
        return matrices().csr_array((data, pattern.indices.copy(), pattern.indptr.copy()), shape=pattern.shape)

    def nbytes(self) -> int:
        """Bytes that it holds."""
        pattern = self.sparsity.pattern
        return self.compiled.nbytes() + int(pattern.data.nbytes + pattern.indices.nbytes)


def _symmetric(pattern: Any, colours: Any, flat: Any, rows: Any, columns: Any) -> Any:
    """Entry (i, j) from row i where j is the only neighbour of i of its colour, else from row j."""
    alone = _alone(pattern, colours, rows, columns)
    return np.where(alone, flat[colours[columns], rows], flat[colours[rows], columns])


def _alone(pattern: Any, colours: Any, rows: Any, columns: Any) -> Any:
    """For each entry, whether no other entry of its row has the colour of its column."""
    key = rows.astype(np.int64) * (int(colours.max(initial=0)) + 1) + colours[columns]
    _, inverse, count = np.unique(key, return_inverse=True, return_counts=True)
    return count[inverse] == 1


def sparse_jacobian(f: Callable[..., Any], wrt: Which = 0, **options: Any) -> Sparse:
    """The Jacobian as a scipy.sparse csr_array of shape (size of the result, size of the argument).

    The pattern is found from the graph, whatever the values; its columns (forward) or rows (reverse) are coloured,
    whichever needs fewer passes; all passes go in one batch. `.sparsity(*args)` reports pattern and passes.
    Raises: InputError unless one array is named and one returned; MissingExtraError without SciPy.

    >>> import numpy as np
    >>> tridiagonal = lambda x: x[1:-1] ** 2 + x[:-2] - x[2:]
    >>> J = sparse_jacobian(tridiagonal)
    >>> J.sparsity(np.ones(1000)).passes, J(np.ones(1000)).shape
    (3, (998, 1000))
    """
    return Sparse(f, "jacobian", wrt, options)


def sparse_hessian(f: Callable[..., Any], wrt: Which = 0, **options: Any) -> Sparse:
    """The Hessian of a function of one real number as a scipy.sparse csr_array, by star colouring.

    See `sparse_jacobian`; passes are of forward over reverse mode.

    >>> import numpy as np
    >>> H = sparse_hessian(lambda x: np.sum(x[1:] * x[:-1] ** 2))
    >>> H.sparsity(np.ones(1000)).passes
    3
    """
    return Sparse(f, "hessian", wrt, options)
