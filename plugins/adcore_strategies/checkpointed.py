"""Checkpointed reverse mode: reverse mode within a memory budget. What does not fit is dropped and run again."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from adcore.extend import (
    Budget,
    BudgetError,
    Graph,
    Pair,
    Plan,
    PlanError,
    Request,
    Schedule,
    Spill,
    Strategy,
    StrategyError,
    bodies,
    bytes_of,
    default_plan,
    numbering,
    pairs,
    registered,
    registry,
    vjp,
)
from adcore_strategies.planners.stores import Disk
from adcore_strategies.planners.ways import Ways
from adcore_strategies.schedules import Binomial, Online


@dataclass(frozen=True, slots=True)
class Options:
    """How a plan is found, and what the disk is like, where a budget `disk` allows snapshots there.

    planner: "auto", or the name of a registered planner. effort: how long "auto" looks.
    store, directory: which store keeps the snapshots, and where (default: the system's temporary directory).
    write_speed, read_speed: bytes per second. resume: whether a run that was killed, of the same graph with the same
    inputs, goes on from what it left on disk; then results and cotangents of loops are written there too.
    """

    planner: str = "auto"
    effort: Literal["quick", "normal", "high"] = "normal"
    store: str = "files"
    directory: str = ""
    write_speed: str = "500 MB"
    read_speed: str = "1 GB"
    resume: bool = False


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
        plain = default_plan(graph, self.name, "no budget is given: everything is kept")
        if budget.memory is None and budget.share is None:
            return plain
        memory = int(budget.share * plain.cost.peak_bytes) if budget.share is not None else budget.memory
        assert memory is not None
        options = self.options
        spill = Spill(options.store, options.directory, options.resume)
        if options.planner != "auto":
            return replace(_planned(options.planner, graph, memory), spill=spill)
        ways = Ways(graph, effort=options.effort, disk=self._disk(graph, budget))
        way = ways.within(memory)
        if way is None:
            raise _refusal(ways, memory)
        return replace(
            way.plan, spill=spill, budget=memory, replan=lambda more: self.schedule(graph, _with(budget, more))
        )

    def _disk(self, graph: Graph, budget: Budget) -> Disk | None:
        """The share of each trail in the budget for the disk; work is in nanoseconds, more or less."""
        trails = _trails(graph)
        if not budget.disk or not trails:
            return None
        options = self.options
        room = budget.disk // trails
        if options.resume:
            room -= max((_journal(pair, graph) for pair in pairs(graph)), default=0)
        return Disk(max(0, room), 1e9 / bytes_of(options.write_speed), 1e9 / bytes_of(options.read_speed))


def _journal(pair: Pair, graph: Graph) -> int:
    """Bytes on disk beside the snapshots, for a run that can go on: one more, the forward results, cotangents twice."""
    forward, back = (
        sum(v.type.nbytes for v in graph.nodes[i].outputs if v not in pair.trails) for i in (pair.forward, pair.back)
    )
    return pair.state + forward + 2 * back


def _with(budget: Budget, memory: int) -> Budget:
    return replace(budget, memory=memory, share=None)


def _trails(graph: Graph) -> int:
    """How many pairs of loops there are, in sub-graphs too."""
    return len(pairs(graph)) + sum(_trails(body) for node in graph.nodes for _, body in bodies(node))


def _planned(name: str, graph: Graph, memory: int) -> Plan:
    """What a planner that was asked for by name makes, held to the budget."""
    planner = registered("planners", name)
    if planner is None:
        known = sorted(registry().planners)
        near = difflib.get_close_matches(name, known, 1)
        raise StrategyError(
            f"no planner is called {name!r}", f"known: auto, {', '.join(known)}",
            f"did you mean {near[0]!r}?" if near else "",
        )  # fmt: skip
    plan: Any = planner(graph, memory)
    if not isinstance(plan, Plan) or plan.graph is not graph:
        raise PlanError(f"planner {name!r} gave no plan of the graph", f"it gave {type(plan).__name__}")
    if plan.cost.peak_bytes > memory:
        raise PlanError(
            f"planner {name!r} gave a plan of {plan.cost.peak_bytes} bytes for a budget of {memory}",
            f"brought by {registry().origins.get(('planners', name), 'this process')}",
            "it must raise BudgetError when it finds none",
        )
    return replace(plan, strategy="checkpointed", budget=memory)


def _refusal(ways: Ways, memory: int) -> BudgetError:
    least = ways.least
    known = "the exact minimum" if least.proven else "the least that is known"
    error = BudgetError(
        f"no plan of {ways.graph.name} fits in {memory} bytes: {least.way.nbytes} are needed, {known}",
        f"{least.node.op} binds them, at {least.node.source or 'source unknown'}"
        if least.node
        else "inputs and outputs",
        f"give memory={least.way.nbytes} or more",
    )
    error.minimum = least.way.nbytes
    return error


def _by_snapshots(graph: Graph, snapshots: int) -> Plan:
    """Every loop under a schedule with so many snapshots, those in sub-graphs too."""
    number = numbering(graph)
    trails = {number[v]: _slots(pair, snapshots) for pair in pairs(graph) for v in pair.trails}
    inner = {
        (i, name): _by_snapshots(body, snapshots) for i, node in enumerate(graph.nodes) for name, body in bodies(node)
    }
    return default_plan(graph, "checkpointed", f"loops keep {snapshots} states", trails, inner)


def _slots(pair: Pair, snapshots: int) -> Schedule:
    return Online(snapshots) if pair.loop.length is None else Binomial(snapshots)
