"""A job's directory: what lies where, and the resolved `job.toml` that says what the job is.

    job.toml         resolved: groups (graph, request, strategy, types), limits, versions; written last
    manifest.jsonl   one line per item: number, key, group, its own inputs, tag
    graphs/          the graph files, by identity
    inputs/          fixed inputs (one shard per group), tables (.npy), by hash
    plugins/         plugins that are single files
    journal.sqlite   what became of every item            results/     shards
    report.csv       one row per item                     workers/     logs of worker processes
    lock, running    who runs it, and that others may wait for it        stop    it is asked to stop

The directory is complete in itself: it can be moved, and resumed when job file, data and model are gone.
"""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from adcore.errors import JobDamagedError, StorageError
from adcore.serialize.durable import write

VERSION = 2
JOB, MANIFEST, JOURNAL, RESULTS = "job.toml", "manifest.jsonl", "journal.sqlite", "results"
STOP, RUNNING = "stop", "running"


@dataclass(frozen=True, slots=True)
class Group:
    """Items that run the same program: one graph, one request, one strategy.

    graph, fixed: files in the job's directory, fixed holds the inputs that all items share.
    file: what the user called the graph. settings: tables [strategy] and [backend] that make the same choice
    again. label: what the user calls the strategy, with its budget. reason: why it was chosen.
    inputs: "float64[3,n]" by name. ops: version by name. peak: predicted bytes of one item.
    """

    name: str
    graph: str
    file: str
    identity: str
    request: str
    settings: Mapping[str, Any]
    label: str
    reason: str
    wrt: tuple[str, ...]
    of: tuple[str, ...]
    inputs: Mapping[str, str]
    ops: Mapping[str, int]
    fixed: str
    peak: int


@dataclass(frozen=True, slots=True)
class Limits:
    """How a job is run; none of this changes a result.

    retries: of transient errors.   kills: workers an item may kill before it is quarantined.
    item_memory, memory: bytes of one item and of all workers together; 0 is no limit of its own.
    """

    executor: str = "local"
    workers: int = 0
    retries: int = 2
    kills: int = 3
    item_seconds: float = 0.0
    item_memory: int = 0
    memory: int = 0
    chunk_seconds: float = 1.0
    grace_seconds: float = 10.0
    backoff_seconds: float = 0.5
    report: str = "csv"


@dataclass(frozen=True, slots=True)
class Job:
    """The resolved job: all a driver or a worker has to know, besides the manifest's lines."""

    name: str
    source: str  # hash of the job file as resolved: the same job file may go on, another one may not
    items: int
    manifest: str  # sha256 of manifest.jsonl
    threads: int
    limits: Limits
    groups: Mapping[str, Group]
    tables: Mapping[str, str] = field(default_factory=dict)  # input: file with a row per item
    plugins: tuple[str, ...] = ()  # files that workers load
    files: Mapping[str, str] = field(default_factory=dict)  # sha256 of all of these, and of graphs
    options: Mapping[str, Any] = field(default_factory=dict)  # the [executor] table
    versions: Mapping[str, str] = field(default_factory=dict)
    reuse: tuple[str, ...] = ()  # folders of jobs whose results are taken, relative to the job's directory


def save(directory: Path, job: Job) -> None:
    """Write the resolved job file, after everything that it speaks of."""
    tables: dict[str, Any] = {"version": VERSION, **asdict(job)}
    text = "# What `adcore batch` resolved. Written once, read on every resume.\n" + to_toml(tables)
    write_durably(directory / JOB, text.encode())


def load(directory: Path) -> Job:
    """The resolved job of a directory.

    Raises: JobDamagedError if there is none, or it is not what was written.
    """
    try:
        tables = tomllib.loads((directory / JOB).read_text(encoding="utf-8"))
        if tables.pop("version") != VERSION:
            raise ValueError("it has another version")
        groups = {
            name: Group(**{**table, "wrt": tuple(table["wrt"]), "of": tuple(table["of"])})
            for name, table in tables.pop("groups").items()
        }
        plugins, reuse = tuple(tables.pop("plugins")), tuple(tables.pop("reuse"))
        return Job(limits=Limits(**tables.pop("limits")), groups=groups, plugins=plugins, reuse=reuse, **tables)
    except FileNotFoundError:
        raise JobDamagedError(
            f"{directory} holds no batch job",
            f"there is no {JOB} in it",
            "start one with `adcore batch run JOB.toml`",
        ) from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise JobDamagedError(
            f"the resolved job file cannot be read: {error}",
            str(directory / JOB),
            "restore it from a copy, or remove it and run the original job file: results are found by their keys",
        ) from None


def write_durably(path: Path, content: bytes) -> None:
    """Write a file that is there in full or not at all: under a temporary name, synced, renamed.

    Raises: StorageError saying what the system said; the temporary file is removed.
    """
    try:
        write(path, [content])
    except OSError as error:
        raise StorageError(
            f"{len(content)} bytes could not be written: {error.strerror or error}",
            str(path),
            "free space or give write permission; `adcore batch resume` goes on where this stopped",
        ) from None


def sha256_file(path: Path) -> str:
    """The hash of a file, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def to_toml(tables: Mapping[str, Any]) -> str:
    """TOML of nested tables of numbers, strings, bools and lists; what is None is left out.

    >>> print(to_toml({"a": 1, "b": {"c": [True, "x"]}}), end="")
    a = 1
    <BLANKLINE>
    [b]
    c = [true, "x"]
    """
    lines: list[str] = []
    _table(lines, (), tables)
    return "\n".join(lines) + "\n"


def _table(lines: list[str], path: tuple[str, ...], table: Mapping[str, Any]) -> None:
    if path:
        lines += ["", f"[{'.'.join(_key(part) for part in path)}]"]
    lines += [f"{_key(k)} = {_value(v)}" for k, v in table.items() if v is not None and not isinstance(v, Mapping)]
    for name, value in table.items():
        if isinstance(value, Mapping):
            _table(lines, (*path, name), value)


def _key(name: str) -> str:
    return name if name and all(c.isascii() and (c.isalnum() or c in "_-") for c in name) else _string(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)  # the shortest text that reads back to the same bits; also inf and nan
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(v) for v in value)}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(k)} = {_value(v)}' for k, v in value.items())} }}"
    raise TypeError(f"no TOML for {type(value).__name__}")


def _string(text: str) -> str:
    escaped = "".join(f"\\{c}" if c in '\\"' else c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
    return f'"{escaped}"'
