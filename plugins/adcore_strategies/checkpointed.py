"""Checkpointed reverse mode: reverse mode within a memory budget. What does not fit is dropped and run again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from adcore.extend import (
    Budget,
    BudgetError,
    ConfigError,
    Graph,
    Pair,
    Plan,
    Request,
    Schedule,
    Strategy,
    bodies,
    default_plan,
    numbering,
    pairs,
    vjp,
)
from adcore_strategies.planners.ways import Ways
from adcore_strategies.schedules import Binomial, Online


@dataclass(frozen=True, slots=True)
class Options:
    """planner: who finds the plan, "auto" or the name of a registered planner. effort: quick, normal or high."""

    planner: str = "auto"
    effort: Literal["quick", "normal", "high"] = "normal"


class Checkpointed(Strategy):
    """Reverse mode whose plan keeps a memory budget in bytes, and knows what that costs before it runs.

    Cost of a gradient: that of reverse mode, and the work of what is run again, which is the least that is known
    for the structure of the graph: binomial for loops, an interval table for chains, search for the rest. The
    gradient has the same bits as that of reverse mode. Without a budget it is reverse mode.
    Source: Griewank and Walther 2008, "Evaluating Derivatives", chapter 12.
    """

    name = "checkpointed"
    kinds = frozenset({"vjp"})
    Options: ClassVar[type] = Options

    def differentiate(self, graph: Graph, request: Request, budget: Budget) -> Graph:
        """(xs, y_bars) -> (ys, x_bars)."""
        return vjp(graph, request.wrt, request.of, self.methods)

    def schedule(self, graph: Graph, budget: Budget) -> Plan:
        """The plan of least work that is found within the budget.

        Raises: BudgetError with the least bytes that would do and the op that binds them.
        """
        if budget.snapshots is not None:
            return _by_snapshots(graph, budget.snapshots)
        ways = Ways(graph, effort=self.options.effort)
        if budget.memory is None and budget.share is None:
            return default_plan(graph, self.name, "no budget is given: everything is kept")
        memory = int(budget.share * ways.plain.nbytes) if budget.share is not None else budget.memory
        assert memory is not None
        way = ways.within(memory)
        if way is None:
            raise _refusal(ways, memory)
        return way.plan


def _refusal(ways: Ways, memory: int) -> BudgetError:
    least = ways.least
    known = "the exact minimum" if least.proven else "the least that is known"
    return BudgetError(
        f"no plan of {ways.graph.name} fits in {memory} bytes: {least.way.nbytes} are needed, {known}",
        f"{least.node.op} binds them, at {least.node.source or 'source unknown'}"
        if least.node
        else "inputs and outputs",
        f"give memory={least.way.nbytes} or more",
    )


def _by_snapshots(graph: Graph, snapshots: int) -> Plan:
    """Every loop under a schedule with so many snapshots, those in sub-graphs too."""
    if snapshots < 1:
        raise ConfigError(f"snapshots={snapshots} leaves no place for the first state", instead="give snapshots=1")
    number = numbering(graph)
    trails = {number[v]: _slots(pair, snapshots) for pair in pairs(graph) for v in pair.trails}
    inner = {
        (i, name): _by_snapshots(body, snapshots) for i, node in enumerate(graph.nodes) for name, body in bodies(node)
    }
    return default_plan(graph, "checkpointed", f"loops keep {snapshots} states", trails, inner)


def _slots(pair: Pair, snapshots: int) -> Schedule:
    return Online(snapshots) if pair.loop.length is None else Binomial(snapshots)
