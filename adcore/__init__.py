"""Exact derivatives of NumPy models, as graphs you can save, within a memory budget you can state in bytes.

>>> import numpy as np
>>> import adcore as ad
>>> f = lambda x1, x2: x1 * x2 + np.sin(x1)
>>> ad.value_and_grad(f, wrt=[0, 1])(2.0, 3.0)
(np.float64(6.909297426825682), (np.float64(2.5838531634528574), np.float64(2.0)))
"""

import adcore.plugins  # noqa: F401  (fills the registry's doors)
from adcore.api import differentiate, grad, hessian, hvp, jacobian, jvp, plan, trace, value_and_grad, vjp
from adcore.control import check, cond, region, report, scan, while_loop
from adcore.errors import AdcoreError
from adcore.files import load, loads
from adcore.graph import Graph
from adcore.implicit import root
from adcore.ode import solve_ivp
from adcore.opdef import op
from adcore.plan.steps import Plan
from adcore.sparse import sparse_hessian, sparse_jacobian
from adcore.tracer import Tracer
from adcore.vector import vmap

__all__ = [
    "AdcoreError",
    "Graph",
    "Plan",
    "Tracer",
    "check",
    "cond",
    "differentiate",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "load",
    "loads",
    "op",
    "plan",
    "region",
    "report",
    "root",
    "scan",
    "solve_ivp",
    "sparse_hessian",
    "sparse_jacobian",
    "trace",
    "value_and_grad",
    "vjp",
    "vmap",
    "while_loop",
]


def __getattr__(name: str) -> object:
    """What is imported when it is first asked for: `testing`, `random`, `scipy`, `conv` and `hookimpl`."""
    import importlib

    if name in ("testing", "random", "scipy"):
        return importlib.import_module(f"adcore.{name}")
    if name == "conv":
        return importlib.import_module("adcore.convolution").conv
    if name == "hookimpl":
        return importlib.import_module("adcore.hookspecs").hookimpl
    raise AttributeError(f"module 'adcore' has no attribute {name!r}")
