"""Where boxes and lines go: a layered drawing, inputs above what uses them.

Ranks by longest path; values that pass layers by go through waypoints, which all their users share;
order within a layer by barycentres; places by least squares under minimal distances.

Source: Sugiyama, Tagawa and Toda 1981, "Methods for visual understanding of hierarchical system
structures"; the places are an isotonic regression, by pooling adjacent violators (Barlow et al. 1972).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

GAP_X, GAP_Y, WAY = 18.0, 34.0, 9.0
"""Between boxes side by side, between layers, and beside a line that passes a layer."""

MOST_WAYS = 20_000
"""Waypoints of a drawing. Where lines pass more layers than that in all, the longest go straight down."""

SWEEPS = 24
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """A box to be placed, by its size."""

    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Drawing:
    """Left upper corners of the boxes, the points of every line, and the size of the whole."""

    corners: tuple[Point, ...]
    lines: tuple[tuple[Point, ...], ...]
    width: float
    height: float


def drawing(boxes: Sequence[Box], lines: Sequence[tuple[int, int]], last: Sequence[int] = ()) -> Drawing:
    """The drawing of boxes with lines between them, each from an earlier box to a later one.

    lines: pairs of positions in `boxes`; last: boxes that go into the last layer.

    >>> d = drawing([Box(10, 10), Box(10, 10), Box(20, 10)], [(0, 2), (1, 2)])
    >>> d.corners
    ((0.0, 0.0), (28.0, 0.0), (9.0, 44.0))
    """
    if not boxes:
        return Drawing((), (), 0.0, 0.0)
    ranks = _ranks(len(boxes), lines, last)
    net = _Net(boxes, ranks, lines)
    net.order()
    net.place()
    return net.drawing()


def _ranks(n: int, lines: Sequence[tuple[int, int]], last: Sequence[int]) -> list[int]:
    """A layer for every box, below all that it uses; a box that uses none is just above its first user."""
    ranks = [0] * n
    users: list[list[int]] = [[] for _ in range(n)]
    uses = [False] * n
    for a, b in lines:
        users[a].append(b)
        uses[b] = True
    for a in range(n):
        for b in users[a]:
            ranks[b] = max(ranks[b], ranks[a] + 1)
    for a in range(n):
        if not uses[a] and users[a]:
            ranks[a] = min(ranks[b] for b in users[a]) - 1
    for a in last:
        ranks[a] = max(ranks)
    low = min(ranks)
    return [r - low for r in ranks]


def _longest(ranks: list[int], lines: Sequence[tuple[int, int]]) -> int:
    """How many layers a line may go down through waypoints, so that there are not too many of them."""
    spans: dict[int, int] = {}
    for a, b in lines:
        spans[a] = max(spans.get(a, 1), ranks[b] - ranks[a])
    total, longest = 0, 1
    for span in sorted(spans.values()):
        total += span - 1
        if total > MOST_WAYS:
            return longest
        longest = span
    return longest


class _Net:
    """Boxes and waypoints in layers. A waypoint stands for one value in one layer that it passes."""

    def __init__(self, boxes: Sequence[Box], ranks: list[int], lines: Sequence[tuple[int, int]]) -> None:
        self.boxes, self.ends = boxes, lines
        self.rank = list(ranks)
        self.width = [b.width for b in boxes]
        way: dict[tuple[int, int], int] = {}
        longest = _longest(ranks, lines)
        self.routes: list[list[int]] = []
        links: dict[tuple[int, int], None] = {}
        for a, b in lines:
            route = [a]
            for r in range(ranks[a] + 1, ranks[b]) if ranks[b] - ranks[a] <= longest else ():
                if (a, r) not in way:
                    way[a, r] = len(self.rank)
                    self.rank.append(r)
                    self.width.append(0.0)
                route.append(way[a, r])
            route.append(b)
            self.routes.append(route)
            if len(route) > 2 or ranks[b] - ranks[a] == 1:
                links |= dict.fromkeys(pairwise(route))
        self.above: list[list[int]] = [[] for _ in self.rank]
        self.below: list[list[int]] = [[] for _ in self.rank]
        for a, b in links:
            self.above[b].append(a)
            self.below[a].append(b)
        self.layers: list[list[int]] = [[] for _ in range(max(self.rank) + 1)]
        for i, r in enumerate(self.rank):
            self.layers[r].append(i)
        self.x = [0.0] * len(self.rank)

    def order(self) -> None:
        """Sort every layer by the mean place of its neighbours, downwards and upwards in turn."""
        at = [0.0] * len(self.rank)
        for layer in self.layers:
            for i, v in enumerate(layer):
                at[v] = float(i)
        for sweep in range(SWEEPS):
            down = sweep % 2 == 0
            near = self.above if down else self.below
            for layer in self.layers if down else reversed(self.layers):
                mean = {v: sum(at[u] for u in near[v]) / len(near[v]) if near[v] else at[v] for v in layer}
                layer.sort(key=lambda v: (mean[v], at[v]))
                for i, v in enumerate(layer):
                    at[v] = float(i)

    def place(self) -> None:
        """Draw every layer to its neighbours, keeping order and distances."""
        for layer in self.layers:
            self._settle(layer, [0.0] * len(layer))
        for sweep in range(SWEEPS):
            layers = self.layers if sweep % 2 == 0 else self.layers[::-1]
            for layer in layers:
                wanted = []
                for v in layer:
                    near = [*self.above[v], *self.below[v]]
                    wanted.append(sum(self.x[u] for u in near) / len(near) if near else self.x[v])
                self._settle(layer, wanted)

    def _settle(self, layer: list[int], wanted: list[float]) -> None:
        """The places nearest to those wanted, in the sense of least squares, at their distances."""
        shift, shifts = 0.0, []
        for i, v in enumerate(layer):
            if i:
                gap = GAP_X if self.width[layer[i - 1]] and self.width[v] else WAY
                shift += (self.width[layer[i - 1]] + self.width[v]) / 2 + gap
            shifts.append(shift)
        pools: list[list[float]] = []  # total, count
        for want, s in zip(wanted, shifts, strict=True):
            pools.append([want - s, 1.0])
            while len(pools) > 1 and pools[-2][0] / pools[-2][1] > pools[-1][0] / pools[-1][1]:
                total, count = pools.pop()
                pools[-1][0] += total
                pools[-1][1] += count
        i = 0
        for total, count in pools:
            for _ in range(int(count)):
                self.x[layer[i]] = total / count + shifts[i]
                i += 1

    def drawing(self) -> Drawing:
        """Corners and lines, moved so that the drawing starts at (0, 0)."""
        n = len(self.boxes)
        left = min(self.x[i] - self.width[i] / 2 for i in range(len(self.rank)))
        right = max(self.x[i] + self.width[i] / 2 for i in range(len(self.rank)))
        heights = [max([self.boxes[v].height for v in layer if v < n], default=0.0) for layer in self.layers]
        tops = [sum(heights[:r]) + GAP_Y * r for r in range(len(heights))]
        x = [v - left for v in self.x]
        corners = [(x[i] - b.width / 2, tops[self.rank[i]]) for i, b in enumerate(self.boxes)]
        entries = self._entries(x)
        lines = []
        for k, route in enumerate(self.routes):
            a, b = route[0], route[-1]
            points = [(x[a], corners[a][1] + self.boxes[a].height)]
            for v in route[1:-1]:
                top = tops[self.rank[v]]
                points += [(x[v], top), (x[v], top + heights[self.rank[v]])]
            lines.append((*points, (entries[k], corners[b][1])))
        return Drawing(tuple(corners), tuple(lines), right - left, tops[-1] + heights[-1])

    def _entries(self, x: list[float]) -> list[float]:
        """Where each line meets its lower box: spread over the box, in the order in which the lines come."""
        into: dict[int, list[int]] = {}
        for k, route in enumerate(self.routes):
            into.setdefault(route[-1], []).append(k)
        found = [0.0] * len(self.routes)
        for b, coming in into.items():
            coming.sort(key=lambda k: x[self.routes[k][-2]])
            room = self.boxes[b].width * 0.6
            for i, k in enumerate(coming):
                found[k] = x[b] + room * ((i + 0.5) / len(coming) - 0.5)
        return found
