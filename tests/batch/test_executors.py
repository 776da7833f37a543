"""The same job gives the same bytes on every executor, lost workers or not."""

import os
import signal
import threading
import time

import chaos
import pytest
from batch_jobs import Bench

from adcore.batch import verbs
from adcore.batch.directory import load
from adcore.errors import ConfigError, MissingExtraError
from adcore.executor import find_executor
from adcore.registry import registry

JOB = """
[job]
graph = "model.adg"
out = "{out}"
workers = 2
chunk_seconds = 0.05
backoff_seconds = 0.01
reuse = []
[executor]
{executor}
[items]
table = "items.csv"
columns = {{ x = ["a", "b", "c"] }}
"""


def job(bench, executor, whats, out="runs", seconds=0.0):
    lines = ["what,a,b,c", *(f"{what},{n},{n + 0.5},1" for n, what in enumerate(whats))]
    (bench.folder / "items.csv").write_text("\n".join(lines))
    return bench.job(JOB.format(executor=executor, out=out), name=f"{out}.toml", seconds=seconds)


def outputs(place):
    with verbs.results(place) as found:
        return {item: {name: array.tobytes() for name, array in arrays.items()} for item, arrays in found}


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What the local executor gives for 60 items."""
    bench = Bench(tmp_path_factory.mktemp("local"))
    return outputs(verbs.run(job(bench, 'name = "local"', [0] * 60, "local")).place)


def test_a_pool_of_the_standard_library_gives_the_same_bytes(bench, expected):
    summary = verbs.run(job(bench, 'name = "futures"', [0] * 60))
    assert (summary.code, outputs(summary.place)) == (0, expected)


def test_any_pool_that_speaks_concurrent_futures_will_do(bench, expected):
    executor = 'name = "futures"\npool = "concurrent.futures:ThreadPoolExecutor"\narguments = { max_workers = 2 }'
    summary = verbs.run(job(bench, executor, [0] * 60))
    assert (summary.code, outputs(summary.place)) == (0, expected)


@pytest.mark.slow
def test_a_pool_that_breaks_is_made_anew_and_the_item_that_broke_it_is_found(bench, expected):
    whats = [0] * 12
    whats[5] = chaos.KILL
    summary = verbs.run(job(bench, 'name = "futures"', whats))
    assert (summary.counts["done"], summary.counts["quarantined"]) == (11, 1)
    assert summary.failures[0].item == 5
    found = outputs(summary.place)
    assert found == {item: expected[item] for item in range(12) if item != 5}


def test_an_executor_that_a_plugin_brings_is_used_by_its_name(bench, expected):
    summary = verbs.run(job(bench, 'name = "here"', [0] * 60))
    assert (summary.code, outputs(summary.place)) == (0, expected)


def test_an_executor_whose_package_is_missing_says_how_to_install_it():
    registry().executors["ray"] = "no_such_package:Executor"
    try:
        with pytest.raises(MissingExtraError) as caught:
            find_executor("ray")
    finally:
        registry().executors.pop("ray")
    assert str(caught.value) == (
        "executor 'ray' needs the package 'no_such_package', which is not installed\n"
        "  executor 'ray', no_such_package:Executor\n  pip install 'adcore[ray]'"
    )
    with pytest.raises(ConfigError, match="did you mean 'local'"):
        find_executor("locale")


@pytest.mark.slow
@pytest.mark.parametrize("kill", [False, True])
def test_a_dask_cluster_gives_the_same_bytes_with_a_killed_worker_too(bench, kill):
    """A real cluster of worker processes on loopback; one of them is killed in the middle of the job."""
    distributed = pytest.importorskip("distributed", reason="needs the extra `dask`")
    expected = outputs(verbs.run(job(bench, 'name = "local"', [0] * 200, "local", 0.01)).place)
    with (
        distributed.LocalCluster(
            n_workers=3, threads_per_worker=1, dashboard_address=":0", host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        path = job(bench, f'name = "dask"\naddress = "{cluster.scheduler_address}"', [0] * 200, seconds=0.01)
        killed = []

        def kill_one():
            wait_for(lambda: len(os.listdir(bench.folder / "runs" / "results")) > 2)
            killed.append(next(iter(client.run(os.getpid).values())))
            os.kill(killed[0], signal.SIGKILL)

        killer = threading.Thread(target=kill_one)
        if kill:
            killer.start()
        summary = verbs.run(path)
        if kill:
            killer.join()
    assert len(killed) == kill
    assert summary.code == 0
    assert outputs(summary.place) == expected
    with verbs.results(summary.place) as found:
        shards = set(found._shards.values())
    assert shards == set(os.listdir(summary.place / "results")), "nothing was written that has no row"


@pytest.mark.slow
def test_dask_starts_a_cluster_when_no_address_is_given(bench, expected):
    pytest.importorskip("distributed", reason="needs the extra `dask`")
    summary = verbs.run(job(bench, 'name = "dask"', [0] * 60))
    assert (summary.code, outputs(summary.place)) == (0, expected)
    assert load(summary.place).options == {}


def wait_for(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if condition():
                return
        except OSError:
            pass
        time.sleep(0.02)
    raise AssertionError("it did not happen")
