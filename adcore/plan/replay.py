"""The validator of schedules: runs their actions on step numbers, counts the cost, refuses what cannot run.

It knows the actions (`adcore.plan.actions` says what each means) and no schedule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from adcore.plan.actions import (
    Action,
    Advance,
    Back,
    Drop,
    Load,
    Peek,
    Save,
    ScheduleError,
    Tape,
    Turn,
)

if TYPE_CHECKING:
    from adcore.plan.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of one carry, one step's residuals, the adjoint, and the scratch of each range program."""

    state: int = 0
    record: int = 0
    adjoint: int = 0
    advance: int = 0  # in use only while Advance runs, beyond the carry it starts from
    tape: int = 0  # in use only while Tape runs, beyond that carry and the records
    back: int = 0  # in use only while Back runs, beyond the records and the adjoint


@dataclass(frozen=True, slots=True)
class Caps:
    """What may not be exceeded: snapshots per tier, taped steps, bytes per tier. None is free."""

    memory: int | None = None
    disk: int | None = None
    taped: int | None = None
    memory_bytes: int | None = None
    disk_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ScheduleCost:
    """What a replayed schedule did, counted."""

    length: int
    forward_steps: int
    taped_steps: int  # of them, by Tape
    first_steps: int  # of all forward steps, before Turn
    first_taped: int  # of the taped ones, before Turn
    back_steps: int
    memory_saves: int
    memory_loads: int
    disk_saves: int
    disk_loads: int
    peak_memory: int  # snapshots
    peak_disk: int  # snapshots
    peak_taped: int  # steps
    peak_bytes: int  # in memory
    peak_stored: int  # bytes of snapshots in memory and of residuals alone
    peak_disk_bytes: int
    actions: int

    def makespan(self, forward: float = 1, back: float = 1, write: float = 0, read: float = 0) -> float:
        """Time, given that of a forward step, a reverse step, a write to disk and a read from it."""
        steps = forward * self.forward_steps + back * self.back_steps
        return steps + write * self.disk_saves + read * self.disk_loads


def replay(
    schedule: Schedule,
    length: int | None,
    *,
    stop_at: int | None = None,
    caps: Caps | None = None,
    sizes: Sizes | None = None,
) -> ScheduleCost:
    """The cost of a schedule, found by running its actions on step numbers, and the proof that they can run.

    length: the known number of steps; None for an unknown one, and then stop_at is where the loop ends.
    Streams: memory is that of the live snapshots and ranges, whatever the length.
    Raises: ScheduleError at the first action that reads what is not there, runs from another step than the
    carry's, reverses out of order or exceeds a cap; and at the end if anything is left undone or stored.

    >>> from adcore.plan.schedule import Whole
    >>> replay(Whole(), None, stop_at=7).peak_taped
    7
    """
    steps = stop_at if length is None else length
    if steps is None or (length is not None and stop_at is not None) or steps < 0:
        raise ScheduleError(
            f"length={length} and stop_at={stop_at}: one of the two is the number of steps, the other None",
            f"in replay({schedule!r})",
            "give length if the schedule may know it, else stop_at",
        )
    machine = _Machine(steps, length is not None, caps or Caps(), sizes or Sizes())
    generator = schedule.actions(length)
    answer: int | None = None
    while True:
        try:
            action = generator.send(answer)
        except StopIteration:
            return machine.finish()
        machine.count += 1
        answer = machine.do(action)


_ADVICE = {
    "is not an action": "yield only the actions of adcore.plan.schedule",
    "runs or keeps another step than the carry's": "Load a snapshot of that step, or Advance to it",
    "has no steps to run": "ask for at least one step, and for none past the end of the loop",
    "tapes steps that are already reversed": "stop where the reversed steps begin",
    "tapes steps that are already taped": "Back the live buffer first, or Advance over its range",
    "reverses before Turn": "yield Turn() when the carry is at the last step",
    "reverses out of order": "the next range to reverse stops where the reversed steps begin",
    "consumes a buffer that is not there": "Tape exactly that range before it",
    "saves a snapshot that is already there": "Drop it first, or do not save it again",
    "reads a snapshot that is not there": "Save it before, and Drop it only after its last Load",
    "releases a snapshot that is not there": "Drop a snapshot once, in the tier that holds it",
    "names no tier": 'the tiers are "memory" and "disk"',
    "turns a second time": "yield Turn() once",
    "turns before the last step is done": "Advance or Tape to the last step first",
    "leaves steps to reverse": "go on until the Back that starts at step 0",
    "leaves something stored": "Drop every snapshot after its last Load",
}


