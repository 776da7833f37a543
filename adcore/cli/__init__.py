"""The command line: `adcore VERB ...`. The module of a verb is imported only when the verb is used.

A verb is a `Command` (adcore.cli.command): help, examples, `add_arguments(parser)`, `run(args) -> exit code`.
Its module has a dict `COMMANDS` of them, by verb. Plugins bring more through `adcore_register_commands`.

Data goes to stdout, messages to stderr. Exit codes:
0 done · 1 finished, some items failed · 2 usage or config · 3 a graph or plugin could not load ·
4 internal · 75 stopped, resumable · 130 interrupted, resumable.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

VERBS: dict[str, tuple[str, str]] = {
    "trace": ("adcore.cli.trace", "save a Python function as a graph file"),
    "show": ("adcore.cli.graphs", "print or draw a graph"),
    "eval": ("adcore.cli.derive", "the outputs of a graph"),
    "grad": ("adcore.cli.derive", "the gradient of a graph with one real output"),
    "jvp": ("adcore.cli.derive", "outputs and their tangents, by forward mode"),
    "vjp": ("adcore.cli.derive", "outputs and the cotangents of the inputs"),
    "jacobian": ("adcore.cli.derive", "outputs and their Jacobians"),
    "hessian": ("adcore.cli.derive", "the gradient and the Hessian"),
    "hvp": ("adcore.cli.derive", "the gradient and the Hessian times a vector"),
    "differentiate": ("adcore.cli.derive", "save a derivative as a graph file of its own"),
    "plan": ("adcore.cli.plans", "what a graph costs under a strategy: peak bytes, runs, what binds the peak"),
    "explain": ("adcore.cli.plans", "the tables of forward and reverse mode, row by row"),
    "verify": ("adcore.cli.graphs", "check that a file is whole: hashes, law of graphs, ops and their versions"),
    "diff": ("adcore.cli.graphs", "tell two graphs apart"),
    "upgrade": ("adcore.cli.graphs", "write an older file anew, in the format and op versions of today"),
    "check": ("adcore.cli.laws", "check a graph, its plan and its derivatives against independent numbers"),
    "batch": ("adcore.cli.batch", "differentiate a graph for many inputs, killable and resumable at any moment"),
    "plugins": ("adcore.cli.about", "who brought what, and what failed"),
    "ops": ("adcore.cli.about", "the ops that graphs may use"),
    "strategies": ("adcore.cli.about", "the strategies, and their options"),
    "config": ("adcore.cli.settings", "the settings in force, and where each comes from"),
    "new-plugin": ("adcore.cli.new_plugin", "write a package that brings an op, with its tests"),
    "doctor": ("adcore.cli.about", "versions, plugins, and a self-test"),
}
"""Verb -> (module, one line of help)."""

_EPILOG = """\
examples:
  adcore trace model:loss --example 'x=[1,2,3]' -o loss.adg
  adcore grad loss.adg -i 'x=[1,2,3]'
  adcore batch run job.toml

`adcore VERB --help` says more, with examples. Plugins may bring further verbs: see `adcore plugins`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (default: that of the process); the exit code.

    >>> main(["--version"])  # doctest: +ELLIPSIS
    adcore ...
    0
    """
    from adcore.cli.entry import run

    return run(list(sys.argv[1:] if argv is None else argv), VERBS, _EPILOG)
