"""Interval tables of a chain: the least cost of reversing any interval with any amount of free memory.

Our derivation, at the level of tensors. Positions 0..L+1; a_i lives at position i (nothing lives at 0 and L+1);
stage t turns delta_t into delta_{t-1} and may read a_t, a_{t-1} and the tape (inner blocks) of segment t. For an
interval (s, t) with a_s resident and paid for, and M further bytes:

    P(s, t, M): a_t is not there.          Q(s, t, M): a_t is there, paid outside M, and freed when it is not needed.

    P(t-1, t) = rerun what stage t reads of segment t, then stage t
    Q(t-1, t) = the same, with a_t at hand
    P(s, t, M) = min over s < j < t of walk(s, j) + P(j, t, M - m_j) + Q(s, j, M - m_j)
    Q(s, t, M) = min over s < j < t of walk(s, j) + Q(j, t, M - m_j) + Q(s, j, M - m_j + m_t)
    P(s, t, M) <= walk(s, t) + Q(s, t, M - m_t)           compute a_t first
    Q(s, t, M) <= P(s, t, M + m_t)                        throw a_t away
    tape:  keep the tape of segment s+1 on the first walk, reverse (s+1, t), then run stage s+1 without a rerun
    peel:  when stage t does not read a_{t-1}, run it first and go on with (s, t-1)

Every option is void below the bytes its walk or stage occupies, deltas included. With all blocks of a stage equal to
its tape this is rotor's recursion (Beaumont, Herrmann, Pallez, Shilova 2020, "Optimal memory-aware backpropagation of
deep join networks") without paying twice for an output that is also the tape of the next stage.

Complexity: L^2/2 intervals, each one vector operation over at most L splits and all memory slots.

Running example: ten unit segments in 6 units of memory cost 32 runs instead of 21.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .blocks import Way

__all__ = ["Chain", "Leaf", "Tables", "build", "trace"]

_Array = NDArray[np.float64]
_INF = math.inf


@dataclass(frozen=True)
class Leaf:
    """One segment and its stage.

    walk, stage: tasks.   fresh, again: ways to run the stage and what it needs of the segment, without and with a_t
    at hand; their bytes include the deltas, but not the resident blocks.
    walk_first, walk_on, walk_tape: bytes of walking with a_{t-1} kept (and not counted), freed, kept with the tape.
    tape_need, peel_need: bytes of the stage, deltas included, with the tape resident, and before a_{t-1} is there.
    """

    walk: tuple[int, ...]
    stage: tuple[int, ...]
    fresh: tuple[Way, ...]
    again: tuple[Way, ...]
    walk_cost: float
    stage_cost: float
    walk_first: int
    walk_on: int
    walk_tape: int
    tape: int
    tape_need: int
    peel_need: int
    reads_left: bool
    reads_right: bool


@dataclass(frozen=True)
class Chain:
    """sizes: bytes of a_0..a_{L+1}.   carried: bytes of the bundle before stages 1..L+1.   leaves: segments 1..L+1.

    reserve: bytes of wanted forward blocks, charged all the time.
    """

    sizes: tuple[int, ...]
    carried: tuple[int, ...]
    leaves: tuple[Leaf, ...]
    reserve: int


@dataclass(frozen=True)
class Tables:
    """P and Q of every interval over memory slots of `unit` bytes, stored shifted by what their ends occupy.

    p_left[t][s]: P(s, t, M - m_s).   q_left[t][s]: Q(s, t, M - m_s).   q_right[s][t - s]: Q(s, t, M - m_t).
    top: P(0, L+1) by slot.   rounded: sizes are not multiples of the unit, so a traced plan may be off by a little.
    """

    scale: _Scale
    slots: int
    rounded: bool
    top: _Array
    p_left: list[_Array]
    q_left: list[_Array]
    q_right: list[_Array]


def build(chain: Chain, top: int, most: int) -> Tables:
    """Tables for budgets up to `top` bytes with at most `most` memory slots; exact when the sizes allow it."""
    sizes = chain.sizes
    leaves = chain.leaves
    amounts = [*sizes, *chain.carried]
    for leaf in leaves:
        amounts += [leaf.walk_first, leaf.walk_on, leaf.walk_tape, leaf.tape]
        amounts += [leaf.tape_need, leaf.peel_need, *(way.need for way in (*leaf.fresh, *leaf.again))]
    unit = math.gcd(*amounts) or 1
    rounded = top // unit > most
    if rounded:
        unit = -(-top // most)
    return _Builder(_Scale(chain, unit), max(0, top // unit), rounded).fill()


class _Scale:
    """A chain in memory slots."""

    def __init__(self, chain: Chain, unit: int) -> None:
        self.chain, self.unit = chain, unit
        self.end = len(chain.sizes) - 1
        # nearest, not up: a hundred blocks rounded up would waste fifty slots; the caller checks the bytes
        self.sizes = [(2 * size + unit) // (2 * unit) for size in chain.sizes]
        self.walk_cost = np.concatenate([[0.0], np.cumsum([leaf.walk_cost for leaf in chain.leaves])])
        self.walk_need = np.zeros((self.end + 1, self.end + 1), dtype=np.int64)
        for s in range(self.end):  # bytes of walking from s to j with a_s kept and not counted, without the bundle
            most = 0
            for j in range(s + 1, self.end):
                leaf = chain.leaves[j - 1]
                most = max(most, leaf.walk_first if j == s + 1 else leaf.walk_on)
                self.walk_need[s, j] = most

    def slot(self, amount: int) -> int:
        """The first slot with that many bytes."""
        return max(0, -(-amount // self.unit))

    def walk_slot(self, s: int, j: int, t: int) -> int:
        """The first slot in which one can walk from s to j before reversing up to t."""
        return self.slot(int(self.walk_need[s, j]) + self.chain.carried[t - 1])


class _Builder:
    """Fills the tables by increasing interval length."""

    def __init__(self, scale: _Scale, slots: int, rounded: bool) -> None:
        self.scale, self.slots, self.rounded = scale, slots, rounded
        end, width = scale.end, slots + 1
        self.grid = np.arange(width)
        self.p_left = [np.full((t, width), _INF) for t in range(end + 1)]
        self.q_left = [np.full((t, width), _INF) for t in range(end + 1)]
        self.q_right = [np.full((end + 1 - s, width), _INF) for s in range(end + 1)]

    def fill(self) -> Tables:
        end, sizes = self.scale.end, self.scale.sizes
        top = np.full(self.slots + 1, _INF)
        for span in range(1, end + 1):
            for s in range(end + 1 - span):
                t = s + span
                p, q = self._interval(s, t)
                self.p_left[t][s] = _shift(p, -sizes[s])
                self.q_left[t][s] = _shift(q, -sizes[s])
                self.q_right[s][t - s] = _shift(q, -sizes[t])
                top = p
        return Tables(self.scale, self.slots, self.rounded, top, self.p_left, self.q_left, self.q_right)

    def _interval(self, s: int, t: int) -> tuple[_Array, _Array]:
        scale = self.scale
        leaf, here = scale.chain.leaves[t - 1], scale.sizes[t]
        p = np.full(self.slots + 1, _INF)
        q = np.full(self.slots + 1, _INF)
        if s == t - 1:
            for table, ways in ((p, leaf.fresh), (q, leaf.again)):
                for way in ways:
                    np.minimum(table, np.where(self.grid >= scale.slot(way.need), way.cost, _INF), out=table)
        else:
            walk = (scale.walk_cost[s + 1 : t] - scale.walk_cost[s])[:, None]
            need = -(-(scale.walk_need[s, s + 1 : t] + scale.chain.carried[t - 1]) // scale.unit)
            void = self.grid < need[:, None]
            right = self.q_right[s][1 : t - s]
            for table, rest, last in ((p, self.p_left, right), (q, self.q_left, _shift(right, here))):
                split = walk + rest[t][s + 1 : t] + last
                split[void] = _INF
                np.minimum(table, split.min(axis=0), out=table)
            self._tape(s, t, p, q)
            self._peel(s, t, p, q)
        if t < scale.end:
            first = scale.walk_cost[t] - scale.walk_cost[s] + _shift(q, -here)
            first[: scale.walk_slot(s, t, t)] = _INF
            p = np.minimum(p, first)
        return p, np.minimum(q, _shift(p, here))

    def _tape(self, s: int, t: int, p: _Array, q: _Array) -> None:
        """Keep the tape of segment s+1 while (s+1, t) is reversed."""
        scale, leaf = self.scale, self.scale.chain.leaves[s]
        if not leaf.tape:
            return
        held = scale.slot(leaf.tape)
        need = scale.slot(leaf.walk_tape + scale.chain.carried[t - 1])
        done = np.full(self.slots + 1, _INF)
        done[scale.slot(leaf.tape_need) :] = leaf.stage_cost
        for table, rest, last in ((p, self.p_left, done), (q, self.q_left, _shift(done, scale.sizes[t]))):
            value = leaf.walk_cost + _shift(rest[t][s + 1], -held) + last
            value[:need] = _INF
            np.minimum(table, value, out=table)

    def _peel(self, s: int, t: int, p: _Array, q: _Array) -> None:
        """Run stage t before a_{t-1} is there."""
        scale, leaf = self.scale, self.scale.chain.leaves[t - 1]
        if leaf.reads_left or leaf.tape:
            return
        here = scale.sizes[t]
        before = _shift(self.p_left[t - 1][s], scale.sizes[s])
        if not leaf.reads_right:
            value = leaf.stage_cost + before
            value[: scale.slot(leaf.peel_need)] = _INF
            np.minimum(p, value, out=p)
        value = leaf.stage_cost + _shift(before, here)
        value[: max(0, scale.slot(leaf.peel_need) - here)] = _INF
        np.minimum(q, value, out=q)


def _shift(table: _Array, by: int) -> _Array:
    """The table at M + by slots: infinite below none, and constant above the last slot."""
    if by == 0:
        return table
    width = table.shape[-1]
    out = np.full_like(table, _INF)
    if by < 0:
        if -by < width:
            out[..., -by:] = table[..., : width + by]
    else:
        keep = max(0, width - by)
        out[..., :keep] = table[..., width - keep :]
        out[..., keep:] = table[..., -1:]
    return out


def trace(tables: Tables, slot: int) -> list[int]:
    """The run sequence behind `tables.top[slot]`, which must be finite.

    It takes the decisions of the tables again, one interval at a time. An interval that threw a_t away must not make
    it again at once, nor the reverse: `settled` intervals may do neither.
    """
    leaves = tables.scale.chain.leaves
    runs: list[int] = []
    todo: list[_State | tuple[int, ...]] = [_State(False, 0, tables.scale.end, slot, False)]
    while todo:
        state = todo.pop()
        if isinstance(state, tuple):
            runs.extend(state)
            continue
        options = [*_ends(tables, state), *_splits(tables, state)]
        cost, parts = min(options, key=lambda option: option[0])
        assert cost < _INF, "a finite entry has a finite option"
        todo.extend(
            tuple(task for i in part for task in leaves[i].walk) if isinstance(part, range) else part
            for part in reversed(parts)
        )
    return runs


@dataclass(frozen=True)
class _State:
    """Interval (s, t) with `free` slots; a_t resident or not."""

    resident: bool
    s: int
    t: int
    free: int
    settled: bool


_Part = _State | tuple[int, ...] | range
_Option = tuple[float, list[_Part]]


def _value(tables: Tables, resident: bool, s: int, t: int, free: int) -> float:
    if free < 0:
        return _INF
    table = tables.q_left if resident else tables.p_left
    return float(table[t][s][min(free + tables.scale.sizes[s], tables.slots)])


def _splits(tables: Tables, state: _State) -> list[_Option]:
    """The best middle position, if there is one."""
    scale, s, t, free = tables.scale, state.s, state.t, state.free
    if t - s < 2:
        return []
    here = scale.sizes[t] if state.resident else 0
    rest = (tables.q_left if state.resident else tables.p_left)[t][s + 1 : t, free]
    last = tables.q_right[s][1 : t - s, min(free + here, tables.slots)]
    value = scale.walk_cost[s + 1 : t] - scale.walk_cost[s] + rest + last
    need = -(-(scale.walk_need[s, s + 1 : t] + scale.chain.carried[t - 1]) // scale.unit)
    value[free < need] = _INF
    j = s + 1 + int(value.argmin())
    held = scale.sizes[j]
    parts: list[_Part] = [
        range(s, j),
        _State(state.resident, j, t, free - held, False),
        _State(True, s, j, min(free - held + here, tables.slots), False),
    ]
    return [(float(value[j - s - 1]), parts)]


def _ends(tables: Tables, state: _State) -> list[_Option]:
    """Leaf, tape, peel, and changing whether a_t is resident."""
    scale, s, t, free = tables.scale, state.s, state.t, state.free
    leaf, here = scale.chain.leaves[t - 1], scale.sizes[t]
    more = min(free + here, tables.slots) if state.resident else free
    found: list[_Option] = []
    if t - s == 1:
        ways = leaf.again if state.resident else leaf.fresh
        found += [(way.cost, [way.runs]) for way in ways if free >= scale.slot(way.need)]
    else:
        first, held = scale.chain.leaves[s], scale.slot(scale.chain.leaves[s].tape) + scale.sizes[s + 1]
        room = free >= scale.slot(first.walk_tape + scale.chain.carried[t - 1])
        if first.tape and room and more >= scale.slot(first.tape_need):
            value = _value(tables, state.resident, s + 1, t, free - held)
            rest = _State(state.resident, s + 1, t, free - held, False)
            found.append((first.walk_cost + first.stage_cost + value, [range(s, s + 1), rest, first.stage]))
        if not (leaf.reads_left or leaf.tape or (leaf.reads_right and not state.resident)):
            value = _value(tables, False, s, t - 1, more) if more >= scale.slot(leaf.peel_need) else _INF
            found.append((leaf.stage_cost + value, [leaf.stage, _State(False, s, t - 1, more, False)]))
    if not state.settled and state.resident:
        found.append((_value(tables, False, s, t, more), [_State(False, s, t, more, True)]))
    elif not state.settled and t < scale.end and free >= scale.walk_slot(s, t, t):
        walk = float(scale.walk_cost[t] - scale.walk_cost[s])
        value = _value(tables, True, s, t, free - here)
        found.append((walk + value, [range(s, t), _State(True, s, t, free - here, True)]))
    return found
