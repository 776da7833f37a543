"""A planner, and the schedule that it uses: loops in segments, the classic way, chosen by a line of config:

checkpointed = { planner = "acme_segments" }
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import ClassVar

from adcore.extend import (
    Action,
    Advance,
    Back,
    BudgetError,
    Drop,
    Graph,
    Load,
    Plan,
    Save,
    Schedule,
    Tape,
    Turn,
    default_plan,
    numbering,
    pairs,
    register_schedule,
)


@register_schedule
@dataclass(frozen=True)
class Segments(Schedule):
    """The first carry of every segment of `size` steps, and the residuals of one segment: 2 n - size forward steps."""

    name: ClassVar[str] = "acme_segments"
    size: int

    def actions(self, length: int | None) -> Generator[Action, int | None, None]:
        """Forward, saving where segments start; then back, segment by segment."""
        assert length is not None
        starts = range(0, length, self.size)
        for start in starts[:-1]:
            yield Save(start, "memory")
            yield Advance(start, start + self.size)
        for start in starts[-1:]:
            yield Tape(start, length)
        yield Turn()
        for start in starts[-1:]:
            yield Back(start, length)
        for start in reversed(starts[:-1]):
            yield Load(start, "memory")
            yield Drop(start, "memory")
            yield Tape(start, start + self.size)
            yield Back(start, start + self.size)


def planner(graph: Graph, budget: int) -> Plan:
    """All loops of known length in 1, 2, 4, 8 ... segments, as few as keep the budget (bytes)."""
    number = numbering(graph)
    loops = [(pair, pair.loop.length) for pair in pairs(graph) if pair.loop.length]
    parts = 1
    while parts < 2 * max((length for _, length in loops), default=1):
        trails = {number[v]: Segments(-(-length // parts)) for pair, length in loops for v in pair.trails}
        plan = default_plan(graph, reason=f"loops in {parts} segments", trails=trails)
        if plan.cost.peak_bytes <= budget:
            return plan
        parts *= 2
    raise BudgetError(f"segments of loops do not bring {graph.name} below {budget} bytes")
