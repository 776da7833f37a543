"""From a plan and its layout to Python source.

Names in the source: `x0` inputs, `o0` places of outputs (in a body), `k0` kernels, `c0` constants,
`b0` buffers and views of the arena (bound when a runner is made), `v0` values that only exist while
it runs: results of kernels that place them themselves, outputs, and views of inputs. `adcore_backends.numpy.mixed`
adds `s0`, numbers, and `f0`, functions of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adcore.extend import (
    AnyType,
    Layout,
    Node,
    Pair,
    Plan,
    Run,
    Spill,
    Trail,
    Value,
    direct_outputs,
    find_op,
    kept,
    numbering,
    reads,
    scheduled,
    values,
    views,
)
from adcore_backends.numpy.regions import Region, regions

CHUNK = 20_000
"""Lines per generated function; Python compiles 5 us a line, whatever their number."""


@dataclass(frozen=True, slots=True)
class Binding:
    """A name that a runner binds before the code runs.

    kind: buffer (of `type` at `offset` of the arena), view (kernel of `node` applied to the name `base`).
    """

    kind: str
    name: str
    type: AnyType
    offset: int = 0
    node: int = -1
    base: str = ""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel that a runner binds to a name: of which node, where its scratch range is, and the trail it leads."""

    name: str
    node: int
    scratch: int
    trail: int


@dataclass(slots=True)
class Source:
    """The generated code of one plan, and what a runner must bind for it."""

    plan: Plan
    layout: Layout
    loops: Mapping[int, Pair]
    number: Mapping[Value, int]
    into: bool  # outputs are written into places that the caller gives
    plain: bool  # calls on whole arrays, here and in bodies: no numbers, no blocks
    code: Any = None
    text: str = ""
    lines: dict[int, int] = field(default_factory=dict)  # line -> node
    bindings: list[Binding] = field(default_factory=list)
    kernels: list[Kernel] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)  # functions and constants of lines on numbers
    bodies: dict[int, Source] = field(default_factory=dict)  # of sub-graphs, by id of their plan
    spill: Spill = field(default_factory=Spill)  # of the whole program: bodies have it too


