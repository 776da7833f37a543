"""Source in which small values are Python's own numbers: `s0`, one local variable per element.

A value that is needed as an array too is written into its place when it is made; the elements of an array
that are needed as numbers are read when they are first needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adcore.extend import Graph, Node, Plan, Type, Value, find_op
from adcore_backends.numpy.numbers import SMALL, arrays_wanted, fits, is_number, numbers_of, on_numbers
from adcore_backends.numpy.source import ArrayWriter, Source


def generate(plan: Plan, into: bool, plain: bool) -> Source:
    """The source of a plan. into: for a body, whose outputs go to places that the caller gives.

    plain: calls on whole arrays only.
    """
    held = frozenset() if plain else numbers_of(plan.graph)
    return (MixedWriter(plan, into, held) if held else ArrayWriter(plan, into, plain)).write()


_LITERAL = re.compile(r"-?[0-9][0-9.]*(e[-+]?[0-9]+)?|True|False")


class Numbers:
    """Names for numbers, and the lines that compute them.

    emit(line, node): takes a line. fresh(prefix): gives a new name.
    """

    def __init__(self, emit: Callable[[str, int], None], fresh: Callable[[str], str]) -> None:
        self.emit, self.fresh = emit, fresh
        self.constants: dict[str, float] = {}
        self.functions: dict[np.ufunc, str] = {}

    def literals(self, array: Any) -> list[str]:
        """The elements of a constant."""
        found = []
        for x in array.ravel().tolist():
            if isinstance(x, bool) or np.isfinite(x):
                found.append(repr(x))
            else:
                found.append(self.fresh("n"))
                self.constants[found[-1]] = x
        return found

    def elements(self, node: Node, xs: Sequence[Sequence[str]], i: int) -> list[str]:
        """The names of the elements of a node's output, computed from those of its inputs."""
        op = find_op(node.op)
        assert op.numbers is not None
        found = op.numbers(xs, [v.type for v in node.inputs], node.params)
        assert found is not None, f"{node.op} is not written on numbers"
        if isinstance(op.run, np.ufunc):
            if op.run not in self.functions:
                self.functions[op.run] = self.fresh("f")
            found = [e.replace(f"f_{op.run.__name__}(", f"{self.functions[op.run]}(") for e in found]
        return [e if e.isidentifier() or _LITERAL.fullmatch(e) else self.number(e, i) for e in found]

    def number(self, expression: str, i: int) -> str:
        """A new variable of that value."""
        name = self.fresh("s")
        self.emit(f"{name} = {expression}", i)
        return name

    def space(self) -> dict[str, Any]:
        """What the lines need bound."""
        return self.constants | {name: on_numbers(ufunc) for ufunc, name in self.functions.items()}


