"""How the Jacobian of a vector function is held, and systems with it are solved: in full, or within a band.

Where each unknown acts on few others, they are numbered anew so that the Jacobian is a band about its diagonal
(reverse Cuthill and McKee), its columns are coloured, and it costs a few tangents and a banded solution.
Source: George and Liu 1981, "Computer Solution of Large Sparse Positive Definite Systems", section 4.3; Curtis,
Powell and Reid 1974, "On the estimation of sparse Jacobian matrices".
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adcore.colour import distance_two
from adcore.errors import MissingExtraError
from adcore.graph import Graph, Value
from adcore.pattern import matrices, pattern_of
from adcore.trace import array_type, current, is_fitting, op_call
from adcore.tracing import trace_graph
from adcore.transform.jvp import jvp
from adcore.transform.splice import call_graph
from adcore.transform.vjp import vjp
from adcore.transform.vmap import vmap

SMALLEST = 24
"""Up to as many unknowns a full matrix is solved about as fast as any."""
NARROW = 0.25
"""A band pays up to this part of the diagonals."""

_solve_banded, _factor_banded = op_call("linalg::solve_banded"), op_call("linalg::factor_banded")
_solve_factored = op_call("linalg::solve_factored_banded")


class Systems(ABC):
    """Matrices of n unknowns, built from a constant matrix M and Jacobians J, all recorded in the current trace.

    m: M, or its diagonal; None for the unit matrix. mass: M, as the matrices are held.
    """

    m: Any
    mass: Any

    def times(self, x: Any) -> Any:
        """M x. x: (..., n)."""
        return x if self.m is None else self.m * x if self.m.ndim == 1 else x @ self.m.T

    @abstractmethod
    def jacobian(self, fun: Callable[[Any], Any], x: Any) -> Any:
        """d fun / dx at x."""

    @abstractmethod
    def factors(self, matrix: Any) -> tuple[Any, ...]:
        """What `corrected` needs to solve systems with this matrix. It has no derivative."""

    @abstractmethod
    def corrected(self, r: Any, *factors: Any) -> Any:
        """x with matrix x = r."""

    @abstractmethod
    def coupled(self, weights: Sequence[Sequence[Any]], jacobians: Sequence[Any]) -> Any:
        """The matrix of s blocks by s, block (a, b) being M (if a = b) - weights[a][b] J_b. weights: s rows of s."""

    @abstractmethod
    def solve(self, matrix: Any, r: Any) -> Any:
        """x with matrix x = r, for a coupled matrix. r, x: (s, n)."""


@dataclass(frozen=True, slots=True)
class Full(Systems):
    """Matrices as they are. mass: (n, n)."""

    m: Any
    mass: Any

    def jacobian(self, fun: Callable[[Any], Any], x: Any) -> Any:
        """All n tangents in one batch."""
        return np.transpose(_pushed(fun, x, np.eye(x.shape[0], dtype=x.dtype)))

    def factors(self, matrix: Any) -> tuple[Any, ...]:
        """The inverse: for few unknowns a product with it is the fastest solution."""
        return (np.linalg.inv(matrix),)

    def corrected(self, r: Any, *factors: Any) -> Any:
        """A product."""
        return factors[0] @ r

    def coupled(self, weights: Sequence[Sequence[Any]], jacobians: Sequence[Any]) -> Any:
        """(s n, s n), block by block."""
        s, n = len(jacobians), self.mass.shape[0]
        blocks = [[(self.mass if a == b else 0.0) - weights[a][b] * jacobians[b] for b in range(s)] for a in range(s)]
        return np.reshape(np.stack([np.stack(row, axis=1) for row in blocks]), (s * n, s * n))

    def solve(self, matrix: Any, r: Any) -> Any:
        """By elimination."""
        return np.reshape(np.linalg.solve(matrix, np.ravel(r)), r.shape)


@dataclass(frozen=True, slots=True)
class Band(Systems):
    """Matrices as diagonals: A[order[i], order[j]] is at row above + i - j and column j.

    mass: (below + above + 1, n). order: which unknown is at each place. colours: of each unknown, so that one tangent
    serves all of a colour. there: where the Jacobian may be other than zero, as its diagonals.
    """

    m: Any
    mass: Any
    order: Any
    below: int
    above: int
    colours: Any
    there: Any

    @classmethod
    def of(cls, pattern: Any, m: Any, mass: Any) -> Band | None:
        """For a square pattern and M, in full; None where the band would be too wide."""
        n = pattern.shape[0]
        graph = importlib.import_module("scipy.sparse.csgraph")
        joint = pattern + matrices().csr_array(mass != 0)
        joint = (joint + joint.T).tocsr()
        order = graph.reverse_cuthill_mckee(joint.astype(np.int8), symmetric_mode=True).astype(np.int64)
        at = np.argsort(order)
        wide = int(np.max(np.abs(np.subtract(*(at[x] for x in joint.nonzero()))), initial=0))
        if 2 * wide + 1 > NARROW * n:
            return None
        there, held = (_diagonals(a.tocoo(), at, wide) for a in (pattern, matrices().csr_array(mass)))
        return cls(m, held, order, wide, wide, distance_two(pattern), there)

    def jacobian(self, fun: Callable[[Any], Any], x: Any) -> Any:
        """One tangent per colour, and the numbers put to their places."""
        n = x.shape[0]
        seeds = np.zeros((int(self.colours.max()) + 1, n), x.dtype)
        seeds[self.colours, np.arange(n)] = 1
        i = np.arange(n) + np.arange(-self.above, self.below + 1)[:, None]
        source = self.colours[self.order] * n + self.order[np.clip(i, 0, n - 1)]
        found = np.take(np.ravel(_pushed(fun, x, seeds)), np.where(self.there, source, 0))
        return np.where(self.there, found, np.zeros((), x.dtype))

    def factors(self, matrix: Any) -> tuple[Any, ...]:
        """Its LU decomposition."""
        return tuple(_factor_banded(matrix, below=self.below, above=self.above))

    def corrected(self, r: Any, *factors: Any) -> Any:
        """By that."""
        x = _solve_factored(*factors, np.take(r, self.order)[:, None], below=self.below, above=self.above)
        return np.take(x[:, 0], np.argsort(self.order))

    def coupled(self, weights: Sequence[Sequence[Any]], jacobians: Sequence[Any]) -> Any:
        """The diagonals of the band in which the s parts of each unknown follow each other.

        Block (a, b) of A_ij is in row s i + a and column s j + b: s (i - j) + a - b above the main diagonal.
        """
        s, (rows, n) = len(jacobians), self.mass.shape
        columns = []
        for b, jacobian in enumerate(jacobians):
            blocks = [(self.mass if a == b else 0.0) - weights[a][b] * jacobian for a in range(s)]
            gaps = [np.zeros_like(jacobian, shape=(k, n)) for k in (s - 1 - b, b)]
            columns.append(np.concatenate([gaps[0], np.reshape(np.stack(blocks, axis=1), (rows * s, n)), gaps[1]]))
        return np.reshape(np.stack(columns, axis=-1), (-1, n * s))

    def solve(self, matrix: Any, r: Any) -> Any:
        """By elimination within the band."""
        s, n = r.shape
        below, above = s * self.below + s - 1, s * self.above + s - 1
        sides = np.reshape(np.transpose(np.take(r, self.order, axis=1)), (n * s, 1))
        x = np.reshape(_solve_banded(matrix, sides, below=below, above=above), (n, s))
        return np.transpose(np.take(x, np.argsort(self.order), axis=0))


@dataclass(frozen=True, slots=True)
class Fed(Systems):
    """A band, and after it k unknowns that feed nothing back, as integrals along the way do: solved last.

    A matrix is held as the diagonals of the band, with below them k rows: what each of these unknowns takes from those
    of the band, and in one more column its own factor.
    """

    m: Any
    mass: Any
    band: Band
    k: int

    @classmethod
    def of(cls, pattern: Any, m: Any, mass: Any) -> Fed | None:
        """For a square pattern and M; None where there is no such end or no band before it."""
        used = np.flatnonzero(np.diff(pattern.tocsc().indptr))
        n = int(used[-1]) + 1 if used.size else 0
        k = pattern.shape[0] - n
        apart = np.array_equal(mass[n:], np.eye(n + k)[n:]) and not np.any(mass[:n, n:])
        if not k or not n or not apart:
            return None
        inner = None if m is None else m[:n] if m.ndim == 1 else m[:n, :n]
        band = Band.of(pattern[:n, :n].tocsr(), inner, mass[:n, :n])
        if band is None:
            return None
        rows = np.concatenate([np.zeros((k, n)), np.ones((k, 1))], axis=1)
        held = np.concatenate([np.pad(band.mass, ((0, 0), (0, 1))), rows]).astype(mass.dtype)
        return cls(m, held, band, k)

    def jacobian(self, fun: Callable[[Any], Any], x: Any) -> Any:
        """The band by tangents, the rows below it by cotangents."""
        n = x.shape[0] - self.k
        held = self.band.jacobian(lambda y: fun(np.concatenate([y, x[n:]]))[:n], x[:n])
        rows = _pulled(lambda y: fun(np.concatenate([y, x[n:]]))[n:], x[:n], np.eye(self.k, dtype=x.dtype))
        both = np.concatenate([held, rows])
        return np.concatenate([both, np.zeros_like(both[:, :1])], axis=1)

    def _split(self, matrix: Any) -> tuple[Any, Any, Any]:
        """The band, the rows below it, and their own factors."""
        rows, n = self.band.mass.shape
        return matrix[:rows, :n], matrix[rows:, :n], matrix[rows:, n]

    def factors(self, matrix: Any) -> tuple[Any, ...]:
        """Those of the band, and what comes after."""
        held, rows, own = self._split(matrix)
        return *self.band.factors(held), rows, own

    def corrected(self, r: Any, *factors: Any) -> Any:
        """The band first."""
        *held, rows, own = factors
        n = r.shape[0] - self.k
        y = self.band.corrected(r[:n], *held)
        return np.concatenate([y, (r[n:] - rows @ y) / own])

    def coupled(self, weights: Sequence[Sequence[Any]], jacobians: Sequence[Any]) -> Any:
        """(the coupled band, the weights, what the unknowns after it take)."""
        parts = [self._split(j) for j in jacobians]
        return self.band.coupled(weights, [held for held, _, _ in parts]), weights, [rows for _, rows, _ in parts]

    def solve(self, matrix: Any, r: Any) -> Any:
        """The band first."""
        held, weights, taken = matrix
        n = r.shape[1] - self.k
        y = self.band.solve(held, r[:, :n])
        moved = [rows @ y[b] for b, rows in enumerate(taken)]
        after = [r[a, n:] + sum(w * x for w, x in zip(row, moved, strict=True)) for a, row in enumerate(weights)]
        return np.concatenate([y, np.stack(after)], axis=1)


def systems_of(graph: Graph, wrt: int, mass: Any = None) -> Systems:
    """How systems with M and the Jacobian of a graph's first output by its input `wrt` are best held.

    mass: M, (n, n); None for the unit matrix.

    A band needs SciPy, here and where it runs; without it, for few unknowns, or for a number of them that is not
    known yet, a full matrix.
    """
    y = array_type(graph.outputs[0])
    n, m = y.shape[0], mass
    mass = np.eye(n, dtype=y.dtype) if m is None else m
    if m is not None and not np.any(m - np.diag(np.diag(m))):
        m = np.diag(m)
    full = Full(m, mass)
    if n <= SMALLEST or is_fitting():
        return full
    try:
        pattern = pattern_of(graph, wrt, 0)
        return Band.of(pattern, m, mass) or Fed.of(pattern, m, mass) or full
    except (ImportError, MissingExtraError):
        return full


def _diagonals(a: Any, at: Any, wide: int) -> Any:
    """The diagonals of a sparse matrix, its unknowns being at these places."""
    held = np.zeros((2 * wide + 1, a.shape[1]), a.dtype)
    held[wide + at[a.row] - at[a.col], at[a.col]] = a.data
    return held


def _pushed(fun: Callable[[Any], Any], x: Any, seeds: Any) -> Any:
    """The Jacobian of fun at x times each of the seeds. seeds: (k, n). Returns: (k, m)."""
    return _passed(jvp, fun, x, seeds)


def _pulled(fun: Callable[[Any], Any], x: Any, seeds: Any) -> Any:
    """Each of the seeds times the Jacobian of fun at x. seeds: (k, m). Returns: (k, n)."""
    return _passed(vjp, fun, x, seeds)


def _passed(transform: Callable[..., Graph], fun: Callable[[Any], Any], x: Any, seeds: Any) -> Any:
    """All seeds through fun in one batch."""
    trace = current()
    assert trace is not None
    graph, captured = trace_graph(fun, [trace.wrap(Value(x._type))], name="field")
    flags = [False] * len(graph.inputs) + [True]
    batched = vmap(transform(graph, [0]), flags, len(seeds), [False, True])
    given = [x, *(trace.wrap(v) for v in captured), trace.wrap(trace.constant(seeds))]
    return call_graph(trace, batched, given)[1]
