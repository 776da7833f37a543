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
memory = "8 GiB"                     # of all workers together; default: what this machine has
executor = "local"                   # or dask, futures, a plugin's; or a table [executor] with its options
reuse = ["../other"]                 # jobs, or folders of jobs, whose results may be taken; default: those beside this
report = "csv"                       # or json
[strategy]                           # [strategy], [profile] and [backend] are the tables of adcore.toml
name = "reverse"
[profile.tight]
strategy = { name = "checkpointed", memory = "64 MiB" }
[plugins]
local = ["ops.py"]                   # files that are plugins, for what no package brings
[inputs]                             # what all items share: values, or columns of files
pelts = { file = "pelts.csv", column = "hare" }
[items]                              # one item per row of a table
table = "parameters.csv"             # or .jsonl, .npz: see tables.py
columns = { theta = ["a", "b"] }     # inputs made of columns of other names
tag = "run"                          # a column that names the items in the report
profile = "how"                      # a column that names the strategy or profile of an item
[sweep]                              # times every combination of what stands here
strategy = ["reverse", "tight"]      # strategies or profiles
memory = ["64 MiB", "1 GiB"]
grid = { alpha = [0.4, 0.5], beta = { linspace = [0.02, 0.03, 5] } }
random = { gamma = { uniform = [0.5, 1.0] } }
count = 200                          # draws of `random`
seed = 1
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from adcore.batch.directory import Limits
from adcore.batch.machine import cores
from adcore.config import Config, Key, config, near, nearest, quoted
from adcore.config.words import line_of, said
from adcore.errors import ConfigError
from adcore.strategy import bytes_of

