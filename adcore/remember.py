"""Functions that are traced once for each form of their arguments, as long as nothing they read has changed.

A `Remembered` keeps what was made of the graphs of one function. Behind it, `RECENT` keeps what was made
last in this process, so that `ad.grad(f)(x)` written again and again in a loop finds it too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from adcore.arguments import Arguments, floats_in, is_traced, with_floats
from adcore.config import config
from adcore.errors import InputError
from adcore.evaluate import leaves_of
from adcore.fingerprint import Fingerprint, State
from adcore.graph import Graph
from adcore.select import Which
from adcore.sizes import fitted
from adcore.trace import current
from adcore.tracing import bound, trace_graph
from adcore.walk import Is


class Kept(Protocol):
    """What is made of a graph and remembered."""

    def nbytes(self) -> int:
        """Bytes that it holds: constants, and memory to run in."""


T = TypeVar("T", bound=Kept)

MOST_FORMS = 64
"""Forms of arguments that one derivative remembers."""


class Recent:
    """The last things made, by key; the oldest are forgotten when there are too many or they hold too much."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self.most, self.most_bytes = most, most_bytes
        self._kept: dict[Hashable, Any] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Any:
        """What was kept under the key, now the newest; None if there is nothing."""
        with self._lock:
            found = self._kept.pop(key, None)
            if found is not None:
                self._kept[key] = found
            return found

    def put(self, key: Hashable, made: Kept) -> None:
        """Keep one thing more, unless it alone is too large."""
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > self.most or sum(k.nbytes() for k in self._kept.values()) > self.most_bytes:
                del self._kept[next(iter(self._kept))]


RECENT = Recent(256, 1 << 28)


class Remembered(Generic[T]):
    """What `make` makes of the graph of f, once per form of arguments and state of what f reads.

    wrt: which arguments are differentiated; their ints are traced as floats. make(graph, captured): captured
    is how many of the last inputs are values of an outer trace. key: what `make` depends on, by value; None
    if that cannot be told.
    """

    __slots__ = ("_fingerprint", "_floats", "_known", "_with_objects", "f", "key", "make", "wrt")

    def __init__(self, f: Callable[..., Any], wrt: Which, make: Callable[[Graph, int], T], key: Hashable) -> None:
        if not callable(f):
            raise InputError(f"{f!r} is no function", instead="pass a function or a graph, and call what comes back")
        self.f, self.wrt, self.make, self.key = f, wrt, make, key
        self._fingerprint = Fingerprint(f)
        self._with_objects: tuple[list[Any], Fingerprint] = ([], self._fingerprint)
        self._known: dict[Hashable, T] = {}
        self._floats: dict[int, list[bool]] = {}

    def find(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[T, list[Any]]:
        """What was made for these arguments, and the values of the graph's inputs, in order."""
        if isinstance(self.f, Graph):
            leaves = leaves_of(self.f, args, kwargs)
            return self._of_graph(fitted(self.f, leaves)), leaves
        if kwargs:
            args, kwargs = bound(self.f, args, kwargs)
        floats = self._floats.get(len(args))
        if floats is None:
            floats = self._floats[len(args)] = floats_in(self.f, args, self.wrt)
        given = Arguments(args, kwargs, floats)
        outer = current()
        if outer is not None:  # what f captures belongs to the outer trace, so nothing is remembered
            graph, captured = self._trace(args, kwargs, floats)
            return self.make(graph, len(captured)), [*given.leaves, *(outer.wrap(v) for v in captured)]
        state = self._state(given.objects)
        key = (given.form, state)
        made = None if state is None else self._recall(key)
        if made is None:
            made = self.make(self._trace(args, kwargs, floats)[0], 0)
            if state is not None and self._state(given.objects) == state:  # tracing has not changed what f reads
                self._keep(key, made)
        return made, given.leaves

    def _of_graph(self, graph: Graph) -> T:
        made = self._recall(Is(graph))
        if made is None:
            made = self.make(graph, 0)
            self._keep(Is(graph), made)
        return made

    def _trace(self, args: Sequence[Any], kwargs: Mapping[str, Any], floats: Sequence[bool]) -> Any:
        args, kwargs = bound(self.f, args, kwargs)
        name = getattr(self.f, "__name__", type(self.f).__name__)
        return trace_graph(self.f, with_floats(args, floats), kwargs, name, is_traced)

    def _state(self, objects: list[Any]) -> State | None:
        """All that f can read now, its static arguments included; None when that cannot be told."""
        if not objects:
            return self._fingerprint.state()
        known, fingerprint = self._with_objects
        if len(known) != len(objects) or any(a is not b for a, b in zip(known, objects, strict=True)):
            fingerprint = Fingerprint((self.f, *objects))
            self._with_objects = (objects, fingerprint)
        return fingerprint.state()

    def _recall(self, key: Hashable) -> T | None:
        """What was made for this key, here or lately elsewhere."""
        made = self._known.get(key)
        if made is None and self.key is not None:
            made = RECENT.get((key, self.key, Is(config())))
            if made is not None:
                self._known[key] = made
        return made

    def _keep(self, key: Hashable, made: T) -> None:
        if len(self._known) >= MOST_FORMS:
            self._known.clear()
        self._known[key] = made
        if self.key is not None:
            RECENT.put((key, self.key, Is(config())), made)
