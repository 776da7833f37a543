"""Named sizes from the shapes of arrays, and from text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from adcore.errors import InputError
from adcore.types import Dim


class Sized(NamedTuple):
    """An array whose shape is stated with names, and the shape that it has."""

    name: str
    stated: Sequence[Any]
    shape: tuple[int, ...]

    def misfit(self, reason: str, where: str) -> InputError:
        """The error for a shape that does not fit."""
        stated = ", ".join(map(str, self.stated)) + ("," if len(self.stated) == 1 else "")
        return InputError(f"{self.name} has shape {self.shape}, where ({stated}) is needed{reason}", f"in {where}")


def sizes_of(rows: Iterable[Sized], names: Sequence[str], where: str) -> dict[str, int]:
    """The sizes of these names that make all stated shapes true.

    Raises InputError for a shape that does not fit, or a name that no shape tells.

    >>> n = Dim.named("n")
    >>> sizes_of([Sized("x", (n, 3), (7, 3)), Sized("grid", (n + 1,), (8,))], ["n"], "f")
    {'n': 7}
    """
    found: dict[str, int] = {}
    by: dict[str, str] = {}
    open_: list[tuple[Dim, int, Sized]] = []
    for row in rows:
        if len(row.stated) != len(row.shape):
            raise row.misfit("", where)
        for size, n in zip(row.stated, row.shape, strict=True):
            if isinstance(size, Dim):
                open_.append((size, n, row))
            elif size != n:
                raise row.misfit("", where)
    while open_:
        rest = []
        for size, n, row in open_:
            unknown = [(name, c) for name, c in size.terms if name not in found]
            if len(unknown) > 1:
                rest.append((size, n, row))
                continue
            if unknown:
                name, c = unknown[0]
                left = n - size.at({**found, name: 0})
                if left % c or left // c < 0:
                    raise row.misfit(f": no {name} makes {size} = {n}", where)
                found[name], by[name] = left // c, row.name
            elif size.at(found) != n:
                known = ", ".join(f"{name} is {found[name]} by {by[name]}" for name, _ in size.terms)
                raise row.misfit(f": {known}", where)
        if len(rest) == len(open_):
            break
        open_ = rest
    untold = [name for name in names if name not in found]
    if untold:
        raise InputError(f"size {untold[0]} cannot be told from the arguments", f"in {where}", "use graph.at")
    return {name: found[name] for name in names}


_TERM = re.compile(r"\s*([+-]?)\s*(?:(\d+)\s*\*?\s*)?([^\W\d]\w*)?\s*")


def parse_size(x: Any) -> Any:
    """A size as a user may write it: an int, a name, or text like "2*n+1".

    >>> print(parse_size("2*n+1"), parse_size("n-1"), parse_size(3), parse_size("m+n"))
    2*n+1 n-1 3 m+n
    """
    if isinstance(x, Dim):
        return x
    if not isinstance(x, str):
        if isinstance(x, bool) or not hasattr(x, "__index__"):
            raise InputError(f"{x!r} is no size", instead='use an int, a name, or text like "2*n+1"')
        return int(x.__index__())
    total: Any = 0
    place = 0
    while place < len(x) or place == 0:
        match = _TERM.match(x, place)
        if match is None or not any(match.group(2, 3)) or (place and not match.group(1)):
            raise InputError(f"{x!r} is no size", instead='use an int, a name, or text like "2*n+1"')
        factor = int(match.group(2) or 1) * (-1 if match.group(1) == "-" else 1)
        total = total + (Dim.named(match.group(3)) * factor if match.group(3) else factor)
        place = match.end()
    return total
