"""`adcore plugins|ops|strategies|doctor`: what is installed here, and whether it works."""

from __future__ import annotations

import argparse
from typing import Any

from adcore.cli.command import Arguments, Command, emit, table

# --- plugins -------------------------------------------------------------------------------------


def _plugins_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="all of one plugin: what it brought, where it failed")
    parser.add_argument("--failed", action="store_true", help="only those that could not be loaded")


def _plugins(args: Arguments) -> int:
    from adcore.config import nearest
    from adcore.errors import PluginError
    from adcore.plugins import loader

    found = loader().load_all()
    if args.name is not None:
        chosen = [p for p in found if p.name == args.name]
        if not chosen:
            raise PluginError(f"no plugin is called {args.name!r}", "", nearest(args.name, [p.name for p in found]))
        emit(args, [_plugin(p) for p in chosen], "\n\n".join(map(_told, chosen)))
        return 0
    found = [p for p in found if p.status == "failed" or not args.failed]
    rows = [
        [p.name, p.status, f"{p.distribution} {p.version}".strip(), f"{p.seconds:.2f}", p.reason or _counts(p.brought)]
        for p in found
    ]
    emit(args, [_plugin(p) for p in found], table(rows, ["plugin", "status", "from", "seconds", "brought, or reason"]))
    return 0


def _counts(brought: dict[str, list[str]]) -> str:
    return ", ".join(f"{len(names)} {kind}" for kind, names in brought.items()) or "nothing"


def _plugin(p: Any) -> dict[str, Any]:
    return {
        "name": p.name, "status": p.status, "distribution": p.distribution, "version": p.version, "module": p.module,
        "built_in": p.built_in, "reason": p.reason, "detail": p.detail, "seconds": round(p.seconds, 4),
        "printed": p.printed, "brought": {kind: list(names) for kind, names in p.brought.items()},
    }  # fmt: skip


def _told(p: Any) -> str:
    lines = [f"{p.name}: {p.status}, of {p.distribution} {p.version}".rstrip(), f"  module  {p.module}"]
    lines += [f"  reason  {p.reason}"] if p.reason else []
    lines += [f"  loaded in {p.seconds:.3f} s" + (", which is slow" if p.seconds > 1 else "")]
    lines += [f"  {kind:<12} {', '.join(names)}" for kind, names in p.brought.items()]
    lines += [f"  it printed: {p.printed.strip()}"] if p.printed.strip() else []
    return "\n".join([*lines, *([p.detail.rstrip()] if p.detail else [])])


# --- ops -----------------------------------------------------------------------------------------


def _ops_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="only ops whose name has this in it")
    parser.add_argument("--domain", metavar="NAME", help="only ops of this domain")
    parser.add_argument("--functions", action="store_true", help="what works of NumPy and SciPy, function by function")
    parser.add_argument("--missing", action="store_true", help="those functions of which something does not work")


def _ops(args: Arguments) -> int:
    from adcore.plugins import loader
    from adcore.registry import registry

    loader().load_all()
    known = registry()
    if args.functions or args.missing:
        return _functions(args)
    ops = [
        op for name, op in sorted(known.ops.items())
        if (args.name or "") in name and args.domain in (None, op.domain)
    ]  # fmt: skip
    data: list[dict[str, Any]] = [
        {
            "name": op.name, "version": op.version, "derivative": _derivative(op), "params": list(op.params),
            "elementwise": op.elementwise, "numpy": [_numpy_name(f) for f in op.numpy],
            "from": str(known.origins["ops", op.name]), "doc": op.doc,
        }
        for op in ops
    ]  # fmt: skip
    rows = [
        [
            d["name"],
            str(d["version"]),
            d["derivative"],
            ", ".join(d["numpy"]),
            known.origins["ops", d["name"]].distribution,
        ]
        for d in data
    ]
    emit(args, data, table(rows, ["op", "version", "derivative", "records", "from"]))
    return 0


def _derivative(op: Any) -> str:
    """The kind of an op's rule; of one that is stated by halves, which."""
    if op.rule is None:
        return "none"
    if op.rule.kind != "rule":
        return str(op.rule.kind)
    halves = [name for name in ("jvp", "vjp", "tape") if getattr(op.rule, name) is not None]
    return " and ".join(halves)


