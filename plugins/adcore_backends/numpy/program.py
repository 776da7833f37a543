"""The door of a compiled plan: arguments are checked, a runner is borrowed, outputs are handed out."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import numpy as np

from adcore.extend import AdcoreError, CheckError, InputError, MatrixError, Node, Plan, Result, Type
from adcore_backends.numpy.mixed import generate
from adcore_backends.numpy.numbers import REFUSED
from adcore_backends.numpy.runner import bind, new_arena


class NumpyProgram:
    """A compiled plan. Called with the inputs as arrays, in the order of the graph's.

    Thread-safe and re-entrant: each call borrows a runner, which has its own memory.
    plain: by calls on whole arrays only. Else small values are Python's own numbers; where these refuse (a division
    by zero), or a result is not finite, all is run again on arrays: then NumPy decides, with its values and warnings.
    """

    def __init__(self, plan: Plan, plain: bool = False) -> None:
        self.plan = plan
        self.graph = plan.graph
        self.source = generate(plan, False, plain)
        self.source.spill = plan.spill
        self._plain_program: NumpyProgram | None = None
        self._free: list[Any] = []
        self._types: list[Type] = [v.type for v in self.graph.inputs]  # type: ignore[misc]
        self._count = len(self.graph.outputs)
        self._plain = not self.graph.checks and not self.graph.reports
        self._fast = self._door()

    def _runner(self) -> Any:
        return bind(self.source, new_arena(self.source.layout.arena_bytes))

    def _door(self) -> Any:
        """A function of exactly the inputs: the common case costs a few comparisons."""
        names = [f"x{i}" for i in range(len(self._types))]
        fits = " and ".join(
            f"{x}.__class__ is ndarray and {x}.dtype is d{i} and {x}.shape == {t.shape!r} and {x}.flags.c_contiguous"
            for i, (x, t) in enumerate(zip(names, self._types, strict=True))
        )
        args = ", ".join(names)
        text = (
            f"def door({args}):\n"
            f"    if not ({fits or 'True'}):\n"
            f"        {args}{',' if len(names) == 1 else ''} = fit(({args}{',' if names else ''}))\n"
            if names
            else "def door():\n"
        )
        text += (
            f"    try:\n"
            f"        run = free.pop()\n"
            f"    except IndexError:\n"
            f"        run = make()\n"
            f"    try:\n"
            f"        y = run({args})\n"
            f"    except refused as e:\n"
            f"        return again(e, ({args}{',' if names else ''}))\n"
            f"    except Exception as e:\n"
            f"        raise explain(e) from e.__cause__\n"
            f"    free.append(run)\n"
            f"    return y\n"
        )
        space: dict[str, Any] = {
            "ndarray": np.ndarray,
            "fit": self._fit,
            "free": self._free,
            "make": self._runner,
            "explain": self._explain,
            "refused": REFUSED,
            "again": self._again,
        }
        space |= {f"d{i}": t.dtype for i, t in enumerate(self._types)}
        exec(text, space)
        return space["door"]

    def all(self, *args: Any) -> tuple[Any, ...]:
        """The outputs, as a tuple of arrays."""
        if len(args) != len(self._types):
            self._fit(args)
        found: tuple[Any, ...] = self._fast(*args)
        if self._plain:
            return found
        self._check(found)
        return found[: self._count]

    def __call__(self, *args: Any) -> Any:
        """The output, or the tuple of outputs if there is not exactly one."""
        found = self._fast(*args) if self._plain and len(args) == len(self._types) else self.all(*args)
        return found[0] if self._count == 1 else found

    def measure(self, *args: Any) -> Result:
        """The outputs with reports, seconds and the peak bytes that tracemalloc saw, inputs included.

        The memory of the program is made before, and counted.
        """
        arrays = self._fit(args)
        if not self._free:
            self._free.append(self._runner())
        tracing = tracemalloc.is_tracing()
        if not tracing:
            tracemalloc.start()
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        start = time.perf_counter()
        found = self._fast(*arrays)
        seconds = time.perf_counter() - start
        peak = tracemalloc.get_traced_memory()[1] - before
        if not tracing:
            tracemalloc.stop()
        if self.graph.checks:
            self._check(found)
        own = self.source.layout.arena_bytes + sum(a.nbytes for a in arrays)
        reports = {
            name: a
            for (name, _), a in zip(self.graph.reports, found[len(found) - len(self.graph.reports) :], strict=True)
        }
        return Result(found[: self._count], reports, seconds, peak + own)

    # --- arguments ---------------------------------------------------------------------------

    def _fit(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments as C-contiguous arrays of the inputs' types. Raises InputError naming the input."""
        names = self.graph.input_names
        if len(args) != len(names):
            raise InputError(
                f"{len(args)} arrays were given for {len(names)} inputs",
                f"graph {self.graph.name} has inputs {', '.join(names) or 'none'}",
            )
        return tuple(self._fit_one(x, t, n) for x, t, n in zip(args, self._types, names, strict=True))

    def _fit_one(self, x: Any, t: Type, name: str) -> Any:
        if type(x) in (bool, int, float, complex):
            a = np.asarray(x)
            if not (a.dtype.kind == t.dtype.kind or "biufc".index(a.dtype.kind) <= "biufc".index(t.dtype.kind)):
                raise InputError(f"{name} is {x!r}, which is no {t.dtype.name}", f"input of graph {self.graph.name}")
            a = a.astype(t.dtype)
        else:
            a = np.asarray(x)
            if a.dtype == object:
                raise InputError(f"{name} is no array of numbers", f"input of graph {self.graph.name}", f"pass {t}")
            if a.dtype != t.dtype:
                if not np.can_cast(a.dtype, t.dtype, "safe"):
                    raise InputError(
                        f"{name} has dtype {a.dtype.name}, where {t} is needed",
                        f"input of graph {self.graph.name}",
                        f"convert it yourself: {name}.astype({t.dtype.name!r})",
                    )
                a = a.astype(t.dtype)
        if a.shape != t.shape:
            raise InputError(
                f"{name} has shape {a.shape}, where {t} is needed",
                f"input of graph {self.graph.name}",
                "trace again for other shapes, or name the sizes with dims=",
            )
        return np.asarray(a, order="C")

    # --- what can go wrong while it runs -----------------------------------------------------

    def _again(self, e: Exception, args: tuple[Any, ...]) -> Any:
        """What a run on arrays gives, after one on numbers was refused."""
        if isinstance(e, AdcoreError) or self.source.plain:
            raise self._explain(e) from e.__cause__
        if self._plain_program is None:
            self._plain_program = NumpyProgram(self.plan, plain=True)
        return self._plain_program._fast(*args)

    def _check(self, found: tuple[Any, ...]) -> None:
        at = self._count
        for c in self.graph.checks:
            shown = found[at + 1 : at + 1 + len(c.shown)]
            if not np.all(found[at]):
                raise CheckError(c.message.format(*(s[()] for s in shown)), f"at {c.source or 'source unknown'}")
            at += 1 + len(c.shown)

    def _explain(self, e: Exception) -> Exception:
        """The exception with the op and the user's line added, of a class that keeps the builtin's."""
        node = self._node_of(e)
        if isinstance(e, AdcoreError):
            if node is None or e.where:
                return e
            where = f"while running {node.op} at {node.source or 'source unknown'}, in graph {self.graph.name}"
            return type(e)(e.what, where, e.instead)
        if node is not None and isinstance(e, np.linalg.LinAlgError):
            return MatrixError(
                f"{node.op}: {e}", f"at {node.source or 'source unknown'}, in graph {self.graph.name}",
                "look at the matrix there: its condition, its symmetry, whether it holds nan or inf",
            )  # fmt: skip
        if node is not None and not isinstance(e, Warning):
            e.add_note(f"  while running {node.op} at {node.source or 'source unknown'}, in graph {self.graph.name}")
        return e

    def _node_of(self, e: Exception) -> Node | None:
        trace, name = e.__traceback__, f"<adcore program {self.graph.name}>"
        found = None
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == name and trace.tb_frame.f_code.co_name != "door":
                found = self.source.lines.get(trace.tb_lineno, found)
            trace = trace.tb_next
        return None if found is None else self.graph.nodes[found]