REQUESTS = ("eval", "grad", "value_and_grad", "jvp", "vjp", "jacobian", "hessian", "hvp")
REPORTS = ("csv", "json")
SETTINGS = ("strategy", "profile", "backend")
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
    """One item per row of a table. columns: which of its columns make an input.

    tag, profile: the columns that hold what an item is called, and the strategy or profile that it asks for.
    """

    table: Path
    columns: Mapping[str, Any] = field(default_factory=dict)
    tag: str = ""
    profile: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a job file, to say where in it something stands."""

    path: Path
    text: str

    def where(self, *key: str) -> str:
        """ "[job] workers in job.toml:4" """
        full = (*key[:-1], key[-1])
        table = ".".join(map(quoted, full[:-1]))
        place = f"{near(str(self.path))}:{line_of(self.text, full)}"
        return f"{f'[{table}] ' if table else ''}{quoted(full[-1])} in {place}"


@dataclass(frozen=True, slots=True)
class JobFile:
    """A job file, checked as far as it can be without opening what it names.

    settings: those in force, with the tables [strategy], [profile] and [backend] of the file on top.
    plugins: files of [plugins] local. options: the [executor] table without its name.
    """

    source: Source
    graphs: tuple[Path, ...]
    request: str
    wrt: tuple[str, ...]
    of: tuple[str, ...]
    out: str
    threads: int
    limits: Limits
    reuse: tuple[Path, ...] | None
    settings: Config
    plugins: tuple[Path, ...]
    inputs: Mapping[str, Any]
    items: Items | None
    sweep: Sweep
    options: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """What paths in the file are relative to."""
        return self.source.path.parent

    @property
    def name(self) -> str:
        """What the job is called in its directory and its report: the folder if the file is `job.toml`."""
        path = self.source.path
        return path.stem if path.stem != "job" else path.resolve().parent.name

    @property
    def strategy(self) -> str:
        """The strategy or profile in force, as the user calls it."""
        return str(self.settings.profile or self.settings["strategy.name"] or "default")

    def where(self, *key: str) -> str:
        """The second line of an error about a key."""
        return self.source.where(*key)


class Table:
    """One table of the file, read key by key; what is left over at the end is a mistake."""

    def __init__(self, values: Mapping[str, Any], name: str, source: Source) -> None:
        self.name, self.source = name, source
        self.values, self.known = dict(values), list[str]()

    def take(self, key: str, kind: type[T] | tuple[type[T], ...], default: Any, what: str) -> Any:
        """The value of a key, or the default. Raises ConfigError if it is of another kind."""
        self.known.append(key)
        value = self.values.pop(key, default)
        wrong = isinstance(value, bool) and bool not in (kind if isinstance(kind, tuple) else (kind,))
        if value is not default and (wrong or not isinstance(value, kind)):
            raise self.error(key, f"{key} is {said(value)}, not {what}", f"write {what}")
        return value

    def choice(self, key: str, allowed: Sequence[str], default: str) -> str:
        """One of the allowed words."""
        value: str = self.take(key, str, default, f"one of {', '.join(allowed)}")
        if value not in allowed:
            raise self.error(key, f'{key} = "{value}" is not known', nearest(value, allowed))
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
            return bytes_of(value)
        except ConfigError:
            raise self.error(key, f'{key} = "{value}" is not a size', 'write bytes, as in "512 MiB"') from None

    def words(self, key: str, what: str) -> tuple[str, ...] | None:
        """A string or a list of strings, as a tuple; None if absent."""
        value = self.take(key, (str, list), None, what)
        if value is None:
            return None
        listed = [value] if isinstance(value, str) else value
        if not all(isinstance(word, str) for word in listed):
            raise self.error(key, f"{key} is {said(value)}, not {what}", f"write {what}")
        return tuple(listed)

    def table(self, key: str) -> "Table":
        """A table in this one; empty if absent."""
        return Table(self.take(key, dict, {}, "a table"), key, self.source)

    def end(self) -> None:
        """Refuse the keys that nobody asked for."""
        for key in self.values:
            raise self.error(key, f"there is no setting {key!r}", nearest(key, self.known))

    def error(self, key: str, what: str, instead: str) -> ConfigError:
        """A ConfigError that names file, line, table and key."""
        return ConfigError(what, self.source.where(*filter(None, (self.name, key))), instead)


def read_job(path: str | Path) -> JobFile:
    """The job in a file.

    Raises: ConfigError naming file, line, key and the nearest allowed key or value.
    """
    path = Path(path)
    source, values = _parse(path)
    top = Table(values, "", source)
    job = top.table("job")
    graphs = job.words("graph", "a graph file or a list of them")
    if not graphs:
        raise job.error("graph", "the job names no graph", 'write graph = "model.adg"')
    request = job.choice("request", REQUESTS, "value_and_grad")
    wrt, of = job.words("wrt", "names of inputs"), job.words("of", "names of outputs")
    out = job.take("out", str, "runs/{name}-{hash}", "a folder")
    reuse = job.words("reuse", "folders of other jobs")
    threads = job.number("threads", 1, 1, whole=True)
    executor = top.table("executor")
    limits = _limits(job, executor)
    job.end()
    plugins = top.table("plugins")
    local = plugins.words("local", "a list of files") or ()
    plugins.end()
    settings = _settings(top, source)
    inputs = top.table("inputs").values
    items = _items(top, path)
    sweep = _sweep(top.table("sweep"))
    top.end()
    here = path.parent
    return JobFile(
        source=source,
        graphs=tuple(here / name for name in graphs),
        request=request,
        wrt=wrt or (),
        of=of or (),
        out=out,
        threads=threads,
        limits=limits,
        reuse=None if reuse is None else tuple(here / name for name in reuse),
        settings=settings,
        plugins=tuple(here / name for name in local),
        inputs=inputs,
        items=items,
        sweep=sweep,
        options=executor.values,
    )


def _settings(top: Table, source: Source) -> Config:
    """The settings of the working directory and environment, with those of the job file on top."""
    own = {}
    for table in SETTINGS:
        top.known.append(table)
        if table in top.values:
            own[table] = top.values.pop(table)

    def where(key: Key) -> str:
        return source.where(*key)

    return config().over(own, where) if own else config()


def _limits(job: Table, executor: Table) -> Limits:
    plain = Limits()
    name = job.take("executor", str, plain.executor, "the name of an executor")
    return Limits(
        executor=executor.take("name", str, name, "the name of an executor"),
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
    if "items" not in top.values:
        top.known.append("items")
        return None
    table = top.table("items")
    file = table.take("table", str, "", "a .csv, .jsonl or .npz file")
    if not file:
        raise table.error("table", "the items have no table", 'write table = "parameters.csv"')
    if not file.endswith((".csv", ".jsonl", ".npz")):
        raise table.error("table", f'table = "{file}" is of no known kind', "give a .csv, .jsonl or .npz file")
    columns = table.take("columns", dict, {}, "a table of columns by input")
    tag = table.take("tag", str, "", "the name of a column")
    profile = table.take("profile", str, "", "the name of a column")
    if profile and file.endswith(".npz"):
        raise table.error("profile", "an .npz has no column of words", "give the items as .csv or .jsonl")
    table.end()
    return Items(path.parent / file, columns, tag, profile)


def _sweep(table: Table) -> Sweep:
    strategy = table.words("strategy", "names of strategies or profiles") or ()
    memory = table.words("memory", 'sizes, as in "64 MiB"') or ()
    grid = table.take("grid", dict, {}, "a table of values by input")
    random = table.take("random", dict, {}, "a table of distributions by input")
    count = table.number("count", 1, 1, whole=True)
    if count > 1 and not random:
        raise table.error("count", f"count = {count}, but nothing is random", "add a table [sweep.random]")
    seed = table.number("seed", 0, 0, whole=True)
    table.end()
    return Sweep(strategy, memory, grid, random, count, seed)


def _parse(path: Path) -> tuple[Source, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
        return Source(path, text), tomllib.loads(text)
    except OSError as error:
        raise ConfigError(
            f"the job file cannot be read: {error.strerror}",
            str(path),
            "name a job.toml, or the directory of a job",
        ) from None
    except ValueError as error:  # of TOML, or of its encoding
        raise ConfigError(f"the job file is not TOML: {error}", str(path), "see docs/batch.md") from None
