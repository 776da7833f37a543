"""Optional packages: imported when first needed, and asked for in words where they are missing."""

from __future__ import annotations

import importlib
from functools import lru_cache
from types import ModuleType

from adcore.extend import MissingExtraError


@lru_cache(maxsize=16)
def scipy(part: str) -> ModuleType:
    """The module scipy.<part>. Raises MissingExtraError that says how to get SciPy.

    >>> float(scipy("special").gamma(5.0))
    24.0
    """
    try:
        return importlib.import_module(f"scipy.{part}")
    except ImportError as e:
        raise MissingExtraError(
            f"this runs on scipy.{part}, and SciPy is not installed", "", 'install it: pip install "adcore[scipy]"'
        ) from e
