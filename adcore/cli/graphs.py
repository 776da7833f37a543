"""`adcore show`: a graph as text or picture. `adcore verify|diff|upgrade`: graph files, whole and up to date."""

from __future__ import annotations

import argparse
import inspect
import os
from typing import Any

from adcore.cli.command import Arguments, Command, emit, tell

FORMATS = ("text", "mermaid", "dot", "html", "json")
ENDINGS = {".html": "html", ".htm": "html", ".dot": "dot", ".gv": "dot", ".mmd": "mermaid", ".json": "json"}
"""The format of an output file, by its ending; text for any other."""


def _show_arguments(parser: argparse.ArgumentParser) -> None:
    from adcore.cli.data import graph_argument, inputs_argument, output_argument, sizes_argument
    from adcore.cli.strategy import strategy_arguments

    graph_argument(parser)
    parser.add_argument("--format", metavar="NAME", help=f"{', '.join(FORMATS)}, or of a plugin; default: by -o")
    output_argument(parser, "the file to write; default: stdout")
    inputs_argument(parser)
    sizes_argument(parser)
    strategy_arguments(parser)


def _show(args: Arguments) -> int:
    from adcore.cli.data import Given, read_graph, sized, write_bytes
    from adcore.cli.strategy import planned, settings
    from adcore.config import nearest
    from adcore.errors import ConfigError
    from adcore.explain import values_at
    from adcore.registry import registry

    ending = os.path.splitext(args.output or "")[1].lower()
    name = args.format or ("json" if args.json else ENDINGS.get(ending, "text"))
    formats = registry().formats
    if name not in formats:
        raise ConfigError(f"no format is called {name!r}", "--format", nearest(name, formats))
    graph, given = sized(read_graph(args.graph), args.at), Given.read(args.inputs)
    if args.inputs:
        graph = given.sized(graph)
    takes = inspect.signature(formats[name]).parameters
    options: dict[str, Any] = {}
    if args.inputs and "values" in takes:
        options["values"] = values_at(graph, given.leaves(graph))
    if "plan" in takes and not graph.dims:
        options["plan"] = planned(graph, settings(args))[0]
    text = formats[name](graph, **options)
    if args.output:
        write_bytes(text.encode(), args.output)
        tell(f"{args.output}: {graph.name} as {name}, {len(text):,} characters")
    else:
        write_bytes((text if text.endswith("\n") else text + "\n").encode(), "-")
    return 0


# --- files ---------------------------------------------------------------------------------------


def _file_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("graph", metavar="GRAPH", help="a graph file (.adg)")


def _verify(args: Arguments) -> int:
    from adcore.cli.data import readable
    from adcore.serialize.verify import verify

    with readable(args.graph):
        found = verify(args.graph)
    emit(args, found.data(), str(found))
    return 0


def _diff_arguments(parser: argparse.ArgumentParser) -> None:
    from adcore.cli.data import graph_argument

    graph_argument(parser, "before")
    graph_argument(parser, "after")


def _diff(args: Arguments) -> int:
    from adcore.cli.data import read_graph
    from adcore.serialize.diff import diff

    found = diff(read_graph(args.before), read_graph(args.after))
    emit(args, found.data(), str(found))
    return 0 if found.same else 1


def _upgrade_arguments(parser: argparse.ArgumentParser) -> None:
    from adcore.cli.data import output_argument

    _file_argument(parser)
    output_argument(parser, "the file to write; default: GRAPH itself, replaced in one moment or not at all")


def _upgrade(args: Arguments) -> int:
    from adcore.cli.data import readable
    from adcore.serialize.upgrade import upgrade

    with readable(args.graph):
        found = upgrade(args.graph, args.output or args.graph)
    emit(args, found.data(), str(found))
    return 0


COMMANDS = {
    "show": Command(
        "print or draw a graph",
        _show_arguments,
        _show,
        (
            "adcore show f.adg",
            "adcore show f.adg --format mermaid",
            "adcore show f.adg -i x1=2 -i x2=3 -o f.html",
            "adcore show loss.adg --format dot -o loss.dot",
        ),
        "With -i the values of all intermediates are shown too. The page of --format html needs nothing beside it:\n"
        "open it in a browser; it has the memory timeline of the plan that --strategy and --memory choose.",
    ),
    "verify": Command(
        "check that a file is whole: hashes, law of graphs, ops and their versions",
        _file_argument,
        _verify,
        ("adcore verify f.adg", "adcore verify loss.adg --json"),
    ),
    "diff": Command(
        "tell two graphs apart",
        _diff_arguments,
        _diff,
        ("adcore diff f.adg loss.adg", "adcore diff f.adg f.adg --json"),
        "Names of intermediates and lines of the source make no difference.\n"
        "The exit code is 0 for two files of the same graph, else 1.",
    ),
    "upgrade": Command(
        "write an older file anew, in the format and op versions of today",
        _upgrade_arguments,
        _upgrade,
        ("adcore upgrade f.adg -o f_new.adg", "adcore upgrade f.adg"),
    ),
}
