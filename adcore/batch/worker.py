"""What runs in a worker: a chunk of items in, the bytes of a shard out.

Executors reach `run_chunk` by its name in the `Setup`. It keeps what it loaded and compiled for the next chunk.
"""

import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from adcore.batch import directory
from adcore.batch.machine import MemoryLimit, PeakMeter, fingerprint, peak_meter
from adcore.batch.manifest import decoder, lost_line, parse, sized, told_sizes
from adcore.batch.program import read_task
from adcore.config import Config
from adcore.errors import JobDamagedError
from adcore.executor import Chunk, Setup
from adcore.plugins import loader
from adcore.serialize.shard import encode, read
from adcore.types import Array

Arrays: TypeAlias = dict[str, Array]
Decode: TypeAlias = Callable[[Any], Array]
Run: TypeAlias = Callable[..., tuple[Array, ...]]
Watch: TypeAlias = Callable[[int, int], None]
Failure: TypeAlias = tuple[int, str, str, str, bool, float, int]

TRANSIENT = (OSError, MemoryError)  # may go away by themselves: disk, network, a full machine
NO_SIZES: Mapping[str, int] = {}
PEAK_WINDOW = 0.005  # seconds between two readings of the peak; a reading costs about 10 µs
STOP_WINDOW = 0.25  # seconds between two looks for the file that asks to stop
MAX_READY = 8  # programs that a worker keeps; items of one group and size follow each other
MAX_FAILURES = 1000  # per chunk; their texts travel in its index

_this_thread = threading.local()  # its bench


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """What runs the items of a group and size, or why that cannot be made: each of them fails with `error`.

    inputs: in the order that `run` takes, the fixed ones are there already. own: the place of every other
    one, and what makes an array of it. outputs: name and type of each.
    """

    run: Run
    inputs: list[Array | None]
    own: Mapping[str, tuple[int, Decode]]
    outputs: tuple[tuple[str, object], ...]
    error: Exception | None = None


def run_chunk(setup: Setup, chunk: Chunk, watch: Watch | None = None) -> bytes:
    """Run the items of a chunk, or as many as fit in `chunk_seconds` and `chunk_bytes`, at least one.

    Returns: the bytes of a shard. Its arrays are the outputs, stacked over the items that have them, and
    `:item`, `:key`, `:seconds`, `:peak`; its meta has `ran` (items tried), `failures`, `machine`, `busy`.
    Raises: JobDamagedError if the job's directory is not what the driver saw.
    """
    bench: Bench | None = getattr(_this_thread, "bench", None)
    if bench is None or bench.setup != setup:
        bench = _this_thread.bench = Bench(setup)  # programs of one job at a time
    return bench.run(chunk, watch or (lambda chunk, item: None))


