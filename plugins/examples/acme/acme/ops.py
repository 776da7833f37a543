"""Three ops: one with a rule, one around an opaque kernel, one that states half of its rule."""

from __future__ import annotations

from typing import Any

import numpy as np

from adcore.extend import Rule, Sample, elementwise, op


@op(
    "acme::softplus", elementwise=True, samples=(Sample(((2, 3),)), Sample(((),))),
    rule=elementwise(lambda y, x: 1.0 / (1.0 + np.exp(-x))),
)  # fmt: skip
def softplus(x: Any) -> Any:
    """log(1 + e^x), without overflow."""
    return np.logaddexp(x, np.zeros((), x.dtype))


@op(
    "acme::kepler", elementwise=True, samples=(Sample(((2, 3), (2, 3)), ((0.3, 2.8), (0.1, 0.7))),),
    rule=elementwise(
        lambda y, m, e: 1.0 / (1.0 - e * np.cos(y)),
        lambda y, m, e: np.sin(y) / (1.0 - e * np.cos(y)),
    ),
)  # fmt: skip
def kepler(m: Any, e: Any) -> Any:
    """The eccentric anomaly E of mean anomaly m and eccentricity e: E - e sin E = m.

    The iteration depends on values, so it could not be traced; the rule is the implicit function theorem,
    written in NumPy, and so can be differentiated again.
    """
    anomaly = m + e * np.sin(m)
    for _ in range(50):
        step = (anomaly - e * np.sin(anomaly) - m) / (1.0 - e * np.cos(anomaly))
        anomaly = anomaly - step
        if not np.any(np.abs(step) > 4 * np.finfo(anomaly.dtype).eps * np.abs(anomaly)):
            break
    return anomaly


def _rms_jvp(ts: Any, y: Any, x: Any) -> Any:
    """d rms = mean(x dx) / rms. The engine derives the reverse half by transposing this."""
    return np.mean(x * ts[0], axis=-1) / y


@op("acme::rms", rule=Rule(jvp=_rms_jvp), batch="core", samples=(Sample(((3,),)), Sample(((2, 5),))))
def rms(x: Any) -> Any:
    """The root of the mean square along the last axis."""
    return np.sqrt(np.mean(x * x, axis=-1))
