"""The executors that come with adcore: where the chunks of a batch job run.

They are named here and imported when a job asks for them, so that a process that only traces or
differentiates never pays for them.
"""

from collections.abc import Mapping

from adcore.extend import hookimpl


@hookimpl
def adcore_register_executors() -> Mapping[str, str]:
    """Executors by name, as "module:Class"."""
    return {
        "local": "adcore_executors.local:LocalExecutor",
        "futures": "adcore_executors.futures:FuturesExecutor",
        "dask": "adcore_executors.dask:DaskExecutor",
    }
