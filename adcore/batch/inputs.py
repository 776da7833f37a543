"""Values of inputs: from a job file, a CSV, JSON, .npy or .npz file, fitted to the type they must have."""

import csv
import difflib
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adcore.batch.job import JobFile
from adcore.errors import ConfigError
from adcore.types import Array, Dim, Type

KINDS = {"b": 0, "i": 1, "u": 1, "f": 2, "c": 3}
"""Python's numbers go from a kind to the same or a later one."""


def fit(value: Any, name: str, kind: Type, where: str) -> Array:
    """The value as an array of this type. Python's numbers take its dtype; arrays are only cast safely.

    kind: its named sizes may be anything here, see `adcore.sizes`.
    Raises: ConfigError if it is no number, would lose digits, or has another shape.
    """
    try:
        array = np.asarray(value)
        if array.dtype.kind not in KINDS:
            raise ValueError(f"{short(value)} is not a number")
    except (ValueError, TypeError) as error:
        raise ConfigError(f"the value of input {name!r} cannot be used: {error}", where, f"give {kind}") from None
    if isinstance(value, np.ndarray | np.generic):
        fits = np.can_cast(array.dtype, kind.dtype)
    else:
        fits = KINDS[array.dtype.kind] <= KINDS[kind.dtype.kind]
        if fits and kind.dtype.kind in "iu":
            fits = bool(np.all(array.astype(kind.dtype) == array))
    if not fits:
        raise ConfigError(
            f"input {name!r} has dtype {array.dtype}, which does not fit {kind.dtype} without loss",
            where,
            f"convert it to {kind.dtype}, or trace the model at {array.dtype}",
        )
    shape: tuple[Any, ...] = kind.shape
    if array.ndim != len(shape) or any(
        want != have for want, have in zip(shape, array.shape, strict=True) if not isinstance(want, Dim)
    ):
        raise ConfigError(f"input {name!r} has shape {array.shape}", where, f"give {kind}")
    return np.array(array, kind.dtype, order="C")


def fixed_inputs(job: JobFile, types: Mapping[str, Type]) -> dict[str, Array]:
    """The arrays of the table [inputs]. Raises ConfigError naming key and file."""
    found = {}
    for name, value in job.inputs.items():
        where = job.where("inputs", name)
        if name not in types:
            raise unknown_input(name, types, where)
        if isinstance(value, Mapping):
            value = read_value(value, job.folder, where)
        found[name] = fit(value, name, types[name], where)
    return found


def unknown_input(name: str, types: Mapping[str, Type], where: str) -> ConfigError:
    """The error for a name that is no input of the graph."""
    close = difflib.get_close_matches(name, list(types), 1)
    listed = f"inputs: {', '.join(types)}"
    return ConfigError(
        f"the graph has no input {name!r}", where, f"did you mean {close[0]!r}? {listed}" if close else listed
    )


def read_value(source: Mapping[str, Any], folder: Path, where: str) -> Any:
    """What `{ file = …, column = … }` names: a column of a CSV, an array of an .npz, a key of a JSON file.

    Raises: ConfigError if it is not there, or no file of these kinds.
    """
    extra = set(source) - {"file", "column", "array", "key"}
    if "file" not in source or extra:
        raise ConfigError(
            f"a value is a number, a list, or a table with a file; this has {', '.join(map(repr, source))}",
            where,
            'write { file = "data.csv", column = "x" }',
        )
    path = folder / str(source["file"])
    part = str(source.get("column") or source.get("array") or source.get("key") or "")
    if path.suffix not in (".npy", ".npz", ".json", ".csv"):
        raise ConfigError(f"the file {path} is of no known kind", where, "give .csv, .npz, .npy or .json")
    try:
        return _read(path, part, where)
    except ConfigError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise unreadable(path, error, where) from None


def _read(path: Path, part: str, where: str) -> Any:
    if path.suffix == ".npy":
        return np.load(path, allow_pickle=False)
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            return arrays[pick(part, list(arrays), "array", path, where)]
    if path.suffix == ".json":
        values = json.loads(path.read_text(encoding="utf-8"))
        return values[pick(part, list(values), "key", path, where)] if isinstance(values, dict) else values
    with CsvTable(path) as table:
        column = pick(part, table.columns, "column", path, where)
        return [table.number(row, column, line) for line, row in table]


class CsvTable:
    """A CSV file with a header, read row by row. Lines that begin with # are passed over."""

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


def pick(part: str, names: Sequence[str], what: str, path: Path, where: str) -> str:
    """The part of a file that is meant; none may be named if there is only one. Raises ConfigError."""
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


def unreadable(path: Path, error: BaseException, where: str) -> ConfigError:
    """The error for a data file that cannot be read."""
    reason = getattr(error, "strerror", None) or str(error)
    return ConfigError(f"the file {path} cannot be read: {reason}", where, "give another file, or mend it")


def short(value: Any) -> str:
    """A value in a message, at most 60 characters."""
    text = repr(value)
    return text if len(text) < 60 else text[:57] + "..."
