"""A file written for older ops, written again for those that are installed."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

from adcore.serialize import durable
from adcore.serialize.container import MAJOR, MINOR, mapped
from adcore.serialize.limits import DEFAULT, Limits
from adcore.serialize.read import Reader
from adcore.serialize.write import encode


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What became of a file. before, after: identities. version: of the format, before and after.

    ops: name, version in the old file, version in the new one, of each op that changed.
    """

    path: str
    out: str
    before: str
    after: str
    version: tuple[str, str]
    ops: tuple[tuple[str, int, int], ...]

    @property
    def changed(self) -> bool:
        """True when the new file means or is something else than the old one."""
        return self.before != self.after or self.version[0] != self.version[1]

    def data(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        return {**asdict(self), "changed": self.changed}

    def __str__(self) -> str:
        if not self.changed:
            return f"{self.path} is up to date; {self.out} is the same graph"
        lines = [f"{self.out}: {self.path}, upgraded"]
        lines += [f"{name}: version {old} is now {new}" for name, old, new in self.ops]
        lines += [f"format: {self.version[0]} is now {self.version[1]}"] if len(set(self.version)) == 2 else []
        same = self.before == self.after
        told = f"{self.before[:12]}..., as before" if same else f"{self.before[:12]}... is now {self.after[:12]}..."
        return "\n".join([*lines, f"identity: {told}"])


def upgrade(path: str | os.PathLike[str], out: str | os.PathLike[str], limits: Limits = DEFAULT) -> Upgraded:
    """Write a file again with the versions of ops, and the format, of this installation.

    out may be path: the file is replaced in one moment, or not at all.
    Raises: FileFormatError when there is no way from an op's old version to the new one; UnknownOpError.
    """
    where, to = os.fspath(path), os.fspath(out)
    file = Reader(mapped(where), where, True, limits)
    ops = [(op.name, op.version, op.op.version) for op in file.ops.rows if op.op and op.op.version != op.version]
    encoded = encode(file.graph, dict(file.notes.hints))
    durable.write(to, encoded.parts())
    versions = ".".join(map(str, file.container.version)), f"{MAJOR}.{MINOR}"
    return Upgraded(where, to, file.container.identity, encoded.identity, versions, tuple(ops))
