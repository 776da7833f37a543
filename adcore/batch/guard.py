"""The memory guard: what the plans promise, times workers, against what there is. Before anything runs."""

from collections.abc import Iterable
from dataclasses import dataclass

from adcore.batch.directory import Limits
from adcore.batch.machine import available_memory
from adcore.executor import find_executor

INTERPRETER = 80 << 20  # bytes of a worker before any item: 44 MiB with NumPy and adcore, more with SciPy


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many workers may run at once, and what an item may take.

    budget: bytes of one item, 0 if all fit as they are. why, then: what to tell the user, if anything.
    """

    workers: int
    budget: int = 0
    why: str = ""
    then: str = ""

    @property
    def message(self) -> str:
        """Both halves."""
        return f"{self.why}: {self.then}" if self.why else ""


def judge(peaks: Iterable[int], limits: Limits) -> Verdict:
    """What to do so that all workers together stay under the job's limit, or what this machine has.

    peaks: predicted bytes of one item, of every group. Only this machine's memory is known, so without
    a limit of the job executors that run elsewhere are let through.

    >>> judge([3 << 30], Limits(workers=4, memory=8 << 30)).message
    '4 workers would need 12.31 GiB (3 GiB per item as planned), there are 8 GiB: 2 at once'
    """
    peak, workers = max(peaks, default=0), limits.workers
    there = limits.memory or (available_memory() if find_executor(limits.executor).here else 0)
    each = peak + INTERPRETER
    if not there or each * workers <= there:
        return Verdict(workers)
    fitting = there // each
    if fitting:
        why = f"{workers} workers would need {said(each * workers)} ({said(peak)} per item as planned)"
        return Verdict(fitting, 0, f"{why}, there are {said(there)}", f"{fitting} at once")
    budget = max(there - INTERPRETER, 0)
    why = f"one item needs {said(peak)} as planned, beside {said(INTERPRETER)} for its worker; there are {said(there)}"
    return Verdict(1, budget, why, f"1 worker, and strategy checkpointed with memory = {said(budget)}")


def said(size: int) -> str:
    """Bytes for people.

    >>> said(3 << 29)
    '1.5 GiB'
    """
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.4g} {unit}"
        value /= 1024
    return f"{value:.4g} TiB"