class MixedWriter(ArrayWriter):
    """Writes some values as numbers. held: these."""

    def __init__(self, plan: Plan, into: bool, held: frozenset[Value]) -> None:
        super().__init__(plan, into, False)
        self.held, self.wanted = held, arrays_wanted(plan.graph, held)
        self.numbers = Numbers(self.emit, self.fresh_local)
        self.elements: dict[Value, Sequence[str]] = {}
        self.readers: dict[Value, int] = {}  # how many nodes on numbers read a value
        for node in self.graph.nodes:
            if not held.isdisjoint(node.outputs):
                for v in node.inputs:
                    self.readers[v] = self.readers.get(v, 0) + 1

    def fresh_local(self, prefix: str) -> str:
        """A new name of a variable."""
        name = self.fresh(prefix)
        if prefix == "s":
            self.locals.add(name)
        return name

    def run(self, i: int, places: tuple[int | str, ...], scratch: int) -> None:
        """The lines of one node, on numbers or on arrays."""
        node = self.graph.nodes[i]
        if self.held.isdisjoint(node.outputs):
            super().run(i, places, scratch)
            return
        (v,), (place,) = node.outputs, places
        self.elements[v] = self.numbers.elements(node, [self.read(x, i) for x in node.inputs], i)
        if v not in self.wanted:
            return
        if place == "view":
            self.view(i, node)
        else:
            self.fill(self.target(v, place, True, i), v.type, self.elements[v], i)  # type: ignore[arg-type]

    def read(self, v: Value, i: int) -> Sequence[str]:
        """The elements of a value by name, those of an array when they are first needed."""
        if v not in self.elements:
            constant = self.graph.constants.get(v)
            if constant is not None and constant.size <= SMALL:
                self.elements[v] = self.numbers.literals(constant)
            else:
                self.elements[v] = _Items(self.numbers, self.name[v], v.type, self.readers.get(v, 0), i)  # type: ignore[arg-type]
        return self.elements[v]

    def fill(self, name: str, t: Type, elements: Sequence[str], i: int) -> None:
        """Write numbers into an array."""
        if not t.shape:
            self.emit(f"{name}[()] = {elements[0]}", i)
        elif t.size <= SMALL:
            for index, element in zip(np.ndindex(t.shape), elements, strict=True):
                self.emit(f"{name}[{', '.join(map(str, index))}] = {element}", i)
        else:
            self.emit(f"{name}.flat = ({', '.join(elements)})", i)

    def drop(self, v: Value) -> None:
        """Forget a value, its numbers and its array."""
        self.elements.pop(v, None)
        if v in self.name:
            super().drop(v)

    def finish(self) -> None:
        """Results that are not finite are for NumPy to give, with its warnings."""
        if not self.into:
            own = [v for v in dict.fromkeys(self.outputs) if v in self.held and v.type.dtype.char == "d"]  # type: ignore[union-attr]
            checked = [e for v in own for e in self.elements[v] if e.isidentifier()]
            for k in range(0, len(checked), 100):
                self.emit(f"if not isfinite({' + '.join(checked[k : k + 100])}): raise ValueError")
        self.out.numbers = self.numbers.space()
        super().finish()


class _Items(Sequence[str]):
    """The elements of an array, read one by one, or all at once where many are needed."""

    def __init__(self, numbers: Numbers, name: str, t: Type, readers: int, i: int) -> None:
        self.numbers, self.name, self.type, self.node = numbers, name, t, i
        self.known: dict[int, str] = {}
        if t.ndim == 1 and 0 < t.size <= max(SMALL, 3 * readers):
            names = [numbers.fresh("s") for _ in range(t.size)]
            numbers.emit(f"({', '.join(names)}{',' if t.size == 1 else ''}) = {name}.tolist()", i)
            self.known = dict(enumerate(names))

    def __len__(self) -> int:
        return self.type.size

    def __getitem__(self, k: Any) -> Any:
        if k not in self.known:
            if not 0 <= k < len(self):
                raise IndexError(k)
            self.known[k] = self.numbers.number(f"{self.name}.item({k if self.type.shape else ''})", self.node)
        return self.known[k]


# --- graphs of numbers alone ---------------------------------------------------------------------


def numbers_only(graph: Graph) -> Callable[..., tuple[Any, ...]] | None:
    """A function from the elements of all inputs to those of all outputs; None if some value must be an array."""
    held: set[Value] = {*graph.inputs, *graph.constants}
    if not all(map(is_number, held)) or graph.checks or graph.reports:
        return None
    for node in graph.nodes:
        if not fits(node, graph, held):
            return None
        held.update(node.outputs)
    lines: list[str] = []
    count = iter(range(1 << 62))
    numbers = Numbers(lambda line, i: lines.append(f"    {line}"), lambda prefix: f"{prefix}{next(count)}")
    elements = {v: numbers.literals(array) for v, array in graph.constants.items()}
    elements |= {v: [numbers.fresh("s") for _ in range(v.type.size)] for v in graph.inputs}  # type: ignore[union-attr]
    for i, node in enumerate(graph.nodes):
        elements[node.outputs[0]] = numbers.elements(node, [elements[v] for v in node.inputs], i)
    names = [e for v in graph.inputs for e in elements[v]]
    results = [e for v in graph.outputs for e in elements[v]]
    text = [f"def run({', '.join(names)}):", *lines, f"    return ({''.join(f'{e}, ' for e in results)})"]
    space = numbers.space()
    exec(compile("\n".join(text), f"<adcore numbers {graph.name}>", "exec"), space)
    run: Callable[..., tuple[Any, ...]] = space["run"]
    return run
