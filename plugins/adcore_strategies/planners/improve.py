"""Local search on run sequences: anneal a feasible schedule towards a cheaper one within the same budget.

Moves, each followed by `fill`, which removes every recomputation that the memory left over can pay for:
- forget: remove a recomputation and its neighbours, which breaks the budget somewhere, and repair it otherwise;
- trade: evict a block somewhere it is only carried, recompute it before its next use, and spend what that frees;
- shift: run a task earlier or later between the producers of its inputs and the readers of its outputs.

`repair` brings a sequence under the budget: where too much lives, it evicts the block with the least cost of
recomputing per byte of overflow removed. A dead input of a recomputation is carried on if that fits, else
recomputed in turn. Deterministic: a fixed seed, and a limit on work counted in runs looked at, never a clock.

Running example: in a -> b -> c -> d with a needed at the end, evicting a during c inserts a second run of a.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .problem import Problem, Steps
from .sequence import Core, Sweep, expand, fits, reduce_problem, sweep

__all__ = ["improve", "plan", "repair", "squeeze"]


def plan(problem: Problem, budget: int, work: int = 500_000) -> Steps | None:
    """A schedule within the budget (bytes) by repair of the graph order and local search, or None.

    >>> from .problem import Task
    >>> chain = Problem((Task((0,), (1,)), Task((1,), (2,))), (4, 8, 8), (0, 1, 2), frozenset({0}), (2,))
    >>> plan(chain, 20)
    (('run', 0), ('run', 1), ('drop', 1))
    """
    core = reduce_problem(problem)
    start = repair(core, core.order, budget - core.base)
    return None if start is None else expand(core, improve(core, start, budget - core.base, work).runs)


def improve(core: Core, runs: Sequence[int], budget: int, work: int, seed: int = 0, floor: float = 0.0) -> Sweep:
    """The cheapest sequence found from a feasible one within the budget (bytes, without the base).

    work: runs looked at before it stops, about 2 million per second.   floor: stop at this cost, it cannot be beaten.
    """
    search = _Search(core, budget, seed)
    floor = max(floor, core.least_cost) * (1 + 1e-12)
    current = search.fill(sweep(core, runs))
    best = current
    spread = max(core.cost, default=1.0) or 1.0
    while search.work < work and best.cost > floor:
        heat = spread * 0.6 * (1.0 - search.work / work) ** 2
        trial = search.move(current)
        search.work += 20
        if trial is None:
            continue
        if trial.cost <= current.cost + heat * -math.log(1.0 - search.random.random()):
            current = trial
        if trial.cost < best.cost:
            best = trial
        elif search.random.random() < 0.004:
            current = best
    return best


def repair(core: Core, runs: Sequence[int], budget: int, seed: int | None = None) -> list[int] | None:
    """The sequence with evictions inserted until its peak is within the budget (bytes, without the base), or None.

    seed: with one, scores are noisy, for another attempt.
    """
    search = _Search(core, budget, seed or 0)
    found = search.repair(sweep(core, runs), noise=0.0 if seed is None else 0.5, patience=3 * len(core.ins) + 20)
    return None if found is None else found.runs


def squeeze(core: Core, runs: Sequence[int], work: int, floor: int) -> Sweep:
    """The sequence with the least peak found by repairing below the peak again and again (bytes, without the base)."""
    best = sweep(core, runs)
    spent, failures, seed = 0, 0, 0
    start = best
    while best.peak > floor and spent < work and failures < 12:
        target = best.peak - 1
        seed += 1
        search = _Search(core, target, seed)
        found = search.repair(start, noise=0.2 * (failures % 5), patience=2 * len(core.ins) + 20)
        spent += search.work + len(start.runs)
        if found is None:
            failures += 1
            start = sweep(core, core.order) if failures % 3 == 0 else best
        else:
            best = start = found
            failures = 0
    return best


@dataclass(frozen=True)
class _Gap:
    """A stretch (start, stop) of positions over which a block is carried but not touched."""

    block: int
    start: int
    stop: int


class _Search:
    """One search: a core, a budget, a random source and the work done so far."""

    def __init__(self, core: Core, budget: int, seed: int) -> None:
        self.core, self.budget = core, budget
        self.random = random.Random(seed)
        self.work = 0
        self.in_mask = [sum(1 << b for b in blocks) for blocks in core.ins]
        self.out_mask = [sum(1 << b for b in blocks) for blocks in core.outs]
        self.final = sum(1 << b for b in core.final)
        self.end = sum(core.sizes[b] for b in core.final) + core.end_scratch

    def sweep(self, runs: Sequence[int]) -> Sweep:
        self.work += len(runs)
        return sweep(self.core, runs)

    def alive(self, runs: Sequence[int]) -> list[int]:
        """Per position, and at the end, the set of blocks alive before the run there, as a bit mask."""
        self.work += len(runs) // 2
        mask = self.final
        masks = [mask]
        ins, outs = self.in_mask, self.out_mask
        for task in reversed(runs):
            mask = mask & ~outs[task] | ins[task]
            masks.append(mask)
        masks.reverse()
        return masks

    # moves

    def move(self, current: Sweep) -> Sweep | None:
        """A neighbour within the budget, or None if the move led nowhere."""
        draw = self.random.random()
        if draw < 0.5:
            runs = self._forget(current.runs)
        elif draw < 0.8:
            runs = self._trade(current)
        else:
            runs = self._shift(current.runs)
        if runs is None:
            return None
        found = self.repair(self.sweep(runs), noise=0.6, patience=12)
        return None if found is None else self.fill(found)

    def _repeats(self, runs: Sequence[int]) -> list[int]:
        seen: set[int] = set()
        found = []
        for position, task in enumerate(runs):
            if task in seen:
                found.append(position)
            seen.add(task)
        return found

    def _forget(self, runs: list[int]) -> list[int] | None:
        repeats = self._repeats(runs)
        if not repeats:
            return None
        middle = self.random.randrange(len(repeats))
        size = 1 if self.random.random() < 0.5 else self.random.randint(2, 6)
        chosen = {p for p in repeats[middle : middle + size] if self.random.random() < 0.8 or p == repeats[middle]}
        if self.random.random() < 0.15:  # all recomputations of one task
            task = runs[repeats[middle]]
            chosen |= {p for p in repeats if runs[p] == task}
        return [task for position, task in enumerate(runs) if position not in chosen]

    def _trade(self, current: Sweep) -> list[int] | None:
        position = self.random.randrange(len(current.runs))
        alive = self.alive(current.runs)
        gaps = self.gaps(current.runs, position, alive)
        if not gaps:
            return None
        gap = gaps[self.random.randrange(len(gaps))]
        return self.evict(current, gap, alive)

    def _shift(self, runs: list[int]) -> list[int] | None:
        position = self.random.randrange(len(runs))
        task = runs[position]
        ins, outs = self.in_mask, self.out_mask
        low = position
        while low > 0 and not outs[runs[low - 1]] & ins[task] and runs[low - 1] != task:
            low -= 1
        high = position
        while high + 1 < len(runs) and not ins[runs[high + 1]] & outs[task] and runs[high + 1] != task:
            high += 1
        target = self.random.choice((low, high, self.random.randint(low, high)))
        if target == position:
            return None
        rest = runs[:position] + runs[position + 1 :]
        return [*rest[:target], task, *rest[target:]]

    # evictions

    def gaps(self, runs: Sequence[int], position: int, alive: list[int]) -> list[_Gap]:
        """Every block carried over the run at `position` without being touched there, with its stretch."""
        core, final = self.core, len(runs)
        task = runs[position]
        open_ = alive[position] & alive[position + 1] & ~self.in_mask[task] & ~self.out_mask[task]
        stops: dict[int, int] = {}
        left = open_
        for p in range(position + 1, final):
            hit = left & self.in_mask[runs[p]]
            if hit:
                left &= ~hit
                for b in _bits(hit):
                    stops[b] = p
                if not left:
                    break
        for b in _bits(left):
            stops[b] = final
        found: list[_Gap] = []
        left = open_
        for p in range(position - 1, -1, -1):
            hit = left & (self.in_mask[runs[p]] | self.out_mask[runs[p]])
            if hit:
                left &= ~hit
                found += [_Gap(b, p, stops[b]) for b in _bits(hit) if core.sizes[b]]
                if not left:
                    break
        self.work += final // 2
        return found

    def remake_cost(self, block: int, alive: int, limit: float) -> float:
        """Cost of making the block where the blocks in `alive` live, recomputing every dead input.

        Given up as soon as it reaches the limit.
        """
        core = self.core
        stack = [core.maker[block]]
        seen = set(stack)
        total = 0.0
        while stack:
            task = stack.pop()
            total += core.cost[task]
            if total >= limit:
                break
            for b in _bits(self.in_mask[task] & ~alive):
                maker = core.maker[b]
                if maker not in seen:
                    seen.add(maker)
                    stack.append(maker)
        self.work += len(seen)
        return total

    def evict(self, current: Sweep, gap: _Gap, alive: list[int]) -> list[int]:
        """The sequence in which the block is recomputed at the end of the gap instead of carried over it."""
        core, runs = self.core, current.runs
        there = alive[gap.stop]
        chain: list[int] = []
        done: set[int] = set()
        stack = [core.maker[gap.block]]
        while stack:  # depth first: what a task reads is made just before it
            task = stack[-1]
            if task in done:
                stack.pop()
                if task not in chain:
                    chain.append(task)
                continue
            done.add(task)
            stack.extend(
                core.maker[b]
                for b in _bits(self.in_mask[task] & ~there)
                if core.maker[b] not in done and not self._carries(current, b, gap)
            )
        return [*runs[: gap.stop], *chain, *runs[gap.stop :]]

    def _carries(self, current: Sweep, block: int, gap: _Gap) -> bool:
        """Whether a dead block may live on until the end of the gap within the budget."""
        size, bit = self.core.sizes[block], 1 << block
        freed = self.core.sizes[gap.block]
        position = gap.stop - 1
        while position >= 0:
            task = current.runs[position]
            if (self.in_mask[task] | self.out_mask[task]) & bit:
                return self.random.random() < 0.9
            spare = freed if position > gap.start else 0
            if current.bytes[position] + size - spare > self.budget:
                return False
            position -= 1
        return False

    def repair(self, current: Sweep, noise: float, patience: int) -> Sweep | None:
        """Evict until nothing exceeds the budget; None when nothing helps or patience ends."""
        budget = self.budget
        if self.end > budget:
            return None
        limit = 8 * len(self.core.ins) + 200
        for _ in range(patience):
            if current.peak <= budget:
                return current
            if len(current.runs) > limit:
                return None
            over = [p for p, b in enumerate(current.bytes) if b > budget]
            position = max(over, key=lambda p: (current.bytes[p], -p)) if noise == 0 else self.random.choice(over)
            alive = self.alive(current.runs)
            gaps = self.gaps(current.runs, position, alive)
            if not gaps:
                return None
            current = self.sweep(self.evict(current, self._cheapest(current, gaps, alive, over, noise), alive))
        return current if current.peak <= budget else None

    def _cheapest(self, current: Sweep, gaps: list[_Gap], alive: list[int], over: list[int], noise: float) -> _Gap:
        """The gap with the least cost of remaking its block per byte of overflow removed."""
        excess = np.array([current.bytes[p] - self.budget for p in over])
        best, chosen = math.inf, gaps[0]
        for gap in gaps:
            inside = excess[bisect_right(over, gap.start) : bisect_left(over, gap.stop)]
            gain = int(np.minimum(inside, self.core.sizes[gap.block]).sum())
            factor = (math.exp(noise * self.random.gauss(0.0, 1.0)) if noise else 1.0) / gain
            price = (self.remake_cost(gap.block, alive[gap.stop], best / factor) + 1e-9) * factor
            if price < best:
                best, chosen = price, gap
        return chosen

    # filling

    def fill(self, current: Sweep) -> Sweep:
        """Remove recomputations, dearest first, as long as carrying their outputs fits."""
        costs = self.core.cost
        tried: set[int] = set()
        while True:
            runs = current.runs
            repeats = sorted(self._repeats(runs), key=lambda p: (-costs[runs[p]], p))
            self.work += len(runs) // 2
            for position in repeats:
                key = runs[position] * len(runs) * 4 + position
                if key in tried or costs[runs[position]] == 0:
                    continue
                tried.add(key)
                if not self._spare(current, position):
                    continue
                trial = runs[:position] + runs[position + 1 :]
                self.work += len(runs)
                if fits(self.core, trial, self.budget) is not None:
                    current = self.sweep(trial)
                    break
            else:
                return current

    def _spare(self, current: Sweep, position: int) -> bool:
        """Quick test: memory for the outputs of the run at every position since they were last touched."""
        core, runs, task = self.core, current.runs, current.runs[position]
        outs = self.out_mask[task]
        # an input that dies here may have been alive only for this run: its bytes count for the outputs
        slack = self.budget + sum(core.sizes[b] for b in core.ins[task]) - min(core.sizes[b] for b in core.outs[task])
        for p in range(position - 1, -1, -1):
            if (self.in_mask[runs[p]] | self.out_mask[runs[p]]) & outs:
                return True
            if current.bytes[p] > slack:
                return False
        return True


def _bits(mask: int) -> list[int]:
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found
