"""What Python code may read: the names of a code object, and which modules and types never change.

Used by `adcore.fingerprint`. A code object is read once; nothing of it runs.
"""

from __future__ import annotations

import dis
import os
import re
import sys
import types
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

LIBRARIES = frozenset(
    ("numpy", "scipy", "adcore", "adcore_ops", "adcore_strategies", "adcore_backends", "adcore_executors")
    + ("adcore_formats", "pluggy", "msgpack", "rich")
)
"""Packages whose modules are taken as constant, like those of the standard library."""

IMPURE_MODULES = frozenset(
    [
        "asyncio",
        "builtins",
        "contextvars",
        "ctypes",
        "datetime",
        "fileinput",
        "gc",
        "glob",
        "inspect",
        "io",
        "locale",
        "multiprocessing",
        "nt",
        "os",
        "pathlib",
        "platform",
        "posix",
        "random",
        "secrets",
        "select",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "subprocess",
        "sys",
        "tempfile",
        "threading",
        "time",
        "urllib",
        "uuid",
        "weakref",
    ]
)
"""Modules of the standard library that read the clock, files, the environment, or chance."""

IMPURE_BUILTINS = frozenset(("__import__", "eval", "exec", "globals", "input", "open", "vars"))
IMPURE_NAMES = frozenset(
    ("rvs", "default_rng", "RandomState", "SeedSequence", "load", "loadtxt", "genfromtxt", "fromfile", "memmap")
)
"""Attributes of library modules that read files or chance."""

_HEAP, _IMMUTABLE = 1 << 9, 1 << 8  # Py_TPFLAGS_HEAPTYPE, Py_TPFLAGS_IMMUTABLETYPE


@dataclass(frozen=True, slots=True)
class Reads:
    """What a code object and those nested in it may read.

    chains: (scope, name, attributes) for each global ("global") or closed-over ("free") name, with the
        attributes that are read off it at once: `np.linalg.norm` is ("global", "np", ("linalg", "norm")).
    imports: (module, level, names) for each import statement inside.
    attributes: every attribute that is read off anything.
    """

    chains: tuple[tuple[str, str, tuple[str, ...]], ...]
    imports: tuple[tuple[str, int, tuple[str, ...] | None], ...]
    attributes: frozenset[str]


@lru_cache(maxsize=4096)
def reads_of(code: types.CodeType) -> Reads:
    """What the code may read.

    >>> reads_of((lambda x: np.linalg.norm(x)).__code__).chains
    (('global', 'np', ('linalg', 'norm')),)
    """
    chains: dict[tuple[str, str, tuple[str, ...]], None] = {}
    imports: list[tuple[str, int, tuple[str, ...] | None]] = []
    attributes: set[str] = set()
    scope, name, path = "", "", []  # the chain that is being read
    before: list[Any] = [None, None]  # the constants loaded just before: level and names of an import
    for instruction in dis.get_instructions(code):
        opname, value = instruction.opname, instruction.argval
        if opname in ("LOAD_ATTR", "LOAD_METHOD"):
            attributes.add(value)
            if scope:
                path.append(value)
                continue
        if scope and opname not in ("CACHE", "PRECALL"):
            chains[scope, name, tuple(path)] = None
            scope = ""
        if opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            scope, name, path = "global", value, []
        elif opname in ("LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"):
            scope, name, path = "free", value, []
        elif opname == "IMPORT_NAME":
            imports.append((value, *_import_of(before)))
        before = [before[1], value]
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            found = reads_of(inner)
            chains.update(dict.fromkeys(found.chains))
            imports += found.imports
            attributes |= found.attributes
    return Reads(tuple(chains), tuple(imports), frozenset(attributes))


def _import_of(before: list[Any]) -> tuple[int, tuple[str, ...] | None]:
    level, names = before
    return (level if isinstance(level, int) else 0), (names if isinstance(names, tuple) else None)


def library(module: types.ModuleType) -> bool:
    """True for a module that is taken as constant: of the standard library, NumPy, SciPy or adcore."""
    name = module.__name__.partition(".")[0]
    file = getattr(module, "__file__", None)
    if name in LIBRARIES:
        home = getattr(sys.modules.get(name), "__file__", None)
        return file is None or home is None or file.startswith(os.path.dirname(home))
    if name in sys.stdlib_module_names:  # a user's own file may be called statistics.py
        standard, site = _places()
        return file is None or (file.startswith(standard) and not file.startswith(site))
    return False


@lru_cache(maxsize=1)
def _places() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The folders of the standard library, and those of installed packages, which may lie inside."""
    import sysconfig  # 1 ms, so not at import

    found = {k: os.path.join(sysconfig.get_path(k), "") for k in ("stdlib", "platstdlib", "purelib", "platlib")}
    return (found["stdlib"], found["platstdlib"]), (found["purelib"], found["platlib"])


def library_class(cls: type) -> bool:
    """True for a class that a constant module holds under its own name, or that is made in C."""
    if not cls.__flags__ & _HEAP or made_in_c(cls):
        return True
    module = sys.modules.get(cls.__module__)
    return module is not None and library(module) and _held(module, cls.__qualname__) is cls


def library_function(f: types.FunctionType) -> bool:
    """True for a function that a constant module holds under its own name."""
    module = sys.modules.get(f.__module__ or "")
    return module is not None and library(module) and _held(module, f.__qualname__) is f


def of_library(f: types.FunctionType) -> bool:
    """True for a function whose globals are those of a constant module (it may still be a closure)."""
    module = sys.modules.get(f.__globals__.get("__name__", ""))
    return module is not None and module.__dict__ is f.__globals__ and library(module)


def _held(module: types.ModuleType, qualname: str) -> Any:
    found: Any = module
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


@lru_cache(maxsize=4096)
def made_in_c(cls: type) -> bool:
    """True for a class whose instances may hold what Python cannot see.

    Source: the test by `__new__` is the one that `copyreg._reduce_ex` makes.
    """
    if not cls.__flags__ & _HEAP or cls.__flags__ & _IMMUTABLE:
        return True
    own = vars(cls)
    new = own.get("__new__")
    if isinstance(new, types.BuiltinFunctionType) and new.__self__ is cls:
        return True
    return any(
        isinstance(v, types.MethodDescriptorType | types.GetSetDescriptorType)
        and v.__objclass__ is cls
        and name not in ("__dict__", "__weakref__")
        for name, v in own.items()
    )


@lru_cache(maxsize=1)
def constant_types() -> frozenset[type]:
    """Types whose instances never change, or say nothing that a result could depend on."""
    import datetime
    import decimal  # 6 ms, and logging 4 ms: not at import
    import logging
    import threading

    found: set[type] = {
        types.BuiltinFunctionType, types.CodeType, types.GenericAlias, types.GetSetDescriptorType,
        types.MemberDescriptorType, types.MethodDescriptorType, types.WrapperDescriptorType,
        types.ClassMethodDescriptorType, types.MethodWrapperType, types.UnionType, types.EllipsisType,
        types.NotImplementedType, np.ufunc, type(np.sum), re.Pattern, decimal.Decimal, range,
        datetime.datetime, datetime.date, datetime.time, datetime.timedelta, datetime.timezone,
        logging.Logger, logging.RootLogger, type(threading.Lock()), type(threading.RLock()),
    }  # fmt: skip
    return frozenset(found | {type(np.dtype(c)) for c in "?bhilqBHILQefdgFDGSUVmMO"})
