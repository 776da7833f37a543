"""Rematerialisation planners: when to compute, drop and recompute the values of a straight-line graph.

They work on the abstract `Problem` of `planners.problem` (integers for values, bytes for storages) and know neither
arrays nor ops. `planners.portfolio` is the door: `best`, `minimum` and `curve`. `planners.sheet` makes a problem of a
graph, and `planners.ways` the plan of a graph, with its loops and sub-graphs, of the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from adcore.extend import BudgetError, Graph, MissingExtraError, Plan

from . import chain, exact, greedy, improve, solver
from .pool import Sequencer
from .ways import Ways

__all__ = ["PLANNERS", "planner_of"]


def planner_of(sequencer: Sequencer, name: str) -> Callable[[Graph, int], Plan]:
    """A planner of graphs, in which this planner of problems finds the sequences."""

    def planner(graph: Graph, budget: int) -> Plan:
        way = Ways(graph, sequencer).within(budget)
        if way is None:
            raise BudgetError(
                f"planner {name!r} finds no plan of {graph.name} within {budget} bytes",
                instead='ask for more, or let planner = "auto" look',
            )
        return way.plan

    return planner


def _solver(graph: Graph, budget: int) -> Plan:
    if not solver.available():
        raise MissingExtraError("planner 'solver' needs ortools", instead="pip install adcore[plan]")
    return planner_of(solver.plan, "solver")(graph, budget)


PLANNERS: Mapping[str, Callable[[Graph, int], Plan]] = {
    "chain": planner_of(chain.plan, "chain"),
    "exact": planner_of(exact.plan, "exact"),
    "greedy": planner_of(greedy.plan, "greedy"),
    "search": planner_of(improve.plan, "search"),
    "solver": _solver,
}
"""Planners by name: of one method only, where "auto" tries all."""
