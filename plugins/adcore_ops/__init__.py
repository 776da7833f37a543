"""The ops that come with adcore, one file per family; each is registered through the strangers' door."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from adcore.extend import Method, Op, hookimpl
from adcore_ops import (
    accurate,
    applied,
    call,
    choice,
    cond,
    conv,
    convolve,
    create,
    cumulative,
    diagonal,
    dynamic,
    einsum,
    elementwise,
    fft,
    gather,
    histogram,
    indexing,
    interp,
    join,
    linalg,
    matmul,
    ode,
    pad,
    parts,
    picking,
    polynomial,
    quantile,
    queries,
    random,
    recurrence,
    reduce,
    root,
    scan,
    shape,
    sized,
    slices,
    sort,
    special,
    statistics,
    trail,
    while_loop,
)

FAMILIES = (
    elementwise,
    accurate,
    choice,
    parts,
    shape,
    slices,
    join,
    pad,
    create,
    gather,
    indexing,
    picking,
    reduce,
    statistics,
    recurrence,
    cumulative,
    sort,
    quantile,
    interp,
    convolve,
    histogram,
    polynomial,
    matmul,
    diagonal,
    einsum,
    applied,
    queries,
    dynamic,
    linalg,
    fft,
    special,
    random,
    conv,
    call,
    scan,
    while_loop,
    cond,
    trail,
    root,
    ode,
    sized,
)


@hookimpl
def adcore_register_ops() -> Iterable[Op]:
    """Every op of every family."""
    return [op for family in FAMILIES for op in getattr(family, "OPS", ())]


@hookimpl
def adcore_register_functions() -> Mapping[Any, Callable[..., Any]]:
    """The NumPy functions that are made of ops."""
    return {key: function for family in FAMILIES for key, function in getattr(family, "FUNCTIONS", {}).items()}


@hookimpl
def adcore_register_steppers() -> Mapping[str, Any]:
    """The methods of solve_ivp."""
    return {stepper.name: stepper for stepper in ode.STEPPERS}


@hookimpl
def adcore_register_methods() -> Iterable[Method]:
    """How solve_ivp may be differentiated."""
    return ode.METHODS
