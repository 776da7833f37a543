"""What any bytes must lead to: our own error, or a graph that means just what they say."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Any

from mutants import parts

import adcore as ad
from adcore.errors import FileFormatError, UnknownOpError
from adcore.graph import check

SECONDS = 2.0
"""CPU time that any file of a few kB may take at most; usual is a millisecond."""


def outcome(data: bytes) -> ad.Graph | None:
    """The graph of the bytes, None if they are refused. Anything else is a failed assertion."""
    start = time.process_time()
    try:
        graph = ad.loads(data)
    except (FileFormatError, UnknownOpError) as e:
        assert e.what and e.where and e.instead
        graph = None
    assert time.process_time() - start < SECONDS
    if graph is not None:
        check(graph)
        str(graph)
        assert parts(graph.dumps())[0] == parts(data)[0]
    return graph


_events: list[str] | None = None
FORBIDDEN = ("open", "import", "exec", "os.", "subprocess.", "socket.", "shutil.", "ctypes.", "marshal.", "pickle.")


def _hear(event: str, args: tuple[Any, ...]) -> None:
    if _events is not None and event.startswith(FORBIDDEN):
        _events.append(f"{event} {args!r:.100}")


@contextlib.contextmanager
def nothing_but_memory(allowed: tuple[str, ...] = ()) -> Iterator[None]:
    """Fails if Python opens a file, imports a module, runs code from data, or starts anything meanwhile."""
    global _events
    if _hear not in _heard:
        _heard.append(_hear)
        sys.addaudithook(_hear)
    _events = found = []
    try:
        yield
    finally:
        _events = None
    assert not [event for event in found if not event.startswith(allowed)], found


_heard: list[Any] = []
