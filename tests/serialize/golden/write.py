"""Golden files: graphs of one version of the format, kept and read by the tests for ever.

`python tests/serialize/golden/write.py` adds those that are missing for this version of the format and
never touches one that is there. `expected.json` has, per file, its identity, inputs, and outputs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import adcore as ad
from adcore.serialize.container import MAJOR

HERE = Path(__file__).parent


class Rates(NamedTuple):
    growth: Any
    loss: Any


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


def _branches(x: Any) -> Any:
    y = ad.cond(np.sum(x) > 0, lambda x: np.sin(x), lambda x: x * 2.0, x)
    return ad.while_loop(lambda y: np.sum(y * y) > 0.5, lambda y: y * 0.5, y)


TABLE = np.linspace(-1.0, 1.0, 60).reshape(12, 5)


def _sized(x: Any, w: Any) -> Any:
    return np.mean(np.sin(x @ w)) + np.sum(x * np.arange(len(x))[:, None]), x[1:] - x[:-1]


def _decay(y0: Any, k: Any, times: Any) -> Any:
    found = ad.solve_ivp(
        lambda t, y: -k * y[::-1], (0.0, 2.0), y0, t_eval=np.cumsum(times**2) / 2, rtol=1e-8, atol=1e-8
    )
    return found.y


def graphs() -> dict[str, ad.Graph]:
    """The graphs, by name."""
    predators = ad.trace(_predators, Rates(1.1, 0.4), np.array([1.0, 0.5]))
    network = ad.trace(_network, {"w": np.zeros((3, 5)), "b": np.zeros(5)}, np.zeros((7, 3)))
    decay = ad.trace(_decay, np.zeros(2), 0.5, np.zeros(3), dims={"times": ("n",)})
    sized = ad.trace(_sized, np.zeros((5, 3)), np.zeros(3), dims={"x": ("n", 3)})
    table = ad.trace(lambda x: {"y": TABLE @ x, "up": x < TABLE[0], "n": np.int8(3) * (x > 0)}, np.zeros(5))
    return {
        "table": table,
        "predators": predators,
        "predators_vjp": ad.differentiate(predators, "vjp"),
        "predators_vjp_jvp": ad.differentiate(ad.differentiate(predators, "vjp"), "jvp"),
        "network": network,
        "network_jvp": ad.differentiate(network, "jvp"),
        "branches": ad.trace(_branches, np.zeros(3)),
        "branches_vjp": ad.differentiate(ad.trace(_branches, np.zeros(3)), "vjp"),
        "decay": decay,
        "decay_vjp": ad.differentiate(decay, "vjp"),
        "sized": sized,
        "sized_vjp": ad.differentiate(sized, "vjp"),
    }  # fmt: skip


def inputs(graph: ad.Graph) -> list[Any]:
    """Fixed inputs of a graph without named sizes."""
    shapes = [v.type.shape for v in graph.inputs]
    return [
        np.asarray(np.cos(np.arange(np.prod(s, dtype=int)) + i).reshape(s) * 0.5 + 0.25).astype(v.type.dtype)
        for i, (s, v) in enumerate(zip(shapes, graph.inputs, strict=True))
    ]


def numbers(graph: ad.Graph) -> list[Any]:
    """The outputs at the fixed inputs."""
    static = graph.at(**dict.fromkeys(graph.dims, 4)) if graph.dims else graph
    return [np.asarray(y).tolist() for y in static.compile().all(*inputs(static))]


def main() -> None:
    """Add the files that are missing."""
    record = HERE / "expected.json"
    expected = json.loads(record.read_text()) if record.exists() else {}
    for name, graph in graphs().items():
        file = f"v{MAJOR}_{name}.adg"
        if file not in expected:
            graph.save(HERE / file)
            expected[file] = {"identity": graph.identity, "outputs": numbers(graph)}
            print(f"{file}: {graph.identity}")
    record.write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
