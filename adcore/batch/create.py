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
from dataclasses import asdict, replace
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from adcore.batch import directory, guard
from adcore.batch.directory import Group, Job, write_durably
from adcore.batch.inputs import InputType, copy_tables, fixed_inputs
from adcore.batch.job import JobFile
from adcore.batch.journal import Journal, NewItem
from adcore.batch.manifest import Writer, check_covered, points
from adcore.batch.program import Facts
from adcore.batch.worker import hash_inputs
from adcore.errors import AdcoreError, ConfigError, StorageError
from adcore.serialize.shard import encode
from adcore.types import Array

Report: TypeAlias = Callable[[str], None]
Variant: TypeAlias = tuple[Path, str, Mapping[str, Any], Facts]


def source_hash(job: JobFile) -> str:
    """The hash of all in a job file that makes its items: equal hashes, equal manifests.

    Raises: ConfigError if a file that it names cannot be read.
    """
    places = ("path", "graphs", "items", "out", "limits", "reuse", "options")  # where, not what
    told = {name: value for name, value in asdict(job).items() if name not in places}
    told["items"] = (job.items.columns, job.items.tag) if job.items else None
    total = hashlib.sha256(json.dumps(told, default=str, sort_keys=True).encode())
    for path, key in _files(job):
        try:
            total.update(directory.sha256_file(path).encode())
        except OSError as error:
            raise ConfigError(
                f"{path} cannot be read: {error.strerror}",
                job.where(key),
                "correct the name, or make the file",
            ) from None
    return total.hexdigest()


def create(place: Path, job: JobFile, source: str, program: str, report: Report) -> Job:
    """Make the directory of a new job. Its lock must be held; results that are in it already are kept.

    Raises: ConfigError for what does not fit together; StorageError if the disk does not take it.
    """
    try:
        return _create(place, job, source, program, report)
    except (OSError, sqlite3.OperationalError) as error:
        if isinstance(error, AdcoreError):
            raise
        raise StorageError(
            f"the job's directory cannot be written: {getattr(error, 'strerror', None) or error}",
            str(place),
            "free space, give write permission or choose another with --out",
        ) from None


def _create(place: Path, job: JobFile, source: str, program: str, report: Report) -> Job:
    for name in ("graphs", "inputs", directory.RESULTS):
        (place / name).mkdir(exist_ok=True)
    for name in (directory.JOURNAL, f"{directory.JOURNAL}-wal", f"{directory.JOURNAL}-shm"):
        (place / name).unlink(missing_ok=True)
    described, workers = _within_memory(_variants(job, program), job, program, report)
    groups, types = _groups(place, job, described)
    copied = copy_tables(job, types[groups[0].name], place / "inputs")
    tables = {n: np.load(place / "inputs" / f, mmap_mode="r") for n, (f, _) in copied.items()}
    _check_points(job, groups, types, tables)
    with Writer(place / directory.MANIFEST) as writer:
        journal = Journal(place / directory.JOURNAL)
        journal.create(_rows(job, groups, types, tables, writer), lambda: writer.sha256)
        journal.close()
    resolved = Job(
        name=job.name,
        source=source,
        items=writer.items,
        manifest=writer.sha256,
        threads=job.threads,
        limits=replace(job.limits, workers=workers),
        groups={group.name: group for group in groups},
        tables={n: {"file": f"inputs/{f}", "sha256": digest} for n, (f, digest) in copied.items()},
        options=job.options,
        versions=versions(),
    )
    directory.save(place, resolved)
    return resolved


def versions() -> dict[str, str]:
    """The versions that a result may depend on."""
    try:
        ours = version("adcore")
    except PackageNotFoundError:  # a bare source tree
        ours = "source"
    return {"adcore": ours, "numpy": np.__version__, "python": platform.python_version()}


def _variants(job: JobFile, program: str) -> list[Variant]:
    """(graph, label, strategy as asked, facts) for every combination of the sweep."""
    module = import_module(program)
    found: list[Variant] = []
    for graph in job.graphs:
        for label, strategy in _strategies(job):
            facts = module.describe(graph, job.request, job.wrt, job.of, strategy)
            found.append((graph, label, strategy, facts))
    return found


