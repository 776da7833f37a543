"""Results as an .npz: one array per output and own input, stacked in item order, beside `item` and `tag`."""

import os
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np


def write(results: Any, path: Path) -> None:
    """Write the file, streamed: no more than one item is held in memory.

    Raises: BatchError if items have results of different shapes.
    """
    items = results.items
    temporary = path.with_name(path.name + ".tmp")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for name, array in (("item", items), ("tag", np.array(results.tags, str))):
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array)
            for name in (*(f"inputs/{n}" for n in results.input_names), *results.names):
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    _stack(member, results, name, len(items), results.column(name))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _stack(member: IO[bytes], results: Any, name: str, count: int, values: Iterable[Any]) -> None:
    shape: tuple[int, ...] | None = None
    for value in values:
        if shape is None:
            shape = value.shape
            header = {"descr": value.dtype.str, "fortran_order": False, "shape": (count, *shape)}
            np.lib.format.write_array_header_2_0(member, header)
        results.check_shape(name, value.shape, shape)
        member.write(np.ascontiguousarray(value).tobytes())
