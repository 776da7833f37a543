"""Every block of every page is run.

    ```python            run, all blocks of a page in one namespace; >>> is compared as a doctest
    ```python title="x.py", ```toml title="x.toml", ...     written to a file of that name first
    ```console           each line after `$ ` is run; what follows is its output, `...` stands for anything
    ```text, ```mermaid and no language                     shown only

A page runs in a folder that holds nothing but docs/examples.
"""

from __future__ import annotations

import doctest
import io
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from adcore.cli import main

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)[ ]*([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN = {"", "text", "mermaid", "output"}
INSTALLS = ("pip ", "python3 -m venv", "cd ", "pytest", "tox")


@dataclass(frozen=True)
class Block:
    language: str
    title: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    found = []
    for match in FENCE.finditer(text):
        title = re.search(r'title="([^"]+)"', match[2])
        found.append(Block(match[1], title[1] if title else "", match[3], text[: match.start()].count("\n") + 2))
    return found


def matches(wanted: str, found: str) -> bool:
    """True when the output is as shown; `...` stands for anything, spaces at ends of lines do not count."""
    clean = ["\n".join(line.rstrip() for line in t.strip().splitlines()) for t in (wanted, found)]
    return re.fullmatch(re.escape(clean[0]).replace(re.escape("..."), "(?s:.*)"), clean[1]) is not None


def command(line: str) -> tuple[int, str]:
    """Exit code and output of a line of a console block."""
    first, *args = shlex.split(line, comments=True)
    if first == "adcore":
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = main(args)
            out.flush()
        return code, out.buffer.getvalue().decode() + err.getvalue()  # type: ignore[attr-defined]
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")])}
    ended = subprocess.run(
        [sys.executable if first == "python" else first, *args], capture_output=True, text=True, env=env
    )
    return ended.returncode, ended.stdout + ended.stderr


def run_console(block: Block, where: str) -> None:
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        line, _, wanted = part.partition("\n")
        code, found = command(line)
        ended = re.search(r"#\s*exit code (\d+)\s*$", line)
        assert code == (int(ended[1]) if ended else 0), f"{where}: {line}\n{found}"
        assert not wanted.strip() or matches(wanted, found), f"{where}: {line}\nwanted:\n{wanted}\nfound:\n{found}"


def run_python(block: Block, names: dict[str, object], where: str) -> None:
    if ">>> " in block.text:
        test = doctest.DocTestParser().get_doctest(block.text, names, where, where, block.line)
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        told = io.StringIO()
        failed = doctest.DocTestRunner(optionflags=flags).run(test, out=told.write, clear_globs=False).failed
        names.update(test.globs)
        assert not failed, told.getvalue()
        return
    out = io.StringIO()
    with redirect_stdout(out):
        exec(compile("\n" * block.line + block.text, where, "exec"), names)
    said = [line.partition("# ")[2] for line in re.findall(r"^# .*$", block.text.rpartition("print(")[2], re.MULTILINE)]
    if said and "print(" in block.text and block.text.rstrip().splitlines()[-1].startswith("# "):
        last = "\n".join(out.getvalue().strip().splitlines()[-len(said) :])
        assert matches("\n".join(said), last), f"{where}: wanted\n{said}\nfound\n{last}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_block_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(
        ROOT / "docs" / "examples", tmp_path / "docs" / "examples", ignore=shutil.ignore_patterns("runs", "*.adg")
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    names: dict[str, object] = {"__name__": page.stem}
    try:
        for block in blocks(page):
            where = f"{page.name}:{block.line}"
            if block.title:
                Path(block.title).parent.mkdir(parents=True, exist_ok=True)
                Path(block.title).write_text(block.text)
            elif block.language == "python":
                run_python(block, names, where)
            elif block.language == "console":
                if not block.text.removeprefix("$ ").startswith(INSTALLS):
                    run_console(block, where)
            else:
                assert block.language in SHOWN, f"{where}: a block of {block.language} needs a title"
    finally:
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", "") or "").startswith(str(tmp_path)):
                del sys.modules[name]


def test_the_small_twin_agrees_with_adcore(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(ROOT / "docs" / "from_scratch.py"), run_name="__main__")
    assert capsys.readouterr().out.endswith("adcore says the same: [2.5838531634528574, 2.0]\n")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"
