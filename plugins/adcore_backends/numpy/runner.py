"""A runner: the generated code bound to memory of its own, ready to be called by one thread at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from adcore.extend import Graph, Node, OpError, Plan, Trail, Type, bodies, find_op, padded
from adcore_backends.numpy.journal import spills
from adcore_backends.numpy.mixed import generate, numbers_only
from adcore_backends.numpy.source import Kernel, Source
from adcore_backends.numpy.trails import Track, back_kernel, forward_kernel, packed, resumable

DTYPES = {
    name: np.dtype(name)
    for name in (
        "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
        "float16", "float32", "float64", "complex64", "complex128",
    )
}  # fmt: skip


def new_arena(nbytes: int) -> Any:
    """That many bytes, aligned to 64."""
    raw = np.empty(nbytes + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + nbytes]


def buffer(arena: Any, t: Any, offset: int) -> Any:
    """The array (or the tuple of a trail's arrays) of a type at an offset of the arena."""
    if isinstance(t, Trail):
        found = []
        for s in t.stacked:
            found.append(buffer(arena, s, offset))
            offset += padded(s.nbytes)
        return tuple(found)
    return arena[offset : offset + t.nbytes].view(t.dtype).reshape(t.shape)


def bind(source: Source, arena: Any) -> Callable[..., Any]:
    """The function of a source, its buffers being ranges of that arena."""
    graph = source.plan.graph
    names: dict[str, Any] = {
        "copyto": np.copyto,
        "empty": np.empty,
        "array": np.array,
        "isfinite": math.isfinite,
        **DTYPES,
        **source.constants,
        **source.numbers,
    }
    tracks: dict[tuple[int, int], Track] = {}
    for k in source.kernels:
        names[k.name] = _kernel(source, k, arena, tracks)
    for b in source.bindings:
        if b.kind == "buffer":
            names[b.name] = buffer(arena, b.type, b.offset)
        else:
            node = graph.nodes[b.node]
            names[b.name] = find_op(node.op).run(names[b.base], **node.params)
    exec(source.code, names)
    run: Callable[..., Any] = names["run"]
    if source.spill.resume and not source.into:
        spilling = {node: t for (node, _), t in tracks.items() if spills(t.schedule, t.pair.loop.length)}
        return resumable(run, graph.identity, spilling) if spilling else run
    return run


def _kernel(source: Source, k: Kernel, arena: Any, tracks: dict[tuple[int, int], Track]) -> Callable[..., Any]:
    """The callable of a kernel; those of a pair of loops under a schedule share a track."""
    plan, node = source.plan, source.plan.graph.nodes[k.node]
    lower = Lower(source, k.node, node, arena, k.scratch)
    if k.trail < 0:
        return make_kernel(node, lower)
    pair = source.loops[k.node]
    track = tracks.get((pair.forward, k.trail))
    if track is None:
        room = arena[k.trail : k.trail + source.layout.trails[pair.trails[0]]]
        schedule = plan.trails[source.number[pair.trails[0]]]
        track = tracks[pair.forward, k.trail] = Track(schedule, pair, room, source.spill)
    if k.node == pair.forward:
        return forward_kernel(track, node, lower)
    forward = plan.graph.nodes[pair.forward]
    return back_kernel(track, forward, node, lower, Lower(source, k.node, forward, arena, k.scratch, pair.forward))


class Lower:
    """What a node's kernel may ask for: its sub-graphs compiled, and buffers in its scratch range."""

    def __init__(
        self, source: Source, i: int, node: Node, arena: Any, scratch: int, bodies_of: int | None = None
    ) -> None:  # fmt: skip
        self._source, self._i, self._node, self._arena, self._scratch = source, i, node, arena, scratch
        self._bodies_of = i if bodies_of is None else bodies_of  # a reverse loop runs steps of a forward one too
        self._used = 0

    def body(self, name: str) -> Callable[..., None]:
        """The sub-graph of that param as a function of (*inputs, *places of its outputs)."""
        plan: Plan = self._source.plan.bodies[self._bodies_of, name]
        start = self._scratch + self._source.layout.needs[self._i].bodies
        code = body_source(self._source, plan)
        return bind(code, self._arena[start : start + code.layout.arena_bytes])

    def numbers(self, name: str) -> Callable[..., tuple[Any, ...]] | None:
        """The sub-graph as a function from the elements of all its inputs to those of its outputs, as Python's own
        numbers; None if some value must be an array."""
        return numbers_only(self.graph(name)) if not self._source.plain else None

    def graph(self, name: str) -> Graph:
        """The sub-graph of that param."""
        return dict(bodies(self._node))[name]

    def carries(self, types: Sequence[Type]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Two sets of arrays for the carries of the forward loop, in the scratch of the reverse one."""
        start = self._scratch + self._source.layout.needs[self._i].carries
        room = sum(padded(t.nbytes, 16) for t in types)
        return packed(self._arena, start, types), packed(self._arena, start + padded(room), types)

    def buffer(self, t: Type) -> Any:
        """An array in the node's own scratch, of which the op has declared the bytes."""
        found = buffer(self._arena, t, self._scratch + self._used)
        self._used += padded(t.nbytes)
        return found


def body_source(source: Source, plan: Plan) -> Source:
    """The generated code of a body, once for every place where its plan is used."""
    if id(plan) not in source.bodies:
        source.bodies[id(plan)] = generate(plan, True, source.plain)
        source.bodies[id(plan)].spill = source.spill
    return source.bodies[id(plan)]


def make_kernel(node: Node, lower: Lower) -> Callable[..., Any]:
    """A callable of (*arrays, *places) that runs the node."""
    op = find_op(node.op)
    if op.kernel is not None:
        return op.kernel(node, lower)
    run = partial(op.run, **node.params) if node.params else op.run
    return run if op.out or op.view else checked(node, run)


def checked(node: Node, run: Callable[..., Any]) -> Callable[..., Any]:
    """A run that places its own results, held to what its op infers; never an alias of its inputs."""
    types = [v.type for v in node.outputs]

    def call(*xs: Any) -> Any:
        found = run(*xs)
        results = found if isinstance(found, tuple) else (found,)
        arrays = []
        for y, t in zip(results, types, strict=True):
            a = np.asarray(y, order="C")
            if a.dtype != t.dtype or a.shape != t.shape:  # type: ignore[union-attr]
                raise OpError(
                    f"{node.op} gave {a.dtype.name}{list(a.shape)} where its infer says {t}",
                    f"at {node.source or 'source unknown'}",
                    "let run and infer of the op agree",
                )
            arrays.append(a if a.flags.owndata and not any(a is x for x in xs) else a.copy())
        return tuple(arrays) if len(types) > 1 else arrays[0]

    return call
