"""Tracers: handles that name a value of a graph while Python runs, and behave like NumPy arrays.

A tracer may be rebound: `x[0] = 1` and `x += 1` record a new value and let the handle name it. A
view (basic index, transpose, reshape) keeps its base: it is read again when the base has changed,
and a write through it rebinds the base. Scalars and arrays are two classes, because NumPy asks an
object for `len` and items before it asks whether it can be converted, and would hide our error.
"""

from adcore import registry as _registry
from adcore.trace import apply
from adcore.tracer.calls import has_tracer, restack
from adcore.tracer.handle import ArrayTracer, ScalarTracer, Tracer, handle
from adcore.tracer.operators import set_operators

__all__ = ["ArrayTracer", "ScalarTracer", "Tracer", "handle", "has_tracer", "restack"]

set_operators()
_registry.doors["apply"] = apply
