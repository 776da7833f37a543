"""The namespace that the array API's tests are run on gives NumPy's values, by graphs."""

from __future__ import annotations

import numpy as np
import pytest
from conformance import array_api as xp

import adcore as ad


@pytest.mark.parametrize("name", ["sin", "add", "concat", "std", "matmul", "permute_dims", "result_type", "arange"])
def test_the_traced_namespace_has_numpys_values(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.linspace(0.5, 2.0, 9).reshape(3, 3)
    args = {"add": (x, 2), "concat": ([x, x],), "matmul": (x, x), "permute_dims": (x, (1, 0)), "arange": (7,)}.get(
        name, (x,)
    )
    made = []
    trace = ad.trace
    monkeypatch.setattr(ad, "trace", lambda *a: made.append(trace(*a)) or made[-1])
    found, wanted = getattr(xp, name)(*args), getattr(np, name)(*args)
    assert np.array_equal(found, wanted)
    assert len(made) == (name not in ("result_type", "arange"))
