"""The reverse of a loop: its step made again to leave a trail, and the scan that reads the trail backwards.

    c', y, record <- taped(c, x, records, consts)
    c_bar, consts_bar <- back(c_bar, y_bar, record, consts)        last step first

`Back` serves scans and while loops; a while loop's backward scan has no length but reads it.
Source: Griewank and Walther 2008, "Evaluating Derivatives", section 12.1 (evolutions and their adjoints).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from adcore.extend import Graph, Node, Trace, Trail, Value, affected, current, op_call, split, vjp, zeros
from adcore_ops.step import Parts, carry_activity, step_graph

add, scan = op_call("core::add"), op_call("core::scan")


@dataclass(frozen=True, slots=True)
class Back:
    """What the backward scan of a loop is made of.

    taped: the step that leaves records. length, reverse: of the forward loop. nodes: of the backward
    step. bars, grads: cotangents by output and by input of the step. reread: residuals that the
    backward loop reads where the forward one did, with the step's input that they are.
    """

    step: Graph
    parts: Parts
    length: Any
    reverse: bool
    taped: Graph
    joint: Graph
    nodes: tuple[Node, ...]
    records: list[Value]
    reread: dict[Value, int]
    bars: dict[int, Value]
    grads: dict[int, Value]

    @property
    def trail(self) -> Trail:
        """The type of the trail that the forward loop leaves."""
        return Trail(tuple(v.type for v in self.records), self.length)  # type: ignore[misc]

    def record(self, gs: Sequence[Any], xs: Sequence[Any], trail: Any, steps: Any = None) -> tuple[Any, ...]:
        """Record the backward scan; the cotangents of the forward loop's inputs.

        gs: by output of the loop. steps: how many were done, for a loop of unknown length.
        """
        trace = current()
        assert trace is not None
        wiring = _Wiring()
        inner = Trace()
        inner.nodes, inner.constants = list(self.nodes), dict(self.joint.constants)
        missing = self._zeros_for_missing(inner, gs)
        self._carries(trace, inner, wiring, gs)
        scanned = self._scanned(wiring, gs, xs)
        self._trails(wiring, gs, xs, trail)
        self._consts(wiring, xs, steps)
        trails = self._results(wiring)
        graph = step_graph(
            inner.constants, [*missing, *inner.nodes], wiring.ins, wiring.outs, f"back({self.step.name})"
        )
        found = scan(
            *wiring.args, step=graph, length=self.length, carries=wiring.carries, scanned=scanned, trails=trails,
            reverse=not self.reverse,
        )  # fmt: skip
        result: list[Any] = [None] * len(self.parts.groups)
        for j, v in zip(wiring.targets, found if isinstance(found, tuple) else (found,), strict=True):
            result[j] = v
        return tuple(result)

    @property
    def fed(self) -> dict[int, int]:
        """For each input of the step, the input of the loop that feeds it."""
        return {i: j for j, g in enumerate(self.parts.groups) for i in g}

    def _carries(self, trace: Trace, inner: Trace, wiring: _Wiring, gs: Sequence[Any]) -> None:
        """Carries: cotangents of the carries, and of the constants, summed up."""
        step, fed = self.step, self.fed
        active = [i for i in range(self.parts.carries) if i in self.grads]
        for i in active:
            g = gs[i] if gs[i] is not None else zeros(trace, step.outputs[i].type)
            wiring.carry(self.bars[i], self.grads[i], g, fed[i])
        for i in self.grads:
            if fed[i] in self.parts.cuts[3]:
                so_far = Value(step.inputs[i].type)
                with inner:
                    total = add(inner.wrap(so_far), inner.wrap(self.grads[i]))._read()
                wiring.carry(so_far, total, zeros(trace, so_far.type), fed[i])

    def _scanned(self, wiring: _Wiring, gs: Sequence[Any], xs: Sequence[Any]) -> int:
        """Scanned: cotangents of ys, and scanned arrays that the step reads again."""
        before = len(wiring.ins)
        for j in self.parts.out_cuts[1]:
            if j in self.bars and gs[j] is not None:
                wiring.take(self.bars[j], gs[j])
        for v, i in sorted(self.reread.items(), key=lambda item: item[1]):
            if self.fed[i] in self.parts.cuts[1]:
                wiring.take(v, xs[self.fed[i]])
        return len(wiring.ins) - before

    def _trails(self, wiring: _Wiring, gs: Sequence[Any], xs: Sequence[Any], trail: Any) -> None:
        """Trails: the residuals, trails read again, cotangents of trails left by the forward loop."""
        wiring.read(self.records, trail)
        again = {self.fed[i] for i in self.reread.values()}
        for j in self.parts.cuts[2]:
            if j in again:
                wiring.read([self.step.inputs[i] for i in self.parts.groups[j]], xs[j])
        for j in self.parts.out_cuts[2]:
            if gs[j] is not None:
                wiring.read([self.bars[i] for i in self.parts.out_groups[j] if i in self.bars], gs[j])

    def _consts(self, wiring: _Wiring, xs: Sequence[Any], steps: Any) -> None:
        """Constants of the loop that the step reads again; before them the number of steps, if it is a value."""
        if steps is not None:
            wiring.take(Value(steps._type), steps)
        for v, i in self.reread.items():
            if self.fed[i] in self.parts.cuts[3]:
                wiring.take(v, xs[self.fed[i]])

    def _results(self, wiring: _Wiring) -> tuple[int, ...]:
        """What comes out besides carries: one row or record for every active scanned array or trail."""
        fed, groups = self.fed, self.parts.groups
        for i in self.grads:
            if fed[i] in self.parts.cuts[1]:
                wiring.outs.append(self.grads[i])
                wiring.targets.append(fed[i])
        sizes = []
        for j in self.parts.cuts[2]:
            record = [self.grads[i] for i in groups[j] if i in self.grads]
            if record:
                wiring.outs += record
                wiring.targets.append(j)
                sizes.append(len(record))
        return tuple(sizes)

    def _zeros_for_missing(self, inner: Trace, gs: Sequence[Any]) -> list[Node]:
        """Nodes that make the cotangents that did not arrive: zeros, under the values that the step reads."""
        nodes: list[Node] = []
        for j, group in enumerate(self.parts.out_groups):
            if j < self.parts.carries or gs[j] is not None:
                continue
            for i in group:
                if i in self.bars:
                    with inner:
                        before = len(inner.nodes)
                        zero = inner.lift(zeros(inner, self.bars[i].type))
                    nodes += inner.nodes[before:]
                    del inner.nodes[before:]
                    nodes.append(Node("core::convert", (zero,), {"dtype": zero.type.dtype}, (self.bars[i],)))  # type: ignore[union-attr]
        return nodes


@dataclass(slots=True)
class _Wiring:
    """The inputs and outputs of the backward step, the arguments of its scan, and whose cotangents come out."""

    ins: list[Value] = field(default_factory=list)
    args: list[Any] = field(default_factory=list)
    outs: list[Value] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    carries: int = 0

    def take(self, value: Value, arg: Any) -> None:
        """One more input of the step and what the scan gets for it."""
        self.ins.append(value)
        self.args.append(arg)

    def read(self, record: list[Value], trail: Any) -> None:
        """One more trail that is read."""
        self.ins += record
        self.args.append(trail)

    def carry(self, before: Value, after: Value, first: Any, target: int) -> None:
        """One more carry."""
        self.take(before, first)
        self.outs.append(after)
        self.targets.append(target)
        self.carries += 1


def backward(step: Graph, parts: Parts, active: Sequence[bool], length: Any, reverse: bool) -> Back:
    """The parts of the reverse of a loop. active: by input of the loop."""
    groups = parts.groups
    seeds = carry_activity(step, {i for g, a in zip(groups, active, strict=True) if a for i in g}, parts.carries)
    wrt = sorted(seeds)
    reached = affected(step, [step.inputs[i] for i in wrt])
    of = [
        i
        for i, v in enumerate(step.outputs)
        if v.type.differentiable
        and (v in reached or i >= parts.carries + parts.ys)
        and (i >= parts.carries or i in seeds)
    ]
    joint = vjp(step, wrt, of)
    cut = split(joint, step)
    position = {v: i for i, v in enumerate(step.inputs)}
    # residuals that the backward loop can read elsewhere: scanned arrays, read trails, constants of the loop
    reread = {v: position[v] for v in cut.residuals if position.get(v, -1) >= parts.carries}
    records = [v for v in cut.residuals if v not in reread]
    taped = step_graph(step.constants, cut.forward, step.inputs, (*step.outputs, *records), step.name)
    bars = dict(zip(of, joint.inputs[len(step.inputs) :], strict=True))
    grads = dict(zip(wrt, joint.outputs[len(step.outputs) :], strict=True))
    return Back(step, parts, length, reverse, taped, joint, cut.back, records, reread, bars, grads)
