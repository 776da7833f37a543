"""What `import adcore as ad` offers. f is a Python callable or a Graph, everywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

import numpy as np

from adcore import graph as _graph
from adcore.compose import differentiate as compose
from adcore.errors import DifferentiationError, InputError
from adcore.evaluate import call, leaves_of, program_of, run_leaves, scalar
from adcore.fingerprint import Fingerprint
from adcore.graph import Graph, Value, check
from adcore.plan.steps import Plan, default_plan
from adcore.select import Which, select_inputs, select_outputs
from adcore.settings import choose
from adcore.sizes import at, fitted, lifted, trace_sized
from adcore.sizes import static as numbered
from adcore.strategy import Budget, Choice, Request
from adcore.trace import Trace, current
from adcore.tracer import Tracer
from adcore.tracing import bound, is_leaf, trace_graph
from adcore.transform.simplify import simplify
from adcore.transform.splice import closed, pruned
from adcore.transform.split import split
from adcore.transform.vjp import vjp as reverse
from adcore.tree import Tree, flatten, unflatten

# --- tracing -------------------------------------------------------------------------------------


def trace(
    f: Callable[..., Any], *examples: Any, static: Sequence[str] = (), dims: Mapping[str, Any] | None = None,
    **named: Any,
) -> Graph:  # fmt: skip
    """The graph of f at arguments of the examples' types. Values of the examples do not matter.

    examples, named: arrays, numbers, and nested dicts, tuples, lists, NamedTuples or dataclasses of
    them; each number and array becomes an input. static: names of arguments that are kept as they
    are (a loop count, a flag). Strings, None and functions are always static.
    dims: names of sizes, by argument or path, one per axis: {"x": ("n", 3), "params.w": (3, "2*n+1")}.
    The graph then serves arrays of all sizes, see `graph.at`.
    Raises TraceError, with the line in f, where Python asks a traced value for its number.

    >>> import numpy as np
    >>> g = trace(lambda x: np.sum(x * x), np.zeros(3))
    >>> g(np.array([1.0, 2.0, 3.0]))
    np.float64(14.0)
    """
    if isinstance(f, Graph):
        return f
    args, kwargs = bound(f, examples, named)
    if dims is not None:
        return trace_sized(f, lambda a, k: trace(f, *a, static=static, **k), args, kwargs, dims)
    if static:
        return _with_static(f, args, kwargs, static)
    graph, captured = trace_graph(f, args, kwargs)
    _no_capture(captured)
    check(graph)
    return graph


def _no_capture(captured: Sequence[Value]) -> None:
    if captured:
        raise InputError(
            "a graph cannot hold a traced value of another function",
            instead="pass it as an argument of the traced function",
        )


def _with_static(f: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], static: Sequence[str]) -> Graph:
    """Trace with some arguments held fixed; the graph takes the others."""
    import inspect

    names = list(inspect.signature(f).parameters)
    unknown = [s for s in static if s not in names]
    if unknown:
        raise InputError(f"static argument {unknown[0]!r} is none of f's", f"it has: {', '.join(names)}")
    given = dict(zip(names, args, strict=False)) | dict(kwargs)
    fixed = {n: given[n] for n in static if n in given}

    @wraps(f)
    def rest(**others: Any) -> Any:
        return f(**(fixed | others))

    moving = {n: v for n, v in given.items() if n not in fixed}
    graph, captured = trace_graph(
        lambda *xs: rest(**dict(zip(moving, xs, strict=True))), list(moving.values()), {}, f.__name__
    )
    _no_capture(captured)
    signature = tuple(moving)
    from adcore.tree import paths

    roots = [p for n, t in zip(signature, graph.in_tree.children[0].children, strict=True) for p in paths(t, n)]
    return replace(graph, input_names=tuple(roots), signature=signature)


# --- derivatives of functions --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Options:
    """strategy, memory, ... as the user gave them, so that they may be part of a cache key."""

    strategy: str | None = None
    memory: Any = None
    snapshots: int | None = None
    config: Any = None
    backend: str | None = None


def _options(given: Mapping[str, Any]) -> _Options:
    unknown = set(given) - set(_Options.__dataclass_fields__)
    if unknown:
        raise InputError(
            f"option {sorted(unknown)[0]!r} is unknown", f"options: {', '.join(_Options.__dataclass_fields__)}"
        )
    return _Options(**given)


@dataclass(slots=True)
class _Compiled:
    """A derivative made for one form of the arguments."""

    graph: Graph
    program: Any
    captured: list[Value]


class _Derivative:
    """A function that traces f, differentiates the graph, compiles it, and remembers it."""

    def __init__(self, f: Any, kind: str, wrt: Which, options: _Options, **extra: Any) -> None:
        self.f, self.kind, self.wrt, self.options, self.extra = f, kind, wrt, options, extra
        self.fingerprint: Fingerprint | None = None if isinstance(f, Graph) else Fingerprint(f)
        self.known: dict[Any, _Compiled] = {}

    def __call__(self, args: Sequence[Any], kwargs: Mapping[str, Any], seeds: Sequence[Any] = ()) -> Any:
        """The nested result at these arguments and seeds (tangents, cotangents, vectors)."""
        if isinstance(self.f, Graph):
            leaves = leaves_of(self.f, args, kwargs)
            graph = fitted(self.f, leaves)
            found = self.known.get(graph) or self.known.setdefault(graph, self._make(graph, []))
            return self._run(found, [*leaves, *seeds])
        args, kwargs = bound(self.f, args, kwargs)
        leaves, rebuild, key = _moving(args, kwargs, self.wrt)
        outer = current()
        state = None if outer is not None or self.fingerprint is None else self.fingerprint.state()
        if state is not None:
            found_one = self.known.get((key, state))
            if found_one is not None:
                return self._run(found_one, [*leaves, *seeds])
        graph, captured = rebuild(self.f, leaves)
        made = self._make(graph, captured)
        if state is not None:
            if len(self.known) > 64:
                self.known.clear()
            self.known[key, state] = made
        return self._run(made, [*leaves, *(outer.wrap(v) for v in captured if outer is not None), *seeds])

    def _make(self, graph: Graph, captured: list[Value]) -> _Compiled:
        chosen = select_inputs(graph, self.wrt)
        of = self.extra.get("of")
        request = Request(self.kind, chosen.positions, select_outputs(graph, of))
        o = self.options
        choice = choose(graph, request, o.strategy, o.memory, o.snapshots, o.config)
        made = compose(graph, request, choice.strategy, choice.budget, chosen.tree)
        return _Compiled(made, None, captured)

    def _run(self, made: _Compiled, leaves: Sequence[Any]) -> Any:
        if any(isinstance(x, Tracer) for x in leaves):
            return unflatten(made.graph.out_tree, run_leaves(made.graph, leaves))
        if made.program is None:
            o = self.options
            request = Request(self.kind, (), ())
            choice = choose(made.graph, request, o.strategy, o.memory, o.snapshots, o.config)
            backend = o.backend or choice.backend
            made.program = program_of(made.graph, backend, lambda g: choice.strategy.schedule(g, choice.budget))
        return unflatten(made.graph.out_tree, run_leaves(made.graph, leaves, made.program))


def _moving(args: Sequence[Any], kwargs: Mapping[str, Any], wrt: Which) -> tuple[list[Any], Callable[..., Any], Any]:
    """The leaves that are traced, a function that traces, and a key of the arguments' form.

    Python's own ints and bools steer programs: they are static, unless wrt names their argument
    (then they are floats). Everything else that is a number is traced.
    """
    named = [] if wrt is None else [wrt] if isinstance(wrt, int | str) else list(wrt)
    leaves, tree = flatten((tuple(args), dict(kwargs)), is_leaf)
    spans: list[bool] = []
    for i, child in enumerate(tree.children[0].children):
        spans += [wrt is None or i in named or i - len(args) in named] * child.leaves
    names = [n for n in named if isinstance(n, str)]
    flags = spans + [False] * (len(leaves) - len(spans))
    moving: list[Any] = []
    form: list[Any] = []
    for x, asked in zip(leaves, flags, strict=True):
        if type(x) in (int, bool) and not names:
            if asked and type(x) is int:
                moving.append(float(x))
                form.append("float64")
            else:
                form.append((type(x).__name__, x))
        elif type(x) in (int, bool):
            moving.append(float(x) if type(x) is int else x)
            form.append(type(x).__name__)
        else:
            moving.append(x)
            form.append(_form(x))
    fixed = [f if isinstance(f, tuple) and f[0] in ("int", "bool") else None for f in form]

    def rebuild(f: Callable[..., Any], given: list[Any]) -> tuple[Graph, list[Value]]:
        xs = iter(given)
        full = [f_[1] if f_ is not None else next(xs) for f_ in fixed]
        call_args, call_kwargs = unflatten(
            tree, [_Static(x) if f_ is not None else x for x, f_ in zip(full, fixed, strict=True)]
        )
        return trace_graph(_unwrapping(f), call_args, call_kwargs, getattr(f, "__name__", type(f).__name__))

    return moving, rebuild, (tree, tuple(form))


class _Static:
    """A number that is not traced, wrapped so that flattening passes it by."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Static) and type(self.value) is type(other.value) and self.value == other.value

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))


