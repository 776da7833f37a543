"""Values of inputs: from a job file, a CSV, JSON, .npy or .npz file, fitted to the type they must have."""

import csv
import difflib
import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adcore.batch.job import JobFile
from adcore.errors import ConfigError
from adcore.types import Array

INLINE = 64  # elements; a larger input of an item stays in its table, the manifest names the row


@dataclass(frozen=True, slots=True)
class InputType:
    """dtype and shape that an input must have; sizes that are not ints may be anything.

    >>> InputType.parse("float64[3,n]")
    InputType(text='float64[3,n]', dtype=dtype('float64'), shape=(3, None))
    """

    text: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]

    @classmethod
    def parse(cls, text: str) -> "InputType":
        """From the way types are printed."""
        name, _, sizes = text.removesuffix("]").partition("[")
        shape = tuple(int(size) if size.isdigit() else None for size in sizes.split(",") if size)
        return cls(text, np.dtype(name), shape)


def fit(value: Any, name: str, kind: InputType, where: str) -> Array:
    """The value as an array of this type. Python numbers take its dtype; arrays are only cast safely.

    Raises: ConfigError if it is no number, would lose digits, or has another shape.
    """
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "biufc":
            raise ValueError(f"{_short(value)} is not a number")
    except (ValueError, TypeError) as error:
        raise ConfigError(f"the value of input {name!r} cannot be used: {error}", where, f"give {kind.text}") from None
    weak = not isinstance(value, np.ndarray | np.generic) and not (
        kind.dtype.kind in "iub" and array.dtype.kind in "fc"
    )
    if not (np.can_cast(array.dtype, kind.dtype) or (weak and np.can_cast(array.dtype, kind.dtype, "unsafe"))):
        raise ConfigError(
            f"input {name!r} has dtype {array.dtype}, which does not fit {kind.dtype} without loss",
            where,
            f"convert it to {kind.dtype}, or trace the model at {array.dtype}",
        )
    good = len(array.shape) == len(kind.shape) and all(
        want in (None, have) for want, have in zip(kind.shape, array.shape, strict=True)
    )
    if not good:
        raise ConfigError(f"input {name!r} has shape {array.shape}", where, f"give {kind.text}")
    return np.array(array, kind.dtype, order="C")


def fixed_inputs(job: JobFile, types: Mapping[str, InputType]) -> dict[str, Array]:
    """The arrays of the table [inputs]. Raises ConfigError naming key and file."""
    found = {}
    for name, value in job.inputs.items():
        where = job.where(f"[inputs] {name}")
        if name not in types:
            raise unknown_input(name, types, where)
        if isinstance(value, Mapping):
            value = read_value(value, job.path.parent, where)
        found[name] = fit(value, name, types[name], where)
    return found


def unknown_input(name: str, types: Mapping[str, InputType], where: str) -> ConfigError:
    """The error for a name that is no input of the graph."""
    close = difflib.get_close_matches(name, list(types), 1)
    listed = f"inputs: {', '.join(types)}"
    return ConfigError(
        f"the graph has no input {name!r}", where, f"did you mean {close[0]!r}? {listed}" if close else listed
    )


def read_value(source: Mapping[str, Any], folder: Path, where: str) -> Any:
    """What `{ file = …, column = … }` names: a column of a CSV, an array of an .npz, a key of a JSON file."""
    extra = set(source) - {"file", "column", "array", "key"}
    if "file" not in source or extra:
        raise ConfigError(
            f"a value is a number, a list, or a table with a file; this has {', '.join(map(repr, source))}",
            where,
            'write { file = "data.csv", column = "x" }',
        )
    path = folder / str(source["file"])
    part = str(source.get("column") or source.get("array") or source.get("key") or "")
    try:
        if path.suffix == ".npy":
            return np.load(path, allow_pickle=False)
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return arrays[_pick(part, list(arrays), "array", path, where)]
        if path.suffix == ".json":
            values = json.loads(path.read_text(encoding="utf-8"))
            return values[_pick(part, list(values), "key", path, where)] if isinstance(values, dict) else values
        if path.suffix == ".csv":
            with CsvTable(path) as table:
                column = _pick(part, table.columns, "column", path, where)
                return [table.number(row, column, line) for line, row in table]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(
            f"the file {path} cannot be read: {_reason(error)}", where, "give .csv, .npz, .npy or .json"
        ) from None
    raise ConfigError(f"the file {path} is of no known kind", where, "give .csv, .npz, .npy or .json")


