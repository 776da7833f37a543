"""Derivatives of functions, as functions of the same arguments. f is a Python callable or a Graph, everywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from adcore.backend import Program
from adcore.compose import differentiate
from adcore.errors import InputError
from adcore.evaluate import is_recorded, program_of, run_leaves
from adcore.graph import Graph
from adcore.remember import Remembered
from adcore.select import Which, checked, select_inputs, select_outputs
from adcore.settings import choose
from adcore.strategy import Choice, Request
from adcore.tracer import Tracer
from adcore.tracing import is_leaf
from adcore.tree import flatten, flatten_as, paths, unflatten


def grad(f: Callable[..., Any], wrt: Which = 0, **options: Any) -> Callable[..., Any]:
    """The gradient of a function that returns one real number, as a function of the same arguments.

    wrt: position, name or path ("params.w") of an argument, or a list of them (then a tuple comes back).
    options: strategy=, memory=, snapshots=, config=, backend=; holomorphic=True for a complex function.
    Returns: what has the nesting and shapes of the argument.
    Raises: DifferentiationError when f does not return one real number, or wrt has no derivative.

    >>> import numpy as np
    >>> grad(lambda x1, x2: x1 * x2 + np.sin(x1), wrt=[0, 1])(2.0, 3.0)
    (np.float64(2.5838531634528574), np.float64(2.0))
    """
    derivative = Derivative(f, "grad", wrt, options)

    def gradient(*args: Any, **kwargs: Any) -> Any:
        return derivative(args, kwargs)

    return _named(gradient, f, "grad")


def value_and_grad(f: Callable[..., Any], wrt: Which = 0, **options: Any) -> Callable[..., Any]:
    """The value and the gradient in one pass; see `grad`.

    >>> value_and_grad(lambda x: x * x)(3.0)
    (np.float64(9.0), np.float64(6.0))
    """
    derivative = Derivative(f, "value_and_grad", wrt, options)

    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        return derivative(args, kwargs)

    return _named(value_and_gradient, f, "value_and_grad")


def jacobian(f: Callable[..., Any], wrt: Which = 0, **options: Any) -> Callable[..., Any]:
    """The Jacobian: for a result of shape s and an argument of shape t, an array of shape s + t.

    Nested results give nested Jacobians. Forward or reverse by the fewer passes, unless strategy= says.

    >>> import numpy as np
    >>> jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    derivative = Derivative(f, "jacobian", wrt, options)

    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        return derivative(args, kwargs)[1]

    return _named(jacobian_of, f, "jacobian")


