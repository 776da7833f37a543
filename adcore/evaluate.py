"""Running graphs: arguments to leaves, leaves to a compiled program, outputs back to the nesting of the result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from adcore.backend import Program, find_backend
from adcore.config import config
from adcore.errors import InputError
from adcore.graph import Graph
from adcore.plan.steps import Plan, default_plan
from adcore.sizes import fitted
from adcore.trace import current
from adcore.tracer import Tracer
from adcore.tracing import is_leaf
from adcore.transform.simplify import simplify
from adcore.transform.splice import splice
from adcore.tree import Tree, flatten, flatten_as, level, paths, unflatten

_programs: WeakKeyDictionary[Graph, dict[str | None, Program]] = WeakKeyDictionary()


def program_of(graph: Graph, backend: str | None = None, plan: Plan | None = None) -> Program:
    """The compiled graph, made once per graph and backend; with a plan of one's own, made anew.

    backend: its name; None: that of the settings.
    """
    if plan is not None:
        return find_backend(backend or config()["backend.name"]).compile(plan)
    known = _programs.setdefault(graph, {})
    if backend not in known:
        known[backend] = find_backend(backend or config()["backend.name"]).compile(default_plan(simplify(graph)))
    return known[backend]


def leaves_of(graph: Graph, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
    """The leaves of these arguments, in the order of the graph's inputs.

    Raises InputError when arguments are missing, unknown, or nested otherwise.
    """
    args_tree, kwargs_tree = graph.in_tree.children
    n = len(args_tree.children)
    names = [*graph.signature[:n], *(f"arg{i}" for i in range(len(graph.signature), n))]
    given = list(args)
    extra = dict(kwargs)
    where = f"graph {graph.name} takes {', '.join((*names, *kwargs_tree.keys)) or 'nothing'}"
    if len(given) > n:
        raise InputError(f"{len(given)} arguments were given, {n} are taken", where)
    for name in names[len(given) :]:
        if name not in extra:
            raise InputError(f"argument {name} is missing", where)
        given.append(extra.pop(name))
    for name in kwargs_tree.keys:
        if name not in extra:
            raise InputError(f"argument {name} is missing", where)
    unknown = [k for k in extra if k not in kwargs_tree.keys]
    if unknown:
        raise InputError(f"argument {unknown[0]} is unknown, or given twice", where)
    ordered = {k: extra[k] for k in kwargs_tree.keys}
    nested = (tuple(given), ordered)
    leaves = flatten_as(nested, graph.in_tree, is_leaf)
    if leaves is None or any(x is None for x in leaves):
        raise _other_nesting(graph, nested, names)
    for name, x, tree in zip((*names, *ordered), (*given, *ordered.values()), _arguments(graph), strict=True):
        for path, found, wanted in _statics(x, tree, name):
            if found is not wanted and found != wanted:
                raise InputError(
                    f"{path} is {found!r}; the graph was traced with {wanted!r}",
                    f"graph {graph.name}",
                    "trace it again",
                )
    return leaves


def _other_nesting(graph: Graph, nested: Any, names: Sequence[str]) -> InputError:
    """The error for the first argument that is nested otherwise than the graph's."""
    _, tree = flatten(nested, is_leaf)
    found_args, found_kwargs = tree.children
    for wanted, found, name in zip(
        _arguments(graph), (*found_args.children, *found_kwargs.children), (*names, *found_kwargs.keys), strict=True
    ):
        if sorted(paths(wanted, name)) != sorted(paths(found, name)):
            taken = ", ".join(paths(wanted, name)) or f"no array, but {wanted.value!r}"
            return InputError(
                f"argument {name} holds {', '.join(paths(found, name)) or 'no array'}",
                f"graph {graph.name} takes {taken}",
            )
    return InputError("the arguments are nested otherwise", f"graph {graph.name} takes {', '.join(graph.input_names)}")


def _statics(x: Any, tree: Tree, path: str) -> Iterator[tuple[str, Any, Any]]:
    """(path, what was given, what the graph was traced with) for every static value in an argument."""
    if tree.kind == "static":
        yield path, x, tree.value
    elif tree.kind != "leaf":
        _, keys, members, _ = level(x)
        by_key = dict(zip(keys or range(len(members)), members, strict=True))
        for key, child in zip(tree.keys or range(len(members)), tree.children, strict=True):
            yield from _statics(by_key[key], child, f"{path}.{key}" if keys else f"{path}[{key}]")


def _arguments(graph: Graph) -> tuple[Tree, ...]:
    args, kwargs = graph.in_tree.children
    return (*args.children, *kwargs.children)


def call(graph: Graph, *args: Any, **kwargs: Any) -> Any:
    """The graph at these arguments: recorded if any is traced, else run."""
    leaves = leaves_of(graph, args, kwargs)
    return unflatten(graph.out_tree, run_leaves(fitted(graph, leaves), leaves))


def is_recorded(leaves: Sequence[Any]) -> bool:
    """True when a graph at these inputs is recorded, not run: something is being traced, and one of them is."""
    return current() is not None and any(isinstance(x, Tracer) for x in leaves)


def run_leaves(graph: Graph, leaves: Sequence[Any], program: Program | None = None) -> list[Any]:
    """The outputs for these inputs, scalars as NumPy scalars."""
    trace = current()
    if trace is not None and is_recorded(leaves):
        values = [
            trace.lift(x, None if isinstance(x, Tracer) else _dtype(v))
            for x, v in zip(leaves, graph.inputs, strict=True)
        ]
        for value, v, name in zip(values, graph.inputs, graph.input_names, strict=True):
            if value.type != v.type:
                raise InputError(f"{name} is {value.type}, where {v.type} is needed", f"input of graph {graph.name}")
        return [trace.wrap(v) for v in splice(trace, graph, values)]
    return [scalar(a) for a in (program or program_of(graph)).all(*leaves)]


def _dtype(v: Any) -> np.dtype[Any]:
    dtype: np.dtype[Any] = v.type.dtype
    return dtype


def scalar(a: Any) -> Any:
    """An array of shape () as the NumPy scalar that a NumPy function would return."""
    return a[()] if a.ndim == 0 else a
