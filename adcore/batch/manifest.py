"""From a job file to items: one line of the manifest each, streamed, whatever their number.

    {"item": 3, "key": "…64 hex…", "group": "g0", "inputs": {"alpha": 0.5, "x": {"row": 3}}, "tag": "run 3"}

The key is the sha256 of all that determines the result: the group's digest (graph identity, request,
strategy as resolved, op versions, backend, threads, NumPy, fixed inputs) and the item's own inputs,
bit by bit. Items of one group follow each other, so that a worker seldom changes its program.
"""

import hashlib
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from adcore.batch.inputs import InputType, Rows, fit, unknown_input
from adcore.batch.job import JobFile
from adcore.batch.journal import NewItem
from adcore.batch.worker import hash_inputs
from adcore.errors import ConfigError, JobDamagedError, StorageError
from adcore.types import Array

DRAWS = ("uniform", "log_uniform", "normal")
ENCODE = json.JSONEncoder(ensure_ascii=False).encode
BLOCK = 1024  # draws made at a time

Point = tuple[str, dict[str, "Array | int"]]


def points(job: JobFile, types: Mapping[str, InputType], tables: Mapping[str, Array]) -> Iterator[Point]:
    """(tag, value by input) of the items of one group: rows x grid x draws; an int is a row of a table."""
    rows: Iterable[Point] = Rows(job, types, tables) if job.items else [("", {})]
    grid = {name: _grid(name, value, types, job) for name, value in job.sweep.grid.items()}
    for tag, row in rows:
        for values in itertools.product(*grid.values()):
            chosen = dict(zip(grid, values, strict=True))
            for drawn in _draws(job, types):
                yield tag, {**row, **chosen, **drawn}


class Writer:
    """Writes the manifest; a context manager. `items` and `sha256` are right at its end."""

    def __init__(self, path: Path) -> None:
        self.path, self.items, self._offset = path, 0, 0
        self._sha256 = hashlib.sha256()
        self._file = open(path.with_name(path.name + ".tmp"), "wb")  # noqa: SIM115 - closed by __exit__

    @property
    def sha256(self) -> str:
        """The hash of what was written so far, in hex."""
        return self._sha256.hexdigest()

    def write(
        self, group: str, digest: bytes, found: Iterable[Point], tables: Mapping[str, Array]
    ) -> Iterator[NewItem]:
        """Write the items of a group; yields what the journal needs of each."""
        for tag, values in found:
            arrays = {n: v if isinstance(v, np.ndarray) else tables[n][v] for n, v in values.items()}
            key = hash_inputs(digest, arrays)
            inputs = ENCODE({n: _plain(v) for n, v in values.items()})
            label = f', "tag": {ENCODE(tag)}' if tag else ""
            start = f'{{"item": {self.items}, "key": "{key.hex()}", "group": "{group}"'
            raw = f'{start}, "inputs": {inputs}{label}}}\n'.encode()
            self._file.write(raw)
            self._sha256.update(raw)
            yield self.items, self._offset, key, group, tag
            self.items += 1
            self._offset += len(raw)

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        temporary = Path(self._file.name)
        if kind is not None:
            self._file.close()
            temporary.unlink(missing_ok=True)
            return
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            os.replace(temporary, self.path)
        except OSError as error:
            raise StorageError(
                f"the manifest could not be written: {error.strerror}",
                str(self.path),
                "free space, and run again",
            ) from None


def item(raw: bytes) -> dict[str, Any]:
    """One line."""
    found: dict[str, Any] = json.loads(raw)
    return found


def lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(offset, item) of every line of a manifest. Raises JobDamagedError if one is not what was written."""
    offset = 0
    with open(path, "rb") as file:
        for number, raw in enumerate(file):
            try:
                line = json.loads(raw)
                good = line["item"] == number and len(bytes.fromhex(line["key"])) == 32
            except (ValueError, KeyError, TypeError):
                good = False
            if not good:
                raise JobDamagedError(
                    f"line {number + 1} of the manifest is not what was written",
                    str(path),
                    "run the original job file again: finished results are found by their keys",
                )
            yield offset, line
            offset += len(raw)


def check_covered(job: JobFile, types: Mapping[str, InputType], fixed: Iterable[str], given: Iterable[str]) -> None:
    """Refuse a job in which an input gets no value, or one is in two places."""
    fixed, given = set(fixed), set(given)
    for name in sorted(fixed & given):
        raise ConfigError(
            f"input {name!r} is given twice",
            job.where("[inputs] and [items] or [sweep]"),
            "remove one of them",
        )
    missing = [name for name in types if name not in fixed | given]
    if missing:
        raise ConfigError(
            f"input {missing[0]!r} gets no value" + (f", nor do {len(missing) - 1} more" if missing[1:] else ""),
            f"{missing[0]}: {types[missing[0]].text}, in {job.path}",
            "give it under [inputs], in the table of [items], or in [sweep]",
        )


def _grid(name: str, value: Any, types: Mapping[str, InputType], job: JobFile) -> list[Array]:
    where = job.where(f"[sweep.grid] {name}")
    if name not in types:
        raise unknown_input(name, types, where)
    if isinstance(value, Mapping):
        kind = next(iter(value), "")
        if (
            len(value) != 1
            or kind not in ("linspace", "logspace")
            or not isinstance(value[kind], list)
            or len(value[kind]) != 3
        ):
            raise ConfigError(
                f"{name} is not a grid",
                where,
                "write a list, { linspace = [first, last, number] } or logspace",
            )
        first, last, number = value[kind]
        space = np.linspace if kind == "linspace" else np.logspace
        value = space(first, last, int(number)).tolist()
    if not isinstance(value, list) or not value:
        raise ConfigError(f"{name} is not a list of values", where, f"write a list of {types[name].text}")
    return [fit(entry, name, types[name], where) for entry in value]


def _draws(job: JobFile, types: Mapping[str, InputType]) -> Iterator[dict[str, Array]]:
    """The draws of [sweep.random], the same for every combination of the rest."""
    if not job.sweep.random:
        yield {}
        return
    laws = {name: _law(name, value, types, job) for name, value in job.sweep.random.items()}
    generators = {name: np.random.Generator(np.random.PCG64([job.sweep.seed, *name.encode()])) for name in laws}
    for start in range(0, job.sweep.count, BLOCK):
        size = min(BLOCK, job.sweep.count - start)
        block = {name: _draw(generators[name], law, types[name], size) for name, law in laws.items()}
        for row in range(size):
            yield {name: np.array(values[row], types[name].dtype) for name, values in block.items()}


def _law(name: str, value: Any, types: Mapping[str, InputType], job: JobFile) -> tuple[str, Array, Array]:
    where = job.where(f"[sweep.random] {name}")
    if name not in types:
        raise unknown_input(name, types, where)
    kind = next(iter(value), "") if isinstance(value, Mapping) else ""
    if kind not in DRAWS or len(value) != 1 or not isinstance(value[kind], list) or len(value[kind]) != 2:
        raise ConfigError(
            f"{name} is not a distribution",
            where,
            "write { uniform = [low, high] }, { log_uniform = [low, high] } or { normal = [mean, std] }",
        )
    first, second = (np.asarray(v, float) for v in value[kind])
    sizes = types[name].shape
    if None in sizes or types[name].dtype.kind not in "f":
        raise ConfigError(f"{name} is {types[name].text}", where, "draw inputs that are real and of fixed size")
    return kind, first, second


def _draw(generator: np.random.Generator, law: tuple[str, Array, Array], kind: InputType, count: int) -> Array:
    name, first, second = law
    shape = (count, *(n for n in kind.shape if n is not None))
    if name == "normal":
        return first + second * generator.standard_normal(shape)
    if name == "uniform":
        return first + (second - first) * generator.random(shape)
    low, high = np.log(first), np.log(second)
    return np.exp(low + (high - low) * generator.random(shape))


def _plain(value: Array | int) -> Any:
    """An input as the manifest has it, exact to the bit; see `adcore.batch.worker.decoder`."""
    if isinstance(value, int):
        return {"row": value}
    if value.dtype.kind == "c":
        return np.stack([value.real, value.imag], -1).tolist()
    return value.tolist()
