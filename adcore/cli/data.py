"""Data in and out: graph files, values of inputs, outputs as text, JSON or .npz. `-` is stdin or stdout.

-i takes an .npz file, a JSON file, `-` (either of them, on stdin), or one value inline: `x=2.0`,
`theta.alpha=0.5`, `x=[1, 2, 3]`, `z=1+2j`. It may be given several times; the last word counts.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adcore.batch.inputs import fit
from adcore.config import nearest
from adcore.errors import FileFormatError, InputError
from adcore.explain.table import plain
from adcore.graph import Graph
from adcore.types import Array

STDIN = STDOUT = "-"


# --- graphs --------------------------------------------------------------------------------------


def graph_argument(parser: argparse.ArgumentParser, name: str = "graph") -> None:
    """The argument that names a graph file."""
    parser.add_argument(name, metavar=name.upper(), help="a graph file (.adg), or - for stdin")


def read_graph(path: str) -> Graph:
    """The graph of a file, or of stdin. Raises FileFormatError when it cannot be read."""
    from adcore.files import load, loads

    with readable(path):
        return loads(sys.stdin.buffer.read()) if path == STDIN else load(path)


@contextmanager
def readable(path: str) -> Iterator[None]:
    """While a graph file is read: an error of the system is a FileFormatError about the graph."""
    try:
        yield
    except OSError as error:
        what = f"the graph cannot be read: {error.strerror or error}"
        raise FileFormatError(what, path, "give a graph file, as `adcore trace` writes it") from None


def write_graph(graph: Graph, path: str) -> None:
    """Write a graph to a file, or to stdout."""
    write_bytes(graph.dumps(), path) if path == STDOUT else graph.save(path)


def write_bytes(data: bytes, path: str) -> None:
    """Write a file whole or not at all; or to stdout."""
    if path == STDOUT:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    from adcore.serialize.durable import write

    write(path, [data])


# --- inputs --------------------------------------------------------------------------------------


def inputs_argument(parser: argparse.ArgumentParser) -> None:
    """The option that gives values of inputs."""
    parser.add_argument(
        "-i", "--input", dest="inputs", metavar="INPUTS", action="append", default=[],
        help="values: an .npz or JSON file, - for stdin, or NAME=VALUE; may be repeated",
    )  # fmt: skip


@dataclass(frozen=True)
class Given:
    """What all -i of a command line say: nested values by name, each with where it was said."""

    said: tuple[tuple[Mapping[str, Any], str], ...]

    @classmethod
    def read(cls, texts: Sequence[str]) -> Given:
        """Read files, stdin and inline values. Raises InputError."""
        return cls(tuple(map(_read, texts)))

    def leaves(self, graph: Graph) -> list[Array]:
        """The inputs of a graph, in order. Raises InputError for what is missing, unknown, or does not fit."""
        values: dict[str, tuple[Any, str]] = {}
        for found, where in self.said:
            values |= {name: (value, where) for name, value in _by_input(found, graph, where).items()}
        types: dict[str, Any] = dict(zip(graph.input_names, (v.type for v in graph.inputs), strict=True))
        missing = [name for name in types if name not in values]
        if missing:
            raise InputError(
                f"no value is given for input {missing[0]}",
                f"graph {graph.name} takes {', '.join(f'{n}: {t}' for n, t in types.items())}",
                f"add -i {missing[0]}=..., or a file that has it",
            )
        return [fit(values[n][0], n, t, values[n][1]) for n, t in types.items()]

    def sized(self, graph: Graph) -> Graph:
        """The graph at the sizes of these values, if it has named ones. Seeds of its derivatives are passed over."""
        if not graph.dims:
            return graph
        from adcore.sizes import fitted

        known = Given(
            tuple(({k: v for k, v in found.items() if _below(k, graph)}, where) for found, where in self.said)
        )
        return fitted(graph, known.leaves(graph))


def _read(text: str) -> tuple[dict[str, Any], str]:
    """What one -i says: nested values by name, and where it was said."""
    if text == STDIN:
        return _parse(sys.stdin.buffer.read(), "stdin"), "on stdin"
    if "=" in text and not Path(text).is_file():
        name, _, value = text.partition("=")
        return {name.strip(): inline(value, text)}, f"-i {text}"
    try:
        return _parse(Path(text).read_bytes(), text), f"in {text}"
    except OSError as error:
        raise InputError(
            f"the inputs cannot be read: {error.strerror}", text, "give an .npz or JSON file, or NAME=VALUE"
        ) from None


def _parse(data: bytes, where: str) -> dict[str, Any]:
    try:
        if data.startswith(b"PK"):
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}
        found = json.loads(data.decode("utf-8"))
    except (ValueError, zipfile.BadZipFile, EOFError) as error:
        raise InputError(f"it is neither .npz nor JSON: {error}", where) from None
    if not isinstance(found, dict):
        raise InputError(f"it holds {type(found).__name__}, not values by name", where, 'write {"x": ...}')
    return {name: numbers(value) for name, value in found.items()}


def inline(text: str, where: str) -> Any:
    """A value as written in a command: a number, a list of numbers, true, false.

    >>> inline("[1, 2.5]", ""), inline("1+2j", ""), inline("inf", "")
    ([1, 2.5], (1+2j), inf)
    """
    try:
        return numbers(json.loads(text))
    except ValueError:
        pass
    word = text.strip().replace(" ", "")
    try:
        return float(word)
    except ValueError:
        pass
    try:
        return complex(word)
    except ValueError:
        raise InputError(f"{text!r} is no number or list of numbers", where, "write x=2.0 or x=[1,2,3]") from None


def numbers(value: Any) -> Any:
    """JSON with complex numbers ({"real", "imag"}) and what is not finite ("nan", "-inf") as numbers."""
    if isinstance(value, dict) and set(value) == {"real", "imag"}:
        return np.asarray(numbers(value["real"])) + 1j * np.asarray(numbers(value["imag"]))
    if isinstance(value, dict):
        return {name: numbers(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [numbers(entry) for entry in value]
    return float(value) if value in ("nan", "inf", "-inf") else value


def _by_input(values: Mapping[str, Any], graph: Graph, where: str) -> dict[str, Any]:
    """Nested values by name of the graph's inputs. Raises InputError for a name that is none."""
    found = {}
    for name, value in values.items():
        if name in graph.input_names:
            found[name] = value
            continue
        below = _below(name, graph)
        if not below:
            raise InputError(f"the graph has no input {name!r}", where, nearest(name, graph.input_names))
        for n in below:
            try:
                found[n] = _within(value, n[len(name) :])
            except (LookupError, TypeError):
                raise InputError(f"{name} holds no {n}", where, f"the graph takes {', '.join(below)}") from None
    return found


