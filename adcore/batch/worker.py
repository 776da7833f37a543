"""What runs in a worker: a chunk of items in, the bytes of a shard out.

Executors reach `run_chunk` by its name in the `Setup`. It keeps what it loaded and compiled for the next chunk.
"""

import contextlib
import hashlib
import json
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from adcore.batch import directory
from adcore.batch.machine import MemoryLimit, PeakMeter, fingerprint
from adcore.errors import JobDamagedError
from adcore.executor import Chunk, Setup
from adcore.serialize.shard import encode, read
from adcore.types import Array

Arrays: TypeAlias = dict[str, Array]
Decode: TypeAlias = Callable[[Any], Array]
Run: TypeAlias = Callable[[Arrays], Mapping[str, Array]]
Ready: TypeAlias = tuple[Run, Arrays, dict[str, Decode]]
Watch: TypeAlias = Callable[[int, int], None]
Failure: TypeAlias = tuple[int, str, str, str, bool, float, int]

DECODE = json.JSONDecoder().decode  # without the search for an encoding that json.loads begins with
TRANSIENT = (OSError, MemoryError)  # may go away by themselves: disk, network, a full machine
PEAK_WINDOW = 0.005  # seconds between two readings of the peak; a reading costs about 10 µs
STOP_WINDOW = 0.25  # seconds between two looks for the file that asks to stop
MAX_FAILURES = 1000  # per chunk; their texts travel in its index


def run_chunk(setup: Setup, chunk: Chunk, watch: Watch | None = None) -> bytes:
    """Run the items of a chunk, or as many as fit in `chunk_seconds` and `chunk_bytes`, at least one.

    Returns: the bytes of a shard. Its arrays are the outputs, stacked over the items that have them, and
    `:item`, `:key`, `:seconds`, `:peak`; its meta has `ran` (items tried), `failures`, `machine`, `busy`.
    Raises: JobDamagedError if the job's directory is not what the driver saw.
    """
    bench = _benches.get(setup.job)
    if bench is None or bench.setup != setup:
        _benches.clear()  # programs of one job at a time
        bench = _benches[setup.job] = Bench(setup)
    return bench.run(chunk, watch or (lambda chunk, item: None))


