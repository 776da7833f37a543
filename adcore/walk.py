"""The walk over everything a function can read: what is there now, and the watches that see it change.

number, text      by type and canonical bytes       array        by its bytes
tuple, list ...   by its items                      constant     by identity (ufuncs, types made in C, libraries)
function          code, defaults, cells, the globals and imports it names
instance, class   the attributes whose names some reached code reads, in it and in its bases
module            the same; one of a library is constant, but chance, clocks and files in it are unknown
anything else     unknown: it may change unseen

Which attributes count depends on the code that is reached, and what code is reached on the attributes;
so both grow together until nothing is left to visit. `getattr` and its kind make every attribute count.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import struct
import sys
import types
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from adcore.reads import (
    IMPURE_NAMES,
    REFLECTIVE,
    constant_types,
    impure,
    library,
    made_in_c,
    of_library,
    reads_of,
)
from adcore.watch import MISSING, Watches, raw

MOST_WATCHES = 100_000
"""A function that can read more than this is not told apart."""

NUMBERS = (bool, int, float, complex, str, bytes)
CONTAINERS = (tuple, list, dict, set, frozenset, deque, bytearray, types.MappingProxyType)
BARE_ARRAYS = (np.ndarray, np.memmap, np.recarray, np.matrix)
PLAIN_BASES = frozenset(["builtins.object", "abc.ABC", "typing.Generic", "typing.Protocol"])
"""Library classes whose methods read no attribute of an instance."""

SHOWN = frozenset(
    [
        "__repr__", "__str__", "__format__", "__doc__", "__module__", "__qualname__", "__annotations__",
        "__annotate__", "__dict__", "__weakref__", "__firstlineno__", "__static_attributes__",
    ]
)  # fmt: skip
"""Attributes of a class that say how it is shown; they never count."""

CONSTRUCTORS = ("__new__", "__init__", "__post_init__")
"""Attributes of a class that count when it may be called, not for the instances that are there."""


class UnknownError(Exception):
    """Something that may change unseen was reached; the message says what."""


class Is:
    """An object, compared by identity and kept alive, so that its id is not used again."""

    __slots__ = ("object",)

    def __init__(self, x: Any) -> None:
        self.object = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Is) and other.object is self.object

    def __hash__(self) -> int:
        return id(self.object)


class _Open(NamedTuple):
    """Something whose attributes are read by name. every: whatever their names."""

    number: int
    attributes: Mapping[str, Any]
    every: bool
    module: types.ModuleType | None


class Walk:
    """The walk from one object.

    watches: see that nothing has changed since. key: equal for two walks only if all they found is equal.
    Raises UnknownError when something may change unseen.

    >>> scale = 2.0
    >>> one, two = Walk(lambda x: x * scale), Walk(3.0)
    >>> one.watches.hold(), one.key == two.key
    (True, False)
    """

    def __init__(self, root: Any) -> None:
        self.watches = Watches()
        self._numbers: dict[tuple[int, bool], int] = {}
        self._met: list[tuple[Any, str, bool]] = []  # by number, with the name it was met under; keeps ids in use
        self._open: list[_Open] = []
        self._looked: set[tuple[int, str]] = set()
        self._names: dict[str, None] = {}
        self._everything = False
        self._parts: list[Hashable] = [self._token(root, "it")]
        self._at = 0
        while self._at < len(self._met):
            self._parts.append(self._visit(*self._met[self._at]))
            self._at += 1
            if self.watches.count > MOST_WATCHES:
                raise UnknownError(f"it can read more than {MOST_WATCHES} things")
        self.key: tuple[Hashable, ...] = tuple(self._parts)

    # --- numbers, and references to what is visited later ----------------------------------------

    def _token(self, x: Any, name: str, as_class: bool = False) -> Hashable:
        """A number or text as itself; for anything else its place in the order of visits.

        as_class: it is the class of something that is there; not called, as far as is known.
        """
        cls = type(x)
        if x is None or x is Ellipsis or x is NotImplemented:
            return (repr(x),)
        if cls in NUMBERS:
            return _number(x)
        if issubclass(cls, np.generic) and cls is not np.void:
            return (x.dtype.str, x.tobytes())
        found = self._numbers.get((id(x), as_class))
        if found is None:
            found = self._numbers[id(x), as_class] = len(self._met)
            self._met.append((x, name, as_class))
        return found

    def _visit(self, x: Any, name: str, as_class: bool) -> Hashable:
        """What was found in one object; the parts of it are visited later."""
        if as_class:
            return self._members(x)
        cls = type(x)
        if cls in constant_types() or issubclass(cls, np.dtype) or cls.__module__ == "typing":
            return Is(x)
        for kinds, visit in _VISITS:
            if issubclass(cls, kinds):
                return visit(self, x)
        if any(made_in_c(c) for c in cls.__mro__ if c is not object):
            raise UnknownError(f"{name} is a {cls.__module__}.{cls.__qualname__}, which may change unseen")
        return self._instance(x)

    # --- data --------------------------------------------------------------------------------

    def _array(self, a: Any) -> Hashable:
        if a.dtype.hasobject:
            raise UnknownError("an array of objects may change unseen")
        self.watches.array(a)
        data = a.tobytes() if a.nbytes <= 4096 else _digest(a)
        own = () if type(a) in BARE_ARRAYS else self._attributes(a)
        return (a.dtype.str, a.shape, data, *own)

    def _container(self, x: Any) -> Hashable:
        cls = type(x)
        reads = _item_readers(x)
        items = [tuple(read(x)) for read in reads]
        if not isinstance(x, tuple | frozenset):
            for read, found in zip(reads, items, strict=True):
                self.watches.content(x, read, found)
        own = () if cls in CONTAINERS else self._attributes(x)
        return (Is(cls), *own, *(tuple([self._token(i, "an item") for i in found]) for found in items))

    def _number_subclass(self, x: Any) -> Hashable:
        base = next(c for c in NUMBERS if isinstance(x, c))
        return (_number(base(x)) if base is not str else str.__str__(x), *self._attributes(x))

    def _slice(self, s: slice) -> Hashable:
        return ("slice", *(self._token(x, "slice") for x in (s.start, s.stop, s.step)))

    # --- functions -----------------------------------------------------------------------------

    def _function(self, f: types.FunctionType) -> Hashable:
        if of_library(f):
            return self._constant(f)
        code = f.__code__
        self.watches.attribute(f, "__code__", code)
        parts: list[Hashable] = [Is(code)]
        for part in ("__defaults__", "__kwdefaults__"):
            value = getattr(f, part)
            self.watches.attribute(f, part, value)
            parts.append(self._token(value, part))
        for name, cell in zip(code.co_freevars, f.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:  # not assigned yet
                value = MISSING
            self.watches.cell(cell, value)
            parts.append(self._token(value, name, as_class=name == "__class__" and isinstance(value, type)))
        home = sys.modules.get(f.__globals__.get("__name__", ""))
        if home is not None and home.__dict__ is f.__globals__ and library(home):
            return tuple(parts)
        reads = reads_of(code)
        parts += [self._global(f, name) for name in reads.names]
        parts += [self._import(f, level, name) for level, name in reads.imports]
        self._opened(f.__dict__)
        self._read(reads.attributes)
        return tuple(parts)

    def _global(self, f: types.FunctionType, name: str) -> Hashable:
        value = f.__globals__.get(name, MISSING)
        self.watches.name(f.__globals__, name, value)
        if value is MISSING:
            builtins: Any = getattr(f, "__builtins__")  # noqa: B009  (mypy does not know it)
            value = builtins.get(name, MISSING)
            self.watches.name(builtins, name, value)
        return self._token(value, name)

    def _import(self, f: types.FunctionType, level: int, name: str) -> Hashable:
        package = f.__globals__.get("__package__") or ""
        full = importlib.util.resolve_name("." * level + name, package) if level else name
        if full not in sys.modules:
            raise UnknownError(f"it imports {full}, which is not loaded yet")
        return tuple([self._token(sys.modules[m], m) for m in (full.partition(".")[0], full)])

    def _method(self, m: Any) -> Hashable:
        return ("method", self._token(m.__func__, "its function"), self._token(m.__self__, "self"))

    def _partial(self, p: Any) -> Hashable:
        return ("partial", *(self._token(x, "partial") for x in (p.func, p.args, p.keywords)), *self._attributes(p))

    def _wrapper(self, w: Any) -> Hashable:
        return (type(w).__name__, self._token(w.__wrapped__, "its function"))

    def _property(self, p: property) -> Hashable:
        return ("property", *(self._token(f, "property") for f in (p.fget, p.fset, p.fdel)))

    def _builtin(self, f: Any) -> Hashable:
        owner = f.__self__
        if owner is None or isinstance(owner, types.ModuleType):
            return self._constant(f)
        return ("bound", f.__name__, self._token(owner, f"self of {f.__name__}"))

    def _constant(self, x: Any) -> Hashable:
        """A function or class of a library."""
        name = x.__name__
        home = sys.modules.get(x.__module__ or "")
        if name in IMPURE_NAMES or (home is not None and x.__module__ != "builtins" and impure(home)):
            raise UnknownError(f"{x.__module__}.{x.__qualname__} may give something else each time")
        if name in REFLECTIVE:
            self._read((name,))
        return Is(x)

    # --- what has attributes -------------------------------------------------------------------

    def _module(self, m: types.ModuleType) -> Hashable:
        if library(m) and impure(m):
            raise UnknownError(f"module {m.__name__} may give something else each time")
        self._opened(vars(m), module=m)
        return Is(m)

    def _class(self, cls: type) -> Hashable:
        """A class that may be called."""
        parts: list[Hashable] = []
        for c in cls.__mro__:
            for name in CONSTRUCTORS if not (made_in_c(c) or of_library(c)) else ():
                value = vars(c).get(name, MISSING)
                self.watches.name(vars(c), name, value)
                parts.append(self._token(value, f"{c.__qualname__}.{name}"))
        return (self._token(cls, cls.__qualname__, as_class=True), *parts)

    def _members(self, cls: type) -> Hashable:
        """A class and its bases, for the sake of its instances."""
        if made_in_c(cls) or of_library(cls):
            return self._constant(cls)
        self.watches.attribute(cls, "__mro__", cls.__mro__)
        self._opened(vars(cls))
        above = [*cls.__mro__[1:-1], *([] if type(cls) is type else [type(cls)])]
        return (Is(cls), *(self._token(c, c.__qualname__, as_class=True) for c in above))

    def _instance(self, x: Any) -> Hashable:
        reads = getattr(type(x), "__reads__", None)
        if reads is not None:
            return (Is(type(x)), *(self._token(part, "part") for part in reads(x)))
        return self._attributes(x)

    def _attributes(self, x: Any) -> tuple[Hashable, ...]:
        """The class of an instance and its attributes; all of them count where a library reads them."""
        cls = type(x)
        own = [c for c in cls.__mro__ if f"{c.__module__}.{c.__qualname__}" not in PLAIN_BASES]
        if any("__getattribute__" in vars(c) for c in own if not made_in_c(c)):
            raise UnknownError(f"class {cls.__qualname__} defines __getattribute__")
        self.watches.attribute(x, "__class__", cls)
        parts = [self._token(cls, cls.__qualname__, as_class=True)]
        for c in own:
            for name, member in vars(c).items():
                if type(member) is types.MemberDescriptorType and not made_in_c(c):
                    value = getattr(x, name, MISSING)
                    self.watches.attribute(x, name, value)
                    parts.append(self._token(value, name))
        attributes = getattr(x, "__dict__", None)
        if isinstance(attributes, dict):
            self.watches.attribute(x, "__dict__", attributes)
            self._opened(attributes, dataclasses.is_dataclass(cls) or any(made_in_c(c) or of_library(c) for c in own))
        return tuple(parts)

    # --- attributes, and the names that are read -------------------------------------------------

    def _opened(self, attributes: Mapping[str, Any], every: bool = False, module: Any = None) -> None:
        """Attributes by name from now on; those whose names are read already, at once."""
        entry = _Open(self._at, attributes, every, module)
        self._open.append(entry)
        if module is None:  # a name that appears later may hide another; modules are asked name by name
            self.watches.content(attributes, iter, tuple(attributes))
            for name in tuple(attributes):
                if every or self._everything or name in self._names or _always(name):
                    self._look(entry, name)
        else:
            for name in tuple(self._names):
                self._look(entry, name)

    def _read(self, names: Iterable[str]) -> None:
        """Names that some code reads off something."""
        for name in names:
            if name in self._names:
                continue
            self._names[name] = None
            if name in REFLECTIVE:
                self._everything = True
            for entry in tuple(self._open):
                if self._everything and entry.module is None:
                    for other in tuple(entry.attributes):
                        self._look(entry, other)
                self._look(entry, name)

    def _look(self, entry: _Open, name: str) -> None:
        """Visit one attribute, if it is there."""
        value = entry.attributes.get(name, MISSING)
        if (entry.number, name) in self._looked or (value is MISSING and entry.module is None) or name in SHOWN:
            return
        self._looked.add((entry.number, name))
        if entry.module is not None and library(entry.module):
            self._look_in_library(value, f"{entry.module.__name__}.{name}")
            return
        if entry.module is not None and self._everything:
            raise UnknownError(f"any attribute of module {entry.module.__name__} may be read")
        self.watches.name(entry.attributes, name, value)
        self._parts.append((entry.number, name, self._token(value, name)))

    def _look_in_library(self, value: Any, name: str) -> None:
        if isinstance(value, types.ModuleType):
            self._parts.append(self._token(value, name))
        elif isinstance(value, types.FunctionType | types.BuiltinFunctionType | type):
            self._constant(value)
        elif name.rpartition(".")[2] in IMPURE_NAMES:
            raise UnknownError(f"{name} may give something else each time")


def _number(x: Any) -> Hashable:
    """A number or text by its type and bits: 1, 1.0 and True differ, and so do 0.0 and -0.0."""
    if type(x) is float:
        return ("float", struct.pack("<d", x))
    if type(x) is complex:
        return ("complex", struct.pack("<dd", x.real, x.imag))
    return (type(x).__name__, x)


def _digest(a: Any) -> bytes:
    from hashlib import blake2b  # 2 ms, so not at import

    return blake2b(raw(a).data).digest()


def _always(name: str) -> bool:
    """True for attributes that Python itself reads: operators, calls, descriptors."""
    return name.startswith("__") and name.endswith("__") and name not in CONSTRUCTORS


def _item_readers(x: Any) -> tuple[Callable[[Any], Iterable[Any]], ...]:
    """How the items of a container are read, past any method of a subclass."""
    if isinstance(x, types.MappingProxyType):
        return (iter, lambda m: m.values())
    if isinstance(x, OrderedDict):  # its order is its own
        return (OrderedDict.__iter__, OrderedDict.values)
    if isinstance(x, dict):
        return (dict.__iter__, dict.values)
    base: Any = next(c for c in CONTAINERS if isinstance(x, c))
    return (base.__iter__,)


_VISITS: tuple[tuple[Any, Callable[[Walk, Any], Hashable]], ...] = (
    (np.ndarray, Walk._array),
    (CONTAINERS, Walk._container),
    (NUMBERS, Walk._number_subclass),
    (slice, Walk._slice),
    (types.FunctionType, Walk._function),
    (types.MethodType, Walk._method),
    (functools.partial, Walk._partial),
    ((staticmethod, classmethod, type(functools.lru_cache(len))), Walk._wrapper),
    (property, Walk._property),
    (types.SimpleNamespace, Walk._attributes),
    ((types.BuiltinFunctionType, types.MethodWrapperType), Walk._builtin),
    (types.ModuleType, Walk._module),
    (type, Walk._class),
)
