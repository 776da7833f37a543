"""The trade between memory and work as a picture (.svg): what a gradient costs more when it may keep less."""

from __future__ import annotations

import html
from typing import Any

from adcore.plan.diagram import ticks
from adcore.plan.explain import size

WIDE, HIGH, LEFT, RIGHT, TOP, BOTTOM = 720.0, 400.0, 78.0, 24.0, 58.0, 62.0

STYLE = """\
text { font: 12px system-ui, Helvetica, Arial, sans-serif; fill: #57606a }
.title { font-size: 15px; font-weight: 600; fill: #1f2328 } .grid { stroke: #d8dbe0 }
.line { fill: none; stroke: #2f6fb0; stroke-width: 1.6 } .at { fill: #2f6fb0 } .told { fill: #1f2328 }
.none { fill: #f6e3e0 } .red { fill: #c0392b }"""


def tradeoff(name: str, rows: list[dict[str, Any]]) -> str:
    """The rows of a curve as a picture: bytes from left to right, work beyond running everything once upwards.

    rows: as `adcore plan --curve --json` gives them. Where no plan fits is shaded.
    """
    known = sorted((r for r in rows if "error" not in r), key=lambda r: float(r["peak_bytes"]))
    across = 1.04 * max((r["peak_bytes"] for r in known), default=1.0)
    up = max(0.1, 1.15 * max((r["overhead"] for r in known), default=0.0))

    def x(nbytes: float) -> float:
        return LEFT + (WIDE - LEFT - RIGHT) * nbytes / across

    def y(work: float) -> float:
        return TOP + (HIGH - TOP - BOTTOM) * (1 - work / up)

    parts = [
        f'<text class="title" x="{LEFT}" y="22">memory and work of {html.escape(name)}</text>',
        f'<text x="{LEFT}" y="42">more work than running everything once, by the peak of the plan</text>',
    ]
    if known:
        least, width = known[0]["peak_bytes"], x(known[0]["peak_bytes"]) - LEFT
        parts.append(f'<rect class="none" x="{LEFT}" y="{TOP}" width="{width:.1f}" height="{HIGH - TOP - BOTTOM}"/>')
        parts.append(f'<text class="red" x="{LEFT}" y="{HIGH - 12}">nothing known fits below {size(least)}</text>')
    for work in ticks(up):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDE - RIGHT}" y1="{y(work):.1f}" y2="{y(work):.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(work) + 4:.1f}" text-anchor="end">{work:.0%}</text>')
    parts += [
        f'<text x="{x(nbytes):.1f}" y="{HIGH - BOTTOM + 18}" text-anchor="middle">{size(nbytes)}</text>'
        for nbytes in ticks(across)
    ]
    points = " ".join(f"{x(r['peak_bytes']):.1f},{y(r['overhead']):.1f}" for r in known)
    parts.append(f'<polyline class="line" points="{points}"/>')
    for r in known:
        at, high = x(r["peak_bytes"]), y(r["overhead"])
        told = f"{size(r['peak_bytes'])}: {r['overhead']:.1%} more work, {r['recomputed']:,} runs again"
        parts.append(f'<circle class="at" cx="{at:.1f}" cy="{high:.1f}" r="3.5"><title>{told}</title></circle>')
        parts.append(f'<text class="told" x="{at + 6:.1f}" y="{high - 7:.1f}">{r["overhead"]:.1%}</text>')
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE:g} {HIGH:g}" width="{WIDE:g}" height="{HIGH:g}">'
    )
    body = "\n".join(parts)
    return f'{head}\n<style>{STYLE}</style>\n<rect width="100%" height="100%" fill="#ffffff"/>\n{body}\n</svg>\n'
