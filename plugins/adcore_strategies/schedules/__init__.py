"""Schedules that keep less than everything: binomial, by bytes, on two levels, for unknown lengths.

>>> Binomial(slots=20).forward_steps(10_000)
47976
"""

from adcore_strategies.schedules.binomial import Binomial
from adcore_strategies.schedules.mixed import Mixed, curve, minimum_bytes
from adcore_strategies.schedules.online import Online
from adcore_strategies.schedules.shared import slots_within
from adcore_strategies.schedules.two_level import TwoLevel

__all__ = ["Binomial", "Mixed", "Online", "TwoLevel", "curve", "minimum_bytes", "slots_within"]
