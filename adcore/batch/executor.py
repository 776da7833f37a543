"""The door for executors: where chunks of a job run. Plain data in, bytes out.

An executor is told what all chunks have in common (`Setup`), is given chunks, and hands back one
`Outcome` for each. It decides nothing else: order, sizes, retries, quarantine and results belong to
the driver. A chunk runs wherever `adcore.batch.worker.run_chunk(setup, chunk)` is called; the job's
directory must be visible there (a shared disk), results come back by value.

>>> from adcore.batch.worker import run_chunk
>>> class Here(Executor):
...     name, limits = "here", False
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

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Setup:
    """What all chunks of a job have in common; plain data, can be pickled."""

    job: str  # the job's directory, absolute
    workers: int  # processes that compute
    threads: int  # BLAS threads in each of them
    item_seconds: float | None = None  # an item that takes longer is stopped, if the executor can
    item_memory: int | None = None  # bytes an item may allocate, if the executor can limit it
    chunk_seconds: float = 1.0  # a chunk hands back what it has after this time
    chunk_bytes: int = 32 << 20  # or when its results have this size
    program: str = "adcore.batch.program"  # the module whose `prepare` makes a function of a group
    options: Mapping[str, Any] = field(default_factory=dict)  # the rest of the job's [executor] table


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

    kind is "" with a payload; "killed" if the worker was lost; "timeout" if the suspect was stopped
    for taking longer than `item_seconds`. suspect: the item that ran at that moment, if known.
    """

    chunk: Chunk
    payload: bytes | None = None
    kind: str = ""
    reason: str = ""
    suspect: int | None = None


class Executor(ABC):
    """Runs chunks somewhere. Created with the `Setup`; it may start its workers at once.

    name: as in `executor = "…"`.   limits: whether `item_seconds` and `item_memory` are enforced.
    slots: how many chunks run at the same time; more may be submitted, they wait.
    """

    name: ClassVar[str]
    limits: ClassVar[bool] = False
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
