"""Golden files: graphs and plans of one version of the format, kept and read by the tests for ever.

`python tests/serialize/golden/write.py` adds those that are missing for this version of the format and
never touches one that is there. `expected.json` has, per file, its identity and outputs at fixed inputs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

import adcore as ad
from adcore.serialize.container import MAJOR
from adcore.serialize.shard import encode

HERE = Path(__file__).parent


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
    return [plain(y) for y in static.compile().all(*inputs(static))]


def plain(y: Any) -> Any:
    """An array as JSON takes it; complex numbers as pairs."""
    y = np.asarray(y)
    return (np.stack([y.real, y.imag], -1) if y.dtype.kind == "c" else y).tolist()


def arrays() -> dict[str, Any]:
    """What the golden shard holds: an array of every dtype."""
    from adcore.serialize.shard import DTYPES

    return {name: (np.arange(6).reshape(2, 3) % 2).astype(name) for name in DTYPES}


def main() -> None:
    """Add the files that are missing."""
    sys.path.insert(0, str(HERE.parent))
    from golden.programs import PLANS, graphs, plan

    record = HERE / "expected.json"
    expected = json.loads(record.read_text()) if record.exists() else {}
    made = graphs()
    for name, graph in made.items():
        file = f"v{MAJOR}_{name}.adg"
        if file not in expected:
            graph.save(HERE / file)
            expected[file] = {"identity": graph.identity, "outputs": numbers(graph)}
    for name, (of, _) in PLANS.items():
        file = f"v{MAJOR}_{name}.plan"
        if file not in expected:
            found = plan(name, made[of])
            (HERE / file).write_bytes(found.dumps())
            expected[file] = {
                "graph": f"v{MAJOR}_{of}.adg", "steps": len(found.steps), "forward_steps": found.cost.forward_steps,
                "schedules": [schedule.to_data() for schedule in found.trails.values()],
            }  # fmt: skip
    file = f"v{MAJOR}_arrays.shard"
    if file not in expected:
        (HERE / file).write_bytes(encode(arrays(), {"told": ["text", 1, True, None, 0.5]}))
        expected[file] = {}
    record.write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
