"""Plans as bytes, for the graph that they were made for.

    8 bytes     magic  89 41 44 50 0D 0A 1A 0A   (\\x89 A D P \\r \\n \\x1a \\n)
    32 bytes    sha256 of what follows
    one msgpack value:
      [version, identity of the graph, strategy, reason, [plan...]]
      plan     ::= [[step...], [[node, param, plan]...], [[value, schedule]...]]
      step     ::= node | -1 - value                       run | drop
      schedule ::= what `Schedule.to_data` gives

Plans of sub-graphs stand before the plans that use them and are told by their place; the last is the plan.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgpack

from adcore.errors import AdcoreError, FileFormatError, PlanError
from adcore.graph import Graph
from adcore.plan.check import check
from adcore.plan.loops import scheduled
from adcore.plan.schedule import Schedule
from adcore.plan.steps import Drop, Plan, Run, Step, sub_graphs
from adcore.registry import registry
from adcore.serialize.container import damaged
from adcore.serialize.limits import DEFAULT, keep
from adcore.serialize.plain import integer, row, rows
from adcore.serialize.write import identity
from adcore.transform.simplify import simplify

MAGIC = b"\x89ADP\r\n\x1a\n"
VERSION = 1
WHERE = "bytes of a plan"


def dumps(plan: Plan) -> bytes:
    """The bytes of a plan; its graph is named by identity and not part of them.

    >>> import adcore as ad
    >>> g = ad.trace(lambda x: x * x, 1.0)
    >>> len(loads(dumps(ad.plan(g)), g).steps)
    1
    """
    known: dict[int, int] = {}
    records: list[Any] = []

    def place(p: Plan) -> int:
        if id(p) not in known:
            steps = [s.node if isinstance(s, Run) else -1 - s.value for s in p.steps]
            inner = [[node, param, place(sub)] for (node, param), sub in p.bodies.items()]
            records.append([steps, inner, [[v, schedule.to_data()] for v, schedule in p.trails.items()]])
            known[id(p)] = len(records) - 1
        return known[id(p)]

    place(plan)
    body: bytes = msgpack.packb([VERSION, bytes.fromhex(identity(plan.graph)), plan.strategy, plan.reason, records])
    return MAGIC + hashlib.sha256(body).digest() + body


def loads(data: bytes, graph: Graph) -> Plan:
    """The plan from its bytes, checked against its graph, or the graph that this one becomes when it is planned.

    Raises: FileFormatError for damaged bytes; PlanError when they belong to another graph, or break the law of plans.
    """
    version, owner, strategy, reason, records = row(_body(data), 5, _damaged)
    if version not in range(VERSION + 1):
        raise FileFormatError(
            f"the plan has version {version!r:.20}; up to {VERSION} is read here", WHERE, "plan again: ad.plan(graph)"
        )
    if type(owner) is not bytes or type(strategy) is not str or type(reason) is not str:
        raise _damaged("it does not say what it is for")
    registry()  # the schedules that plugins bring
    for candidate in (graph, simplify(graph)):
        if identity(candidate) == owner.hex():
            plan = _Reader(rows(records, _damaged), strategy, reason).read(candidate)
            _check(plan)
            return plan
    raise PlanError(
        f"the plan is for another graph, {owner.hex()[:12]}...",
        f"graph {graph.name} is {identity(graph)[:12]}...",
        "load the graph that it was made for, or plan again: ad.plan(graph)",
    )


def _damaged(what: str) -> FileFormatError:
    return damaged(what, WHERE)


def _body(data: bytes) -> Any:
    """The msgpack value, after its checksum."""
    if bytes(data[:8]) != MAGIC:
        raise FileFormatError("it does not start as a plan does", WHERE, "give what plan.dumps() gave")
    body = bytes(data[40:])
    keep(DEFAULT, "body", len(body), WHERE)
    if hashlib.sha256(body).digest() != data[8:40]:
        raise _damaged("its checksum is wrong")
    try:
        return msgpack.unpackb(body, use_list=False, strict_map_key=True)
    except (ValueError, msgpack.UnpackException, RecursionError) as e:
        raise _damaged(f"it is not msgpack ({e})") from None


class _Reader:
    """Plans of one graph and its sub-graphs."""

    def __init__(self, records: tuple[Any, ...], strategy: str, reason: str) -> None:
        self.records, self.strategy, self.reason = records, strategy, reason
        self.known: dict[tuple[int, int], Plan] = {}

    def read(self, graph: Graph) -> Plan:
        """The plan of the whole graph: the last."""
        if not self.records:
            raise _damaged("it holds no plan")
        return self.plan(len(self.records) - 1, graph, DEFAULT.depth)

    def plan(self, place: int, graph: Graph, depth: int) -> Plan:
        """The plan at a place, for a graph; plans that it uses stand before it."""
        if (place, id(graph)) in self.known:
            return self.known[place, id(graph)]
        if depth < 0:
            raise _damaged("its plans are nested too deep")
        packed, inner, trails = row(self.records[place], 3, _damaged)
        steps = tuple([_step(s) for s in rows(packed, _damaged)])
        schedules: dict[int, Schedule] = {}
        for entry in rows(trails, _damaged):
            value, schedule = row(entry, 2, _damaged)
            schedules[integer(value, 0, 2**31, _damaged)] = Schedule.from_data(schedule)
        known = sub_graphs(graph, scheduled(Plan(graph, (), trails=schedules)))
        used: dict[tuple[int, str], Plan] = {}
        for entry in rows(inner, _damaged):
            node, param, sub = row(entry, 3, _damaged)
            body = known.get((integer(node, 0, len(graph.nodes), _damaged), param))
            if body is None:
                raise _damaged(f"node {node} has no sub-graph {param!r:.40}")
            used[node, param] = self.plan(integer(sub, 0, place, _damaged), body, depth - 1)
        plan = Plan(graph, steps, used, schedules, self.strategy, self.reason)
        self.known[place, id(graph)] = plan
        return plan


def _step(x: Any) -> Step:
    n = integer(x, -(2**31), 2**31, _damaged)
    return Run(n) if n >= 0 else Drop(-1 - n)


def _check(plan: Plan) -> None:
    """Raise PlanError unless the plan obeys the law of plans."""
    try:
        check(plan)
    except AdcoreError:
        raise
    except Exception as e:  # noqa: BLE001  (a schedule of a plugin, given what nobody meant it to get)
        raise PlanError(f"the plan cannot be followed: {type(e).__name__}: {e}", WHERE, "plan again") from None
