"""Which inputs and outputs are meant: by position, by name, by path ("params.w")."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from adcore.errors import DifferentiationError
from adcore.graph import Graph
from adcore.tree import Tree, paths, select

Which = int | str | Sequence[int | str] | None


@dataclass(frozen=True, slots=True)
class Selection:
    """Positions of leaves, and how results for them are nested: as the arguments that were named."""

    positions: tuple[int, ...]
    tree: Tree


def checked(which: Any, option: str = "wrt") -> Which:
    """What was given as wrt= or of=, lists as tuples. Raises DifferentiationError for what can name nothing."""
    if which is None or isinstance(which, str):
        return which
    if hasattr(which, "__index__") and not isinstance(which, bool):
        return int(which)
    if isinstance(which, Sequence) and len(which):
        return tuple(checked(w, option) for w in which)  # type: ignore[misc]
    raise DifferentiationError(
        f"{option}={which!r} names nothing", instead="give positions, names or paths: 0, 'x', 'params.w', or a list"
    )


def select_inputs(graph: Graph, which: Which, captured: int = 0) -> Selection:
    """The inputs that `which` names. None: all that are differentiable, nested as the arguments are, None for the rest.

    captured: how many of the last arguments are values of an outer trace, which nobody named.
    Raises DifferentiationError for what is not there, or has no derivative.
    """
    arguments = _arguments(graph)
    arguments = arguments[: len(arguments) - captured]
    if which is None:
        return _joined([_part(graph, item) for item in arguments])
    if isinstance(which, int | str):
        return _part(graph, _find(graph, arguments, which), named=str(which))
    return _joined([_part(graph, _find(graph, arguments, w), named=str(w)) for w in which])


def select_outputs(graph: Graph, which: Which) -> tuple[int, ...]:
    """The outputs that `which` names. None: all that are differentiable."""
    if which is None:
        return tuple(i for i, v in enumerate(graph.outputs) if v.type.differentiable)
    names = graph.output_names
    found: list[int] = []
    for w in [which] if isinstance(which, int | str) else which:
        if isinstance(w, int):
            if not -len(names) <= w < len(names):
                raise DifferentiationError(f"there is no output {w}", f"graph {graph.name} has {len(names)}")
            found.append(w % len(names))
            continue
        hits = [i for i, n in enumerate(names) if _under(n, w) or _under(n, f"y.{w}")]
        if not hits:
            raise DifferentiationError(
                f"no output is called {w!r}", f"graph {graph.name} has {', '.join(names)}", _near(w, names)
            )
        found += hits
    return tuple(found)


Item = tuple[str, int, Tree]


def _arguments(graph: Graph) -> list[Item]:
    """(name, position of the first leaf, tree) of every argument."""
    args, kwargs = graph.in_tree.children
    names = list(graph.signature) + [f"arg{i}" for i in range(len(graph.signature), len(args.children))]
    found, at = [], 0
    for name, tree in zip(names, (*args.children, *kwargs.children), strict=False):
        found.append((name, at, tree))
        at += tree.leaves
    return found


def _leaves(item: Item) -> range:
    return range(item[1], item[1] + item[2].leaves)


def _find(graph: Graph, arguments: list[Item], which: int | str) -> Item:
    if isinstance(which, int):
        if not -len(arguments) <= which < len(arguments):
            raise DifferentiationError(
                f"there is no argument {which}",
                f"{graph.name} has {len(arguments)}: {', '.join(a[0] for a in arguments)}",
            )
        return arguments[which]
    for item in arguments:
        found = _descend(item, which)
        if found is not None:
            return found
    known = [p for name, _, tree in arguments for p in paths(tree, name)]
    raise DifferentiationError(
        f"no argument is called {which!r}", f"{graph.name} has {', '.join(known)}", _near(which, known)
    )


def _descend(item: Item, path: str) -> Item | None:
    """The part of an argument that a path names."""
    name, at, tree = item
    if name == path:
        return item
    for i, child in enumerate(tree.children):
        found = _descend((f"{name}.{tree.keys[i]}" if tree.keys else f"{name}[{i}]", at, child), path)
        if found is not None:
            return found
        at += child.leaves
    return None


def _has(graph: Graph, i: int) -> bool:
    return graph.inputs[i].type.differentiable


def _part(graph: Graph, item: Item, named: str = "") -> Selection:
    flags = [_has(graph, i) for i in _leaves(item)]
    if named and not any(flags):
        shown = ", ".join(str(graph.inputs[i].type) for i in _leaves(item)) or "no array"
        raise DifferentiationError(
            f"{item[0]} is {shown}, which has no derivative",
            f"in {graph.name}",
            "pass floats, or leave it out of wrt",
        )
    nested = select(item[2], flags) if flags else Tree("static")
    return Selection(tuple(i for i, f in zip(_leaves(item), flags, strict=True) if f), nested)


def _joined(parts: Sequence[Selection]) -> Selection:
    return Selection(tuple(i for p in parts for i in p.positions), Tree("tuple", (), tuple(p.tree for p in parts)))


def _under(name: str, path: str) -> bool:
    return name == path or name.startswith((f"{path}.", f"{path}["))


def _near(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f"did you mean {close[0]!r}?" if close else ""
