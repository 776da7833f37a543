"""Every strategy under every law of strategies, generated from the registry: strategy x kind x program."""

from __future__ import annotations

import pytest
from zoo import MIXED, ZOO, Program

from adcore.compose import KINDS
from adcore.registry import registry
from adcore.strategy import Strategy, make_strategy
from adcore.testing import check_strategy
from adcore.testing.programs import Program as Given

STRATEGIES = tuple(registry().strategies)
PROGRAMS = [*ZOO, *MIXED]


def quick(name: str) -> Strategy:
    """The strategy, told to search for plans as little as it can."""
    options = registry().strategies[name].Options.__dataclass_fields__
    return make_strategy(name, {"effort": "quick"} if "effort" in options else {})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", STRATEGIES)
def test_strategy(name: str, kind: str) -> None:
    check_strategy(quick(name), [kind], budgets=(None, "75%") if kind == "vjp" else (None,))


@pytest.mark.parametrize("program", PROGRAMS, ids=repr)
@pytest.mark.parametrize("name", STRATEGIES)
def test_strategy_on_the_zoo(name: str, program: Program) -> None:
    given = Given(program.name, program.f, program.args, False, program.kwargs)
    check_strategy(quick(name), ["jvp", "vjp"], [given], budgets=(None,))