class _Machine:
    """Sets and counters: an executor without arrays. It knows the actions and nothing about schedules."""

    def __init__(self, length: int, known: bool, caps: Caps, sizes: Sizes) -> None:
        self.length, self.known, self.caps, self.sizes = length, known, caps, sizes
        self.carry: int | None = 0
        self.turned = False
        self.frontier = length  # the first step that is already reversed
        self.stores: dict[str, set[int]] = {"memory": set(), "disk": set()}
        self.buffers: dict[int, int] = {}  # start -> stop, of the live residual ranges
        self.saves, self.loads = {"memory": 0, "disk": 0}, {"memory": 0, "disk": 0}
        self.peaks = {"memory": 0, "disk": 0, "taped": 0, "memory_bytes": 0, "disk_bytes": 0}
        self.taped = self.forward = self.forward_taped = self.stored = self.count = 0
        self.first = 0, 0  # forward steps, and taped ones of them, before Turn

    def do(self, action: Action) -> int | None:
        match action:
            case Advance() | Tape():
                return self.run(action)
            case Back():
                self.back(action)
            case Save() | Load() | Drop():
                self.store(action)
            case Turn():
                self.require(not self.turned, action, "turns a second time")
                self.require(self.carry == self.length, action, "turns before the last step is done")
                self.carry, self.turned, self.known = None, True, True
                self.first = self.forward, self.forward_taped
                self.measure(action, 0)
            case Peek():
                self.require(self.carry == action.step, action, "runs or keeps another step than the carry's")
                self.known = self.known or action.step == self.length
                return min(action.step + 1, self.length)
            case _:
                self.refuse(action, "is not an action")
        return None

    def run(self, action: Advance | Tape) -> int:
        start, stop = action.start, action.stop
        self.require(self.carry == start, action, "runs or keeps another step than the carry's")
        some = start < stop and (stop <= self.length or not self.known)
        self.require(some, action, "has no steps to run")
        reached = min(stop, self.length)
        self.known = self.known or reached < stop
        self.forward += reached - start
        scratch = self.sizes.advance
        if type(action) is Tape:
            self.require(stop <= self.frontier or not self.turned, action, "tapes steps that are already reversed")
            clear = all(b <= start or a >= reached for a, b in self.buffers.items())
            self.require(clear, action, "tapes steps that are already taped")
            if reached > start:
                self.buffers[start] = reached
                self.taped += reached - start
                self.forward_taped += reached - start
            scratch = self.sizes.tape
        self.measure(action, scratch)
        self.carry = reached
        return reached

    def back(self, action: Back) -> None:
        self.require(self.turned, action, "reverses before Turn")
        self.require(action.stop == self.frontier, action, "reverses out of order")
        there = self.buffers.get(action.start) == action.stop
        self.require(there, action, "consumes a buffer that is not there")
        self.carry = None
        self.measure(action, self.sizes.back)
        del self.buffers[action.start]
        self.taped -= action.stop - action.start
        self.frontier = action.start

    def store(self, action: Save | Load | Drop) -> None:
        step, tier = action.step, action.tier
        steps = self.stores.get(tier)
        if steps is None:
            self.refuse(action, "names no tier")
        if type(action) is Save:
            self.require(self.carry == step, action, "runs or keeps another step than the carry's")
            self.require(step not in steps, action, "saves a snapshot that is already there")
            steps.add(step)
            self.saves[tier] += 1
        elif type(action) is Load:
            self.require(step in steps, action, "reads a snapshot that is not there")
            self.carry = step
            self.loads[tier] += 1
        else:
            self.require(step in steps, action, "releases a snapshot that is not there")
            steps.remove(step)
        self.measure(action, 0)

    def measure(self, action: Action, scratch: int) -> None:
        """Raise the peaks to what is live while `action` runs, and compare them with the caps."""
        sizes, peaks = self.sizes, self.peaks
        memory, disk = len(self.stores["memory"]), len(self.stores["disk"])
        stored = sizes.state * memory + sizes.record * self.taped
        self.stored = max(self.stored, stored)
        live = stored + sizes.state * (self.carry is not None) + scratch
        if self.turned:
            live += sizes.adjoint
        now = (memory, disk, self.taped, live, sizes.state * disk)
        for what, value in zip(peaks, now, strict=True):
            if value > peaks[what]:
                peaks[what] = value
                cap = getattr(self.caps, what)
                if cap is not None and value > cap:
                    wrong = f"exceeds the cap {what}={cap} with {value}"
                    self.refuse(action, wrong, "release before storing, or raise the cap")

    def require(self, holds: bool, action: Action, wrong: str) -> None:
        if not holds:
            self.refuse(action, wrong)

    def refuse(self, action: Action | None, wrong: str, advice: str = "") -> NoReturn:
        stores = ", ".join(f"{tier} {sorted(steps)}" for tier, steps in self.stores.items())
        ranges = ", ".join(f"{a}..{b}" for a, b in sorted(self.buffers.items()))
        raise ScheduleError(
            f"the schedule {wrong}" if action is None else f"action {self.count}, {action!r}, {wrong}",
            f"{'after' if self.turned else 'before'} Turn; carry at {self.carry}; {stores}, "
            f"taped [{ranges}]; reversed from {self.frontier} of {self.length}",
            advice or _ADVICE[wrong],
        )

    def finish(self) -> ScheduleCost:
        if not self.turned or self.frontier:
            self.refuse(None, "leaves steps to reverse")
        if any(self.stores.values()) or self.buffers:
            self.refuse(None, "leaves something stored")
        saves, loads, peaks = self.saves, self.loads, self.peaks
        return ScheduleCost(
            length=self.length,
            forward_steps=self.forward,
            taped_steps=self.forward_taped,
            first_steps=self.first[0],
            first_taped=self.first[1],
            back_steps=self.length,
            memory_saves=saves["memory"],
            memory_loads=loads["memory"],
            disk_saves=saves["disk"],
            disk_loads=loads["disk"],
            peak_memory=peaks["memory"],
            peak_disk=peaks["disk"],
            peak_taped=peaks["taped"],
            peak_bytes=peaks["memory_bytes"],
            peak_stored=self.stored,
            peak_disk_bytes=peaks["disk_bytes"],
            actions=self.count,
        )
