"""Handles: one class for what tracers share, one for scalars, one for arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from adcore.errors import TraceError
from adcore.graph import Value
from adcore.index import read_index, write_index
from adcore.memory import COPY, UNKNOWN, Layout, only_ones_differ, reshaped
from adcore.registry import find_op
from adcore.trace import Trace, Traced, apply, asking_function, caller, current, instead_of
from adcore.tracer.calls import function_called, ufunc_called
from adcore.types import Type

_METHODS = frozenset(
    {
        "all", "any", "argmax", "argmin", "argpartition", "argsort", "choose", "clip", "compress", "conj", "conjugate",
        "cumprod", "cumsum", "diagonal", "dot", "imag", "max", "mean", "min", "nonzero", "prod", "ptp", "ravel", "real",
        "repeat", "round", "searchsorted", "squeeze", "std", "sum", "swapaxes", "take", "trace", "var",
    }
)  # fmt: skip


class Tracer(Traced):
    """A handle on a value of a graph under construction. Made by tracing, never by hand."""

    __slots__ = ("_base", "_put", "_seen", "_take", "_trace", "_value", "layout")
    __array_priority__ = 1000.0

    def __init__(self, trace: Trace, value: Value) -> None:
        self._trace = trace
        self._value = value
        self._base: Tracer | None = None
        self._seen: Value | None = None
        self.layout: Layout = None  # where NumPy would have its elements
        self._take: Callable[[Tracer], Tracer] | None = None
        self._put: Callable[[Tracer, Tracer], Tracer] | None = None

    if TYPE_CHECKING:  # set by adcore.tracer.operators

        def __add__(self, other: Any) -> Any: ...
        def __radd__(self, other: Any) -> Any: ...
        def __sub__(self, other: Any) -> Any: ...
        def __rsub__(self, other: Any) -> Any: ...
        def __mul__(self, other: Any) -> Any: ...
        def __rmul__(self, other: Any) -> Any: ...
        def __truediv__(self, other: Any) -> Any: ...
        def __pow__(self, other: Any) -> Any: ...
        def __neg__(self) -> Any: ...

    # --- what it names, and how it is rebound ----------------------------------------------------

    def _read(self) -> Value:
        if self._base is not None:
            value = self._base._read()
            if value is not self._seen:
                assert self._take is not None
                with self._trace:  # it may be read inside an inner trace
                    self._value = self._take(self._trace.wrap(value))._read()
                self._seen = value
        return self._value

    def _may_write(self) -> None:
        if current() is not self._trace:
            raise TraceError(
                f"a traced {self._type} of an outer function was written to inside an inner one",
                f"at {caller()}",
                "pass it as an argument and return the new value",
            )

    def _write(self, new: Value) -> None:
        self._may_write()
        if self._base is not None:
            assert self._put is not None
            self._base._write(self._put(self._trace.wrap(self._base._read()), self._trace.wrap(new))._value)
            self._seen = self._base._value
        self._value = new

    def tied(
        self, result: Tracer, take: Callable[[Tracer], Tracer], put: Callable[[Tracer, Tracer], Tracer],
        layout: Layout = None,
    ) -> Tracer:  # fmt: skip
        """The result of a view op, tied to this handle. take, put: the view of a base, a base with a new view."""
        if isinstance(result, ArrayTracer) and self._trace is current():
            result.layout = layout
            result._base, result._seen, result._take, result._put = self, self._read(), take, put
        return result

    def tied_reshape(self, result: Tracer, take: Callable[[Tracer], Tracer]) -> Tracer:
        """A reshape of this handle: tied where NumPy gives a view; an error on a write where one cannot know."""
        layout = reshaped(self.layout, self.shape, result.shape)
        if layout == COPY:
            result.layout = None
            return result
        if layout == UNKNOWN and not only_ones_differ(self.shape, result.shape):
            return self.tied(result, _doubtful, _doubtful, UNKNOWN)

        def put(base: Tracer, new: Tracer) -> Tracer:
            shape = apply(find_op("core::reshape"), (new,), {"shape": base.shape, "rank": new.ndim})
            return shape  # type: ignore[no-any-return]

        return self.tied(result, take, put, layout)

    @property
    def _type(self) -> Type:
        t = self._value.type
        assert isinstance(t, Type)
        return t

    # --- array attributes ------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return self._type.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        return self._type.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self._type.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._type.size

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return self._type.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of the array."""
        return self._type.nbytes

    @property
    def T(self) -> Any:  # noqa: N802
        """The axes reversed."""
        return np.transpose(self)

    @property
    def mT(self) -> Any:  # noqa: N802
        """The last two axes swapped."""
        return np.swapaxes(self, -1, -2)

    @property
    def real(self) -> Any:
        """Real part."""
        return np.real(self)

    @property
    def imag(self) -> Any:
        """Imaginary part."""
        return np.imag(self)

    def __getattr__(self, name: str) -> Any:
        """Methods of ndarray that NumPy also has as functions, and ufuncs for arrays of tracers."""
        if name in _METHODS or (not name.startswith("_") and isinstance(getattr(np, name, None), np.ufunc)):
            function = getattr(np, name)
            return lambda *args, **kwargs: function(self, *args, **kwargs)
        raise AttributeError(f"a traced {self._type} has no attribute {name!r}")

    # --- NumPy's protocols -----------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return ufunc_called(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return function_called(func, args, kwargs)

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        """The array API namespace: NumPy itself, whose functions reach tracers."""
        return np

    # --- operators -------------------------------------------------------------------------------

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"<traced {self._type}>"

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __bool__(self) -> bool:
        raise self._asked_by_scipy() or TraceError(
            f"`if` was asked about a traced {self._type}, which has no value while tracing",
            f"made by {self._trace.origin(self)}, asked at {caller()}",
            "to choose per element use np.where(c, a, b); to run one branch use adcore.cond(c, f, g, x)",
        )

    def _asked_by_scipy(self) -> TraceError | None:
        """The error for a function of SciPy that wants numbers; None if none is running."""
        asking = asking_function()
        return TraceError(
            f"{asking} asked for the numbers of a traced {self._type}, which has none while tracing",
            f"made by {self._trace.origin(self)}, asked at {caller()}",
            instead_of(asking),
        ) if asking else None  # fmt: skip

    def _number(self, kind: str) -> TraceError:
        return self._asked_by_scipy() or TraceError(
            f"{kind} was asked of a traced {self._type}, which has no value while tracing",
            f"made by {self._trace.origin(self)}, asked at {caller()}",
            "use NumPy's function in place of math's; assign into np.zeros_like of a traced array, or "
            "build the array with np.stack; a number that steers the program is passed as static",
        )

    def __float__(self) -> float:
        raise self._number("float(x)")

    def __int__(self) -> int:
        raise self._number("int(x)")

    def __index__(self) -> int:
        raise TraceError(
            f"an index or a loop count was asked of a traced {self._type}, which has no value while tracing",
            f"made by {self._trace.origin(self)}, asked at {caller()}",
            "index a real array by adcore.numpy.take(a, i, axis); pass a loop count as a plain int, "
            "or use adcore.while_loop",
        )

    def __complex__(self) -> complex:
        raise self._number("complex(x)")

    def astype(self, dtype: Any, *args: Any, copy: bool = True, **kwargs: Any) -> Any:
        """The same values in another dtype."""
        return apply(find_op("core::convert"), (self,), {"dtype": dtype})

    def copy(self, order: str = "C") -> Any:
        """A new handle on the same value: writes to one do not reach the other."""
        return self._trace.wrap(self._read())

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TraceError(
            f"a traced {self._type} was pickled", f"at {caller()}", "save the graph, or run the function on arrays"
        )

    def item(self, *args: Any) -> Any:
        """The element: itself, traced."""
        return self[args] if args else np.reshape(self, ())

    def reshape(self, *shape: Any, **kwargs: Any) -> Any:
        """The same elements in another shape."""
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, **kwargs)

    def transpose(self, *axes: Any) -> Any:
        """The axes in another order; reversed if none is given."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
        return np.transpose(self, order)

    def __getitem__(self, index: Any) -> Any:
        raise TraceError(f"a traced {self._type} has no items", f"at {caller()}", "index an array")


class ScalarTracer(Tracer):
    """A tracer of shape (). It has no `len` and no iterator; its items are those of an array without axes."""

    __slots__ = ()
    __iter__ = None  # else Python would take it for an empty sequence, and sum(x) for 0

    def __getitem__(self, index: Any) -> Any:
        return read_index(self, index)


class WholeTracer(ScalarTracer):
    """A scalar tracer of an integer or a bool."""

    __slots__ = ()

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise _used_as_index(self)


class ArrayTracer(Tracer):
    """A tracer with at least one axis."""

    __slots__ = ()

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(self.shape[0]))

    def __getitem__(self, index: Any) -> Any:
        return read_index(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        self._may_write()
        self._write(write_index(self, index, value))

    def fill(self, value: Any) -> None:
        """Set all elements."""
        self[...] = value

    def sort(self, axis: int = -1, **kwargs: Any) -> None:
        """Sort in place."""
        self[...] = np.sort(self, axis, **kwargs)

    def partition(self, kth: Any, axis: int = -1, **kwargs: Any) -> None:
        """Partition in place."""
        self[...] = np.partition(self, kth, axis, **kwargs)

    def put(self, indices: Any, values: Any, mode: str = "raise") -> None:
        """Set elements of the flattened array."""
        np.put(self, indices, values, mode)  # type: ignore[arg-type]

    def flatten(self, order: str = "C") -> Any:
        """A copy with one axis."""
        return np.ravel(self, order).copy()  # type: ignore[call-overload]

    @property
    def flat(self) -> Any:
        """The elements along one axis; writes to them reach the array, whatever its layout."""
        shape = self.shape

        def line(x: Tracer) -> Any:
            return apply(find_op("core::reshape"), (x,), {"shape": (x.size,), "rank": x.ndim})

        def put(base: Tracer, new: Tracer) -> Any:
            return apply(find_op("core::reshape"), (new,), {"shape": shape, "rank": 1})

        return self.tied(line(self), line, put)

    def tolist(self) -> list[Any]:
        """Nested lists of traced scalars."""
        return [x.tolist() if isinstance(x, ArrayTracer) else x for x in self]

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        """An object array of traced scalars: slow, but nothing is lost. Refused for large arrays."""
        if dtype is not None and np.dtype(dtype) != object:
            raise self._number(f"conversion to {np.dtype(dtype)}")
        error = self._asked_by_scipy()
        if error:
            raise error
        if self.dtype.kind in "biu":
            raise _used_as_index(self)
        if self.size > 4096:
            raise TraceError(
                f"np.array or np.asarray was asked for a traced {self._type}",
                f"made by {self._trace.origin(self)}, asked at {caller()}",
                "use the traced array as it is; NumPy's functions take it",
            )
        flat = np.reshape(self, -1)
        cells = np.empty(self.size, object)
        for i in range(self.size):
            cells[i] = flat[i]
        return cells.reshape(self.shape)


def handle(trace: Trace, value: Value) -> Tracer:
    """A tracer of the right class."""
    t = value.type
    if isinstance(t, Type):
        if t.shape:
            return ArrayTracer(trace, value)
        if t.dtype.kind in "biu":
            return WholeTracer(trace, value)
    return ScalarTracer(trace, value)


def _doubtful(base: Tracer, new: Tracer | None = None) -> Tracer:
    raise TraceError(
        f"a traced {base._type} and a reshape of it may or may not share memory in NumPy, and one was written to",
        f"at {caller()}",
        "say which is meant: reshape before transposing, or take .copy() of one of them",
    )


def _used_as_index(x: Tracer) -> TraceError:
    return TraceError(
        f"a real array was indexed by a traced {x._type}, or np.array was asked for one",
        f"made by {x._trace.origin(x)}, asked at {caller()}",
        "index by adcore.numpy.take(a, i, axis) or np.take_along_axis; choose by np.where; join by np.stack",
    )
