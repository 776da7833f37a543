"""The report of a job: one row per item; what became of it, why, how long it took, how much memory.

And the first items that failed, with their inputs, for the summary.
"""

import contextlib
import csv
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from adcore.batch.directory import MANIFEST, Group, Job
from adcore.batch.journal import Journal
from adcore.batch.manifest import read_line
from adcore.errors import StorageError

COLUMNS = (
    "item", "tag", "state", "graph", "strategy", "chosen", "sizes", "seconds", "peak_bytes", "attempts",
    "kind", "message", "shares", "key",
)  # fmt: skip
SHOWN = 5  # failures in a summary


@dataclass(frozen=True, slots=True)
class Failure:
    """An item without a result. kind: the class of its error, "Timeout" or "WorkerKilled". inputs: its own."""

    item: int
    kind: str
    message: str
    inputs: Mapping[str, Any]
    detail: str


def first_failures(place: Path, journal: Journal) -> tuple[Failure, ...]:
    """The first items that failed or are quarantined."""
    rows = list(islice(journal.rows("r.state IN (2, 3)"), SHOWN))
    inputs: dict[int, Mapping[str, Any]] = {}
    with contextlib.suppress(OSError), open(place / MANIFEST, "rb") as file:
        for row in rows:
            with contextlib.suppress(ValueError):  # of a damaged or lost line: its error says so
                inputs[row.item] = read_line(file, row.item, row.offset)["inputs"]
    return tuple(
        Failure(row.item, row.kind or "", row.message or "", inputs.get(row.item, {}), row.detail or "") for row in rows
    )


def write_report(place: Path, job: Job, journal: Journal) -> Path:
    """Write report.csv or report.json: one row per item, in item order, streamed. Returns its path.

    Columns: item, tag, state, graph, strategy, chosen (what auto, a profile or the guard of memory took in its
    place, and why), sizes (named ones: "n=57"), seconds, peak_bytes (of its worker's resident memory while it
    ran), attempts, kind and message of the last error, shares (the item with the same key, whose result it
    has), key.
    """
    path = place / f"report.{job.limits.report}"
    temporary = path.with_name(path.name + ".tmp")
    try:
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            labels = {name: (group.file, group.label, _chosen(group)) for name, group in job.groups.items()}
            rows = journal.report(labels)
            if job.limits.report == "csv":
                writer = csv.writer(file)
                writer.writerow(COLUMNS)
                writer.writerows(rows)
            else:
                for number, row in enumerate(rows):
                    entry = json.dumps(dict(zip(COLUMNS, row, strict=True)), ensure_ascii=False)
                    file.write(("[\n" if not number else ",\n") + entry)
                file.write("\n]\n" if job.items else "[]\n")
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StorageError(
            f"the report could not be written: {error.strerror or error}",
            str(path),
            "free space or give write permission; `adcore batch resume` writes it again",
        ) from None
    return path


def _chosen(group: Group) -> str:
    """The strategy that items of a group run under, and why, where it is not the one that was named."""
    name = str(group.settings["strategy"]["name"])
    return "" if group.label.partition(" ")[0] == name else f"{name}: {group.reason}"
