"""`check_strategy`: what every strategy keeps, so that strategies are interchangeable and compose."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from adcore.api import trace
from adcore.backend import find_backend
from adcore.compose import KINDS, differentiate
from adcore.errors import BudgetError, StrategyError
from adcore.evaluate import leaves_of
from adcore.graph import Graph
from adcore.plan.check import check
from adcore.plan.steps import default_plan
from adcore.select import select_inputs, select_outputs
from adcore.strategy import Budget, Request, Strategy, make_strategy
from adcore.testing.measure import broken, close, direction, lawful, loosened, same_bits, vector, worst
from adcore.testing.programs import PROGRAMS, Program
from adcore.transform.jvp import jvp
from adcore.transform.vjp import vjp

SCALAR_KINDS = frozenset({"grad", "value_and_grad", "hvp", "hessian"})


class _Plain(Strategy):
    """Both modes as they stand: what the others are compared with."""

    name = "plain"
    kinds = frozenset({"jvp", "vjp"})

    def differentiate(self, graph: Graph, request: Request, budget: Budget) -> Graph:
        if request.kind == "jvp":
            return jvp(graph, request.wrt)
        return vjp(graph, request.wrt, request.of)


def check_strategy(
    strategy: str | type[Strategy] | Strategy, kinds: Iterable[str] = KINDS, programs: Iterable[Program] = PROGRAMS,
    budgets: Iterable[str | int | None] = (None, "75%"),
) -> None:  # fmt: skip
    """None, if the strategy obeys the laws of strategies on a small zoo of programs.

    signature: every kind has the names, types and trees that plain transforms give. values: and their
    numbers. plans: what it schedules within each budget (of memory) obeys the law of plans and gives the
    bits of the default plan; it may raise BudgetError.
    Raises: LawError at the first law that does not hold, with program, kind and numbers.

    >>> check_strategy("reverse", kinds=["vjp"])
    """
    found = _strategy(strategy)
    for program in programs:
        graph = trace(program.f, *program.args, **program.kwargs)
        leaves = leaves_of(graph, program.args, program.kwargs)
        for kind in kinds:
            if program.scalar or kind not in SCALAR_KINDS:
                where = f"strategy {found.name}, program {program.name!r}, kind {kind}"
                check_one(found, graph, kind, leaves, where, budgets)


def _strategy(strategy: str | type[Strategy] | Strategy) -> Strategy:
    if isinstance(strategy, Strategy):
        return strategy
    if isinstance(strategy, type):
        if not issubclass(strategy, Strategy):
            raise StrategyError(f"{strategy.__name__} is no strategy", instead="derive it from adcore.extend.Strategy")
        return strategy(strategy.Options())
    return make_strategy(strategy)


def check_one(
    strategy: Strategy, graph: Graph, kind: str, leaves: Sequence[Any], where: str, budgets: Iterable[str | int | None]
) -> None:
    """The laws of strategies for one graph and kind, at these inputs."""
    chosen = select_inputs(graph, None)
    request = Request(kind, chosen.positions, select_outputs(graph, None))
    wanted = differentiate(graph, request, _Plain(), None, chosen.tree)
    found = lawful(differentiate(graph, request, strategy, None, chosen.tree))
    _same_signature(found, wanted, where)
    inputs = [np.asarray(x) for x in leaves]
    seeds = direction([v.type for v in wanted.inputs[len(inputs) :]], np.random.default_rng(23))
    arrays = [*inputs, *seeds]
    backend = find_backend()
    ys = backend.compile(default_plan(found)).all(*arrays)
    _same_values(ys, backend.compile(default_plan(wanted)).all(*arrays), found, where)
    for budget in map(Budget.of, budgets):
        try:
            plan = strategy.schedule(found, budget)
        except BudgetError:
            continue
        check(plan)
        for y, z, name in zip(ys, backend.compile(plan).all(*arrays), found.output_names, strict=True):
            if not same_bits(y, z):
                raise broken(
                    "plans", f"{name} is {worst(vector([z]), vector([y]))}", f"{where}, {budget}",
                    "a schedule may change when a node runs, never the order of arithmetic",
                )  # fmt: skip


def _same_signature(found: Graph, wanted: Graph, where: str) -> None:
    for what, a, b in (
        ("the names of inputs", found.input_names, wanted.input_names),
        ("the names of outputs", found.output_names, wanted.output_names),
        ("the types of inputs", _types(found.inputs), _types(wanted.inputs)),
        ("the types of outputs", _types(found.outputs), _types(wanted.outputs)),
        ("the nesting of arguments", found.in_tree, wanted.in_tree),
        ("the nesting of results", found.out_tree, wanted.out_tree),
    ):
        if a != b:
            raise broken("signature", f"{what} are {a} in place of {b}", where, "see Strategy.differentiate")


def _types(values: Iterable[Any]) -> tuple[str, ...]:
    return tuple(str(v.type) for v in values)


def _same_values(ys: Iterable[Any], zs: Iterable[Any], graph: Graph, where: str) -> None:
    tolerance = loosened(1e-10, graph)
    for y, z, name in zip(ys, zs, graph.output_names, strict=True):
        if not close(vector([y]), vector([z]), tolerance):
            raise broken("values", f"{name} is {worst(vector([y]), vector([z]))}", where, "compare with plain reverse")
