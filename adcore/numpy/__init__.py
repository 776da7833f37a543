"""A drop-in for NumPy: `import adcore.numpy as np` in place of `import numpy as np`.

Plain NumPy already works on traced arrays wherever NumPy asks them. Where it does not, this namespace
does: arrays built of traced numbers, lists of traced numbers given to functions, real arrays indexed by
traced ones, and arrays that are made to be written to. Everything else is NumPy's own.

>>> import adcore as ad
>>> import adcore.numpy as np
>>> def path(v):
...     x = np.zeros(3)             # traced while `path` is traced, so it may be written to
...     for i in range(2):
...         x[i + 1] = x[i] + v
...     return np.max([x[1], x[2]])  # a list of traced numbers
>>> ad.grad(path)(0.5)
np.float64(2.0)
"""

from __future__ import annotations

from typing import Any

import numpy as _np

from adcore.numpy import fft, linalg, math
from adcore.numpy.made import arange, array, asarray, empty, full, ones, zeros
from adcore.numpy.passed import passed

asanyarray = asarray
ascontiguousarray = asarray

__all__ = [
    "arange", "array", "asanyarray", "asarray", "ascontiguousarray", "empty", "fft", "full", "linalg", "math", "ones",
    "zeros",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    return passed(_np, name)


def __dir__() -> list[str]:
    return sorted({*dir(_np), "math"})
