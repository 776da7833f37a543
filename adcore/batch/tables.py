"""The table of [items]: one item per row of a .csv, .jsonl or .npz file, streamed.

.csv     columns named after inputs, or gathered into inputs by `columns`
.jsonl   one object per line: input -> number, nested lists or { "file": …, "column": … }; sizes may differ
.npz     arrays with a first axis of items; copied into the job's directory and mapped from there
"""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adcore.batch.inputs import CsvTable, fit, pick, read_value, unknown_input, unreadable
from adcore.batch.job import Items, JobFile
from adcore.batch.manifest import Point
from adcore.errors import ConfigError
from adcore.types import Array, Type

INLINE = 64  # elements; a larger row of an .npz stays in its table, the manifest names the row


def rows(job: JobFile, items: Items, types: Mapping[str, Type], tables: Mapping[str, Array]) -> Iterator[Point]:
    """Tag and values of every row, in order. tables: the arrays of an .npz, see `copy_tables`.

    Raises: ConfigError naming row and column of a value that does not fit.
    """
    if items.table.suffix == ".npz":
        return _array_rows(tables)
    if items.table.suffix == ".jsonl":
        return _json_rows(job, items, types)
    return _csv_rows(job, items, types)


def _array_rows(tables: Mapping[str, Array]) -> Iterator[Point]:
    for row in range(len(next(iter(tables.values())))):
        values = {name: row if table[row].size > INLINE else np.asarray(table[row]) for name, table in tables.items()}
        yield Point("", values)


def _json_rows(job: JobFile, items: Items, types: Mapping[str, Type]) -> Iterator[Point]:
    names = {str(column): name for name, column in items.columns.items()}
    for where, entry in _objects(items.table):
        tag = str(entry.pop(items.tag, "")) if items.tag else ""
        profile = str(entry.pop(items.profile, "")) if items.profile else ""
        values: dict[str, Array | int] = {}
        for key, value in entry.items():
            name = names.get(key, key)
            if name not in types:
                raise unknown_input(name, types, where)
            if isinstance(value, dict):
                value = read_value(value, job.folder, where)
            values[name] = fit(value, name, types[name], where)
        yield Point(tag, values, profile)


def named_files(job: JobFile, items: Items) -> Iterator[Path]:
    """The files that the lines of a .jsonl take values from."""
    if items.table.suffix == ".jsonl" and items.table.exists():
        for _, entry in _objects(items.table):
            yield from (
                job.folder / str(value["file"])
                for value in entry.values()
                if isinstance(value, dict) and "file" in value
            )


def named_profiles(items: Items) -> list[str]:
    """The profiles and strategies that items ask for, each once; "" is the job's own. [] if they may not."""
    if not items.profile:
        return []
    if items.table.suffix == ".jsonl":
        return list(dict.fromkeys(str(entry.get(items.profile, "")) for _, entry in _objects(items.table)))
    with CsvTable(items.table) as table:
        return list(dict.fromkeys(cells.get(items.profile, "") for _, cells in table))


def _objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(place, object) of every line of a .jsonl. Raises ConfigError naming a line that is none."""
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            where = f"line {number} of {path}"
            try:
                entry = json.loads(line)
                if not isinstance(entry, dict):
                    raise ValueError("it is no object")
            except ValueError as error:
                raise ConfigError(f"the line is not JSON: {error}", where, 'write {"x": [1.0, 2.0]}') from None
            yield where, entry


def _csv_rows(job: JobFile, items: Items, types: Mapping[str, Type]) -> Iterator[Point]:
    with CsvTable(items.table) as table:
        used = _columns(job, items, types, table.columns)
        for line, cells in table:
            where = f"row {line} of {table.path}"
            values: dict[str, Array | int] = {}
            for name, columns in used.items():
                value: Any
                if isinstance(columns, list):
                    value = [table.number(cells, str(column), line) for column in columns]
                else:
                    value = table.number(cells, str(columns), line)
                values[name] = fit(value, name, types[name], where)
            yield Point(cells.get(items.tag, ""), values, cells.get(items.profile, ""))


def _columns(job: JobFile, items: Items, types: Mapping[str, Type], columns: Sequence[str]) -> dict[str, Any]:
    """The column of every input, or the list of its columns."""
    used: dict[str, Any] = {n: n for n in columns if n in types and n not in (items.tag, items.profile)}
    for name, wanted in items.columns.items():
        if name not in types:
            raise unknown_input(name, types, job.where("items", "columns"))
        for column in wanted if isinstance(wanted, list) else [wanted]:
            pick(str(column), columns, "column", items.table, job.where("items", "columns"))
        used[name] = wanted
    for key, column in (("tag", items.tag), ("profile", items.profile)):
        if column:
            pick(column, columns, "column", items.table, job.where("items", key))
    if not used:
        raise ConfigError(
            f"no column of the table is an input: {', '.join(columns)}",
            job.where("items", "table"),
            f"name columns after inputs ({', '.join(types)}), or write [items] columns = {{ … }}",
        )
    return used


def copy_tables(job: JobFile, types: Mapping[str, Type], folder: Path) -> dict[str, Path]:
    """Copy the arrays of an [items] .npz into the job's directory: file by input; {} for other tables.

    Streams; the arrays can then be mapped, and the job does not need the .npz any more.
    Raises: ConfigError if an array does not fit its input, or they have different numbers of rows.
    """
    items = job.items
    if items is None or items.table.suffix != ".npz":
        return {}
    where = job.where("items", "table")
    names = {str(column): name for name, column in items.columns.items()}
    found: dict[str, Path] = {}
    rows: dict[str, int] = {}
    try:
        with zipfile.ZipFile(items.table) as archive:
            for member in archive.namelist():
                column = member.removesuffix(".npy")
                name = names.get(column, column)
                if name in types:
                    found[name] = folder / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.npy"
                    with archive.open(member) as source, open(found[name], "wb") as target:
                        shutil.copyfileobj(source, target, 1 << 20)
                    rows[name] = _check_table(found[name], name, types[name], where)
    except ConfigError:
        raise
    except (ValueError, zipfile.BadZipFile) as error:
        raise unreadable(items.table, error, where) from None
    if not rows:
        raise ConfigError(f"no array of {items.table} is an input", where, f"inputs: {', '.join(types)}")
    if len(set(rows.values())) > 1:
        counts = ", ".join(f"{name} {count}" for name, count in rows.items())
        raise ConfigError(f"the arrays have different numbers of rows: {counts}", where, "give one row per item")
    return found


def _check_table(path: Path, name: str, kind: Type, where: str) -> int:
    """The number of rows of an array, which is made C-contiguous and of the input's dtype if it is not."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.ndim == 0 or not len(array):
        raise ConfigError(f"array {name!r} has shape {array.shape}, no rows", where, f"give (items, …) of {kind}")
    fit(np.asarray(array[0]), name, kind, where)
    if array.dtype != kind.dtype or not array.flags.c_contiguous:
        converted = np.asarray(array, kind.dtype, order="C")  # this one is copied once, whole
        np.save(path, converted)
    return len(array)