class Bench:
    """What a worker keeps of a job: its groups, compiled programs, fixed inputs, mapped tables."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.place = Path(setup.job)
        self.job = directory.load(self.place)
        for file in self.job.plugins:
            loader().load_file(str(self.place / file))
        self.tables: Arrays = {
            name: np.load(self.place / file, mmap_mode="r") for name, file in self.job.tables.items()
        }
        self.ready: OrderedDict[tuple[str, str], Ready] = OrderedDict()
        self.limit = MemoryLimit(setup.item_memory) if setup.item_memory else None
        self.machine = fingerprint()
        self.meter = peak_meter()
        self.preparing = 0.0  # seconds of the running chunk that went into making programs
        self.stop = self.place / directory.STOP

    def run(self, chunk: Chunk, watch: Watch) -> bytes:
        """See `run_chunk`."""
        tray = Tray(self.meter, self.setup.chunk_bytes)
        begin = now = next_look = time.perf_counter()
        ran = 0
        self.preparing = 0.0
        watch(chunk.number, -1)
        for number, line in self._lines(chunk):
            if ran and (now - begin > self.setup.chunk_seconds or tray.full):
                break
            if now > next_look:
                next_look = now + STOP_WINDOW
                if self.stop.exists():
                    break
            try:
                entry = parse(line, number)
            except ValueError as error:
                tray.fail(number, lost_line(self.place / directory.MANIFEST, error), 0.0)
                ran += 1
                break  # where the next line begins only the journal knows
            ready = self._ready(entry["group"], entry.get("sizes", NO_SIZES))
            if not tray.fits(ready):
                break
            watch(chunk.number, number)
            start = time.perf_counter()
            try:
                if ready.error:
                    raise ready.error
                inputs = ready.inputs.copy()
                for name, value in entry["inputs"].items():
                    place, decode = ready.own[name]
                    inputs[place] = decode(value)
                outputs = ready.run(*inputs)
            except Exception as error:  # noqa: BLE001 - whatever an item raises is its result, not our end
                now = time.perf_counter()
                tray.fail(number, error, now - start)
            else:
                now = time.perf_counter()
                tray.put(number, entry["key"], outputs, now - start, now)
            ran += 1
        watch(chunk.number, -1)
        tray.read_peak()
        meta = {
            "chunk": chunk.number,
            "ran": ran,
            "busy": time.perf_counter() - begin - self.preparing,
            "failures": tray.failures,
            "machine": self.machine,
        }
        return encode(tray.arrays(), meta)

    def _ready(self, group: str, sizes: Mapping[str, int]) -> Ready:
        """What runs the items of a group and size, made once."""
        name = (group, told_sizes(sizes) if sizes else "")
        ready = self.ready.get(name)
        if ready is not None:
            return ready
        begin = time.perf_counter()
        try:
            ready = self._prepare(self.job.groups[group], sizes)
        except TRANSIENT as error:  # not kept: the next attempt may have more luck
            return _failed(error)
        except JobDamagedError:
            raise
        except Exception as error:  # noqa: BLE001 - each item of the group gets it
            ready = _failed(error)
        finally:
            self.preparing += time.perf_counter() - begin
        if len(self.ready) == MAX_READY:
            self.ready.popitem(last=False)
        self.ready[name] = ready
        return ready

    def _prepare(self, group: directory.Group, sizes: Mapping[str, int]) -> Ready:
        task = read_task(self.place / group.graph, group.request, group.wrt, group.of)
        if task.source.identity != group.identity:
            raise JobDamagedError(
                f"the graph is {task.source.identity[:12]}…, the job was made for {group.identity[:12]}…",
                str(self.place / group.graph),
                "remove job.toml in that directory and run the original job file again",
            )
        fixed: Arrays = {}
        if group.fixed:
            shard = read(self.place / group.fixed, verify=True)
            fixed = {name: shard[name] for name in shard}
        program = task.program(Config(()).over(group.settings), sizes)
        graph, run = program.graph, program.compile()
        own = {
            name: (place, decoder(kind.dtype, self.tables.get(name), sized(kind, sizes).shape))
            for place, name in enumerate(graph.input_names)
            if name not in fixed
            for kind in (task.inputs[name],)
        }
        return Ready(
            _limited(run, self.limit) if self.limit else run,
            [fixed.get(name) for name in graph.input_names],
            own,
            tuple((name, y.type) for name, y in zip(graph.output_names, graph.outputs, strict=True)),
        )

    def _lines(self, chunk: Chunk) -> Iterator[tuple[int, bytes]]:
        with open(self.place / directory.MANIFEST, "rb") as manifest:
            for first, count, offset in chunk.spans:
                manifest.seek(offset)
                for item in range(first, first + count):
                    yield item, manifest.readline()


class Tray:
    """The results of the items of one chunk, until they are encoded."""

    def __init__(self, meter: PeakMeter, limit: int) -> None:
        self.meter, self.limit = meter, limit
        self.ready: Ready | None = None  # of the items with results so far
        self.numbers: list[int] = []
        self.keys: list[str] = []
        self.seconds: list[float] = []
        self.peaks: list[int] = []
        self.rows: list[tuple[Array, ...]] = []
        self.failures: list[Failure] = []
        self.nbytes = self.item_bytes = 0
        self.full = False  # whether the chunk should end for the memory its results take
        self.read_at = time.perf_counter()
        meter.take()

    def fits(self, ready: Ready) -> bool:
        """Whether results of these items can be stacked upon those that are there: names, dtypes and shapes agree."""
        if ready is self.ready or ready.error:
            return True
        if self.rows and self.ready and self.ready.outputs != ready.outputs:
            return False
        self.ready = ready
        return True

    def put(self, item: int, key: str, outputs: tuple[Array, ...], seconds: float, now: float) -> None:
        """Take the results of an item."""
        if not self.rows:
            self.item_bytes = sum(array.nbytes for array in outputs)
        self.rows.append(outputs)
        self.nbytes += self.item_bytes
        self.full |= self.nbytes >= self.limit
        self.numbers.append(item)
        self.keys.append(key)
        self.seconds.append(seconds)
        if now - self.read_at > PEAK_WINDOW:
            self.read_peak()

    def fail(self, item: int, error: Exception, seconds: float) -> None:
        """Take an item's error: its class, its message, where it came from, whether to try again."""
        kind = next(c.__name__ for c in type(error).__mro__ if not c.__name__.startswith("_"))
        notes = getattr(error, "__notes__", ())  # op and line of the user's code, from the program
        message = "\n".join([str(error) or "it gives no reason", *notes])[:2000]
        detail = "".join(traceback.format_exception(error))[-8000:]
        transient = isinstance(error, TRANSIENT)
        row = (item, kind, message, detail, transient, seconds, self.read_peak())
        self.failures.append(row)
        self.full |= len(self.failures) >= MAX_FAILURES

    def read_peak(self) -> int:
        """Give the items since the last reading the peak of that time; short items share one reading."""
        peak = self.meter.take()
        self.peaks += [peak] * (len(self.numbers) - len(self.peaks))
        self.read_at = time.perf_counter()
        return peak

    def arrays(self) -> Arrays:
        """The arrays of the shard."""
        stacked: Arrays = {}
        if self.rows and self.ready:
            columns = zip(self.ready.outputs, zip(*self.rows, strict=True), strict=True)
            stacked = {name: column[0][None] if len(column) == 1 else np.stack(column) for (name, _), column in columns}
        stacked[":item"] = np.array(self.numbers, np.int64)
        stacked[":key"] = np.frombuffer(bytes.fromhex("".join(self.keys)), np.uint8).reshape(len(self.keys), 32)
        stacked[":seconds"] = np.array(self.seconds)
        stacked[":peak"] = np.array(self.peaks, np.int64)
        return stacked


def _failed(error: Exception) -> Ready:
    return Ready(tuple, [], {}, (), error)


def _limited(run: Run, limit: MemoryLimit) -> Run:
    def limited(*inputs: Array) -> tuple[Array, ...]:
        with limit:
            return run(*inputs)

    return limited
