"""The laws of an op's values: what it computes, where it puts it, and what it says of both."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np

from adcore.api import trace
from adcore.errors import OpError
from adcore.evaluate import program_of
from adcore.files import loads
from adcore.graph import Graph
from adcore.registry import Op, result_types
from adcore.testing.case import Application, Case, case, types_of_results
from adcore.testing.measure import broken, close, direction, lawful, run, same_bits, vector, worst
from adcore.types import DTYPES, Array, type_of

TIGHT = 1e-12


def applied(case: Case, application: Application, arrays: Sequence[Array] | None = None) -> tuple[Array, ...]:
    """The results of `run`."""
    with np.errstate(all="ignore"):
        y = case.op.run(*(application.arrays if arrays is None else arrays), **application.params)
    return _tuple(y)


def types(case: Case) -> None:
    """`run` gives what `infer` says, C-contiguous unless it is a view."""
    lawful(case.graph)
    for a in case.applications:
        wanted = types_of_results(case.op, a)
        ys = applied(case, a)
        found = tuple(type_of(y) for y in ys)
        if found != wanted:
            raise broken(
                "types", f"run gives {', '.join(map(str, found))}, infer {', '.join(map(str, wanted))}", case.where,
                "make both agree; infer may use integer arithmetic only",
            )  # fmt: skip
        if case.op.view is None and not all(np.asarray(y).flags.c_contiguous for y in ys):
            raise broken("types", "a result is not C-contiguous", case.where, "return np.ascontiguousarray of it")


def dtypes(case: Case) -> None:
    """For every dtype that `infer` accepts in all inputs at once, `run` gives the type that it says."""
    for a in case.applications:
        for name in DTYPES:
            with np.errstate(all="ignore"):
                arrays = [_cast(x, np.dtype(name)) for x in a.arrays]
            try:
                wanted = result_types(case.op, tuple(type_of(x) for x in arrays), a.params)
            except OpError:
                continue
            try:
                with warnings.catch_warnings():  # a complex number converted to a real one
                    warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
                    found = tuple(type_of(y) for y in applied(case, a, arrays))
            except np.linalg.LinAlgError:  # rounded to ints, a matrix may be singular
                continue
            except (TypeError, ValueError) as e:
                raise broken(
                    "dtypes", f"infer accepts {name}, run raises {type(e).__name__}: {e}", case.where,
                    "let infer refuse what run does not take",
                ) from e  # fmt: skip
            if found != wanted:
                raise broken(
                    "dtypes", f"run gives {', '.join(map(str, found))}, infer {', '.join(map(str, wanted))}",
                    f"{case.where}, for {name}", "make both agree",
                )  # fmt: skip


def _cast(x: Array, dtype: np.dtype[Any]) -> Array:
    return np.asarray(x.real if dtype.kind != "c" else x, dtype)


def pure(case: Case) -> None:
    """`run` leaves its inputs alone and gives the same bits twice, or nothing could be computed again."""
    for a in case.applications:
        guarded = [_read_only(x) for x in a.arrays]
        chance = np.random.get_state()
        try:
            first, *others = [_under_chance(case, a, guarded, seed) for seed in range(4)]
        except ValueError as e:
            if "read-only" not in str(e):
                raise
            raise broken("pure", "run writes to its input", case.where, "write to a copy") from e
        finally:
            np.random.set_state(chance)
        if not all(same_bits(x, y) for other in others for x, y in zip(first, other, strict=True)):
            raise broken(
                "pure", "two runs on the same arrays differ", case.where, "take randomness and state as inputs"
            )


def _under_chance(case: Case, a: Application, arrays: Sequence[Array], seed: int) -> tuple[Array, ...]:
    """`run` after NumPy's global generator was set, which an op has no business to read."""
    np.random.seed(seed)
    return applied(case, a, arrays)


def _read_only(x: Array) -> Array:
    y = x.copy()
    y.flags.writeable = False
    return y


def compiled(case: Case) -> None:
    """The compiled program gives the bits that `run` gives: out=, kernel and buffers change nothing."""
    if case.sample.program is not None:
        return
    for a in case.applications:
        for y, z in zip(applied(case, a), program_of(case.graph).all(*a.arrays), strict=True):
            if not same_bits(np.asarray(y), z):
                raise broken(
                    "compiled", worst(vector([z]), vector([y])), case.where,
                    "run(*arrays, *outs) must write what run(*arrays) returns",
                )  # fmt: skip


