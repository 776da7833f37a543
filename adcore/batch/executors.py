"""Executors by name: what plugins registered, a class or "module:Class", imported when asked for."""

import difflib
from importlib import import_module

from adcore.batch.executor import Executor
from adcore.errors import ConfigError, MissingExtraError
from adcore.plugins import loader
from adcore.registry import registry


def executor_named(name: str) -> type[Executor]:
    """The executor class of that name.

    Raises: ConfigError with the names that there are; MissingExtraError if it needs a package that is
    not installed.
    """
    loader().load(None)
    known = registry().executors
    if name not in known:
        close = difflib.get_close_matches(name, known, 1)
        listed = f"allowed: {', '.join(sorted(known))}"
        raise ConfigError(
            f"there is no executor {name!r}",
            "[job] executor",
            f"did you mean {close[0]!r}? {listed}" if close else listed,
        )
    found = known[name]
    if isinstance(found, str):
        module, _, attribute = found.partition(":")
        try:
            found = getattr(import_module(module), attribute)
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                f"executor {name!r} needs the package {error.name!r}, which is not installed",
                f"executor {name!r}, {found}",
                f"pip install 'adcore[{name}]'",
            ) from None
    kind: type[Executor] = found
    return kind
