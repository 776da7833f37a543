"""What a job file expands to: rows of its table x grid of its sweep x random draws, streamed."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from adcore.batch.inputs import fit, short, unknown_input
from adcore.batch.job import JobFile
from adcore.batch.manifest import Point
from adcore.batch.tables import rows
from adcore.errors import ConfigError
from adcore.types import Array, Dim, Type

DRAWS = ("uniform", "log_uniform", "normal")
BLOCK = 1024  # draws made at a time


def points(job: JobFile, types: Mapping[str, Type], tables: Mapping[str, Array]) -> Iterator[Point]:
    """The items of one group: rows x grid x draws."""
    found: Iterable[Point] = rows(job, job.items, types, tables) if job.items else [Point("", {})]
    grid = {name: _grid(name, value, types, job) for name, value in job.sweep.grid.items()}
    for row in found:
        for values in itertools.product(*grid.values()):
            chosen = dict(zip(grid, values, strict=True))
            for drawn in _draws(job, types):
                yield Point(row.tag, {**row.values, **chosen, **drawn}, row.profile)


def check_covered(job: JobFile, types: Mapping[str, Type], fixed: Iterable[str], given: Iterable[str]) -> None:
    """Refuse a job in which an input gets no value, or one is in two places."""
    fixed, given = set(fixed), set(given)
    for name in sorted(fixed & given):
        raise ConfigError(
            f"input {name!r} is given twice",
            f"[inputs] and [items] or [sweep] in {job.source.path}",
            "remove one of them",
        )
    missing = [name for name in types if name not in fixed | given]
    if missing:
        raise ConfigError(
            f"input {missing[0]!r} gets no value" + (f", nor do {len(missing) - 1} more" if missing[1:] else ""),
            f"{missing[0]}: {types[missing[0]]}, in {job.source.path}",
            "give it under [inputs], in the table of [items], or in [sweep]",
        )


def _grid(name: str, value: Any, types: Mapping[str, Type], job: JobFile) -> list[Array]:
    where = job.where("sweep", "grid", name)
    if name not in types:
        raise unknown_input(name, types, where)
    if isinstance(value, Mapping):
        kind = next(iter(value), "")
        ends: Any = value.get(kind)
        good = isinstance(ends, list) and len(ends) == 3 and all(map(_real, ends)) and type(ends[2]) is int
        if len(value) != 1 or kind not in ("linspace", "logspace") or not good or ends[2] < 1:
            raise ConfigError(
                f"{name} is not a grid", where, "write a list, { linspace = [first, last, number] } or logspace"
            )
        value = (np.linspace if kind == "linspace" else np.logspace)(*ends).tolist()
    if not isinstance(value, list) or not value:
        raise ConfigError(f"{name} is not a list of values", where, f"write a list of {types[name]}")
    return [fit(entry, name, types[name], where) for entry in value]


def _draws(job: JobFile, types: Mapping[str, Type]) -> Iterator[dict[str, Array]]:
    """The draws of [sweep.random], the same for every combination of the rest."""
    if not job.sweep.random:
        yield {}
        return
    laws = {name: _law(name, value, types, job) for name, value in job.sweep.random.items()}
    generators = {name: np.random.Generator(np.random.PCG64([job.sweep.seed, *name.encode()])) for name in laws}
    for start in range(0, job.sweep.count, BLOCK):
        size = min(BLOCK, job.sweep.count - start)
        blocks = [_draw(generators[name], law, types[name], size) for name, law in laws.items()]
        for values in zip(*blocks, strict=True):
            yield dict(zip(laws, values, strict=True))


def _law(name: str, value: Any, types: Mapping[str, Type], job: JobFile) -> tuple[str, Array, Array]:
    where = job.where("sweep", "random", name)
    if name not in types:
        raise unknown_input(name, types, where)
    kind = next(iter(value), "") if isinstance(value, Mapping) else ""
    if kind not in DRAWS or len(value) != 1 or not isinstance(value[kind], list) or len(value[kind]) != 2:
        raise ConfigError(
            f"{name} is not a distribution",
            where,
            "write { uniform = [low, high] }, { log_uniform = [low, high] } or { normal = [mean, std] }",
        )
    if any(isinstance(size, Dim) for size in types[name].shape) or types[name].dtype.kind != "f":
        raise ConfigError(f"{name} is {types[name]}", where, "draw inputs that are real and of fixed size")
    try:
        first, second = (np.broadcast_to(np.asarray(v, float), types[name].shape) for v in value[kind])
    except (TypeError, ValueError):
        instead = f"give two numbers, or two arrays that fit {types[name]}"
        raise ConfigError(f"{kind} = {short(value[kind])} does not fit {name}", where, instead) from None
    if kind == "normal":
        good, instead = np.isfinite(first) & (second >= 0), "give a mean, and a deviation of at least 0"
    else:
        least = 0.0 if kind == "log_uniform" else -np.inf
        good, instead = (first <= second) & (least < first), "give the lower end first"
        instead += ", above 0" if kind == "log_uniform" else ""
    if not np.all(good & np.isfinite(second)):
        raise ConfigError(f"{kind} = {short(value[kind])} is no distribution of {name}", where, instead)
    return kind, first, second


def _real(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _draw(generator: np.random.Generator, law: tuple[str, Array, Array], kind: Type, count: int) -> list[Array]:
    name, first, second = law
    shape = (count, *kind.shape)
    if name == "normal":
        drawn = first + second * generator.standard_normal(shape)
    elif name == "uniform":
        drawn = first + (second - first) * generator.random(shape)
    else:
        low, high = np.log(first), np.log(second)
        drawn = np.exp(low + (high - low) * generator.random(shape))
    drawn = drawn.astype(kind.dtype)
    return [drawn[row, ...] for row in range(count)]  # arrays, those of no axes too
