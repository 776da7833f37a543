"""A time loop of ten thousand steps under memory budgets, and in other systems by their checkpoints."""

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from harness import Bench, Compare
from peers import installed

import adcore as ad
from adcore.backend import find_backend
from adcore.graph import numbering
from adcore.plan.loops import pairs
from adcore.plan.steps import default_plan
from adcore_strategies.schedules import Binomial

bench = Bench("checkpoints")

POINTS, STEPS, SEGMENT = 1_000, 10_000, 100
"""Segments of 100 steps in 100: what keeps least memory where a state is kept for every segment."""

GRID = np.linspace(0.0, 1.0, POINTS)
START, SPEED = np.exp(-200 * (GRID - 0.4) ** 2), 1.0 + 0.1 * np.sin(7 * GRID)
TARGET = np.sin(3 * np.pi * GRID)

Way = Callable[[], Any]


def leap(F: Any, roll: Any, now: Any, before: Any, r: Any) -> Any:
    """One leapfrog step of a wave on a ring."""
    return 2.0 * now - before + r * (roll(now, 1) - 2.0 * now + roll(now, -1))


# --- adcore --------------------------------------------------------------------------------------


def misfit(u: Any, c: Any) -> Any:
    """The distance to the target at the end, from the first displacement and the speeds."""
    r = (0.5 * c) ** 2
    (last, _), _ = ad.scan(lambda s, _: ((leap(np, np.roll, s[0], s[1], r), s[0]), None), (u, u), None, length=STEPS)
    return 0.5 * np.sum((last - TARGET) ** 2)


def adcore(memory: str | None) -> Way:
    """The gradient within a budget."""
    gradient = ad.differentiate(ad.trace(misfit, START, SPEED), "grad", wrt=[0, 1])
    program = gradient.compile(strategy="checkpointed", memory=memory)
    return lambda: program(START, SPEED)


# --- the others ----------------------------------------------------------------------------------


def by_jax(checkpointed: bool) -> Way:
    """A scan, or a scan of scans whose steps are run again."""
    import jax

    jax.config.update("jax_enable_x64", True)
    F = jax.numpy

    def loss(u: Any, c: Any) -> Any:
        r = (0.5 * c) ** 2

        def step(s: Any, _: Any) -> Any:
            return (leap(F, F.roll, s[0], s[1], r), s[0]), None

        def segment(s: Any, _: Any) -> Any:
            return jax.lax.scan(step, s, None, length=SEGMENT)[0], None

        if checkpointed:
            (last, _), _ = jax.lax.scan(jax.checkpoint(segment), (u, u), None, length=STEPS // SEGMENT)
        else:
            (last, _), _ = jax.lax.scan(step, (u, u), None, length=STEPS)
        return 0.5 * F.sum((last - TARGET) ** 2)

    u, c = F.asarray(START), F.asarray(SPEED)
    gradient = jax.jit(jax.grad(loss, argnums=(0, 1))).lower(u, c).compile()
    return lambda: jax.block_until_ready(gradient(u, c))


def by_torch(checkpointed: bool) -> Way:
    """A Python loop, or a loop over segments that are run again (reentrant ones, which take the least memory)."""
    import torch
    from torch.utils.checkpoint import checkpoint

    torch.set_num_threads(1)
    target = torch.tensor(TARGET)
    u, c = (torch.tensor(x, requires_grad=True) for x in (START, SPEED))

    def segment(now: Any, before: Any, r: Any) -> Any:
        for _ in range(SEGMENT):
            now, before = leap(torch, torch.roll, now, before, r), now
        return now, before

    def gradient(segments: int = STEPS // SEGMENT) -> Any:
        now, before, r = u, u, (0.5 * c) ** 2
        for _ in range(segments):
            if checkpointed:
                now, before = checkpoint(segment, now, before, r, use_reentrant=True)
            else:
                now, before = segment(now, before, r)
        u.grad = c.grad = None
        (0.5 * ((now - target) ** 2).sum()).backward()
        return u.grad, c.grad

    gradient(1)  # loads what is loaded at the first call, which is no memory of the loop
    return gradient


# --- side by side --------------------------------------------------------------------------------

WAYS: dict[str, Callable[[], Way]] = {
    "adcore, all kept": lambda: adcore(None),
    "adcore, 9.4 MB": lambda: adcore("9.4 MB"),  # what torch takes
    "adcore, 2.6 MB": lambda: adcore("2.6 MB"),  # what JAX takes
    "adcore, 1 MB": lambda: adcore("1 MB"),
    "adcore, 300 kB": lambda: adcore("300 kB"),
}
if installed("jax"):
    WAYS |= {"JAX, all kept": lambda: by_jax(False), "JAX, nested scans": lambda: by_jax(True)}
if installed("torch"):
    WAYS |= {"torch, all kept": lambda: by_torch(False), "torch, checkpoint": lambda: by_torch(True)}


@bench.case("wave equation, 10,000 steps of 1,000 points")
def wave(compare: Compare) -> None:
    ways = {name: make() for name, make in WAYS.items()}
    notes = {name: f"{taken(name) / 1e6:.1f} MB" for name in ways}
    compare(ways, "adcore, all kept", ways["adcore, all kept"](), notes=notes)


@bench.case("what a budget costs that is never reached")
def tax(compare: Compare) -> None:
    gradient = ad.differentiate(ad.trace(misfit, START, SPEED), "grad", wrt=[0, 1])
    number = numbering(gradient)
    led = {number[v]: Binomial(1, leaf=STEPS) for pair in pairs(gradient) for v in pair.trails}
    programs = {
        "reverse": gradient.compile(strategy="reverse"),
        "checkpointed, no limit": gradient.compile(strategy="checkpointed", memory="1 TB"),
        "a schedule that keeps all": find_backend().compile(default_plan(gradient, trails=led)),
    }
    ways = {name: partial(program.all, START, SPEED) for name, program in programs.items()}
    compare(ways, "reverse", ways["reverse"]())


def taken(name: str) -> int:
    """Bytes by which the resident memory of a process of its own grows while it makes the gradient, once compiled."""
    code = f"import bench_checkpoints as b; print(b.growth(b.WAYS[{name!r}]()))"
    folder = str(Path(__file__).parent)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([folder, *sys.path])}
    return int(subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout)


def growth(way: Way) -> int:
    """Bytes by which the resident memory peaks above what it was before the call."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what planning or compiling has freed does not count
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts from here
    way()
    return _status("VmHWM") - before


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


if __name__ == "__main__":
    bench.main()
