"""From a job file to a job's directory: everything copied, resolved, hashed; `job.toml` written last.

A driver killed in here leaves a directory without `job.toml`; the next `run` starts it anew.
"""

import hashlib
import json
import os
import platform
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from adcore.batch import directory, guard
from adcore.batch.directory import Group, Job
from adcore.batch.inputs import fixed_inputs
from adcore.batch.job import JobFile
from adcore.batch.journal import Journal
from adcore.batch.manifest import NewItem, Writer, hash_inputs
from adcore.batch.program import Program, Task, op_versions, read_task
from adcore.batch.sweep import check_covered, points
from adcore.batch.tables import copy_tables, named_files
from adcore.config import Config
from adcore.errors import BudgetError, ConfigError, InputError, StorageError
from adcore.plugins import loader
from adcore.serialize.shard import encode
from adcore.sizes import Sized, sizes_of
from adcore.types import Array


@dataclass(frozen=True)
class Variant:
    """One graph under one strategy, while a job is made of it.

    label: what the user calls the strategy, with its budget. sizes: the largest that items ask for, and the
    program is for those.
    """

    file: Path
    label: str
    settings: Config
    task: Task
    fixed: Mapping[str, Array]
    sizes: Mapping[str, int]
    program: Program


def source_hash(job: JobFile) -> str:
    """The hash of all in a job file that makes its items: equal hashes, equal manifests.

    Raises: ConfigError if a file that it names cannot be read.
    """
    settings = {".".join(key): setting.value for key, setting in job.settings.settings.items()}
    told = [job.request, job.wrt, job.of, job.threads, settings, job.settings["backend.name"], job.inputs]
    told += [asdict(job.sweep), (job.items.columns, job.items.tag) if job.items else None]
    total = hashlib.sha256(json.dumps(told, default=str, sort_keys=True).encode())
    for path, where in _files(job):
        try:
            total.update(directory.sha256_file(path).encode())
        except OSError as error:
            raise ConfigError(
                f"{path} cannot be read: {error.strerror}", where, "correct the name, or make the file"
            ) from None
    return total.hexdigest()


def create(place: Path, job: JobFile, source: str, tell: Callable[[str], None]) -> Job:
    """Make the directory of a new job. Its lock must be held; results that are in it already are kept.

    Raises: ConfigError for what does not fit together; StorageError if the disk does not take it.
    """
    try:
        return _create(place, job, source, tell)
    except StorageError:
        raise
    except (OSError, sqlite3.OperationalError) as error:
        raise StorageError(
            f"the job's directory cannot be written: {getattr(error, 'strerror', None) or error}",
            str(place),
            "free space, give write permission or choose another with --out",
        ) from None


def _create(place: Path, job: JobFile, source: str, tell: Callable[[str], None]) -> Job:
    for name in ("graphs", "inputs", "plugins", directory.RESULTS):
        (place / name).mkdir(exist_ok=True)
    for name in (directory.JOURNAL, f"{directory.JOURNAL}-wal", f"{directory.JOURNAL}-shm"):
        (place / name).unlink(missing_ok=True)
    plugins = _copy_plugins(place, job)
    tasks = {file: read_task(file, job.request, job.wrt, job.of) for file in job.graphs}
    copied = copy_tables(job, next(iter(tasks.values())).inputs, place / "inputs")
    tables: dict[str, Array] = {name: np.load(path, mmap_mode="r") for name, path in copied.items()}
    found = [variant for file, task in tasks.items() for variant in _variants(job, file, task, tables)]
    variants, workers = _within_memory(job, found, tell)
    groups = [_group(place, job, f"g{number}", variant) for number, variant in enumerate(variants)]
    with Writer(place / directory.MANIFEST) as writer:
        journal = Journal(place / directory.JOURNAL)
        journal.create(_items(job, groups, variants, tables, writer), lambda: writer.sha256)
        journal.close()
    used = {g.graph for g in groups} | {g.fixed for g in groups if g.fixed} | set(plugins)
    used |= {f"inputs/{path.name}" for path in copied.values()}
    resolved = Job(
        name=job.name,
        source=source,
        items=writer.items,
        manifest=writer.sha256,
        threads=job.threads,
        limits=replace(job.limits, workers=workers),
        groups={group.name: group for group in groups},
        tables={name: f"inputs/{path.name}" for name, path in copied.items()},
        plugins=tuple(plugins),
        files={file: directory.sha256_file(place / file) for file in sorted(used)},
        options=job.options,
        versions=versions(),
    )
    directory.save(place, resolved)
    return resolved