def _unwrapping(f: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(f, assigned=("__name__",) if hasattr(f, "__name__") else (), updated=())
    def plain(*args: Any, **kwargs: Any) -> Any:
        leaves, tree = flatten((args, kwargs), is_leaf)
        a, k = unflatten(_without_static(tree), leaves)
        return f(*a, **k)

    try:
        import inspect

        plain.__signature__ = inspect.signature(f)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        pass
    return plain


def _without_static(tree: Tree) -> Tree:
    if tree.kind == "static":
        return replace(tree, value=tree.value.value) if isinstance(tree.value, _Static) else tree
    return replace(tree, children=tuple(map(_without_static, tree.children))) if tree.children else tree


def _form(x: Any) -> Any:
    if isinstance(x, np.ndarray) and x.dtype != object:
        return (x.dtype.char, x.shape)
    if isinstance(x, Tracer):
        return (x.dtype.char, x.shape)
    return (np.asarray(x).dtype.char, np.shape(x))


def _named(f: Any, kind: str, run: Callable[..., Any]) -> Callable[..., Any]:
    run.__name__ = f"{kind}({getattr(f, '__name__', getattr(f, 'name', 'f'))})"
    run.__doc__ = f"{kind} of {getattr(f, '__name__', getattr(f, 'name', 'f'))}."
    return run


def grad(f: Callable[..., Any], wrt: Which = 0, **options: Any) -> Callable[..., Any]:
    """The gradient of a function that returns one real number, as a function of the same arguments.

    wrt: position, name or path ("params.w") of an argument, or a list of them (then a tuple comes back).
    options: strategy=, memory=, snapshots=, config=, backend=.
    Returns: what has the nesting and shapes of the argument.
    Raises: DifferentiationError when f does not return one real number, or wrt has no derivative.

    >>> import numpy as np
    >>> grad(lambda x1, x2: x1 * x2 + np.sin(x1), wrt=[0, 1])(2.0, 3.0)
    (np.float64(2.5838531634528574), np.float64(2.0))
    """
    make = _Derivative(f, "grad", wrt, _options(options))
    return _named(f, "grad", lambda *args, **kwargs: make(args, kwargs))


def value_and_grad(f: Callable[..., Any], wrt: Which = 0, **options: Any) -> Callable[..., Any]:
    """The value and the gradient in one pass; see `grad`.

    >>> value_and_grad(lambda x: x * x)(3.0)
    (np.float64(9.0), np.float64(6.0))
    """
    make = _Derivative(f, "value_and_grad", wrt, _options(options))
    return _named(f, "value_and_grad", lambda *args, **kwargs: make(args, kwargs))


def jacobian(f: Callable[..., Any], wrt: Which = 0, **options: Any) -> Callable[..., Any]:
    """The Jacobian: for a result of shape s and an argument of shape t, an array of shape s + t.

    Nested results give nested Jacobians. Forward or reverse by the fewer passes, unless strategy= says.

    >>> import numpy as np
    >>> jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    make = _Derivative(f, "jacobian", wrt, _options(options))
    return _named(f, "jacobian", lambda *args, **kwargs: make(args, kwargs)[1])


def hessian(f: Callable[..., Any], wrt: Which = 0, **options: Any) -> Callable[..., Any]:
    """The Hessian of a function that returns one real number: shape t + t for an argument of shape t.

    >>> import numpy as np
    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    make = _Derivative(f, "hessian", wrt, _options(options))
    return _named(f, "hessian", lambda *args, **kwargs: make(args, kwargs)[1])


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], **options: Any) -> tuple[Any, Any]:
    """(y, y_dot): the result and its derivative along the tangents, by forward mode.

    primals, tangents: one per positional argument, of the same nesting and shapes.

    >>> jvp(lambda x: x**3, (2.0,), (1.0,))
    (np.float64(8.0), np.float64(12.0))
    """
    args = tuple(primals)
    seeds = _seeds(tuple(tangents), args, "tangents")
    make = _Derivative(f, "jvp", None, _options({"strategy": "forward", **options}))
    y, y_dot = make(args, {}, seeds)
    return y, y_dot


