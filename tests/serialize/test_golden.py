"""Files of earlier versions, kept as they were written: they are read for ever, and mean what they meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden.write import numbers

import adcore as ad
from adcore.serialize.verify import verify

GOLDEN = Path(__file__).parent / "golden"
EXPECTED: dict[str, Any] = json.loads((GOLDEN / "expected.json").read_text())


def test_every_golden_file_is_known() -> None:
    assert sorted(p.name for p in GOLDEN.glob("*.adg")) == sorted(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_golden_file_means_what_it_meant(name: str) -> None:
    found = verify(GOLDEN / name)
    graph = ad.load(GOLDEN / name)
    assert found.identity == graph.identity == EXPECTED[name]["identity"]
    for y, wanted in zip(numbers(graph), EXPECTED[name]["outputs"], strict=True):
        np.testing.assert_allclose(y, wanted, rtol=1e-12)
    for kind in ("vjp", "jvp"):
        assert ad.differentiate(graph, kind).dumps()
