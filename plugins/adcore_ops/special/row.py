"""A special function in one row: its name in SciPy, its partial derivatives, where it takes complex numbers.

SciPy is imported when a function first runs. What is known before (types, rules) is stated here, so a
graph with special functions can be loaded, printed, differentiated and planned without SciPy.

Types: the result has the precision of the widest float among the arguments, and is complex if any of
them is; integers, bools and float16 count as float64. An argument that may be an integer (the order of
a Bessel function, the degree of a polynomial) has no say in it and is passed on as an integer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from adcore.extend import MissingExtraError, Op, Rule, RuleError, Sample, Type, elementwise, op_call
from adcore_ops.extras import scipy

ANY, POSITIVE, UNIT = (-2.0, 2.0), (0.3, 3.0), (0.1, 0.9)
ORDER = (1.0, 5.0)
"""Where samples are drawn. An order is an integer: derivatives in it have no closed form."""

_FLOAT64 = np.dtype(np.float64)


class _Special:
    """The ops of this domain by name, as `sp.gamma(x)`; rules are written with it."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = self.__dict__[name] = calling(name)
        return call


sp = _Special()

FUNCTIONS: dict[Any, Callable[..., Any]] = {}
"""What records the ufuncs that take integers, or real and complex arguments beside each other; filled by `row`."""


@lru_cache(maxsize=1024)
def scipy_function(name: str) -> Callable[..., Any]:
    """The function of that name in scipy.special. Raises MissingExtraError when this SciPy lacks it."""
    found: Callable[..., Any] | None = getattr(scipy("special"), name, None)
    if found is None:
        raise MissingExtraError(f"this SciPy has no scipy.special.{name}", "", "install a newer SciPy")
    return found


def no_partial(name: str, argument: str) -> Callable[..., Any]:
    """A partial derivative that has no closed form: asking for it is an error, never a zero."""

    def partial(*args: Any, **params: Any) -> Any:
        raise RuleError(
            f"special::{name} has no derivative with respect to its {argument}: no closed form is known here",
            instead="hold that argument fixed: pass it as a plain number, or leave it out of wrt",
        )

    return partial


def arrays(each: float) -> Callable[..., int]:
    """`heap` of an elementwise op that takes so many bytes for each element of its result, beside the result."""
    return lambda types, params: int(each * math.prod(np.broadcast_shapes(*(t.shape for t in types))))


# --- types ---------------------------------------------------------------------------------------


def float_of(dtype: Any) -> Any:
    """The dtype in which an argument is computed."""
    return dtype if dtype.char in "fdFD" else _FLOAT64


def result_dtype(dtypes: tuple[Any, ...], integers: tuple[int, ...] = (), complex_at: tuple[int, ...] = ()) -> Any:
    """The dtype of the result. Raises TypeError where a complex argument is not allowed."""
    found: Any = np.dtype(np.float32)
    counted = 0
    for i, dtype in enumerate(dtypes):
        if dtype.kind == "c" and i not in complex_at:
            raise TypeError("it is known for real arguments only")
        if i not in integers or dtype.kind == "f":
            found = np.result_type(found, float_of(dtype))
            counted += 1
    return found if counted else _FLOAT64


def argument(x: Any, integer: bool = False) -> Any:
    """An argument as SciPy gets it."""
    if x.dtype.char in "fdFD":
        return x
    return x.astype(np.int64 if integer and x.dtype.kind in "biu" else np.float64)


