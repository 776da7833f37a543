"""Planner for chains: a forward sweep a_0 -> a_1 -> ... -> a_L and a backward sweep that reads it in reverse.

`detect` finds the pattern in any core. It tries tasks as the turn (the last forward task); the forward part is what
the turn depends on, and its cuts are the points where a single block crosses. The backward tasks fall into stages
L+1, L, ..., 1: stage t may read a_t, a_{t-1} and blocks inside segment t, the tasks between the two cuts. Whatever a
backward task reads out of turn (a skip connection) merges the segments it spans, so residual blocks become segments
with a tape. Parameter cotangents, running sums and deltas all cross from stage to stage in one bundle.

`interval` then solves the contracted chain exactly in its class, for all budgets at once.

Running example: a -> b -> c forward, then delta_c, delta_b, delta_a backward: L = 3 unit segments, four stages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .blocks import Way, Ways
from .interval import Chain, Leaf, Tables, build, trace
from .problem import Problem, Steps
from .sequence import Core, Sweep, expand, fits, reduce_problem, sweep

__all__ = ["candidates", "detect", "frontier", "plan"]

_SLOT_WORK = 5_000_000  # states times memory slots a table may have: about 100 MB
_CUBE_WORK = 300_000_000  # intervals times splits times slots: about 4 s


def plan(problem: Problem, budget: int) -> Steps | None:
    """The best chain schedule within the budget in bytes; None if the problem is no chain or none fits.

    >>> from .problem import Task
    >>> tasks = [Task((0,), (1,)), Task((1,), (2,)), Task((2,), (3,)), Task((2, 1, 3), (4,)), Task((1, 0, 4), (5,))]
    >>> tiny = Problem(tuple(tasks), (0, 1, 1, 1, 1, 1), (0, 1, 2, 3, 4, 5), frozenset({0}), (5,))
    >>> sum(1 for kind, _ in plan(tiny, 4) if kind == "run")
    5
    """
    core = reduce_problem(problem)
    best = min(candidates(core, budget - core.base), key=lambda found: found.cost, default=None)
    return None if best is None else expand(core, best.runs)


def candidates(core: Core, budget: int, chain: Chain | None = None) -> list[Sweep]:
    """Sequences within the budget (bytes, without the base) from the interval tables, best first."""
    chain = chain or detect(core)
    if chain is None:
        return []
    tables = _tables(core, chain, budget + max(core.sizes, default=0))
    if tables is None:
        return []
    found: list[Sweep] = []
    # the sequence may occupy less than the tables promise, or, where sizes were rounded, a little more
    best = float("inf")
    for slot in range(tables.slots, -1, -1):
        if tables.top[slot] >= best or (
            slot < tables.slots and tables.top[slot] == tables.top[slot + 1] < best and not tables.rounded
        ):
            continue
        if tables.top[slot] == float("inf"):
            break
        runs = trace(tables, slot)
        if fits(core, runs, budget) is not None:
            swept = sweep(core, runs)
            found.append(swept)
            best = swept.cost
            if slot * tables.scale.unit <= budget - chain.reserve:
                break
    return sorted(found, key=lambda s: s.cost)


def frontier(core: Core, top: int | None = None, chain: Chain | None = None) -> list[Sweep]:
    """The curve of a chain up to `top` bytes: sequences by falling cost and rising peak, none worse than another.

    top: by default the peak of the plain order. Tables have so many slots of memory: a lower top makes them finer.
    """
    chain = chain or detect(core)
    plain = sweep(core, core.order).peak
    tables = chain and _tables(core, chain, plain if top is None else min(top, plain))
    if not chain or not tables:
        return []
    found: dict[int, Sweep] = {}
    for slot in range(tables.slots + 1):
        if tables.top[slot] < float("inf") and (slot == 0 or tables.top[slot] < tables.top[slot - 1]):
            swept = sweep(core, trace(tables, slot))
            if swept.peak not in found or swept.cost < found[swept.peak].cost:
                found[swept.peak] = swept
    curve: list[Sweep] = []
    for peak in sorted(found):
        if not curve or found[peak].cost < curve[-1].cost:
            curve.append(found[peak])
    return curve


def _tables(core: Core, chain: Chain, top: int) -> Tables | None:
    length = len(chain.sizes)
    slots = min(_SLOT_WORK // length**2, 6 * _CUBE_WORK // length**3, 1000)
    top = min(top, sweep(core, core.order).peak) - chain.reserve
    return build(chain, top, slots) if slots >= 20 and top >= 0 else None


def detect(core: Core) -> Chain | None:
    """The chain inside the core with the most segments, or None if there is none with at least two."""
    ancestors: list[int] = []
    for task, blocks in enumerate(core.ins):
        own = 1 << task
        for b in blocks:
            own |= ancestors[core.maker[b]]
        ancestors.append(own)
    occupied = sweep(core, core.order).bytes
    turns = list(range(len(core.ins)))
    if len(turns) > 256:  # the turn is where most lives: look around there only
        middle = occupied.index(max(occupied))
        turns = [t for t in turns if abs(t - middle) <= 64]
    counted = []
    for turn in turns:
        forward = [t for t in range(turn + 1) if ancestors[turn] >> t & 1]
        cuts = _cuts(core, forward)
        if len(cuts) >= 2:
            counted.append((-len(cuts), turn, forward, cuts))
    best: _Shape | None = None
    for number, _, forward, cuts in sorted(counted)[:24]:
        if best is not None and -number <= len(best.cuts):
            break
        shape = _settle(core, forward, cuts)
        if shape is not None and len(shape.cuts) >= 2 and (best is None or len(shape.cuts) > len(best.cuts)):
            best = shape
    return None if best is None else _contract(core, best)


@dataclass
class _Shape:
    """Forward tasks, the positions in it after which a single block crosses, and the stage of each other task."""

    forward: list[int]
    cuts: list[int]
    stage: dict[int, int]


def _cuts(core: Core, forward: Sequence[int]) -> list[int]:
    """Positions of `forward` after which exactly one block crosses to later forward tasks; the last always counts."""
    last: dict[int, int] = {}
    for position, task in enumerate(forward):
        for b in core.ins[task]:
            last[b] = position
    crossing: set[int] = set()
    cuts: list[int] = []
    for position, task in enumerate(forward):
        crossing = {b for b in crossing | set(core.outs[task]) if last.get(b, -1) > position}
        if len(crossing) == 1 or position == len(forward) - 1:
            cuts.append(position)
    return cuts


def _cut_block(core: Core, forward: Sequence[int], position: int) -> int | None:
    """The block that crosses the cut after `position`; at the end the one output of the turn, if it has one."""
    if position == len(forward) - 1:
        return core.outs[forward[-1]][0] if len(core.outs[forward[-1]]) == 1 else None
    later = {b for task in forward[position + 1 :] for b in core.ins[task]}
    made = {b for task in forward[: position + 1] for b in core.outs[task]}
    return next(iter(later & made))


def _settle(core: Core, forward: list[int], cuts: list[int]) -> _Shape | None:
    """Merge segments until every backward task reads only its own segment and the two cuts around it."""
    inside = set(forward)
    others = [t for t in core.order if t not in inside]
    blocks = {position: _cut_block(core, forward, position) for position in cuts}
    if not others or blocks[cuts[-1]] is None:
        return None
    read = {b for t in others for b in core.ins[t]}
    cuts = _worth(core, cuts, blocks, read)
    at = {b: position for position, task in enumerate(forward) for b in core.outs[task]}
    while len(cuts) >= 2:
        segment = [0] * len(forward)
        for index, position in enumerate(cuts):
            start = cuts[index - 1] + 1 if index else 0
            segment[start : position + 1] = [index + 1] * (position + 1 - start)
        ends = {blocks[position]: index + 1 for index, position in enumerate(cuts)}
        stage, clash = _stages(core, others, at, segment, ends)
        if clash is None:
            return _Shape(forward, cuts, stage)
        low, high = clash
        cuts = cuts[: low - 1] + cuts[high - 1 :]
    return None


def _worth(core: Core, cuts: list[int], blocks: dict[int, int | None], read: set[int]) -> list[int]:
    """Cuts whose block the backward part reads, or is smaller than both neighbours; keeping others never pays."""
    kept: list[int] = []
    for index, position in enumerate(cuts):
        b = blocks[position]
        near = [blocks[cuts[i]] for i in (index - 1, index + 1) if 0 <= i < len(cuts)]
        small = b is not None and all(n is not None and core.sizes[b] < core.sizes[n] for n in near)
        if b in read or small or position == cuts[-1]:
            kept.append(position)
    return kept


def _stages(
    core: Core, others: list[int], at: dict[int, int], segment: list[int], ends: dict[int | None, int]
) -> tuple[dict[int, int], tuple[int, int] | None]:
    """Stage of every backward task, as early as its inputs allow; and a pair of segments to merge, if one must."""
    last = segment[-1] + 1
    stage: dict[int, int] = {}
    loose: list[int] = []
    for task in others:
        limit = last
        for b in core.ins[task]:
            home = segment[at[b]] if b in at else stage[core.maker[b]]
            limit = min(limit, home + 1 if b in ends else home)
        if not core.ins[task]:
            loose.append(task)
        stage[task] = limit
        for b in core.ins[task]:
            if b in at and segment[at[b]] > limit:
                return stage, (limit, segment[at[b]])
    for task in reversed(loose):  # reads given values only: run it when it is first wanted
        readers = [stage[r] for b in core.outs[task] for r in core.readers[b] if r in stage]
        if readers and not any(b in core.final for b in core.outs[task]):
            stage[task] = max(readers)
    return stage, None


def _contract(core: Core, shape: _Shape) -> Chain:
    """Sizes, costs and transient bytes of every segment and stage, measured by liveness on their task lists."""
    length = len(shape.cuts)
    made = {b for t in shape.forward for b in core.outs[t]}
    fixed = made.intersection(core.final)
    sizes = [0 if b in fixed else size for b, size in enumerate(core.sizes)]
    starts = [0, *(position + 1 for position in shape.cuts)]
    walks = [shape.forward[starts[i] : starts[i + 1]] for i in range(length)] + [[]]
    ends = [_cut_block(core, shape.forward, position) for position in shape.cuts]
    left: list[int | None] = [None, *ends]
    right: list[int | None] = [*ends, None]
    stages: list[list[int]] = [[] for _ in range(length + 1)]
    for task, number in sorted(shape.stage.items()):
        stages[number - 1].append(task)
    bundles = _bundles(core, shape.stage, length)
    meter = _Meter(core, sizes)
    cells = [meter.cell(walks[i], stages[i], left[i], right[i], bundles[i]) for i in range(length + 1)]
    return Chain(
        sizes=(0, *(sizes[b] for b in ends if b is not None), 0),
        carried=tuple(sum(sizes[b] for b in bundles[i + 1]) for i in range(length + 1)),
        leaves=tuple(cells),
        reserve=sum(core.sizes[b] for b in fixed),
    )


def _bundles(core: Core, stage: dict[int, int], length: int) -> list[set[int]]:
    """Per boundary i (after stage i + 1 has run), the backward blocks that stages i, ..., 1 or the end still need."""
    bundles: list[set[int]] = [set() for _ in range(length + 2)]
    for task, number in stage.items():
        for b in core.outs[task]:
            stop = 0 if b in core.final else min([number, *(stage[r] for r in core.readers[b])])
            for boundary in range(stop, number):
                bundles[boundary].add(b)
    return bundles


class _Meter:
    """Measures task lists by backward liveness."""

    def __init__(self, core: Core, sizes: list[int]) -> None:
        self.core, self.sizes = core, sizes
        self.load = [
            load - sum(core.sizes[b] - sizes[b] for b in outs) for load, outs in zip(core.load, core.outs, strict=True)
        ]
        self.blocks = Ways(core, sizes, self.load)

    def cell(self, walk: list[int], stage: list[int], left: int | None, right: int | None, after: set[int]) -> Leaf:
        """Everything the tables need to know about one segment and its stage."""
        core, sizes = self.core, self.sizes
        inside = {b for t in walk for b in core.outs[t]}
        # a wanted forward block counts as read by the stage and lives on, so that no reversal goes without making it
        wanted = inside.intersection(core.final)
        read = {b for t in stage for b in core.ins[t]} | wanted
        tape = (read & inside) - {right}
        keep_left = after | ({left} if left is not None else set())
        end = {right} if right is not None else set()
        small = sizes[left] if left is not None else 0
        big = sizes[right] if right is not None else 0
        fresh = self._demand(walk, read & inside, set())
        again = self._demand(walk, tape, end)
        stay = {left} if left is not None else set()
        return Leaf(
            walk=tuple(walk),
            stage=tuple(stage),
            fresh=self._ways([*fresh, *stage], keep_left | wanted, set(), small, bool(tape)),
            again=self._ways([*again, *stage], keep_left | wanted - end, end, small + big, bool(tape)),
            walk_cost=sum(core.cost[t] for t in walk),
            stage_cost=sum(core.cost[t] for t in stage),
            walk_first=self.peak(walk, stay | end) - small,
            walk_on=self.peak(walk, end),
            walk_tape=self.peak(walk, stay | end | tape) - small,
            tape=sum(sizes[b] for b in tape),
            tape_need=self.peak(stage, keep_left) - small,
            peel_need=self.peak(stage, after),
            reads_left=left is not None and left in read,
            reads_right=right is not None and right in read,
        )

    def _ways(self, tasks: list[int], after: set[int], held: set[int], paid: int, search: bool) -> tuple[Way, ...]:
        """Ways to run the tasks; bytes without those of the resident blocks, which are `paid` for elsewhere."""
        found = self.blocks.find(tasks, after, held, search)
        return tuple(Way(way.need - paid, way.cost, way.runs) for way in found)

    def _demand(self, walk: list[int], wanted: set[int], have: set[int]) -> list[int]:
        """Tasks of the segment that make `wanted` from the block before the segment and `have`."""
        need, picked = set(wanted), []
        for task in reversed(walk):
            if need.intersection(self.core.outs[task]):
                picked.append(task)
                need.update(b for b in self.core.ins[task] if b not in have)
        return picked[::-1]

    def peak(self, tasks: Sequence[int], after: set[int] | set[int | None]) -> int:
        """Most bytes alive during the tasks when `after` lives at the end."""
        alive = {b for b in after if b is not None}
        held = peak = sum(self.sizes[b] for b in alive)
        for task in reversed(tasks):
            for b in self.core.outs[task]:
                if b in alive:
                    alive.remove(b)
                    held -= self.sizes[b]
            for b in self.core.ins[task]:
                if b not in alive:
                    alive.add(b)
                    held += self.sizes[b]
            peak = max(peak, held + self.load[task])
        return peak
