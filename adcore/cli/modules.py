"""MODULE:FUNCTION: what a command line names of the user's own code. Its mistakes are told at their line."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from adcore.config import near, nearest
from adcore.errors import AdcoreError, InputError


def named(text: str, otherwise: ModuleType | None = None) -> tuple[ModuleType, Any]:
    """The module and the object of "package.module:name" or "path/to/file.py:name"; ":name" is of `otherwise`.

    Raises: InputError when there is no such module or name, or the module raises when it is imported.
    """
    place, colon, name = text.rpartition(":")
    if not colon or not name:
        raise InputError(f"{text!r} names no function", "MODULE:FUNCTION", "write model:loss, or model.py:loss")
    module = otherwise if not place and otherwise is not None else _module(place)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            known = [n for n in vars(found) if not n.startswith("_")] if hasattr(found, "__dict__") else []
            raise InputError(f"{place or module.__name__} has no {part!r}", f"in {text}", nearest(part, known))
        found = getattr(found, part)
    return module, found


def _module(place: str) -> ModuleType:
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    if not place.endswith(".py"):
        found: ModuleType = users(lambda: importlib.import_module(place), f"module {place} cannot be imported")
        return found
    path = Path(place).resolve()
    if not path.is_file():
        raise InputError(f"there is no file {place}", "MODULE:FUNCTION", "give the path of a Python file")
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    users(lambda: spec.loader.exec_module(module), f"{place} cannot be run")  # type: ignore[union-attr]
    return module


def users(run: Callable[[], Any], what: str) -> Any:
    """The result of the user's own code. Raises InputError at the line where it raised; our errors pass."""
    try:
        return run()
    except AdcoreError:
        raise
    except Exception as error:
        ours = os.path.dirname(os.path.dirname(__file__))
        frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith((ours, "<"))]
        where = f"at {near(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
        if isinstance(error, SyntaxError):
            where = f"at {near(error.filename or '?')}:{error.lineno}"
        raise InputError(f"{what}: {type(error).__name__}: {error}", where) from error
