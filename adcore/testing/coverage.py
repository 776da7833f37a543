"""What of NumPy and SciPy works on traced arrays: each public function is called, differentiated and batched.

A row is found by trial, not by a list: the call of a function (one of its own in `calls`, else the first
usual one that NumPy takes) is traced, its value compared with NumPy's, its jvp with differences, its vjp
with the jvp, second order and a batch with a loop, and all of it again at complex arguments.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adcore.api import trace
from adcore.errors import AdcoreError
from adcore.graph import Graph
from adcore.registry import registry
from adcore.testing.calls import CALLS, NO_ARRAYS, PATTERNS
from adcore.testing.case import results
from adcore.testing.measure import close, float_types, run, vector
from adcore.testing.op_rules import against_differences, dot_product
from adcore.transform.jvp import jvp
from adcore.transform.vjp import vjp
from adcore.transform.vmap import vmap
from adcore.types import Array

PLACES = {
    "np": "numpy",
    "np.linalg": "numpy.linalg",
    "np.fft": "numpy.fft",
    "sp": "scipy.special",
    "anp": "adcore.numpy",
    "asp": "adcore.scipy",
}
"""The namespaces that are covered, by the name that calls use."""

OURS = ("anp", "asp")
"""Namespaces of ours: only what `calls` lists is tried."""

QUESTIONS = ("traced", "jvp", "vjp", "second", "batched", "complex")
WORKS, FAILS, NONE = "yes", "no", "–"
NOT_RECORDED = "not recorded"
"""An answer: it works; it does not; there is nothing to ask (integers have no derivative)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One function: the call that was tried, and an answer to each of the questions, in their order.

    note: arguments without derivative, or what is to be done instead.
    """

    name: str
    call: str
    answers: tuple[str, ...]
    note: str = ""

    @property
    def works(self) -> bool:
        """True when nothing that was asked fails."""
        return FAILS not in self.answers


def coverage(place: str, only: str = "") -> list[Row]:
    """The rows of one namespace of `PLACES`, by name, of functions with `only` in theirs. All: a second or two.

    >>> [row.answers for row in coverage("np.fft", "np.fft.fftn")]
    [('yes', 'yes', 'yes', 'yes', 'yes', 'yes')]
    """
    named = [(name, f) for name, f in _functions(place) if only in f"{place}.{name}"]
    return [row for name, f in named if (row := _row(place, name, f)) is not None]


def _functions(place: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The functions of arrays of a namespace, by name; of several names of one function the first."""
    if place in OURS:
        for full in [c for c in CALLS if c.startswith(f"{place}.")]:
            yield full.partition(".")[2], len
        return
    module = importlib.import_module(PLACES[place])
    seen: dict[int, str] = {}
    for name in sorted(module.__all__):
        f = getattr(module, name, None)
        known = isinstance(f, np.ufunc | type(np.concatenate)) or f"{place}.{name}" in CALLS
        wanted = known or (place == "sp" and callable(f) and not isinstance(f, type))
        if wanted and name not in NO_ARRAYS and seen.setdefault(id(f), name) == name:
            yield name, f  # type: ignore[misc]


# --- one function --------------------------------------------------------------------------------


def arguments() -> dict[str, Any]:
    """What calls are made of.

    x, y, z, u: (2, 3) in (0.35, 0.85). v, w: (3,). m: (3, 3), well conditioned. i, k: (2, 3) of 0, 1 and 2.
    """
    rng = np.random.default_rng(20260101)
    shapes = {"x": (2, 3), "y": (2, 3), "z": (2, 3), "u": (2, 3), "v": (3,), "w": (3,), "m": (3, 3)}
    found: dict[str, Any] = {name: rng.uniform(0.35, 0.85, shape) for name, shape in shapes.items()}
    found["m"] = found["m"] + 2.0 * np.eye(3)
    return found | {name: rng.integers(0, 3, (2, 3)) for name in ("i", "k")}


