"""The builder: a graph under construction, and the record of each op into it.

One Trace is current at a time (a context variable, so threads do not see each other's). A trace may
be opened inside another: what it uses of the outer one becomes a captured input of the inner graph.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar, Token
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np

from adcore.errors import OpError, TraceError
from adcore.graph import NO_PARAMS, Check, Node, Source, Value
from adcore.memory import UNKNOWN
from adcore.params import normalise
from adcore.registry import Op, ensure, find_op, result_types
from adcore.types import DTYPES, AnyType, Array, Type, type_of

if TYPE_CHECKING:
    from adcore.tracer import Tracer

_current: ContextVar[Trace | None] = ContextVar("adcore_trace", default=None)
_fitting: ContextVar[bool] = ContextVar("adcore_fitting", default=False)

WEAK = (bool, int, float, complex)
"""Python's own numbers: they take the dtype of what they meet (NEP 50)."""

_OWN = [os.path.dirname(os.path.abspath(__file__)) + os.sep, os.path.dirname(np.__file__) + os.sep]
_is_own: dict[str, bool] = {"<string>": True}


def own_code(directory: str) -> None:
    """Count the code in a directory as ours: it is never named as the source of a node."""
    _OWN.append(os.path.join(os.path.abspath(directory), ""))
    _is_own.clear()


def caller() -> Source | None:
    """The innermost line of code that is not adcore's, its built-in plugins', NumPy's or SciPy's."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if not _of_ours(frame):
            return Source(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back
    return None


def raised_at(e: BaseException) -> Source | None:
    """The innermost such line on the way to where an error was raised."""
    entry, found = e.__traceback__, None
    while entry is not None:
        if not _of_ours(entry.tb_frame):
            found = Source(entry.tb_frame.f_code.co_filename, entry.tb_lineno)
        entry = entry.tb_next
    return found


def _of_ours(frame: FrameType) -> bool:
    """True for code of adcore, its built-in plugins, NumPy and SciPy."""
    file = frame.f_code.co_filename
    own = _is_own.get(file)
    if own is None:
        own = _is_own[file] = file.startswith((*_OWN, "<frozen")) or _of_scipy(frame)
    return own


def asking_function() -> str:
    """The public SciPy function that is running just outside NumPy's and our own code, as "scipy.linalg.expm".

    "scipy" if it hides behind a decorator; "" if none is running. SciPy has no protocol by which its
    functions could be recorded: they ask a traced array for its numbers.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not _of_scipy(frame) and frame.f_code.co_filename.startswith(tuple(_OWN)):
        frame = frame.f_back
    name = ""
    while frame is not None and _of_scipy(frame):
        part = ".".join(frame.f_globals["__name__"].split(".")[:2])
        name = name or "scipy"
        if hasattr(sys.modules.get(part), called_in(frame)):
            name = f"{part}.{called_in(frame)}"
        frame = frame.f_back
    return name


def instead_of(function: str) -> str:
    """What to write in place of a function of SciPy, given as `asking_function` gives it."""
    part = f"{function}.".split(".")[1]
    known = {"integrate": "adcore.solve_ivp, or a sum over the points of a grid", "optimize": "adcore.root"}
    return f"use {known.get(part, f'adcore.{function} if it has the function')}, or register it as an op (adcore.op)"


def called_in(frame: FrameType) -> str:
    """The name of the function that a frame runs; for an object that is called, its own name."""
    name = frame.f_code.co_name
    return str(getattr(frame.f_locals.get("self"), "__name__", name)) if name == "__call__" else name


def _of_scipy(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).startswith("scipy.")


class Traced:
    """What every tracer is: below the tracers themselves, so that this file can tell them."""

    __slots__ = ()

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


