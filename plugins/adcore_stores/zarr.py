"""Results as a Zarr group: one array per output, own inputs in the group `inputs`, beside `item` and `tag`.

`pip install 'adcore[zarr]'`. A directory that is there already is not overwritten.
"""

import itertools
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import zarr

CHUNK_BYTES = 4 << 20


def write(results: Any, path: Path) -> None:
    """Write the directory, streamed, under a temporary name that is changed at the end.

    Raises: FileExistsError; BatchError if items have results of different shapes.
    """
    if path.exists():
        raise FileExistsError(17, "it is there already", str(path))
    temporary = path.with_name(path.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        group: Any = zarr.open_group(temporary, mode="w")
        items = results.items
        group.create_array("item", data=items)
        group.attrs["tags"] = results.tags if any(results.tags) else []
        for name in (*(f"inputs/{n}" for n in results.input_names), *results.names):
            _stack(group, results, name, len(items))
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _stack(group: Any, results: Any, name: str, count: int) -> None:
    values = results.column(name)
    first = next(values, None)
    if first is None:
        return
    rows = max(min(CHUNK_BYTES // max(first.nbytes, 1), count), 1)
    chunks = (rows, *(max(size, 1) for size in first.shape))
    array = group.create_array(name, shape=(count, *first.shape), dtype=first.dtype, chunks=chunks)
    values = itertools.chain([first], values)
    for start in range(0, count, rows):
        block = list(itertools.islice(values, rows))
        for value in block:
            results.check_shape(name, value.shape, first.shape)
        array[start : start + len(block)] = np.stack(block)
