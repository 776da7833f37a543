"""Solvers of other packages, which step by themselves: SciPy's, and CVODE of SUNDIALS.

Their steps cannot be made again, so they have no discrete derivative; each leaves its state at a few times along
every step, by its own dense output, and the adjoint ODE goes back along these.
"""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from adcore.extend import SAMPLED, Field, MissingExtraError, Solver, Walked
from adcore_ops.extras import scipy
from adcore_ops.ode.integrate import Integration, Status


@dataclass(frozen=True, slots=True)
class SciPy(Solver):
    """A class of scipy.integrate. stiff: it takes a Jacobian."""

    name: str
    order: int
    of: str
    stiff: bool
    backwards: str

    def walk(
        self, f: Field, jacobian: Field, t0: float, y0: Any, t1: float, rtol: float, atol: Any, first_step: float,
        max_step: float,
    ) -> Iterator[Walked]:  # fmt: skip
        """Step by step."""
        options: dict[str, Any] = {"jac": jacobian} if self.stiff else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what fails is told by the status
            solver = getattr(scipy("integrate"), self.of)(
                f, t0, y0, t1, rtol=rtol, atol=atol, first_step=first_step or None, max_step=max_step, **options
            )
            while solver.status == "running":
                solver.step()
                if solver.status == "failed":
                    return
                yield Walked(float(solver.t), solver.y, solver.dense_output(), max(solver.nlu, solver.njev))


@dataclass(frozen=True, slots=True)
class Cvode(Solver):
    """CVODE of SUNDIALS, by the package scikit-sundae. of: "BDF" for stiff problems, "Adams" for others."""

    name: str
    order: int
    of: str
    backwards: str

    def walk(
        self, f: Field, jacobian: Field, t0: float, y0: Any, t1: float, rtol: float, atol: Any, first_step: float,
        max_step: float,
    ) -> Iterator[Walked]:  # fmt: skip
        """Step by step."""
        made = [0]

        def fill(t: float, y: Any, into: Any) -> None:
            into[:] = f(t, y)

        def fill_jacobian(t: float, y: Any, slope: Any, into: Any) -> None:
            made[0] += 1
            into[:] = jacobian(t, y)

        solver = _sundials().CVODE(
            fill, jacfn=fill_jacobian, method=self.of, rtol=rtol, atol=np.asarray(atol), first_step=first_step,
            max_step=max_step if math.isfinite(max_step) else 0.0,
        )  # fmt: skip
        solver.init_step(t0, y0)
        t, still = t0, 0
        while t != t1 and still < 2:
            reached = solver.step(t1, method="onestep", tstop=t1)
            if not reached.success:
                return
            still = still + 1 if reached.t == t else 0  # once, it comes back from an interpolation
            if still:
                continue
            t = float(reached.t)
            inside = lambda times: np.stack([solver.step(x, tstop=t1).y for x in times], axis=1)
            yield Walked(t, np.array(reached.y), inside, made[0])


def _sundials() -> Any:
    """The module sksundae.cvode. Raises MissingExtraError that says how to get it."""
    try:
        return importlib.import_module("sksundae.cvode")
    except ImportError as e:
        raise MissingExtraError(
            "CVODE is a solver of SUNDIALS, and scikit-sundae is not installed", "",
            'install it: pip install "adcore[sundials]"; or use the method BDF',
        ) from e  # fmt: skip


SOLVERS = [
    SciPy("BDF", 5, "BDF", True, "Radau"), SciPy("LSODA", 5, "LSODA", True, "Radau"),
    SciPy("SciPy.Radau", 5, "Radau", True, "Radau"), SciPy("SciPy.RK23", 3, "RK23", False, "RK23"),
    SciPy("SciPy.RK45", 5, "RK45", False, "RK45"), SciPy("SciPy.DOP853", 8, "DOP853", False, "DOP853"),
    Cvode("CVODE", 5, "BDF", "Radau"), Cvode("CVODE.Adams", 8, "Adams", "DOP853"),
]  # fmt: skip


# --- on the way ----------------------------------------------------------------------------------


class _NotFiniteError(ArithmeticError):
    """The right-hand side gave something that is not finite: solvers of others may go on with it for ever."""


@dataclass(slots=True)
class Whole(Integration):
    """An initial-value problem that a `Solver` takes its way through. parts.step(t, y) is the Jacobian."""

    solver: Any = None
    sampled: list[Any] = field(default_factory=list)  # of every step, (samples, n)

    def run(self) -> None:
        """To the end or a failure; `status` says which."""
        if not self.in_order():
            return
        start, end, rules = self.t, self.points[-1], self.rules
        try:
            for step in self.solver.walk(
                self.slope_at, self.parts.step, self.t, self.y, end, rules.rtol, rules.atol, rules.first_step,
                rules.max_step,
            ):  # fmt: skip
                if self.accepted >= rules.max_steps:
                    self.fail(Status.TOO_MANY_STEPS)
                    return
                self.pass_to(step, start, end)
        except (_NotFiniteError, ValueError, RuntimeError) as error:
            self.fail(Status.NOT_FINITE if isinstance(error, _NotFiniteError) else Status.STEP_TOO_SMALL)
        else:
            if self.t != end:
                self.fail(Status.STEP_TOO_SMALL)

    def slope_at(self, t: float, y: Any) -> Any:
        """f(t, y), counted. Raises _NotFiniteError."""
        self.evaluations += 1
        slope = self.parts.rhs(t, np.array(y, self.y.dtype))
        if not np.isfinite(slope).all():
            self.component = int(np.argmin(np.isfinite(slope)))
            raise _NotFiniteError
        return slope

    def pass_to(self, step: Walked, start: float, end: float) -> None:
        """Take one step: what is observed on it, its record and its samples."""
        t, y = self.t, np.array(step.y, self.y.dtype)
        inner = np.asarray(step.dense(t + SAMPLED[1:-1] * (step.t - t)), self.y.dtype).T
        self.sampled.append(np.concatenate([self.y[None], inner, y[None]]))
        self.first = self.seen
        while self.seen < len(self.t_eval) and (self.t_eval[self.seen] - step.t) * self.direction <= 0:
            at = self.t_eval[self.seen]
            self.observed[self.seen] = y if at == step.t else self.y if at == t else step.dense(np.array([at]))[:, 0]
            self.seen += 1
        span = end - start
        s = (t - start) / span if span else 0.0
        self.note(s, 1.0 - s if step.t == end else (step.t - t) / span, 0)
        self.accepted, self.factorizations = self.accepted + 1, step.factorizations
        self.t, self.y, self.h = step.t, y, abs(step.t - t)
