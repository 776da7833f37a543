"""`adcore config show`: the settings in force, and where each comes from."""

from __future__ import annotations

import argparse
from typing import Any

from adcore.cli.command import Arguments, Command, emit, group, table

ABOUT = """\
Later places win: defaults, [tool.adcore] of pyproject.toml, adcore.toml, the environment (ADCORE_MEMORY),
options of the command line. The files are the nearest at or above the working directory."""


def _show_arguments(parser: argparse.ArgumentParser) -> None:
    from adcore.cli.strategy import strategy_arguments

    parser.add_argument("key", nargs="?", help="only this setting, or those of this table: strategy.memory, strategy")
    parser.add_argument("--origin", action="store_true", help="say where each value comes from")
    strategy_arguments(parser)


def _show(args: Arguments) -> int:
    from adcore.cli.strategy import settings
    from adcore.config import SETTINGS, nearest
    from adcore.errors import ConfigError
    from adcore.settings import check_settings

    said = settings(args)
    check_settings(said)
    found: dict[str, tuple[Any, str]] = {key: (known.default, "default") for key, known in SETTINGS.items()}
    found |= {_dotted(key): (setting.value, setting.origin) for key, setting in said.settings.items()}
    if said.options("strategy", "methods"):
        del found["strategy.methods"]  # they are listed one by one
    if args.key is not None:
        chosen = {k: v for k, v in found.items() if k == args.key or k.startswith(f"{args.key}.")}
        if not chosen:
            raise ConfigError(f"there is no setting {args.key!r}", "config show", nearest(args.key, found))
        found = chosen
    data = {k: {"value": value, "origin": origin} if args.origin else value for k, (value, origin) in found.items()}
    rows = [[k, _shown(value), *([origin] if args.origin else [])] for k, (value, origin) in found.items()]
    emit(args, data, table(rows, ["setting", "value", *(["origin"] if args.origin else [])]))
    return 0


def _dotted(key: tuple[str, ...]) -> str:
    from adcore.config import quoted

    return ".".join(map(quoted, key))


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return str(value).lower() if isinstance(value, bool) else str(value)


COMMANDS = {
    "config": group(
        "the settings in force, and where each comes from",
        {
            "show": Command(
                "print the settings in force",
                _show_arguments,
                _show,
                ("adcore config show --origin", "adcore config show strategy --set memory=64MiB --json"),
                ABOUT,
            )
        },
        ABOUT,
    )
}
