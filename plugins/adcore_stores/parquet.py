"""Results as a Parquet table: one row per item; scalars are columns, arrays are lists of fixed length.

`pip install 'adcore[parquet]'`. The shape of an array stands in the metadata of its column.
"""

import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 10_000  # per group of rows, which is what is held in memory


def write(results: Any, path: Path) -> None:
    """Write the file, streamed. Raises: BatchError if items have results of different shapes."""
    names = [*(f"inputs/{name}" for name in results.input_names), *results.names]
    columns = [results.column(name) for name in names]
    rows = zip(results.items.tolist(), results.tags, *columns, strict=True)
    temporary = path.with_name(path.name + ".tmp")
    schema: Any = None
    try:
        with pa.OSFile(str(temporary), "wb") as sink:
            writer = None
            while block := list(itertools.islice(rows, ROWS)):
                items, tags, *values = zip(*block, strict=True)
                if writer is None:
                    schema = _schema(names, [column[0] for column in values])
                    writer = pq.ParquetWriter(sink, schema)
                arrays = [
                    _column(results, name, column, schema.field(name))
                    for name, column in zip(names, values, strict=True)
                ]
                writer.write_table(pa.Table.from_arrays([pa.array(items), pa.array(tags), *arrays], schema=schema))
            (writer or pq.ParquetWriter(sink, _schema([], []))).close()
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _schema(names: list[str], first: list[Any]) -> Any:
    fields = [pa.field("item", pa.int64()), pa.field("tag", pa.string())]
    for name, value in zip(names, first, strict=True):
        kind = pa.from_numpy_dtype(_real(value).dtype)
        shape = ",".join(map(str, value.shape))
        metadata = {"shape": shape, "dtype": str(value.dtype)}
        fields.append(
            pa.field(name, kind if _real(value).ndim == 0 else pa.list_(kind, _real(value).size), metadata=metadata)
        )
    return pa.schema(fields)


def _column(results: Any, name: str, values: tuple[Any, ...], field: Any) -> Any:
    want = tuple(int(n) for n in field.metadata[b"shape"].decode().split(",") if n)
    for value in values:
        results.check_shape(name, value.shape, want)
    flat = pa.array(np.stack([_real(value) for value in values]).reshape(-1))
    return (
        flat
        if not pa.types.is_fixed_size_list(field.type)
        else pa.FixedSizeListArray.from_arrays(flat, type=field.type)
    )


def _real(value: Any) -> Any:
    """Parquet knows no complex numbers: they become pairs of real and imaginary part."""
    return np.stack([value.real, value.imag], -1) if value.dtype.kind == "c" else value
