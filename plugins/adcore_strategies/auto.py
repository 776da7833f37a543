"""Auto: weighs forward against reverse by passes, work, memory and structure, and says why in numbers.

    forward   W + n_in columns, each the work of a jvp beyond W, in batches that fit the memory
    reverse   W + n_out rows, each the work of a vjp beyond W; the peak of its plan
    W         the work of the function, in units of `adcore.plan.work`

The cheaper one that keeps the budget is taken; at equal work, the one that needs far less memory.
Inside reverse, named regions go forward where that makes the whole smaller (`mixing`), and initial-value
problems by the number of their inputs. Where the budget is below what reverse needs, it is checkpointed.
Source: Griewank and Walther 2008, "Evaluating Derivatives", sections 3.1, 3.2 and 10.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from adcore.extend import (
    Budget,
    Graph,
    Pick,
    Plan,
    Request,
    Rule,
    Strategy,
    Trail,
    affected,
    bodies,
    bytes_in_words,
    default_plan,
    jvp,
    make_methods,
    make_strategy,
    method_of,
    registry,
    simplify,
    total_work,
    vjp,
)
from adcore_strategies.forward_method import columns
from adcore_strategies.mixing import Mixed, mixed
from adcore_strategies.ode_adjoint import SOLVE, solves

BATCH = 1 << 26
"""Bytes that the columns of one batched pass may take, where no budget says otherwise."""

SMALLER = 4
"""How many times less memory is far less."""

DEARER, DEAREST = 1.5, 4.0
"""By what factor the work may grow for regions in forward mode: where memory is free, where it is short."""


@dataclass(frozen=True, slots=True)
class Options:
    """mix: whether named regions may go forward inside reverse."""

    mix: bool = True


@dataclass(frozen=True, slots=True)
class Weighed:
    """A mode for one request: its passes, their work over that of the function, bytes at the peak, and of trails."""

    mode: str
    passes: int
    times: float
    peak: int
    trails: int = 0

    def __str__(self) -> str:
        plural = "" if self.passes == 1 else "es"
        return f"{self.passes:,} {self.mode} pass{plural}, {self.times:.3g} times the work of the function"


class Auto(Strategy):
    """Chooses forward, reverse or checkpointed reverse, with regions in forward mode where that is smaller.

    `adcore plan --strategy auto` says what it chooses and why; so do batch reports.
    """

    name = "auto"
    kinds = frozenset({"jvp", "vjp"})
    Options: ClassVar[type] = Options

    def pick(self, graph: Graph, request: Request | None, budget: Budget) -> Pick:
        """The strategy, methods for regions and initial-value problems, and the reason in a sentence."""
        if request is None or not request.wrt or not request.of:
            return _schedule_only(graph, budget)
        forward, reverse = weigh(graph, request, budget, self._for_solvers(graph))
        room = _room(budget, reverse.peak)
        against = _against(reverse, room)
        odes = self._odes(graph, request)
        if forward is not None and not odes and _better(forward, reverse, room):
            return Pick("forward", f"{forward}; {reverse}{against}")
        said = [f"{reverse}; {forward}{against}" if forward is not None else f"{reverse}{against}"]
        methods: dict[str, Any] = {}
        mix = self._mixed(graph, request, reverse, room)
        if mix is not None:
            methods |= mix.methods
            said.append(f"{mix}, so the peak is {bytes_in_words(mix.peak)}")
        if odes:
            methods |= {SOLVE: "auto"}
            said.append(odes)
        return Pick("checkpointed" if room is not None and _can_checkpoint() else "reverse", "; ".join(said), methods)

    def differentiate(self, graph: Graph, request: Request, budget: Budget) -> Graph:
        """By forward mode for jvp; by reverse mode, mixed, for vjp."""
        if request.kind == "jvp":
            return jvp(graph, request.wrt, self.methods)
        reverse = weigh(graph, request, budget, self._for_solvers(graph))[1]
        mix = self._mixed(graph, request, reverse, _room(budget, reverse.peak))
        return vjp(graph, request.wrt, request.of, self.methods) if mix is None else mix.graph

    def schedule(self, graph: Graph, budget: Budget) -> Plan:
        """By the strategy that keeps the budget."""
        return make_strategy(_schedule_only(graph, budget).name).schedule(graph, budget)

    def _odes(self, graph: Graph, request: Request) -> str:
        """What is done with initial-value problems: how many steps they take is not known before they have run, so
        they are not weighed by work, but by their inputs, as measured. Empty when there are none."""
        if request.kind in ("jvp", "jacobian") or SOLVE in self.methods:
            return ""
        found = solves(graph, affected(graph, [graph.inputs[i] for i in request.wrt]))
        said = [method_of(node, active)[1] for node, active in found]
        return "; ".join(f"initial-value problems {why}" for why in dict.fromkeys(said))

    def _for_solvers(self, graph: Graph) -> dict[str, Rule]:
        """The method for initial-value problems, if a solver steps by itself, so that there is no other derivative."""
        if not any(node.params["samples"] for node, _ in solves(graph, set(graph.inputs))):
            return {}
        return {SOLVE: self.methods.get(SOLVE) or make_methods({SOLVE: "auto"})[SOLVE]}

    def _mixed(self, graph: Graph, request: Request, reverse: Weighed, room: int | None) -> Mixed | None:
        """Reverse with regions in forward mode, if that is smaller and not much dearer."""
        if not self.options.mix:
            return None
        found = mixed(graph, request, reverse.peak, self.methods)
        if found is None:
            return None
        dearer = DEARER if room is None or reverse.peak <= room else DEAREST
        own = max(total_work(default_plan(graph)), 1.0)
        times = _passes(graph, found.graph, reverse.passes, 1) / own
        return found if times <= dearer * reverse.times else None


# --- weighing ------------------------------------------------------------------------------------


def weigh(graph: Graph, request: Request, budget: Budget, methods: dict[str, Rule]) -> tuple[Weighed | None, Weighed]:
    """Forward (None where it is no question, or with methods) and reverse for a request."""
    own = max(total_work(default_plan(graph)), 1.0)
    n_in = columns(graph, list(request.wrt))
    n_out = columns_out(graph, request)
    rows = n_out if request.kind in ("jacobian", "jvp") else 1
    pulled = simplify(vjp(graph, request.wrt, request.of, methods))
    peak = default_plan(pulled).cost.peak_bytes
    trails = sum(v.type.nbytes for node in pulled.nodes for v in node.outputs if isinstance(v.type, Trail))
    reverse = Weighed("reverse", rows, _passes(graph, pulled, rows, 1) / own, peak, trails)
    if methods or request.kind in ("hvp", "hessian"):
        return None, reverse  # these are forward over the gradient, and it is the gradient that is chosen here
    pushed = simplify(jvp(graph, request.wrt))
    cols = 1 if request.kind == "jvp" else n_in
    live = default_plan(pushed).cost.live_bytes
    room = BATCH if budget.memory is None else budget.memory // 4
    lanes = max(1, min(cols, room // max(live, 1)))
    return Weighed("forward", cols, _passes(graph, pushed, cols, -(-cols // lanes)) / own, live), reverse


def columns_out(graph: Graph, request: Request) -> int:
    """Elements of the outputs that are asked for."""
    return sum(int(getattr(graph.outputs[i].type, "size", 1)) for i in request.of)


def _passes(graph: Graph, derived: Graph, n: int, batches: int) -> float:
    """The work of n passes in so many batches: what the function does once, the calls of every batch, and the
    arithmetic of every pass."""
    once, both = total_work(default_plan(graph)), total_work(default_plan(derived))
    calls = max(_calls(derived) - _calls(graph), 0.0) * CALL
    return once + batches * calls + n * max(both - once - calls, 0.0)


CALL = 1000.0
"""The part of a node's work that does not grow with the size of its arrays."""


