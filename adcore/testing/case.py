"""One sample of one op, as the laws see it: arrays, the graph that applies the op, and its derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from adcore.api import trace
from adcore.graph import Graph, Node
from adcore.registry import Op, result_types
from adcore.samples import Sample
from adcore.testing.measure import draw, lawful, run
from adcore.transform.jvp import jvp
from adcore.transform.splice import pruned
from adcore.transform.vjp import vjp
from adcore.tree import LEAF, Tree
from adcore.types import Array, Type

SEED = 20260101


@dataclass(frozen=True)
class Application:
    """The op applied to arrays, as one node of a case's graph applies it."""

    arrays: tuple[Array, ...]
    params: dict[str, Any]
    node: Node


@dataclass(frozen=True, eq=False)
class Case:
    """A sample of an op with its arrays.

    graph: of the sample's program, or of the op alone. label: which sample, for messages.
    """

    op: Op
    sample: Sample
    arrays: tuple[Array, ...]
    graph: Graph
    label: str

    @property
    def where(self) -> str:
        """Which op, and where its function was written."""
        code = getattr(self.op.run, "__code__", None)
        place = f"{code.co_filename}:{code.co_firstlineno}" if code else getattr(self.op.run, "__name__", "")
        return f"op {self.op.name} ({place.replace(chr(92), '/').rsplit('/', 1)[-1]}), {self.label}"

    @property
    def active(self) -> list[int]:
        """Positions of the inputs that have a tangent."""
        return [i for i, v in enumerate(self.graph.inputs) if v.type.differentiable]

    @cached_property
    def tangent(self) -> Graph:
        """(xs, x_dots) -> y_dots."""
        return results(lawful(jvp(self.graph)), len(self.graph.outputs))

    @cached_property
    def cotangent(self) -> Graph:
        """(xs, y_bars) -> x_bars."""
        return results(lawful(vjp(self.graph)), len(self.graph.outputs))

    @cached_property
    def carries_graphs(self) -> bool:
        """True when the op has no `run` of its own: a param is a graph, or trails go in or out."""
        return any(k.graphs for k in self.op.params.values()) or any(
            not isinstance(v.type, Type) for n in self.nodes for v in (*n.inputs, *n.outputs)
        )

    @cached_property
    def nodes(self) -> list[Node]:
        """The nodes of the graph that apply the op."""
        return [n for n in self.graph.nodes if n.op == self.op.name]

    @cached_property
    def applications(self) -> list[Application]:
        """What the op is applied to, node by node; none for an op without `run`."""
        if self.carries_graphs:
            return []
        found = []
        for node in self.nodes:
            inputs = pruned(flat(replace(self.graph, outputs=node.inputs, checks=(), reports=())))
            arrays = tuple(np.copy(a, order="C") for a in run(inputs, self.arrays))
            found.append(Application(arrays, dict(node.params), node))
        return found


def flat(graph: Graph) -> Graph:
    """The graph with its outputs as a tuple, named by position."""
    n = len(graph.outputs)
    return replace(graph, output_names=tuple(f"out{i}" for i in range(n)), out_tree=Tree("tuple", (), (LEAF,) * n))


def results(graph: Graph, start: int) -> Graph:
    """The graph of the outputs from number `start` on."""
    return pruned(flat(replace(graph, outputs=graph.outputs[start:])))


def case(op: Op, sample: Sample, label: str, arrays: Sequence[Array] | None = None) -> Case:
    """The case of a sample, at these arrays or at drawn ones."""
    given = draw(sample, np.random.default_rng(SEED)) if arrays is None else tuple(arrays)
    program = sample.program or (lambda *xs: op(*xs, **sample.params))
    return Case(op, sample, given, trace(program, *given), label)


@lru_cache(maxsize=4096)
def cases(op: Op) -> tuple[Case, ...]:
    """One case per sample."""
    return tuple(case(op, s, f"sample {i}: {describe(s)}") for i, s in enumerate(op.samples))


def describe(sample: Sample) -> str:
    """A sample in a few words."""
    dtypes = sample.dtypes or ("float64",) * len(sample.shapes)
    types = ", ".join(str(Type(np.dtype(d), s)) for d, s in zip(dtypes, sample.shapes, strict=True))
    params = ", ".join(f"{k}={v}" for k, v in sample.params.items())
    return f"{types or 'no arrays'}{f' with {params}' if params else ''}, seed {SEED}"


def types_of_results(op: Op, application: Application) -> tuple[Any, ...]:
    """The types that `infer` gives for an application."""
    return result_types(op, tuple(v.type for v in application.node.inputs), application.params)
