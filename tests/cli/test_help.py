"""Every verb has a help text whose examples work, and the help comes at once."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path

import pytest

from adcore.cli import VERBS
from adcore.cli.entry import find_command

JOB = """
[job]
graph = "loss.adg"
out = "runs/try"
workers = 1
[sweep]
grid = { x = [[1, 2, 3], [4, 5, 6], [7, 8, 9], [2, 3, 5]] }
"""


def _examples(text: str) -> list[str]:
    """The command lines after "examples:" in a help text."""
    return re.findall(r"^  (adcore .*)$", text.partition("examples:")[2], re.MULTILINE)


def _works(adcore, line: str) -> None:
    ended = adcore(*shlex.split(line)[1:])
    if line.startswith("adcore batch cancel"):  # of a job that has come to its end
        assert (ended.code, "the job is not running" in ended.err) == (2, True)
    else:
        wanted = 1 if line == "adcore diff f.adg loss.adg" else 0  # they differ
        assert ended.code == wanted, f"{line}\n{ended.err}"


@pytest.mark.parametrize("verb", VERBS)
def test_every_example_of_a_help_text_works(adcore, folder: Path, verb):
    Path("job.toml").write_text(JOB)
    shutil.copy("loss.adg", "other.adg")
    shown = adcore(verb, "--help")
    assert shown.code == 0 and VERBS[verb][1][1:] in shown.out
    lines = _examples(shown.out)
    assert lines
    for line in lines:
        _works(adcore, line)


def test_verbs_of_a_group_have_examples_too(adcore, folder):
    Path("job.toml").write_text(JOB)
    for verb in ("run", "resume", "status", "retry", "results", "cancel"):
        shown = adcore("batch", verb, "--help")
        assert shown.code == 0
        for line in _examples(shown.out):
            _works(adcore, line)


def test_one_line_of_help_says_the_same_everywhere():
    for verb, (_, told) in VERBS.items():
        assert find_command(verb, VERBS, Namespace()).help == told


def test_without_a_verb_the_help_is_shown_and_the_code_says_usage(adcore):
    ended = adcore()
    assert ended.code == 2 and "examples:" in ended.err and not ended.out
    for verb in VERBS:
        assert f"  {verb} " in ended.err


def test_help_comes_at_once_and_loads_no_plugin():
    code = (
        "import sys; from adcore.cli import main; main(['--help']);"
        "print(sorted(m for m in sys.modules if m.startswith(('adcore_', 'scipy', 'pluggy', 'msgpack', 'rich'))))"
    )
    times = []
    for _ in range(3):
        start = time.perf_counter()
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        times.append(time.perf_counter() - start)
    assert ended.stdout.splitlines()[-1] == "[]"
    assert min(times) < 2.0  # a busy machine; on an idle one it is below 0.2 s


def test_the_package_can_be_run_as_a_module():
    for module in ("adcore", "adcore.cli"):
        ended = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True)
        assert ended.stdout.startswith("adcore ")
