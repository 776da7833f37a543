"""A schedule as a picture: which steps run, are taped and reversed when, and which snapshots live meanwhile.

In text one line is one action and one column one step (or several, where there are many): `>` advances,
`#` tapes, `<` reverses, `o` is a snapshot in memory and `d` one on disk.

>>> print(text(Whole(), 4))
         0..3
Tape     ####
Turn
Back     <<<<
4 forward steps for 4, at most 0 snapshots
"""

from __future__ import annotations

import html
import math
from dataclasses import dataclass, field

from adcore.plan.actions import Action, Advance, Back, Drop, Load, Save, Tape, Turn
from adcore.plan.explain import count
from adcore.plan.replay import replay
from adcore.plan.schedule import Schedule, Whole

__all__ = ["Whole", "svg", "text", "ticks"]

MARKS = {"Advance": ">", "Tape": "#", "Back": "<"}

COLUMNS = 80
"""Steps that have a column of their own in text; more share columns."""


def text(schedule: Schedule, length: int, most: int = 200) -> str:
    """The schedule for a loop of known length, one line per action, at most so many; then what it costs."""
    width = -(-length // COLUMNS) if length else 1
    columns = -(-length // width)
    head = f"0..{length - 1}" if length else ""
    lines = [f"{'':9}{head}{f', {width} steps a column' if width > 1 else ''}"]
    held: dict[tuple[str, int], None] = {}
    hidden = 0
    for action in schedule.actions(length):
        name, row = type(action).__name__, [" "] * columns
        if isinstance(action, Save):
            held[action.tier, action.step] = None
        elif isinstance(action, Drop):
            del held[action.tier, action.step]
        for tier, step in sorted(held):  # memory last: it is shown where both hold a step
            row[min(step // width, columns - 1)] = "o" if tier == "memory" else "d"
        if isinstance(action, Advance | Tape | Back):
            start, stop = action.start // width, -(-action.stop // width)
            row[start:stop] = MARKS[name] * (stop - start)
        if len(lines) <= most:
            lines.append(f"{name:8} {''.join(row).rstrip()}".rstrip())
        else:
            hidden += 1
    cost = replay(schedule, length)
    if hidden:
        lines.append(f"... and {hidden:,} more actions")
    disk = f" and {cost.peak_disk:,} on disk" if cost.peak_disk else ""
    kept = f"at most {count(cost.peak_memory, 'snapshot')}{disk}"
    lines.append(f"{cost.forward_steps:,} forward steps for {length:,}, {kept}")
    return "\n".join(lines)


# --- the picture ---------------------------------------------------------------------------------

WIDE, HIGH, LEFT, RIGHT, TOP, BOTTOM = 960.0, 430.0, 88.0, 24.0, 58.0, 52.0

STYLE = """\
text { font: 12px system-ui, Helvetica, Arial, sans-serif; fill: #57606a }
.title { font-size: 15px; font-weight: 600; fill: #1f2328 } .grid { stroke: #d8dbe0 }
path { fill: none } .advance { stroke: #8c959f; stroke-width: 1 } .tape { stroke: #2f6fb0; stroke-width: 2 }
.back { stroke: #c0392b; stroke-width: 2 } .turn { stroke: #3c7d46; stroke-dasharray: 5 3 }
.memory { stroke: #9fc3e8; stroke-width: 1 } .disk { stroke: #c9a86a; stroke-width: 1.4 }
.blue { fill: #2f6fb0 } .red { fill: #c0392b } .grey { fill: #57606a } .green { fill: #3c7d46 }"""


def ticks(most: float) -> list[float]:
    """Round numbers from 0 up to the most, about five of them.

    >>> ticks(300)
    [0.0, 100.0, 200.0, 300.0]
    """
    if most <= 0:
        return [0.0]
    power = 10.0 ** math.floor(math.log10(most / 5))
    step = next(power * k for k in (1, 2, 5, 10) if power * k * 5.5 >= most)
    return [step * i for i in range(int(most / step * (1 + 1e-9)) + 1)]


def _told(schedule: Schedule) -> str:
    """A schedule as people read it: its name, and its whole numbers."""
    name, values = schedule.to_data()
    told = [f"{key} {value:,}" for key, value in values.items() if isinstance(value, int)]
    return f"{name} ({', '.join(told)})" if told else str(name)


@dataclass(slots=True)
class _Paths:
    """The lines of a picture, by kind, in units of steps: across the work that is done, up the step it is done to."""

    lines: dict[str, list[tuple[float, float, float, float]]] = field(default_factory=dict)
    open: dict[tuple[int, str], float] = field(default_factory=dict)
    now: float = 0.0

    def add(self, kind: str, x1: float, y1: float, x2: float, y2: float) -> None:
        """One more line."""
        self.lines.setdefault(kind, []).append((x1, y1, x2, y2))

    def follow(self, action: Action) -> None:
        """What an action draws."""
        match action:
            case Advance(start, stop) | Tape(start, stop) | Back(start, stop):
                begin, self.now = self.now, self.now + stop - start
                ends = (stop, start) if isinstance(action, Back) else (start, stop)
                self.add(type(action).__name__.lower(), begin, ends[0], self.now, ends[1])
            case Save(step, tier):
                self.open[step, tier] = self.now
            case Drop(step, tier):
                self.add(tier, self.open.pop((step, tier)), step, self.now, step)
            case Load() | Turn():
                if isinstance(action, Turn):
                    self.add("turn", self.now, 0.0, self.now, -1.0)


def svg(schedule: Schedule, length: int) -> str:
    """The schedule for a loop of known length as a picture: work done from left to right, steps from below upwards.

    Grey lines advance, blue ones tape, red ones reverse; light ones are snapshots, from save to drop.
    """
    paths = _Paths()
    for action in schedule.actions(length):
        paths.follow(action)
    cost = replay(schedule, length)
    across, up = max(paths.now, 1.0), max(length, 1)

    def x(done: float) -> float:
        return LEFT + (WIDE - LEFT - RIGHT) * done / across

    def y(step: float) -> float:
        return TOP + (HIGH - TOP - BOTTOM) * (1 - (up if step < 0 else step) / up)

    title = html.escape(f"{length:,} steps under schedule {_told(schedule)}")
    disk = f", {cost.peak_disk:,} on disk" if cost.peak_disk else ""
    told = (
        f'<tspan class="grey">{cost.forward_steps - cost.taped_steps:,} steps advanced</tspan>, '
        f'<tspan class="blue">{cost.taped_steps:,} taped</tspan>, <tspan class="red">{length:,} reversed</tspan>; '
        f"at most {count(cost.peak_memory, 'snapshot')} in memory{disk}, {count(cost.peak_taped, 'record')}"
    )
    parts = [
        f'<text class="title" x="{LEFT}" y="22">{title}</text><text x="{LEFT}" y="42">{told}</text>',
        f'<text x="{LEFT}" y="{HIGH - 10}">work done, in steps forward and back: {int(paths.now):,}</text>',
    ]
    for step in ticks(length):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{y(step):.1f}" y2="{y(step):.1f}"/>')
        name = "step 0" if step == 0 else f"{step:,.0f}"
        parts.append(f'<text x="{LEFT - 8}" y="{y(step) + 4:.1f}" text-anchor="end">{name}</text>')
    parts += [
        f'<text x="{x(done):.1f}" y="{HIGH - BOTTOM + 16}" text-anchor="middle">{done:,.0f}</text>'
        for done in ticks(paths.now)
    ]
    for kind in ("memory", "disk", "advance", "tape", "back", "turn"):
        lines = paths.lines.get(kind, ())
        d = "".join(f"M{x(a):.1f} {y(b):.1f}L{x(c):.1f} {y(e):.1f}" for a, b, c, e in lines)
        parts += [f'<path class="{kind}" d="{d}"/>'] if d else []
    size = f'viewBox="0 0 {WIDE:g} {HIGH:g}" width="{WIDE:g}" height="{HIGH:g}"'
    body = "\n".join(parts)
    back = '<rect width="100%" height="100%" fill="#ffffff"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n<style>{STYLE}</style>\n{back}\n{body}\n</svg>\n'
