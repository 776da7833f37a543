"""`cond`: one of two sub-graphs, chosen by a bool while the graph runs.

cond[yes, no](p, xs) -> ys. Its derivatives are again conds, of the derivatives of both branches.
Reverse: each branch is made again to leave its residuals in slots that both share, type by type.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adcore.extend import (
    GRAPH,
    Graph,
    Node,
    Op,
    Rule,
    Split,
    Taped,
    Trace,
    Type,
    Value,
    current,
    jvp,
    split,
    vjp,
    zeros,
)
from adcore_ops.batching import cond_batch
from adcore_ops.control_samples import COND_SAMPLES
from adcore_ops.patterns import cond_pattern
from adcore_ops.step import as_tuple, only_compiled, step_graph


def _infer(p: Type, *types: Any, yes: Graph, no: Graph) -> Any:
    if p != Type(np.dtype(bool), ()):
        raise TypeError("its first input is no single bool")
    for branch in (yes, no):
        if list(types) != [v.type for v in branch.inputs]:
            raise TypeError(f"a branch takes {', '.join(str(v.type) for v in branch.inputs)}")
    made = [v.type for v in yes.outputs]
    if made != [v.type for v in no.outputs]:
        raise TypeError("its branches give different types")
    return tuple(made)


def _kernel(node: Node, lower: Any) -> Callable[..., None]:
    yes, no = lower.body("yes"), lower.body("no")

    def choose(p: Any, *arrays: Any) -> None:
        (yes if p else no)(*arrays)

    return choose


def _jvp(ts: Any, y: Any, p: Any, *xs: Any, yes: Graph, no: Graph) -> Any:
    wrt = [i for i, t in enumerate(ts[1:]) if t is not None and yes.inputs[i].type.differentiable]
    dots = [i for i, v in enumerate(yes.outputs) if v.type.differentiable]
    branches = []
    for branch in (yes, no):
        made = jvp(branch, wrt)
        tangents = made.outputs[len(branch.outputs) :]
        branches.append(step_graph(made.constants, made.nodes, made.inputs, tangents, f"jvp({branch.name})"))
    found = COND(p, *xs, *(ts[i + 1] for i in wrt), yes=branches[0], no=branches[1])
    by_output = dict(zip(dots, as_tuple(found), strict=True))
    return tuple(by_output.get(i) for i in range(len(yes.outputs)))


class _Branch:
    """One branch made ready for reverse: its forward part leaves residuals, its backward part reads them."""

    def __init__(self, graph: Graph, wrt: Sequence[int], of: Sequence[int]) -> None:
        self.graph = graph
        self.joint = vjp(graph, wrt, of)
        self.cut: Split = split(self.joint, graph)
        self.kept = [v for v in self.cut.residuals if v not in graph.inputs]
        self.slots: list[int] = []

    def taped(self, slots: Sequence[Type]) -> Graph:
        """(xs) -> (ys, residuals), a zero in every slot that is not used."""
        filling = Trace()
        filling.nodes, filling.constants = list(self.cut.forward), dict(self.graph.constants)
        own = dict(zip(self.slots, self.kept, strict=True))
        with filling:
            left = [own[i] if i in own else zeros(filling, t)._read() for i, t in enumerate(slots)]
        outputs = (*self.graph.outputs, *left)
        return step_graph(filling.constants, filling.nodes, self.graph.inputs, outputs, self.graph.name)

    def back(self, slots: Sequence[Type]) -> Graph:
        """(xs, residuals, y_bars) -> x_bars."""
        own = dict(zip(self.slots, self.kept, strict=True))
        read = [own[i] if i in own else Value(t) for i, t in enumerate(slots)]
        inputs = (*self.graph.inputs, *read, *self.joint.inputs[len(self.graph.inputs) :])
        outputs = self.joint.outputs[len(self.graph.outputs) :]
        return step_graph(self.joint.constants, self.cut.back, inputs, outputs, f"back({self.graph.name})")


def _slots(branches: Sequence[_Branch]) -> list[Type]:
    """Types of slots such that each branch finds one for every residual; filled in by `branch.slots`."""
    slots: list[Type] = []
    for branch in branches:
        free = list(range(len(slots)))
        for v in branch.kept:
            found = next((i for i in free if slots[i] == v.type), None)
            if found is None:
                slots.append(v.type)  # type: ignore[arg-type]
                found = len(slots) - 1
            else:
                free.remove(found)
            branch.slots.append(found)
    return slots


def _tape(node: Node, active: tuple[bool, ...]) -> Taped:
    yes, no = node.params["yes"], node.params["no"]
    wrt = [i for i, a in enumerate(active[1:]) if a]
    of = [i for i, v in enumerate(yes.outputs) if v.type.differentiable]
    branches = [_Branch(graph, wrt, of) for graph in (yes, no)]
    slots = _slots(branches)
    taped = {name: b.taped(slots) for name, b in zip(("yes", "no"), branches, strict=True)}
    back = {name: b.back(slots) for name, b in zip(("yes", "no"), branches, strict=True)}

    def record(gs: Any, y: Any, xs: Any, residuals: Any) -> Any:
        trace = current()
        assert trace is not None
        bars = [gs[i] if gs[i] is not None else zeros(trace, yes.outputs[i].type) for i in of]
        found = dict(zip(wrt, as_tuple(COND(*xs, *residuals, *bars, **back)), strict=True))
        return (None, *(found.get(i) for i in range(len(xs) - 1)))

    return Taped(taped, tuple(slots), record)


COND = Op(
    "core::cond", only_compiled, _infer, Rule(jvp=_jvp, tape=_tape), {"yes": GRAPH, "no": GRAPH},
    batch=cond_batch, pattern=cond_pattern, out=True, kernel=_kernel, samples=COND_SAMPLES,
    doc="One of two sub-graphs: cond[yes, no](p, xs) -> ys.",
)  # fmt: skip

OPS = [COND]
FUNCTIONS: dict[Any, Callable[..., Any]] = {}
