"""What a plan does, for people: where its memory goes and what it runs again, as text and as rows.

>>> import adcore as ad
>>> import numpy as np
>>> print(explain(ad.plan(ad.trace(lambda x: np.sum(np.sin(x) * x), np.zeros(1000)))))  # doctest: +ELLIPSIS
plan of <lambda> by reverse: graph order, every value dropped at its last use
  peak      24.0 kB, of which inputs 8.0 kB, arena 16.0 kB, outputs 8 B
  work      every node runs once: 3 runs
  binds     step 1, node 1: core::multiply at ...
  live at    8.0 kB  input x
  the peak   8.0 kB  core::sin at ...
             8.0 kB  core::multiply at ...
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from adcore.graph import Graph, Node, Value, bodies, numbering, values
from adcore.plan.check import Cost, walk
from adcore.plan.layout import own_heap, views
from adcore.plan.loops import Pair, schedule_cost, scheduled
from adcore.plan.schedule import Schedule
from adcore.plan.steps import Plan, Run, default_plan
from adcore.plan.work import total_work, work

SHOWN = 6
"""Lines of a list before the rest is summed up in one."""


def size(nbytes: float) -> str:
    """A number of bytes as people read it.

    >>> size(7), size(16072), size(64 * 1024**2)
    ('7 B', '16.1 kB', '67.1 MB')
    """
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if nbytes < 1000 or unit == "TB":
            break
        nbytes /= 1000
    return f"{nbytes:.0f} {unit}" if unit == "B" else f"{nbytes:.1f} {unit}"


def count(n: int, noun: str) -> str:
    """So many of them.

    >>> count(1, "snapshot"), count(1200, "snapshot")
    ('1 snapshot', '1,200 snapshots')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def overhead(plan: Plan) -> float:
    """Work of the plan over that of running every node and every step of a loop once, minus 1."""
    once = total_work(default_plan(plan.graph))
    return total_work(plan) / once - 1.0 if once else 0.0


def timeline(plan: Plan) -> list[dict[str, Any]]:
    """One row per step: what runs, the bytes that are live while it does and after it, the bytes held.

    step, node (None for a drop), op, source, again (it has run before), during, bytes, held. Bytes count the
    inputs and not the constants; held has the whole arena, as the machine sees it.
    """
    nodes = plan.graph.nodes
    return [
        {
            "step": m.step,
            "node": m.node,
            "op": "drop" if m.node is None else nodes[m.node].op,
            "source": "" if m.node is None else str(nodes[m.node].source or ""),
            "again": m.again,
            "during": m.during,
            "bytes": m.after,
            "held": m.held,
        }
        for m in walk(plan)
    ]


def explain(plan: Plan) -> str:
    """The plan in words: budget, peak, extra work, what runs again, what binds the peak and what lives there.

    Where a budget was promised, also what a tenth more memory would buy: the plan for that is made.
    """
    cost = plan.cost
    lines = [f"plan of {plan.graph.name} by {plan.strategy or 'hand'}{': ' if plan.reason else ''}{plan.reason}"]
    rows = [] if plan.budget is None else [("budget", size(plan.budget))]
    rows += [("peak", _peak(cost)), ("work", _extra(plan, cost))]
    if cost.forward_steps:
        rows.append(("loops", f"{cost.forward_steps:,} steps of loops that are differentiated, repetitions included"))
    rows += [("", line) for line in _schedules(plan)]
    if cost.disk_written:
        rows.append(("disk", f"{size(cost.disk_written)} written, {size(cost.disk_read)} read"))
    rows.append(("binds", _binds(plan, cost)))
    lines += [f"  {head:<9} {text}" for head, text in rows]
    lines += _listed(("live at", "the peak"), [f"{size(n):>7}  {what}" for n, what in _live(plan, cost.binds)])
    lines += _listed(("run", "again"), _repeated(plan))
    lines += [f"  {'more':<9} {line}" for line in _more(plan)]
    return "\n".join(lines)


def _schedules(plan: Plan) -> list[str]:
    """What each loop keeps that is led by a schedule, those of sub-graphs after those around them."""
    found = []
    for pair, schedule in led(plan):
        cost = schedule_cost(schedule, pair)
        name = f"loop of {pair.loop.step.name}"
        if cost is None:
            found.append(f"{name}: {schedule.name}, snapshots of {size(pair.state)}, for any number of steps")
            continue
        kept = f"{count(cost.peak_memory, 'snapshot')} of {size(pair.state)}"
        kept += f", {cost.peak_disk:,} on disk" if cost.peak_disk else ""
        kept += f", {count(cost.peak_taped, 'record')} of {size(pair.record_bytes)}"
        found.append(f"{name}: {cost.length:,} steps in {cost.forward_steps:,} ({schedule.name}); {kept}")
    return found


