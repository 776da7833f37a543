"""The NumPy backend: a plan becomes straight-line Python over NumPy calls, its results placed in one arena.

source.py    plan and layout -> Python source, once per plan
runner.py    source + memory -> a function: the arena, and views of it bound to names, once per runner
program.py   the door: checks arguments, borrows a runner, returns outputs
"""

from __future__ import annotations

from adcore.extend import Backend, Plan
from adcore_backends.numpy.program import NumpyProgram


class NumpyBackend(Backend):
    """Runs plans by NumPy calls."""

    name = "numpy"

    def compile(self, plan: Plan) -> NumpyProgram:
        """The program of a plan."""
        return NumpyProgram(plan)


__all__ = ["NumpyBackend"]
