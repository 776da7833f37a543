"""Imports go down only: read from the source of every module, lazy imports included."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FLOORS: list[tuple[str, ...]] = [
    ("errors", "types", "tree", "graph"),
    ("params", "elements", "rules", "registry", "samples", "opdef", "trace", "tracer", "index", "memory"),
    ("tracing", "select", "transform", "plan", "serialize", "fingerprint", "reads", "walk", "watch", "pattern",
     "colour"),
    (
        "backend", "strategy", "snapshots", "stepper", "executor", "compose", "control", "ode", "systems", "implicit",
        "random", "convolution",
    ),
    (
        "config", "plugins", "hookspecs", "settings", "files", "sizes", "evaluate", "arguments", "remember",
        "derivatives", "pullback", "vector", "api", "explain", "extend", "sparse",
    ),
    ("cli", "batch", "testing", "numpy", "scipy", "__main__"),
]  # fmt: skip
"""The modules and packages of adcore by floor. A module may import its own floor and those below."""

BUILT_IN = ("adcore_ops", "adcore_strategies", "adcore_backends", "adcore_executors", "adcore_formats")

ONLY_IN: dict[str, tuple[str, ...]] = {
    "pluggy": ("adcore.hookspecs", "adcore.plugins"),
    "msgpack": ("adcore.serialize",),
    "rich": ("adcore.cli", "adcore.batch"),
    "scipy": (*BUILT_IN, "adcore.scipy", "adcore.pattern", "adcore.systems"),
    "pytest": ("adcore.testing.op",),
    "distributed": ("adcore_executors.dask",),
    "dask": ("adcore_executors.dask",),
    "ortools": ("adcore_strategies.planners",),
    "sksundae": ("adcore_ops.ode.whole",),
}
"""Packages that are not everywhere, and the modules that may import them. SciPy and what is optional: lazily."""

ALWAYS = ("numpy",)
AT_ONCE = ("pluggy", "msgpack", "distributed", "dask")
"""May be imported at the top of those modules, which are imported only when they are needed."""


def modules(package: str, base: Path = ROOT) -> dict[str, Path]:
    found = {}
    for path in sorted((base / package).rglob("*.py")):
        name = ".".join(path.relative_to(base).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


CORE = modules("adcore")
PLUGINS = {n: p for package in BUILT_IN for n, p in modules(package, ROOT / "plugins").items()}
ALL = {**CORE, **PLUGINS}


@cache
def imports(name: str) -> tuple[tuple[str, bool], ...]:
    """(module, whether the import is inside a function) for every import, those for type checkers left out."""
    found: list[tuple[str, bool]] = []

    def walk(node: ast.AST, lazy: bool) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        if isinstance(node, ast.Import):
            found.extend((alias.name, lazy) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            package = name if ALL[name].name == "__init__.py" else name.rpartition(".")[0]
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                found.append((inner if inner in ALL else base, lazy))
        inside = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            walk(child, inside)

    walk(ast.parse(ALL[name].read_text()), False)
    return tuple(found)


def floor(module: str) -> int:
    part = module.split(".")[1]
    return next(i for i, names in enumerate(FLOORS) if part in names)


def top(module: str) -> str:
    return module.partition(".")[0]


@pytest.mark.parametrize("name", [n for n in CORE if n != "adcore"])
def test_a_module_of_the_core_imports_no_higher_floor(name: str) -> None:
    for imported, _ in imports(name):
        assert top(imported) not in BUILT_IN, f"{name} imports the plugin {imported}"
        if top(imported) == "adcore":
            assert imported != "adcore" or floor(name) == 5, f"{name} imports the whole package"
            if imported != "adcore":
                assert floor(imported) <= floor(name), f"{name} imports {imported}, which is higher"


def test_every_module_of_the_core_has_a_floor() -> None:
    parts = {n.split(".")[1] for n in CORE if n != "adcore"}
    assert parts <= {n for names in FLOORS for n in names}


@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_imports_the_doors_and_itself_only(name: str) -> None:
    for imported, _ in imports(name):
        if top(imported) in ("adcore", *BUILT_IN) and top(imported) != top(name):
            assert imported in ("adcore.extend", "adcore.testing"), f"{name} imports {imported}"


@pytest.mark.parametrize("name", ALL)
def test_other_packages_are_imported_where_they_may_be(name: str) -> None:
    for imported, lazy in imports(name):
        package = top(imported)
        if package in sys.stdlib_module_names or package in (*ALWAYS, "adcore", *BUILT_IN):
            continue
        places = ONLY_IN.get(package, ())
        assert any(name == p or name.startswith(f"{p}.") for p in places), f"{name} imports {imported}"
        assert lazy or package in AT_ONCE, f"{name} imports {imported} at once, not when it is needed"


HEAVY = ("scipy", "rich", "pytest", "hypothesis", "distributed", "dask", "ortools", "matplotlib")


@pytest.mark.parametrize(
    ("code", "more"),
    [
        ("import adcore", ("pluggy", "msgpack", "adcore_ops")),
        ("import adcore as ad; ad.grad(lambda x: x * x)(2.0)", ()),
        ("import adcore.registry; adcore.registry.registry()", ()),
    ],
    ids=["import", "first gradient", "all built-in plugins"],
)
def test_nothing_heavy_is_imported_before_it_is_needed(code: str, more: tuple[str, ...]) -> None:
    code += f"; import sys; print([m for m in {(*HEAVY, *more)!r} if m in sys.modules])"
    path = f"{ROOT}{os.pathsep}{ROOT / 'plugins'}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert done.stdout.strip() == "[]"
