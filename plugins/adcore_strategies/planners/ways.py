"""The plan of a graph within a budget: its order, what it recomputes, what its loops keep, how sub-graphs are planned.

These choices meet in one place, the bytes of the arena at each run of a sequence of nodes:

1. sequences, planned with every loop and every sub-graph at its leanest, from the fewest bytes to the least work
   (`pool`);
2. for some of them, what is left over is spent where it saves most work per byte: on the trails of loops (`stores`),
   and on sub-graphs that recompute or lead loops themselves, which have ways of their own;
3. the best is lowered: the layout places it, and if padding and gaps exceed the budget, it is done again with less.

Running example: a network around a time loop. The network needs 40 MB whatever it keeps, the loop takes the rest of
64 MB for snapshots; a sequence that forgets a layer has less to run than one that leaves the loop short.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from adcore.extend import (
    Graph,
    Node,
    Pair,
    Plan,
    Schedule,
    Trail,
    bodies,
    default_plan,
    total_work,
    work,
)

from . import stores
from .pool import Entry, Pool, Sequencer
from .sequence import Core, expand, survivors, sweep
from .sheet import Picks, Sheet

__all__ = ["Least", "Way", "Ways"]

_TRIED = 8  # sequences that are lowered at most
_RUNGS = 8  # ways of a sub-graph that leads loops itself
_GROWTH, _BLOCK = 1.02, 4  # from point to point of the grid of budgets; points of a block
_HEAVY = 0.02  # a sub-graph is planned too if it takes this part of the plain plan, or leads a loop


@dataclass(frozen=True)
class Way:
    """A plan, its bytes (the peak; of a sub-graph the arena and results that ops make), and its work."""

    plan: Plan
    nbytes: int
    work: float


@dataclass(frozen=True)
class Least:
    """The leanest way that is known, the node that binds there, if any runs, and whether none can be leaner."""

    way: Way
    node: Node | None
    proven: bool


@dataclass(frozen=True)
class _Choice:
    """One thing to choose: bytes and additional work of its options, from the leanest to the one of least work.

    pair: whose trail they are for, or None: then `keys` says which sub-graphs, and `plans` how each option plans them.
    """

    options: tuple[tuple[int, float], ...]
    nodes: frozenset[int]
    pair: Pair | None = None
    keys: tuple[tuple[int, str], ...] = ()
    plans: tuple[Plan, ...] = ()


class Ways:
    """Plans of one graph. inside: it is a sub-graph, whose inputs and outputs belong to somebody else."""

    def __init__(
        self,
        graph: Graph,
        sequencer: Sequencer | None = None,
        effort: str = "normal",
        disk: stores.Disk | None = None,
        inside: bool = False,
    ) -> None:
        self.graph, self.sequencer, self.effort, self.disk, self.inside = graph, sequencer, effort, disk, inside
        self.sheet = Sheet(graph, inside)
        self._known: dict[int, Way | None] = {}  # by points of the grid

    @cached_property
    def plain(self) -> Way:
        """Graph order, every value dropped at its last use, every trail kept whole."""
        return self._way(default_plan(self.graph, "checkpointed", "everything fits in memory"))

    @cached_property
    def unbounded(self) -> bool:
        """Whether a loop of unknown length leaves a trail: kept whole, it has no limit."""
        return any(pair.loop.length is None for pair in self.sheet.pairs)

    def within(self, budget: int) -> Way | None:
        """The way of least work that is found within a number of bytes; None if none is found.

        What each of several loops gets is an estimate, and more bytes might by chance be spent worse. So the best
        is taken of some points of a grid up to the budget, as in `pool`.
        """
        if self.plain.nbytes <= budget and not self.unbounded:
            return self.plain
        if len(self._choices) < 2 and all(choice.pair for choice in self._choices):
            return self._within(budget)
        least = self.least.way
        points = [least.nbytes]
        while points[-1] <= budget:
            points.append(int(points[-1] * _GROWTH) + 1)
        first = (len(points) - 2) // _BLOCK * _BLOCK - _BLOCK
        ways = [self._at(point) for point in points[max(first, 0) : -1]]
        found = [way for way in (least, *ways) if way is not None and way.nbytes <= budget]
        return min(found, key=lambda way: way.work, default=None)

    def _at(self, point: int) -> Way | None:
        if point not in self._known:
            self._known[point] = self._within(point)
        return self._known[point]

    def _within(self, budget: int) -> Way | None:
        target = budget
        for _ in range(_TRIED):
            over = None
            for way in self._promising(target):
                if way.nbytes <= budget:
                    return way
                over = min(over or way.nbytes, way.nbytes - budget)
            if over is None:
                break
            target -= over
        return self.least.way if self.least.way.nbytes <= budget else None

    @cached_property
    def _whole(self) -> bool:
        """Whether a trail is kept whole because no schedule can lead it: several loops read it, or none."""
        led = {pair.forward for pair in self.sheet.pairs}
        trails = (i for i, node in enumerate(self.graph.nodes) for v in node.outputs if isinstance(v.type, Trail))
        return not led.issuperset(trails)

    @cached_property
    def least(self) -> Least:
        """The leanest way that can be found, every loop and sub-graph at its leanest."""
        entry = self._pool.lean()
        way = self._lower(entry, dict.fromkeys(range(len(self._choices)), 0), None)
        occupied = sweep(self._pool.core, entry.runs).bytes
        binding = entry.runs[occupied.index(max(occupied))] if occupied else None
        node = None if binding is None else self.graph.nodes[self._pool.core.names[binding]]
        leanest = self.sheet.base + self._pool.core.base + entry.peak
        proven = self._pool.proven and way.nbytes <= leanest and all(choice.pair for choice in self._choices)
        return Least(way, node, proven and not self._whole)

    def ladder(self) -> tuple[Way, ...]:
        """Ways from the leanest to the plain one, by rising bytes and falling work."""
        found = [self.plain] if not self.unbounded else []
        if self._choices:
            low, high = self.least.way.nbytes, max(self.plain.nbytes, 2 * self.least.way.nbytes)
            budgets = np.geomspace(max(low, 1), max(high, 2), _RUNGS)
            found += [way for way in map(self.within, budgets.astype(int).tolist()) if way is not None]
        else:
            found += [self._lower(entry, {}, None) for entry in self._pool.curve(_RUNGS)]
        front: list[Way] = []
        for way in sorted(found, key=lambda way: (way.nbytes, way.work)):
            if not front or way.work < front[-1].work:
                front.append(way)
        return tuple(front)

    # --- choices -------------------------------------------------------------------------------

    @cached_property
    def _choices(self) -> tuple[_Choice, ...]:
        plain = default_plan(self.graph)
        found = [self._store(pair) for pair in self.sheet.pairs]
        known: dict[int, list[tuple[int, str, int]]] = {}
        leading = {pair.forward for pair in self.sheet.pairs}
        for i, node in enumerate(self.graph.nodes):
            length = node.params.get("length", 1)
            for name, body in bodies(node):
                if i not in leading:
                    known.setdefault(id(body), []).append((i, name, length if isinstance(length, int) else 1))
        for places in known.values():
            inner = Ways(plain.bodies[places[0][:2]].graph, self.sequencer, self.effort, self.disk, inside=True)
            if inner.sheet.pairs or inner.plain.nbytes > _HEAVY * self._plain_bytes:
                ways = inner.ladder()
                if len(ways) > 1 or inner.unbounded:
                    found.append(_body_choice(ways, places))
        return tuple(found)

    @cached_property
    def _plain_bytes(self) -> int:
        cost = default_plan(self.graph).cost
        return cost.arena_bytes + cost.fresh_bytes if self.inside else cost.peak_bytes

    def _store(self, pair: Pair) -> _Choice:
        step = total_work(default_plan(pair.pieces["again"]))
        rungs = stores.ladder(pair, step, self.disk)
        options = tuple((rung.nbytes, rung.work - rungs[-1].work) for rung in rungs)
        return _Choice(options, frozenset((pair.forward, pair.back)), pair)

    @cached_property
    def _pool(self) -> Pool:
        stored = {c.pair.forward: c.options[0][0] for c in self._choices if c.pair is not None}
        inner = {key: c.plans[0] for c in self._choices if c.pair is None for key in c.keys}
        costs = work(default_plan(self.graph))
        return Pool(self.sheet.problem(stored, inner, costs), self.sequencer, self.effort)

    # --- one budget ----------------------------------------------------------------------------

    def _promising(self, target: int) -> Iterator[Way]:
        """Plans for a number of bytes, the most promising first; the layout may make them exceed it."""
        pool = self._pool
        free = target - self.sheet.base - pool.core.base
        entries = pool.front(free, lean=bool(self._choices))
        if not self._choices:
            for entry in entries[: -_TRIED - 1 : -1]:
                yield self._lower(entry, {}, None)
            return
        rated = []
        for entry in _spread(entries, _TRIED):
            spending = _Spending(pool.core, entry, self._choices, self.sheet, free)
            spending.spend()
            rated.append((entry.cost + spending.extra, len(rated), entry, spending))
        for _, _, entry, spending in sorted(rated, key=lambda item: item[:2])[:2]:
            yield self._lower(entry, spending.levels, spending)

    def _lower(self, entry: Entry, levels: dict[int, int], spending: _Spending | None) -> Way:
        """The plan of a sequence with these options of the choices, and what is left over given to loops."""
        trails: dict[int, Schedule] = {}
        inner: dict[tuple[int, str], Plan] = {}
        for k, choice in enumerate(self._choices):
            if choice.pair is None:
                inner.update(dict.fromkeys(choice.keys, choice.plans[levels[k]]))
                continue
            nbytes = choice.options[levels[k]][0]
            if spending is not None:
                nbytes += spending.take(k, stores.whole(choice.pair) - nbytes)
            if choice.pair.loop.length is None or nbytes < stores.whole(choice.pair):
                step = total_work(default_plan(choice.pair.pieces["again"]))
                trails[choice.pair.forward] = stores.schedule(choice.pair, nbytes, step, self.disk)
        plan = self.sheet.plan(Picks(trails, inner), expand(self._pool.core, entry.runs))
        assert plan is not None, "a loop that reads a trail runs once"
        return self._way(plan)

    def _way(self, plan: Plan) -> Way:
        cost = plan.cost
        nbytes = cost.arena_bytes + cost.fresh_bytes if self.inside else cost.peak_bytes
        spilled = 0.0 if self.disk is None else self.disk.write * cost.disk_written + self.disk.read * cost.disk_read
        return Way(plan, nbytes, total_work(plan) + spilled)


def _body_choice(ways: Sequence[Way], places: Sequence[tuple[int, str, int]]) -> _Choice:
    times = sum(count for _, _, count in places)
    options = tuple((way.nbytes, (way.work - ways[-1].work) * times) for way in ways)
    keys = tuple((i, name) for i, name, _ in places)
    return _Choice(options, frozenset(i for i, _ in keys), None, keys, tuple(way.plan for way in ways))


def _spread(entries: Sequence[Entry], most: int) -> list[Entry]:
    """At most so many entries, evenly spread, the last one among them."""
    if len(entries) <= most:
        return list(entries)
    return [entries[(len(entries) - 1) * k // (most - 1)] for k in range(most)]


class _Spending:
    """What a sequence leaves over, spent on the choices."""

    def __init__(self, core: Core, entry: Entry, choices: Sequence[_Choice], sheet: Sheet, free: int) -> None:
        self.choices = choices
        self.levels = dict.fromkeys(range(len(choices)), 0)
        swept = sweep(core, entry.runs)
        self.left = free - np.array(swept.bytes or [0], dtype=np.int64)
        self.masks = [self._mask(core, swept.runs, choice, sheet) for choice in choices]

    def _mask(self, core: Core, runs: Sequence[int], choice: _Choice, sheet: Sheet) -> np.ndarray:
        """The positions of the sequence at which the bytes of a choice are taken."""
        if choice.pair is None:
            return np.array([core.names[task] in choice.nodes for task in runs] or [False])
        storage = sheet.number[choice.pair.trails[0]]
        made = [core.problem.storage[v] for t in core.names for v in core.problem.tasks[t].outputs]
        block = made.index(storage)
        held = [block in after for after in survivors(core, runs)]
        return np.array([h or core.names[t] in choice.nodes for h, t in zip(held, runs, strict=True)] or [False])

    @property
    def extra(self) -> float:
        """Work of the options chosen, over that of the best ones."""
        return sum(choice.options[self.levels[k]][1] for k, choice in enumerate(self.choices))

    def room(self, k: int) -> int:
        """Bytes that are left wherever a choice takes them."""
        mask = self.masks[k]
        return int(self.left[mask].min()) if mask.any() else 2**62

    def spend(self) -> None:
        """Raise options, the one that saves most work per byte first, until nothing fits."""
        while True:
            best = None
            for k, choice in enumerate(self.choices):
                room, level = self.room(k), self.levels[k]
                nbytes, extra = choice.options[level]
                for higher in range(level + 1, len(choice.options)):
                    more, less = choice.options[higher][0] - nbytes, extra - choice.options[higher][1]
                    if more > room:
                        break
                    rate = less / max(more, 1)
                    if best is None or rate > best[0]:
                        best = rate, k, higher, more
            if best is None:
                return
            _, k, higher, more = best
            self.left[self.masks[k]] -= more
            self.levels[k] = higher

    def take(self, k: int, most: int) -> int:
        """Of what is left, as much as a loop of known length may use; of the rest of a loop of unknown length, all."""
        pair = self.choices[k].pair
        assert pair is not None
        room = self.room(k)
        found = max(0, room if pair.loop.length is None else min(room, most))
        self.left[self.masks[k]] -= found
        return found
