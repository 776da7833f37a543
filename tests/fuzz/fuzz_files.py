"""Coverage-guided fuzzing of the reader of graph files, with atheris: `tox -e fuzz`, `tox -e fuzz -- -runs=1000000`.

Half of the changes are made inside a file, whose checksums are then made right, so that they get past
the door. What must hold is in `tests/serialize/outcomes.py`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "serialize")]

with atheris.instrument_imports(include=["adcore.serialize", "adcore.params", "adcore.tree"]):
    import adcore.serialize.read

from mutants import files, files_of_ops, parts, sealed  # noqa: E402
from outcomes import outcome  # noqa: E402


def one(data: bytes) -> None:
    """Read these bytes as a file."""
    outcome(data)


def changed(data: bytes, max_size: int, seed: int) -> bytes:
    """A change of the bytes, or of the meaning or notes of a file."""
    if seed % 2 == 0 or data[:8] != files()[0][:8] or len(data) < 128:
        return bytes(atheris.Mutate(data, max_size))
    meaning, notes, tensors = parts(data)
    if seed % 8 == 1:
        notes = bytes(atheris.Mutate(notes, max(len(notes) + 64, 64)))
    else:
        meaning = bytes(atheris.Mutate(meaning, max(len(meaning) + 64, 64)))
    return sealed(meaning, notes, tensors)[:max_size]


def main() -> None:
    """Fuzz from the files of the tests; arguments are libFuzzer's."""
    assert adcore.serialize.read.decode
    with tempfile.TemporaryDirectory() as corpus:
        for i, data in enumerate((*files(), *files_of_ops())):
            (Path(corpus) / f"{i}.adg").write_bytes(data)
        options = sys.argv[1:] if any(a.startswith("-runs") for a in sys.argv[1:]) else [*sys.argv[1:], "-runs=50000"]
        atheris.Setup([sys.argv[0], *options, "-max_len=20000", corpus], one, custom_mutator=changed)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