def hessian(f: Callable[..., Any], wrt: Which = 0, **options: Any) -> Callable[..., Any]:
    """The Hessian of a function that returns one real number: shape t + t for an argument of shape t.

    >>> import numpy as np
    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    derivative = Derivative(f, "hessian", wrt, options)

    def hessian_of(*args: Any, **kwargs: Any) -> Any:
        return derivative(args, kwargs)[1]

    return _named(hessian_of, f, "hessian")


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], **options: Any) -> tuple[Any, Any]:
    """(y, y_dot): the result and its derivative along the tangents, by forward mode.

    primals, tangents: one per positional argument, of the same nesting and shapes; a tangent may be None for zero.

    >>> jvp(lambda x: x**3, (2.0,), (1.0,))
    (np.float64(8.0), np.float64(12.0))
    """
    seeds = _seeds(tuple(tangents), tuple(primals), "tangents")
    y, y_dot = Derivative(f, "jvp", None, {"strategy": "forward", **options})(primals, {}, seeds)
    return y, y_dot


def hvp(f: Callable[..., Any], primals: Sequence[Any], vectors: Sequence[Any], **options: Any) -> Any:
    """The product of the Hessian of f with the vectors, by forward over reverse; nested as the primals are.

    >>> import numpy as np
    >>> hvp(lambda x: np.sum(x**3), (np.array([1.0, 2.0]),), (np.array([1.0, 0.0]),))
    (array([6., 0.]),)
    """
    seeds = _seeds(tuple(vectors), tuple(primals), "vectors")
    return Derivative(f, "hvp", None, options)(primals, {}, seeds)[1]


# --- what they share -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Options:
    """strategy, memory, ... as the user gave them. holomorphic: see `adcore.strategy.Request`."""

    strategy: str | None = None
    memory: Any = None
    snapshots: int | None = None
    config: Any = None
    backend: str | None = None
    holomorphic: bool = False

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Options:
        """From keyword arguments. Raises InputError for an unknown one."""
        unknown = sorted(set(given) - set(cls.__dataclass_fields__))
        if unknown:
            raise InputError(f"option {unknown[0]!r} is unknown", f"options: {', '.join(cls.__dataclass_fields__)}")
        return cls(**given)

    def choose(self, graph: Graph, request: Request | None) -> Choice:
        """The strategy, budget and backend for a request."""
        return choose(graph, request, self.strategy, self.memory, self.snapshots, self.config)

    def key(self) -> tuple[Any, ...] | None:
        """By value; None where a config is given, whose content may change."""
        return None if self.config is not None else astuple(self)


@dataclass(slots=True)
class Compiled:
    """The graph of a derivative and the choice that it was made by; its program is made when it first runs."""

    graph: Graph
    choice: Choice
    backend: str
    program: Program | None = None

    def run(self, leaves: Sequence[Any]) -> Any:
        """The nested result for these inputs."""
        return unflatten(self.graph.out_tree, self.outputs(leaves))

    def outputs(self, leaves: Sequence[Any]) -> list[Any]:
        """The outputs for these inputs: recorded if any is traced, else run under the budget."""
        if self.program is None and not is_recorded(leaves):
            plan = self.choice.strategy.schedule(self.graph, self.choice.budget)
            self.program = program_of(self.graph, self.backend, plan)
        return run_leaves(self.graph, leaves, self.program)

    def nbytes(self) -> int:
        """Bytes of the constants, and of the memory to run in."""
        if self.program is None:
            return 0
        cost = self.program.plan.cost
        return cost.constant_bytes + cost.arena_bytes


class Derivative:
    """A derivative of a function: traced, differentiated and compiled once per form of the arguments."""

    def __init__(self, f: Callable[..., Any], kind: str, wrt: Which, options: Mapping[str, Any]) -> None:
        self.f, self.kind, self.wrt, self.options = f, kind, checked(wrt), Options.of(options)
        key = self.options.key()
        self.made = Remembered(f, self.wrt, self.make, None if key is None else (kind, self.wrt, *key))

    def __call__(self, args: Sequence[Any], kwargs: Mapping[str, Any], seeds: Sequence[Any] = ()) -> Any:
        """The nested result at these arguments and seeds (tangents, vectors)."""
        made, leaves = self.made.find(args, kwargs)
        return made.run([*leaves, *seeds] if seeds else leaves)

    def make(self, graph: Graph, captured: int) -> Compiled:
        """The derivative of a graph of f."""
        chosen = select_inputs(graph, self.wrt, captured)
        request = Request(self.kind, chosen.positions, select_outputs(graph, None), self.options.holomorphic)
        choice = self.options.choose(graph, request)
        made = differentiate(graph, request, choice.strategy, choice.budget, chosen.tree)
        return Compiled(made, choice, self.options.backend or choice.backend)

    def __reads__(self) -> tuple[Any, ...]:
        """What its results depend on, for the fingerprint of a function that calls it."""
        return (self.f, self.kind, self.wrt, self.options)


def _named(derivative: Any, f: Any, kind: str) -> Callable[..., Any]:
    """With the name and signature that go with f."""
    name = getattr(f, "__name__", None) or getattr(f, "name", None) or type(f).__name__
    derivative.__name__ = derivative.__qualname__ = f"{kind}({name})"
    derivative.__doc__ = f"The {kind} of {name}."
    derivative.__wrapped__ = f
    result: Callable[..., Any] = derivative
    return result


def _seeds(given: tuple[Any, ...], like: tuple[Any, ...], what: str) -> list[Any]:
    """The leaves of tangents or vectors that belong to differentiable leaves, in their dtypes."""
    leaves, tree = flatten(like, is_leaf)
    found = flatten_as(given, tree, is_leaf)
    if found is None:
        raise InputError(
            f"the {what} hold {_members(given)}, the primals {_members(like)}", instead="nest them as the primals are"
        )
    seeds = []
    for x, t in zip(leaves, found, strict=True):
        dtype = np.dtype(float) if type(x) is int else dtype_of(x)
        if dtype.kind not in "fc":
            continue
        if t is None:
            t = np.zeros(np.shape(x), dtype)
        if np.shape(t) != np.shape(x):
            raise InputError(f"one of the {what} has shape {np.shape(t)}, its primal {np.shape(x)}")
        if dtype_of(t).kind == "c" and dtype.kind != "c":
            raise InputError(f"one of the {what} is complex, its primal is real")
        seeds.append(cast(t, dtype))
    return seeds


def _members(nested: tuple[Any, ...]) -> str:
    return ", ".join(paths(flatten(nested, is_leaf)[1], "")) or "no array"


def dtype_of(x: Any) -> np.dtype[Any]:
    """The dtype of a number, array or tracer."""
    dtype: np.dtype[Any] = x.dtype if isinstance(x, np.ndarray | np.generic | Tracer) else np.asarray(x).dtype
    return dtype


def cast(x: Any, dtype: np.dtype[Any]) -> Any:
    """A number, array or tracer in that dtype."""
    return x.astype(dtype) if isinstance(x, Tracer) else np.asarray(x).astype(dtype, copy=False)