# --- rows ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Form:
    """What arguments a function takes, and what its results are.

    integers: which arguments may be integers. whole: which must be. complex_at: which may be complex.
    always_complex: the result is complex also for real arguments. outputs: how many results it has.
    part: which of SciPy's results it is, where an op is one of several; computed in float64, because SciPy's
    own loops of float32 stop at nan.
    """

    count: int
    integers: tuple[int, ...] = ()
    whole: bool = False
    complex_at: tuple[int, ...] = ()
    always_complex: bool = False
    outputs: int = 1
    part: int | None = None

    def dtype(self, dtypes: tuple[Any, ...]) -> Any:
        """The dtype of the results. Raises TypeError for arguments that it does not take."""
        if self.whole and any(dtypes[i].kind not in "biu" for i in self.integers):
            raise TypeError("its order is an integer")
        dtype = result_dtype(dtypes, self.integers, self.complex_at)
        return np.result_type(dtype, np.complex64) if self.always_complex else dtype

    def infer(self, *types: Type) -> Any:
        """The types of the results."""
        found = Type(self.dtype(tuple(t.dtype for t in types)), np.broadcast_shapes(*(t.shape for t in types)))
        return (found,) * self.outputs if self.outputs > 1 else found

    def placed(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments with Python's own numbers as integers or real numbers where the function wants these.

        Left alone, they would take the dtype of the others, and an order would become a float, or complex.
        """
        dtypes = [a.dtype for i, a in enumerate(args) if hasattr(a, "dtype") and i not in self.integers]
        real = np.empty(0, np.result_type(*map(float_of, dtypes))).real.dtype if dtypes else _FLOAT64

        def placed(i: int, a: Any) -> Any:
            if type(a) is int and i in self.integers:
                return np.asarray(a)
            if type(a) in (int, float) and i not in self.complex_at:
                return np.asarray(a, real)
            return a

        return tuple(placed(i, a) for i, a in enumerate(args))

    @property
    def plain(self) -> bool:
        """True when NumPy's rules for Python's own numbers are right for it."""
        return not self.integers and self.complex_at in ((), tuple(range(self.count)))

    def run(self, name: str, args: tuple[Any, ...]) -> Any:
        """scipy.special's function of that name at these arrays; results go to what follows the arguments."""
        xs, places = args[: self.count], args[self.count :]
        given = [argument(x, i in self.integers) for i, x in enumerate(xs)]
        if self.part is not None:
            given = [x.astype(np.float64, copy=False) for x in given]
        y = scipy_function(name)(*given, *places)
        if places:
            return y
        y = y if self.part is None else y[self.part]
        dtype = self.dtype(tuple(x.dtype for x in xs))
        if self.outputs > 1:
            return tuple(np.asarray(part).astype(dtype, copy=False) for part in y)
        return np.ascontiguousarray(y, dtype) if np.ndim(y) else np.asarray(y, dtype)


def row(
    name: str, *partials: Any, ranges: tuple[tuple[float, float], ...] = (ANY,), orders: int = 0,
    rule: Rule | None = None, run: str = "", records: tuple[str, ...] | None = None, out: bool = True,
    heap: Callable[..., int] | None = None,
    samples: tuple[Sample, ...] | None = None, **form: Any,
) -> Op:  # fmt: skip
    """An elementwise op that is a function of scipy.special.

    partials: of the value in each argument, from (y, *xs). ranges: where samples are drawn, one per argument.
    orders: how many leading arguments have no partial; samples draw integers for them. run: the name in
    scipy.special, if it is another one. records: the ufuncs that record the op, if not just that one.
    out: it is a ufunc and takes places for its results. heap: of an `Op`. form: the fields of `Form`.
    """
    shape = Form(len(ranges), **form)
    public = run or name
    names = [n if ":" in n else f"scipy.special:{n}" for n in ((public,) if records is None else records)]
    FORMS[name] = shape
    if not shape.plain:
        FUNCTIONS.update({n: calling(name) for n in names})
    drawn = _samples(name, ranges, orders, shape) if samples is None else samples
    return Op(
        f"special::{name}", lambda *args: shape.run(public, args), shape.infer, rule or elementwise(*partials),
        elementwise=True, out=out, heap=heap, samples=drawn, doc=f"scipy.special.{public}, elementwise.",
        numpy=tuple(names) if shape.plain else (),
    )  # fmt: skip


def _samples(name: str, ranges: tuple[tuple[float, float], ...], orders: int, form: Form) -> tuple[Sample, ...]:
    """One sample of real arguments, which broadcasts, and one of complex ones if these are allowed.

    Orders are constants of the sample's program, because they have no derivative.
    """
    n = len(ranges)
    free = ranges[orders:]
    dtypes = ["int64" if i in form.integers else "float64" for i in range(orders, n)]
    shapes: tuple[tuple[int, ...], ...] = ((5, 1), (3,), (), ())[: len(free)] if len(free) > 1 else ((2, 3),)

    def program(*xs: Any) -> Any:
        return getattr(sp, name)(*(float(i + 2) for i in range(orders)), *xs)

    kinds = [dtypes]
    if form.complex_at:
        kinds.append(["complex128" if i + orders in form.complex_at else d for i, d in enumerate(dtypes)])
    return tuple(Sample(shapes, free, dtypes=tuple(d), program=program if orders else None) for d in kinds)


FORMS: dict[str, Form] = {}
"""The form of each op of this domain that has one."""


def calling(name: str) -> Callable[..., Any]:
    """A function that applies the op of that name; Python's own numbers take the place that its form gives them."""
    call = op_call(f"special::{name}")

    def apply(*args: Any, **params: Any) -> Any:
        form = FORMS.get(name)
        return call(*(args if form is None else form.placed(args)), **params)

    return apply
