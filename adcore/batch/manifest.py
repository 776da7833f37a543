"""The manifest of a job: one line per item, streamed, whatever their number.

    {"item": 3, "key": "…64 hex…", "group": "g0", "sizes": {"n": 57},
     "inputs": {"alpha": 0.5, "x": {"row": 3}}, "tag": "run 3", "crc": "0f9a1c33"}

`crc` is the crc32 of the line before it, so that a damaged line is known wherever it is read. `sizes`
are there if the graph has named ones, `tag` if the user gave it. The key is the sha256 of all that
determines the result: the group's digest (identity of the graph in the file and of its derivative,
request, strategy and backend as resolved, op versions, threads, NumPy, fixed inputs) and the item's own
inputs, bit by bit.
"""

import functools
import hashlib
import json
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from json.scanner import make_scanner
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from adcore.errors import JobDamagedError, StorageError
from adcore.types import Array, Dim, Type

ENCODE = json.JSONEncoder(ensure_ascii=False).encode
SCAN = make_scanner(json.JSONDecoder())  # type: ignore[arg-type]  # json.loads, but for encodings and blanks
SEAL = b', "crc": "%08x"}\n'
SEALED = len(SEAL % 0)  # bytes at the end of every line


class Point(NamedTuple):
    """An item before it has a number: tag, own inputs (an int is a row of a table), the profile it asks for."""

    tag: str
    values: dict[str, Array | int]
    profile: str = ""


class NewItem(NamedTuple):
    """An item as the manifest has it; offset: of its line, in bytes. sizes: "n=57", or ""."""

    item: int
    offset: int
    key: bytes
    group: str
    sizes: str
    tag: str


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

    def write(self, group: str, key: bytes, point: Point, sizes: Mapping[str, int]) -> NewItem:
        """Write the next item; what the journal needs of it."""
        tag, item, offset = point.tag, self.items, self._offset
        inputs = ", ".join([_quoted(name) + _encoded(value) for name, value in point.values.items()])
        named = f', "sizes": {ENCODE(sizes)}' if sizes else ""
        label = f', "tag": {ENCODE(tag)}' if tag else ""
        text = f'{{"item": {item}, "key": "{key.hex()}", "group": "{group}"{named}, "inputs": {{{inputs}}}{label}'
        raw = text.encode()
        raw += SEAL % zlib.crc32(raw)
        self._file.write(raw)
        self._sha256.update(raw)
        self.items, self._offset = item + 1, offset + len(raw)
        return NewItem(item, offset, key, group, told_sizes(sizes) if sizes else "", tag)

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


def told_sizes(sizes: Mapping[str, int]) -> str:
    """Named sizes as the report has them: "n=57"."""
    return " ".join(f"{name}={size}" for name, size in sorted(sizes.items()))


def parse(raw: bytes, item: int | None = None) -> dict[str, Any]:
    """What a line says. Raises ValueError saying why it is not what was written, or not that of this item."""
    if raw[-SEALED:] != SEAL % zlib.crc32(raw[:-SEALED]):
        raise ValueError("its checksum is wrong" if raw[-1:] == b"\n" else "it is cut off" if raw else "it is missing")
    line: dict[str, Any] = SCAN(raw.decode(), 0)[0]
    if item is not None and line["item"] != item:
        raise ValueError(f"it is that of item {line['item']}")
    return line


def read_line(file: IO[bytes], item: int, offset: int) -> dict[str, Any]:
    """What the line of an item says, in an open manifest. Raises ValueError if it is not what was written."""
    file.seek(max(offset, 0))
    return parse(file.readline() if offset >= 0 else b"", item)


def lost_line(path: Path, reason: object) -> JobDamagedError:
    """The error for an item whose line cannot be read any more."""
    return JobDamagedError(
        f"its line in the manifest is not what was written: {reason}",
        str(path),
        "run the original job file again: it writes the manifest anew, and finished results stay",
    )


def new_items(path: Path) -> Iterator[NewItem]:
    """What a journal needs of every line of a manifest that is known to be whole."""
    offset = 0
    with open(path, "rb") as file:
        for raw in file:
            line = parse(raw)
            key, sizes = bytes.fromhex(line["key"]), told_sizes(line.get("sizes", {}))
            yield NewItem(line["item"], offset, key, line["group"], sizes, line.get("tag", ""))
            offset += len(raw)


def good_lines(path: Path, damage: list[str]) -> Iterator[tuple[int, int, int, int]]:
    """(number of the line, item, offset, bytes) of every line that can be read; `damage` is told of the others."""
    offset = 0
    with open(path, "rb") as file:
        for number, raw in enumerate(file, 1):
            try:
                yield number, parse(raw)["item"], offset, len(raw)
            except ValueError as error:
                damage.append(f"line {number}: {error}")
            offset += len(raw)


def sized(kind: Type, sizes: Mapping[str, int]) -> Type:
    """The type with these sizes in place of named ones."""
    shape: tuple[Any, ...] = kind.shape
    return kind.with_shape(tuple(size.at(sizes) if isinstance(size, Dim) else size for size in shape))


def decoder(dtype: np.dtype[Any], table: Array | None, shape: tuple[int, ...] | None = None) -> Callable[[Any], Array]:
    """What makes an array of this dtype of an input as a line has it. shape: if it is known.

    A value is a number or nested lists, complex ones as [real, imaginary]; or {"row": n} of the table.

    >>> decoder(np.dtype("complex128"), None)([[1.0, 2.0]])
    array([1.+2.j])
    """
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
        parts += _told(name, array.dtype, array.shape), array.tobytes()  # in C order, whatever its layout
    return hashlib.sha256(b"".join(parts)).digest()


@functools.lru_cache(1000)
def _told(name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    return f"{name}\0{dtype.str}{shape}".encode()


@functools.lru_cache(1000)
def _quoted(name: str) -> str:
    return f"{ENCODE(name)}: "


def _encoded(value: Array | int) -> str:
    """An input as a line has it, exact to the bit; `decoder` reads it."""
    if isinstance(value, int):
        return f'{{"row": {value}}}'
    kind = value.dtype.kind
    listed = (np.stack([value.real, value.imag], -1) if kind == "c" else value).tolist()
    text = repr(listed)
    # Python writes numbers and lists of them as JSON does, except nan, inf and bools, and is faster at it
    return ENCODE(listed) if kind == "b" or "n" in text else text
