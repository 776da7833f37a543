"""Batch jobs: one graph, many inputs, killable and resumable at any moment.

    job.py        a job file             create.py     from it to a directory, see directory.py
    manifest.py   its items, streamed    inputs.py     their values
    verbs.py      what can be done       driver.py     the loop; feed.py what goes out next
    journal.py    what became of items   results.py    where their results are
    worker.py     what executors run (the door for them is adcore.executor); program.py what that computes
    guard.py      memory                 progress.py   what is told, and the report

Importing this imports nothing: `from adcore.batch.verbs import run`.
"""
