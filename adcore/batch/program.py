"""From a group of items to a function: the only place where batch jobs meet graphs and strategies."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
from adcore.strategy import Choice, Request
from adcore.transform.simplify import simplify
from adcore.types import Array, Type


@dataclass(frozen=True)
class Task:
    """What every item of a group computes.

    identity: of the graph in the file. graph: from the inputs of an item to what is stored of it.
    choice: the strategy, its budget and the backend, as resolved.
    """

    identity: str
    graph: Graph
    choice: Choice

    @property
    def inputs(self) -> dict[str, Type]:
        """The types of the inputs by name; sizes may be named ones."""
        types: dict[str, Type] = {
            name: value.type  # type: ignore[misc]  # no trail goes in
            for name, value in zip(self.graph.input_names, self.graph.inputs, strict=True)
        }
        return types

    def plan(self, sizes: Mapping[str, int]) -> Plan:
        """When each node runs, for these named sizes. Raises BudgetError if no plan keeps the budget."""
        graph = self.graph.at(**sizes) if sizes else self.graph
        return self.choice.strategy.schedule(simplify(graph), self.choice.budget)

    def peak(self, sizes: Mapping[str, int]) -> int:
        """Bytes that one item takes, constants of the graph included."""
        cost = self.plan(sizes).cost
        return cost.peak_bytes + cost.constant_bytes

    def compile(self, sizes: Mapping[str, int]) -> Callable[[Mapping[str, Array]], dict[str, Array]]:
        """What computes the outputs of an item by name, from its inputs by name."""
        plan = self.plan(sizes)
        program = program_of(plan.graph, self.choice.backend, plan).all
        takes, gives = self.graph.input_names, self.graph.output_names
        return lambda inputs: dict(zip(gives, program(*[inputs[name] for name in takes]), strict=True))


def read_task(path: Path, request: str, wrt: tuple[str, ...], of: tuple[str, ...], settings: Config) -> Task:
    """The task that answers a request about the graph in a file.

    request: "eval" or a kind of `adcore.differentiate`. wrt, of: names of inputs and outputs; default all.
    Raises: AdcoreError if the graph cannot be loaded, or the request makes no sense for it.
    """
    source = load(path)
    if request == "eval":
        return Task(source.identity, source, choose(source, None, config=settings))
    chosen = select_inputs(source, list(wrt) or None)
    asked = Request(request, chosen.positions, select_outputs(source, list(of) or None))
    choice = choose(source, asked, config=settings)
    graph = differentiate(source, asked, choice.strategy, choice.budget, chosen.tree)
    return Task(source.identity, graph, choice)


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
