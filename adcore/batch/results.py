"""Reading the results of a job, in item order, while it runs or after."""

import os
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from adcore.batch.journal import DONE, Journal, Row
from adcore.batch.shards import Store
from adcore.errors import BatchError, StorageError
from adcore.serialize.shard import Shard
from adcore.types import Array

KEEP_OPEN = 64  # shards that a reader holds mapped


class Results:
    """The results of a job in item order. Open while the job runs, or after.

    >>> done = results("runs/lynx_hare")                              # doctest: +SKIP
    >>> done.array("value").shape, done.array("grad.theta").shape     # doctest: +SKIP
    ((200,), (200, 8))
    """

    def __init__(self, journal: Journal, store: Store) -> None:
        self._journal, self._store = journal, store
        self._names = {shard: name for shard, name, _, _ in journal.shards()}
        self._open: OrderedDict[int, Shard] = OrderedDict()
        self._done: list[tuple[int, int, int]] | None = None

    def __len__(self) -> int:
        """How many items have a result."""
        return self._journal.counts()["done"]

    @property
    def names(self) -> list[str]:
        """The names of the outputs of the first finished item."""
        for _, arrays in self:
            return list(arrays)
        return []

    @property
    def items(self) -> npt.NDArray[np.int64]:
        """The numbers of the finished items, ascending: what row k of `array(name)` belongs to."""
        return np.fromiter((row.item for row in self._rows()), np.int64)

    def __getitem__(self, item: int) -> dict[str, Array]:
        """The outputs of one item by name. Raises BatchError with the reason if it has none."""
        for row in self._journal.rows("i.item = ?", (item,)):
            if row.state == DONE:
                return self._arrays(row)
            reason = f"{row.kind}: {row.message}" if row.kind else "it was not computed yet"
            raise BatchError(
                f"item {item} has no result: {reason}",
                f"job {self._store.directory.parent}",
                "see report.csv; `adcore batch retry` tries failed items again",
            )
        raise BatchError(f"there is no item {item}", f"job {self._store.directory.parent}", "items count from 0")

    def __iter__(self) -> Iterator[tuple[int, dict[str, Array]]]:
        """(item, its outputs by name) of every finished item, in item order, one at a time."""
        for row in self._rows():
            yield row.item, self._arrays(row)

    def array(self, name: str, missing: float | None = None) -> Array:
        """One output of all items, stacked in item order: (items, *shape of the output).

        missing: what to put where an item has no result; without it such items are an error.
        Raises: BatchError if items are missing, or have results of different shapes.
        """
        rows = list(self._journal.rows())
        if missing is None:
            self._check_complete(rows)
        stacked: Array | None = None
        for at, row in enumerate(rows):
            if row.state != DONE:
                continue
            value = self._value(row, name)
            if stacked is None:
                stacked = np.full((len(rows), *value.shape), missing if missing is not None else 0, value.dtype)
            self._check_shape(row, name, value, stacked.shape[1:])
            stacked[at] = value
        return np.zeros((len(rows),)) if stacked is None else stacked

    def save_npz(self, path: str | Path) -> int:
        """Write all finished items to an .npz, stacked in item order, and `item`, their numbers.

        Streams: no more than one item is held in memory. Returns how many items were written.
        Raises: BatchError if items have results of different shapes; StorageError if it cannot be written.
        """
        numbers = self.items
        temporary = Path(path).with_name(Path(path).name + ".tmp")
        try:
            with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
                with archive.open("item.npy", "w") as member:
                    np.lib.format.write_array(member, numbers)
                for name in self.names:
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                        self._save_member(member, name, len(numbers))
            os.replace(temporary, path)
        except OSError as error:
            raise StorageError(
                f"the results could not be written: {error.strerror or error}",
                str(path),
                "free space or give write permission, and export again",
            ) from None
        finally:
            temporary.unlink(missing_ok=True)
        return len(numbers)

    def close(self) -> None:
        """Close the journal and let go of the shards."""
        self._open.clear()
        self._journal.close()

    def __enter__(self) -> "Results":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _save_member(self, member: Any, name: str, count: int) -> None:
        shape: tuple[int, ...] | None = None
        for row in self._rows():
            value = self._value(row, name)
            if shape is None:
                shape = value.shape
                header = {"descr": value.dtype.str, "fortran_order": False, "shape": (count, *shape)}
                np.lib.format.write_array_header_2_0(member, header)
            self._check_shape(row, name, value, shape)
            member.write(np.ascontiguousarray(value).tobytes())

    def _rows(self) -> Iterator[Row]:
        return self._journal.rows("r.state = 1")

    def _check_complete(self, rows: Sequence[Row]) -> None:
        without = [row.item for row in rows if row.state != DONE]
        if without:
            raise BatchError(
                f"{len(without)} of {len(rows)} items have no result, the first is item {without[0]}",
                f"job {self._store.directory.parent}",
                "pass missing=float('nan') to fill them in, or iterate over the finished ones",
            )

    def _check_shape(self, row: Row, name: str, value: Array, shape: tuple[int, ...]) -> None:
        if value.shape != shape:
            raise BatchError(
                f"output {name!r} has shape {value.shape} in item {row.item} and {shape} before it",
                f"job {self._store.directory.parent}",
                "items of different sizes cannot be stacked: iterate over them",
            )

    def _shard(self, row: Row) -> Shard:
        assert row.shard is not None
        shard = self._open.get(row.shard)
        if shard is None:
            shard = self._open[row.shard] = self._store.open(self._names[row.shard])
            if len(self._open) > KEEP_OPEN:
                self._open.popitem(last=False)
        return shard

    def _arrays(self, row: Row) -> dict[str, Array]:
        shard = self._shard(row)
        return {name: shard[name][row.position, ...] for name in shard if not name.startswith(":")}

    def _value(self, row: Row, name: str) -> Array:
        shard = self._shard(row)
        if name not in shard.entries or name.startswith(":"):
            raise BatchError(
                f"item {row.item} has no output {name!r}",
                f"job {self._store.directory.parent}",
                f"outputs: {', '.join(n for n in shard if not n.startswith(':'))}",
            )
        value: Array = shard[name][row.position, ...]
        return value
