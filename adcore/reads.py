"""What Python code may read: the names in a code object, and what is taken as constant.

Used by `adcore.walk`. A code object is read once; nothing of it runs.
"""

from __future__ import annotations

import dis
import os
import sys
import types
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

LIBRARIES = frozenset(
    [
        "numpy", "scipy", "adcore", "adcore_ops", "adcore_strategies", "adcore_backends", "adcore_executors",
        "adcore_stores", "adcore_formats", "pluggy", "msgpack", "rich",
    ]
)  # fmt: skip
"""Packages whose modules are taken as constant, like those of the standard library."""

IMPURE_MODULES = frozenset(
    [
        "asyncio", "builtins", "contextvars", "ctypes", "datetime", "fileinput", "gc", "glob", "inspect", "io",
        "locale", "multiprocessing", "nt", "numpy.random", "os", "pathlib", "platform", "posix", "random",
        "secrets", "select", "shutil", "signal", "socket", "sqlite3", "subprocess", "sys", "tempfile",
        "threading", "time", "urllib", "uuid", "weakref",
    ]
)  # fmt: skip
"""Constant modules whose functions read the clock, files, the environment, or chance."""

IMPURE_NAMES = frozenset(
    [
        "__import__", "eval", "exec", "globals", "input", "locals", "open", "rvs", "default_rng",
        "RandomState", "SeedSequence", "load", "loadtxt", "genfromtxt", "fromfile", "memmap",
    ]
)  # fmt: skip
"""Builtins and functions of other constant modules that do so."""

REFLECTIVE = frozenset(
    [
        "getattr", "hasattr", "vars", "dir", "attrgetter", "methodcaller", "getmembers", "type", "__class__",
        "__dict__", "__getattribute__",
    ]
)  # fmt: skip
"""Names whose use means that any attribute may be read."""

_HEAP, _IMMUTABLE = 1 << 9, 1 << 8  # Py_TPFLAGS_HEAPTYPE, Py_TPFLAGS_IMMUTABLETYPE


@dataclass(frozen=True, slots=True)
class Reads:
    """What a code object and those nested in it may read, in the order of the code.

    names: globals and builtins. attributes: read off anything. imports: (level, module) of import statements.
    """

    names: tuple[str, ...]
    attributes: tuple[str, ...]
    imports: tuple[tuple[int, str], ...]


@lru_cache(maxsize=4096)
def reads_of(code: types.CodeType) -> Reads:
    """What the code may read.

    >>> reads_of((lambda x: np.linalg.norm(x)).__code__)
    Reads(names=('np',), attributes=('linalg', 'norm'), imports=())
    """
    names: dict[str, None] = {}
    attributes: dict[str, None] = {}
    imports: dict[tuple[int, str], None] = {}
    before: list[Any] = [None, None]  # the two constants loaded last: the level of an import, and its names
    for instruction in dis.get_instructions(code):
        opname, value = instruction.opname, instruction.argval
        if opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"):
            names[value] = None
        elif opname in ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "IMPORT_FROM"):
            attributes[value] = None
        elif opname == "MATCH_CLASS":  # a pattern `State(x=0)` reads attributes by names in a constant
            attributes["__getattribute__"] = None
        elif opname == "LOAD_DEREF" and value == "__class__" and before[1] != "super":
            attributes[value] = None
        elif opname == "IMPORT_NAME":
            imports[before[0] if isinstance(before[0], int) else 0, value] = None
        before = [before[1], value]
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            found = reads_of(inner)
            names.update(dict.fromkeys(found.names))
            attributes.update(dict.fromkeys(found.attributes))
            imports.update(dict.fromkeys(found.imports))
    return Reads(tuple(names), tuple(attributes), tuple(imports))


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


def impure(module: types.ModuleType) -> bool:
    """True for a constant module whose functions read the clock, files, the environment, or chance."""
    return module.__name__ in IMPURE_MODULES or module.__name__.partition(".")[0] in IMPURE_MODULES


@lru_cache(maxsize=1)
def _places() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The folders of the standard library, and those of installed packages, which may lie inside."""
    import sysconfig  # 1 ms, so not at import

    found = {k: os.path.join(sysconfig.get_path(k), "") for k in ("stdlib", "platstdlib", "purelib", "platlib")}
    return (found["stdlib"], found["platstdlib"]), (found["purelib"], found["platlib"])


def of_library(x: Any) -> bool:
    """True for a function or class that a constant module holds under its own name."""
    module = sys.modules.get(getattr(x, "__module__", None) or "")
    if module is None or not library(module):
        return False
    found: Any = module
    for part in x.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is x


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
    import re
    import threading
    from collections import namedtuple

    field = vars(namedtuple("Record", "field"))["field"]
    return frozenset(
        (
            type(field), types.CodeType, types.GenericAlias, types.GetSetDescriptorType,
            types.MemberDescriptorType, types.MethodDescriptorType, types.WrapperDescriptorType,
            types.ClassMethodDescriptorType, types.UnionType, np.ufunc, type(np.sum), range, re.Pattern,
            decimal.Decimal, datetime.datetime, datetime.date, datetime.time, datetime.timedelta, datetime.timezone,
            logging.Logger, logging.RootLogger, type(threading.Lock()), type(threading.RLock()),
        )
    )  # fmt: skip
