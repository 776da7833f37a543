"""The memory guard: what the plans promise, times workers, against what there is. Before anything runs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from adcore.batch.machine import available_memory
from adcore.errors import ExecutorError

INTERPRETER = 120 << 20  # bytes of a worker with NumPy, adcore and its plugins, before any item


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many workers may run at once, whether items need a budget to fit, and what to tell the user.

    budget: bytes that one item may take, 0 if all fit as they are.
    """

    workers: int
    budget: int = 0
    message: str = ""


def judge(peaks: Iterable[int], workers: int, limit: int, executor: str) -> Verdict:
    """What to do so that all workers together stay under the limit (bytes; 0: what this machine has).

    peaks: predicted bytes of one item, of every group; 0 if unknown. Only this machine's memory is
    known, so without a limit of the job other executors than "local" are let through.

    >>> judge([3 << 30], workers=4, limit=8 << 30, executor="local").workers
    2
    """
    peak = max(peaks, default=0)
    if not limit:
        limit = available_memory() if executor == "local" else 0
    each = peak + INTERPRETER
    if not peak or not limit or each * workers <= limit:
        return Verdict(workers)
    fitting = limit // each
    if fitting:
        return Verdict(
            fitting,
            0,
            f"{workers} workers would need {said(each * workers)} ({said(peak)} per item as planned), "
            f"there are {said(limit)}: {fitting} at once",
        )
    return Verdict(
        1,
        max(limit - INTERPRETER, 0),
        f"one item would need {said(peak)} as planned, there are {said(limit)}: "
        f"1 worker, and strategy checkpointed with memory = {said(max(limit - INTERPRETER, 0))}",
    )


def check_fits(peaks: Iterable[int], verdict: Verdict, limit: int, report: Callable[[str], None]) -> None:
    """After the switch to a checkpointed plan: refuse the job if even that does not fit."""
    peak = max(peaks, default=0)
    if verdict.budget and peak > verdict.budget:
        raise ExecutorError(
            f"one item needs {said(peak)} even with checkpoints, there are {said(verdict.budget)} for it",
            f"limit of the job: {said(limit)}" if limit else "limit: the memory of this machine",
            "raise [job] memory, run on a larger machine, or make the items smaller",
        )
    if verdict.message:
        report(verdict.message)


def said(size: int) -> str:
    """Bytes for people.

    >>> said(3 << 29)
    '1.5 GiB'
    """
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            return f"{value:.4g} {unit}"
        value /= 1024
    raise AssertionError
