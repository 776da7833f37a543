"""numpy.linalg, for traced arrays wherever they stand among the arguments."""

from __future__ import annotations

from typing import Any

import numpy as _np

from adcore.numpy.passed import passed


def __getattr__(name: str) -> Any:
    return passed(_np.linalg, name)


def __dir__() -> list[str]:
    return dir(_np.linalg)
