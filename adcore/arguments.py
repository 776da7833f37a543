"""The arguments of a call: which of their numbers are traced, and the form that one trace serves.

Python's own ints and bools steer programs (a loop count, a flag): they are static. An int in an argument
that is differentiated is a float. Every other number is traced; what is no number is static.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from adcore.select import Which
from adcore.tracer import Tracer
from adcore.tracing import argument_names, is_leaf
from adcore.tree import flatten, level, unflatten


class Arguments:
    """What a call was given, taken apart.

    leaves: what is traced, in order. form: equal for calls that one trace serves, given equal `objects`.
    objects: static values and classes of records, whose content may change. traced: whether a leaf is a tracer.
    """

    __slots__ = ("form", "leaves", "objects", "traced")

    def __init__(self, args: Sequence[Any], kwargs: Mapping[str, Any], floats: Sequence[bool]) -> None:
        self.leaves: list[Any] = []
        self.objects: list[Any] = []
        self.traced = False
        form: list[Hashable] = []
        for x, as_float in zip(args, floats, strict=True):
            self._take(x, as_float, form)
        for name, x in kwargs.items():
            form.append(name)
            self._take(x, False, form)
        self.form = tuple(form)

    def _take(self, x: Any, as_float: bool, form: list[Hashable]) -> None:
        cls = x.__class__
        if cls is np.ndarray and x.dtype != object:
            self.leaves.append(x)
            form += (x.dtype, x.shape)
        elif cls is float or (cls is int and as_float):
            self.leaves.append(float(x))
            form.append(float)
        elif cls in (int, bool, str) or x is None:
            form += (cls, x)
        elif isinstance(x, Tracer):
            self.traced = True
            self.leaves.append(x)
            form += (x.dtype, x.shape)
        elif is_leaf(x):
            self.leaves.append(x)
            form += (np.asarray(x).dtype, np.shape(x), *((cls,) if isinstance(x, np.ndarray) else ()))
        else:
            kind, keys, members, _ = level(x)
            form += (cls, keys, len(members))
            for member in members:
                self._take(member, as_float, form)
            if kind == "static":
                self.objects.append(x)
            elif kind == "record":
                self.objects.append(cls)  # its methods may read anything


def floats_in(f: Callable[..., Any], args: Sequence[Any], wrt: Which) -> list[bool]:
    """For each positional argument, whether its ints count as floats: it is one that `wrt` names.

    wrt None names all of them.
    """
    if wrt is None:
        return [True] * len(args)
    named = [wrt] if isinstance(wrt, int | str) else wrt
    roots = {w.partition(".")[0].partition("[")[0] if isinstance(w, str) else w for w in named}
    names = argument_names(f, args) if any(isinstance(w, str) for w in named) else (None,) * len(args)
    return [i in roots or i - len(args) in roots or name in roots for i, name in enumerate(names)]


def with_floats(args: Sequence[Any], floats: Sequence[bool]) -> tuple[Any, ...]:
    """The arguments with the ints made floats in those that are marked."""

    def converted(x: Any) -> Any:
        leaves, tree = flatten(x, is_leaf)
        return unflatten(tree, [float(leaf) if type(leaf) is int else leaf for leaf in leaves])

    return tuple(converted(x) if as_float else x for x, as_float in zip(args, floats, strict=True))


def is_traced(x: Any) -> bool:
    """True for what becomes an input of the graph."""
    return is_leaf(x) and type(x) not in (int, bool)
