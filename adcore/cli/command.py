"""What a verb of the command line is, and how its parser is made. Imports nothing but argparse.

A module of verbs has a dict `COMMANDS: dict[str, Command]`; a plugin gives one to the hook
`adcore_register_commands`. Verbs with verbs of their own (`batch run`) are made by `group`.

>>> hello = Command("say hello", lambda parser: None, lambda args: 0, ("adcore hello",))
>>> parser_of("hello", hello).prog
'adcore hello'
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Arguments = argparse.Namespace


@dataclass(frozen=True, slots=True)
class Command:
    """One verb.

    help: one line. add_arguments(parser): declares options. run(args): does it, returns the exit code.
    examples: command lines that work, shown by --help and run by the tests. about: more than one line says.
    """

    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[Arguments], int]
    examples: tuple[str, ...] = ()
    about: str = ""


class UsageError(Exception):
    """A command line that does not fit its parser; `usage` is what the parser prints with it."""

    def __init__(self, message: str, usage: str) -> None:
        super().__init__(message)
        self.usage = usage


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises UsageError in place of leaving the process."""

    def error(self, message: str) -> Any:
        """Raise UsageError."""
        raise UsageError(message, self.format_usage())


def parser_of(verb: str, command: Any) -> Parser:
    """The parser of a verb: its own arguments, the global options, its examples at the end of --help.

    command: a Command, or a plugin's object with at least help, add_arguments and run.
    """
    parser = Parser(prog=f"adcore {verb}", **_texts(command))
    command.add_arguments(parser)
    add_global(parser)
    return parser


def _texts(command: Any) -> dict[str, Any]:
    examples = getattr(command, "examples", ())
    about = getattr(command, "about", "")
    return {
        "description": f"{command.help[:1].upper()}{command.help[1:]}." + (f"\n\n{about}" if about else ""),
        "epilog": "\n".join(["examples:", *(f"  {e}" for e in examples)]) if examples else None,
        "formatter_class": argparse.RawDescriptionHelpFormatter,
        "allow_abbrev": False,
    }


def group(help: str, commands: Mapping[str, Command], about: str = "") -> Command:
    """A verb that is a group of verbs: `adcore batch run`."""

    def add_arguments(parser: argparse.ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="subverb", metavar="VERB", required=True, title="verbs", parser_class=Parser)
        for name, command in commands.items():
            inner = verbs.add_parser(name, help=command.help, **_texts(command))
            command.add_arguments(inner)
            add_global(inner)

    examples = tuple(c.examples[0] for c in commands.values() if c.examples)
    return Command(help, add_arguments, lambda args: commands[args.subverb].run(args), examples, about)


def add_global(parser: argparse.ArgumentParser) -> None:
    """The options that every verb has. They may stand before the verb too."""
    options = parser.add_argument_group("options of every verb")
    quiet = argparse.SUPPRESS
    options.add_argument("--json", action="store_true", default=quiet, help="data as JSON")
    options.add_argument("--traceback", action="store_true", default=quiet, help="show where an error was raised")
    options.add_argument("--config", metavar="FILE", default=quiet, help="a settings file, for the nearest adcore.toml")
    options.add_argument(
        "-p", dest="use_plugins", metavar="NAME", action="append", default=quiet,
        help="load this plugin beside the built-in ones, and no other; -p no:NAME: not this one",
    )  # fmt: skip
    options.add_argument("--no-plugins", action="store_true", default=quiet, help="load the built-in plugins only")
    options.add_argument(
        "--strict-plugins", action="store_true", default=quiet, help="a plugin that cannot load is an error"
    )


# --- output --------------------------------------------------------------------------------------


def tell(message: str) -> None:
    """A message for people, on stderr."""
    sys.stderr.write(message + "\n")


def emit(args: Arguments, data: Any, text: str) -> None:
    """Data on stdout: as JSON if --json was given, else the text."""
    sys.stdout.write((json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) if args.json else text) + "\n")


def table(rows: Sequence[Sequence[str]], head: Sequence[str] = ()) -> str:
    """Rows in columns, two spaces apart; columns that hold numbers only are flush right.

    >>> print(table([["a", "1"], ["bcd", "20"]], ["name", "n"]))
    name   n
    ----  --
    a      1
    bcd   20
    """
    lines = [list(head), *map(list, rows)] if head else [list(r) for r in rows]
    if not lines:
        return ""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    right = [all(_number(r[i]) for r in rows) for i in range(len(widths))]
    if head:
        lines.insert(1, ["-" * w for w in widths])
    return "\n".join(
        "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, widths, right, strict=True)).rstrip()
        for line in lines
    )


def _number(cell: str) -> bool:
    return cell.replace(",", "").replace(".", "", 1).isdigit()