def versions() -> dict[str, str]:
    """The versions that results may depend on: Python, NumPy, and the distribution of every loaded plugin."""
    found = {"python": platform.python_version(), "numpy": np.__version__}
    for plugin in loader().load_all():
        if plugin.status == "loaded":
            found[plugin.distribution] = plugin.version or "source"
    return found


# --- graphs and strategies -----------------------------------------------------------------------


def _variants(job: JobFile, file: Path, task: Task, tables: Mapping[str, Array]) -> Iterator[Variant]:
    """A graph under every strategy and budget of the sweep.

    Looks at the first item, so that a mistake is told before anything is written; at all if sizes are named.
    """
    fixed = fixed_inputs(job, task.inputs)
    _, first = next(points(job, task.inputs, tables), ("", {}))
    check_covered(job, task.inputs, job.inputs, first)
    sizes: dict[str, int] = {}
    if task.source.dims:
        for number, (_, values) in enumerate(points(job, task.inputs, tables)):
            own = _sizes(job, task, {**fixed, **_arrays(values, tables)}, number)
            sizes = {name: max(size, sizes.get(name, 0)) for name, size in own.items()}
    for label, settings in _strategies(job):
        yield Variant(file, label, settings, task, fixed, sizes, task.program(settings, sizes))


def _strategies(job: JobFile) -> Iterator[tuple[str, Config]]:
    for name in job.sweep.strategy or ("",):
        chosen = job.settings
        if name:
            chosen = chosen.over({"strategy": {"name": name}}, lambda _: job.where("sweep", "strategy"))
        label = name or job.strategy
        for memory in job.sweep.memory or ("",):
            if memory:
                told = {"strategy": {"memory": memory}}
                yield f"{label} {memory}", chosen.over(told, lambda _: job.where("sweep", "memory"))
            else:
                yield label, chosen


def _within_memory(job: JobFile, variants: list[Variant], tell: Callable[[str], None]) -> tuple[list[Variant], int]:
    """The variants as they fit into memory, and how many workers do."""
    limits = job.limits
    verdict = guard.judge((v.program.peak for v in variants), limits)
    if verdict.budget:
        variants = [_tightened(job, v, verdict) if v.program.peak > verdict.budget else v for v in variants]
    if verdict.message:
        tell(verdict.message)
    return variants, verdict.workers


def _tightened(job: JobFile, variant: Variant, verdict: guard.Verdict) -> Variant:
    """The variant under a checkpointed plan, which gives the same bits in less memory.

    Raises: BudgetError if it needs more all the same; ConfigError if its strategy is another one.
    """
    strategy = variant.program.choice.strategy.name
    if strategy not in ("reverse", "checkpointed"):
        raise ConfigError(
            f"{verdict.why}, and strategy {strategy} has no plan that takes less",
            job.where("job", "memory") if job.limits.memory else "the memory of this machine",
            'raise [job] memory, use a larger machine, or write [strategy] name = "checkpointed"',
        )
    told = {"strategy": {"name": "checkpointed", "memory": verdict.budget}}
    settings = variant.settings.over(told, lambda _: "the memory that one worker may have")
    try:
        program = variant.task.program(settings, variant.sizes)
        program.plan  # noqa: B018 - it is made when it is asked for
    except BudgetError as error:
        raise BudgetError(
            f"{verdict.why}; {error.what}",
            error.where,
            "raise [job] memory, use a larger machine, or make the items smaller",
        ) from None
    label = f"{variant.label} (checkpointed to fit)"
    return replace(variant, label=label, settings=settings, program=program)


