"""Initial-value problems: the op `core::solve_ivp`, its steppers, and how it is differentiated.

explicit, dop853, implicit    the methods
integrate   the adaptive loop: mesh, observations, events, resets
locate      where on a step an event lies; the first step size
whole       solvers of other packages: SciPy's, CVODE of SUNDIALS
op          the op
replay      the realised mesh run again as a loop of the graph: the discrete derivative
adjoint, backsolve      the adjoint ODE, integrated backwards
steady      the implicit function theorem
crossing, algebraic     what it does at events and jumps, and with a mass matrix
methods     how the op may be differentiated, by name
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adcore_ops.ode.dop853 import DOP853
from adcore_ops.ode.explicit import RK4, RK23, RK45, TSIT5
from adcore_ops.ode.implicit import ESDIRK3, ESDIRK4, ESDIRK5, RADAU
from adcore_ops.ode.methods import METHODS
from adcore_ops.ode.op import SOLVE
from adcore_ops.ode.whole import SOLVERS

OPS = [SOLVE]
FUNCTIONS: dict[Any, Callable[..., Any]] = {}
STEPPERS = [RK4, RK23, RK45, TSIT5, DOP853, ESDIRK3, ESDIRK4, ESDIRK5, RADAU, *SOLVERS]

__all__ = ["FUNCTIONS", "METHODS", "OPS", "STEPPERS"]
