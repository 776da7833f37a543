"""docs/ops.md says what is: every row of it is tried again, and what works stays so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adcore.testing.coverage import PLACES, TITLES, coverage, line, section

PAGE = (Path(__file__).parents[2] / "docs" / "ops.md").read_text()


def part(place: str) -> str:
    return PAGE.split(f"## {TITLES[place]}\n")[1].split("\n## ")[0]


def made_with() -> tuple[str, str]:
    return re.search(r"Made with NumPy ([^ ]+) and SciPy ([^ \n]+)\.", PAGE).groups()


@pytest.mark.parametrize("place", PLACES)
def test_page_of_what_works_is_up_to_date(place: str) -> None:
    numpy, scipy = pytest.importorskip("numpy"), pytest.importorskip("scipy")
    if made_with() == (numpy.__version__, scipy.__version__):
        wanted = f"## {TITLES[place]}\n{part(place)}"
        assert section(place).strip() == wanted.strip(), "run python -m adcore.testing.coverage > docs/ops.md"
        return
    known = {text.split(" | ")[0]: text for text in part(place).splitlines() if text.startswith("| `")}
    for row in coverage(place):  # another release may have other functions, but those it has do the same
        start = line(row).split(" | ")[0]
        assert known.get(start, line(row)) == line(row)


@pytest.mark.parametrize("place", [p for p in PLACES if p != "sp"])
def test_whatever_of_numpy_is_traced_has_the_right_value_and_derivatives(place: str) -> None:
    rows = part(place).splitlines()
    broken = [r for r in rows if r.startswith("| `") and "| yes | " in r and "| no " in r.rpartition(" | ")[0]]
    assert [r.split("`")[1] for r in broken] in ([], ["np.real_if_close(x)"])