def led(plan: Plan) -> list[tuple[Pair, Schedule]]:
    """The loops that are led by a schedule, those of sub-graphs after those around them, and their schedules."""
    number = numbering(plan.graph)
    found = [(pair, plan.trails[number[pair.trails[0]]]) for pair in dict.fromkeys(scheduled(plan).values())]
    inner = {id(p): p for p in plan.bodies.values()}.values()
    return found + [one for body in inner for one in led(body)]


def _more(plan: Plan) -> list[str]:
    """What a tenth more memory would buy."""
    if plan.budget is None or plan.replan is None:
        return []
    budget = plan.budget * 11 // 10
    other = plan.replan(budget)
    found = f"{overhead(other):.1%} more work in place of {overhead(plan):.1%}"
    return [f"a tenth more memory, {size(budget)}, would take {found}"]


def _peak(cost: Cost) -> str:
    parts = [("inputs", cost.input_bytes), ("arena", cost.arena_bytes), ("outputs", cost.output_bytes)]
    text = f"{size(cost.peak_bytes)}, of which {', '.join(f'{name} {size(n)}' for name, n in parts if n)}"
    return text + (f"; constants {size(cost.constant_bytes)} beside it" if cost.constant_bytes else "")


def _extra(plan: Plan, cost: Cost) -> str:
    extra = overhead(plan)
    if not cost.recomputed and not extra:
        return f"every node runs once: {cost.runs} runs"
    again = f"; {count(cost.recomputed, 'repetition')}" if cost.recomputed else ""
    return f"{extra:.1%} more than running everything once{again}"


def _binds(plan: Plan, cost: Cost) -> str:
    step = plan.steps[cost.binds] if plan.steps else None
    if not isinstance(step, Run):
        return "nothing runs"
    return f"step {cost.binds}, node {step.node}: {_shown(plan.graph.nodes[step.node])}"


def _shown(node: Node) -> str:
    inner = [body.name for _, body in bodies(node)]
    name = f"{node.op} of {inner[0]}" if inner else node.op
    return f"{name} at {node.source}" if node.source else name


def _live(plan: Plan, binds: int) -> list[tuple[int, str]]:
    """The storages that are live while a step runs, largest first: bytes, and what made them."""
    graph = plan.graph
    number = tuple(values(graph))
    live: dict[Value, None] = dict.fromkeys(graph.inputs)
    for step in plan.steps[: binds + 1]:
        if isinstance(step, Run):
            live.update(dict.fromkeys(graph.nodes[step.node].outputs))
        else:
            live.pop(number[step.value], None)
    viewed = views(graph)
    names = _names(graph)
    totals: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for v in live:
        if v not in viewed and v.type.nbytes:
            totals[names[v]] += plan.layout.trails.get(v, v.type.nbytes)
            counts[names[v]] += 1
    found = [(n, f"{name}, {counts[name]} times" if counts[name] > 1 else name) for name, n in totals.items()]
    if plan.steps and isinstance(plan.steps[binds], Run):
        need = plan.layout.needs.get(plan.steps[binds].node)  # type: ignore[union-attr]
        if need is not None:
            found.append((need.nbytes, "scratch of the node that runs"))
        taken = own_heap(graph.nodes[plan.steps[binds].node])  # type: ignore[union-attr]
        if taken:
            found.append((taken, "what its op takes while it runs"))
    return sorted(found, key=lambda item: -item[0])


def _names(graph: Graph) -> dict[Value, str]:
    names = {v: f"input {name}" for v, name in zip(graph.inputs, graph.input_names, strict=True)}
    for node in graph.nodes:
        for i, v in enumerate(node.outputs):
            names[v] = f"{_shown(node)}{f', result {i}' if len(node.outputs) > 1 else ''}"
    return names


def _repeated(plan: Plan) -> list[str]:
    """What runs more than once, dearest first."""
    counts = Counter(step.node for step in plan.steps if isinstance(step, Run))
    costs = work(plan)
    again = [(n - 1, i) for i, n in counts.items() if n > 1 and costs[i]]
    grouped: Counter[str] = Counter()
    extra: defaultdict[str, float] = defaultdict(float)
    for n, i in again:
        name = _shown(plan.graph.nodes[i])
        grouped[name] += n
        extra[name] += n * costs[i]
    total = sum(costs[i] for i in counts) or 1.0
    ordered = sorted(grouped, key=lambda name: (-extra[name], name))
    return [f"{grouped[name]:>7}x {name}, {extra[name] / total:.1%} more work" for name in ordered]


def _listed(heads: tuple[str, str], items: list[str]) -> list[str]:
    """Items in a column, the first two lines named; what is past SHOWN is only counted."""
    if len(items) > SHOWN:
        items = [*items[: SHOWN - 1], f"and {len(items) - SHOWN + 1} more"]
    return [f"  {heads[i] if i < len(heads) else '':<9} {item}" for i, item in enumerate(items)]
