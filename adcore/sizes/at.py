"""Numbers in place of named sizes: a graph that can run from one that serves all sizes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from adcore.errors import GraphError, InputError, OpError
from adcore.graph import Check, Graph, Node, Value, kept
from adcore.params import Kind, normalise
from adcore.registry import find_op, result_types
from adcore.sizes.solve import Sized, sizes_of
from adcore.types import AnyType, Array, Dim, Trail, Type

MOST_KNOWN = 64
"""How many sizes of one graph are remembered."""

MOST_BYTES = 64 << 20
"""What depends on sizes alone is computed beforehand unless it is larger."""

_known: WeakKeyDictionary[Graph, OrderedDict[tuple[int, ...], Graph]] = WeakKeyDictionary()


def at(graph: Graph, **sizes: int) -> Graph:
    """The graph with these sizes in place of its named dimensions; made once for the same sizes.

    Raises: InputError for a name that is missing or unknown, or a size below 0; GraphError naming the
    op and the line that do not work at these sizes.
    """
    if set(sizes) != set(graph.dims):
        odd = sorted(set(sizes) ^ set(graph.dims))[0]
        what = f"size {odd} is {'not given' if odd in graph.dims else 'unknown'}"
        raise InputError(what, f"graph {graph.name} has the sizes {', '.join(graph.dims) or 'that it was traced with'}")
    for name, n in sizes.items():
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 0:
            raise InputError(f"size {name} is {n!r}", f"in graph {graph.name}", "give an integer from 0")
    if not graph.dims:
        return graph
    key = tuple(int(sizes[name]) for name in graph.dims)
    known = _known.setdefault(graph, OrderedDict())
    if key not in known:
        if len(known) >= MOST_KNOWN:
            known.popitem(last=False)
        known[key] = _Substitution(dict(zip(graph.dims, key, strict=True))).graph(graph)
    return known[key]


def fitted(graph: Graph, leaves: Sequence[Any]) -> Graph:
    """The graph at the sizes that these arguments have; itself if it has no named sizes.

    Raises InputError naming the argument and the size that do not fit.
    """
    if not graph.dims:
        return graph
    rows = [
        Sized(name, v.type.shape, tuple(np.shape(x)))  # type: ignore[union-attr]
        for name, v, x in zip(graph.input_names, graph.inputs, leaves, strict=True)
    ]
    return at(graph, **sizes_of(rows, graph.dims, f"graph {graph.name}"))


def static(graph: Graph, what: str) -> Graph:
    """The graph, if it has no named sizes. Raises GraphError saying what needs them as numbers."""
    if graph.dims:
        example = ", ".join(f"{name}=..." for name in graph.dims)
        what = f"{what} needs numbers for the sizes {', '.join(graph.dims)}"
        raise GraphError(what, f"graph {graph.name}", f"use graph.at({example})")
    return graph


# --- substitution --------------------------------------------------------------------------------


class _Substitution:
    """Numbers in place of names, in a graph and its sub-graphs."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.sizes = sizes
        self.where = ", ".join(f"{name} = {n}" for name, n in sizes.items())
        self.graphs: dict[int, Graph] = {}

    def size(self, n: Any, at: str) -> Any:
        """A size or position."""
        return n.at(self.sizes) if isinstance(n, Dim) else n

    def type(self, t: AnyType, at: str) -> AnyType:
        """A type; a size below 0 is an error."""
        if isinstance(t, Trail):
            length = None if t.length is None else self.size(t.length, at)
            return Trail(tuple([self.type(r, at) for r in t.record]), length)  # type: ignore[misc]
        shape = tuple([self.size(n, at) for n in t.shape])
        if any(n < 0 for n in shape):
            raise GraphError(f"{t} has no size at {self.where}", at)
        return Type(t.dtype, shape)

    def param(self, kind: Kind, x: Any, at: str) -> Any:
        """A param: sizes in it, and sub-graphs."""
        if isinstance(x, tuple):
            return tuple([self.param(kind, member, at) for member in x])
        if isinstance(x, Graph):
            if id(x) not in self.graphs:
                self.graphs[id(x)] = self.graph(x)
            return self.graphs[id(x)]
        return self.type(x, at) if isinstance(x, Type) else self.size(x, at)

    def graph(self, graph: Graph) -> Graph:
        """The graph in numbers, every type inferred anew."""
        env: dict[Value, Value] = {}
        for name, v in zip(graph.input_names, graph.inputs, strict=True):
            env[v] = Value(self.type(v.type, f"input {name} of graph {graph.name}"))
        constants = {env.setdefault(v, Value(v.type)): a for v, a in graph.constants.items()}
        made: set[Value] = set()  # constants that depend on sizes, and what they are made of
        nodes: list[Node] = []
        for node in graph.nodes:
            new = self.node(node, env)
            env.update(zip(node.outputs, new.outputs, strict=True))
            arrays = _known_already(new, constants, made)
            if arrays is None:
                nodes.append(new)
            else:
                constants.update(zip(new.outputs, arrays, strict=True))
                made.update((*new.inputs, *new.outputs))
        used = {v for node in nodes for v in node.inputs} | {env[v] for v in kept(graph)}
        constants = {v: a for v, a in constants.items() if v in used or v not in made}
        return replace(
            graph, inputs=tuple([env[v] for v in graph.inputs]), nodes=tuple(nodes), constants=constants, dims=(),
            outputs=tuple([env[v] for v in graph.outputs]), reports=tuple([(n, env[v]) for n, v in graph.reports]),
            checks=tuple([
                Check(env[c.value], c.message, tuple([env[v] for v in c.shown]), c.source) for c in graph.checks
            ]),
        )  # fmt: skip

    def node(self, node: Node, env: Mapping[Value, Value]) -> Node:
        """A node in numbers. Raises GraphError when its op infers other types than the graph states."""
        op = find_op(node.op)
        where = f"{node.op} at {node.source or 'source unknown'}"
        inputs = tuple([env[v] for v in node.inputs])
        outputs = tuple([Value(self.type(v.type, where)) for v in node.outputs])
        params: Mapping[str, Any] = node.params
        try:
            if params:
                numbers = {k: self.param(op.params[k], x, where) for k, x in params.items()}
                params = normalise(op.name, dict(op.params), numbers)
            found = result_types(op, tuple([v.type for v in inputs]), params)
        except OpError as e:
            raise GraphError(f"the graph does not work at {self.where}: {e.what}", where) from None
        wanted = tuple([v.type for v in outputs])
        if found != wanted:
            shown = ", ".join(map(str, found)), ", ".join(map(str, wanted))
            raise GraphError(f"the graph does not work at {self.where}: gives {shown[0]}, not {shown[1]}", where)
        return Node(node.op, inputs, params, outputs, node.source)


def _known_already(node: Node, constants: Mapping[Value, Array], made: set[Value]) -> list[Array] | None:
    """The results of a node that depends on sizes alone: it has no inputs, or only such ones."""
    if any(isinstance(v.type, Trail) for v in node.outputs) or not all(v in constants for v in node.inputs):
        return None
    if node.inputs and made.isdisjoint(node.inputs):
        return None
    if any(isinstance(x, Graph) for x in node.params.values()):
        return None
    if sum(v.type.nbytes for v in node.outputs) > MOST_BYTES:
        return None
    found = find_op(node.op).run(*[constants[v] for v in node.inputs], **node.params)
    arrays = [np.array(a, order="C") for a in (found if isinstance(found, tuple) else (found,))]
    for a in arrays:
        a.flags.writeable = False
    return arrays
