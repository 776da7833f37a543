"""The door for executors: where the chunks of a batch job run. Plain data in, bytes out.

An executor is told what all chunks have in common (`Setup`), is given chunks, and hands back one
`Outcome` for each. It decides nothing else: order, sizes, retries, quarantine and results belong to
the driver. A chunk runs wherever `run_chunk(setup, chunk)` is called; the job's directory must be
visible there (a shared disk), results come back by value.

>>> class Here(Executor):
...     name = "here"
...
...     def __init__(self, setup):
...         self.setup, self.slots, self.waiting = setup, 1, []
...
...     def submit(self, chunk):
...         self.waiting.append(chunk)
...
...     def wait(self, seconds):
...         done = [Outcome(chunk, run_chunk(self.setup, chunk)) for chunk in self.waiting]
...         self.waiting = []
...         return done
...
...     def close(self):
...         pass
"""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, ClassVar

from adcore.errors import ConfigError, MissingExtraError
from adcore.registry import registered, registry

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
"""What caps the threads of linear algebra libraries; to be set before a worker imports NumPy."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What all chunks of a job have in common; plain data, can be pickled.

    job: the job's directory, absolute. workers: processes that compute. threads: BLAS threads of each.
    item_seconds, item_memory (bytes): what an item may take, 0 if anything, for executors that `limits`.
    chunk_seconds, chunk_bytes: a chunk hands back what it has after this time, or with results this large.
    run: what runs a chunk, "module:function". options: the rest of the job's [executor] table.
    """

    job: str
    workers: int
    threads: int
    item_seconds: float = 0.0
    item_memory: int = 0
    chunk_seconds: float = 1.0
    chunk_bytes: int = 32 << 20
    run: str = "adcore.batch.worker:run_chunk"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Items to run one after the other, as spans of consecutive lines of the manifest.

    spans: (first item, number of items, byte offset of the first one's line), in any order.

    >>> list(Chunk(0, ((3, 2, 170), (9, 1, 801))).items())
    [3, 4, 9]
    """

    number: int
    spans: tuple[tuple[int, int, int], ...]

    def __len__(self) -> int:
        return sum(count for _, count, _ in self.spans)

    def items(self) -> Iterator[int]:
        """The numbers of the items, in the order in which they run."""
        for first, count, _ in self.spans:
            yield from range(first, first + count)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a chunk: the bytes of `run_chunk`, or why there are none.

    kind: "" with a payload; "killed" if the worker was lost; "timeout" if the suspect was stopped for
    taking longer than `item_seconds`; "broken" if `run_chunk` raised. reason: for people.
    suspect: the item that ran at that moment, if known.
    """

    chunk: Chunk
    payload: bytes | None = None
    kind: str = ""
    reason: str = ""
    suspect: int | None = None


class Executor(ABC):
    """Runs chunks somewhere. Created with the `Setup`; it may start its workers at once.

    name: as in `executor = "…"`. limits: whether `item_seconds` and `item_memory` are enforced.
    here: whether its workers share this machine's memory.
    slots: how many chunks run at the same time; more may be submitted, they wait.
    """

    name: ClassVar[str]
    limits: ClassVar[bool] = False
    here: ClassVar[bool] = False
    slots: int

    @abstractmethod
    def __init__(self, setup: Setup) -> None: ...

    @abstractmethod
    def submit(self, chunk: Chunk) -> None:
        """Take a chunk; return at once."""

    @abstractmethod
    def wait(self, seconds: float) -> list[Outcome]:
        """What has finished or was lost since the last call; wait at most `seconds` for a first one."""

    @abstractmethod
    def close(self) -> None:
        """End all workers now; what still runs is dropped. May be called twice."""


def run_chunk(setup: Setup, chunk: Chunk, watch: Callable[[int, int], None] | None = None) -> bytes:
    """Run the items of a chunk, in this process: the bytes that belong into its `Outcome`.

    watch(chunk, item): called when an item begins (-1: none runs), so that somebody outside knows whom
    a dead worker died of.
    Raises: JobDamagedError if the job's directory is not what the driver saw.
    """
    result: bytes = named(setup.run)(setup, chunk, watch)
    return result


def named(path: str) -> Any:
    """What "module:attribute" names."""
    module, _, attribute = path.partition(":")
    return getattr(import_module(module), attribute)


def find_executor(name: str) -> type[Executor]:
    """The executor class that a plugin registered: the class itself, or "module:Class", imported now.

    Raises: ConfigError with the names that there are; MissingExtraError if it needs a package that is
    not installed.
    """
    found, known = registered("executors", name), registry().executors
    if found is None:
        close = difflib.get_close_matches(name, known, 1)
        listed = f"allowed: {', '.join(sorted(known))}"
        raise ConfigError(
            f"there is no executor {name!r}",
            "[job] executor",
            f"did you mean {close[0]!r}? {listed}" if close else listed,
        )
    try:
        kind: type[Executor] = named(found) if isinstance(found, str) else found
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"executor {name!r} needs the package {error.name!r}, which is not installed",
            f"executor {name!r}, {found}",
            f"pip install 'adcore[{name}]'",
        ) from None
    return kind
