"""The executor for everything that speaks `concurrent.futures`: pools, MPI, Slurm, Ray.

    [executor]
    name = "futures"
    pool = "concurrent.futures:ProcessPoolExecutor"     # or "mpi4py.futures:MPIPoolExecutor", ...
    arguments = { max_workers = 4 }

The pool is given chunks as calls of `run_chunk`. A pool that breaks with a lost worker (as the one of
the standard library does) is closed and made anew; the chunks that were out count as lost, and the
driver finds out by halving them which item it was.
"""

import concurrent.futures
import functools
import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

from adcore.extend import THREAD_VARIABLES, Chunk, Executor, ExecutorError, Outcome, Setup, run_chunk

Future = concurrent.futures.Future[bytes]


class FuturesExecutor(Executor):
    """`executor = "futures"`: a pool named by `pool`, made with `arguments`."""

    name = "futures"

    def __init__(self, setup: Setup, make_pool: Callable[[], Any] | None = None) -> None:
        """make_pool: what makes the pool, in place of the job's [executor] table."""
        self.setup = setup
        self.slots = setup.workers
        self._make = make_pool or _pool_maker(setup)
        self._pool: Any = None
        self._out: dict[Future, Chunk] = {}

    def submit(self, chunk: Chunk) -> None:
        """Give the chunk to the pool, which is made now if there is none."""
        try:
            if self._pool is None:
                self._pool = self._make()
            future = self._pool.submit(run_chunk, self.setup, chunk)
        except concurrent.futures.BrokenExecutor as error:
            future = concurrent.futures.Future()
            future.set_exception(error)
        self._out[future] = chunk

    def wait(self, seconds: float) -> list[Outcome]:
        """What the pool has finished."""
        done, _ = concurrent.futures.wait(self._out, seconds, concurrent.futures.FIRST_COMPLETED)
        outcomes = [self._outcome(future) for future in done]
        if any(outcome.kind == "killed" for outcome in outcomes):
            self._shut()
        return outcomes

    def close(self) -> None:
        """Leave the pool; what runs in it is dropped."""
        self._out.clear()
        self._shut()

    def _outcome(self, future: Future) -> Outcome:
        chunk = self._out.pop(future)
        error = future.exception() if not future.cancelled() else None
        if error is None and not future.cancelled():
            return Outcome(chunk, future.result())
        if error is None or isinstance(error, concurrent.futures.BrokenExecutor | OSError | EOFError):
            return Outcome(chunk, None, "killed", f"by its pool: {error or 'cancelled'}")
        return Outcome(chunk, None, "broken", f"{type(error).__name__}: {error}")

    def _shut(self) -> None:
        pool, self._pool = self._pool, None
        if pool is None:
            return
        processes = list((getattr(pool, "_processes", None) or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:  # the standard pool has no other way to drop what runs
            process.kill()


def _pool_maker(setup: Setup) -> Callable[[], Any]:
    name = str(setup.options.get("pool", "concurrent.futures:ProcessPoolExecutor"))
    arguments = dict(setup.options.get("arguments", {}))
    module, _, attribute = name.partition(":")
    try:
        kind = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ExecutorError(
            f"the pool {name!r} cannot be imported: {error}", "[executor] pool", 'write "module:Class"'
        ) from None
    if kind is concurrent.futures.ProcessPoolExecutor:
        return functools.partial(_spawning_pool, setup, arguments)
    return functools.partial(kind, **arguments)


def _spawning_pool(setup: Setup, arguments: dict[str, Any]) -> Any:
    """The standard pool, started afresh and not by forking, with the threads of BLAS capped."""
    import multiprocessing

    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(setup.threads)))  # inherited by its workers
    arguments = {"max_workers": setup.workers, **arguments}
    context = multiprocessing.get_context("spawn")
    return concurrent.futures.ProcessPoolExecutor(mp_context=context, **arguments)
