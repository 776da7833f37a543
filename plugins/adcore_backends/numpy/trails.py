"""Loops led by a schedule: its actions carried out on arrays, in the range that the layout gave to the trail.

The forward node's kernel goes on until Turn and leaves its Track where it is; the reverse node's kernel goes
on from there. Three sets of arrays hold carries: what is read now, a place for what comes next, and a spare.
A loaded snapshot is read where it lies, and copied only if its slot is given back before a step is done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from adcore.extend import (
    Advance,
    Back,
    Drop,
    Load,
    Node,
    Pair,
    Peek,
    Places,
    Save,
    Schedule,
    Snapshots,
    Spill,
    Tape,
    Trail,
    Turn,
    Type,
    find_op,
    loop_of,
    open_snapshots,
    padded,
)
from adcore_backends.numpy.journal import Journal

Arrays = tuple[Any, ...]


class Track:
    """One trail under way: the actions to come, and the arrays that its schedule keeps.

    room: the range of the trail, as bytes. name: of a run that goes on when it was killed, else "".
    """

    def __init__(self, schedule: Schedule, pair: Pair, room: Any, spill: Spill) -> None:
        self.schedule, self.pair, self.room, self.spill = schedule, pair, room, spill
        self.name = ""
        self.journal: Journal | None = None
        self.disk: Snapshots | None = None
        self.carries: list[Type] = [v.type for v in pair.loop.step.outputs[: pair.loop.carries]]  # type: ignore[misc]
        self.actions: Any = None
        self.places = Places(pair.state, pair.record)
        self._slots: dict[int, Arrays] = {}
        self._buffers: dict[tuple[int, int], Arrays] = {}
        self._taped: dict[int, Arrays] = {}

    def start(self) -> None:
        """Begin again, whatever an interrupted run has left."""
        self.close()
        length = self.pair.loop.length
        self.actions = self.schedule.actions(length)
        self.places = Places(self.pair.state, self.pair.record)
        self._taped.clear()
        if self.name:
            assert length is not None
            self.journal = Journal(self.spill, self.name, self.schedule, length, self.pair.loop.ys > 0)
            self.disk, self.actions = self.journal.store, self.journal.actions()

    def close(self) -> None:
        """Leave nothing on disk."""
        if self.disk is not None:
            self.disk.close()
        self.leave()

    def leave(self) -> None:
        """Leave on disk what is there."""
        self.disk = self.journal = None

    def slot(self, offset: int) -> Arrays:
        """The arrays of the snapshot at this offset."""
        found = self._slots.get(offset)
        if found is None:
            found = self._slots[offset] = packed(self.room, offset, self.carries)
        return found

    def save(self, action: Save, now: Arrays) -> None:
        """Copy the carry into a slot, or to disk."""
        if action.tier == "disk":
            self.disk = self.disk or open_snapshots(self.spill)
            (self.journal or self.disk).save(action.step, now)
            return
        for place, a in zip(self.slot(self.places.save(action.step)), now, strict=True):
            np.copyto(place, a)

    def load(self, action: Load, place: Arrays) -> Arrays:
        """The snapshot, where it lies; from disk, in the place."""
        if action.tier == "disk":
            assert self.disk is not None
            self.disk.load(action.step, place)
            return place
        return self.slot(self.places.snapshot(action.step))

    def drop(self, action: Drop, now: Arrays, place: Arrays) -> bool:
        """Give a slot back; True if the carry had to be copied out of it."""
        if action.tier == "disk":
            assert self.disk is not None
            (self.journal or self.disk).drop(action.step)
            return False
        held = now is self.slot(self.places.snapshot(action.step))
        if held:
            for p, a in zip(place, now, strict=True):
                np.copyto(p, a)
        self.places.drop(action.step)
        return held

    def tape(self, start: int, stop: int) -> Arrays:
        """Buffers for the residuals of these steps."""
        key = self.places.tape(start, stop), stop - start
        found = self._buffers.get(key)
        if found is None:
            stacked = [Type(t.dtype, (stop - start, *t.shape)) for t in self.pair.record]
            found = self._buffers[key] = packed(self.room, len(self.room) - key[0], stacked, 64)
        self._taped[start] = found
        return found

    def taped(self, start: int) -> Arrays:
        """The residuals of the range that starts here; their place is free when it has been reversed."""
        self.places.back(start)
        return self._taped.pop(start)


def packed(room: Any, offset: int, types: Sequence[Type], align: int = 16) -> Arrays:
    """Arrays of these types, one after the other."""
    found = []
    for t in types:
        found.append(room[offset : offset + t.nbytes].view(t.dtype).reshape(t.shape))
        offset += padded(t.nbytes, align)
    return tuple(found)


def forward_kernel(track: Track, node: Node, lower: Any) -> Callable[..., None]:
    """The loop until Turn, as a function of (*inputs, *places of carries, of the number of steps, of ys)."""
    loop = track.pair.loop
    pieces = find_op(node.op).pieces(node, lower, ("step", "advance"), {})  # type: ignore[misc]
    step, advance, peek = pieces["step"], pieces["advance"], pieces.get("peek")
    more = tuple(lower.buffer(t) for t in track.carries)
    c, n = loop.carries, len(node.inputs)

    def run(*arrays: Any) -> None:
        rest, out, ys = arrays[c:n], arrays[n : n + c], arrays[len(arrays) - loop.ys :] if loop.ys else ()
        now, place, spare = arrays[:c], out, more
        track.start()
        journal = track.journal
        if journal is not None and journal.forward((*out, *ys)):
            return
        if journal is not None and journal.point is not None:
            now, place, spare = track.load(Load(journal.point.step, "disk"), out), more, out
        answer, reached = None, 0
        while True:
            action = track.actions.send(answer)
            answer, kind = None, type(action)
            if kind is Advance:
                answer, now, place, spare = advance(action.start, action.stop, now, place, spare, rest, ys, ())
                reached = answer
            elif kind is Tape:
                records = track.tape(action.start, action.stop)
                answer, now, place, spare = step(action.start, action.stop, now, place, spare, rest, ys, records)
                reached = answer
                if reached == action.start:
                    track.taped(reached)
            elif kind is Save:
                track.save(action, now)
            elif kind is Drop:
                if track.drop(action, now, place):
                    now, place, spare = place, spare, place
            elif kind is Load:
                now, place, spare = track.load(action, out), more, out
            elif kind is Peek:
                answer = action.step + 1 if peek(*now, *rest) else action.step
            elif kind is Turn:
                break
        if loop.asks:
            arrays[n + c][...] = reached
        _settle(out, now)
        if journal is not None:
            journal.ended((*out, *ys))

    return guarded(track, run)


def back_kernel(track: Track, forward: Node, back: Node, lower: Any, lower_forward: Any) -> Callable[..., None]:
    """The rest, as a function of (*own inputs without the trail, *what the forward loop reads, *places)."""
    pair = track.pair
    pieces = find_op(forward.op).pieces(forward, lower_forward, ("tape", "again"), {})  # type: ignore[misc]
    tape, again = pieces["tape"], pieces["again"]
    reverse = find_op(back.op).pieces(back, lower, ("back",), windows(pair, back))["back"]  # type: ignore[misc]
    carries = loop_of(back).carries  # type: ignore[union-attr]
    more = tuple(lower.buffer(v.type) for v in back.inputs[:carries])
    one, two = lower.carries(track.carries)
    own = len(back.inputs) - len(pair.trails)
    n = own + len(pair.reads)

    def run(*arrays: Any) -> None:
        bars, rest, reads = arrays[:carries], arrays[carries:own], arrays[own:n]
        out, ys = arrays[n : n + carries], arrays[n + carries :]
        bar_place, bar_spare = out, more
        now, place, spare = (), one, two
        journal, frontier = track.journal, pair.loop.length
        if journal is not None and journal.back((*out, *ys)):
            bars, bar_place, bar_spare, frontier = out, more, out, journal.point.frontier
        for action in track.actions:
            kind = type(action)
            if kind is Back:
                records = track.taped(action.start)
                _, bars, bar_place, bar_spare = reverse(
                    action.start, action.stop, bars, bar_place, bar_spare, rest, ys, records
                )
                frontier = action.start
            elif kind is Tape:
                records = track.tape(action.start, action.stop)
                _, now, place, spare = tape(action.start, action.stop, now, place, spare, reads, (), records)
            elif kind is Advance:
                _, now, place, spare = again(action.start, action.stop, now, place, spare, reads, (), ())
            elif kind is Load:
                if journal is not None and action.tier == "disk" and track.places.empty:
                    journal.reversed(frontier, (*bars, *ys))
                now, place, spare = track.load(action, one), two, one
            elif kind is Save:
                track.save(action, now)
            elif kind is Drop and track.drop(action, now, place):
                now, place, spare = place, spare, place
        _settle(out, bars)
        track.close()

    return guarded(track, run)


def guarded(track: Track, run: Callable[..., None]) -> Callable[..., None]:
    """That leaves nothing on disk when it fails, nor when it is stopped, unless it can go on then."""

    def kernel(*arrays: Any) -> None:
        try:
            run(*arrays)
        except BaseException as e:
            if isinstance(e, Exception) or track.journal is None:
                track.close()
            track.leave()
            raise

    return kernel


def resumable(run: Callable[..., Any], identity: str, tracks: Mapping[int, Track]) -> Callable[..., Any]:
    """A run that is known again by the graph and its inputs. tracks: those that spill, by their nodes."""

    def named(*inputs: Any) -> Any:
        found = hashlib.blake2b(identity.encode(), digest_size=16)
        for x in inputs:
            found.update(np.ascontiguousarray(x).view(np.uint8).reshape(-1).data)
        for node, track in tracks.items():
            track.name = f"{found.hexdigest()}-{node}"
        try:
            return run(*inputs)
        except Exception:
            for track in tracks.values():
                track.close()
            raise

    return named


def windows(pair: Pair, back: Node) -> dict[int, int]:
    """For each trail of the pair, by its number among those that `back` reads, its first array in a record."""
    first, at = {}, 0
    for v in pair.trails:
        first[v] = at
        at += len(v.type.record)  # type: ignore[union-attr]
    trails = [v for v in back.inputs if isinstance(v.type, Trail)]
    return {i: first[v] for i, v in enumerate(trails) if v in first}


def _settle(out: Arrays, now: Arrays) -> None:
    """The last carry, in the place of the result."""
    if out is not now:
        for place, a in zip(out, now, strict=True):
            if place is not a:
                np.copyto(place, a)
