"""Files that results of batch jobs are exported to, by their ending; imported when one is written.

A store is a function write(results, path). `results` has `items`, `tags`, `names`, `input_names`,
`column(name)` and `check_shape`, see `adcore.batch.read.Results`.
"""

from collections.abc import Mapping

from adcore.extend import hookimpl


@hookimpl
def adcore_register_stores() -> Mapping[str, str]:
    """Stores by file ending, as "module:function"."""
    return {
        ".npz": "adcore_stores.npz:write",
        ".parquet": "adcore_stores.parquet:write",
        ".zarr": "adcore_stores.zarr:write",
    }