def strided(case: Case) -> None:
    """Inputs in Fortran order, with gaps, or reversed give the values that contiguous ones give."""
    for a in case.applications:
        plain = vector(applied(case, a))
        for name, arrange in ARRANGEMENTS.items():
            found = vector(applied(case, a, [arrange(x) for x in a.arrays]))
            if not close(found, plain, TIGHT * 10):
                raise broken(
                    "strided", worst(found, plain), f"{case.where}, inputs {name}", "index, do not assume strides"
                )
    swapped = trace(lambda *xs: case.graph(*(np.transpose(x) for x in xs)), *(x.T.copy() for x in case.arrays))
    wanted = vector(run(case.graph, case.arrays))
    found = vector(run(swapped, [x.T.copy() for x in case.arrays]))
    if not close(found, wanted, TIGHT * 10):
        raise broken(
            "strided", worst(found, wanted), f"{case.where}, inputs that are transposed views in a graph",
            "do not assume strides",
        )  # fmt: skip


def _gapped(x: Array) -> Array:
    if not x.ndim:
        return x.copy()
    wide = np.empty(tuple(2 * n for n in x.shape), x.dtype)
    view = wide[(slice(None, None, 2),) * x.ndim]
    view[...] = x
    return view


def _reversed(x: Array) -> Array:
    backwards: Any = (..., *(slice(None, None, -1),) * x.ndim)
    turned: Array = x[backwards].copy()[backwards]
    return turned


ARRANGEMENTS: dict[str, Callable[[Array], Array]] = {
    "in Fortran order": np.asfortranarray,
    "with gaps": _gapped,
    "reversed": _reversed,
}


def views(case: Case) -> None:
    """A view has the strides that it says, in its input's memory; what is no view has its own memory."""
    for a in case.applications:
        if not a.arrays or not a.arrays[0].size:
            continue
        arrangements = {"contiguous": np.copy} | ({"with gaps": _gapped} if case.op.view else {})
        for name, arrange in arrangements.items():
            x = arrange(a.arrays[0])
            (y, *_) = applied(case, a, [x, *a.arrays[1:]])
            said = case.op.view(type_of(x), x.strides, a.params) if case.op.view else None
            shares = np.shares_memory(x, y)
            if said is None:
                if shares and case.op.view is None:
                    raise broken(
                        "views", "a result shares its input's memory", case.where, "return a copy, or state view="
                    )
                continue
            real = np.asarray(y).strides
            moving = [(s, r) for s, r, n in zip(said, real, np.shape(y), strict=True) if n > 1]
            if (np.size(y) and not shares) or any(s != r for s, r in moving):
                raise broken(
                    "views", f"view= says strides {said}, they are {real if shares else 'those of a copy'}",
                    f"{case.where}, input {name}", "state the strides that NumPy gives",
                )  # fmt: skip


def identity(case: Case) -> None:
    """Where `same_as` names an input, the result is that input, bit for bit."""
    if case.op.same_as is None:
        return
    for a in case.applications:
        index = case.op.same_as(tuple(v.type for v in a.node.inputs), a.params)
        if index is not None and not same_bits(applied(case, a)[0], a.arrays[index]):
            raise broken("identity", f"the result is not input {index}", case.where, "let same_as return None")


def numpy(case: Case) -> None:
    """The NumPy callables that an op lists compute the same, and record just that op."""
    if case.sample.program is not None:
        return
    for f in _callables(case.op):
        for a in case.applications:
            with np.errstate(all="ignore"):
                y = f(*a.arrays, **a.params)
            found, wanted = vector(y if isinstance(y, tuple) else (y,)), vector(applied(case, a))
            if not close(found, wanted, TIGHT):
                raise broken("numpy", worst(wanted, found), f"{case.where}, against {f!r}", "list what run computes")
            ops = [n.op for n in trace(lambda *xs, f=f, a=a: f(*xs, **a.params), *a.arrays).nodes]
            if ops != [case.op.name]:
                raise broken("numpy", f"{f!r} records {', '.join(ops) or 'nothing'}", case.where, "list it once")


def _callables(op: Op) -> list[Callable[..., Any]]:
    """What an op lists as `numpy`; what it names as "module:name" is imported."""
    found = []
    for f in op.numpy:
        module, _, name = f.partition(":") if isinstance(f, str) else ("", "", "")
        found.append(getattr(import_module(module), name) if isinstance(f, str) else f)
    return found


