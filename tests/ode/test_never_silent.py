"""Every way in which an integration fails, under every method: a typed error that says where, and a failed item."""

import csv
import re

import numpy as np
import pytest

import adcore as ad
from adcore.batch import verbs
from adcore.errors import CheckError

METHODS = ["discrete", "forward", "interpolating", "gauss", "backsolve", "steady", "auto"]
Y0 = np.array([1.0, 0.5])


def by(method):
    return {"strategy": {"methods": {"core::solve_ivp": {"name": method}}}}


def spring(t, y, k):
    return np.stack([y[1], -4.0 * k * y[0]])


def falling(t, y, k):
    return np.stack([y[1], -10.0 * k + 0.0 * y[1]])


def zeno():
    """A ball that bounces ever lower: infinitely many events in finite time."""

    def hit(t, y, k):
        return y[0]

    hit.direction, hit.reset = -1, lambda t, y, k: np.stack([0.0 * y[0], -0.5 * y[1]])
    return hit


def touching(t, y, k):
    return (t - 1.0) ** 3


def constrained(t, y, k):
    """z^2 = y / 4 with y falling through 0, where there is no such z."""
    return np.stack([-k + 0.0 * y[0], y[1] ** 2 - 0.25 * y[0]])


WHERE = r"t = [\d.]+(e-\d+)?"
FAILURES = {
    "not a number": (lambda t, y, k: y * np.nan * k, {}, rf"is not finite at {WHERE}, step .*, component 0"),
    "a pole of the right-hand side": (
        lambda t, y, k: np.log(1.0 - t) * y * k, {}, rf"is not finite at {WHERE}, step .*, component \d"
    ),
    "blow-up": (lambda t, y, k: k * y * y, {}, rf"(step size fell to .*|not finite|limit was reached) at {WHERE}"),
    "a number in one component": (
        lambda t, y, k: np.stack([y[1], np.sqrt(0.2 - t) * k]), {}, rf"is not finite at {WHERE}, step .*, component 1"
    ),
    "no solution of a step": (
        constrained, {"method": "Radau", "mass": [1.0, 0.0]}, rf"could not be solved at {WHERE}, step .*, component \d"
    ),
    "the step limit": (spring, {"max_steps": 5}, rf"the step limit was reached at {WHERE}, step "),
    "a grazing event": (spring, {"events": touching}, rf"touches zero without crossing it at {WHERE}"),
    "events without end": (falling, {"events": zeno()}, rf"more than max_events times, the last at {WHERE}"),
    "times out of order": (spring, {"t_eval": np.array([0.5, 0.2])}, r"are not in order between t0 and t1"),
}  # fmt: skip


EVENTS = ("a grazing event", "events without end")
REFUSED = {
    *((m, name) for m in ("backsolve", "steady") for name in EVENTS),
    ("steady", "times out of order"), ("backsolve", "no solution of a step"),
}  # fmt: skip
CASES = [(m, name) for m in METHODS for name in FAILURES if (m, name) not in REFUSED]


def problem(name):
    fun, options, message = FAILURES[name]
    stepper = options.get("method", "RK45")
    options = {"rtol": 1e-6, "atol": 1e-8, **options}
    f = lambda y0, k: np.sum(ad.solve_ivp(fun, (0.5, 2.5), y0, args=(k,), **options).y)
    return f, rf"^solve_ivp \({stepper}\): .*{message}"


@pytest.mark.parametrize("method, name", CASES, ids=lambda x: x)
def test_a_call_ends_in_an_error_with_time_step_and_component(method, name):
    f, message = problem(name)
    with np.errstate(all="ignore"), pytest.raises(CheckError, match=message):
        ad.grad(f, wrt=[0, 1], config=by(method))(Y0, 1.0)


@pytest.mark.parametrize("name", FAILURES)
def test_forward_mode_and_the_value_alone_tell_it_too(name):
    f, message = problem(name)
    for g in (f, ad.grad(f, strategy="forward")):
        with np.errstate(all="ignore"), pytest.raises(CheckError, match=message):
            g(Y0, 1.0)


