"""The figures of the page on ODEs can be drawn again."""

import importlib.util
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="needs the extra `example`")
def test_both_figures_name_their_curves(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import plot_ode

    monkeypatch.setattr(plot_ode, "ROUNDS", 1)
    monkeypatch.setattr(plot_ode, "SOLVERS", {"lotka_volterra": ("RK23", "Tsit5"), "robertson_t40": ("Radau",)})
    monkeypatch.setattr(plot_ode, "METHODS", {("lotka_volterra", "Tsit5"): ("discrete", "gauss")})
    plot_ode.draw(tmp_path, [1e-3])
    for file, curves in (("ode_solvers.svg", plot_ode.SOLVERS), ("ode_methods.svg", plot_ode.METHODS)):
        text = (tmp_path / file).read_text()
        assert all(f">{name}</text>" in text for names in curves.values() for name in names)
    sys.modules.pop("plot_ode")
