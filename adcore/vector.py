"""`vmap`: a function of one case as a function of a batch of cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adcore.errors import InputError
from adcore.evaluate import leaves_of, run_leaves
from adcore.graph import Graph, Value
from adcore.sizes import fitted
from adcore.trace import current
from adcore.tracing import bound, input_type, is_leaf, trace_graph
from adcore.transform.simplify import simplify
from adcore.transform.vmap import vmap as batch_graph
from adcore.tree import flatten, unflatten
from adcore.types import Type

Axes = int | None | Sequence[int | None]


def vmap(f: Callable[..., Any], in_axes: Axes = 0, out_axes: int = 0) -> Callable[..., Any]:
    """f over a batch: every array of an argument has one more axis, and so has every result.

    in_axes: where that axis is, for all arguments or one per argument; None: the argument is shared.
    out_axes: where it is put in the results.
    Raises: InputError when nothing is batched, or batch sizes differ.

    >>> import numpy as np
    >>> vmap(lambda x, y: x @ y, in_axes=(0, None))(np.ones((2, 3)), np.arange(3.0))
    array([3., 3.])
    """

    def over_batch(*args: Any, **kwargs: Any) -> Any:
        if not isinstance(f, Graph):
            args, kwargs = bound(f, args, kwargs)
        if kwargs:
            raise InputError("a batched function takes its arguments by position", f"got {', '.join(kwargs)}")
        axes = list(in_axes) if isinstance(in_axes, Sequence) else [in_axes] * len(args)
        if len(axes) != len(args):
            raise InputError(f"in_axes has {len(axes)} entries for {len(args)} arguments")
        leaves, flags, size = _batch(args, axes)
        graph, captured = _core_graph(f, args, leaves, flags)
        batched = simplify(batch_graph(graph, [*flags, *(False for _ in captured)], size))
        outer = current()
        extra = [outer.wrap(v) for v in captured] if outer is not None else []
        found = run_leaves(batched, [*leaves, *extra])
        moved = [y if out_axes == 0 else np.moveaxis(y, 0, out_axes) for y in found]
        return unflatten(graph.out_tree, moved)

    over_batch.__name__ = f"vmap({getattr(f, '__name__', getattr(f, 'name', 'f'))})"
    return over_batch


def _batch(args: Sequence[Any], axes: Sequence[int | None]) -> tuple[list[Any], list[bool], int]:
    """The leaves with the batch axis in front, which of them have one, and the batch size."""
    leaves: list[Any] = []
    flags: list[bool] = []
    sizes: set[int] = set()
    for i, (arg, axis) in enumerate(zip(args, axes, strict=True)):
        for x in flatten(arg, is_leaf)[0]:
            flags.append(axis is not None)
            if axis is None:
                leaves.append(x)
                continue
            shape = np.shape(x)
            if not -len(shape) <= axis < len(shape):
                raise InputError(
                    f"argument {i} has an array of shape {shape}, without axis {axis}", instead="see in_axes="
                )
            sizes.add(shape[axis])
            leaves.append(x if axis == 0 else np.moveaxis(x, axis, 0))
    if len(sizes) != 1:
        shown = ", ".join(map(str, sorted(sizes))) or "none"
        raise InputError(f"a batch needs one size; found {shown}", instead="see in_axes=")
    return leaves, flags, sizes.pop()


def _core_graph(f: Any, args: Sequence[Any], leaves: list[Any], flags: list[bool]) -> tuple[Graph, list[Value]]:
    """The graph of f for one case, and what it captures of an outer trace."""
    if isinstance(f, Graph):
        leaves_of(f, args, {})
        shapes = [np.shape(x)[1:] if b else np.shape(x) for x, b in zip(leaves, flags, strict=True)]
        return fitted(f, [np.broadcast_to(0.0, shape) for shape in shapes]), []
    _, tree = flatten(tuple(args), is_leaf)
    types = [input_type(x, "an argument") for x in leaves]
    cores = [Type(t.dtype, t.shape[1:]) if b else t for t, b in zip(types, flags, strict=True)]
    outer = current()
    if outer is not None:
        examples: list[Any] = [outer.wrap(Value(t)) for t in cores]
    else:
        examples = [np.broadcast_to(np.zeros((), t.dtype), t.shape) for t in cores]
    return trace_graph(f, unflatten(tree, examples), {})