def _calls(graph: Graph, known: dict[int, float] | None = None) -> float:
    """Nodes that run, steps of loops counted."""
    known = {} if known is None else known
    total = 0.0
    for node in graph.nodes:
        length: Any = node.params.get("length")
        total += 1.0
        for _, body in bodies(node):
            if id(body) not in known:
                known[id(body)] = _calls(body, known)
            total += (length if isinstance(length, int) else 1) * known[id(body)]
    return total


def _better(forward: Weighed, reverse: Weighed, room: int | None) -> bool:
    """Whether forward is to be taken: it keeps the budget and does less work, or hardly more in far less memory.

    Reverse that must be checkpointed does about the work of the function once more.
    """
    if room is not None and forward.peak > room:
        return False
    against = reverse.times + (1.0 if room is not None and reverse.peak > room else 0.0)
    small = forward.peak * SMALLER < reverse.peak
    return forward.times < 0.95 * against or (small and forward.times < 1.1 * against)


# --- budgets -------------------------------------------------------------------------------------


def _schedule_only(graph: Graph, budget: Budget) -> Pick:
    """For a graph that is planned as it is."""
    peak = default_plan(simplify(graph)).cost.peak_bytes
    room = _room(budget, peak)
    told = f"in its own order the graph peaks at {bytes_in_words(peak)}"
    told += "" if room is None else f", the budget is {bytes_in_words(room)}"
    free = room is None and budget.snapshots is None
    return Pick("reverse" if free or not _can_checkpoint() else "checkpointed", told)


def _room(budget: Budget, peak: int) -> int | None:
    """The bytes of a budget; a share is of the peak of reverse."""
    if budget.memory is not None:
        return budget.memory
    return None if budget.share is None else int(budget.share * peak)


def _can_checkpoint() -> bool:
    return "checkpointed" in registry().strategies


def _against(reverse: Weighed, room: int | None) -> str:
    """What reverse needs, what loops keep of that if it is much, and the budget."""
    told = f"; reverse peaks at {bytes_in_words(reverse.peak)}"
    if 2 * reverse.trails > reverse.peak:
        told += f", of which loops keep {bytes_in_words(reverse.trails)}"
    if room is None:
        return told
    return f"{told}, {'within' if reverse.peak <= room else 'over'} the budget of {bytes_in_words(room)}"
