"""The actions of a schedule, and exactly what each of them means to the executor of a loop.

A loop of n steps turns carry 0 into carry n; its reverse needs the residuals of step n-1 first and of step
0 last. A Schedule says which carries and residuals exist when; it works on step numbers and never sees an
array. An executor owns one *current carry*, snapshots in two tiers ("memory", "disk"), and stacked residual
buffers. At the start the current carry is carry 0 and nothing is stored. The actions:

    Advance(a, b)   the carry must be at a; run steps a..b-1 without residuals; the carry is then at b
    Tape(a, b)      the same steps, with their residuals recorded in one new buffer, the range a..b
    Back(a, b)      consume and release the buffer of exactly the range a..b, last step first; b must be the
                    first step already reversed (n at first); the current carry is released
    Save(i, tier)   copy the current carry, which must be at i, into a store that does not hold i
    Load(i, tier)   copy snapshot i into the current carry, whatever that held; the snapshot stays
    Drop(i, tier)   release snapshot i
    Turn()          once, with the carry at n: the forward node returns it and it is released; the reverse
                    node resumes here. Before Turn there is no Back. Tape is allowed on both sides
    Peek(i)         only for unknown lengths: is there a step i? The carry must be at i and stays

Answers. The executor answers Advance and Tape with the step really reached: less than `stop` means that the
loop is over. A loop that ends exactly at `stop` shows it at the next request, or to Peek(i), answered i + 1
if step i exists and i if the loop is over. A range that ended early is a..reached, and is no buffer if it
is empty. For a known length the answer equals `stop`, or is None, as a plain `for` loop sends it.

Counting. A forward step is any execution of a step, by Advance or by Tape. Carry 0 takes a slot like any
other once it is saved. Bytes in memory are those of the snapshots, of the residuals, of the current carry (a
buffer of its own: Save and Load copy), after Turn of the adjoint, and of the scratch of the range program
that runs.

Source: Griewank and Walther 2000, "Algorithm 799: revolve"; Herrmann and Pallez 2020, "H-Revolve", for tiers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from adcore.errors import PlanError

Tier: TypeAlias = Literal["memory", "disk"]


class ScheduleError(PlanError):
    """A schedule cannot be run, built or read; the message says which action, what state, what to do."""


@dataclass(frozen=True, slots=True)
class Advance:
    """Run steps start..stop-1 from the carry at step start, without residuals."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Tape:
    """Run steps start..stop-1 and record their residuals in one buffer."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Back:
    """Consume the buffer of start..stop, last step first."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Save:
    """Store the current carry, which is at step."""

    step: int
    tier: Tier


@dataclass(frozen=True, slots=True)
class Load:
    """Make the stored carry current."""

    step: int
    tier: Tier


@dataclass(frozen=True, slots=True)
class Drop:
    """Release the stored carry."""

    step: int
    tier: Tier


@dataclass(frozen=True, slots=True)
class Turn:
    """End the forward phase; the carry is at the last step."""


@dataclass(frozen=True, slots=True)
class Peek:
    """Ask whether a loop of unknown length has a step `step`; answered step + 1 or step."""

    step: int


Action: TypeAlias = Advance | Tape | Back | Save | Load | Drop | Turn | Peek
