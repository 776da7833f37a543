"""The graph: what is to be computed, as a value that can be printed, checked, saved and transformed.

graph  ::= "graph" name "(" input,* ")" "{" node* "return" output,* check* report* "}"
input  ::= value ":" name type
node   ::= value,* "=" op "[" param,* "]" "(" value,* ")"     each value assigned once, before it is used
output ::= name "=" value
check  ::= "check" value "else" message                       a bool that must be true when the graph runs
report ::= "report" name "=" value
param  ::= name "=" (int | float | bool | str | dtype | tuple | graph)

>>> import adcore as ad
>>> import numpy as np
>>> print(ad.trace(lambda x1, x2: x1 * x2 + np.sin(x1), 2.0, 3.0))
graph <lambda>(a: x1 float64[], b: x2 float64[]) {
  c: float64[] = core::multiply(a, b)
  d: float64[] = core::sin(a)
  e: float64[] = core::add(c, d)
  return y = e
}

Values and nodes are told apart by identity, so a derivative shares the nodes of the graph it comes
from. A Graph never changes. What a graph can do beyond being looked at (call, save, compile, at)
lives on higher floors and is filled in by `adcore.api` through `doors`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from adcore.errors import GraphError
from adcore.tree import LEAF, Tree
from adcore.types import AnyType, Array, Trail, Type, type_of

NO_PARAMS: Mapping[str, Any] = MappingProxyType({})

doors: dict[str, Callable[..., Any]] = {}
"""What a graph does that lives on a higher floor: `call`, `save`, `dumps`, `identity`, `compile`, `at`."""


class Value:
    """One array (or trail) in a graph, assigned once. Told apart by identity."""

    __slots__ = ("type",)

    def __init__(self, type: AnyType) -> None:
        self.type = type

    def __repr__(self) -> str:
        return f"<value {self.type}>"


@dataclass(frozen=True, slots=True)
class Source:
    """A place in the user's code."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file.replace(chr(92), '/').rsplit('/', 1)[-1]}:{self.line}"


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One application of an op: its name, inputs, static params, outputs, and where it was written."""

    op: str
    inputs: tuple[Value, ...]
    params: Mapping[str, Any]
    outputs: tuple[Value, ...]
    source: Source | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Check:
    """A bool value that must be true (in every element) when the graph runs.

    message: a template; `{0}`, `{1}` are replaced by the values of `shown`.
    """

    value: Value
    message: str
    shown: tuple[Value, ...] = ()
    source: Source | None = None


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Graph:
    """A pure function from named arrays to named arrays.

    in_tree:  the nested arguments: a tuple (positional) and a dict (by keyword) whose leaves are the inputs.
    out_tree: the nested result, whose leaves are the outputs.
    signature: names of the parameters, so that arguments may be given by keyword too.
    """

    inputs: tuple[Value, ...]
    input_names: tuple[str, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Value, ...]
    output_names: tuple[str, ...]
    constants: Mapping[Value, Array] = field(default_factory=dict)
    in_tree: Tree = LEAF
    out_tree: Tree = LEAF
    signature: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    reports: tuple[tuple[str, Value], ...] = ()
    name: str = "f"
    dims: tuple[str, ...] = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluate at these arguments; gives back the structure that the traced function had."""
        return doors["call"](self, *args, **kwargs)

    def save(self, path: Any) -> None:
        """Write the graph to a file (`.adg`), atomically."""
        doors["save"](self, path)

    def dumps(self) -> bytes:
        """The graph as the bytes of a file."""
        result: bytes = doors["dumps"](self)
        return result

    @property
    def identity(self) -> str:
        """sha256 of what the graph means, in hex; names of intermediates and sources do not count."""
        result: str = doors["identity"](self)
        return result

    def compile(self, **options: Any) -> Any:
        """A program: called with the inputs as arrays in order, returns the outputs; the fastest door."""
        return doors["compile"](self, **options)

    def at(self, **sizes: int) -> Graph:
        """The graph with these sizes in place of its named dimensions."""
        result: Graph = doors["at"](self, **sizes)
        return result

    def __str__(self) -> str:
        return "\n".join(_lines(self))

    def __repr__(self) -> str:
        counts = f"{len(self.nodes)} nodes, {len(self.inputs)} inputs, {len(self.outputs)} outputs"
        return f"<graph {self.name}: {counts}>"


# --- queries -------------------------------------------------------------------------------------


def values(graph: Graph) -> Iterator[Value]:
    """All values in a fixed order: inputs, constants, then the outputs of the nodes."""
    yield from graph.inputs
    yield from graph.constants
    for node in graph.nodes:
        yield from node.outputs


def numbering(graph: Graph) -> dict[Value, int]:
    """The number of every value: its position in `values(graph)`."""
    return {value: i for i, value in enumerate(values(graph))}


def kept(graph: Graph) -> tuple[Value, ...]:
    """The values that must exist when the graph has run: outputs, what checks show, reports."""
    shown = (v for c in graph.checks for v in (c.value, *c.shown))
    return (*graph.outputs, *shown, *(value for _, value in graph.reports))


def bodies(node: Node) -> Iterator[tuple[str, Graph]]:
    """The sub-graphs among a node's params, by param name."""
    for name, value in node.params.items():
        if isinstance(value, Graph):
            yield name, value
        elif isinstance(value, tuple) and value and isinstance(value[0], Graph):
            for i, part in enumerate(value):
                yield f"{name}[{i}]", part


