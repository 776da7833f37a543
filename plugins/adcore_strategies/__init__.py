"""The strategies that come with adcore."""

from __future__ import annotations

from collections.abc import Iterable

from adcore.extend import Strategy, hookimpl
from adcore_strategies.forward import Forward
from adcore_strategies.reverse import Reverse


@hookimpl
def adcore_register_strategies() -> Iterable[type[Strategy]]:
    """forward and reverse."""
    return [Forward, Reverse]
