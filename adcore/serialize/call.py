"""An op at its params, from types to types: read once, however many nodes make the call.

This is where a file meets the code of plugins: `unpack` of a kind, `infer` of an op, an upgrader. They
are trusted, what they are given is not; so whatever they raise is the file's error.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adcore.errors import AdcoreError, FileFormatError, OpError
from adcore.graph import NO_PARAMS, Graph
from adcore.params import Kind, normalise
from adcore.registry import Op, result_types
from adcore.serialize.cursor import pack
from adcore.serialize.limits import Limits, keep
from adcore.serialize.plain import Damaged, dim_names, integer, row, rows
from adcore.serialize.tables import FileOp, Table
from adcore.types import AnyType, Type


@dataclass(frozen=True, slots=True)
class Body:
    """A graph that was read. nodes, values: with those of its sub-graphs, one used twice counted twice."""

    graph: Graph
    nodes: int
    values: int
    depth: int


@dataclass(frozen=True, slots=True)
class Call:
    """What nodes of a graph share. bodies: places of its sub-graphs. problem: why it cannot be made here."""

    op: str
    params: Mapping[str, Any]
    types: tuple[AnyType, ...]
    made: tuple[AnyType, ...]
    bodies: tuple[int, ...] = ()
    problem: AdcoreError | None = None


def read_call(
    x: Any, dims: Collection[str], ops: Table[FileOp], types: Table[AnyType], graphs: Sequence[Body], limits: Limits,
    bad: Damaged,
) -> Call:  # fmt: skip
    """One call from its record, with types that its op infers; where sizes are named, `graph.at` infers them.

    dims: the names of sizes that may occur.
    Raises: FileFormatError. A call of an op that is not here is given back with its problem.
    """
    which, packed, ins, outs = row(x, 4, bad)
    known = ops.at(which, bad)
    taken = tuple([types.at(t, bad) for t in rows(ins, bad)])
    made = tuple([types.at(t, bad) for t in rows(outs, bad)])
    if known.op is None:
        return Call(known.name, NO_PARAMS, taken, made, problem=known.problem)
    bodies: list[int] = []
    params = {}
    for (name, kind), value in zip(known.schema.items(), row(packed, len(known.schema), bad), strict=True):
        params[name] = _param(name, kind, value, graphs, bodies, bad)
    op = known.op
    try:
        for i, step in enumerate(known.steps):
            params = _upgraded(step, params, f"{op.name} version {known.version + i}")
        params = normalise(op.name, dict(op.params), params)
        named = dim_names((*taken, *made, *params.values()))
        if not named <= set(dims):
            raise bad(f"{op.name} has the size {sorted(named - set(dims))[0]}, which its graph does not know")
        found = made if named else _inferred(op, taken, params, limits)
    except AdcoreError as e:
        raise bad(e.what) from None
    if found != made:
        shown = ", ".join(map(str, found)), ", ".join(map(str, made))
        raise bad(f"{op.name} gives {shown[0]}, and not {shown[1]}")
    return Call(op.name, params or NO_PARAMS, taken, made, tuple(bodies))


def _param(name: str, kind: Kind, x: Any, graphs: Sequence[Body], bodies: list[int], bad: Damaged) -> Any:
    """A param from plain data, in the one form that its kind writes."""
    data = _with_graphs(x, graphs, bodies, bad) if kind.graphs else _lists(x)
    try:
        value = kind.normalise(kind.unpack(data))
        again = x if kind.graphs else kind.pack(value)
        same = pack(again) == pack(x)
    except Exception as e:  # noqa: BLE001  (a kind of a plugin, given what nobody meant it to get)
        raise bad(f"param {name} is no {kind.name} ({e})") from None
    if not same:
        raise bad(f"param {name} is not in the one form of a {kind.name}")
    return value


def _lists(x: Any) -> Any:
    return [_lists(member) for member in x] if type(x) is tuple else x


def _with_graphs(x: Any, graphs: Sequence[Body], bodies: list[int], bad: Damaged) -> Any:
    """Plain data with graphs in place of their numbers."""
    if type(x) is tuple:
        return [_with_graphs(member, graphs, bodies, bad) for member in x]
    if x is None:
        return None
    bodies.append(integer(x, 0, len(graphs), bad))
    return graphs[x].graph


def _upgraded(step: Any, params: dict[str, Any], what: str) -> dict[str, Any]:
    """The params of the next version of an op."""
    try:
        return dict(step(params))
    except Exception as e:  # noqa: BLE001  (an upgrader of a plugin)
        raise FileFormatError(f"{what} cannot be upgraded: {type(e).__name__}: {e}") from None


def _inferred(op: Op, types: tuple[AnyType, ...], params: Mapping[str, Any], limits: Limits) -> tuple[AnyType, ...]:
    """The types of the results; ops that state no `infer` are run on ones, if these are not too large."""
    if op.infer is None and not op.elementwise:
        keep(limits, "probe", sum(t.nbytes for t in types if isinstance(t, Type)), op.name)
    try:
        return result_types(op, types, params)
    except OpError:
        raise
    except Exception as e:  # noqa: BLE001  (`infer` of a plugin, given what no user could have traced)
        shown = ", ".join(map(str, types))
        raise OpError(f"{op.name} cannot be applied to {shown}: {type(e).__name__}: {e}") from None
