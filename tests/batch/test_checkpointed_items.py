"""Items in checkpointed reverse mode whose workers are killed: the same bits, few steps repeated, no file left."""

import os
import signal

import numpy as np
import pytest
from batch_jobs import CHAOS, children, wait_for
from chaos import COUNT

import adcore as ad
from adcore.batch import verbs
from adcore.registry import registry

STEPS = 50
JOB = """
[job]
graph = "loop.adg"
out = "runs"
workers = 1
kills = 100
backoff_seconds = 0.01
[items]
table = "items.csv"
[inputs]
x = {{ file = "x.npy" }}
[strategy]
name = "checkpointed"
memory = "2.4 MB"
[strategy.checkpointed]
disk = "3 MB"
directory = "{spill}"
resume = {resume}
write_speed = "1 TB"
read_speed = "1 TB"
effort = "quick"
[plugins]
local = ["{chaos}"]
"""


@pytest.mark.parametrize("resume", [True, False])
def test_an_item_killed_in_a_checkpointed_run_gives_the_same_bits_and_leaves_no_file(bench, resume):
    folder, spill = bench.folder, bench.folder / "spill"
    spill.mkdir()
    act = registry().ops["chaos::act"]

    def model(x, k):
        def step(y, _):
            return y + 0.1 * np.sin(act(np.int64(COUNT), y * k, seconds=0.002, folder=str(folder))), None

        y, _ = ad.scan(step, x, None, length=STEPS)
        return np.sum(y * y)

    x = np.linspace(0.0, 1.0, 20_011)
    np.save(folder / "x.npy", x)
    graph = ad.trace(model, x, 1.0)
    graph.save(folder / "loop.adg")
    (folder / "items.csv").write_text("k\n0.5\n1.5\n")
    (folder / "job.toml").write_text(JOB.format(spill=spill, resume=str(resume).lower(), chaos=CHAOS))
    driver = bench.driver("print(verbs.run('job.toml', verify=False).code)")
    killed = 0
    while killed < 2:
        wait_for(lambda n=killed: driver.poll() is not None or len(list(spill.glob("*/*.snapshot"))) > 3 + 2 * n)
        assert driver.poll() is None, driver.communicate()
        for pid in children(driver.pid):
            os.kill(pid, signal.SIGKILL)
            killed += 1
    out, errors = driver.communicate(timeout=120)
    assert (out, errors) == (b"0\n", b"")
    assert list(spill.iterdir()) == []
    steps = len((folder / "counted").read_bytes())
    with verbs.results(folder / "runs") as found:
        ours = [(arrays["x_bar"].tobytes(), arrays["k_bar"].tobytes()) for _, arrays in found]
    plain = ad.differentiate(graph, "grad", strategy="reverse").compile()
    assert ours == [tuple(np.asarray(g).tobytes() for g in plain.all(x, np.float64(k))) for k in (0.5, 1.5)]
    told = {"disk": "3 MB", "write_speed": "1 TB", "read_speed": "1 TB", "resume": resume, "effort": "quick"}
    gradient, config = ad.differentiate(graph, "grad"), {"strategy": {"checkpointed": told}}
    planned = ad.plan(gradient, "checkpointed", memory="2.4 MB", config=config).cost.forward_steps
    assert 2 * planned <= steps
    assert not resume or steps < 2 * planned + killed * STEPS // 2
