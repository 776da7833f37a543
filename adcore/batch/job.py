"""A job file: `job.toml` in, a checked `JobFile` out. Paths in it are relative to the file.

[job]
graph = "model.adg"                  # or a list of graphs
request = "value_and_grad"           # eval grad value_and_grad jvp vjp jacobian hessian hvp
wrt = ["alpha", "beta"]              # default: every input that has a derivative
out = "runs/{name}-{strategy}"       # default "runs/{name}-{hash}"
workers = 2                          # default: one per core
threads = 1                          # BLAS threads of a worker; part of what a result depends on
retries = 2                          # of transient errors
item_seconds = 60.0
item_memory = "1 GiB"
[strategy]                           # the same tables as in adcore.toml
name = "reverse"
[profile.tight]
strategy = { name = "checkpointed", memory = "64 MiB" }
[inputs]                             # what all items share: values, or columns of files
pelts = { file = "pelts.csv", column = "hare" }
[items]                              # one item per row of a table
table = "parameters.csv"
columns = { theta = ["a", "b"] }     # inputs made of columns of other names
tag = "run"                          # a column that names the items in the report
[sweep]                              # times every combination of what stands here
strategy = ["reverse", "tight"]      # strategies or profiles
memory = ["64 MiB", "1 GiB"]
grid = { alpha = [0.4, 0.5], beta = { linspace = [0.02, 0.03, 5] } }
random = { gamma = { uniform = [0.5, 1.0] } }
count = 200                          # draws of `random`
seed = 1
"""

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from adcore.batch.directory import Limits
from adcore.batch.machine import cores
from adcore.errors import ConfigError

REQUESTS = ("eval", "grad", "value_and_grad", "jvp", "vjp", "jacobian", "hessian", "hvp")
REPORTS = ("csv", "json")
UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30}
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sweep:
    """Every combination of grid values and random draws, for every strategy and budget."""

    strategy: tuple[str, ...] = ()
    memory: tuple[str, ...] = ()
    grid: Mapping[str, Any] = field(default_factory=dict)
    random: Mapping[str, Any] = field(default_factory=dict)
    count: int = 1
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Items:
    """One item per row of a table; columns: which of its columns make an input."""

    table: Path
    columns: Mapping[str, Any] = field(default_factory=dict)
    tag: str = ""