def _numpy_name(f: Any) -> str:
    module = (getattr(f, "__module__", None) or "numpy").replace("numpy", "np")
    return f"{'np' if module.startswith('np._') else module}.{getattr(f, '__name__', f)}"


def _functions(args: Arguments) -> int:
    """What works of each function of NumPy and SciPy; with --missing only where something does not."""
    from importlib.util import find_spec

    from adcore.testing.coverage import PLACES, QUESTIONS, coverage

    places = [p for p in PLACES if p != "sp" or find_spec("scipy")]
    found = [row for place in places for row in coverage(place, args.name or "")]
    rows = [r for r in found if not (args.missing and r.works)]
    data = [
        {"name": r.name, "call": r.call, **dict(zip(QUESTIONS, r.answers, strict=True)), "note": r.note} for r in rows
    ]
    emit(args, data, table([[r.name, *r.answers, r.note] for r in rows], ["function", *QUESTIONS, ""]))
    return 0


# --- strategies ----------------------------------------------------------------------------------


def _strategies_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="tell all of one strategy")


def _strategies(args: Arguments) -> int:
    from adcore.config import nearest
    from adcore.errors import StrategyError
    from adcore.plugins import loader
    from adcore.registry import registry

    loader().load_all()
    known = registry()
    if args.name is not None and args.name not in known.strategies:
        raise StrategyError(f"no strategy is called {args.name!r}", "", nearest(args.name, known.strategies))
    data = [
        _strategy(name, kind, known.origins["strategies", name])
        for name, kind in sorted(known.strategies.items())
        if args.name in (None, name)
    ]
    keys: list[Any] = sorted(known.methods)
    methods = [{"op": op, "name": name} for op, name in keys]
    if args.name is not None:
        emit(args, data[0], _in_full(data[0]))
        return 0
    rows = [[d["name"], ", ".join(d["makes"]), ", ".join(d["options"]) or "-", d["about"]] for d in data]
    text = table(rows, ["strategy", "makes", "options", "about"])
    if methods:
        text += "\n\n" + table([[m["op"], m["name"]] for m in methods], ["op or call", "method"])
    emit(args, {"strategies": data, "methods": methods}, text)
    return 0


def _strategy(name: str, kind: Any, origin: Any) -> dict[str, Any]:
    """What a strategy says of itself."""
    import inspect
    from dataclasses import MISSING, fields

    options = {
        f.name: {"type": str(f.type), "default": None if f.default is MISSING else f.default}
        for f in fields(kind.Options)
    }
    doc = inspect.getdoc(kind) or ""
    return {
        "name": name, "makes": sorted(kind.kinds), "options": options, "about": doc.partition("\n")[0], "doc": doc,
        "options_doc": inspect.getdoc(kind.Options) or "", "from": str(origin),
    }  # fmt: skip


def _in_full(d: dict[str, Any]) -> str:
    lines = [f"{d['name']}: makes {' and '.join(d['makes'])}; from {d['from']}", "", d["doc"]]
    if d["options"]:
        lines += ["", d["options_doc"], ""]
        lines += [f"  {name} = {o['default']!r}  ({o['type']})" for name, o in d["options"].items()]
    return "\n".join(lines)


# --- doctor --------------------------------------------------------------------------------------


def _doctor(args: Arguments) -> int:
    from adcore.cli.doctor import examine

    found = examine()
    emit(args, found, table([[f["what"], "ok" if f["ok"] else "PROBLEM", f["told"]] for f in found]))
    return 0 if all(f["ok"] for f in found) else 1


COMMANDS = {
    "plugins": Command(
        "who brought what, and what failed",
        _plugins_arguments,
        _plugins,
        ("adcore plugins", "adcore plugins adcore_strategies", "adcore plugins --json"),
    ),
    "ops": Command(
        "the ops that graphs may use",
        _ops_arguments,
        _ops,
        (
            "adcore ops --domain core",
            "adcore ops matmul --json",
            "adcore ops fft --functions",
            "adcore ops linalg --missing",
        ),
    ),
    "strategies": Command(
        "the strategies, and their options",
        _strategies_arguments,
        _strategies,
        ("adcore strategies", "adcore strategies forward"),
    ),
    "doctor": Command("versions, plugins, and a self-test", lambda parser: None, _doctor, ("adcore doctor",)),
}
