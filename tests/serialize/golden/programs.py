"""The programs of the golden files: trails, initial-value problems, named sizes, every dtype, plans.

A program may be changed or left out when its files are written; the files stay.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

import adcore as ad
from adcore.plan.schedule import Schedule
from adcore.registry import registry
from adcore.types import DTYPES


class Rates(NamedTuple):
    growth: Any
    loss: Any


@dataclass
class Layer:
    weights: Any
    bias: Any


def _predators(rates: Rates, y0: Any) -> Any:
    def step(y: Any, _: Any) -> Any:
        prey, hunters = y[0], y[1]
        rise = np.stack([rates.growth * prey - prey * hunters, prey * hunters - rates.loss * hunters])
        return y + 0.05 * rise, y

    return ad.scan(step, y0, None, length=12)


def _network(params: Any, x: Any) -> Any:
    h = ad.region(lambda h: np.tanh(h @ params["w"] + params["b"]), name="layer")(x)
    ad.check(np.sum(h) < 100.0, "the sum is {0:.3g}, too large", np.sum(h))
    ad.report("mean", np.mean(h))
    return {"loss": np.sum(h**2), "parts": [h[::2, 1:], x.astype(np.float32)]}


def _layers(layers: Any, x: Any, how: str) -> Any:
    for layer in layers:
        x = np.sin(x @ layer.weights) + layer.bias
    return np.sum(x) if how == "sum" else x


def _branches(x: Any) -> Any:
    y = ad.cond(np.sum(x) > 0, lambda x: np.sin(x), lambda x: x * 2.0, x)
    return ad.while_loop(lambda y: np.sum(y * y) > 0.5, lambda y: y * 0.5, y)


def _nested(x: Any, w: Any) -> Any:
    def row(c: Any, v: Any) -> Any:
        inner, _ = ad.scan(lambda s, u: (np.sin(s) * u, None), c, v)
        return inner + x, inner

    return ad.scan(row, x, w)


TABLE = np.linspace(-1.0, 1.0, 60).reshape(12, 5)


def _table(x: Any) -> Any:
    return {"y": TABLE @ x, "up": x < TABLE[0], "n": np.int8(3) * (x > 0)}


def _dtypes(xs: Any) -> Any:
    """An input, a small constant and a tensor of every dtype."""
    small, large = np.arange(3) % 2, np.arange(70) % 2
    return {name: np.concatenate([x, small.astype(name), large.astype(name)]) for name, x in xs.items()}


def _sized(x: Any, w: Any) -> Any:
    return np.mean(np.sin(x @ w)) + np.sum(x * np.arange(len(x))[:, None]), x[1:] - x[:-1]


def _domains(a: Any, b: Any, seed: Any) -> Any:
    m = a @ a.T + np.eye(3)
    noise = ad.random.normal(ad.random.fold_in(ad.random.key(7), seed), shape=(3,))
    return {
        "solved": np.linalg.solve(m, b), "det": np.linalg.slogdet(m)[1], "waves": np.abs(np.fft.rfft(b * 2.0)),
        "sorted": np.sort(a, axis=0)[:, np.argmax(b)], "noisy": ad.scipy.special.erf(b) + noise,
        "picked": a[np.array([2, 0])].cumsum(axis=1),
    }  # fmt: skip


def _decay(y0: Any, k: Any, times: Any) -> Any:
    found = ad.solve_ivp(
        lambda t, y: -k * y[::-1], (0.0, 2.0), y0, t_eval=np.cumsum(times**2) / 2, rtol=1e-8, atol=1e-8
    )
    return found.y


def _pendulum(method: str) -> Any:
    def f(y0: Any, k: Any) -> Any:
        steps = 8 if method == "RK4" else None
        rise = lambda t, y, k: np.stack([y[1], -k * np.sin(y[0]) - 0.1 * y[1]])
        found = ad.solve_ivp(rise, (0.0, 1.0), y0, method, np.array([0.3, 1.0]), args=(k,), rtol=1e-6, steps=steps)
        return found.y

    return f


def _bouncing(y0: Any, g: Any) -> Any:
    def ground(t: Any, y: Any, g: Any) -> Any:
        return y[0]

    ground.direction, ground.terminal = -1, 3  # type: ignore[attr-defined]
    ground.reset = lambda t, y, g: np.stack([-y[0], -0.8 * y[1]])  # type: ignore[attr-defined]
    found = ad.solve_ivp(
        lambda t, y, g: np.stack([y[1], -g + 0.0 * t]), (0.0, 4.0), y0, "Tsit5", events=[ground], args=(g,),
        jumps=[(0.5, lambda t, y, g: y * 0.9)], running=lambda t, y, g: y[1] ** 2, controller="PI", max_events=4,
    )  # fmt: skip
    return found.y, found.t_events, found.running


def _algebraic(y0: Any, k: Any) -> Any:
    rise = lambda t, y: np.stack([-k * y[0] + y[1], y[0] + y[1] - 1.0])
    start = np.stack([y0[0], 1.0 - y0[0]])
    return ad.solve_ivp(rise, (0.0, 1.0), start, "Radau", mass=np.array([1.0, 0.0]), rtol=1e-5).y


def _heat(y0: Any, k: Any) -> Any:
    def rise(t: Any, y: Any) -> Any:
        inner = np.concatenate([y[:1], y, y[-1:]])
        return k * (inner[2:] - 2.0 * y + inner[:-2]) * 40.0

    return ad.solve_ivp(rise, (0.0, 0.1), y0, "ESDIRK4", rtol=1e-5).y


def _by(method: str) -> dict[str, Any]:
    return {"strategy": {"name": "ode_adjoint", "ode_adjoint": {"method": method}}}


def _odes() -> dict[str, ad.Graph]:
    """Each stepper with its adjoint, each method of differentiating, and what else the op can be told."""
    y0 = np.array([1.0, 0.5])
    steppers = [name for name in registry().steppers if not name.startswith("CVODE")]  # needs a package to run
    traced = {f"ode_{name}": ad.trace(_pendulum(name), y0, 2.0) for name in steppers}
    traced |= {
        "ode_bouncing": ad.trace(_bouncing, y0, 9.81),
        "ode_algebraic": ad.trace(_algebraic, y0, 2.0),
        "ode_heat": ad.trace(_heat, np.zeros(30), 0.7),
        "ode_heat_sized": ad.trace(_heat, np.zeros(30), 0.7, dims={"y0": ("n",)}),
    }
    found = dict(traced)
    for name, graph in traced.items():
        method = "gauss" if name.removeprefix("ode_").startswith(("BDF", "LSODA", "SciPy")) else "discrete"
        found[f"{name}_vjp"] = ad.differentiate(graph, "vjp", config=_by(method))
    for method in ("forward", "interpolating", "gauss", "backsolve"):
        found[f"ode_by_{method}"] = ad.differentiate(traced["ode_RK45"], "vjp", config=_by(method))
    found["ode_RK45_jvp"] = ad.differentiate(traced["ode_RK45"], "jvp")
    return found


def graphs() -> dict[str, ad.Graph]:
    """The graphs, by name."""
    predators = ad.trace(_predators, Rates(1.1, 0.4), np.array([1.0, 0.5]))
    network = ad.trace(_network, {"w": np.zeros((3, 5)), "b": np.zeros(5)}, np.zeros((7, 3)))
    layers = [Layer(np.zeros((3, 5)), np.zeros(5)), Layer(np.zeros((5, 2)), np.zeros(2))]
    decay = ad.trace(_decay, np.zeros(2), 0.5, np.zeros(3), dims={"times": ("n",)})
    sized = ad.trace(_sized, np.zeros((5, 3)), np.zeros(3), dims={"x": ("n", 3)})
    traced = {
        "predators": predators,
        "network": network,
        "layers": ad.trace(_layers, layers, np.zeros((7, 3)), "sum"),
        "branches": ad.trace(_branches, np.zeros(3)),
        "nested": ad.trace(_nested, 0.5, np.zeros((5, 3))),
        "table": ad.trace(_table, np.zeros(5)),
        "dtypes": ad.trace(_dtypes, {name: np.zeros(2, name) for name in sorted(DTYPES)}),
        "sized": sized,
        "domains": ad.trace(_domains, np.zeros((3, 3)), np.zeros(3), np.int64(7)),
        "decay": decay,
    }
    derived = {f"{name}_vjp": ad.differentiate(graph, "vjp") for name, graph in traced.items()}
    return {
        **traced,
        **derived,
        "network_jvp": ad.differentiate(network, "jvp"),
        "predators_vjp_jvp": ad.differentiate(derived["predators_vjp"], "jvp"),
        "sized_vjp_jvp": ad.differentiate(derived["sized_vjp"], "jvp"),
        "layers_hessian": ad.differentiate(traced["layers"], "hessian"),
        **_odes(),
    }


PLANS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("network_vjp", {}),
    "recomputed": ("layers_vjp", {"memory": 1824}),
    "binomial": ("predators_vjp", {"snapshots": 3}),
    "two_level": ("predators_vjp", {"snapshots": 3}),
    "mixed": ("predators_vjp", {"memory": 1184}),
    "online": ("branches_vjp", {"snapshots": 3}),
    "ode": ("ode_RK45_vjp", {"snapshots": 4}),
    "nested": ("nested_vjp", {"snapshots": 2}),
}
"""Plans of these graphs, by what they show, and what they are asked to keep."""


def plan(name: str, graph: ad.Graph) -> ad.Plan:
    """The plan of that name."""
    found = ad.plan(graph, strategy="checkpointed", **PLANS[name][1])
    if name == "two_level":
        fields = {"memory": 2, "disk": 2, "forward": 1.0, "write": 2.0, "read": 2.0, "leaf": 1}
        schedule = Schedule.from_data(["two_level", fields])
        found = replace(found, trails=dict.fromkeys(found.trails, schedule))
    return found