@dataclass(frozen=True, slots=True)
class JobFile:
    """A job file, checked as far as it can be without opening what it names."""

    path: Path
    graphs: tuple[Path, ...]
    request: str
    wrt: tuple[str, ...]
    of: tuple[str, ...]
    out: str
    threads: int
    limits: Limits
    reuse: tuple[Path, ...]
    strategy: Mapping[str, Any]
    profiles: Mapping[str, Mapping[str, Any]]
    inputs: Mapping[str, Any]
    items: Items | None
    sweep: Sweep
    options: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What the job is called in its directory and its report: the folder if the file is `job.toml`."""
        return self.path.stem if self.path.stem != "job" else self.path.resolve().parent.name

    def where(self, key: str) -> str:
        """The second line of an error about a key."""
        return f"{key} in {self.path}"


class Table:
    """One table of the file, read key by key; what is left over at the end is a mistake."""

    def __init__(self, values: Mapping[str, Any], name: str, path: Path) -> None:
        self.name, self.path = name, path
        self.values, self.known = dict(values), list[str]()

    def take(self, key: str, kind: type[T] | tuple[type[T], ...], default: Any, what: str) -> Any:
        """The value of a key, or the default. Raises ConfigError if it is of another kind."""
        self.known.append(key)
        value = self.values.pop(key, default)
        wrong = isinstance(value, bool) and bool not in (kind if isinstance(kind, tuple) else (kind,))
        if value is not default and (wrong or not isinstance(value, kind)):
            raise self.error(key, f"{key} is {_said(value)}, not {what}", f"write {what}")
        return value

    def choice(self, key: str, allowed: Sequence[str], default: str) -> str:
        """One of the allowed words."""
        value: str = self.take(key, str, default, f"one of {', '.join(allowed)}")
        if value not in allowed:
            raise self.error(key, f'{key} = "{value}" is not known', _nearest(value, allowed))
        return value

    def number(self, key: str, default: float, least: float, whole: bool = False) -> Any:
        """A number that is not less than `least`."""
        kind: Any = int if whole else (int, float)
        word = "a whole number" if whole else "a number"
        value = self.take(key, kind, default, f"{word} of at least {least:g}")
        if value < least:
            raise self.error(key, f"{key} = {value} is too small", f"write {word} of at least {least:g}")
        return value if whole else float(value)

    def size(self, key: str) -> int:
        """Bytes, from a number or "512 MiB"; 0 if absent."""
        value = self.take(key, (int, str), 0, 'bytes, as in "512 MiB"')
        try:
            return parse_bytes(value)
        except ValueError:
            raise self.error(key, f'{key} = "{value}" is not a size', 'write bytes, as in "512 MiB"') from None

    def words(self, key: str, what: str) -> tuple[str, ...]:
        """A string or a list of strings, as a tuple."""
        value = self.take(key, (str, list), [], what)
        listed = [value] if isinstance(value, str) else value
        if not all(isinstance(word, str) for word in listed):
            raise self.error(key, f"{key} is {_said(value)}, not {what}", f"write {what}")
        return tuple(listed)

    def end(self) -> None:
        """Refuse the keys that nobody asked for."""
        for key in self.values:
            raise self.error(key, f"there is no setting {key!r}", _nearest(key, self.known))

    def error(self, key: str, what: str, instead: str) -> ConfigError:
        """A ConfigError that names file, table and key."""
        place = f"[{self.name}] {key}" if self.name else key
        return ConfigError(what, f"{place} in {self.path}", instead)


def read_job(path: str | Path) -> JobFile:
    """The job in a file.

    Raises: ConfigError naming file, key and the nearest allowed key or value.
    """
    path = Path(path)
    top = Table(_parse(path), "", path)
    job = Table(top.take("job", dict, {}, "a table"), "job", path)
    graphs = job.words("graph", "a graph file or a list of them")
    if not graphs:
        raise job.error("graph", "the job names no graph", 'write graph = "model.adg"')
    request = job.choice("request", REQUESTS, "value_and_grad")
    wrt, of = job.words("wrt", "names of inputs"), job.words("of", "names of outputs")
    out = job.take("out", str, "runs/{name}-{hash}", "a folder")
    reuse = job.words("reuse", "folders of other jobs")
    threads = job.number("threads", 1, 1, whole=True)
    options = dict(top.take("executor", dict, {}, "a table"))
    limits = _limits(job, options)
    job.end()
    strategy = dict(top.take("strategy", dict, {}, "a table"))
    profiles = dict(top.take("profile", dict, {}, "tables"))
    inputs = dict(top.take("inputs", dict, {}, "a table"))
    items = _items(top, path)
    sweep = _sweep(top, path)
    top.end()
    here = path.parent
    return JobFile(
        path, tuple(here / g for g in graphs), request, wrt, of, out, threads, limits,
        tuple(here / r for r in reuse), strategy, profiles, inputs, items, sweep, options,
    )  # fmt: skip


def parse_bytes(value: int | str) -> int:
    """Bytes from 512, "512", "64 MiB", "1.5GB". Raises ValueError.

    >>> parse_bytes("1.5 KiB")
    1536
    """
    if isinstance(value, int):
        return value
    match = re.fullmatch(r"\s*([0-9.]+)\s*([A-Za-z]*)\s*", value)
    if match is None or match[2].upper() not in UNITS:
        raise ValueError(value)
    return int(float(match[1]) * UNITS[match[2].upper()])


def _limits(job: Table, options: dict[str, Any]) -> Limits:
    plain = Limits()
    return Limits(
        executor=str(options.pop("name", "")) or job.take("executor", str, plain.executor, "a name"),
        workers=job.number("workers", 0, 0, whole=True) or cores(),
        retries=job.number("retries", plain.retries, 0, whole=True),
        kills=job.number("kills", plain.kills, 1, whole=True),
        item_seconds=job.number("item_seconds", 0.0, 0),
        item_memory=job.size("item_memory"),
        memory=job.size("memory"),
        chunk_seconds=job.number("chunk_seconds", plain.chunk_seconds, 0.001),
        grace_seconds=job.number("grace_seconds", plain.grace_seconds, 0),
        backoff_seconds=job.number("backoff_seconds", plain.backoff_seconds, 0),
        report=job.choice("report", REPORTS, plain.report),
    )


def _items(top: Table, path: Path) -> Items | None:
    values = top.take("items", dict, None, "a table")
    if values is None:
        return None
    table = Table(values, "items", path)
    file = table.take("table", str, "", "a .csv or .npz file")
    if not file:
        raise table.error("table", "the items have no table", 'write table = "parameters.csv"')
    columns = table.take("columns", dict, {}, "a table of columns by input")
    tag = table.take("tag", str, "", "the name of a column")
    table.end()
    return Items(path.parent / file, columns, tag)


def _sweep(top: Table, path: Path) -> Sweep:
    table = Table(top.take("sweep", dict, {}, "a table"), "sweep", path)
    strategy = table.words("strategy", "names of strategies or profiles")
    memory = table.words("memory", 'sizes, as in "64 MiB"')
    grid = table.take("grid", dict, {}, "a table of values by input")
    random = table.take("random", dict, {}, "a table of distributions by input")
    count = table.number("count", 1, 1, whole=True)
    if count > 1 and not random:
        raise table.error("count", f"count = {count}, but nothing is random", "add a table [sweep.random]")
    seed = table.number("seed", 0, 0, whole=True)
    table.end()
    return Sweep(strategy, memory, grid, random, count, seed)


def _parse(path: Path) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError(
            f"the job file cannot be read: {error.strerror}",
            str(path),
            "name a job.toml, or the directory of a job",
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"the job file is not TOML: {error}", str(path), "see docs/batch.md") from None


def _nearest(word: str, allowed: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, allowed, 1)
    listed = f"allowed: {', '.join(allowed)}"
    return f"did you mean {close[0]!r}? {listed}" if close else listed


def _said(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    return f"{value}" if isinstance(value, bool | int | float) else f"a {type(value).__name__}"