def hvp(f: Callable[..., Any], primals: Sequence[Any], vectors: Sequence[Any], **options: Any) -> Any:
    """The product of the Hessian of f with the vectors, by forward over reverse; nested as the primals are.

    >>> import numpy as np
    >>> hvp(lambda x: np.sum(x**3), (np.array([1.0, 2.0]),), (np.array([1.0, 0.0]),))
    (array([6., 0.]),)
    """
    args = tuple(primals)
    seeds = _seeds(tuple(vectors), args, "vectors")
    make = _Derivative(f, "hvp", None, _options(options))
    return make(args, {}, seeds)[1]


def _seeds(given: tuple[Any, ...], like: tuple[Any, ...], what: str) -> list[Any]:
    """The leaves of tangents or vectors that belong to differentiable leaves, in their dtypes."""
    leaves, tree = flatten(like, is_leaf)
    found, found_tree = flatten(given, is_leaf)
    if tree.leaves != found_tree.leaves:
        raise InputError(
            f"{found_tree.leaves} {what} were given for {tree.leaves} arrays", instead="nest them as the primals are"
        )
    seeds = []
    for x, t in zip(leaves, found, strict=True):
        dtype = x.dtype if isinstance(x, np.ndarray | np.generic | Tracer) else np.asarray(x).dtype
        if type(x) is int:
            dtype = np.dtype(float)
        if dtype.kind not in "fc":
            continue
        if np.shape(t) != np.shape(x):
            raise InputError(f"one of the {what} has shape {np.shape(t)}, its primal {np.shape(x)}")
        kind = t.dtype.kind if isinstance(t, np.ndarray | np.generic | Tracer) else np.asarray(t).dtype.kind
        if kind == "c" and dtype.kind != "c":
            raise InputError(f"one of the {what} is complex, its primal is real")
        seeds.append(t.astype(dtype) if isinstance(t, Tracer) else np.asarray(t, dtype))
    return seeds


