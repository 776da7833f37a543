"""From a group of items to a function: the only place where batch jobs meet graphs and strategies."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from adcore.compose import differentiate
from adcore.config import Config
from adcore.evaluate import program_of
from adcore.files import load
from adcore.graph import Graph, bodies
from adcore.plan.steps import Plan
from adcore.registry import find_op
from adcore.select import select_inputs, select_outputs
from adcore.settings import choose
from adcore.sizes.fit import lifted
from adcore.strategy import Choice, Request
from adcore.transform.simplify import simplify
from adcore.tree import LEAF, Tree
from adcore.types import Array, Type

SEEDED = ("jvp", "vjp", "hvp")  # kinds of derivative that take tangents or cotangents beside the inputs


@dataclass(frozen=True)
class Program:
    """What runs for items of one size. choice: the strategy, its budget and the backend, as resolved."""

    graph: Graph
    choice: Choice

    @cached_property
    def plan(self) -> Plan:
        """When each node runs. Raises BudgetError if no plan keeps the budget."""
        return self.choice.strategy.schedule(simplify(self.graph), self.choice.budget)

    @property
    def peak(self) -> int:
        """Bytes that one item takes, constants of the graph included."""
        return self.plan.cost.peak_bytes + self.plan.cost.constant_bytes

    def compile(self) -> Callable[..., tuple[Array, ...]]:
        """What computes the outputs of an item from its inputs, both in the order of the graph's."""
        return program_of(self.plan.graph, self.choice.backend, self.plan).all


@dataclass(frozen=True)
class Task:
    """What is asked of a graph: "eval" or a kind of `adcore.differentiate`, for some inputs and outputs."""

    source: Graph
    kind: str
    wrt: tuple[str, ...]
    of: tuple[str, ...]

    @cached_property
    def inputs(self) -> dict[str, Type]:
        """The types of an item's inputs by name; sizes may be named ones."""
        graph = self.source
        if self.kind in SEEDED:  # by the signature law the inputs are the same under every strategy
            plain = Config(()).over({"strategy": {"name": "forward" if self.kind == "jvp" else "reverse"}})
            graph = lifted(lambda g: self._derived(g, plain).graph, self.source)
        types: dict[str, Type] = {
            name: value.type  # type: ignore[misc]  # no trail goes in
            for name, value in zip(graph.input_names, graph.inputs, strict=True)
        }
        return types

    def program(self, settings: Config, sizes: Mapping[str, int]) -> Program:
        """What answers under these settings, for inputs of these named sizes."""
        return self._derived(self.source.at(**sizes), settings)

    def _derived(self, source: Graph, settings: Config) -> Program:
        if self.kind == "eval":
            return Program(_with_reports(source), choose(source, None, config=settings))
        chosen = select_inputs(source, list(self.wrt) or None)
        request = Request(self.kind, chosen.positions, select_outputs(source, list(self.of) or None))
        choice = choose(source, request, config=settings)
        graph = differentiate(source, request, choice.strategy, choice.budget, chosen.tree)
        return Program(_with_reports(graph), choice)


def _with_reports(graph: Graph) -> Graph:
    """The graph with the values that it reports as further outputs, "report/NAME"."""
    if not graph.reports:
        return graph
    names, values = zip(*graph.reports, strict=True)
    return replace(
        graph,
        outputs=(*graph.outputs, *values),
        output_names=(*graph.output_names, *(f"report/{name}" for name in names)),
        out_tree=Tree("tuple", (), (graph.out_tree, *(LEAF,) * len(names))),
        reports=(),
    )


def read_task(path: Path, kind: str, wrt: tuple[str, ...], of: tuple[str, ...]) -> Task:
    """A task about the graph in a file.

    wrt, of: names of inputs and outputs; default all.
    Raises: AdcoreError if the graph cannot be loaded.
    """
    return Task(load(path), kind, wrt, of)


def op_versions(graph: Graph) -> dict[str, int]:
    """The version of every op in a graph and its sub-graphs, by name."""
    found: dict[str, int] = {}
    waiting, seen = [graph], {id(graph)}
    while waiting:
        for node in waiting.pop().nodes:
            if node.op not in found:
                found[node.op] = find_op(node.op).version
            for _, body in bodies(node):
                if id(body) not in seen:
                    seen.add(id(body))
                    waiting.append(body)
    return dict(sorted(found.items()))
