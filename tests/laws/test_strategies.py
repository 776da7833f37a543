"""Every strategy under every law of strategies, generated from the registry."""

from __future__ import annotations

import pytest

from adcore.compose import KINDS
from adcore.registry import registry
from adcore.testing import check_strategy


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", registry().strategies)
def test_strategy(name: str, kind: str) -> None:
    check_strategy(name, [kind])