class Bench:
    """What a worker keeps of a job: its groups, compiled programs, fixed inputs, mapped tables."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.place = Path(setup.job)
        self.job = directory.load(self.place)
        self.manifest = open(self.place / directory.MANIFEST, "rb")  # noqa: SIM115 - while we live
        self.program = import_module(setup.program)
        self.tables: Arrays = {
            name: np.load(self.place / table["file"], mmap_mode="r") for name, table in self.job.tables.items()
        }
        self.ready: dict[str, Ready] = {}
        self.limit = MemoryLimit(setup.item_memory) if setup.item_memory else contextlib.nullcontext()
        self.machine = fingerprint()
        self.meter = PeakMeter()
        self.preparing = 0.0  # seconds of the running chunk that went into making programs
        self.stop = self.place / directory.STOP

    def run(self, chunk: Chunk, watch: Watch) -> bytes:
        """See `run_chunk`."""
        tray = Tray(self.meter, self.setup.chunk_bytes)
        begin = next_look = time.perf_counter()
        ran = 0
        self.preparing = 0.0
        watch(chunk.number, -1)
        for number, line in self._lines(chunk):
            now = time.perf_counter()
            if ran and (now - begin > self.setup.chunk_seconds or tray.full):
                break
            if now > next_look:
                next_look = now + STOP_WINDOW
                if self.stop.exists():
                    break
            if not self._item(number, line, tray, chunk.number, watch):
                break
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

    def _item(self, number: int, line: bytes, tray: "Tray", chunk: int, watch: Watch) -> bool:
        """Run one item and put what it gives on the tray; False if it does not fit beside the others."""
        try:
            entry = DECODE(line.decode())
            if entry["item"] != number:
                raise ValueError(f"it is item {entry['item']}")
            key = bytes.fromhex(entry["key"])
            group, own = entry["group"], entry["inputs"]
            program, fixed, decoders = self.ready.get(group) or self._prepare(group)
        except (ValueError, KeyError, TypeError) as error:
            raise JobDamagedError(
                f"the line of item {number} in the manifest is not what was written: {error}",
                str(self.place / directory.MANIFEST),
                "run the original job file again: finished results are found by their keys",
            ) from error
        watch(chunk, number)
        start = time.perf_counter()
        try:
            inputs = fixed.copy()
            for name, value in own.items():
                inputs[name] = decoders[name](value)
            with self.limit:
                outputs = program(inputs)
        except Exception as error:  # noqa: BLE001 - whatever an item raises is its result, not our end
            tray.fail(number, error, time.perf_counter() - start)
            return True
        return tray.put(number, key, outputs, time.perf_counter() - start)

    def _prepare(self, name: str) -> Ready:
        """What runs the items of a group. If it cannot be made, what raises the reason in every item."""
        group = self.job.groups[name]
        decoders = {name: decoder(text, self.tables.get(name)) for name, text in group.inputs.items()}
        fixed: Arrays = {}
        begin = time.perf_counter()
        try:
            if group.fixed:
                shard = read(self.place / group.fixed, verify=True)
                fixed = {name: shard[name] for name in shard}
            program = self.program.prepare(self.place, group)
        except TRANSIENT as error:  # not kept: the next attempt may have more luck
            return _raiser(error), fixed, decoders
        except Exception as error:  # noqa: BLE001 - each item of the group gets it
            program = _raiser(error)
        finally:
            self.preparing += time.perf_counter() - begin
        self.ready[name] = program, fixed, decoders
        return self.ready[name]

    def _lines(self, chunk: Chunk) -> Iterator[tuple[int, bytes]]:
        for first, count, offset in chunk.spans:
            self.manifest.seek(offset)
            for item in range(first, first + count):
                yield item, self.manifest.readline()


class Tray:
    """The results of the items of one chunk, until they are encoded."""

    def __init__(self, meter: PeakMeter, limit: int) -> None:
        self.meter, self.limit = meter, limit
        self.numbers: list[int] = []
        self.keys: list[bytes] = []
        self.seconds: list[float] = []
        self.peaks: list[int] = []
        self.columns: list[tuple[str, np.dtype[Any], tuple[int, ...], list[Array]]] = []
        self.failures: list[Failure] = []
        self.nbytes = self.item_bytes = 0
        self.read_at = time.perf_counter()
        meter.take()

    @property
    def full(self) -> bool:
        """Whether the chunk should end for the memory its results take."""
        return self.nbytes >= self.limit or len(self.failures) >= MAX_FAILURES

    def put(self, item: int, key: bytes, outputs: Mapping[str, Array], seconds: float) -> bool:
        """Take the results of an item, unless their names, dtypes or shapes differ from those before."""
        arrays = [np.asarray(value) for value in outputs.values()]
        if not self.numbers:
            self.columns = [(name, array.dtype, array.shape, []) for name, array in zip(outputs, arrays, strict=True)]
            self.item_bytes = sum(array.nbytes for array in arrays)
        elif len(arrays) != len(self.columns) or any(
            name != known or array.shape != shape or array.dtype != dtype
            for name, array, (known, dtype, shape, _) in zip(outputs, arrays, self.columns, strict=True)
        ):
            return False
        for array, (*_, column) in zip(arrays, self.columns, strict=True):
            column.append(array)
        self.nbytes += self.item_bytes
        self.numbers.append(item)
        self.keys.append(key)
        self.seconds.append(seconds)
        if time.perf_counter() - self.read_at > PEAK_WINDOW:
            self.read_peak()
        return True

    def fail(self, item: int, error: Exception, seconds: float) -> None:
        """Take an item's error: its class, its message, where it came from, whether to try again."""
        kind = next(c.__name__ for c in type(error).__mro__ if not c.__name__.startswith("_"))
        message = str(error)[:2000] or "it gives no reason"
        detail = "".join(traceback.format_exception(error))[-8000:]
        transient = isinstance(error, TRANSIENT)
        row = (item, kind, message, detail, transient, seconds, self.read_peak())
        self.failures.append(row)

    def read_peak(self) -> int:
        """Give the items since the last reading the peak of that time; short items share one reading."""
        peak = self.meter.take()
        self.peaks += [peak] * (len(self.numbers) - len(self.peaks))
        self.read_at = time.perf_counter()
        return peak

    def arrays(self) -> Arrays:
        """The arrays of the shard."""
        stacked: Arrays = {
            name: column[0][None] if len(column) == 1 else np.stack(column) for name, _, _, column in self.columns
        }
        stacked[":item"] = np.array(self.numbers, np.int64)
        stacked[":key"] = np.frombuffer(b"".join(self.keys), np.uint8).reshape(len(self.keys), 32)
        stacked[":seconds"] = np.array(self.seconds)
        stacked[":peak"] = np.array(self.peaks, np.int64)
        return stacked


def _raiser(error: Exception) -> Run:
    def program(inputs: Arrays) -> Mapping[str, Array]:
        raise error

    return program


def decoder(text: str, table: Array | None) -> Decode:
    """What makes an array of an item's input as the manifest has it; text: its type, "float64[3]".

    A value is a number or nested lists, complex ones as [real, imaginary]; or {"row": n} of a table.

    >>> decoder("complex128[1]", None)([[1.0, 2.0]])
    array([1.+2.j])
    """
    dtype = np.dtype(text[: text.index("[")])
    sizes = text[text.index("[") + 1 : -1].split(",")
    fixed = all(size.isdigit() for size in sizes) or sizes == [""]
    shape = tuple(int(size) for size in sizes if size) if fixed else None
    parts = np.dtype(f"f{dtype.itemsize // 2}") if dtype.kind == "c" else dtype

    def decode(value: Any) -> Array:
        if isinstance(value, dict):
            assert table is not None
            return np.array(table[value["row"]])
        array = np.array(value, parts)
        if parts is not dtype:
            array = array.view(dtype)[..., 0]
        return array if shape is None else array.reshape(shape)

    return decode


def hash_inputs(digest: bytes, inputs: Mapping[str, Array]) -> bytes:
    """The key of an item: sha256 of its group's digest and its own inputs, 32 bytes."""
    parts = [digest]
    for name in sorted(inputs):
        array = inputs[name]
        parts.append(f"{name}\0{array.dtype.str}{array.shape}".encode())
        parts.append(array.tobytes())  # in C order, whatever its layout
    return hashlib.sha256(b"".join(parts)).digest()


_benches: dict[str, Bench] = {}
