"""What the core knows: ops, strategies, backends and the rest, each with the distribution that brought it.

A Registry is plain dicts, filled once by the plugin loader (`adcore.plugins`) and read ever after.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from adcore.elements import Writing
from adcore.errors import OpError, PluginError, UnknownOpError
from adcore.graph import NO_PARAMS, Node
from adcore.params import Kind, normalise
from adcore.rules import Rule
from adcore.types import AnyType, Type


@dataclass(frozen=True, slots=True)
class Origin:
    """Who brought an entry."""

    distribution: str
    version: str
    module: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version} ({self.module})"


@dataclass(frozen=True, eq=False)
class Op:
    """A primitive: all that the engine knows of one operation.

    name: "domain::name". version: raised when the meaning of its params or result changes.
    run(*arrays, **params) -> array, or a tuple of them. Pure; C-contiguous results, except views.
    infer(*types, **params) -> Type, or a tuple of them; integer arithmetic only.
    rule: its derivative; None: asking for one is an error.
    params: kind of each static param, in order.
    elementwise: acts on each element alone, after broadcasting.
    view(type, strides, params) -> strides of the result (bytes) when it shares the memory of the first
        input; None when it cannot for these strides, then it is copied.
    out: run also takes a place for each result, after the inputs: run(*arrays, *outs, **params).
    kernel(node, lower) -> callable(*arrays, *outs): run with the params bound; ops with sub-graphs get
        their bodies compiled by lower.body(param).
    loop(types, params) -> Loop: how an op loops, so that a plan may keep less than all of its trail;
        pieces(node, lower, names, windows) -> pieces of it, compiled. See `adcore.plan.loops`.
    batch: what it does with a leading batch axis, see `adcore.transform.vmap`; elementwise ops need none.
    pattern: which elements of its inputs each element of a result depends on, see `adcore.pattern`.
    flops(types, params), scratch(types, params): work, and bytes in the arena needed beside inputs and outputs.
    heap(types, params): bytes that run takes from the machine beside all these, and gives back when it is done.
    same_as(types, params) -> index of the input that it returns unchanged, bit for bit; or None.
    neutral: of a binary elementwise op, the number on either side with which it gives back the other side, to the
        bit: (1.0, 1.0) for a product, (None, 1.0) for a quotient.
    numbers: how it is written on single numbers, for small arrays; see `adcore.elements`.
    numpy: the callables of NumPy (or another library) that record this op as they stand; one of a library
        that may not be installed, or that loads slowly, is named: "scipy.special:gamma".
    samples: cases for the generated tests, see `adcore.testing.Sample`.
    """

    name: str
    run: Callable[..., Any]
    infer: Callable[..., Any] | None = None
    rule: Rule | None = None
    params: Mapping[str, Kind] = field(default_factory=dict)
    version: int = 1
    elementwise: bool = False
    view: Callable[..., tuple[int, ...] | None] | None = None
    out: bool = False
    kernel: Callable[..., Callable[..., Any]] | None = None
    loop: Callable[..., Any] | None = None
    pieces: Callable[..., Any] | None = None
    batch: Callable[..., Any] | tuple[int, ...] | str | None = None
    pattern: Callable[..., Any] | str | None = None
    flops: Callable[..., float] | None = None
    scratch: Callable[..., int] | None = None
    heap: Callable[..., int] | None = None
    same_as: Callable[..., int | None] | None = None
    neutral: tuple[float | None, ...] = ()
    numbers: Writing | None = None
    numpy: tuple[Callable[..., Any] | str, ...] = ()
    samples: tuple[Any, ...] = ()
    doc: str = ""

    @property
    def domain(self) -> str:
        """The part of the name before `::`."""
        return self.name.partition("::")[0]

    def __call__(self, *args: Any, **params: Any) -> Any:
        """Apply to arrays (runs) or to traced values (records a node)."""
        return doors["apply"](self, args, params)

    def __repr__(self) -> str:
        return f"<op {self.name} v{self.version}>"


doors: dict[str, Callable[..., Any]] = {}
"""Filled by the tracer (`apply`) and the plugin loader (`load`), so that this file needs neither."""


@dataclass(frozen=True, slots=True)
class Registry:
    """Everything that plugins brought, by kind and name."""

    ops: dict[str, Op] = field(default_factory=dict)
    functions: dict[Any, Callable[..., Any]] = field(default_factory=dict)
    methods: dict[Any, Any] = field(default_factory=dict)
    strategies: dict[str, Any] = field(default_factory=dict)
    planners: dict[str, Any] = field(default_factory=dict)
    backends: dict[str, Any] = field(default_factory=dict)
    executors: dict[str, Any] = field(default_factory=dict)
    stores: dict[str, Any] = field(default_factory=dict)
    snapshots: dict[str, Any] = field(default_factory=dict)
    formats: dict[str, Any] = field(default_factory=dict)
    steppers: dict[str, Any] = field(default_factory=dict)
    commands: dict[str, Any] = field(default_factory=dict)
    upgraders: dict[Any, Any] = field(default_factory=dict)
    origins: dict[tuple[str, Any], Origin] = field(default_factory=dict)

    def add(self, kind: str, name: Any, value: Any, origin: Origin) -> None:
        """Enter one thing. Raises PluginError when the name is taken, naming both distributions."""
        table = getattr(self, kind)
        if name in table and table[name] is not value:
            first = self.origins.get((kind, name))
            raise PluginError(
                f"{kind} {name!r} is registered twice",
                f"by {first} and by {origin}",
                "uninstall one of them, or disable it with -p no:NAME",
            )
        table[name] = value
        self.origins[kind, name] = origin
        if kind == "ops":
            for function in value.numpy:
                self.add("functions", function, value, origin)

    def function(self, key: Any) -> Callable[..., Any] | None:
        """What records a callable: by the callable, or by its name "module:name" once that module is imported."""
        found = self.functions.get(key)
        if found is None:
            self._resolve_names()
            found = self.functions.get(key)
        return found

    def _resolve_names(self) -> None:
        """Enter the named callables of modules that are imported by now under the callables themselves."""
        for name in [k for k in self.functions if isinstance(k, str) and ":" in k]:
            module, _, attribute = name.partition(":")
            if module in sys.modules:
                function, origin = self.functions.pop(name), self.origins.pop(("functions", name))
                named = getattr(sys.modules[module], attribute, None)  # older releases may lack it
                if named is not None and named not in self.functions:  # two names of one function
                    self.add("functions", named, function, origin)

    def remove(self, origin: Origin) -> None:
        """Take back everything of that origin: a plugin that broke half way leaves nothing behind."""
        for key in [k for k, o in self.origins.items() if o == origin]:
            del self.origins[key]
            getattr(self, key[0]).pop(key[1], None)


REGISTRY = Registry()


def registry() -> Registry:
    """The registry of this process; the built-in plugins are loaded at the first call."""
    if not REGISTRY.ops and "load" in doors:
        doors["load"](None)
    return REGISTRY


def find_op(name: str) -> Op:
    """The op of that name. Raises UnknownOpError with what is nearest and how to get it."""
    found = REGISTRY.ops.get(name)
    if found is not None:
        return found
    ops = registry().ops
    found = ops.get(name)
    if found is None:
        domain = name.partition("::")[0]
        if "load" in doors:
            doors["load"](domain)
            found = ops.get(name)
    if found is None:
        near = difflib.get_close_matches(name, ops, 1)
        known = f"did you mean {near[0]}?" if near else f"domains that are loaded: {', '.join(domains())}"
        raise UnknownOpError(
            f"no op is called {name}",
            known,
            f"install the plugin that brings {domain!r}; see `adcore plugins`",
        )
    return found


def registered(table: str, name: Any) -> Any:
    """The entry of that name in a table of the registry, or None.

    Plugins of strangers are loaded when they are needed: by the domain of an op, or by a name not known so far.
    """
    entries = getattr(registry(), table)
    if name not in entries and "load_all" in doors:
        doors["load_all"]()
    return entries.get(name)


def domains() -> list[str]:
    """The domains of all ops that are loaded."""
    return sorted({name.partition("::")[0] for name in registry().ops})


def ensure(op: Op) -> Op:
    """The op, entered on first use: with the plugin that brings its domain, or else as straight from a script."""
    known = registry().ops.get(op.name)
    if known is None and "load" in doors:
        doors["load"](op.domain)
        known = registry().ops.get(op.name)
    if known is op:
        return op
    if known is None:
        module = getattr(op.run, "__module__", "") or ""
        REGISTRY.add("ops", op.name, op, Origin("(this process)", "", module))
        return op
    if known.run.__module__ == op.run.__module__ == "__main__":  # a cell or a script run again
        REGISTRY.ops[op.name] = op
        return op
    raise PluginError(f"another op is called {op.name}", f"brought by {REGISTRY.origins['ops', op.name]}", "rename one")


# --- types of results ----------------------------------------------------------------------------


def result_types(op: Op, types: tuple[AnyType, ...], params: Mapping[str, Any]) -> tuple[AnyType, ...]:
    """The types of the results. Raises OpError naming op and types when they do not fit."""
    try:
        found = op.infer(*types, **params) if op.infer else _inferred(op, types, params)
    except OpError:
        raise
    except (TypeError, ValueError) as e:
        shown = ", ".join(map(str, types))
        raise OpError(f"{op.name} cannot be applied to {shown}: {e}") from None
    return found if isinstance(found, tuple) else (found,)


def _inferred(op: Op, types: tuple[AnyType, ...], params: Mapping[str, Any]) -> Any:
    """For an op that states no `infer`: by broadcasting if elementwise, else by running it on ones."""
    arrays: tuple[Type, ...] = types  # type: ignore[assignment]
    if op.elementwise:
        shape = np.broadcast_shapes(*(t.shape for t in arrays))
        found = op.run(*(np.empty((0,), t.dtype) for t in arrays), **params)
        if isinstance(found, tuple):
            return tuple(Type(np.dtype(f.dtype), shape) for f in found)
        return Type(np.dtype(found.dtype), shape)
    with np.errstate(all="ignore"):
        found = op.run(*(np.ones(t.shape, t.dtype) for t in arrays), **params)
    if isinstance(found, tuple):
        return tuple(Type(np.asarray(f).dtype, np.shape(f)) for f in found)
    return Type(np.asarray(found).dtype, np.shape(found))


@lru_cache(maxsize=65536)
def _ufunc_dtypes(ufunc: np.ufunc, dtypes: tuple[np.dtype[Any], ...]) -> tuple[np.dtype[Any], ...]:
    return tuple(ufunc.resolve_dtypes((*dtypes, *(None,) * ufunc.nout))[ufunc.nin :])


@lru_cache(maxsize=65536)
def _ufunc_types(ufunc: np.ufunc, types: tuple[Type, ...]) -> tuple[Type, ...]:
    shape = np.broadcast_shapes(*(t.shape for t in types))
    return tuple(Type(d, shape) for d in _ufunc_dtypes(ufunc, tuple(t.dtype for t in types)))


def ufunc_infer(ufunc: np.ufunc) -> Callable[..., tuple[Type, ...]]:
    """`infer` of an elementwise op that is that ufunc: broadcast shapes, the ufunc's own dtypes."""
    return lambda *types: _ufunc_types(ufunc, types)


def check_node(node: Node) -> None:
    """Raise OpError unless the op knows the node's params and infers just its output types."""
    op = find_op(node.op)
    params = normalise(op.name, dict(op.params), dict(node.params or NO_PARAMS))
    found = result_types(op, tuple(v.type for v in node.inputs), params)
    declared = tuple(v.type for v in node.outputs)
    if found != declared:
        raise OpError(
            f"{node.op} gives {', '.join(map(str, found))}, not {', '.join(map(str, declared))}",
            f"at {node.source or 'source unknown'}",
        )
