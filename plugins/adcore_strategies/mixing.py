"""Which named regions go forward inside reverse mode: those with few inputs, and much kept inside.

A region is a candidate when its Jacobian is far smaller than what reverse keeps of it. The candidates
are taken when the plan of the whole is really smaller for them, and does not do much more work: the
columns of a Jacobian are there all at once for a while, so a single region may well need more, not less.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from adcore.extend import Graph, Node, Request, affected, bodies, bytes_in_words, default_plan, find_op, simplify, vjp
from adcore_strategies.forward_method import columns, forward_method

SMALLER = 4
"""How many times smaller the Jacobian of a candidate is than what is kept of it in reverse."""

WORTH = 0.9
"""The peak with the regions in forward mode is at most that part of the peak without."""


@dataclass(frozen=True, slots=True)
class Region:
    """All calls of one name: elements of the inputs, bytes of the Jacobians, bytes kept in reverse."""

    inputs: int
    jacobian: int
    kept: int


@dataclass(frozen=True, slots=True)
class Mixed:
    """Reverse mode with regions in forward mode: the derivative, and the peak of its plan."""

    regions: Mapping[str, Region]
    graph: Graph
    peak: int

    @property
    def methods(self) -> dict[str, str]:
        """The methods as in the settings."""
        return {f"call:{name}": "forward" for name in self.regions}

    def __str__(self) -> str:
        return "; ".join(
            f"forward inside {name}, for its {r.inputs} inputs: {bytes_in_words(r.jacobian)} kept of it in place of "
            f"{bytes_in_words(r.kept)}"
            for name, r in self.regions.items()
        )


def mixed(graph: Graph, request: Request, peak: int, taken: Mapping[str, Any]) -> Mixed | None:
    """The mixture, if it is worth it. peak: of plain reverse; taken: methods that are chosen already."""
    found = {name: r for name, r in candidates(graph, request).items() if f"call:{name}" not in taken}
    if not found:
        return None
    methods = {**dict.fromkeys([f"call:{name}" for name in found], forward_method()), **taken}
    made = simplify(vjp(graph, request.wrt, request.of, methods))
    smaller = default_plan(made).cost.peak_bytes
    return Mixed(found, made, smaller) if smaller <= WORTH * peak else None


def candidates(graph: Graph, request: Request) -> dict[str, Region]:
    """The names whose every call has a Jacobian far smaller than what reverse keeps of it."""
    active = affected(graph, [graph.inputs[i] for i in request.wrt])
    found: dict[str, Region | None] = {}
    for node, alive in _calls(graph, active):
        name = node.params["name"]
        region, before = _region(node, alive), found.get(name, Region(0, 0, 0))
        if region is None or before is None:
            found[name] = None
        else:
            inputs = max(before.inputs, region.inputs)
            found[name] = Region(inputs, before.jacobian + region.jacobian, before.kept + region.kept)
    return {name: region for name, region in found.items() if region is not None}


def _calls(graph: Graph, active: set[Any]) -> Iterator[tuple[Node, tuple[bool, ...]]]:
    """The calls that are differentiated, those in the steps of loops included, with their active inputs."""
    for node in graph.nodes:
        if active.isdisjoint(node.inputs) or active.isdisjoint(node.outputs):
            continue
        if node.op == "core::call":
            yield node, tuple(v in active for v in node.inputs)
            continue
        for _, body in bodies(node):
            yield from _calls(body, affected(body, [v for v in body.inputs if v.type.differentiable]))


def _region(node: Node, alive: tuple[bool, ...]) -> Region | None:
    graph: Graph = node.params["graph"]
    wrt = [i for i, a in enumerate(alive) if a]
    inputs = columns(graph, wrt)
    rule = find_op("core::call").rule
    if not inputs or rule is None or rule.tape is None or any(_complex(graph.inputs[i]) for i in wrt):
        return None
    kept = sum(t.nbytes for t in rule.tape(node, alive).residuals)
    jacobian = inputs * sum(v.type.nbytes for v in graph.outputs if v.type.differentiable)
    return Region(inputs, jacobian, kept) if jacobian * SMALLER <= kept else None


def _complex(v: Any) -> bool:
    return bool(v.type.dtype.kind == "c")
