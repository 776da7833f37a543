"""Every strategy under every law of strategies, generated from the registry: strategy x kind x program."""

from __future__ import annotations

import pytest
from zoo import MIXED, ZOO, Program

from adcore.compose import KINDS
from adcore.registry import registry
from adcore.testing import check_strategy
from adcore.testing.programs import Program as Given

STRATEGIES = tuple(registry().strategies)
PROGRAMS = [*ZOO, *MIXED]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", STRATEGIES)
def test_strategy(name: str, kind: str) -> None:
    check_strategy(name, [kind])


@pytest.mark.parametrize("program", PROGRAMS, ids=repr)
@pytest.mark.parametrize("name", STRATEGIES)
def test_strategy_on_the_zoo(name: str, program: Program) -> None:
    given = Given(program.name, program.f, program.args, False, program.kwargs)
    check_strategy(name, ["jvp", "vjp"], [given])
