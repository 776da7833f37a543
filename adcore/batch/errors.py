"""The errors of batch jobs, all under `BatchError`.

BatchError (RuntimeError)
├── JobLockedError       another process runs the job
├── JobDamagedError      manifest or resolved job file are not what was written; names the way back
├── StorageError         results or journal cannot be written: disk full, read-only, no permission
└── ExecutorError        no worker could be started, or all of them were lost one after the other

Mistakes in a job file are `adcore.errors.ConfigError`, as in every other setting.
"""

from typing import ClassVar

from adcore.errors import BatchError


class JobLockedError(BatchError):
    """Another process runs the job now; the message has its pid and host."""


class JobDamagedError(BatchError):
    """A file of the job directory that cannot be rebuilt from the others was altered."""

    exit_code: ClassVar[int] = 3


class StorageError(BatchError):
    """A result or the journal could not be written. The job stops and can be resumed."""

    exit_code: ClassVar[int] = 75


class ExecutorError(BatchError):
    """Workers cannot be started or are lost one after the other. The job stops and can be resumed."""

    exit_code: ClassVar[int] = 75