def _row(place: str, name: str, f: Callable[..., Any]) -> Row | None:
    """The row of a function; None for one that takes none of the usual calls, so that nothing is known."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        given = arguments()
        full = f"{place}.{name}"
        text = CALLS.get(full) or _usual(place, full, f, given)
        if text is None:
            return None
        answers, note = _answers(_called(text, place), [given[n] for n in _names(text)], _names(text))
        if answers[0] == FAILS and place == "sp" and name in vars(importlib.import_module("adcore.scipy.special")):
            return Row(full, text, answers, f"use adcore.scipy.special.{name}")
        known = place in OURS or registry().function(f) is not None
        return Row(full, text, answers, note if known or answers[0] == WORKS else NOT_RECORDED)


def _names(text: str) -> list[str]:
    """The arrays that a call uses."""
    code = compile(text, "<call>", "eval")
    return [n for n in arguments() if n in code.co_names]


def changed(f: Callable[..., Any], x: Any, *args: Any) -> Any:
    """A copy of x after f(copy, *args)."""
    y = x * 1.0
    f(y, *args)
    return y


def written(x: Any, v: Any) -> Any:
    """x after its elements were written one by one."""
    for i in range(len(v)):
        x[i] = v[i] * v[0]
    return x


def _called(text: str, place: str) -> Callable[..., Any]:
    """The call as a function of its arrays."""
    space = {"np": np, "changed": changed, "written": written}
    if place in ("sp", *OURS):
        space[place] = importlib.import_module(PLACES[place])
    made: Callable[..., Any] = eval(f"lambda {', '.join(_names(text))}: {text}", space)
    return made


def _usual(place: str, full: str, f: Callable[..., Any], given: dict[str, Any]) -> str | None:
    """The first of the usual calls that the function takes and answers with arrays."""
    patterns = [p for p in PATTERNS if p.count(",") + 1 == f.nin] if isinstance(f, np.ufunc) else PATTERNS
    for pattern in patterns:
        text = pattern.replace("f(", f"{full}(")
        try:
            y = _called(text, place)(*(given[n] for n in _names(text)))
        except Exception:  # noqa: BLE001  (any error means: not this call)
            continue
        if all(np.asarray(part).dtype.kind in "biufc" for part in _parts(y)):
            return text
    return None


def _parts(y: Any) -> list[Any]:
    return [p for part in y for p in _parts(part)] if isinstance(y, tuple | list) else [y]


def _answers(f: Callable[..., Any], arrays: list[Any], names: list[str]) -> tuple[tuple[str, ...], str]:
    """An answer to each question, and a note."""
    try:
        graph = trace(f, *arrays)
        same = close(vector(run(graph, arrays)), vector(_parts(f(*arrays))), 1e-11)
    except Exception as e:  # noqa: BLE001  (what it is belongs in the note)
        return (FAILS, *(NONE,) * 5), getattr(e, "instead", "") or str(e).splitlines()[0][:80]
    batched = _tried(lambda: _batch(graph, arrays))
    floats = [v for v in graph.outputs if v.type.differentiable]
    wrt = [i for i, v in enumerate(graph.inputs) if v.type.differentiable]
    if not floats or not wrt:
        return (WORKS if same else FAILS, NONE, NONE, NONE, batched, NONE), ""
    kept = [i for i in wrt if _tried(lambda i=i: jvp(graph, [i])) == WORKS]  # type: ignore[misc]
    lost = [names[i] for i in wrt if i not in kept]
    note = f"no derivative in {', '.join(lost)}" if lost else ""
    if not kept:
        return (WORKS if same else FAILS, FAILS, FAILS, FAILS, batched, NONE), note
    forward, backward, second = _derivatives(graph, arrays, kept)
    answers = (WORKS if same else FAILS, forward, backward, second, batched)
    return (*answers, _complex(f, arrays, kept)), note


def _tried(test: Callable[[], Any]) -> str:
    try:
        test()
    except Exception:  # noqa: BLE001  (the answer is just: no)
        return FAILS
    return WORKS


def _held(graph: Graph, arrays: Sequence[Any], kept: list[int]) -> tuple[Graph, list[Any]]:
    """The graph as a function of the arrays that have a derivative, the others held."""
    from dataclasses import replace

    from adcore.tree import LEAF, Tree

    fixed = {v: np.asarray(a) for i, (v, a) in enumerate(zip(graph.inputs, arrays, strict=True)) if i not in kept}
    tree = Tree("tuple", (), (Tree("tuple", (), (LEAF,) * len(kept)), Tree("dict")))
    left = replace(
        graph, inputs=tuple(graph.inputs[i] for i in kept), input_names=tuple(graph.input_names[i] for i in kept),
        constants={**graph.constants, **fixed}, in_tree=tree, signature=(),
    )  # fmt: skip
    return left, [arrays[i] for i in kept]


def _derivatives(graph: Graph, arrays: Sequence[Any], kept: list[int]) -> tuple[str, str, str]:
    held, xs = _held(graph, arrays, kept)
    n = len(graph.outputs)

    def first() -> None:
        tangent = results(jvp(held), n)
        against_differences("coverage", results(held, 0), tangent, xs, 1e-7, "")

    def reverse() -> None:
        dot_product("coverage", results(held, 0), results(jvp(held), n), results(vjp(held), n), xs, "")

    def again() -> None:
        pulled = results(vjp(held), n)
        seeds = [np.full(t.shape, 0.7, t.dtype) for t in float_types([v.type for v in pulled.inputs[len(xs) :]])]
        m = len(pulled.outputs)
        dot_product("coverage", pulled, results(jvp(pulled), m), results(vjp(pulled), m), [*xs, *seeds], "")

    return _tried(first), _tried(reverse), _tried(again)


def _batch(graph: Graph, arrays: Sequence[Any]) -> None:
    """Raise unless a batch of two cases gives what each gives."""
    lanes = [arrays, [a if a.dtype.kind in "biu" else a * 1.01 for a in map(np.asarray, arrays)]]
    stacked = [np.stack(column) for column in zip(*lanes, strict=True)]
    found = run(vmap(graph, [True] * len(stacked), 2), stacked)
    for k, lane in enumerate(lanes):
        if not close(vector([y[k] for y in found]), vector(run(graph, lane)), 1e-10):
            raise AdcoreError("a batch differs from a loop")


def _complex(f: Callable[..., Any], arrays: Sequence[Any], kept: list[int]) -> str:
    """The answer at complex arguments; none where NumPy takes none."""
    wide: list[Array] = [a + 0.1j if i in kept else a for i, a in enumerate(arrays)]
    try:
        y = _parts(f(*wide))
    except Exception:  # noqa: BLE001  (NumPy does not take them)
        return NONE
    if not any(np.asarray(part).dtype.kind == "c" for part in y) and not any(np.iscomplexobj(a) for a in wide):
        return NONE

    def agrees() -> None:
        graph = trace(f, *wide)
        if not close(vector(run(graph, wide)), vector(y), 1e-11):
            raise AdcoreError("another value")
        if FAILS in _derivatives(graph, wide, kept)[:2]:
            raise AdcoreError("another derivative")

    return _tried(agrees)


# --- the page ------------------------------------------------------------------------------------

HEAD = """# What works

