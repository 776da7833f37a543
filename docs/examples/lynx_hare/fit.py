"""Fit the lynx-and-hare model with gradients of the saved graph, and plot the fit over the data.

    python docs/examples/lynx_hare/fit.py

Reads model.adg beside this file (job.toml says how it is made), minimises over the logarithms of all
parameters with scipy.optimize.minimize, and writes fit.svg. The gradients come from the graph; the
source of the model is used only to draw its curve.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import model
import numpy as np
from scipy.optimize import minimize

import adcore as ad

HERE = Path(__file__).parent
RATES = ("alpha", "beta", "gamma", "delta")
NAMES = (*RATES, "hare 1900", "lynx 1900", "sigma")


def arguments(p: Any) -> tuple[Any, Any, Any]:
    """theta, start and sigma from all parameters in a row: (7,)."""
    return dict(zip(RATES, p[:4], strict=True)), p[4:6], p[6]


def fit(loss: ad.Graph, data: dict[str, Any]) -> Any:
    """What minimises the loss: the result of scipy.optimize.minimize, whose x are logarithms of parameters."""
    both = ad.differentiate(loss, "value_and_grad", wrt=["theta", "start", "sigma"])

    def objective(logs: Any) -> tuple[float, Any]:
        p = np.exp(logs)
        value, (d_theta, d_start, d_sigma) = both(*arguments(p), data["hare"], data["lynx"])
        return float(value), p * np.concatenate([[d_theta[name] for name in RATES], d_start, [d_sigma]])

    guess = np.log([*model.THETA.values(), *model.START, 0.25])
    return minimize(objective, guess, jac=True, method="L-BFGS-B", options={"ftol": 1e-14, "gtol": 1e-7})


def draw(data: dict[str, Any], p: Any, path: Path) -> None:
    """The pelts, both populations of the fitted model, and one sigma of the log-normal spread about them."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "lynx and hare"  # the same picture, byte for byte, every time
    import matplotlib.pyplot as plt

    theta, start, sigma = arguments(p)
    curve = np.asarray(model.trajectory(theta, start, len(data["year"]) - 1))
    time = data["year"][0] + np.arange(len(curve)) / model.STEPS_PER_YEAR
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    for i, (name, colour, at) in enumerate((("hare", "#2c6e8f", (1911.4, 66)), ("lynx", "#c05a2e", (1915.6, 48)))):
        low, high = curve[:, i] * np.exp(-sigma), curve[:, i] * np.exp(sigma)
        axes.fill_between(time, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(time, curve[:, i], color=colour)
        axes.plot(data["year"], data[name], "o", color=colour, markersize=5)
        axes.text(*at, name, color=colour, fontweight="bold", ha="right" if i == 0 else "left")
    axes.set_title("Pelts of the Hudson's Bay Company, and the fitted Lotka-Volterra model", loc="left")
    axes.set(ylabel="thousands of pelts a year", xlim=(1899.5, 1920.5), ylim=(0, None))
    axes.xaxis.set_major_locator(mpl.ticker.MultipleLocator(4))
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Load, fit, report, draw."""
    data = model.pelts()
    found = fit(ad.load(HERE / "model.adg"), data)
    p = np.exp(found.x)
    for name, value in zip(NAMES, p, strict=True):
        print(f"{name:10s} {value:8.4f}")
    print(f"minus log-likelihood {found.fun:.4f} after {found.nfev} gradients, the last {np.abs(found.jac).max():.0e}")
    draw(data, p, HERE / "fit.svg")


if __name__ == "__main__":
    main()