def _strategies(job: JobFile) -> Iterator[tuple[str, dict[str, Any]]]:
    base = dict(job.strategy)
    for name in job.sweep.strategy or ("",):
        chosen = dict(base)
        if name in job.profiles:
            asked = job.profiles[name].get("strategy", {})
            chosen |= {"name": asked} if isinstance(asked, str) else asked
        elif name:
            chosen["name"] = name
        label = name or str(base.get("name", "default"))
        for memory in job.sweep.memory or ("",):
            extra = {"memory": memory} if memory else {}
            yield f"{label} {memory}".strip(), chosen | extra


def _within_memory(
    found: list[Variant], job: JobFile, program: str, report: Report
) -> tuple[list[tuple[Path, str, Facts]], int]:
    """The variants as they fit into memory, and how many workers do."""
    limits = job.limits
    verdict = guard.judge((f.peak for *_, f in found), limits.workers, limits.memory, limits.executor)
    fitting = []
    module = import_module(program)
    for graph, label, strategy, facts in found:
        if verdict.budget and facts.peak > verdict.budget:
            tight = {**strategy, "name": "checkpointed", "memory": verdict.budget}
            facts = module.describe(graph, job.request, job.wrt, job.of, tight)
            label = f"{label} (checkpointed to fit)"
        fitting.append((graph, label, facts))
    guard.check_fits((facts.peak for *_, facts in fitting), verdict, limits.memory, report)
    return fitting, verdict.workers


def _groups(
    place: Path, job: JobFile, described: list[tuple[Path, str, Facts]]
) -> tuple[list[Group], dict[str, dict[str, InputType]]]:
    groups, types = [], {}
    for number, (graph, label, facts) in enumerate(described):
        name = f"g{number}"
        types[name] = {k: InputType.parse(text) for k, text in facts.inputs.items()}
        fixed = fixed_inputs(job, types[name])
        shard = ""
        if fixed:
            payload = encode(fixed, {})
            shard = f"inputs/{hashlib.sha256(payload).hexdigest()[:16]}.shard"
            write_durably(place / shard, payload)
        copy = f"graphs/{facts.identity[:16]}{graph.suffix}"
        if not (place / copy).exists():
            shutil.copyfile(graph, place / f"{copy}.tmp")
            os.replace(place / f"{copy}.tmp", place / copy)
        groups.append(
            Group(
                name=name,
                graph=copy,
                identity=facts.identity,
                request=job.request,
                strategy=facts.strategy,
                label=label,
                wrt=job.wrt,
                of=job.of,
                inputs=facts.inputs,
                ops=facts.ops,
                fixed=shard,
                peak=facts.peak,
            )
        )
    return groups, types


def _check_points(
    job: JobFile,
    groups: list[Group],
    types: Mapping[str, Mapping[str, InputType]],
    tables: Mapping[str, Array],
) -> None:
    """Look at the first item of every group, so that a mistake is told before anything is written."""
    for group in groups:
        known = types[group.name]
        _, first = next(points(job, known, tables), ("", {}))
        check_covered(job, known, job.inputs, first)


def _rows(
    job: JobFile,
    groups: list[Group],
    types: Mapping[str, Mapping[str, InputType]],
    tables: Mapping[str, Array],
    writer: Writer,
) -> Iterator[NewItem]:
    for group in groups:
        fixed = fixed_inputs(job, types[group.name])
        told = [group.identity, group.request, group.wrt, group.of, group.strategy, group.ops, job.threads]
        digest = json.dumps([*told, np.__version__], default=str, sort_keys=True).encode()
        found = points(job, types[group.name], tables)
        yield from writer.write(group.name, hash_inputs(digest, fixed), found, tables)


def _files(job: JobFile) -> Iterator[tuple[Path, str]]:
    for graph in job.graphs:
        yield graph, "[job] graph"
    for name, value in job.inputs.items():
        if isinstance(value, Mapping) and "file" in value:
            yield job.path.parent / str(value["file"]), f"[inputs] {name}"
    if job.items:
        yield job.items.table, "[items] table"
