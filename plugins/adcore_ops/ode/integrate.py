"""The adaptive loop: from compiled sub-graphs and numbers to a mesh, observations and events.

Every step is told as a fraction of its segment, the stretch from the start, a jump or a reset to the next
jump or the end: t = a + s (b - a), h = ds (b - a). So the mesh moves with its ends, and what is recorded
has no derivative of its own. A rejected step leaves no trace.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import pairwise
from typing import Any

import numpy as np

from adcore_ops.ode.locate import first_root, first_step, rms, sign

SAFETY, SHRINK, GROW = 0.9, 0.2, 10.0


class Status(IntEnum):
    """How an integration ended."""

    DONE = 0
    TERMINATED = 1
    STEP_TOO_SMALL = 2
    NOT_FINITE = 3
    TOO_MANY_STEPS = 4
    TIMES_OUT_OF_ORDER = 5
    GRAZING = 6
    TOO_MANY_EVENTS = 7
    NOT_CONVERGED = 8


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of an integration.

    order: of the error estimate. tested: how many components are in the error test (the others are
    quadratures). fixed: steps per segment, 0 for adaptive ones. hit: steps end at observations.
    controller: exponents of the last error and of the one before it, for a PI control.
    directions, terminal: per event; terminal: 0 goes on, k ends at the k-th. fsal: the last stage of a step is the
    slope at its end.
    """

    order: int
    fsal: bool
    rtol: float
    atol: Any
    tested: int
    fixed: int
    hit: bool
    first_step: float
    max_step: float
    max_steps: int
    controller: tuple[float, float]
    directions: tuple[int, ...]
    terminal: tuple[int, ...]
    max_events: int


@dataclass(frozen=True, slots=True)
class Parts:
    """The compiled sub-graphs, each with the constants bound.

    rhs(t, y) -> dy.   step(t, h, y, slope) -> (y1, errors, stages, told).   dense(t, h, y, y1, stages, theta) -> y.
    events[e](t, y, slope) -> (value, its rate along the flow).   resets: of the events, then of the jumps.
    """

    rhs: Callable[..., Any]
    step: Callable[..., Any]
    dense: Callable[..., Any]
    events: Sequence[Callable[..., tuple[float, float]]]
    resets: Sequence[Callable[..., Any]]


Record = tuple[float, float, int, int, int, int, int, int]
"""One step of the mesh: s, ds; event at its end, segment, first observation and the one after the last, place
in the table of events, reset at its end (those of the events, then those of the jumps). -1 is none."""


