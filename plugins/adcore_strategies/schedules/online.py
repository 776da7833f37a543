"""Checkpointing of a uniform loop whose length shows only when it is over.

While the loop runs, c places are kept and moved: when the loop is known to go on at step q, one of them may
be given up for q. If the loop ends after n steps with gaps g_0 .. g_{c-1} between the places (the last one to
n), then gap i is reversed by the binomial schedule with its c - i slots, and all takes

    n + sum_i F(g_i, c - i)                                                                            (1)

forward steps, where F is the binomial count. F(g, s) = 2 g - 1 as long as g <= s + 1, so that (1) is 3 n - c
while all c gaps are in use and g_i <= c - i + 1: two more than the best for a length known beforehand. These
limits add up to c (c + 3) / 2. To keep them at every n up to there, a place is given up exactly when the two
gaps that it separates together reach the limit of the first; otherwise q is not stored. From all gaps at 1
the last one grows to its limit 2, then the limits fill from right to left, 3, 4 ... c + 1, while a new gap of
1 is added at each step; the first gap is then full for good, and the same happens to the others.

Beyond, the place is given up, or q left out, that makes (1) least for n = q + 1. This is at most 1.07 of the
best for a known length with 5 slots, 1.05 from 6 and 1.035 from 10 slots on (tried to 1 500 steps).

Source: Stumm and Walther 2010, "New algorithms for optimal online checkpointing", for the bound in the first
range; the rule that attains it at every length, and the second rule, are derived here.

>>> from adcore.extend import replay
>>> replay(Online(slots=20), None, stop_at=230).forward_steps
670
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from itertools import count, pairwise
from typing import ClassVar

from adcore.extend import Action, Advance, Drop, Load, Peek, Save, Schedule, Turn, register_schedule
from adcore_strategies.schedules.binomial import forward_steps, reverse_range
from adcore_strategies.schedules.shared import require_counts


@register_schedule
@dataclass(frozen=True)
class Online(Schedule):
    """At most `slots` snapshots in memory, carry 0 included, for loops of any length, known or not.

    leaf: steps that are taped at once and stand for one step in (1); snapshots are at multiples of it.
    """

    name: ClassVar[str] = "online"
    slots: int
    leaf: int = 1

    def __post_init__(self) -> None:
        require_counts(self, slots=1, leaf=1)

    def bounds(self) -> tuple[int, int]:
        """All slots, and one leaf."""
        return self.slots, self.leaf

    def actions(self, length: int | None) -> Generator[Action, int | None, None]:
        """Streamed; memory is that of the places."""
        places: list[int] = []
        step, over = 0, length == 0
        target, victim = 0, 0
        while not over:
            if length is None and (yield Peek(step)) == step:
                break
            if step == target * self.leaf:
                if len(places) == self.slots:
                    yield Drop(places.pop(victim) * self.leaf, "memory")
                yield Save(step, "memory")
                places.append(target)
                target, victim = _next_save(places, self.slots)
            stop = target * self.leaf if target else max(self.leaf, 2 * step)
            if length is not None:
                stop = min(stop, length)
            answer = yield Advance(step, stop)
            reached = stop if answer is None else answer
            over = reached < stop or reached == length
            step = reached
        yield Turn()
        end = -(-step // self.leaf)
        while places:
            place = places.pop()
            yield Load(place * self.leaf, "memory")
            yield from reverse_range(place, end, self.slots - len(places), self.leaf, step, stored=True)
            end = place


def _next_save(places: list[int], slots: int) -> tuple[int, int]:
    """The next place to store and the index of the one to give up for it; (0, 0) if there is none to come."""
    if len(places) < slots:
        return places[-1] + 1, 0
    if slots == 1:
        return 0, 0
    gaps = [b - a for a, b in pairwise(places)]  # all but the last one, which grows
    regular = slots * (slots + 3) // 2
    inner = _cheapest_inner(gaps, slots)
    for place in count(places[-1] + 1):
        last = place - places[-1]
        if place < regular:
            merged = [a + b for a, b in zip(gaps, [*gaps[1:], last], strict=True)]
            full = [i for i in range(1, slots) if merged[i - 1] == slots - i + 2]
            if full:
                return place, full[0]
            continue
        # forward steps for an end at place + 1, beyond what all choices share
        choices = [(forward_steps(last + 1, 1), 0)]
        if inner:
            choices.append((inner[0] + forward_steps(last, 2) + 1, inner[1]))
        grown = forward_steps(gaps[-1] + last, 2) - forward_steps(gaps[-1], 2)
        choices.append((grown + 1, slots - 1))
        least = min(steps for steps, _ in choices)
        victim = next(victim for steps, victim in choices if steps == least)
        if victim:
            return place, victim
    raise AssertionError  # count() does not end


def _cheapest_inner(gaps: list[int], slots: int) -> tuple[int, int] | None:
    """Of the places between these gaps, that whose loss increases (1) least: (increase, index).

    The gaps to its right move one to the left, where they have one slot more.
    """
    moved, increases = 0, []
    for i in range(len(gaps) - 1, 0, -1):
        apart = forward_steps(gaps[i - 1], slots - i + 1) + forward_steps(gaps[i], slots - i)
        merged = forward_steps(gaps[i - 1] + gaps[i], slots - i + 1)
        increases.append((merged - apart + moved, i))
        moved += forward_steps(gaps[i], slots - i + 1) - forward_steps(gaps[i], slots - i)
    return min(increases, default=None)