This page is made by a program (`python -m adcore.testing.coverage > docs/ops.md`), which calls every function of NumPy
and SciPy that takes arrays: it traces the call and compares its value, its jvp with differences, its vjp with the jvp,
second order, a batch with a loop, and all of it at complex arguments. Made with NumPy {numpy} and SciPy {scipy}.

**yes**: works. **no**: does not, and the last column says why, or what to write instead. **–**: nothing to ask:
integers and bools have no derivative, or NumPy takes no complex numbers there. x, y, z and u are arrays of shape
(2, 3), v and w (3,), m (3, 3), i and k of integers; `changed(f, x, ...)` is a copy of x after `f(copy, ...)`.

Beside functions: operators, every form of index (integer arrays, masks, both mixed with ints, slices, `None`, `...`),
read and written, also through views; methods of arrays; `reduce`, `accumulate`, `outer` and `at` of the ufuncs where
derivatives make sense; Python's own scalars and nested lists beside arrays. `adcore ops` lists the ops that graphs are
made of, `adcore ops --functions` tries this page anew, and `adcore ops --missing` shows what is not there.
"""

TITLES = {
    "np": "NumPy",
    "np.linalg": "numpy.linalg",
    "np.fft": "numpy.fft",
    "sp": "scipy.special",
    "anp": "adcore.numpy",
    "asp": "adcore.scipy",
}


def page() -> str:
    """The page docs/ops.md: what works, function by function."""
    return "\n".join([HEAD.format(numpy=np.__version__, scipy=_scipy_version()), *(section(p) for p in PLACES)])


def section(place: str) -> str:
    """The part of the page on one namespace."""
    rows = coverage(place)
    shown = [r for r in rows if r.note != NOT_RECORDED]
    left = [f"`{r.name.rpartition('.')[2]}`" for r in rows if r.note == NOT_RECORDED]
    lines = [f"## {TITLES[place]}", "", "| call | " + " | ".join(QUESTIONS) + " | |", "|---" * 8 + "|"]
    lines += [line(r) for r in shown]
    if left:
        lines += ["", f"Not recorded: {', '.join(left)}.", ""]
    return "\n".join([*lines, ""])


def line(row: Row) -> str:
    """A row of the page's tables.

    >>> line(Row("np.sin", "np.sin(x)", ("yes",) * 6))
    '| `np.sin(x)` | yes | yes | yes | yes | yes | yes | |'
    """
    call = row.call.replace("|", "\\|")
    return f"| `{call}` | {' | '.join(row.answers)} | {row.note + ' ' if row.note else ''}|"


def _scipy_version() -> str:
    try:
        return str(importlib.import_module("scipy").__version__)
    except ImportError:
        return "none"


if __name__ == "__main__":
    print(page())  # noqa: T201