def _group(place: Path, job: JobFile, name: str, variant: Variant) -> Group:
    """The group of a variant; its graph and fixed inputs are copied into the job's directory."""
    choice, identity = variant.program.choice, variant.task.source.identity
    fixed = ""
    if variant.fixed:
        payload = encode(variant.fixed, {})
        fixed = f"inputs/{hashlib.sha256(payload).hexdigest()[:16]}.shard"
        directory.write_durably(place / fixed, payload)
    return Group(
        name=name,
        graph=_copy(variant.file, place, f"graphs/{identity[:16]}.adg"),
        file=variant.file.name,
        identity=identity,
        request=job.request,
        settings={"strategy": choice.settings, "backend": {"name": choice.backend}},
        label=variant.label,
        reason=choice.reason,
        wrt=job.wrt,
        of=job.of,
        inputs={name: str(kind) for name, kind in variant.task.inputs.items()},
        ops=op_versions(variant.program.graph),
        fixed=fixed,
        peak=variant.program.peak,
    )


# --- items ---------------------------------------------------------------------------------------


def _items(
    job: JobFile, groups: list[Group], variants: list[Variant], tables: Mapping[str, Array], writer: Writer
) -> Iterator[NewItem]:
    """Write every item of every group; what the journal needs of each."""
    for group, variant in zip(groups, variants, strict=True):
        task = variant.task
        digest = hash_inputs(_digest(job, group, variant), variant.fixed)
        for tag, values in points(job, task.inputs, tables):
            arrays = _arrays(values, tables)
            sizes = _sizes(job, task, {**variant.fixed, **arrays}, writer.items) if task.source.dims else {}
            yield writer.write(group.name, hash_inputs(digest, arrays), (tag, values), sizes)


def _digest(job: JobFile, group: Group, variant: Variant) -> bytes:
    """All that determines the results of a group, besides its inputs. BLAS threads and NumPy are part of it.

    The derivative itself is, by its identity; where it depends on the sizes of an item, who makes it.
    """
    derived = versions()["adcore"] if variant.task.source.dims else variant.program.graph.identity
    told = [derived, group.identity, group.request, group.wrt, group.of, group.settings, group.ops]
    return json.dumps([*told, job.threads, np.__version__], default=str, sort_keys=True).encode()


def _sizes(job: JobFile, task: Task, arrays: Mapping[str, Array], number: int) -> dict[str, int]:
    """The named sizes of one item. Raises ConfigError naming the input that does not fit."""
    rows = [Sized(name, kind.shape, arrays[name].shape) for name, kind in task.inputs.items()]
    try:
        return sizes_of(rows, task.source.dims, f"item {number} of {job.source.path}")
    except InputError as error:
        raise ConfigError(error.what, error.where, error.instead) from None


def _arrays(values: Mapping[str, Array | int], tables: Mapping[str, Array]) -> dict[str, Array]:
    return {name: tables[name][value] if isinstance(value, int) else value for name, value in values.items()}


# --- files ---------------------------------------------------------------------------------------


def _files(job: JobFile) -> Iterator[tuple[Path, str]]:
    """The files that a job is made of, and where it names them."""
    for graph in job.graphs:
        yield graph, job.where("job", "graph")
    for plugin in job.plugins:
        yield plugin, job.where("plugins", "local")
    for name, value in job.inputs.items():
        if isinstance(value, Mapping) and "file" in value:
            yield job.folder / str(value["file"]), job.where("inputs", name)
    if job.items:
        where = job.where("items", "table")
        yield job.items.table, where
        yield from ((file, where) for file in named_files(job, job.items))


def _copy_plugins(place: Path, job: JobFile) -> list[str]:
    """Load the plugins that are files, those of the settings too, and copy them for the workers."""
    found = []
    loader().load(None)
    for file in (*job.plugins, *map(Path, loader().settings.local)):
        loader().load_file(str(file))
        found.append(_copy(file, place, f"plugins/{file.name}"))
    return found


def _copy(file: Path, place: Path, name: str) -> str:
    temporary = place / f"{name}.tmp"
    shutil.copyfile(file, temporary)
    os.replace(temporary, place / name)
    return name
