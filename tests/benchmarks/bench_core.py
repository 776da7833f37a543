"""The core: building a program, entering it, what a node costs, importing adcore."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from harness import Bench, Compare, measure

import adcore as ad
from adcore.backend import find_backend
from adcore.plan.steps import default_plan

bench = Bench("core")

X = np.linspace(0.1, 1.0, 10)


def chain(steps: int) -> Callable[[Any], Any]:
    """A function of 4 * steps + 1 nodes: sine, product, sum, difference, over and over."""

    def f(x: Any) -> Any:
        y = x
        for _ in range(steps):
            y = np.sin(y) * x + x
            y = y - x
        return np.sum(y)

    return f


def build(nodes: int) -> dict[str, float]:
    """CPU seconds of every stage from a function to the first gradient."""
    marks = [("", time.process_time())]

    def done(stage: str) -> None:
        marks.append((stage, time.process_time()))

    graph = ad.trace(chain(nodes // 4), X)
    done("trace")
    gradient = ad.differentiate(graph, "grad", wrt=0)
    done("vjp and simplify")
    plan = default_plan(gradient)
    assert plan.layout
    done("plan")
    assert plan.cost
    done("check")
    program = find_backend().compile(plan)
    done("compile")
    program(X)
    done("first run")
    return {stage: end - start for (_, start), (stage, end) in pairwise(marks)}


@bench.case("from a function to its gradient, per forward node")
def building(compare: Compare) -> None:
    build(400)
    for nodes, times in ((1_000, 5), (5_000, 5), (20_000, 3), (100_000, 1)):
        runs = [build(nodes) for _ in range(times)]
        total = statistics.median(sum(run.values()) for run in runs)
        stages = {stage: statistics.median(run[stage] for run in runs) / nodes * 1e6 for stage in runs[0]}
        note = ", ".join(f"{stage} {us:.0f}" for stage, us in stages.items())
        compare.add(f"{nodes:,} nodes", total / nodes, bound=200e-6, note=f"us: {note}")


def by_hand(steps: int) -> Callable[[Any], Any]:
    """The same forward chain as straight-line calls into two arrays, and nothing else."""
    lines, now, other = ["def f(x, a, b, sin, multiply, add, subtract):"], "x", "a"
    for _ in range(steps):
        for name in ("sin", "multiply", "add", "subtract"):
            lines.append(f"    {name}({now}, {other})" if name == "sin" else f"    {name}({now}, x, {other})")
            now, other = other, "b" if other == "a" else "a"
    space: dict[str, Any] = {}
    exec("\n".join([*lines, f"    return {now}"]), space)
    a, b = np.empty(10), np.empty(10)
    return lambda x: space["f"](x, a, b, np.sin, np.multiply, np.add, np.subtract)


@bench.case("1,000 operations on 10 numbers")
def overhead(compare: Compare) -> None:
    def model(x: Any) -> Any:
        y = x
        for _ in range(250):
            y = np.sin(y) * x + x
            y = y - x
        return y

    program, bare = ad.trace(model, X).compile(), by_hand(250)
    found = compare(
        {"NumPy calls by hand": lambda: bare(X), "compiled graph": lambda: program(X)}, "NumPy calls by hand", bare(X)
    )
    extra = (found["compiled graph"] - found["NumPy calls by hand"]) / 1000
    compare.add("overhead per node", extra, bound=0.3e-6)


@bench.case("one operation on 10 numbers: the entry")
def entry(compare: Compare) -> None:
    def f(x: Any) -> Any:
        return np.sin(x)

    program = ad.trace(f, X).compile()
    found = compare({"np.sin": lambda: np.sin(X), "compiled graph": lambda: program(X)}, "np.sin", np.sin(X))
    compare.add("entry of a compiled graph", found["compiled graph"] - found["np.sin"], bound=1e-6)


@bench.case("gradient of sum(sin(x)) for 10 numbers")
def gradients(compare: Compare) -> None:
    gradient = ad.grad(lambda x: np.sum(np.sin(x)))
    both = ad.value_and_grad(lambda p, x: np.sum(np.sin(x * p["w"] + p["b"])))
    params = {"w": X, "b": X}
    _, pullback = ad.vjp(lambda x: np.sum(np.sin(x)), X)
    compare({
        "np.cos": lambda: np.cos(X),
        "ad.grad(f)(x)": lambda: gradient(X),
        "ad.value_and_grad, dict of params": lambda: both(params, X),
        "pullback of ad.vjp": lambda: pullback(1.0),
        "ad.grad(f)(x), written anew": lambda: ad.grad(lambda x: np.sum(np.sin(x)))(X),
        "ad.vjp(f, x), written anew": lambda: ad.vjp(lambda x: np.sum(np.sin(x)), X),
    }, "np.cos", bounds={"ad.grad(f)(x)": 5e-6})  # fmt: skip


def started(code: list[str], times: int) -> float:
    """Median CPU seconds of a fresh Python that runs this."""
    import resource

    found = []
    for _ in range(times):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *code], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(found)


@bench.case("starting")
def starting(compare: Compare) -> None:
    numpy = started(["-c", "import numpy"], compare.rounds)
    own = started(["-c", "import adcore"], compare.rounds)
    compare.add("import numpy", numpy)
    compare.add("import adcore, beyond NumPy", own - numpy, bound=0.1)
    compare.add("adcore --help", started(["-m", "adcore.cli", "--help"], compare.rounds), bound=0.2)


@bench.case("fingerprint of a function that reads 5 globals, a closure and an object")
def remembering(compare: Compare) -> None:
    from adcore.fingerprint import Fingerprint
    from adcore.walk import Walk

    class Model:
        def __init__(self) -> None:
            self.weights = np.ones(100)

    model, scale = Model(), 2.0

    def f(x: Any) -> Any:
        return np.sum(chain(1)(x) * scale) + model.weights[0] + X[0] + len(bench.subject)

    watching = Fingerprint(f)
    compare.add("walk", measure({"walk": lambda: Walk(f)}, compare.rounds)["walk"])
    compare.add("look again", measure({"look": watching.state}, compare.rounds)["look"])


if __name__ == "__main__":
    bench.main()
