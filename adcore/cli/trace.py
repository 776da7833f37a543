"""`adcore trace MODULE:FUNCTION`: a Python function, traced once and saved as a graph file."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from adcore.cli.command import Arguments, Command, emit, tell

if TYPE_CHECKING:
    from adcore.graph import Graph

SHOWN = 8
"""Inputs that are listed when a graph is saved; of more, only how many."""

ABOUT = """\
FUNCTION is called once, with examples of its arguments; their values do not matter, their types do.
Or it is a graph already, or a function without arguments that returns one.
Values of --example: 2.0, [1,2,3], [[1,2],[3,4]] (floats), true (a bool), or a type: float64[100,3], int64[]."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("function", metavar="MODULE:FUNCTION", help="MODULE: a dotted name, or a path to a .py file")
    parser.add_argument(
        "--example", metavar="NAME=VALUE", action="append", default=[], help="an argument of the function"
    )
    parser.add_argument(
        "--examples", metavar="MODULE:FUNCTION",
        help="a function that returns the arguments: a tuple, or a dict by name; :FUNCTION is of the same module",
    )  # fmt: skip
    parser.add_argument(
        "--static", metavar="NAME", action="append", default=[], help="this argument stays as it is, and is no input"
    )
    parser.add_argument(
        "--dims", metavar="NAME=SIZES", action="append", default=[], help="named sizes of an argument, as in x=n,3"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="the graph file; - for stdout. Default: print the graph")


def _trace(args: Arguments) -> int:
    from adcore.cli.data import STDOUT, write_graph

    graph = _graph(args)
    if args.output is None:
        emit(args, _data(graph, None), str(graph))
        return 0
    write_graph(graph, args.output)
    types = [f"{n}: {v.type}" for n, v in zip(graph.input_names, graph.inputs, strict=True)]
    if len(types) > SHOWN:
        types = [*types[: SHOWN - 1], f"and {len(types) - SHOWN + 1} more"]
    told = f"{args.output}: {graph.name}({', '.join(types)}), {len(graph.nodes)} nodes, identity {graph.identity[:16]}"
    if args.output == STDOUT:
        tell(told)
    else:
        emit(args, _data(graph, args.output), told)
    return 0


def _graph(args: Arguments) -> Graph:
    import adcore as ad
    from adcore.cli.modules import named, users
    from adcore.errors import InputError
    from adcore.graph import Graph

    module, f = named(args.function)
    positional: tuple[Any, ...] = ()
    by_name = dict(_example(text, args.static) for text in args.example)
    if args.examples:
        given = users(named(args.examples, module)[1], f"{args.examples} cannot be called")
        if isinstance(given, Mapping):
            by_name = dict(given) | by_name
        else:
            positional = given if isinstance(given, tuple) else (given,)
    if isinstance(f, Graph):
        return f
    if not callable(f):
        raise InputError(f"{args.function} is a {type(f).__name__}", instead="name a function or a graph")
    if not positional and not by_name and not _needed(f):
        made = users(f, f"{args.function} cannot be called")
        if isinstance(made, Graph):
            return made
        raise InputError(
            f"{args.function} takes no arguments and returned no graph, but {type(made).__name__}",
            instead="name a function of the inputs, and give --example NAME=VALUE for each",
        )
    dims = _dims(args.dims)
    traced: Graph = users(
        lambda: ad.trace(f, *positional, static=args.static, **dims, **by_name), f"{args.function} cannot be traced"
    )
    return traced


def _needed(f: Any) -> list[str]:
    """Arguments without a default."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def _example(text: str, static: list[str]) -> tuple[str, Any]:
    """Name and value of one --example. Numbers are floats, except in static arguments."""
    import numpy as np

    from adcore.cli.data import inline
    from adcore.config import parsed
    from adcore.errors import InputError
    from adcore.types import DTYPES

    name, equals, value = text.partition("=")
    if not equals or not name.strip().isidentifier():
        raise InputError(f"{text!r} is no example", "--example", "write --example x=2.0, or x=float64[100,3]")
    if name.strip() in static:
        return name.strip(), parsed(value)
    kind = re.fullmatch(r"\s*(\w+)\[([\d,\s]*)\]\s*", value)
    if kind and kind[1] in DTYPES:
        return name.strip(), np.ones([int(n) for n in kind[2].split(",") if n.strip()], kind[1])
    try:
        found = np.asarray(inline(value, f"--example {text}"))
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{value!r} is no array: its lists differ in length", f"--example {text}") from None
    if found.dtype.kind not in "biufc":
        raise InputError(f"{value!r} is no array of numbers", f"--example {text}")
    return name.strip(), found if found.dtype.kind in "bc" else found.astype(float)


def _dims(given: list[str]) -> dict[str, Any]:
    """The argument dims= of trace, from x=n,3."""
    from adcore.errors import InputError

    found: dict[str, Any] = {}
    for text in given:
        name, equals, sizes = text.partition("=")
        if not equals:
            raise InputError(f"{text!r} names no sizes", "--dims", "write --dims x=n,3")
        found[name.strip()] = tuple(int(s) if s.isdigit() else s for s in re.findall(r"[^,\s]+", sizes))
    return {"dims": found} if found else {}


def _data(graph: Graph, file: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {"file": file} if file else {}
    return found | {
        "name": graph.name,
        "identity": graph.identity,
        "nodes": len(graph.nodes),
        "inputs": {n: str(v.type) for n, v in zip(graph.input_names, graph.inputs, strict=True)},
        "outputs": {n: str(v.type) for n, v in zip(graph.output_names, graph.outputs, strict=True)},
    }


COMMANDS = {
    "trace": Command(
        "save a Python function as a graph file",
        _arguments,
        _trace,
        (
            "adcore trace model:loss --example 'x=[1,2,3]' -o loss.adg",
            "adcore trace model.py:f --example x1=2 --example x2=3 -o f.adg",
            "adcore trace model.py:loss --examples :example -o loss.adg",
            "adcore trace model.py:power --example x=float64[5] --example n=3 --static n",
        ),
        ABOUT,
    )
}
