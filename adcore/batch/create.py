"""From a job file to a job's directory: everything copied, resolved, hashed; `job.toml` written last.

A driver killed in here leaves a directory without `job.toml`; the next `run` starts it anew.
"""

import hashlib
import json
import os
import platform
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from adcore.batch import directory
from adcore.batch.directory import Group, Job
from adcore.batch.job import SETTINGS, JobFile
from adcore.batch.journal import Journal
from adcore.batch.manifest import NewItem, Writer, hash_inputs
from adcore.batch.program import op_versions, read_task
from adcore.batch.sweep import points
from adcore.batch.tables import copy_tables, named_files
from adcore.batch.variants import Variant, arrays_of, find_variants, item_sizes, within_memory
from adcore.errors import ConfigError, StorageError
from adcore.plugins import loader
from adcore.serialize.shard import encode
from adcore.types import Array


def source_hash(job: JobFile) -> str:
    """The hash of all in a job file that makes its items: equal hashes, equal manifests.

    Raises: ConfigError if a file that it names cannot be read.
    """
    tables = [{n: layer.values[n] for n in SETTINGS if n in layer.values} for layer in job.settings.layers]
    settings = [table for table in tables if table]
    told: list[Any] = [job.request, job.wrt, job.of, job.threads, settings, job.inputs]
    told += [asdict(job.sweep), asdict(replace(job.items, table=Path())) if job.items else None]
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
        raise _unwritable(place, error) from None


def remake(place: Path, job: JobFile, known: Job, damaged: Iterable[str], tell: Callable[[str], None]) -> None:
    """Write the manifest, graphs and tables of a job again; the manifest only if it gets the keys that it had.

    Raises: ConfigError and StorageError, as `create`.
    """
    again = place / f"{directory.MANIFEST}.again"
    try:
        layout = _lay_out(place, job, tell)
        with Writer(again) as writer:
            for _ in _items(job, layout, writer):
                pass
        if writer.sha256 == known.manifest:
            os.replace(again, place / directory.MANIFEST)
            tell(f"damaged, and made again from the job file: {', '.join(sorted(damaged))}")
        else:
            tell("the job file gives other keys than before, with other versions or memory: the manifest stays damaged")
    except OSError as error:
        raise _unwritable(place, error) from None
    finally:
        again.unlink(missing_ok=True)


def _unwritable(place: Path, error: Exception) -> StorageError:
    return StorageError(
        f"the job's directory cannot be written: {getattr(error, 'strerror', None) or error}",
        str(place),
        "free space, give write permission or choose another with --out",
    )


@dataclass(frozen=True, slots=True)
class Layout:
    """What the items of a job are made with. copied: files of the tables by input, in the job's directory."""

    plugins: list[str]
    copied: dict[str, Path]
    tables: dict[str, Array]
    variants: list[Variant]
    groups: list[Group]
    workers: int


def _lay_out(place: Path, job: JobFile, tell: Callable[[str], None]) -> Layout:
    """Read the graphs, choose strategies, and copy what workers need into the job's directory."""
    for name in ("graphs", "inputs", "plugins", directory.RESULTS):
        (place / name).mkdir(exist_ok=True)
    plugins = _copy_plugins(place, job)
    tasks = {file: read_task(file, job.request, job.wrt, job.of) for file in job.graphs}
    copied = copy_tables(job, next(iter(tasks.values())).inputs, place / "inputs")
    tables: dict[str, Array] = {name: np.load(path, mmap_mode="r") for name, path in copied.items()}
    found = [variant for file, task in tasks.items() for variant in find_variants(job, file, task, tables)]
    variants, workers = within_memory(job, found, tell)
    groups = [_group(place, job, f"g{number}", variant) for number, variant in enumerate(variants)]
    return Layout(plugins, copied, tables, variants, groups, workers)


def _create(place: Path, job: JobFile, source: str, tell: Callable[[str], None]) -> Job:
    for name in (directory.JOURNAL, f"{directory.JOURNAL}-wal", f"{directory.JOURNAL}-shm"):
        (place / name).unlink(missing_ok=True)
    layout = _lay_out(place, job, tell)
    with Writer(place / directory.MANIFEST) as writer:
        journal = Journal(place / directory.JOURNAL)
        journal.create(_items(job, layout, writer), lambda: writer.sha256)
        journal.close()
    groups, copied = layout.groups, layout.copied
    used = {g.graph for g in groups} | {g.fixed for g in groups if g.fixed} | set(layout.plugins)
    used |= {f"inputs/{path.name}" for path in copied.values()}
    resolved = Job(
        name=job.name,
        source=source,
        items=writer.items,
        manifest=writer.sha256,
        threads=job.threads,
        limits=replace(job.limits, workers=layout.workers),
        groups={group.name: group for group in groups},
        tables={name: f"inputs/{path.name}" for name, path in copied.items()},
        plugins=tuple(layout.plugins),
        files={file: directory.sha256_file(place / file) for file in sorted(used)},
        options=job.options,
        versions=versions(),
        reuse=reused(place, job),
    )
    directory.save(place, resolved)
    return resolved


def reused(place: Path, job: JobFile) -> tuple[str, ...]:
    """The folders of jobs whose results are taken, as the directory of a job has them; by default its own."""
    folders = (place.parent,) if job.reuse is None else job.reuse
    return tuple(os.path.relpath(folder, place) for folder in folders)


def versions() -> dict[str, str]:
    """The versions that results may depend on: Python, NumPy, and the distribution of every loaded plugin."""
    found = {"python": platform.python_version(), "numpy": np.__version__}
    loader().load(None)
    for plugin in loader().plugins.values():
        if plugin.status == "loaded":
            found[plugin.distribution] = plugin.version or "source"
    return found


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


def _items(job: JobFile, layout: Layout, writer: Writer) -> Iterator[NewItem]:
    """Write every item of every group; what the journal needs of each."""
    tables = layout.tables
    for lane in _lanes(job, layout.groups, layout.variants):
        task = next(iter(lane.values()))[1].task
        digests = {name: hash_inputs(_digest(job, group, v), v.fixed) for name, (group, v) in lane.items()}
        for point in points(job, task.inputs, tables):
            group, variant = lane[point.profile]
            arrays = arrays_of(point, tables)
            named = task.source.dims
            sizes = item_sizes(job, task, {**variant.fixed, **arrays}, writer.items) if named else {}
            yield writer.write(group.name, hash_inputs(digests[point.profile], arrays), point, sizes)


def _lanes(job: JobFile, groups: list[Group], variants: list[Variant]) -> list[dict[str, tuple[Group, Variant]]]:
    """What the items run through, once each: the variants among which an item chooses by its profile."""
    lanes: dict[tuple[Path, str, str], dict[str, tuple[Group, Variant]]] = {}
    chosen = bool(job.items and job.items.profile)
    for group, variant in zip(groups, variants, strict=True):
        key = (variant.file, variant.memory, "" if chosen else group.name)
        lanes.setdefault(key, {})[variant.profile] = group, variant
    return list(lanes.values())


def _digest(job: JobFile, group: Group, variant: Variant) -> bytes:
    """All that determines the results of a group, besides its inputs. BLAS threads and NumPy are part of it.

    The derivative itself is, by its identity; where it depends on the sizes of an item, who makes it.
    """
    derived = versions()["adcore"] if variant.task.source.dims else variant.program.graph.identity
    told = [derived, group.identity, group.request, group.wrt, group.of, group.settings, group.ops]
    return json.dumps([*told, job.threads, np.__version__], default=str, sort_keys=True).encode()


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
