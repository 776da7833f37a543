"""The graphs of a job under its strategies and budgets: what every item may run, and whether it fits into memory."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from adcore.batch import guard
from adcore.batch.inputs import fixed_inputs
from adcore.batch.job import JobFile
from adcore.batch.manifest import Point
from adcore.batch.program import Program, Task
from adcore.batch.sweep import check_covered, points
from adcore.batch.tables import named_profiles
from adcore.config import Config
from adcore.errors import BudgetError, ConfigError, InputError
from adcore.sizes import Sized, sizes_of
from adcore.types import Array


@dataclass(frozen=True)
class Variant:
    """One graph under one strategy, while a job is made of it.

    label: what the user calls the strategy, with its budget. profile: what items name it by, if they do.
    sizes: the largest that items ask for; the program is for those.
    """

    file: Path
    label: str
    profile: str
    memory: str
    settings: Config
    task: Task
    fixed: Mapping[str, Array]
    sizes: Mapping[str, int]
    program: Program


def find_variants(job: JobFile, file: Path, task: Task, tables: Mapping[str, Array]) -> Iterator[Variant]:
    """A graph under every strategy and budget of the sweep, or every profile that an item names.

    Looks at the first item, so that a mistake is told before anything is written; at all if sizes are named.
    """
    fixed = fixed_inputs(job, task.inputs)
    first = next(points(job, task.inputs, tables), Point("", {}))
    check_covered(job, task.inputs, job.inputs, first.values)
    sizes: dict[str, int] = {}
    if task.source.dims:
        for number, point in enumerate(points(job, task.inputs, tables)):
            own = item_sizes(job, task, {**fixed, **arrays_of(point, tables)}, number)
            sizes = {name: max(size, sizes.get(name, 0)) for name, size in own.items()}
    for profile, memory, settings in _strategies(job):
        program = task.program(settings, sizes)
        label = f"{_called(settings, program)} {memory}".strip()
        yield Variant(file, label, profile, memory, settings, task, fixed, sizes, program)


def _called(settings: Config, program: Program) -> str:
    """What the user calls the strategy: its profile, its name, and what it chose or was chosen."""
    chosen, said = program.choice.strategy.name, settings["strategy.name"]
    return settings.profile or (chosen if said in (None, chosen) else f"{said}: {chosen}")


def _strategies(job: JobFile) -> Iterator[tuple[str, str, Config]]:
    """(profile that items name it by, budget, settings)."""
    profiles = named_profiles(job.items) if job.items else []
    if profiles and job.sweep.strategy:
        raise ConfigError(
            "strategies are given twice",
            job.where("items", "profile"),
            "let items name profiles, or sweep over strategies, not both",
        )
    key = ("items", "profile") if profiles else ("sweep", "strategy")
    for name in profiles or job.sweep.strategy or ("",):
        chosen = job.settings
        if name:
            chosen = chosen.over({"strategy": {"name": name}}, lambda _: job.where(*key))
        for memory in job.sweep.memory or ("",):
            told = {"strategy": {"memory": memory}}
            budget = chosen.over(told, lambda _: job.where("sweep", "memory")) if memory else chosen
            yield name if profiles else "", memory, budget


def within_memory(job: JobFile, variants: list[Variant], tell: Callable[[str], None]) -> tuple[list[Variant], int]:
    """The variants as they fit into memory, and how many workers do."""
    limits = job.limits
    verdict = guard.judge((v.program.peak for v in variants), limits)
    if verdict.budget:
        variants = [_tightened(job, v, verdict) if v.program.peak > verdict.budget else v for v in variants]
    if verdict.message:
        tell(verdict.message)
    return variants, verdict.workers


def _tightened(job: JobFile, variant: Variant, verdict: guard.Verdict) -> Variant:
    """The variant under a checkpointed plan, which gives the same bits in less memory.

    Raises: BudgetError if it needs more all the same; ConfigError if its strategy is another one.
    """
    strategy = variant.program.choice.strategy.name
    if strategy not in ("reverse", "checkpointed"):
        raise ConfigError(
            f"{verdict.why}, and strategy {strategy} has no plan that takes less",
            job.where("job", "memory") if job.limits.memory else "the memory of this machine",
            'raise [job] memory, use a larger machine, or write [strategy] name = "checkpointed"',
        )
    told = {"strategy": {"name": "checkpointed", "memory": verdict.budget}}
    settings = variant.settings.over(told, lambda _: "the memory that one worker may have")
    try:
        program = variant.task.program(settings, variant.sizes)
        program.plan  # noqa: B018 - it is made when it is asked for
    except BudgetError as error:
        raise BudgetError(
            f"{verdict.why}; {error.what}",
            error.where,
            "raise [job] memory, use a larger machine, or make the items smaller",
        ) from None
    label = f"{variant.label} (checkpointed to fit)"
    return replace(variant, label=label, settings=settings, program=program)


def item_sizes(job: JobFile, task: Task, arrays: Mapping[str, Array], number: int) -> dict[str, int]:
    """The named sizes of one item. Raises ConfigError naming the input that does not fit."""
    rows = [Sized(name, kind.shape, arrays[name].shape) for name, kind in task.inputs.items()]
    try:
        return sizes_of(rows, task.source.dims, f"item {number} of {job.source.path}")
    except InputError as error:
        raise ConfigError(error.what, error.where, error.instead) from None


def arrays_of(point: Point, tables: Mapping[str, Array]) -> dict[str, Array]:
    """The own inputs of an item as arrays, those of a table too."""
    if not tables:
        return point.values  # type: ignore[return-value]  # no rows of tables among them
    return {name: tables[name][value] if isinstance(value, int) else value for name, value in point.values.items()}
