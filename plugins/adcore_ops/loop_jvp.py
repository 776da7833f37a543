"""The tangent of a loop: the same loop, its step carrying the tangents along.

(c, c_dot), (y, y_dot), (record, record_dot) <- step(c, c_dot, x, x_dot, records, consts, consts_dot)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from adcore.extend import Graph, Trace, Value, affected, jvp, zeros
from adcore_ops.step import Parts, carry_activity, parts_of, step_graph


@dataclass(frozen=True, slots=True)
class Doubled:
    """A loop that carries tangents.

    args: of the new loop. origin: for each input of the new step, the input of the old one that it is,
    or None for a tangent. gives: for each output of the old loop, whether it has a tangent.
    """

    step: Graph
    args: list[Value]
    origin: list[int | None]
    carries: int
    scanned: int
    trails: tuple[int, ...]
    gives: list[bool]
    parts: Parts

    def tangents(self, trace: Trace, found: Sequence[Value]) -> tuple[Any, ...]:
        """The tangents of the old loop's outputs among the outputs of the new one."""
        values = iter(found)
        dots: list[Any] = []
        for cut in self.parts.out_cuts:
            for _ in cut:
                next(values)
            dots += [trace.wrap(next(values)) if self.gives[j] else None for j in cut]
        return tuple(dots)


def doubled(trace: Trace, values: Sequence[Value], ts: Sequence[Any], p: Any) -> Doubled:
    """The loop with these params at these inputs, made to carry the tangents ts (None is zero)."""
    parts, step = parts_of([v.type for v in values], p), p["step"]
    seeds = {i for g, t in zip(parts.groups, ts, strict=True) if t is not None for i in g}
    wrt = sorted(carry_activity(step, seeds, parts.carries))
    made = jvp(step, wrt)
    dot_in = dict(zip(wrt, made.inputs[len(step.inputs) :], strict=True))
    fed = [any(i in dot_in for i in g) for g in parts.groups]  # inputs of the loop that have a tangent
    inputs: list[Value] = []
    origin: list[int | None] = []
    args: list[Value] = []
    for cut in parts.cuts:
        primal = [i for j in cut for i in parts.groups[j]]
        moving = [i for j in cut if fed[j] for i in parts.groups[j] if i in dot_in]
        inputs += [*(step.inputs[i] for i in primal), *(dot_in[i] for i in moving)]
        origin += [*primal, *(None for _ in moving)]
        args += [values[j] for j in cut]
        args += [trace.lift(ts[j] if ts[j] is not None else zeros(trace, values[j].type)) for j in cut if fed[j]]
    outputs, gives, trails = _outputs(step, made, parts, wrt, fed)
    return Doubled(
        step_graph(made.constants, made.nodes, inputs, outputs, step.name), args, origin,
        parts.carries + sum(fed[i] for i in parts.cuts[0]), parts.scanned + sum(fed[i] for i in parts.cuts[1]),
        trails, gives, parts,
    )  # fmt: skip


def _outputs(
    step: Graph, made: Graph, parts: Parts, wrt: list[int], fed: list[bool]
) -> tuple[list[Value], list[bool], tuple[int, ...]]:
    """Outputs of the new step; which outputs of the loop have a tangent; arrays per record of its trails."""
    differentiable = [i for i, v in enumerate(step.outputs) if v.type.differentiable]
    dot_out = dict(zip(differentiable, made.outputs[len(step.outputs) :], strict=True))
    reached = affected(step, [step.inputs[i] for i in wrt])
    out_groups, (carries, ys, trails) = parts.out_groups, parts.out_cuts
    gives = [fed[j] for j in carries]
    gives += [any(step.outputs[i] in reached for i in out_groups[j]) for j in ys]
    gives += [any(i in dot_out for i in out_groups[j]) for j in trails]
    outputs: list[Value] = []
    for cut in parts.out_cuts:
        outputs += [step.outputs[i] for j in cut for i in out_groups[j]]
        outputs += [dot_out[i] for j in cut if gives[j] for i in out_groups[j] if i in dot_out]
    sizes = (*parts.trails_out, *(sum(i in dot_out for i in out_groups[j]) for j in trails if gives[j]))
    return outputs, gives, sizes
