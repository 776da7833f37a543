"""The executor for Dask clusters: `pip install 'adcore[dask]'`.

    [executor]
    name = "dask"
    address = "tcp://10.0.0.1:8786"      # without it a cluster of processes is started here

Workers must see the job's directory (a shared disk). Results come back by value and are written by
the driver, so a job gives the same files here as on the local executor. Dask may run a chunk a second
time when it lost a worker: the result is written once.
"""

import queue
from typing import Any

import distributed

from adcore.extend import THREAD_VARIABLES, Chunk, Executor, ExecutorError, Outcome, Setup, run_chunk

CONNECT_SECONDS = 30


class DaskExecutor(Executor):
    """`executor = "dask"`: the cluster at `address`, or one of `workers` processes made for the job."""

    name = "dask"

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self._cluster: Any = None
        self._client: Any = None
        self._done: queue.Queue[tuple[Any, Chunk]] = queue.Queue()
        self._out: dict[int, Any] = {}
        address = setup.options.get("address")
        try:
            if address is None:
                self._cluster = _start(setup)
            self._client = distributed.Client(address or self._cluster, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, TimeoutError) as error:
            self.close()
            raise ExecutorError(
                f"no Dask cluster answers: {error}",
                f"[executor] address = {address!r}",
                "start one, or leave it out",
            ) from None
        except RuntimeError as error:
            raise ExecutorError(
                f"no Dask cluster could be started here: {error}",
                '[executor] name = "dask"',
                'look at what its processes said; a script that runs a job needs `if __name__ == "__main__":`',
            ) from None
        self.slots = sum(self._client.nthreads().values()) if address else setup.workers

    def submit(self, chunk: Chunk) -> None:
        """Give the chunk to the scheduler."""
        future = self._client.submit(run_chunk, self.setup, chunk, pure=False, retries=0)
        self._out[chunk.number] = future
        future.add_done_callback(lambda done: self._done.put((done, chunk)))

    def wait(self, seconds: float) -> list[Outcome]:
        """What the cluster has finished."""
        outcomes: list[Outcome] = []
        try:
            outcomes.append(self._outcome(*self._done.get(timeout=seconds)))
            while True:
                outcomes.append(self._outcome(*self._done.get_nowait()))
        except queue.Empty:
            return outcomes

    def close(self) -> None:
        """Leave the cluster; the one that was started for the job ends."""
        self._out.clear()
        if self._client is not None:
            self._client.close()
        if self._cluster is not None:
            self._cluster.close()
        self._client = self._cluster = None

    def _outcome(self, future: Any, chunk: Chunk) -> Outcome:
        self._out.pop(chunk.number, None)
        if future.status == "finished":
            try:
                return Outcome(chunk, future.result())
            except (OSError, distributed.CommClosedError) as error:  # its worker went with the result
                return Outcome(chunk, None, "killed", f"with its result: {error}")
        if future.status != "error":
            return Outcome(chunk, None, "killed", f"by the scheduler: {future.status}")
        error = future.exception()
        lost = isinstance(error, distributed.scheduler.KilledWorker | distributed.CommClosedError)
        if lost:
            return Outcome(chunk, None, "killed", f"on the cluster: {error}")
        return Outcome(chunk, None, "broken", f"{type(error).__name__}: {error}")


def _start(setup: Setup) -> Any:
    """A cluster on this machine, one thread per process, BLAS capped before NumPy is imported."""
    import dask

    caps = dict.fromkeys(THREAD_VARIABLES, setup.threads)
    with dask.config.set({"distributed.nanny.pre-spawn-environ": {**caps, "MALLOC_TRIM_THRESHOLD_": 65536}}):
        return distributed.LocalCluster(
            n_workers=setup.workers, threads_per_worker=1, processes=True, dashboard_address=":0"
        )