def empty(case: Case) -> None:
    """An elementwise op takes empty arrays, arrays without axes, and broadcasts its inputs."""
    if not case.op.elementwise or case.sample.program is not None or not case.arrays:
        return
    shapes: list[list[tuple[int, ...]]] = [
        [(0,)] * len(case.arrays),
        [()] * len(case.arrays),
        [(2, 0, 3)] * len(case.arrays),
    ]
    if len(case.arrays) > 1:
        shapes.append([(5, 1), *[(3,)] * (len(case.arrays) - 1)])
        shapes.append([*[()] * (len(case.arrays) - 1), (7,)])
    for given in shapes:
        arrays = [np.resize(x, s) for x, s in zip(case.arrays, given, strict=True)]
        other = _at(case, arrays)
        wanted = np.broadcast_shapes(*given)
        for y in run(other.graph, arrays):
            if y.shape != wanted:
                raise broken(
                    "empty", f"shape {y.shape} in place of {wanted}", f"{case.where}, shapes {given}", "broadcast"
                )
        for i, graph in enumerate((other.tangent, other.cotangent) if case.op.rule is not None else ()):
            seeds = direction([v.type for v in graph.inputs[len(arrays) :]], np.random.default_rng(3))
            for y, v in zip(run(graph, [*arrays, *seeds]), graph.outputs, strict=True):
                if type_of(y) != v.type:
                    raise broken(
                        "empty", f"the {('tangent', 'cotangent')[i]} is {type_of(y)} in place of {v.type}",
                        f"{case.where}, shapes {given}", "leave shapes to the engine",
                    )  # fmt: skip


def _at(given: Case, arrays: Sequence[Array]) -> Case:
    sample = replace(given.sample, shapes=tuple(x.shape for x in arrays), dtypes=tuple(x.dtype.name for x in arrays))
    return case(given.op, sample, given.label, arrays)


def single(case: Case) -> None:
    """Inputs in single precision give results and derivatives in single precision, close to the double ones.

    A NumPy function that widens by itself (float_power) may do so here.
    """
    if not any(x.dtype in HALF for x in case.arrays) or any(
        k.name.startswith("dtype") for k in case.op.params.values()
    ):
        return
    arrays = [x.astype(HALF.get(x.dtype, x.dtype)) for x in case.arrays]
    narrow = _at(case, arrays)
    results = [v.type.dtype for v in case.graph.outputs]  # type: ignore[union-attr]
    wanted = [HALF.get(d, d) for d in results]
    if case.op.numpy and case.sample.program is None:
        wanted = [np.asarray(y).dtype for y in _tuple(_callables(case.op)[0](*arrays, **case.sample.params))]
    found = [v.type.dtype for v in narrow.graph.outputs]  # type: ignore[union-attr]
    if found != wanted:
        instead = "leave dtypes to NumPy" if case.sample.program is None else "give the program's constants a.dtype"
        raise broken("single", f"the result is {', '.join(map(str, found))} from single precision", case.where, instead)
    _same_precision(case, case.graph, narrow.graph, case.arrays)
    if case.op.rule is not None:
        for wide, graph in ((case.tangent, narrow.tangent), (case.cotangent, narrow.cotangent)):
            seeds = direction([v.type for v in wide.inputs[len(case.arrays) :]], np.random.default_rng(5))
            _same_precision(case, wide, graph, [*case.arrays, *seeds])


HALF = {np.dtype("float64"): np.dtype("float32"), np.dtype("complex128"): np.dtype("complex64")}


def _tuple(y: Any) -> tuple[Any, ...]:
    return y if isinstance(y, tuple) else (y,)


def _same_precision(case: Case, wide: Graph, narrow: Graph, arrays: Sequence[Array]) -> None:
    ys = run(wide, arrays)
    zs = run(narrow, [x.astype(v.type.dtype) for x, v in zip(arrays, narrow.inputs, strict=True)])  # type: ignore[union-attr]
    for z, v in zip(zs, narrow.outputs, strict=True):
        if type_of(z) != v.type:
            raise broken(
                "single", f"{wide.name} gives {type_of(z)} in place of {v.type}", case.where, "leave dtypes to NumPy"
            )
    found, wanted = vector(zs), vector(ys)
    if case.sample.smooth and not close(found, wanted, 2e-4):
        raise broken("single", worst(found, wanted), f"{case.where}, {wide.name}", "avoid cancellation")


def file(case: Case) -> None:
    """A saved and loaded graph of the op has the same identity and gives the same bits; so has its derivative."""
    graphs = [case.graph] + ([case.cotangent] if case.op.rule is not None else [])
    for graph in graphs:
        again = loads(graph.dumps())
        if again.identity != graph.identity:
            raise broken("file", "the identity has changed", case.where, "pack and unpack params without loss")
        seeds = direction([v.type for v in graph.inputs[len(case.arrays) :]], np.random.default_rng(7))
        for y, z in zip(run(graph, [*case.arrays, *seeds]), run(again, [*case.arrays, *seeds]), strict=True):
            if not same_bits(y, z):
                raise broken("file", worst(vector([z]), vector([y])), case.where, "pack and unpack params without loss")