class Trace:
    """A graph under construction.

    Used as a context: inside it, ops on its tracers are recorded. `source`, when set, is given to
    every node (a transform passes on where the primal node came from).
    """

    def __init__(self, parent: Trace | None = None) -> None:
        self.parent = parent
        self.nodes: list[Node] = []
        self.constants: dict[Value, Array] = {}
        self.captured: dict[Value, Value] = {}  # of the parent -> of this trace
        self.checks: list[Check] = []
        self.reports: list[tuple[str, Value]] = []
        self.alive = True
        self.source: Source | None = None
        self._scalars: dict[tuple[str, bytes], Value] = {}
        self._arrays: dict[int, tuple[Any, Value]] = {}
        self._tokens: list[Token[Trace | None]] = []

    def __enter__(self) -> Trace:
        self._tokens.append(_current.set(self))
        return self

    def __exit__(self, *_: object) -> None:
        _current.reset(self._tokens.pop())
        self.alive = bool(self._tokens)

    def wrap(self, value: Value) -> Tracer:
        """A handle on a value of this trace."""
        from adcore.tracer import handle

        return handle(self, value)

    def constant(self, array: Any) -> Value:
        """The value of a constant; the array is copied, so later writes to it do not matter."""
        a = np.asarray(array)
        if a.dtype.name not in DTYPES:
            raise TraceError(
                f"a value of dtype {a.dtype} cannot be part of a graph",
                f"at {caller()}",
                f"use one of {', '.join(DTYPES)}",
            )
        if a.ndim == 0:
            key = (a.dtype.char, a.tobytes())
            value = self._scalars.get(key)
            if value is None:
                value = self._scalars[key] = self._keep(a.copy())
            return value
        seen = self._arrays.get(id(array))
        if seen is not None and _same_bytes(self.constants[seen[1]], a):
            return seen[1]
        value = self._keep(np.array(a, order="C"))
        self._arrays[id(array)] = (array, value)
        return value

    def adopt(self, array: Array) -> Value:
        """The value of a constant of another graph, which nobody writes to: the array itself, each kept once."""
        if array.ndim == 0:
            return self.constant(array)
        seen = self._arrays.get(id(array))
        if seen is None or seen[0] is not array:
            seen = self._arrays[id(array)] = (array, self._keep(array))
        return seen[1]

    def _keep(self, a: Array) -> Value:
        a.flags.writeable = False
        value = Value(type_of(a))
        self.constants[value] = a
        return value

    def value_of(self, tracer: Traced) -> Value:
        """The value that a tracer stands for here; one of an outer trace is captured.

        Raises TraceError for a tracer whose trace has ended, or that belongs to another thread.
        """
        owner = tracer._trace
        if owner is self:
            own: Value = tracer._read()
            return own
        if self.parent is not None and owner.alive:
            outer = self.parent.value_of(tracer)
            value = self.captured.get(outer)
            if value is None:
                value = self.captured[outer] = Value(outer.type)
            return value
        raise TraceError(
            f"a traced {tracer._type} was used after its trace ended, or in another thread",
            f"made by {owner.origin(tracer)}, used at {caller()}",
            "return it as a result of the traced function instead of keeping it elsewhere",
        )

    def origin(self, tracer: Traced) -> str:
        """What made the value of a tracer, with its place in the user's code."""
        value = tracer._value
        for node in reversed(self.nodes):
            if value in node.outputs:
                return f"{node.op} at {node.source or 'source unknown'}"
        return "a constant" if value in self.constants else "an argument of the traced function"

    def record(self, op: Op, inputs: Sequence[Value], params: dict[str, Any]) -> tuple[Value, ...]:
        """Append one application of an op; the values of its results."""
        params = normalise(op.name, op.params, params) if (op.params or params) else params  # type: ignore[arg-type]
        types = tuple(v.type for v in inputs)
        try:
            outputs = tuple([Value(t) for t in result_types(op, types, params)])
        except OpError as e:
            if e.where:
                raise
            raise OpError(e.what, f"at {self.source or caller()}", f"{op.name}: {op.doc}" if op.doc else "") from None
        source = self.source or caller()
        self.nodes.append(Node(op.name, tuple(inputs), params or NO_PARAMS, outputs, source))
        return outputs

    def lift(self, x: Any, dtype: np.dtype[Any] | None = None) -> Value:
        """The value of anything that may meet an op: a tracer, an array, a number, a nested list of them."""
        from adcore.tracer import restack

        if isinstance(x, Traced):
            value = self.value_of(x)
            return value if dtype is None else self.convert(value, dtype)
        if not isinstance(x, np.ndarray | np.generic | bool | int | float | complex) or (
            isinstance(x, np.ndarray) and x.dtype == object
        ):
            x = restack(x)
        if isinstance(x, Traced):
            return self.lift(x, dtype)
        return self.constant(x if dtype is None else np.asarray(x, dtype))

    def convert(self, value: Value, dtype: np.dtype[Any]) -> Value:
        """The value in another dtype; itself if it has that one."""
        if value.type.dtype == dtype:  # type: ignore[union-attr]
            return value
        return self.record(find_op("core::convert"), (value,), {"dtype": dtype})[0]


