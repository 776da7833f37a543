"""Solutions of equations of second order, which SciPy gives as values and slopes, by order, parameter and argument.

y'' is what the equation says, so (y, y')' = (y', y''). Orders and parameters have no derivative.

pbdv, pbvv    y'' = (x^2 / 4 - v - 1/2) y          pbwa          y'' = (a - x^2 / 4) y
mathieu       y'' = (2 q cos 2x - a) y, x in degrees, y' per radian
modified      y'' = (a - 2 q cosh 2x) y
Source: DLMF 12.2.2, 12.2.3, 28.2.1, 28.20.1.

Each part is an op, because an op of several results cannot refuse the derivative in one of its arguments alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from adcore.extend import Op, Sample
from adcore_ops.special.row import ANY, FUNCTIONS, ORDER, arrays, no_partial, row, sp

Equation = Callable[..., Any]
"""y'' from (y, y', *args)."""

DEGREE = math.pi / 180.0


def _pair(
    name: str, frozen: tuple[str, ...], equation: Equation, ranges: tuple[tuple[float, float], ...], unit: float = 1.0
) -> list[Op]:
    """The two ops of a function. frozen: its arguments before the last. unit: of the argument, in that of slopes."""
    value, slope = (getattr(sp, f"{name}_{part}") for part in ("value", "slope"))
    refused = [no_partial(name, what) for what in frozen]
    FUNCTIONS[f"scipy.special:{name}"] = lambda *args: (value(*args), slope(*args))

    def op(part: int, partial: Callable[..., Any]) -> Op:
        return row(
            f"{name}_{('value', 'slope')[part]}", *refused, partial, ranges=ranges, orders=len(frozen), run=name,
            part=part, records=(), out=False, heap=arrays(48),
        )  # fmt: skip

    return [
        op(0, lambda y, *args: unit * slope(*args)),
        op(1, lambda y, *args: unit * equation(value(*args), y, *args)),
    ]


def _mathieu(name: str, characteristic: Callable[..., Any]) -> list[Op]:
    def equation(y: Any, dy: Any, m: Any, q: Any, x: Any) -> Any:
        return (2.0 * q * np.cos(2.0 * DEGREE * x) - characteristic(m, q)) * y

    return _pair(name, ("order", "parameter"), equation, (ORDER, ORDER, (10.0, 80.0)), DEGREE)


def _modified(name: str, characteristic: Callable[..., Any]) -> list[Op]:
    def equation(y: Any, dy: Any, m: Any, q: Any, x: Any) -> Any:
        return (characteristic(m, q) - 2.0 * q * np.cosh(2.0 * x)) * y

    return _pair(name, ("order", "parameter"), equation, (ORDER, ORDER, (0.3, 0.9)))


OPS: list[Op] = [
    *_pair("pbdv", ("order",), lambda y, dy, v, x: (0.25 * x * x - v - 0.5) * y, (ORDER, ANY)),
    *_pair("pbvv", ("order",), lambda y, dy, v, x: (0.25 * x * x - v - 0.5) * y, (ORDER, ANY)),
    *_pair("pbwa", ("parameter",), lambda y, dy, a, x: (a - 0.25 * x * x) * y, (ORDER, ANY)),
    *_mathieu("mathieu_cem", sp.mathieu_a),
    *_mathieu("mathieu_sem", sp.mathieu_b),
    *_modified("mathieu_modcem1", sp.mathieu_a),
    *_modified("mathieu_modcem2", sp.mathieu_a),
    *_modified("mathieu_modsem1", sp.mathieu_b),
    *_modified("mathieu_modsem2", sp.mathieu_b),
    *(
        row(
            name, no_partial(name, "order"), no_partial(name, "parameter"), ranges=(ORDER, ORDER), orders=1,
            samples=(Sample(((2, 3), (2, 3)), ((1.0, 4.0), (1.0, 4.0)), dtypes=("int64", "int64")),),
        )
        for name in ("mathieu_a", "mathieu_b")
    ),
]  # fmt: skip