def live_nodes(nodes: Iterable[Node], wanted: Iterable[Value]) -> list[Node]:
    """The nodes that `wanted` depends on, in their order."""
    needed = set(wanted)
    found: list[Node] = []
    for node in reversed(tuple(nodes)):
        if not needed.isdisjoint(node.outputs):
            needed.update(node.inputs)
            found.append(node)
    found.reverse()
    return found


def affected(graph: Graph, seeds: Iterable[Value]) -> set[Value]:
    """The values that have a derivative with respect to `seeds`: reached through differentiable values."""
    reached = {v for v in seeds if v.type.differentiable}
    for node in graph.nodes:
        if not reached.isdisjoint(node.inputs):
            reached.update(v for v in node.outputs if v.type.differentiable)
    return reached


# --- the law -------------------------------------------------------------------------------------


def check(graph: Graph) -> None:
    """Raise GraphError unless the graph obeys the law of graphs.

    Every value is assigned exactly once and before it is used; names of inputs and outputs are
    unique and as many as the values; constants have the type of their value; the trees have as
    many leaves as there are inputs and outputs; a checked value is a bool; no trail goes in or out.
    Sub-graphs obey it too (there, trails may not go in or out either). What single ops demand is
    checked where nodes are made and where files are read (`adcore.registry.check_node`).
    """
    where = f"in graph {graph.name}"
    defined: set[Value] = set()
    for value, array in graph.constants.items():
        if type_of(array) != value.type:
            raise GraphError(f"a constant of type {type_of(array)} is declared as {value.type}", where)
    for value in (*graph.inputs, *graph.constants):
        _define(defined, value, where)
    for i, node in enumerate(graph.nodes):
        at = f"at node {i} ({node.op}), {node.source or 'source unknown'}, {where}"
        for value in node.inputs:
            if value not in defined:
                raise GraphError(f"an input of type {value.type} is used before it is assigned", at)
        for value in node.outputs:
            _define(defined, value, at)
        for _, body in bodies(node):
            check(body)
    for value in kept(graph):
        if value not in defined:
            raise GraphError(f"an output of type {value.type} is never assigned", where)
    for c in graph.checks:
        if not (isinstance(c.value.type, Type) and c.value.type.dtype.kind == "b"):
            raise GraphError(f"a check needs a bool, not {c.value.type}", where)
    for kind, names, vals, tree in (
        ("input", graph.input_names, graph.inputs, graph.in_tree),
        ("output", graph.output_names, graph.outputs, graph.out_tree),
    ):
        if len(set(names)) != len(names) or not len(names) == len(vals) == tree.leaves:
            raise GraphError(
                f"{len(vals)} {kind}s, {len(set(names))} {kind} names, {tree.leaves} leaves of the tree",
                where,
            )
        for value in vals:
            if isinstance(value.type, Trail):
                raise GraphError(f"a trail is never an {kind} of a graph", where)


def _define(defined: set[Value], value: Value, where: str) -> None:
    if value in defined:
        raise GraphError(f"a value of type {value.type} is assigned twice", where)
    defined.add(value)


# --- print ---------------------------------------------------------------------------------------


def letters(i: int) -> str:
    """a, b, ..., z, aa, ab, ...: the printed name of value number i.

    >>> letters(0), letters(25), letters(26)
    ('a', 'z', 'aa')
    """
    name = ""
    i += 1
    while i:
        i, digit = divmod(i - 1, 26)
        name = chr(ord("a") + digit) + name
    return name


def show_param(value: Any) -> str:
    """A param as it is printed; a sub-graph by its name."""
    if isinstance(value, Graph):
        return f"<{value.name}>"
    if isinstance(value, tuple):
        return "(" + ",".join(map(show_param, value)) + ("," if len(value) == 1 else "") + ")"
    return str(getattr(value, "name", value))


def _lines(graph: Graph, indent: str = "") -> Iterator[str]:
    names = {v: letters(i) for i, v in enumerate(values(graph))}
    heads = ", ".join(f"{names[v]}: {n} {v.type}" for v, n in zip(graph.inputs, graph.input_names, strict=True))
    yield f"{indent}graph {graph.name}({heads}) {{"
    for v, array in graph.constants.items():
        shown = str(array[()]) if array.ndim == 0 else "constant"
        yield f"{indent}  {names[v]}: {v.type} = {shown}"
    for node in graph.nodes:
        left = ", ".join(f"{names[v]}: {v.type}" for v in node.outputs)
        params = ", ".join(f"{k}={show_param(v)}" for k, v in node.params.items())
        args = ", ".join(names[v] for v in node.inputs)
        yield f"{indent}  {left} = {node.op}{f'[{params}]' if params else ''}({args})"
        for _, body in bodies(node):
            yield from _lines(body, indent + "    ")
    returned = ", ".join(f"{n} = {names[v]}" for n, v in zip(graph.output_names, graph.outputs, strict=True))
    yield f"{indent}  return {returned}"
    for c in graph.checks:
        yield f"{indent}  check {names[c.value]} else {c.message!r}"
    for name, v in graph.reports:
        yield f"{indent}  report {name} = {names[v]}"
    yield f"{indent}}}"
