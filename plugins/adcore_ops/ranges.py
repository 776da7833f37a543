"""Loops in pieces: programs that run a range of a loop's steps, for a schedule to drive.

    steps(start, stop, now, place, spare, rest, ys, records) -> reached, now, place, spare

Carries alternate between two places: a step reads `now` and writes `place`; then these two and `spare`
change roles, so that what `now` was at first is never written to. rest: the other inputs of the node.
ys: stacked rows. records: residuals of these steps only, stacked; the first is that of step `start`.
A loop of unknown length asks its condition before each step and says how far it came.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from adcore_ops.step import Parts

Steps = Callable[..., tuple[int, tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]]


def forward_steps(
    parts: Parts,
    body: Callable[..., None],
    piece: str,
    row: str,
    test: Callable[..., None] | None = None,
    flag: Any = None,
) -> Steps:
    """A piece of a loop that leaves trails: "step", "advance", "tape" or "again" (`adcore.plan.loops`).

    row: the row of step k, as Python: "k", or "9 - k" for a loop of ten steps that runs backwards.
    test: writes to `flag` whether there is a step.
    """
    ys = _names("Y", parts.ys) if piece in ("step", "advance") else []
    records = _names("R", sum(parts.trails_out)) if piece in ("step", "tape") else []
    made = [f"{y}[{row}, ...]" for y in ys] + [f"{r}[k - start, ...]" for r in records]
    head, tail = ["    for k in range(start, stop):"], ["    reached = stop"]
    if test is not None:
        asked = ", ".join([*_names("a", parts.carries), *_names("k", parts.consts), "flag"])
        head = ["    k = start", "    while k < stop:", f"        test({asked})", "        if not flag: break"]
        tail = ["        k += 1", "    reached = k"]
    return _Writer(parts, row, {}).compiled(ys, records, made, head, tail, {"body": body, "test": test, "flag": flag})


def back_steps(parts: Parts, body: Callable[..., None], row: str, windows: Mapping[int, int]) -> Steps:
    """The reverse of a range, last step first.

    windows: for each trail that is read in pieces, by its number among the trails, its first array in `records`.
    `rest` is without these trails.
    """
    ys, trails = _names("Y", parts.ys), _names("T", len(parts.trails_out))
    records = _names("R", sum(parts.trails_in[t] for t in windows))
    made = [f"{y}[{row}, ...]" for y in ys]
    made += [f"{t}[{j}][{row}, ...]" for t, m in zip(trails, parts.trails_out, strict=True) for j in range(m)]
    head, tail = ["    for k in range(stop - 1, start - 1, -1):"], ["    reached = start"]
    return _Writer(parts, row, windows).compiled([*ys, *trails], records, made, head, tail, {"body": body})


def _names(letter: str, count: int) -> list[str]:
    return [f"{letter}{i}" for i in range(count)]


class _Writer:
    """The text of a piece: unpack, loop, step, change roles."""

    def __init__(self, parts: Parts, row: str, windows: Mapping[int, int]) -> None:
        self.parts, self.row, self.windows = parts, row, windows

    def reads(self) -> list[str]:
        """What a step reads besides carries: rows of xs and of trails, then constants."""
        found = [f"x{i}[{self.row}, ...]" for i in range(self.parts.scanned)]
        for i, m in enumerate(self.parts.trails_in):
            if i in self.windows:
                found += [f"R{self.windows[i] + j}[k - start, ...]" for j in range(m)]
            else:
                found += [f"t{i}[{j}][{self.row}, ...]" for j in range(m)]
        return [*found, *_names("k", self.parts.consts)]

    def compiled(
        self,
        ys: list[str],
        records: list[str],
        made: list[str],
        head: list[str],
        tail: list[str],
        names: dict[str, Any],
    ) -> Steps:
        """The program. head, tail: the lines of the loop around a step."""
        now, place, spare = (_names(letter, self.parts.carries) for letter in "apq")
        trails = [f"t{i}" for i in range(len(self.parts.trails_in)) if i not in self.windows]
        rest = [*_names("x", self.parts.scanned), *trails, *_names("k", self.parts.consts)]
        unpacked = {"now": now, "place": place, "spare": spare, "rest": rest, "ys": ys, "records": records}
        text = [f"def steps(start, stop, {', '.join(unpacked)}):"]
        text += [f"    {', '.join(group)}, = {source}" for source, group in unpacked.items() if group]
        text += [*head, f"        body({', '.join([*now, *self.reads(), *place, *made])})"]
        text += [f"        {a}, {p}, {q} = {p}, {q}, {p}" for a, p, q in zip(now, place, spare, strict=True)]
        text += [*tail, f"    return reached, {', '.join(_packed(group) for group in (now, place, spare))}"]
        exec("\n".join(text), names)
        steps: Steps = names["steps"]
        return steps


def _packed(group: list[str]) -> str:
    return f"({', '.join(group)},)" if group else "()"
