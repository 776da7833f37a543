"""Initial-value problems: time per evaluation of the right-hand side, and gradients by every method.

Lotka-Volterra, 4 parameters, squared misfit at 20 times; and the Brusselator on a line, 3 parameters, squared
norm of the last state. Its domain grows with the number of points, so that explicit methods serve; then it is the
line from 0 to 1, ever stiffer with more points, for implicit ones.
Peers, where they are installed: diffrax (discretise, then differentiate), torchdiffeq, CasADi with CVODES.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from harness import Bench, Compare, measure
from peers import installed

import adcore as ad

bench = Bench("ode")

RTOL, ATOL = 1e-7, 1e-9
RATES, START, TIMES = np.array([1.5, 1.0, 3.0, 1.0]), np.ones(2), np.linspace(0.5, 10.0, 20)
FEED, END = np.array([1.0, 3.0, 1.0]), 4.0
METHODS = ("discrete", "forward", "gauss", "interpolating", "backsolve")
DISSIPATIVE = METHODS[:-1]
"""Those for problems that cannot be integrated backwards."""

EVALUATION, GRADIENT = 30e-6, 0.15
"""What an evaluation may take on a small system, and a gradient of Lotka-Volterra, in seconds."""


def lotka_volterra(F: Any, t: Any, y: Any, p: Any) -> Any:
    """Hares and lynxes."""
    return F.stack([p[0] * y[0] - p[1] * y[0] * y[1], -p[2] * y[1] + p[3] * y[0] * y[1]])


def brusselator(F: Any, t: Any, y: Any, p: Any, spread: float = 52.0) -> Any:
    """Two species on a line between fixed ends, 1 and 3; n points, so 2 n states. spread: diffusion over h^2."""
    n = y.shape[0] // 2
    u, v = y[:n], y[n:]
    ends = F.concatenate([F.ones(1), u, F.ones(1)]), F.concatenate([3.0 * F.ones(1), v, 3.0 * F.ones(1)])
    du, dv = (spread * p[2] * (e[2:] - 2.0 * e[1:-1] + e[:-2]) for e in ends)
    made = u * u * v
    return F.concatenate([p[0] + made - (p[1] + 1.0) * u + du, p[1] * u - made + dv])


def stiff(F: Any, t: Any, y: Any, p: Any) -> Any:
    """The same on the line from 0 to 1, with the diffusion coefficient 1 / 50."""
    return brusselator(F, t, y, p, 0.02 * (y.shape[0] // 2 + 1) ** 2)


def start(n: int) -> Any:
    """The state at time 0, of n numbers."""
    x = np.arange(1, n // 2 + 1) / (n // 2 + 1)
    return np.concatenate([1.0 + np.sin(2.0 * np.pi * x), np.full(n // 2, 3.0)])


class Misfit:
    """A loss of parameters and initial state, as adcore and every peer are given it.

    field(F, t, y, p). times: of the observations; (t1,) for the last state alone. target: of every number.
    stepper: of adcore.
    """

    def __init__(
        self, field: Callable[..., Any], y0: Any, p: Any, times: Any, target: float, stepper: str = "Tsit5"
    ) -> None:
        self.field, self.y0, self.p, self.times, self.target = field, y0, p, np.asarray(times), target
        self.stepper = stepper

    def __call__(self, p: Any) -> Any:
        """The loss, by adcore."""
        return np.sum((self.solved(p).y - self.target) ** 2)

    def solved(self, p: Any, rtol: float = RTOL) -> Any:
        """The solution, by adcore."""
        rhs = lambda t, y, p: self.field(np, t, y, p)
        return ad.solve_ivp(
            rhs, (0.0, self.times[-1]), self.y0, self.stepper, self.times, args=(p,), rtol=rtol, atol=ATOL / RTOL * rtol
        )

    def gradients(self, methods: Sequence[str]) -> dict[str, Callable[[], Any]]:
        """By adcore, one per method."""
        graph = ad.trace(self, self.p)
        program = graph.compile()
        ways: dict[str, Callable[[], Any]] = {"adcore, the loss alone": lambda: program(self.p)}
        for method in methods:
            config = {"strategy": {"methods": {"core::solve_ivp": {"name": method}}}}
            made = ad.differentiate(graph, "grad", config=config).compile()
            ways[f"adcore, {method}"] = lambda made=made: made(self.p)
        return ways


def with_diffrax(problem: Misfit, solver: str = "Tsit5") -> dict[str, Callable[[], Any]]:
    """A solver with the derivative of its steps, online checkpoints."""
    diffrax, jax = installed("diffrax"), installed("jax")
    if diffrax is None or jax is None:
        return {}
    jax.config.update("jax_enable_x64", True)
    F = importlib.import_module("jax.numpy")
    term = diffrax.ODETerm(lambda t, y, p: problem.field(F, t, y, p))

    def loss(p: Any) -> Any:
        sol = diffrax.diffeqsolve(
            term, getattr(diffrax, solver)(), 0.0, float(problem.times[-1]), None, F.asarray(problem.y0), p,
            saveat=diffrax.SaveAt(ts=F.asarray(problem.times)),
            stepsize_controller=diffrax.PIDController(rtol=RTOL, atol=ATOL), max_steps=10_000,
        )  # fmt: skip
        return F.sum((sol.ys - problem.target) ** 2)

    made, p = jax.jit(jax.grad(loss)), F.asarray(problem.p)
    return {"diffrax, jit": lambda: np.asarray(made(p))}


def with_torchdiffeq(problem: Misfit, back: bool) -> dict[str, Callable[[], Any]]:
    """dopri5: the derivative of its steps, and, where the problem can be integrated backwards, its adjoint."""
    torch, torchdiffeq = installed("torch"), installed("torchdiffeq")
    if torch is None or torchdiffeq is None:
        return {}
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)

    class F:
        stack, concatenate, ones = torch.stack, torch.cat, torch.ones

    class Field(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.p = torch.nn.Parameter(torch.tensor(problem.p))

        def forward(self, t: Any, y: Any) -> Any:
            return problem.field(F, t, y, self.p)

    field, y0 = Field(), torch.tensor(problem.y0)
    times = torch.tensor(np.concatenate([[0.0], problem.times]))

    def gradient(solve: Any) -> Any:
        field.p.grad = None
        y = solve(field, y0, times, method="dopri5", rtol=RTOL, atol=ATOL)[1:]
        torch.sum((y - problem.target) ** 2).backward()
        return field.p.grad.numpy().copy()

    ways: dict[str, Callable[[], Any]] = {"torchdiffeq, steps": lambda: gradient(torchdiffeq.odeint)}
    return ways | ({"torchdiffeq, adjoint": lambda: gradient(torchdiffeq.odeint_adjoint)} if back else {})


def with_casadi(problem: Misfit) -> dict[str, Callable[[], Any]]:
    """CVODES and its adjoint."""
    casadi = installed("casadi")
    if casadi is None:
        return {}

    class F:
        stack = concatenate = staticmethod(lambda parts: casadi.vertcat(*parts))
        ones = staticmethod(casadi.DM.ones)

    n, p = len(problem.y0), casadi.MX.sym("p", len(problem.p))
    y, q = casadi.SX.sym("y", n), casadi.SX.sym("q", len(problem.p))
    options = {"reltol": RTOL, "abstol": ATOL, "max_num_steps": 100_000}
    ode = {"x": y, "p": q, "ode": problem.field(F, 0.0, y, q)}
    solve = casadi.integrator("solve", "cvodes", ode, 0.0, problem.times.tolist(), options)
    loss = casadi.sumsqr(solve(x0=problem.y0, p=p)["xf"] - problem.target)
    made = casadi.Function("gradient", [p], [casadi.gradient(loss, p)])
    return {"CasADi, CVODES adjoint": lambda: np.asarray(made(problem.p)).ravel()}


def with_peers(compare: Compare, problem: Misfit, methods: Sequence[str], bounds: Any = None) -> None:
    """Gradients by every method and by every peer; errors against a gradient at a thousandth of the tolerance."""
    truth = ad.grad(lambda p: np.sum((problem.solved(p, 1e-3 * RTOL).y - problem.target) ** 2))(problem.p)
    torchdiffeq = with_torchdiffeq(problem, "backsolve" in methods)
    ways = problem.gradients(methods) | with_diffrax(problem) | torchdiffeq | with_casadi(problem)
    compare(ways, "adcore, discrete", truth, bounds, alone=("adcore, the loss alone",))


LOTKA_VOLTERRA = Misfit(lotka_volterra, START, RATES, TIMES, 1.0)


@bench.case("one evaluation of the right-hand side, stepping included")
def evaluation(compare: Compare) -> None:
    for name, problem in (
        ("Lotka-Volterra, 2 states", LOTKA_VOLTERRA),
        ("Brusselator, 20 states", Misfit(brusselator, start(20), FEED, [END], 0.0)),
    ):
        count = int(problem.solved(problem.p).nfev)
        program = ad.trace(problem, problem.p).compile()
        taken = measure({"loss": lambda program=program, p=problem.p: program(p)}, compare.rounds)["loss"]
        compare.add(name, taken / count, bound=EVALUATION, note=f"{count} evaluations")


@bench.case("the gradient of Lotka-Volterra at rtol 1e-7")
def small(compare: Compare) -> None:
    with_peers(compare, LOTKA_VOLTERRA, METHODS, {f"adcore, {m}": GRADIENT for m in METHODS})


@bench.case("the gradient of a Brusselator of 100 states")
def hundred(compare: Compare) -> None:
    with_peers(compare, Misfit(brusselator, start(100), FEED, [END], 0.0), DISSIPATIVE)


@bench.case("the gradient of a Brusselator of 1,000 states")
def thousand(compare: Compare) -> None:
    with_peers(compare, Misfit(brusselator, start(1000), FEED, [END], 0.0), DISSIPATIVE)


def implicit(compare: Compare, n: int) -> None:
    """Implicit methods on the stiff problem, and who of the peers comes through it."""
    problems = {
        name: Misfit(stiff, start(n), FEED, [END], 0.0, name) for name in ("ESDIRK4", "ESDIRK5", "Radau", "CVODE")
    }
    loss = lambda p: np.sum(problems["Radau"].solved(p, 1e-2 * RTOL).y ** 2)
    ways = {
        f"adcore, {name}, {method}": problem.gradients([method])[f"adcore, {method}"]
        for name, problem in problems.items()
        for method in (("gauss",) if name == "CVODE" else ("discrete", "gauss"))
        if name != "CVODE" or installed("sksundae")
    }
    peers = with_casadi(problems["Radau"]) | (with_diffrax(problems["Radau"], "Kvaerno5") if n <= 100 else {})
    compare(ways | peers, "adcore, ESDIRK5, discrete", ad.grad(loss)(FEED))


@bench.case("the gradient of a Brusselator of 100 states, by implicit methods")
def stiff_hundred(compare: Compare) -> None:
    implicit(compare, 100)


@bench.case("the gradient of a stiff Brusselator of 1,000 states, by implicit methods")
def stiff_thousand(compare: Compare) -> None:
    implicit(compare, 1000)


@bench.case("error against evaluations: the gradient of Lotka-Volterra")
def work_precision(compare: Compare) -> None:
    truth = ad.grad(lambda p: np.sum((LOTKA_VOLTERRA.solved(p, 1e-12).y - 1.0) ** 2))(RATES)
    for rtol in (1e-5, 1e-7, 1e-9):
        for method in METHODS:
            config = {"strategy": {"methods": {"core::solve_ivp": {"name": method}}}}
            loss = lambda p, rtol=rtol: np.sum((LOTKA_VOLTERRA.solved(p, rtol).y - 1.0) ** 2)
            made = ad.differentiate(ad.trace(loss, RATES), "grad", config=config).compile()
            told = made.measure(RATES)
            error = float(np.max(np.abs(told.outputs[0] - truth)) / np.max(np.abs(truth)))
            counts = [int(c[2]) for c in told.reports.values()]
            taken = measure({"gradient": lambda made=made: made(RATES)}, 3)["gradient"]
            note = f"evaluations: {counts[0]} forward" + "".join(f", {c} of the adjoint" for c in counts[1:])
            compare.add(f"{method} at rtol {rtol:.0e}", taken, error=error, note=note)


if __name__ == "__main__":
    bench.main()
