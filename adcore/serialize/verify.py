"""Is a file whole, and what is in it: read, every checksum compared, every table told."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

from adcore.errors import FileFormatError
from adcore.graph import check
from adcore.registry import registry
from adcore.serialize.container import mapped
from adcore.serialize.limits import DEFAULT, Limits
from adcore.serialize.read import Reader
from adcore.serialize.write import encode


@dataclass(frozen=True, slots=True)
class OpUse:
    """An op of a file. version: in the file; here: of the op that is installed. Who brought it there, and here."""

    name: str
    version: int
    here: int
    brought: str
    brought_here: str


@dataclass(frozen=True, slots=True)
class Verified:
    """A file that is what it says it is.

    identity: sha256 of the meaning, in hex. version: of the format. size, tensors: bytes, of the file and
    of each large constant. nodes, graphs: of the file, a sub-graph counted once. dims: names of sizes.
    requires: features. producer: what wrote it. hints: text by key.
    """

    path: str
    identity: str
    version: str
    size: int
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: int
    graphs: int
    dims: tuple[str, ...]
    requires: tuple[str, ...]
    tensors: tuple[int, ...]
    ops: tuple[OpUse, ...]
    producer: str
    hints: tuple[tuple[str, str], ...]

    @property
    def outdated(self) -> tuple[OpUse, ...]:
        """The ops that have a newer version here, to which they were upgraded while the file was read."""
        return tuple([op for op in self.ops if op.version != op.here])

    def data(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        ops = sorted({f"{op.brought or 'unknown'}" for op in self.ops})
        lines = [
            f"{self.path} is whole: {self.name}, {self.nodes:,} nodes in {self.graphs} graphs, {self.size:,} bytes",
            f"identity  {self.identity}",
            f"format    {self.version}, written by {self.producer}",
            f"takes     {', '.join(self.inputs) or 'nothing'}",
            f"gives     {', '.join(self.outputs)}",
            f"ops       {len(self.ops)}, of {', '.join(ops) or 'nobody'}",
            f"tensors   {len(self.tensors)}, {sum(self.tensors):,} bytes",
        ]
        lines += [f"sizes     {', '.join(self.dims)}"] if self.dims else []
        lines += [f"requires  {', '.join(self.requires)}"] if self.requires else []
        lines += [f"outdated  {op.name}: version {op.version}, here {op.here}" for op in self.outdated]
        lines += [f"hint      {key}: {text}" for key, text in self.hints]
        return "\n".join(lines)


def verify(path: str | os.PathLike[str], limits: Limits = DEFAULT) -> Verified:
    """What is in a file that is whole.

    Raises: FileFormatError saying what is wrong with it; UnknownOpError; OSError when it cannot be opened.

    >>> import tempfile, adcore as ad
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     ad.trace(lambda x: x * x, 1.0).save(f"{directory}/f.adg")
    ...     verify(f"{directory}/f.adg").nodes
    1
    """
    where = os.fspath(path)
    data = mapped(where)
    file = Reader(data, where, True, limits)
    check(file.graph)
    origins = registry().origins
    uses = []
    for op, brought in zip(file.ops.rows, file.notes.brought, strict=True):
        origin = origins.get(("ops", op.name))
        here = f"{origin.distribution} {origin.version}".strip() if origin else ""
        uses.append(OpUse(op.name, op.version, op.op.version if op.op else 0, " ".join(brought).strip(), here))
    found = Verified(
        path=where, identity=file.container.identity, version=".".join(map(str, file.container.version)),
        size=len(data), name=file.graph.name,
        inputs=_told(file.graph.input_names, file.graph.inputs),
        outputs=_told(file.graph.output_names, file.graph.outputs),
        nodes=sum(len(body.graph.nodes) for body in file.known), graphs=len(file.known), dims=file.graph.dims,
        requires=tuple(file.requires), tensors=tuple([len(t) for t in file.tensors.rows]), ops=tuple(uses),
        producer=file.notes.producer, hints=file.notes.hints,
    )  # fmt: skip
    if not found.outdated and encode(file.graph).identity != found.identity:
        raise FileFormatError(
            "written again it would be another graph", where, "please report this, with the file: the format is broken"
        )
    return found


def _told(names: Any, values: Any) -> tuple[str, ...]:
    return tuple([f"{name} {v.type}" for name, v in zip(names, values, strict=True)])
