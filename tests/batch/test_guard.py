"""The memory guard: fewer workers, or a checkpointed plan with the same bits, or a refusal before anything runs."""

import csv

import numpy as np
import pytest

import adcore as ad
from adcore.batch import verbs
from adcore.batch.guard import INTERPRETER
from adcore.errors import BudgetError, ConfigError

MIB = 1 << 20
JOB = """
[job]
graph = "model.adg"
out = "{out}"
reuse = []
workers = 3
executor = "here"
memory = {memory}
[strategy]
name = "{strategy}"
[inputs]
x = {{ file = "x.npy" }}
[sweep.grid]
a = [0.5, 1.0]
"""


@pytest.fixture
def folder(tmp_path):
    """A loop of 100 steps over 20,000 numbers: reverse mode keeps 100 states of 160 KB, 16 MB."""

    def f(a, x):
        y, _ = ad.scan(lambda c, _: (np.sin(c) + a * x, None), x, None, length=100)
        return np.sum(y * y)

    x = np.linspace(0.0, 1.0, 20_000)
    np.save(tmp_path / "x.npy", x)
    ad.trace(f, 1.0, x).save(tmp_path / "model.adg")
    return tmp_path


def run(folder, out, memory, strategy="reverse"):
    path = folder / f"{out}.toml"
    path.write_text(JOB.format(out=out, memory=memory, strategy=strategy))
    summary = verbs.run(path)
    with verbs.results(summary.place) as found:
        gradients = found.array("a_bar").tobytes() + found.array("x_bar").tobytes()
    with open(summary.report, newline="") as file:
        labels = {row["strategy"] for row in csv.DictReader(file)}
    return summary, gradients, labels


def test_too_little_memory_means_fewer_workers_then_checkpoints_with_the_same_bits(folder):
    free, gradients, labels = run(folder, "free", 4096 * MIB)
    assert (free.messages, labels) == ((), {"reverse"})
    some, same, labels = run(folder, "some", 2 * INTERPRETER + 60 * MIB)
    (message,) = some.messages
    assert message.startswith("3 workers would need ") and message.endswith("there are 220 MiB: 2 at once")
    assert (same, labels) == (gradients, {"reverse"})
    tight, same, labels = run(folder, "tight", INTERPRETER + 4 * MIB)
    (message,) = tight.messages
    assert message.endswith(
        "beside 80 MiB for its worker; there are 84 MiB: 1 worker, and strategy checkpointed with memory = 4 MiB"
    )
    assert (same, labels) == (gradients, {"reverse (checkpointed to fit)"})


def test_what_fits_in_no_way_is_refused_before_anything_runs(folder):
    with pytest.raises(BudgetError) as caught:
        run(folder, "none", INTERPRETER + MIB // 10)
    assert str(caught.value).startswith("one item needs ")
    assert str(caught.value).endswith("raise [job] memory, use a larger machine, or make the items smaller")
    with pytest.raises(ConfigError, match="and strategy forward has no plan that takes less"):
        run(folder, "forward", INTERPRETER + MIB // 10, "forward")
    assert not (folder / "none" / "job.toml").exists()