def vjp(f: Callable[..., Any], *primals: Any, **options: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """(y, pullback): the result, and the function from a cotangent of it to those of the primals.

    pullback(y_bar) -> a tuple, one per primal, nested as they are; None where there is no derivative.
    The pairing is Re sum(y_bar * y_dot), with no conjugate.

    >>> import numpy as np
    >>> y, pullback = vjp(lambda a, b: a @ b, np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    >>> y, pullback(1.0)
    (np.float64(11.0), (array([3., 4.]), array([1., 2.])))
    """
    o = _options(options)
    outer = current()
    if isinstance(f, Graph):
        leaves = leaves_of(f, primals, {})
        graph, captured = fitted(f, leaves), []
    else:
        args, kwargs = bound(f, primals, {})
        leaves, rebuild, _ = _moving(args, kwargs, None)
        graph, captured = rebuild(f, leaves)
    if outer is not None:
        leaves = [*leaves, *(outer.wrap(v) for v in captured)]
    chosen = select_inputs(graph, None)
    of = select_outputs(graph, None)
    request = Request("vjp", chosen.positions, of)
    choice = choose(graph, request, o.strategy, o.memory, o.snapshots, o.config)
    forward, back, _ = _two_parts(graph, request, choice)
    found = run_leaves(forward, leaves)
    kept = found[len(graph.outputs) :]
    y = unflatten(graph.out_tree, found[: len(graph.outputs)])
    nested = _as_arguments(chosen.tree, len(primals))

    def pullback(y_bar: Any) -> tuple[Any, ...]:
        bars = _bars(y_bar, graph, of)
        results = run_leaves(back, [*kept, *bars])
        return tuple(unflatten(nested, results[: len(chosen.positions)]))

    return y, pullback


def _as_arguments(tree: Tree, n: int) -> Tree:
    return (
        tree
        if len(tree.children) == n
        else Tree("tuple", (), (*tree.children, *(Tree("static"),) * (n - len(tree.children))))
    )


def _two_parts(graph: Graph, request: Request, choice: Choice) -> tuple[Graph, Graph, tuple[Value, ...]]:
    """The vjp of a graph as two graphs: xs -> (ys, residuals) and (residuals, y_bars) -> x_bars."""
    if "vjp" in choice.strategy.kinds:
        joint = reverse(graph, request.wrt, request.of, choice.strategy.methods)
    else:
        joint = compose(graph, request, choice.strategy, choice.budget)
    cut = split(joint, graph)
    first, second = Trace(), Trace()
    first.nodes, first.constants = list(cut.forward), dict(joint.constants)
    first.checks, first.reports = list(graph.checks), list(graph.reports)
    second.nodes, second.constants = list(cut.back), dict(joint.constants)
    n, m = len(graph.inputs), len(graph.outputs)
    kept = [f"residual{i}" for i in range(len(cut.residuals))]
    forward = closed(
        first, graph.inputs, graph.input_names, (*graph.outputs, *cut.residuals), (*graph.output_names, *kept)
    )
    back = closed(
        second,
        (*cut.residuals, *joint.inputs[n:]),
        (*kept, *joint.input_names[n:]),
        joint.outputs[m:],
        joint.output_names[m:],
    )
    return simplify(pruned(forward)), simplify(pruned(back)), cut.residuals


def _bars(y_bar: Any, graph: Graph, of: Sequence[int]) -> list[Any]:
    """The leaves of a cotangent, in the dtypes of the outputs. Raises InputError when shapes differ."""
    found, tree = flatten(y_bar, is_leaf)
    if tree.leaves == len(graph.outputs):
        found = [found[i] for i in of]
    if len(found) != len(of):
        raise InputError(
            f"{len(found)} cotangents were given for {len(of)} results", instead="nest them as the result is"
        )
    bars = []
    for g, i in zip(found, of, strict=True):
        t: Any = graph.outputs[i].type
        if np.shape(g) != t.shape:
            raise InputError(
                f"the cotangent has shape {np.shape(g)}, its result {t}", f"output {graph.output_names[i]}"
            )
        bars.append(g.astype(t.dtype) if isinstance(g, Tracer) else np.asarray(g).astype(t.dtype))
    return bars


# --- derivatives of graphs -----------------------------------------------------------------------


def differentiate(
    graph: Graph, kind: str = "vjp", wrt: Which = None, of: Which = None, strategy: str | None = None, **options: Any
) -> Graph:
    """The graph of a derivative: it can be saved, shown, run and differentiated again.

    kind: jvp (xs, x_dots) -> (ys, y_dots); vjp (xs, y_bars) -> (ys, x_bars); grad xs -> x_bars;
        value_and_grad xs -> (y, x_bars); jacobian xs -> (ys, Js); hvp (xs, vs) -> (x_bars, Hvs);
        hessian xs -> (x_bars, H).
    wrt, of: inputs and outputs by position, name or path; default: all that are differentiable.

    >>> g = trace(lambda x: x**3, 2.0)
    >>> differentiate(differentiate(g, "grad", wrt=0), "grad", wrt=0)(2.0)
    np.float64(12.0)
    """
    if graph.dims:
        return lifted(lambda g: differentiate(g, kind, wrt, of, strategy, **options), graph)
    chosen = select_inputs(graph, wrt)
    request = Request(kind, chosen.positions, select_outputs(graph, of))
    o = _options({"strategy": strategy, **options})
    choice = choose(graph, request, o.strategy, o.memory, o.snapshots, o.config)
    made = compose(graph, request, choice.strategy, choice.budget, chosen.tree)
    check(made)
    return made


def plan(
    graph: Graph, strategy: str | None = None, memory: Any = None, snapshots: int | None = None, config: Any = None
) -> Plan:
    """When each node of a graph runs and what is kept; `.cost` says what that takes, before anything runs.

    memory: bytes, "64 MiB" or "50%". snapshots: states of a loop that may be kept.
    Raises: BudgetError with the least budget that would do.

    >>> import numpy as np
    >>> g = trace(lambda x: np.sum(np.sin(x)), np.zeros(1000))
    >>> plan(g).cost.peak_bytes
    16072
    """
    numbered(graph, "a plan")
    choice = choose(graph, None, strategy, memory, snapshots, config)
    made: Plan = choice.strategy.schedule(simplify(graph), choice.budget)
    return made


def compile_graph(graph: Graph, plan: Plan | None = None, backend: str | None = None, **options: Any) -> Any:
    """A program of a graph: called with the inputs as arrays, in order."""
    numbered(graph, "a program")
    if plan is not None:
        return program_of(plan.graph, backend, lambda g: plan)
    if options:
        made = globals()["plan"](graph, **options)
        return program_of(graph, backend, lambda g: made)
    return program_of(graph, backend)


_graph.doors.update(call=call, compile=compile_graph, at=at)

__all__ = [
    "Budget", "DifferentiationError", "default_plan", "differentiate", "grad", "hessian", "hvp", "jacobian", "jvp",
    "plan", "scalar", "trace", "value_and_grad", "vjp",
]  # fmt: skip
