"""Work-precision of solvers and of methods on reference problems, as the two SVG files of `docs/ode.md`.

    python tests/benchmarks/plot_ode.py docs/images

Errors are those of the gradient by parameters (weighted by their size) and initial state, over its largest entry,
against references of 20 digits. Times are of one core: the least of five CPU times.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import adcore as ad

sys.path.insert(0, str(Path(__file__).parents[1]))

from ode.problems import Problem

ROUNDS = 5
COLOURS = ("#0b6e99", "#d1495b", "#3d9970", "#b8860b", "#6a4c93")
SOLVERS = {
    "lotka_volterra": ("RK23", "RK45", "Tsit5", "DOP853"),
    "robertson_t40": ("ESDIRK3", "ESDIRK4", "ESDIRK5", "Radau"),
}
METHODS = {
    ("lotka_volterra", "Tsit5"): ("discrete", "forward", "gauss", "interpolating", "backsolve"),
    ("robertson_t40", "Radau"): ("discrete", "forward", "gauss", "interpolating"),
}
TITLES = {"lotka_volterra": "Lotka-Volterra", "robertson_t40": "Robertson, to t = 40"}
TOLERANCES = 10.0 ** -np.arange(3.0, 11.0)
COARSE = 1e-8
"""Solvers of order 3 stop there: below it they take most of the time of all."""


@dataclass(frozen=True)
class Point:
    """One gradient: its error, evaluations of the right-hand side by the solution, and seconds with its derivative."""

    error: float
    evaluations: int
    seconds: float


def point(problem: Problem, solver: str, method: str, rtol: float) -> Point:
    """The gradient of a reference problem, measured."""
    args, truth = problem.arguments(), problem.truth()
    config = {"strategy": {"name": "reverse", "methods": {"core::solve_ivp": {"name": method}}}}
    graph = ad.trace(problem.loss(solver, rtol), **args)
    made = ad.differentiate(graph, "grad", wrt=["params", "y0"], config=config).compile()
    given = [*args["params"].values(), *(v for k, v in args.items() if k != "params")]
    told = made.measure(*given)
    weights = np.array(list(args["params"].values()))
    found = np.concatenate([np.ravel(x) for x in told.outputs]) * np.append(weights, np.ones_like(args["y0"]))
    right = np.concatenate([weights * truth["params"], truth["y0"]])
    error = float(np.max(np.abs(found - right)) / np.max(np.abs(right)))
    return Point(error, int(told.reports["solve_ivp"][2]), min(_seconds(lambda: made(*given)) for _ in range(ROUNDS)))


def _seconds(way: Callable[[], Any]) -> float:
    start = time.process_time()
    way()
    return time.process_time() - start


def curve(name: str, solver: str, method: str, tolerances: Sequence[float]) -> list[Point]:
    """One point per tolerance."""
    floor = COARSE if solver.endswith("3") and solver != "DOP853" else 0.0
    return [point(Problem(name), solver, method, r) for r in tolerances if r >= floor]


def draw(folder: Path, tolerances: Sequence[float] = tuple(TOLERANCES)) -> None:
    """Both files."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "adcore", "font.size": 8, "legend.fontsize": 7})
    import matplotlib.pyplot as plt

    def axes(rows: int) -> Any:
        return plt.subplots(rows, 2, figsize=(7.2, 2.9 * rows), layout="constrained", squeeze=False)

    def panel(at: Any, curves: dict[str, list[Point]], cost: str, title: str, label: str) -> None:
        for (name, points), colour in zip(curves.items(), COLOURS, strict=False):
            costs = [getattr(p, cost) for p in points]
            at.loglog(costs, [p.error for p in points], "o-", ms=3, lw=1.2, label=name, color=colour)
        at.set(title=title, xlabel=label, ylabel="error of the gradient")
        at.minorticks_off()
        at.grid(alpha=0.25)
        at.legend()

    figure, grid = axes(2)
    for column, (name, solvers) in enumerate(SOLVERS.items()):
        curves = {s: curve(name, s, "discrete", tolerances) for s in solvers}
        title = f"{TITLES[name]}: solvers"
        panel(grid[0][column], curves, "evaluations", title, "evaluations of the right-hand side")
        panel(grid[1][column], curves, "seconds", title, "seconds, with the gradient")
    _save(figure, folder / "ode_solvers.svg")
    figure, grid = axes(1)
    for at, ((name, solver), methods) in zip(grid[0], METHODS.items(), strict=False):
        curves = {m: curve(name, solver, m, tolerances[::2]) for m in methods}
        panel(at, curves, "seconds", f"{TITLES[name]} by {solver}: methods", "seconds, with the gradient")
    _save(figure, folder / "ode_methods.svg")


def _save(figure: Any, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata={"Date": None})
    print(file, file.stat().st_size, "bytes")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    draw(parser.parse_args().folder)