class ArrayWriter:
    """Writes a plan as calls on arrays. plain: whole ones, here and in bodies."""

    def __init__(self, plan: Plan, into: bool, plain: bool) -> None:
        self.plan, self.graph, self.into = plan, plan.graph, into
        self.out = Source(plan, plan.layout, scheduled(plan), numbering(plan.graph), into, plain)
        self.values = tuple(values(plan.graph))
        self.trails: dict[Value, int] = {}  # where the trails are that are led by a schedule
        self.name: dict[Value, str] = {v: f"x{i}" for i, v in enumerate(self.graph.inputs)}
        self.bound: set[Value] = set()  # in the arena, or constant: views of these are bound beforehand
        self.lines: list[list[str]] = [[]]
        self.nodes: list[list[int]] = [[]]
        self.locals: set[str] = set()
        self.count = 0
        self.cache: dict[tuple[Any, ...], str] = {}
        for i, (v, array) in enumerate(self.graph.constants.items()):
            self.name[v] = f"c{i}"
            self.bound.add(v)
            self.out.constants[f"c{i}"] = array
        self.outputs = kept(self.graph)
        direct = direct_outputs(self.graph, views(self.graph))
        self.place: dict[Value, str] = {}
        for i, v in enumerate(self.outputs):
            if v in direct and v not in self.place:
                self.place[v] = f"o{i}"

    def write(self) -> Source:
        """All lines, step by step."""
        blocks = {} if self.out.plain else regions(self.plan)
        i = 0
        while i < len(self.plan.steps):
            if i in blocks:
                self.region(blocks[i])
                i = blocks[i].stop
            else:
                self.step(i)
                i += 1
            if len(self.lines[-1]) >= CHUNK:
                self.lines.append([])
                self.nodes.append([])
        self.finish()
        return self.out

    def step(self, i: int) -> None:
        """The lines of one step."""
        step = self.plan.steps[i]
        if isinstance(step, Run):
            self.run(step.node, self.out.layout.places[i], self.out.layout.scratch[i])
        else:
            self.drop(self.values[step.value])

    def region(self, r: Region) -> None:
        """The lines of a region: a loop over its blocks."""
        for i in r.views:
            self.step(i)
        block, parts, flat, small = {}, {}, {}, []
        for v, i in r.made.items():
            t, (place,) = v.type, self.out.layout.places[i]
            if v in r.compact:
                shape = (r.step,) if r.flat else (r.step, *t.shape[1:])  # type: ignore[union-attr]
                block[v] = self.fresh("t")
                small.append(block[v])
                self.emit(f"{block[v]} = {self.buffer(t.with_shape(shape), place)}")  # type: ignore[union-attr, arg-type]
            else:
                self.target(v, place, True, self.run_of(i))
        for v in dict.fromkeys(v for i in r.nodes for v in (*self.graph.nodes[self.run_of(i)].inputs, *r.made)):
            if v not in block and r.cuts(v.type):  # type: ignore[arg-type]
                block[v], parts[v] = self.fresh("e"), self.name[v]
                if r.flat and len(v.type.shape) > 1:  # type: ignore[union-attr]
                    flat[v] = parts[v] = self.fresh("q")
                    self.emit(f"{flat[v]} = {self.name[v]}.reshape(-1)")
        self.emit(f"for i in range(0, {r.length}, {r.step}):")
        self.emit(f"    j = i + {r.step}")
        if small and r.length % r.step:
            shorter = ", ".join(f"{t}[:{r.length % r.step}]" for t in small)
            self.emit(f"    if j > {r.length}: [{', '.join(small)}] = [{shorter}]")
        for v, name in parts.items():
            self.emit(f"    {block[v]} = {name}[i:j]")
        for i in r.nodes:
            n = self.run_of(i)
            node = self.graph.nodes[n]
            args = [block.get(v) or self.name[v] for v in (*node.inputs, *node.outputs)]
            self.emit(f"    {self.kernel(n, -1)}({', '.join(args)})", n)
        held = [block[v] for v in parts] + list(flat.values())
        self.emit(f"{' = '.join(held)} = None" if held else "pass")
        for i in r.drops:
            v = self.values[self.plan.steps[i].value]  # type: ignore[union-attr]
            if v not in r.compact:
                self.drop(v)

    def run_of(self, i: int) -> int:
        """The node that a step runs."""
        step = self.plan.steps[i]
        assert isinstance(step, Run)
        return step.node

    def emit(self, line: str, node: int = -1) -> None:
        """One line more, and the node that it belongs to."""
        self.lines[-1].append(line)
        self.nodes[-1].append(node)

    def fresh(self, prefix: str) -> str:
        """A new name."""
        self.count += 1
        return f"{prefix}{self.count}"

    def buffer(self, t: AnyType, offset: int) -> str:
        """The name of a range of the arena."""
        key = ("buffer", t, offset)
        if key not in self.cache:
            self.cache[key] = self.fresh("b")
            self.out.bindings.append(Binding("buffer", self.cache[key], t, offset))
        return self.cache[key]

    def run(self, i: int, places: tuple[int | str, ...], scratch: int) -> None:
        """The lines of one node."""
        node = self.graph.nodes[i]
        if places == ("view",):
            self.view(i, node)
            return
        led = self.out.layout.trails
        self.trails.update((v, place) for v, place in zip(node.outputs, places, strict=True) if v in led)
        kernel = self.kernel(i, scratch)
        read = reads(self.graph, i, self.out.loops)
        args = [self.argument(i, j, v, scratch) for j, v in enumerate(read) if v not in led]
        op = find_op(node.op)
        targets, outs = [], []
        for v, place in zip(node.outputs, places, strict=True):
            if v in led:
                continue
            name = self.target(v, place, op.out, i)
            targets.append(name)
            if op.out:
                outs.append(name)
        call = f"{kernel}({', '.join(args + outs)})"
        if op.out:
            self.emit(call, i)
        else:
            self.emit(
                f"{', '.join(targets)} = {call}" if len(targets) == 1 else f"({', '.join(targets)}) = {call}",
                i,
            )

    def target(self, v: Value, place: int | str, out: bool, i: int) -> str:
        """The name under which a node finds the place of its result, or gives it. out: it takes a place."""
        if isinstance(place, int) and not _grows(v.type):
            name = self.buffer(v.type, place)
            self.bound.add(v)
        else:
            self.bound.discard(v)
            name = self.place.get(v, "") if self.into and out else ""
            if not name:
                name = self.fresh("v")
                self.locals.add(name)
                if out:
                    self.emit(f"{name} = {_made(v.type)}", i)
        self.name[v] = name
        return name

    def kernel(self, i: int, scratch: int) -> str:
        """The name of what runs a node."""
        pair = self.out.loops.get(i)
        trail = -1 if pair is None else self.trails[pair.trails[0]]
        key = ("kernel", i, scratch, trail)
        if key not in self.cache:
            self.cache[key] = self.fresh("k")
            self.out.kernels.append(Kernel(self.cache[key], i, scratch, trail))
        return self.cache[key]

    def argument(self, i: int, j: int, v: Value, scratch: int) -> str:
        """The name of an input; a strided one is copied for nodes with sub-graphs."""
        needs = self.out.layout.needs.get(i)
        if needs is None or j not in needs.copies:
            return self.name[v]
        name = self.buffer(v.type, scratch + needs.copies[j])
        self.emit(f"copyto({name}, {self.name[v]})", i)
        return name

    def view(self, i: int, node: Node) -> None:
        """A view, made beforehand where its base is bound."""
        base, v = node.inputs[0], node.outputs[0]
        if base in self.bound:
            key = ("view", i, self.name[base])
            if key not in self.cache:
                self.cache[key] = self.fresh("b")
                self.out.bindings.append(Binding("view", self.cache[key], v.type, node=i, base=self.name[base]))
            self.name[v] = self.cache[key]
            self.bound.add(v)
            return
        name = self.fresh("v")
        self.locals.add(name)
        self.name[v] = name
        self.emit(f"{name} = {self.kernel(i, -1)}({self.name[base]})", i)

    def drop(self, v: Value) -> None:
        """Forget a value."""
        if v in self.trails:
            return
        name = self.name.pop(v)
        self.bound.discard(v)
        if name in self.locals:
            self.emit(f"{name} = None")

    def finish(self) -> None:
        """Copy what was not written into its place, and return the rest."""
        results = []
        seen: set[Value] = set()
        for i, v in enumerate(self.outputs):
            name = self.name[v]
            if self.into:
                if name != f"o{i}":
                    self.emit(f"copyto(o{i}, {name})")
            elif v in self.place and v not in seen:
                results.append(name)
            else:
                results.append(f"array({name})")
            seen.add(v)
        if not self.into:
            self.emit(f"return ({', '.join(results)}{',' if len(results) == 1 else ''})")
        self.assemble()

    def assemble(self) -> None:
        """One function, or, for long programs, a chain of them whose locals are globals of the runner."""
        n_in, n_out = len(self.graph.inputs), len(self.outputs) if self.into else 0
        head = ", ".join([f"x{i}" for i in range(n_in)] + [f"o{i}" for i in range(n_out)])
        text: list[str] = []

        def body(lines: list[str], nodes: list[int]) -> None:
            for line, node in zip(lines, nodes, strict=True):
                text.append(f"    {line}")
                if node >= 0:
                    self.out.lines[len(text)] = node

        if len(self.lines) == 1:
            text.append(f"def run({head}):")
            body(self.lines[0], self.nodes[0])
            text.append("    pass")
        else:
            for c, (lines, nodes) in enumerate(zip(self.lines, self.nodes, strict=True)):
                text.append(f"def part{c}({head}):")
                used = sorted({line.split(" = ")[0].strip("()") for line in lines if " = " in line})
                names = sorted({n for u in used for n in u.split(", ") if n in self.locals})
                text += [f"    global {', '.join(names[k : k + 50])}" for k in range(0, len(names), 50)]
                body(lines, nodes)
                text.append("    pass")
            text.append(f"def run({head}):")
            text += [f"    part{c}({head})" for c in range(len(self.lines) - 1)]
            text.append(f"    return part{len(self.lines) - 1}({head})")
        self.out.text = "\n".join(text) + "\n"
        self.out.code = compile(self.out.text, f"<adcore program {self.graph.name}>", "exec")


def _grows(t: AnyType) -> bool:
    """True for a trail of unknown length: its place is an empty list, which the loop fills."""
    return isinstance(t, Trail) and t.length is None


def _made(t: AnyType) -> str:
    if _grows(t):
        return "[]"
    if isinstance(t, Trail):
        return "(" + "".join(f"{_made(s)}, " for s in t.stacked) + ")"
    return f"empty({t.shape!r}, {t.dtype.name})"
