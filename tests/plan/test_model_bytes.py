"""Predicted against measured peak on realistic models, under budgets from the least to all that is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import adcore as ad
from adcore.transform.simplify import simplify
from adcore_strategies.planners.ways import Ways
from tests.plan.measured import run, true_to_the_byte
from tests.plan.models import Model, network, unet, wave

SMALL: dict[str, Callable[[], Model]] = {
    "wave": lambda: wave(600, 500),
    "network": lambda: network(10, 32, 64),
    "unet": lambda: unet(2, 16_384),
}
LARGE: dict[str, Callable[[], Model]] = {"wave": wave, "network": network, "unet": unet}


def check_bytes(model: Model, effort: str) -> None:
    f, args = model
    graph = simplify(ad.differentiate(ad.trace(f, *args), "grad", wrt=[0, 1]))
    ways = Ways(graph, effort=effort)
    low, high = ways.least.way.nbytes, ways.plain.nbytes
    assert low < high
    whole: Any = None
    for part in (100, 60, 30, 15, 5):
        budget = low + (high - low) * part // 100
        way = ways.within(budget)
        assert way is not None
        predicted = way.plan.cost.peak_bytes
        assert predicted <= budget
        found, measured = run(way.plan, args)
        whole = whole or found
        assert found == whole
        assert true_to_the_byte(predicted, measured)


@pytest.mark.parametrize("name", SMALL)
def test_the_measured_peak_is_the_predicted_one_under_five_budgets(name: str) -> None:
    check_bytes(SMALL[name](), "quick")


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_large_models_are_true_to_the_byte_too(name: str) -> None:
    check_bytes(LARGE[name](), "normal")
