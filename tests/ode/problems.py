"""The reference problems, built from their definitions: a loss as a function of everything it depends on.

reference.json holds values and gradients to 20 digits, made by two integrators in 77-digit arithmetic
with complex steps, so no code is shared with what is tested.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import adcore as ad

DATA = json.loads(Path(__file__).with_name("reference.json").read_text())["problems"]
FUNCTIONS = {"sin": np.sin, "cos": np.cos, "exp": np.exp, "sqrt": np.sqrt, "log": np.log}


def compiled(text: str) -> Callable[..., Any]:
    code = compile(text, text, "eval")
    return lambda **names: eval(code, {**FUNCTIONS, **names})


@dataclass(frozen=True)
class Problem:
    name: str

    @property
    def definition(self) -> dict[str, Any]:
        return DATA[self.name]["definition"]

    @property
    def reference(self) -> dict[str, Any]:
        return DATA[self.name]["reference"]

    def __repr__(self) -> str:
        return self.name

    def names(self, t: Any, y: Any, p: dict[str, Any]) -> dict[str, Any]:
        """What an expression may use."""
        known = {"t": t, "y": y, **p}
        for name, text in self.definition.get("aux", []):
            known[name] = compiled(text)(**known)
        return known

    def vector(self, texts: list[str]) -> Callable[..., Any]:
        codes = [compiled(text) for text in texts]

        def f(t: Any, y: Any, p: Any) -> Any:
            known = self.names(t, y, p)
            return np.stack([c(**known) for c in codes])

        return f

    def number(self, text: str) -> Callable[..., Any]:
        code = compiled(text)
        return lambda t, y, p: code(**self.names(t, y, p))

    @property
    def times(self) -> np.ndarray:
        loss = self.definition["loss"]
        return np.array(loss["lsq"]["times"] if "lsq" in loss else [term["t"] for term in loss["terms"]])

    def arguments(self) -> dict[str, Any]:
        d = self.definition
        params = {k: float(v) for k, v in d["params"].items()}
        t0, t1 = map(float, d["t_span"])
        return {"params": params, "y0": np.array(d["y0"], float), "t0": t0, "t1": t1, "obs_times": self.times}

    def loss(self, method: str, rtol: float, **options: Any) -> Callable[..., Any]:
        """f(params, y0, t0, t1, obs_times) -> the loss."""
        d, parts = self.definition, self.definition["loss"]
        atol = d.get("check_atol", 1e-3 * rtol * np.max(np.abs(d["y0"])))
        events, jumps = self.events(), d.get("jumps", [])
        running = self.number(parts["running"]) if "running" in parts else None

        def f(params: Any, y0: Any, t0: Any, t1: Any, obs_times: Any) -> Any:
            sol = ad.solve_ivp(
                self.vector(d["rhs"]), (t0, t1), y0, method, obs_times, args=(params,), rtol=rtol, atol=atol,
                events=events, running=running, max_events=d.get("events", {}).get("count", 16),
                jumps=[(compiled(j["t"])(**params), self.vector(j["reset"])) for j in jumps], **options,
            )  # fmt: skip
            total = 0.0
            if "lsq" in parts:
                for c, row in zip(parts["lsq"]["components"], np.array(parts["lsq"]["data"]).T, strict=True):
                    total = total + parts["lsq"]["weight"] * np.sum((sol.y[c] - row) ** 2)
            for i, term in enumerate(parts.get("terms", [])):
                total = total + self.number(term["expr"])(obs_times[i], sol.y[:, i], params)
            if "terminal" in parts:
                total = total + self.number(parts["terminal"])(t1, sol.y_end, params)
            if running is not None:
                total = total + sol.running
            if "event_expr" in parts:
                total = total + compiled(parts["event_expr"])(te=sol.t_events[0], ye=sol.y_events[0])
            return total

        return f

    def events(self) -> Any:
        if "events" not in self.definition:
            return None
        d = self.definition["events"]
        g, reset = self.number(d["g"]), self.vector(d["reset"])
        event = lambda t, y, p: g(t, y, p)
        event.direction, event.reset = d["direction"], reset
        return event

    def truth(self) -> dict[str, Any]:
        """The gradient by block."""
        g = self.reference["gradient"]
        found = {"params": np.array([float(g["params"][k]) for k in self.definition["params"]])}
        for name in ("y0", "obs_times", "t0", "t1"):
            if name in g:
                found[name] = np.atleast_1d(np.array(g[name], float))
        return found


def errors(
    problem: Problem, method: str, rtol: float, gradient: Callable[..., Any] = ad.grad, **options: Any
) -> dict[str, float]:
    """The error of each block of the gradient over its largest entry, parameters weighted by their size."""
    args = problem.arguments()
    names = list(args)
    found = gradient(problem.loss(method, rtol, **options), wrt=names)(**args)
    result = {}
    for name, value in zip(names, found, strict=True):
        truth = problem.truth().get(name)
        if truth is None:
            continue
        weight = np.array(list(args["params"].values())) if name == "params" else 1.0
        flat = np.array(list(value.values())) if name == "params" else np.atleast_1d(value)
        at = problem.definition.get("grad_y0_index") if name == "y0" else None
        flat = flat if at is None else flat[at]
        result[name] = float(np.max(np.abs(weight * (flat - truth))) / np.max(np.abs(weight * truth)))
    return result
