"""Batch jobs: one graph, many inputs, killable and resumable at any moment.

    job.py        a job file             create.py     from it to a directory, see directory.py
    manifest.py   its items, one line each: sweep.py and tables.py say which, inputs.py their values
    variants.py   its graphs under its strategies; program.py what that computes, guard.py in how much memory
    verbs.py      what can be done       driver.py     the loop; feed.py what goes out next
    journal.py    what became of items   shards.py     where their results are, read.py reads them
    repair.py     after a disturbance    lock.py       one driver at a time
    worker.py     what executors run (the door for them is adcore.executor); machine.py what is measured there
    progress.py   what is told meanwhile; report.py    and at the end

>>> from adcore.batch import results, run
"""

from typing import Any

_VERBS = ("cancel", "resume", "results", "retry", "run", "status")


def __getattr__(name: str) -> Any:
    """The verbs, imported when they are asked for: workers need none of them."""
    if name not in _VERBS:
        raise AttributeError(f"module 'adcore.batch' has no attribute {name!r}")
    from adcore.batch import verbs

    return getattr(verbs, name)
