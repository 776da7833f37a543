"""Other systems, where they are installed: each as a function that makes a gradient of a function of arrays.

    peers(f, args) -> {"autograd": ..., "JAX jit": ..., "torch": ...}

f(F, *args) is written once, in terms of a namespace F that has NumPy's names.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any


def installed(name: str) -> Any:
    """The module, or None."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


class Torch:
    """torch under the names of NumPy that the benchmarks use."""

    def __init__(self, torch: Any) -> None:
        self.torch = torch
        for name in ("sin", "cos", "tanh", "exp", "log", "matmul"):
            setattr(self, name, getattr(torch, name))

    def sum(self, x: Any, axis: Any = None) -> Any:
        """np.sum."""
        return x.sum() if axis is None else x.sum(dim=axis)

    def max(self, x: Any, axis: Any, keepdims: bool) -> Any:
        """np.max."""
        return x.amax(dim=axis, keepdim=keepdims)

    def concatenate(self, xs: Any, axis: int) -> Any:
        """np.concatenate."""
        return self.torch.cat(xs, dim=axis)

    def roll(self, x: Any, shift: int) -> Any:
        """np.roll of a vector."""
        return self.torch.roll(x, shift, 0)


def peers(f: Callable[..., Any], args: Sequence[Any], wrt: int) -> dict[str, Callable[[], Any]]:
    """For each system that is installed, a call that gives the gradients of f by its first `wrt` arguments."""
    found: dict[str, Callable[[], Any]] = {}
    autograd = installed("autograd")
    if autograd is not None:
        numpy = importlib.import_module("autograd.numpy")
        gradient = autograd.grad(lambda own, rest: f(numpy, *own, *rest))
        found["autograd"] = lambda: gradient(tuple(args[:wrt]), tuple(args[wrt:]))
    jax = installed("jax")
    if jax is not None:
        found["JAX jit"] = _jax(jax, f, args, wrt)
    torch = installed("torch")
    if torch is not None:
        space = Torch(torch)
        own = [torch.tensor(a, requires_grad=True) for a in args[:wrt]]
        rest = [torch.tensor(a) for a in args[wrt:]]
        found["torch"] = lambda: torch.autograd.grad(f(space, *own, *rest), own)
    return found


def _jax(jax: Any, f: Callable[..., Any], args: Sequence[Any], wrt: int) -> Callable[[], Any]:
    jax.config.update("jax_enable_x64", True)
    gradient = jax.jit(jax.grad(lambda own, rest: f(jax.numpy, *own, *rest)))
    own, rest = tuple(map(jax.numpy.asarray, args[:wrt])), tuple(map(jax.numpy.asarray, args[wrt:]))
    return lambda: jax.block_until_ready(gradient(own, rest))
