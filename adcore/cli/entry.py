"""The one door of the command line: finds the verb, runs it, turns every end into an exit code."""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import sys
from collections.abc import Mapping
from typing import Any

from adcore.cli.command import Arguments, Parser, UsageError, add_global, parser_of, tell

DONE, FAILED, USAGE, LOAD, INTERNAL, STOPPED, INTERRUPTED = 0, 1, 2, 3, 4, 75, 130


def run(argv: list[str], verbs: Mapping[str, tuple[str, str]], epilog: str) -> int:
    """Run a command line; the exit code. Nothing is raised."""
    top = _top_parser(verbs, epilog)
    args = Arguments(json=False, traceback=False, use_plugins=[], no_plugins=False, strict_plugins=False, config=None)
    try:
        try:
            args = top.parse_args(argv, args)
            if args.version:
                sys.stdout.write(f"adcore {_version()}\n")
                return DONE
            if not args.verb:
                sys.stderr.write(top.format_help())
                return USAGE
            return _run_verb(args, verbs)
        except SystemExit as leaving:  # argparse after --help
            return int(leaving.code or 0)
        finally:
            sys.stdout.flush()
    except UsageError as e:
        tell(f"{e.usage}error: {e}")
        return USAGE
    except KeyboardInterrupt:
        tell("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as e:  # noqa: BLE001  (the outermost door: every error becomes an exit code)
        return _told(
            e, args.traceback or "--traceback" in argv or os.environ.get("ADCORE_TRACEBACK", "") not in ("", "0")
        )


def _top_parser(verbs: Mapping[str, tuple[str, str]], epilog: str) -> Parser:
    lines = "\n".join(f"  {verb:<14} {help}" for verb, (_, help) in verbs.items())
    top = Parser(
        prog="adcore", usage="adcore [options] VERB ...",
        description=f"Exact derivatives of NumPy models, as graphs you can save.\n\nverbs:\n{lines}",
        epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
    )  # fmt: skip
    top.add_argument("--version", action="store_true", help="print the version")
    add_global(top)
    top.add_argument("verb", nargs="?", help=argparse.SUPPRESS)
    top.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return top


def _run_verb(args: Arguments, verbs: Mapping[str, tuple[str, str]]) -> int:
    verb, rest = args.verb, args.rest
    command = find_command(verb, verbs, args)
    args = parser_of(verb, command).parse_args(rest, args)
    if verb in verbs:
        _configure(args)
    code: int = command.run(args)
    return code


def find_command(verb: str, verbs: Mapping[str, tuple[str, str]], args: Arguments | None = None) -> Any:
    """The command of a verb, from its module or from a plugin. Raises UsageError for an unknown one."""
    if verb in verbs:
        return importlib.import_module(verbs[verb][0]).COMMANDS[verb]
    if args is not None:
        _configure(args)
    from adcore.plugins import loader
    from adcore.registry import registry

    loader().load_all()
    commands = registry().commands
    if verb not in commands:
        near = difflib.get_close_matches(verb, [*verbs, *commands], 1)
        hint = f"did you mean {near[0]!r}?" if near else "see `adcore --help`"
        raise UsageError(f"no verb is called {verb!r}; {hint}", "usage: adcore VERB ...\n")
    return commands[verb]


def _configure(args: Arguments) -> None:
    """Tell the settings and the plugin loader what --config, -p, --no-plugins and --strict-plugins ask for."""
    if args.config is not None:
        os.environ["ADCORE_CONFIG"] = args.config
    changes: dict[str, Any] = {}
    only = tuple(n for n in args.use_plugins if not n.startswith("no:"))
    blocked = tuple(n.removeprefix("no:") for n in args.use_plugins if n.startswith("no:"))
    if only:
        changes["only"] = only
    if blocked:
        changes["blocked"] = blocked
    if args.no_plugins:
        changes["enabled"] = False
    if args.strict_plugins:
        changes["strict"] = True
    if changes:
        from adcore.plugins import loader

        loader().configure(**changes)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("adcore")
    except PackageNotFoundError:
        return "(not installed)"


# --- errors --------------------------------------------------------------------------------------


def _told(error: Exception, with_traceback: bool) -> int:
    """Print an error as its three parts (with --traceback: where it was raised); its exit code."""
    from adcore.errors import AdcoreError

    if with_traceback:
        import traceback

        traceback.print_exception(error)
    elif isinstance(error, AdcoreError):
        tell(f"{type(error).__name__}: {error}")
    elif isinstance(error, OSError):
        tell(f"{type(error).__name__}: {error.strerror or error}" + (f"\n  {error.filename}" if error.filename else ""))
    else:
        notes = "".join(f"\n{note}" for note in getattr(error, "__notes__", ()))
        tell(
            f"internal error: {type(error).__name__}: {error}{notes}\n"
            f"  set ADCORE_TRACEBACK=1 (or --traceback) to see where, and report it"
        )
    return exit_code(error)


def exit_code(error: BaseException) -> int:
    """The exit code that an error ends a command with.

    A class of errors may say it itself, by an attribute `exit_code`.
    """
    from adcore import errors

    said = getattr(error, "exit_code", None)
    if isinstance(said, int):
        return said
    if isinstance(error, errors.CheckError):
        return FAILED
    if isinstance(
        error,
        errors.FileFormatError
        | errors.GraphError
        | errors.UnknownOpError
        | errors.PluginError
        | errors.MissingExtraError,
    ):
        return LOAD
    if isinstance(error, errors.AdcoreError | OSError):
        return USAGE
    return INTERNAL
