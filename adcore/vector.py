"""`vmap`: a function of one case as a function of a batch of cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from adcore.arguments import is_traced
from adcore.backend import Program
from adcore.errors import InputError
from adcore.evaluate import is_recorded, program_of, run_leaves
from adcore.graph import Graph, Value
from adcore.remember import MOST_FORMS, Remembered
from adcore.trace import current
from adcore.tracing import bound, input_type
from adcore.transform.simplify import simplify
from adcore.transform.vmap import vmap as batch_graph
from adcore.tree import Tree, flatten, level, paths, unflatten
from adcore.types import Type

Axes = Any
"""An axis, None, or a nesting of them that the arguments' nesting begins with."""


def vmap(f: Callable[..., Any], in_axes: Axes = 0, out_axes: Axes = 0) -> Callable[..., Any]:
    """f over a batch: every array of an argument has one more axis, and so has every result.

    in_axes: where that axis is, for all arguments or one per argument, each nested as far as its argument is;
    None: the argument is shared. out_axes: where it is put in the results, likewise.
    Raises: InputError when nothing is batched, batch sizes differ, or there is no such axis.

    >>> import numpy as np
    >>> vmap(lambda x, y: x @ y, in_axes=(0, None))(np.ones((2, 3)), np.arange(3.0))
    array([3., 3.])
    """
    batched = _Vmap(f, in_axes, out_axes)

    def over_batch(*args: Any, **kwargs: Any) -> Any:
        return batched(args, kwargs)

    name = getattr(f, "__name__", None) or getattr(f, "name", None) or type(f).__name__
    over_batch.__name__ = over_batch.__qualname__ = f"vmap({name})"
    over_batch.__doc__ = f"{name}, over a batch."
    return over_batch


@dataclass
class _Batched:
    """The graph for a batch, and the nesting of what f gives; its program is made when it first runs."""

    graph: Graph
    out_tree: Tree
    program: Program | None = field(default=None)

    def outputs(self, leaves: Sequence[Any]) -> list[Any]:
        """The results, the batch axis leading."""
        if self.program is None and not is_recorded(leaves):
            self.program = program_of(self.graph)
        return run_leaves(self.graph, leaves, self.program)

    def nbytes(self) -> int:
        """Bytes of the constants, and of the memory to run in."""
        cost = None if self.program is None else self.program.plan.cost
        return 0 if cost is None else cost.constant_bytes + cost.arena_bytes


class _Vmap:
    """A function over a batch, traced and compiled once per form of its arguments and batch."""

    def __init__(self, f: Callable[..., Any], in_axes: Axes, out_axes: Axes) -> None:
        self.f, self.in_axes, self.out_axes = f, in_axes, out_axes
        self.made: dict[tuple[tuple[bool, ...], int], Remembered[_Batched]] = {}
        self._remembered((), 0)  # so that what is no function is refused at once

    def __call__(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """The nested result at these arguments."""
        if not isinstance(self.f, Graph):
            args, kwargs = bound(self.f, args, kwargs)
        if kwargs:
            raise InputError("a batched function takes its arguments by position", f"got {', '.join(kwargs)}")
        leaves, axes, tree = self._leaves(args)
        size = _batch_size(leaves, axes)
        flags = tuple(axis is not None for axis in axes)
        fronted = [x if not axis else np.moveaxis(x, axis, 0) for x, axis in zip(leaves, axes, strict=True)]
        examples = unflatten(tree, _examples(fronted, flags))
        made, found = self._remembered(flags, size).find(examples, {})
        results = made.outputs([*fronted, *found[len(fronted) :]])  # after the arguments what f captured
        places = _spread(self.out_axes, made.out_tree, "out_axes")
        return unflatten(made.out_tree, [_placed(y, at) for y, at in zip(results, places, strict=True)])

    def _leaves(self, args: Sequence[Any]) -> tuple[list[Any], list[int | None], Tree]:
        """What is traced of the arguments, the batch axis of each, and the nesting of all."""
        leaves, tree = flatten(tuple(args), is_traced)
        one_each = isinstance(self.in_axes, list | tuple)
        if one_each and len(self.in_axes) != len(args):
            raise InputError(f"in_axes has {len(self.in_axes)} entries for {len(args)} arguments")
        return leaves, _spread(tuple(self.in_axes) if one_each else self.in_axes, tree, "in_axes"), tree

    def _remembered(self, flags: tuple[bool, ...], size: int) -> Remembered[_Batched]:
        found = self.made.get((flags, size))
        if found is None:

            def make(graph: Graph, captured: int) -> _Batched:
                batched = batch_graph(graph, [*flags, *(False for _ in range(captured))], size)
                return _Batched(simplify(batched), graph.out_tree)

            if len(self.made) >= MOST_FORMS:
                self.made.clear()
            found = self.made[flags, size] = Remembered(self.f, (), make, ("vmap", flags, size))
        return found

    def __reads__(self) -> tuple[Any, ...]:
        """What its results depend on, for the fingerprint of a function that calls it."""
        return (self.f, self.in_axes, self.out_axes)


def _spread(axes: Axes, tree: Tree, what: str, path: str = "") -> list[int | None]:
    """One axis for every leaf of a tree. Raises InputError for what is no axis, or nested otherwise."""
    if axes is None or (hasattr(axes, "__index__") and not isinstance(axes, bool)):
        return [None if axes is None else int(axes)] * tree.leaves
    kind, keys, members, _ = level(axes)
    if kind == "static" or len(members) != len(tree.children) or set(keys) != set(tree.keys):
        held = ", ".join(paths(tree, "")) or "no array"
        raise InputError(
            f"{what}{path} is {axes!r}", f"for {held}", "give an axis, None, or as many of them, nested alike"
        )
    by_key = dict(zip(keys or range(len(members)), members, strict=True))
    found: list[int | None] = []
    for key, child in zip(tree.keys or range(len(members)), tree.children, strict=True):
        found += _spread(by_key[key], child, what, f"{path}[{key!r}]")
    return found


def _batch_size(leaves: Sequence[Any], axes: Sequence[int | None]) -> int:
    sizes: set[int] = set()
    for x, axis in zip(leaves, axes, strict=True):
        shape = np.shape(x)
        if axis is not None and not -len(shape) <= axis < len(shape):
            raise InputError(f"an array of shape {shape} has no axis {axis}", instead="see in_axes=")
        if axis is not None:
            sizes.add(shape[axis])
    if len(sizes) != 1:
        shown = ", ".join(map(str, sorted(sizes))) or "none"
        raise InputError(f"a batch needs one size; found {shown}", instead="see in_axes=")
    return sizes.pop()


def _examples(leaves: Sequence[Any], flags: Sequence[bool]) -> list[Any]:
    """One case: arrays of its types, traced ones if something is being traced."""
    types = [input_type(x, "an argument") for x in leaves]
    cores = [Type(t.dtype, t.shape[1:]) if b else t for t, b in zip(types, flags, strict=True)]
    outer = current()
    if outer is not None:
        return [outer.wrap(Value(t)) for t in cores]
    return [np.broadcast_to(np.zeros((), t.dtype), t.shape) for t in cores]


def _placed(y: Any, axis: int | None) -> Any:
    """A result with its batch axis moved to where it is wanted."""
    if axis is None:
        raise InputError("out_axes is None, and every result has the batch axis", instead="give an axis")
    if not -np.ndim(y) <= axis < np.ndim(y):
        raise InputError(f"a result of shape {np.shape(y)} has no axis {axis}", instead="see out_axes=")
    return y if axis == 0 else np.moveaxis(y, 0, axis)
