"""The memory of a plan over its steps, as a picture (.svg) or for a trace viewer (.json, Chrome's trace format)."""

from __future__ import annotations

import html
import json
from typing import Any

from adcore.plan.diagram import ticks
from adcore.plan.explain import count, size
from adcore.plan.steps import Plan

WIDE, HIGH, LEFT, RIGHT, TOP, BOTTOM = 960.0, 380.0, 78.0, 24.0, 62.0, 46.0

STYLE = """\
text { font: 12px system-ui, Helvetica, Arial, sans-serif; fill: #57606a }
.title { font-size: 15px; font-weight: 600; fill: #1f2328 }
.live { fill: #cfe2f7; stroke: none } .edge { fill: none; stroke: #2f6fb0; stroke-width: 1.4 }
.held { fill: none; stroke: #8c959f; stroke-dasharray: 3 3 } .grid { stroke: #d8dbe0 }
.peak { stroke: #c0392b; stroke-dasharray: 6 3 } .budget { stroke: #3c7d46; stroke-width: 1.6 }
.measured { stroke: #d2691e; stroke-width: 1.6 } .again { fill: #7251a8 } .at { fill: #c0392b }
.red { fill: #c0392b } .green { fill: #3c7d46 } .orange { fill: #d2691e } .violet { fill: #7251a8 }"""

HOVERED = 2000
"""Steps up to which every step says what it is when the mouse is on it."""


def timeline(plan: Plan, kind: str, budget: int | None = None, measured: int | None = None) -> str:
    """The timeline of a plan. kind: "svg" or "json". budget, measured: bytes, drawn beside what is predicted."""
    return chrome(plan, budget, measured) if kind == "json" else svg(plan, budget, measured)


def svg(plan: Plan, budget: int | None = None, measured: int | None = None) -> str:
    """The timeline as a picture: bytes that are live, bytes that are held, the peak, and what runs again."""
    rows = plan.timeline()
    n = max(len(rows), 1)
    held = max((row["held"] for row in rows), default=0)
    most = max(plan.cost.peak_bytes, measured or 0, held, 1) * 1.06
    if budget is not None and budget < 2 * most:  # else all would lie at the bottom
        most = max(most, 1.06 * budget)

    def x(step: float) -> float:
        return LEFT + (WIDE - LEFT - RIGHT) * step / n

    def y(nbytes: float) -> float:
        return TOP + (HIGH - TOP - BOTTOM) * (1 - nbytes / most)

    parts = [
        f'<text class="title" x="{LEFT}" y="24">memory of {_text(plan.graph.name)} by {_text(plan.strategy)}</text>'
    ]
    for b in ticks(most):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{y(b):.1f}" y2="{y(b):.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(b) + 4:.1f}" text-anchor="end">{size(b)}</text>')
    edge = "".join(
        f"V{y(row['during']):.1f}H{(x(i) + x(i + 1)) / 2:.1f}V{y(row['bytes']):.1f}H{x(i + 1):.1f}"
        for i, row in enumerate(rows)
    )
    start = f"M{x(0):.1f} {y(rows[0]['during'] if rows else 0):.1f}"
    parts.append(f'<path class="live" d="{start}{edge}V{y(0):.1f}H{x(0):.1f}Z"/><path class="edge" d="{start}{edge}"/>')
    arena = "".join(f"{'L' if i else 'M'}{x(i):.1f} {y(row['held']):.1f}H{x(i + 1):.1f}" for i, row in enumerate(rows))
    parts.append(f'<path class="held" d="{arena}"/>')
    for i, row in enumerate(rows):
        if row["again"]:
            parts.append(
                f'<rect class="again" x="{x(i):.1f}" y="{HIGH - BOTTOM + 3}" width="{x(1) - x(0):.2f}" height="5"/>'
            )
    parts += _lines(plan, budget, measured, y)
    parts += _hover(rows, x) if len(rows) <= HOVERED else []
    again = sum(bool(row["again"]) for row in rows)
    words = [f"step 0 to {len(rows):,}; filled: live; dotted: held by the arena"]
    words += [f'<tspan class="violet">violet: {count(again, "repetition")}</tspan>'] if again else []
    parts.append(f'<text x="{LEFT}" y="{HIGH - 14}">{"; ".join(words)}</text>')
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE:g} {HIGH:g}" width="{WIDE:g}" height="{HIGH:g}">'
    )
    body = "\n".join(parts)
    return f'{head}\n<style>{STYLE}</style>\n<rect width="100%" height="100%" fill="#ffffff"/>\n{body}\n</svg>\n'


def _lines(plan: Plan, budget: int | None, measured: int | None, y: Any) -> list[str]:
    """The peak, the budget and what was measured, across the picture, and what they are above it."""
    found, told = [], []
    for kind, colour, name, nbytes in (
        ("peak", "red", "predicted peak", plan.cost.peak_bytes), ("measured", "orange", "measured peak", measured),
        ("budget", "green", "budget", budget),
    ):  # fmt: skip
        if nbytes is None:
            continue
        if y(nbytes) > TOP:
            found.append(
                f'<line class="{kind}" x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{y(nbytes):.1f}" y2="{y(nbytes):.1f}"/>'
            )
        told.append(f'<tspan class="{colour}">{name} {size(nbytes)}</tspan>')
    return [*found, f'<text x="{LEFT}" y="46">{", ".join(told)}</text>']


def _hover(rows: list[dict[str, Any]], x: Any) -> list[str]:
    """Over every step an unseen box that says what the step is."""
    return [
        f'<rect x="{x(i):.1f}" y="{TOP}" width="{x(1) - x(0):.2f}" height="{HIGH - TOP - BOTTOM}" fill="transparent">'
        f"<title>{_text(_step(row))}</title></rect>"
        for i, row in enumerate(rows)
    ]


def _step(row: dict[str, Any]) -> str:
    at = f" at {row['source']}" if row["source"] else ""
    again = ", again" if row["again"] else ""
    return f"step {row['step']}: {row['op']}{at}{again}; {size(row['during'])} meanwhile, {size(row['bytes'])} after"


def chrome(plan: Plan, budget: int | None = None, measured: int | None = None) -> str:
    """The timeline for chrome://tracing, Perfetto or speedscope: a step is a microsecond."""
    names = {"name": "process_name", "ph": "M", "pid": 1, "args": {"name": f"{plan.graph.name} by {plan.strategy}"}}
    events: list[dict[str, Any]] = [names]
    for row in plan.timeline():
        at = {"pid": 1, "tid": 1, "ts": row["step"]}
        if row["node"] is not None:
            told = {"node": row["node"], "source": row["source"], "again": bool(row["again"]), "bytes": row["during"]}
            events.append({"name": row["op"], "cat": "run", "ph": "X", "dur": 1, "args": told, **at})
        live = {"live": row["during"], "held": row["held"]}
        events.append({"name": "memory", "ph": "C", "args": live, **at})
    known = {"predicted_peak": plan.cost.peak_bytes, "measured_peak": measured, "budget": budget}
    return json.dumps({"traceEvents": events, "otherData": {k: v for k, v in known.items() if v is not None}}) + "\n"


def _text(text: str) -> str:
    return html.escape(text)