class CsvTable:
    """A CSV file with a header, read row by row."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open(path, newline="", encoding="utf-8-sig")  # noqa: SIM115 - closed by __exit__
        self._reader = csv.reader(line for line in self._file if not line.startswith("#"))
        self.columns = [name.strip() for name in next(self._reader, [])]

    def __enter__(self) -> "CsvTable":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[tuple[int, dict[str, str]]]:
        """(number of the row from 1, its cells by column). Raises ConfigError for a row of another length."""
        for number, cells in enumerate((row for row in self._reader if row), 1):
            if len(cells) != len(self.columns):
                raise ConfigError(
                    f"row {number} has {len(cells)} cells, the header has {len(self.columns)}",
                    str(self.path),
                    f"columns: {', '.join(self.columns)}",
                )
            yield number, dict(zip(self.columns, cells, strict=True))

    def number(self, row: Mapping[str, str], column: str, line: int) -> float | int:
        """The number in a cell. Raises ConfigError naming row and column."""
        text = row[column].strip()
        try:
            return int(text) if text.lstrip("+-").isdigit() else float(text)
        except ValueError:
            raise ConfigError(
                f'"{text}" is not a number', f"row {line}, column {column!r} of {self.path}", "write a number"
            ) from None


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of an [items] table: values by input, and tags.

    Small inputs come as arrays, large ones stay in `tables`, mapped from the job's directory.
    """

    job: JobFile
    types: Mapping[str, InputType]
    tables: Mapping[str, Array]

    def __iter__(self) -> Iterator[tuple[str, dict[str, Array | int]]]:
        """(tag, value by input) of every row; an int is a row of a table."""
        items = self.job.items
        assert items is not None
        if items.table.suffix == ".npz":
            count = len(next(iter(self.tables.values())))
            for row in range(count):
                yield (
                    "",
                    {
                        name: row if table[row].size > INLINE else np.asarray(table[row])
                        for name, table in self.tables.items()
                    },
                )
            return
        with CsvTable(items.table) as table:
            used = self._columns(table.columns)
            for line, cells in table:
                yield (
                    cells.get(items.tag, ""),
                    {name: self._cell(table, cells, name, columns, line) for name, columns in used.items()},
                )

    def _columns(self, columns: Sequence[str]) -> dict[str, Any]:
        items = self.job.items
        assert items is not None
        where = self.job.where("[items]")
        used: dict[str, Any] = {name: name for name in columns if name in self.types and name != items.tag}
        for name, wanted in items.columns.items():
            if name not in self.types:
                raise unknown_input(name, self.types, f"{where} columns")
            for column in wanted if isinstance(wanted, list) else [wanted]:
                _pick(str(column), columns, "column", items.table, f"{where} columns")
            used[name] = wanted
        if items.tag:
            _pick(items.tag, columns, "column", items.table, f"{where} tag")
        if not used:
            raise ConfigError(
                f"no column of the table is an input: {', '.join(columns)}",
                f"{where} table = {items.table}",
                f"name columns after inputs ({', '.join(self.types)}), or write [items] columns = {{ … }}",
            )
        return used

    def _cell(self, table: CsvTable, cells: Mapping[str, str], name: str, columns: Any, line: int) -> Array:
        where = f"row {line} of {table.path}"
        if isinstance(columns, list):
            return fit([table.number(cells, str(c), line) for c in columns], name, self.types[name], where)
        return fit(table.number(cells, str(columns), line), name, self.types[name], where)


def copy_tables(job: JobFile, types: Mapping[str, InputType], folder: Path) -> dict[str, tuple[str, str]]:
    """Copy the arrays of an [items] .npz into the job's directory: (file, sha256) by input.

    Streams; the arrays can then be mapped, and the job does not need the .npz any more.
    Raises: ConfigError if an array does not fit its input, or they have different numbers of rows.
    """
    items = job.items
    if items is None or items.table.suffix != ".npz":
        return {}
    where = job.where(f"[items] table = {items.table.name}")
    folder.mkdir(exist_ok=True)
    found: dict[str, tuple[str, str]] = {}
    rows: dict[str, int] = {}
    names = {str(column): name for name, column in items.columns.items()}
    try:
        with zipfile.ZipFile(items.table) as archive:
            for member in archive.namelist():
                column = member.removesuffix(".npy")
                name = names.get(column, column)
                if name not in types:
                    continue
                path = folder / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.npy"
                with archive.open(member) as source, open(path, "wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
                rows[name] = _check_table(path, name, types[name], where)
                with open(path, "rb") as file:
                    found[name] = path.name, hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(
            f"the table {items.table} cannot be read: {_reason(error)}", where, "give a .npz or .csv"
        ) from None
    if not rows:
        raise ConfigError(f"no array of {items.table} is an input", where, f"inputs: {', '.join(types)}")
    if len(set(rows.values())) > 1:
        counts = ", ".join(f"{name} {count}" for name, count in rows.items())
        raise ConfigError(f"the arrays have different numbers of rows: {counts}", where, "give one row per item")
    return found


def _check_table(path: Path, name: str, kind: InputType, where: str) -> int:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.ndim == 0 or not len(array):
        raise ConfigError(f"array {name!r} has shape {array.shape}, no rows", where, f"give (items, …) of {kind.text}")
    fit(np.asarray(array[0]), name, kind, where)
    if array.dtype != kind.dtype or not array.flags.c_contiguous:
        converted = np.asarray(array, kind.dtype, order="C")  # this one is copied once, whole
        np.save(path, converted)
    return len(array)


def _pick(part: str, names: Sequence[str], what: str, path: Path, where: str) -> str:
    if part in names:
        return part
    if not part and len(names) == 1:
        return names[0]
    close = difflib.get_close_matches(part, names, 1)
    listed = f"there are: {', '.join(names)}"
    raise ConfigError(
        f"{path} has no {what} {part!r}" if part else f"{path} has several {what}s and none is named",
        where,
        f"did you mean {close[0]!r}? {listed}" if close else listed,
    )


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else text[:57] + "..."