@dataclass(slots=True)
class Integration:
    """One initial-value problem on its way. `run` fills the rest."""

    parts: Parts
    rules: Rules
    t_eval: Any
    points: list[float]  # where segments end: the jumps, then the end
    t: float
    y: Any
    observed: Any
    event_times: Any
    event_states: Any
    counts: list[int]
    status: Status = Status.DONE
    h: float = 0.0  # its size, without sign
    component: int = -1
    accepted: int = 0
    rejected: int = 0
    evaluations: int = 0
    factorizations: int = 0
    evaluations_of_dense: int = 0
    slope: Any = None  # f(t, y), once it is known
    mesh: list[Record] = field(default_factory=list)
    seen: int = 0  # observations made
    signs: list[int] = field(default_factory=list)
    last_error: float = 1e-4
    rejected_last: bool = False
    first: int = 0  # the first observation on the last step
    direction: int = 1

    def run(self) -> None:
        """Integrate to the end, a terminal event, or a failure; `status` says which."""
        if not self.in_order():
            return
        self.h = self.rules.first_step
        if not self.h and not self.rules.fixed:
            f = self.known_slope()
            if not np.all(np.isfinite(f)):
                self.fail(Status.NOT_FINITE, f)
                return
            self.h = self.choose_first_step(f)
        self.signs = [self.armed(e) for e in range(len(self.parts.events))]
        for segment, end in enumerate(self.points):
            if not self.segment(segment, end):
                return

    def in_order(self) -> bool:
        """Whether the times go one way, from the start to the end."""
        self.direction = 1 if self.points[-1] >= self.t else -1
        times = [self.t, *self.points], [self.t, *self.t_eval, self.points[-1]]
        if all(_ordered(t, self.direction) for t in times):
            return True
        return self.fail(Status.TIMES_OUT_OF_ORDER)

    def known_slope(self) -> Any:
        """f(t, y), evaluated unless the last stage of the step before was it, or the step is tried again."""
        if self.slope is None:
            self.slope = self.parts.rhs(self.t, self.y)
            self.evaluations += 1
        return self.slope

    def take(self, t: float, h: float) -> tuple[Any, Any, Any, int]:
        """(y1, errors, stages, ok) of a step from here, counted."""
        y1, errors, stages, told = self.parts.step(t, h, self.y, self.known_slope())
        ok, evaluations, factorizations, self.evaluations_of_dense = told
        self.evaluations += evaluations
        self.factorizations += factorizations
        return y1, errors, stages, ok

    def dense(self, t: float, h: float, y1: Any, stages: Any, theta: float) -> Any:
        """The state at a fraction of the step, counted."""
        self.evaluations += self.evaluations_of_dense
        return self.parts.dense(t, h, self.y, y1, stages, theta)

    def choose_first_step(self, f: Any) -> float:
        """The size of the first step."""
        n = self.rules.tested
        scale = self.rules.atol[:n] + self.rules.rtol * np.abs(self.y[:n])
        self.evaluations += 1
        return first_step(self.parts.rhs, self.t, self.y, f, self.direction, self.rules.order, scale, slice(0, n))

    def segment(self, segment: int, end: float) -> bool:
        """Go to the end of one segment. False when the integration is over."""
        start, s = self.t, 0.0
        jumps = segment < len(self.points) - 1
        while s < 1.0:
            ds, stop = self.fraction(start, end, s)
            t, h = start + s * (end - start), ds * (end - start)
            if self.accepted + self.rejected >= self.rules.max_steps:
                return self.fail(Status.TOO_MANY_STEPS)
            made = self.attempt(t, h, ds == 1.0 - s or stop is not None)
            if made is None:
                if self.status != Status.DONE:
                    return False
                continue
            y1, stages = made
            arrives = s + ds == 1.0
            event = self.event(t, h, y1, stages)
            if event is not None:
                e, h, y1, stages = event
                if self.status != Status.DONE or not self.happens(e, t, h, y1, stages, segment, start, end):
                    return False
                start, s = self.t, 0.0
                if start == end:
                    break
                continue
            limit = end if arrives else t + h if stop is None else stop
            self.observe(t, h, y1, stages, limit, not (arrives and jumps))
            reset = len(self.parts.events) + segment if arrives and jumps else -1
            self.note(s, ds, segment, reset=reset)
            self.t, self.y, self.slope = (end if arrives else t + h), y1, stages[-1] if self.rules.fsal else None
            s = 1.0 if arrives else s + ds
        if jumps:
            self.y, self.slope = self.parts.resets[len(self.parts.events) + segment](self.t, self.y), None
            self.signs = [self.armed(e) for e in range(len(self.parts.events))]
        return True

    def fraction(self, start: float, end: float, s: float) -> tuple[float, float | None]:
        """The next step as a fraction of its segment, and the observation that it ends at, if any.

        The last step takes all that is left.
        """
        span = end - start
        if span == 0.0:
            return 1.0, None
        if self.rules.fixed:
            n = self.rules.fixed
            k = round(s * n)
            return (1.0 - s if k + 1 >= n else (k + 1) / n - s), None
        ds = min(self.h, self.rules.max_step) / abs(span)
        ds = 1.0 - s if s + ds * (1 + 1e-10) >= 1.0 else ds
        if self.rules.hit and self.seen < len(self.t_eval):
            time = self.t_eval[self.seen]
            ahead = (time - start) / span - s
            if time != end and 0.0 < ahead <= ds * (1 + 1e-10):
                return ahead, time
        return ds, None

    def attempt(self, t: float, h: float, cut: bool) -> tuple[Any, Any] | None:
        """(y1, stages) of a step that passes its error test; None when it is to be tried shorter.

        cut: it is shorter than it could be, so it does not say that the next one must be.
        """
        y1, errors, stages, ok = self.take(t, h)
        finite = ok and bool(np.all(np.isfinite(y1)))
        if self.rules.fixed or not errors or h == 0.0:
            self.accepted += 1
            if not finite:
                self.fail(Status.NOT_FINITE if ok else Status.NOT_CONVERGED, _first_bad(stages, y1))
                return None
            return y1, stages
        error = self.error(y1, errors) if finite else math.inf
        p, i = self.rules.controller
        if error <= 1.0:
            self.accepted += 1
            factor = SAFETY * max(error, 1e-10) ** -p * self.last_error**i
            grow = 1.0 if self.rejected_last else GROW
            proposed = abs(h) * min(grow, max(SHRINK, factor))
            self.h = max(self.h, proposed) if cut else proposed
            self.last_error = max(error, 1e-4)
            self.rejected_last = False
            return y1, stages
        self.rejected += 1
        self.rejected_last = True
        self.h = abs(h) * (max(SHRINK, SAFETY * error**-p) if math.isfinite(error) else SHRINK)
        if self.h <= 16 * abs(np.spacing(t)):
            status = Status.STEP_TOO_SMALL if finite else Status.NOT_FINITE if ok else Status.NOT_CONVERGED
            self.fail(status, _first_bad(stages, y1))
        return None

    def error(self, y1: Any, errors: Sequence[Any]) -> float:
        """The size of the error estimate in units of what is allowed.

        Two estimates are joined as in DOP853: e5^2 / sqrt(e5^2 + 0.01 e3^2).
        """
        n, rules = self.rules.tested, self.rules
        scale = rules.atol[:n] + rules.rtol * np.maximum(np.abs(self.y[:n]), np.abs(y1[:n]))
        first = rms(errors[0][:n] / scale)
        if len(errors) == 1 or first == 0.0:
            return first if math.isfinite(first) else math.inf
        second = rms(errors[1][:n] / scale)
        return first * first / math.hypot(first, 0.1 * second)

    def fail(self, status: Status, y: Any = None) -> bool:
        """Remember what went wrong and in which component; always False."""
        self.status = status
        if y is not None:
            bad = np.flatnonzero(~np.isfinite(y))
            if bad.size:
                self.component = int(bad[0])
            else:
                self.component = int(np.argmax(np.abs(y) / (self.rules.atol + np.abs(self.y))))
        return False

    # --- observations and events -----------------------------------------------------------------

    def observe(self, t: float, h: float, y1: Any, stages: Any, limit: float, inclusive: bool) -> None:
        """Interpolate at the times of t_eval up to a limit, itself included or not."""
        self.first = self.seen
        while self.seen < len(self.t_eval):
            ahead = (self.t_eval[self.seen] - limit) * self.direction
            if ahead > 0 or (ahead == 0 and not inclusive):
                break
            theta = (self.t_eval[self.seen] - t) / h if h else 0.0
            self.observed[self.seen] = self.dense(t, h, y1, stages, theta)
            self.seen += 1

    def note(self, s: float, ds: float, segment: int, event: int = -1, slot: int = -1, reset: int = -1) -> None:
        """Record a step."""
        self.mesh.append((s, ds, event, segment, self.first, self.seen, slot, reset))

    def armed(self, e: int, residual: float | None = None) -> int:
        """The sign of event e just after now: that of its rate where it is zero itself.

        residual: its value at the time that was found for it, if it has just happened; as little counts as zero,
        and what it changes in a few spacings of time, else rounding makes it happen again at once.
        """
        value, rate = self.parts.events[e](self.t, self.y, self.known_slope())
        if residual is not None and abs(value) <= max(2 * abs(residual), abs(rate) * 64 * abs(np.spacing(self.t))):
            value = 0.0
        return sign(value) or sign(rate) * self.direction

    def event(self, t: float, h: float, y1: Any, stages: Any) -> tuple[int, float, Any, Any] | None:
        """The first event on a step, with the step cut short to end there; None if there is none."""
        found: tuple[float, int] | None = None
        ends = []
        for e, g in enumerate(self.parts.events):
            after = sign(g(t + h, y1, self.slope)[0])
            ends.append(after)
            before, wanted = self.signs[e], self.rules.directions[e]
            if before == 0 or after == before or (wanted and wanted == before):
                continue
            theta = first_root(lambda x, g=g: self.along(g, t, h, y1, stages, x), before)
            if found is None or theta < found[0]:
                found = theta, e
        if found is None:
            self.signs = [after or before for after, before in zip(ends, self.signs, strict=True)]
            return None
        theta, e = found
        h *= theta
        for _ in range(2):  # from the interpolant to the flow itself
            y1, _, stages, _ = self.take(t, h)
            if not self.rules.fsal:
                self.evaluations += 1
            slope = stages[-1] if self.rules.fsal else self.parts.rhs(t + h, y1)
            value, rate = self.parts.events[e](t + h, y1, slope)
            if not abs(rate) > 1e-12 * abs(value) or not math.isfinite(rate):
                self.t = t + h
                self.fail(Status.GRAZING)
                break
            h -= value / rate
        y1, _, stages, _ = self.take(t, h)
        return e, h, y1, stages

    def along(self, g: Callable[..., tuple[float, float]], t: float, h: float, y1: Any, stages: Any, x: float) -> float:
        """The value of an event at a fraction of the step."""
        return g(t + x * h, self.dense(t, h, y1, stages, x), self.slope)[0]

    def happens(
        self, e: int, t: float, h: float, y1: Any, stages: Any, segment: int, start: float, end: float
    ) -> bool:  # fmt: skip
        """Event e at the end of a step: its time and state are kept, its reset is done. False when it is the last."""
        count = self.counts[e]
        if count >= self.rules.max_events:
            return self.fail(Status.TOO_MANY_EVENTS)
        self.observe(t, h, y1, stages, t + h, False)
        self.event_times[e, count], self.event_states[e, count] = t + h, y1
        self.counts[e] += 1
        last = 0 < self.rules.terminal[e] <= self.counts[e]
        span, slot = end - start, e * self.rules.max_events + count
        self.note((t - start) / span, h / span, segment, e, slot, -1 if last else e)
        self.t, self.y, self.slope = t + h, y1, None
        if last:
            self.status = Status.TERMINATED
            return False
        residual = self.parts.events[e](self.t, y1, stages[-1])[0]
        self.y = self.parts.resets[e](self.t, y1)
        self.signs = [self.armed(k, residual if k == e else None) for k in range(len(self.parts.events))]
        return True


def _first_bad(stages: Any, y1: Any) -> Any:
    """The first stage that is not finite, since all after it are not in any component; else the state."""
    return next((stage for stage in stages if not np.all(np.isfinite(stage))), y1)


def _ordered(times: Sequence[float], direction: int) -> bool:
    return all((b - a) * direction >= 0 for a, b in pairwise(times))
