"""Fit the lynx-and-hare model with gradients of the saved graph, and plot the fit over the data.

    python docs/examples/lynx_hare/fit.py

Reads model.adg (see job.toml for how it is made), minimises with scipy.optimize.minimize over the
logarithms of all parameters, and writes fit.svg beside this file. The model's source is only used
for drawing the curve; the gradients come from the graph.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as plt
import model
import numpy as np
from scipy.optimize import minimize

import adcore as ad

HERE = Path(__file__).parent
NAMES = ("alpha", "beta", "gamma", "delta")


def main() -> None:
    """Load, fit, report, draw."""
    data = model.pelts()
    loss = ad.load(HERE / "model.adg")
    both = ad.differentiate(loss, "value_and_grad", wrt=["theta", "start", "sigma"])

    def objective(logs: np.ndarray) -> tuple[float, np.ndarray]:
        p = np.exp(logs)
        theta = dict(zip(NAMES, p[:4], strict=True))
        value, (d_theta, d_start, d_sigma) = both(theta, p[4:6], p[6], data["hare"], data["lynx"])
        return float(value), p * np.concatenate([[d_theta[n] for n in NAMES], d_start, [d_sigma]])

    first = np.log([*model.THETA.values(), *model.START, 0.25])
    found = minimize(objective, first, jac=True, method="L-BFGS-B")
    p = np.exp(found.x)
    for name, value in zip((*NAMES, "hare 1900", "lynx 1900", "sigma"), p, strict=True):
        print(f"{name:10s} {value:8.4f}")
    print(
        f"minus log-likelihood {found.fun:.4f} after {found.nfev} gradients; largest component {np.abs(found.jac).max():.1e}"
    )
    draw(data, p)


def draw(data: dict[str, np.ndarray], p: np.ndarray) -> None:
    """The pelts, and both populations of the fitted model."""
    theta = dict(zip(NAMES, p[:4], strict=True))
    path = np.asarray(model.solve(theta, p[4:6], len(data["year"])))
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    for i, (name, colour) in enumerate((("hare", "#2c6e8f"), ("lynx", "#c05a2e"))):
        axes.plot(data["year"], data[name], "o", color=colour, label=f"{name}, pelts")
        axes.plot(data["year"], path[:, i], "-", color=colour, label=f"{name}, model")
    axes.set(xlabel="year", ylabel="thousands", title="Hudson's Bay Company pelts and the fitted Lotka-Volterra model")
    axes.xaxis.set_major_locator(matplotlib.ticker.MultipleLocator(4))
    axes.legend(frameon=False, ncols=2)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(HERE / "fit.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