def _below(name: str, graph: Graph) -> list[str]:
    """The inputs of a graph that a name stands for: itself, or the parts of an argument."""
    return [n for n in graph.input_names if n == name or n.startswith((f"{name}.", f"{name}["))]


def _within(value: Any, path: str) -> Any:
    """The part of a nested value at ".a[0].b"."""
    for key, index in re.findall(r"\.([^.\[]+)|\[(\d+)\]", path):
        value = value[key] if key else value[int(index)]
    return value


def sizes_argument(parser: argparse.ArgumentParser) -> None:
    """The option that gives named sizes."""
    parser.add_argument("--at", metavar="NAME=N", action="append", default=[], help="a named size of the graph")


def sized(graph: Graph, told: Sequence[str], needed: str = "") -> Graph:
    """The graph at the sizes of --at; itself when none is given.

    needed: what cannot do with names, "a plan". Raises InputError for what is no size, or is missing.
    """
    sizes: dict[str, int] = {}
    for text in told:
        name, _, number = text.partition("=")
        if not number.strip().isdigit():
            raise InputError(f"{text!r} is no size", "--at", "write --at n=57")
        sizes[name.strip()] = int(number)
    if needed and graph.dims and not sizes:
        example = " ".join(f"--at {name}=57" for name in graph.dims)
        raise InputError(
            f"{needed} needs numbers for the sizes of {graph.name}", ", ".join(graph.dims), f"add {example}"
        )
    return graph.at(**sizes) if sizes else graph


# --- outputs -------------------------------------------------------------------------------------


def output_argument(parser: argparse.ArgumentParser, what: str) -> None:
    """The option that says where results go."""
    parser.add_argument("-o", "--output", metavar="FILE", help=what)


def npz(arrays: Mapping[str, Any]) -> bytes:
    """The bytes of an .npz file of these arrays; any name will do."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy")
            with archive.open(entry, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
    return file.getvalue()


def text(arrays: Mapping[str, Any]) -> str:
    """One line or block per array, all digits; large arrays shortened."""
    return "\n".join(f"{name} = {_shown(np.asarray(a))}" for name, a in arrays.items())


def _shown(a: Array) -> str:
    if not a.ndim:
        return repr(a.item())
    shown = np.array2string(a, separator=", ", threshold=200, floatmode="unique")
    return shown if "\n" not in shown else "\n" + shown


def deliver(args: argparse.Namespace, arrays: Mapping[str, Any]) -> None:
    """Results to where the command line says: -o FILE.npz, -o FILE.json, -o - (.npz); else printed."""
    if args.output and not args.output.endswith(".json"):
        write_bytes(npz(arrays), args.output)
    elif args.output:
        write_bytes((json.dumps({n: plain(a) for n, a in arrays.items()}, indent=2) + "\n").encode(), args.output)
    else:
        from adcore.cli.command import emit

        emit(args, {n: plain(a) for n, a in arrays.items()}, text(arrays))


def names(options: Iterable[str]) -> list[int | str] | None:
    """Names or positions from repeated options, with commas; None for none."""
    found = [part.strip() for option in options for part in option.split(",") if part.strip()]
    return [int(p) if p.lstrip("-").isdigit() else p for p in found] or None
