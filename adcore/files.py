"""Graphs as files, as users meet them: `load`, `loads`, and what a graph does with files.

The format itself is in `adcore.serialize`, which is imported when the first file is met.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from adcore import graph as _graph
from adcore.errors import InputError
from adcore.graph import Graph

if TYPE_CHECKING:
    from adcore.serialize.limits import Limits


def load(path: str | os.PathLike[str], verify: bool = True, limits: Mapping[str, int] | Limits | None = None) -> Graph:
    """The graph of a file. Large constants are mapped, not read into memory.

    The file must not be changed while the graph is in use; to replace it, as `save` does, is fine.
    verify: compare the checksums of all large constants now, which reads them once.
    limits: larger limits for a file that you trust, by name; see `adcore.serialize.limits.Limits`.
    Raises: FileFormatError for a file that is damaged, not a graph, or too large; UnknownOpError when
    it needs a plugin that is not installed; OSError when it cannot be opened.

    >>> import tempfile, numpy as np, adcore as ad
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     ad.trace(lambda x: np.sin(x) * x, 1.0).save(f"{directory}/f.adg")
    ...     f = ad.load(f"{directory}/f.adg")
    >>> ad.grad(f)(0.5)
    np.float64(0.9182168195493894)
    """
    from adcore.serialize import read

    return read.load(os.fspath(path), verify, _limits(limits))


def loads(data: bytes, verify: bool = True, limits: Mapping[str, int] | Limits | None = None) -> Graph:
    """The graph of the bytes of a file, as `graph.dumps()` gives them; see `load`.

    >>> import adcore as ad
    >>> f = ad.trace(lambda x: x * x, 1.0)
    >>> ad.loads(f.dumps()).identity == f.identity
    True
    """
    from adcore.serialize import read

    try:
        raw = data if isinstance(data, bytes) else bytes(memoryview(data))
    except TypeError:
        raise InputError(f"a {type(data).__name__} holds no bytes", "in ad.loads", "give what dumps() gave") from None
    return read.decode(raw, "bytes", verify, _limits(limits))


def _limits(given: Mapping[str, int] | Limits | None) -> Limits:
    from adcore.serialize.limits import Limits, raised

    return given if isinstance(given, Limits) else raised(given or {})


def _save(graph: Graph, path: str | os.PathLike[str]) -> None:
    from adcore.serialize import write

    write.save(graph, os.fspath(path))


def _dumps(graph: Graph) -> bytes:
    from adcore.serialize import write

    return write.dumps(graph)


def _identity(graph: Graph) -> str:
    from adcore.serialize import write

    return write.identity(graph)


_graph.doors.update(save=_save, dumps=_dumps, identity=_identity)
