"""The step of a loop: which of its inputs and outputs belong to what, and graphs made of parts of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from adcore.extend import AnyType, Graph, Node, Trace, Trail, Value, affected, closed, pruned, simplify


@dataclass(frozen=True, slots=True)
class Parts:
    """Positions of a loop's inputs and outputs, of its node and of its step.

    Inputs are carries, then xs, trails, consts; outputs are carries, then ys, trails.
    """

    carries: int
    scanned: int
    trails_in: tuple[int, ...]  # records of each trail that is read
    consts: int
    ys: int
    trails_out: tuple[int, ...]

    @property
    def groups(self) -> list[range]:
        """For each input of the node, the inputs of the step that it feeds."""
        return _groups((*(1,) * (self.carries + self.scanned), *self.trails_in, *(1,) * self.consts))

    @property
    def out_groups(self) -> list[range]:
        """For each output of the node, the outputs of the step that make it."""
        return _groups((*(1,) * (self.carries + self.ys), *self.trails_out))

    @property
    def cuts(self) -> list[range]:
        """The inputs of the node: carries, xs, trails, consts."""
        return _groups((self.carries, self.scanned, len(self.trails_in), self.consts))

    @property
    def out_cuts(self) -> list[range]:
        """The outputs of the node: carries, ys, trails."""
        return _groups((self.carries, self.ys, len(self.trails_out)))


def _groups(sizes: Iterable[int]) -> list[range]:
    found, at = [], 0
    for n in sizes:
        found.append(range(at, at + n))
        at += n
    return found


def parts_of(types: Sequence[AnyType], p: Any) -> Parts:
    """The parts of a scan from the types of its inputs and its params."""
    trails_in = tuple(len(t.record) for t in types if isinstance(t, Trail))
    consts = len(types) - p["carries"] - p["scanned"] - len(trails_in)
    ys = len(p["step"].outputs) - p["carries"] - sum(p["trails"])
    return Parts(p["carries"], p["scanned"], trails_in, consts, ys, tuple(p["trails"]))


def step_graph(
    constants: Any, nodes: Iterable[Node], inputs: Sequence[Value], outputs: Sequence[Value], name: str
) -> Graph:
    """The graph of these nodes, or as many of them as the outputs need. Names are positions."""
    body = Trace()
    body.nodes, body.constants = list(nodes), dict(constants)
    # an output that is also an input, or is named twice, is fine
    graph = closed(
        body,
        inputs,
        [f"in{i}" for i in range(len(inputs))],
        outputs,
        [f"out{i}" for i in range(len(outputs))],
        name=name,
    )
    return simplify(pruned(graph))


def carry_activity(step: Graph, seeds: set[int], carries: int) -> set[int]:
    """The step's inputs that depend on the seeds, carries fed back until nothing changes."""
    seeds = {i for i in seeds if step.inputs[i].type.differentiable}
    while True:
        reached = affected(step, [step.inputs[i] for i in seeds])
        more = {i for i in range(carries) if step.outputs[i] in reached and step.inputs[i].type.differentiable}
        if more <= seeds:
            return seeds
        seeds |= more


def as_tuple(x: Any) -> tuple[Any, ...]:
    """What an op returned, one result or several, as a tuple."""
    return x if isinstance(x, tuple) else (x,)


def only_compiled(*arrays: Any, **params: Any) -> Any:
    """`run` of an op that carries graphs: it has none."""
    raise TypeError(
        "an op that carries graphs runs in a compiled graph; call ad.scan, ad.cond, ad.while_loop or a region"
    )