# --- in a batch: the item fails, the others are right --------------------------------------------

SMOOTH = ["discrete", "forward", "interpolating", "gauss", "backsolve", "auto"]
WITH_EVENTS = ["discrete", "forward", "interpolating", "gauss", "auto"]


def smooth(hole, burst, k, y0):
    """Fine by default; not finite from t = hole, a blow-up where burst > 0, too many steps where k is large."""
    fun = lambda t, y, *args: np.stack([y[1], -4.0 * k * y[0] + burst * y[1] ** 2 + 0.0 * np.log(hole - t)])
    return np.sum(ad.solve_ivp(fun, (0.0, 2.0), y0, rtol=1e-6, atol=1e-8, max_steps=900).y)


def with_events(graze, bounce, y0):
    """A ball that bounces without end, or, where bounce = 0, goes through; an event that touches zero at 1 - graze."""
    hit = lambda t, y: y[0] + 3.0 * (1.0 - bounce)
    hit.direction, hit.reset = -1, lambda t, y: np.stack([0.0 * y[0], -0.5 * y[1]])
    touch = lambda t, y: (t - 1.0) ** 3 + graze
    fall = lambda t, y: np.stack([y[1], -10.0 + 0.0 * y[1]])
    return np.sum(ad.solve_ivp(fall, (0.0, 2.0), y0, events=[hit, touch], rtol=1e-6, atol=1e-8).y)


BATCHES = {
    "smooth": (
        smooth, {"hole": 9.0, "burst": 0.0, "k": 1.0}, SMOOTH,
        [
            ({}, ""), ({"hole": 1.0}, r"not finite at t = (1\.0|0\.99)\d*, step .*, component 1"),
            ({"burst": 50.0}, r"at t = 0\.\d+"), ({"k": 1e9}, r"step limit was reached at t = 0\.\d+, step "),
        ],
    ),
    "events": (
        with_events, {"graze": -9.0, "bounce": 0.0}, WITH_EVENTS,
        [
            ({}, ""), ({"graze": 0.0}, r"touches zero without crossing it at t = (1\.0|0\.99)"),
            ({"bounce": 1.0}, r"more than max_events times, the last at t = 1"),
        ],
    ),
}  # fmt: skip


JOB = """
[job]
graph = "model.adg"
request = "grad"
wrt = ["y0"]
out = "runs"
workers = 0
[inputs]
y0 = [1.0, 0.5]
[items]
table = "items.csv"
[sweep]
"""


@pytest.mark.parametrize("name", BATCHES)
def test_in_a_batch_it_is_a_failed_item_with_its_values(name, tmp_path):
    f, plain, methods, items = BATCHES[name]
    ad.trace(f, *plain.values(), Y0).save(tmp_path / "model.adg")
    rows = [{**plain, **changed} for changed, _ in items]
    lines = [",".join(plain), *(",".join(map(str, row.values())) for row in rows)]
    (tmp_path / "items.csv").write_text("\n".join(lines) + "\n")
    chosen = [f"by_{m}" for m in methods]
    profiles = [f'[profile.by_{m}.strategy]\nmethods = {{ "core::solve_ivp" = "{m}" }}' for m in methods]
    (tmp_path / "job.toml").write_text("\n".join([f"{JOB}strategy = {chosen}", *profiles]))
    with np.errstate(all="ignore"):
        summary = verbs.run(tmp_path / "job.toml")
    assert summary.counts["done"] == len(methods) and summary.counts["failed"] == len(methods) * (len(items) - 1)
    with (tmp_path / "runs" / "report.csv").open() as file:
        report = list(csv.DictReader(file))
    for i, row in enumerate(report):
        message = items[i % len(items)][1]
        assert (row["strategy"], row["kind"]) == (chosen[i // len(items)], "CheckError" if message else "")
        assert re.search(message, row["message"]), row