def _same_bytes(a: Array, b: Array) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def current() -> Trace | None:
    """The trace that is being built in this context, if any."""
    return _current.get()


@contextlib.contextmanager
def fitting() -> Iterator[None]:
    """Inside the block graphs are made at one of several sizes: what depends on sizes must be affine in them."""
    token = _fitting.set(True)
    try:
        yield
    finally:
        _fitting.reset(token)


def is_fitting() -> bool:
    """True inside `fitting`."""
    return _fitting.get()


def common_dtype(args: Sequence[Any]) -> np.dtype[Any] | None:
    """The dtype that Python's own numbers among args take; None if there are none."""
    if not any(type(a) in WEAK for a in args):
        return None
    strong = [getattr(a, "dtype", None) for a in args if type(a) not in WEAK]
    weak = [a for a in args if type(a) in WEAK]
    known = [d if d is not None else np.asarray(a).dtype for d, a in zip(strong, _strong(args), strict=True)]
    return np.result_type(*known, *weak) if known else None


def _strong(args: Sequence[Any]) -> list[Any]:
    return [a for a in args if type(a) not in WEAK]


def apply(op: Op, args: Sequence[Any], params: dict[str, Any]) -> Any:
    """Apply an op: recorded if any argument is traced, else run on the arrays.

    Python's own numbers take the dtype of the others. Gives a tracer or array, or a tuple of them.
    """
    from adcore.tracer import has_tracer

    trace = _current.get()
    if not any(isinstance(a, Traced) or has_tracer(a) for a in args):
        dtype = common_dtype(args)
        arrays = [np.asarray(a, dtype) if type(a) in WEAK else np.asarray(a) for a in args]
        return op.run(*arrays, **params)
    trace = trace or tracer_trace(args)
    ensure(op)
    dtype = common_dtype(args)
    values = [trace.lift(a, dtype if type(a) in WEAK else None) for a in args]
    found = tuple([trace.wrap(v) for v in trace.record(op, values, params)])
    if not isinstance(op.batch, tuple) and any(map(_scattered, args)):  # products are C-contiguous in any case
        for y in found:
            if isinstance(y._value.type, Type) and y.ndim > 1:
                y.layout = UNKNOWN
    return found[0] if len(found) == 1 else found


def _scattered(x: Any) -> bool:
    """True for an array or tracer that is not C-contiguous, so that NumPy chooses the layout of what is made of it."""
    if isinstance(x, np.ndarray):
        return not x.flags.c_contiguous
    return getattr(x, "layout", None) is not None


def tracer_trace(args: Sequence[Any]) -> Trace:
    """The error for tracers that meet an op while nothing is traced."""
    for a in args:
        if isinstance(a, Traced):
            Trace().value_of(a)
    raise TraceError("traced values inside an object array were used after their trace ended", f"at {caller()}")


def op_call(name: str) -> Callable[..., Any]:
    """A function that applies the op of that name, looked up when it is called."""

    def call(*args: Any, **params: Any) -> Any:
        return apply(find_op(name), args, params)

    return call


def array_type(value: Value) -> Type:
    """The type of a value that is an array. Raises TraceError for a trail."""
    t: AnyType = value.type
    if isinstance(t, Type):
        return t
    raise TraceError(f"a {t} is no array", f"at {caller()}", "trails are read by loops only")


def known(x: Any) -> Array | None:
    """The numbers of what depends on no input: an array itself, or a constant of the trace; else None."""
    if not isinstance(x, Traced):
        return np.asarray(x)
    trace = _current.get()
    return None if trace is None else trace.constants.get(trace.value_of(x))
