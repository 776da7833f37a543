"""Reading the results of a job, in item order, while it runs or after; and writing them for other programs."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from adcore.batch import directory
from adcore.batch.directory import Job
from adcore.batch.journal import DONE, Journal, Row
from adcore.batch.manifest import decoder, lost_line, read_line
from adcore.batch.shards import Store
from adcore.config import nearest
from adcore.errors import BatchError, ConfigError, MissingExtraError, StorageError
from adcore.executor import named
from adcore.registry import registered, registry
from adcore.serialize.shard import Shard
from adcore.types import Array

KEEP_OPEN = 64  # shards that a reader holds mapped


class Results:
    """The results of a job in item order, as they were when it was opened; the job may run on.

    >>> done = results("runs/lynx_hare")                              # doctest: +SKIP
    >>> done.array("y").shape, done.array("start_bar").shape          # doctest: +SKIP
    ((200,), (200, 2))
    """

    def __init__(self, place: Path, job: Job, journal: Journal) -> None:
        self.place, self.job = place, job
        self._journal, self._store = journal, Store(place / directory.RESULTS)
        journal.hold()
        self._shards = {shard: name for shard, name, _, _ in journal.shards()}
        self._open: OrderedDict[int, Shard] = OrderedDict()
        self._manifest: IO[bytes] | None = None
        self._decoders: dict[str, Callable[[Any], Array]] = {}

    def __len__(self) -> int:
        """How many items have a result."""
        return self._journal.counts()["done"]

    @property
    def names(self) -> list[str]:
        """The names of the outputs, of the first finished item."""
        return next((self._outputs(row) for row in self._rows()), [])

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs that are an item's own, of the first finished item; none if a line is lost."""
        if next(self._journal.rows("r.state = 1 AND i.offset < 0"), None):
            return []  # exports hold the outputs all the same
        return next((list(self._line(row)["inputs"]) for row in self._rows()), [])

    @property
    def items(self) -> npt.NDArray[np.int64]:
        """The numbers of the finished items, ascending: what the rows of a `column` belong to."""
        return np.fromiter((row.item for row in self._rows()), np.int64)

    @property
    def tags(self) -> list[str]:
        """The tags of the finished items, as `[items] tag` names them."""
        return [row.tag or "" for row in self._rows()]

    def __getitem__(self, item: int) -> dict[str, Array]:
        """The outputs of one item by name. Raises BatchError with the reason if it has none."""
        row = self._row(item)
        if row.state == DONE:
            return {name: self._output(row, name) for name in self._outputs(row)}
        reason = f"{row.kind}: {(row.message or '').partition(chr(10))[0]}" if row.kind else "it was not computed yet"
        raise BatchError(
            f"item {item} has no result: {reason}",
            f"job {self.place}",
            "see report.csv; `adcore batch retry` tries failed items again",
        )

    def inputs(self, item: int) -> dict[str, Array]:
        """The inputs of one item that are its own, by name; finished or not."""
        values = self._line(self._row(item))["inputs"]
        return {name: self._decoder(name)(value) for name, value in values.items()}

    def __iter__(self) -> Iterator[tuple[int, dict[str, Array]]]:
        """(item, its outputs by name) of every finished item, in item order, one at a time."""
        for row in self._rows():
            yield row.item, {name: self._output(row, name) for name in self._outputs(row)}

    def column(self, name: str) -> Iterator[Array]:
        """One output of every finished item, in item order, one at a time; "inputs/x" is its own input x.

        Raises: BatchError if an item has no output of that name.
        """
        own = name.removeprefix("inputs/")
        for row in self._rows():
            yield self._output(row, name) if own == name else self._decoder(own)(self._line(row)["inputs"][own])

    def array(self, name: str, missing: float | None = None) -> Array:
        """One output (or own input, "inputs/x") of all items, stacked in item order: (items, *shape).

        missing: what to put where an item has no result; without it such items are an error.
        Raises: BatchError if items are missing, or have results of different shapes.
        """
        items = self.items
        count = self.job.items
        if missing is None and len(items) < count:
            first = next((n for n, item in enumerate(items.tolist()) if item != n), len(items))
            raise BatchError(
                f"{count - len(items)} of {count} items have no result, the first is item {first}",
                f"job {self.place}",
                "pass missing=float('nan') to fill them in, or iterate over the finished ones",
            )
        stacked: Array | None = None
        for item, value in zip(items, self.column(name), strict=True):
            if stacked is None:
                stacked = np.full((count, *value.shape), 0 if missing is None else missing, value.dtype)
            self.check_shape(name, value.shape, stacked.shape[1:])
            stacked[item] = value
        return np.full(count, 0.0 if missing is None else missing) if stacked is None else stacked

    def save(self, path: str | Path) -> int:
        """Write finished items to a file that other programs read: .npz, or what plugins bring (.parquet, .zarr).

        It holds `item` and `tag`, own inputs as "inputs/x", and outputs. Streams; how many items were written.
        Raises: BatchError if items have results of different shapes; ConfigError for an unknown ending;
        StorageError if it cannot be written.
        """
        path = Path(path)
        write = find_store(path.suffix)
        try:
            write(self, path)
        except OSError as error:
            raise StorageError(
                f"the results could not be written: {error.strerror or error}",
                str(path),
                "free space or give write permission, and export again",
            ) from None
        return len(self.items)

    def check_shape(self, name: str, have: tuple[int, ...], want: tuple[int, ...]) -> None:
        """Raise BatchError if a value cannot be stacked upon those before it."""
        if have != want:
            raise BatchError(
                f"{name!r} has shape {have} in one item and {want} in those before it",
                f"job {self.place}",
                "items of different sizes cannot be stacked: iterate over them",
            )

    def close(self) -> None:
        """Close the journal and let go of the shards."""
        self._open.clear()
        if self._manifest:
            self._manifest.close()
        self._journal.close()

    def __enter__(self) -> "Results":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- rows, lines and shards ------------------------------------------------------------------

    def _rows(self) -> Iterator[Row]:
        return self._journal.rows("r.state = 1")

    def _row(self, item: int) -> Row:
        for row in self._journal.rows("i.item = ?", (item,)):
            return row
        raise BatchError(
            f"there is no item {item}", f"job {self.place}", f"items are numbered 0 to {self.job.items - 1}"
        )

    def _line(self, row: Row) -> dict[str, Any]:
        try:
            if self._manifest is None:
                self._manifest = open(self.place / directory.MANIFEST, "rb")  # noqa: SIM115 - closed by close
            return read_line(self._manifest, row.item, row.offset)
        except (OSError, ValueError) as error:
            raise lost_line(self.place / directory.MANIFEST, f"item {row.item}: {error}") from None

    def _decoder(self, name: str) -> Callable[[Any], Array]:
        if name not in self._decoders:
            kinds = {group.inputs[name] for group in self.job.groups.values() if name in group.inputs}
            if not kinds:
                known = [n for group in self.job.groups.values() for n in group.inputs]
                raise BatchError(f"no input is called {name!r}", f"job {self.place}", nearest(name, known))
            file = self.job.tables.get(name)
            table = None if file is None else np.load(self.place / file, mmap_mode="r")
            self._decoders[name] = decoder(np.dtype(kinds.pop().partition("[")[0]), table)
        return self._decoders[name]

    def _shard(self, row: Row) -> Shard:
        assert row.shard is not None
        shard = self._open.get(row.shard)
        if shard is None:
            shard = self._open[row.shard] = self._store.open(self._shards[row.shard])
            if len(self._open) > KEEP_OPEN:
                self._open.popitem(last=False)
        return shard

    def _outputs(self, row: Row) -> list[str]:
        return [name for name in self._shard(row) if not name.startswith(":")]

    def _output(self, row: Row, name: str) -> Array:
        shard = self._shard(row)
        if name not in shard.entries or name.startswith(":"):
            raise BatchError(
                f"item {row.item} has no output {name!r}", f"job {self.place}", nearest(name, self._outputs(row))
            )
        value: Array = shard[name][row.position, ...]
        return value


def find_store(suffix: str) -> Callable[[Results, Path], None]:
    """What writes results to a file with this ending: write(results, path).

    Raises: ConfigError with the endings that there are; MissingExtraError if it needs a package that is
    not installed.
    """
    found, known = registered("stores", suffix), registry().stores
    if found is None:
        what = f"nothing writes results to a file that ends in {suffix!r}"
        raise ConfigError(what, "the name of the output", nearest(suffix, sorted(known)))
    try:
        write: Callable[[Results, Path], None] = named(found) if isinstance(found, str) else found
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"{suffix} files need the package {error.name!r}, which is not installed",
            f"store {suffix!r}, {found}",
            f"pip install 'adcore[{suffix[1:]}]'",
        ) from None
    return write
