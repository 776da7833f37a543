"""From a group of items to a function: the only place where batch jobs meet graphs.

Two verbs, and a module that has both can stand in for this one (`Setup.program`): `describe` is asked
once by the driver, before there are items; `prepare` once per group by every worker.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adcore.batch.directory import Group
from adcore.types import Array


@dataclass(frozen=True, slots=True)
class Facts:
    """What the driver has to know of a program before it makes items for it.

    inputs: printed type by name.   strategy: as resolved, part of every item's key.
    peak: predicted bytes of one item, 0 if unknown.   ops: version by name.
    """

    identity: str
    inputs: Mapping[str, str]
    strategy: Mapping[str, Any] = field(default_factory=dict)
    ops: Mapping[str, int] = field(default_factory=dict)
    peak: int = 0


def describe(
    graph: Path, request: str, wrt: tuple[str, ...], of: tuple[str, ...], strategy: Mapping[str, Any]
) -> Facts:
    """The facts of the program that answers this request about the graph in a file.

    Raises: AdcoreError if the graph cannot be loaded, or the request makes no sense for it.
    """
    raise NotImplementedError


def prepare(place: Path, group: Group) -> Callable[[dict[str, Array]], Mapping[str, Array]]:
    """What computes the outputs of an item, by name, from its inputs, by name.

    place: the job's directory, which the paths of the group are relative to.
    """
    raise NotImplementedError
