"""The tree of errors: one class per kind of mistake, each also a builtin.

AdcoreError
├── TraceError (TypeError)             Python asked a traced value for something it has not got yet
├── InputError (TypeError, ValueError) a graph or transform was called with what does not fit
├── GraphError (ValueError)            a graph breaks the law of graphs
├── OpError (TypeError, ValueError)    an op was applied to types or params it does not take
├── UnknownOpError (LookupError)       no plugin brings the op
├── RuleError (NotImplementedError)    an op has no derivative rule for what was asked
├── DifferentiationError (ValueError)  the question has no answer (a gradient of an integer, of an array)
├── CheckError (ArithmeticError)       a check carried by a graph came out false
│   └── MatrixError (LinAlgError)      a matrix is singular, not positive definite, or an iteration did not converge
├── PlanError (ValueError)             a plan breaks the law of plans, or belongs to another graph
│   └── BudgetError                    no plan keeps the budget; says the least that would do
├── SnapshotError (OSError)            a snapshot of a loop cannot be written or read: disk full, altered
├── FileFormatError (ValueError)       a file is not what it says it is
├── ConfigError (ValueError)           a setting is unknown or has a wrong value
├── StrategyError (LookupError)        no plugin brings the strategy, or it cannot do what was asked
├── PluginError (ImportError)          a plugin could not be loaded
├── MissingExtraError (ImportError)    an optional package is needed; says how to install it
├── BatchError (RuntimeError)          a batch job cannot start or go on
│   ├── JobLockedError                 another process runs it
│   ├── JobDamagedError                its files are not what was written; names the way back
│   ├── StorageError                   results or journal cannot be written: disk full, read-only
│   └── ExecutorError                  no worker could be started, or all were lost one after the other
└── LawError (AssertionError)          an op, a strategy or a function breaks a law that `adcore.testing` checks

Every message has three parts: what happened, with the values; where (op, type, the user's own
file and line); what to do instead.

>>> raise InputError("x has shape (2,)", where="input x of graph f", instead="pass shape (3,)")
Traceback (most recent call last):
    ...
adcore.errors.InputError: x has shape (2,)
  input x of graph f
  pass shape (3,)
"""

from typing import ClassVar

from numpy.linalg import LinAlgError


class AdcoreError(Exception):
    """The root of all errors that adcore raises on purpose."""

    def __init__(self, what: str = "", where: str = "", instead: str = "") -> None:
        """what happened; where: op, type and source line; instead: what to do."""
        self.what, self.where, self.instead = what, where, instead
        super().__init__("\n  ".join(part for part in (what, where, instead) if part))

    def located(self, source: object) -> "AdcoreError":
        """The same error with a line of the user's code, if it names none of its own."""
        return self if self.where or source is None else type(self)(self.what, f"at {source}", self.instead)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by the three parts, so that an error crosses process borders whole."""
        return (type(self), (self.what, self.where, self.instead))


class TraceError(AdcoreError, TypeError):
    """Python asked a traced value for what it has not got while tracing.

    >>> import adcore as ad
    >>> ad.trace(lambda x: 1.0 if x > 0 else 0.0, 2.0)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    adcore.errors.TraceError: `if` was asked about a traced bool[], which has no value while tracing...
    >>> import numpy as np
    >>> ad.trace(lambda x: np.where(x > 0, 1.0, 0.0), 2.0)(3.0)  # instead
    np.float64(1.0)
    """


class InputError(AdcoreError, TypeError, ValueError):
    """A graph or a transform was called with a value that does not fit."""


class GraphError(AdcoreError, ValueError):
    """A graph breaks the law of graphs (see `adcore.graph.check`)."""


class OpError(AdcoreError, TypeError, ValueError):
    """An op was applied to types or params that it does not take."""


class UnknownOpError(AdcoreError, LookupError):
    """No loaded plugin brings the op."""


class RuleError(AdcoreError, NotImplementedError):
    """An op has no derivative rule for what was asked."""


class DifferentiationError(AdcoreError, ValueError):
    """The derivative that was asked for does not exist."""


class CheckError(AdcoreError, ArithmeticError):
    """A check carried by a graph came out false while it ran."""


class MatrixError(CheckError, LinAlgError):
    """A matrix has no inverse or factor of the kind that was asked for; also NumPy's LinAlgError.

    >>> import adcore as ad
    >>> import numpy as np
    >>> ad.trace(np.linalg.inv, np.eye(2))(np.zeros((2, 2)))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    adcore.errors.MatrixError: linalg::inv: Singular matrix...
    """


class PlanError(AdcoreError, ValueError):
    """A plan breaks the law of plans (see `adcore.plan.check`), or belongs to another graph."""


class BudgetError(PlanError):
    """No plan keeps the budget; the message has the least number of bytes that would do.

    minimum: that number, None where it is not known.
    """

    minimum: int | None = None


class SnapshotError(AdcoreError, OSError):
    """A snapshot of a loop cannot be written to disk, or is not there as it was written."""


class FileFormatError(AdcoreError, ValueError):
    """A file is truncated, altered, too large, or of another format."""


class ConfigError(AdcoreError, ValueError):
    """A setting is unknown or has a value that is not allowed."""


class StrategyError(AdcoreError, LookupError):
    """No plugin brings the strategy, or it cannot do what was asked."""


class PluginError(AdcoreError, ImportError):
    """A plugin could not be imported or registered."""


class MissingExtraError(AdcoreError, ImportError):
    """An optional package is needed and not installed."""


class BatchError(AdcoreError, RuntimeError):
    """A batch job cannot start or go on. `exit_code`: what a command ends with for it."""

    exit_code: ClassVar[int] = 2


class JobLockedError(BatchError):
    """Another process runs the job now; the message has its pid and host."""


class JobDamagedError(BatchError):
    """A file of a job's directory that cannot be made again from the others was altered."""

    exit_code = 3


class StorageError(BatchError):
    """A result or the journal could not be written. The job stops and can be resumed."""

    exit_code = 75


class ExecutorError(BatchError):
    """Workers cannot be started, or are lost one after the other. The job stops and can be resumed."""

    exit_code = 75


class LawError(AdcoreError, AssertionError):
    """An op, a strategy or a function breaks a law that `adcore.testing` checks."""
