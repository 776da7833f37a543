"""What `auto` chooses, and why; the method "forward" for named regions, alone and chosen by `auto`."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import adcore as ad
from adcore.batch import verbs
from adcore.config import Config
from adcore.errors import BudgetError, ConfigError, RuleError
from adcore.registry import registry
from adcore.select import select_inputs, select_outputs
from adcore.settings import choose
from adcore.strategy import Budget, Request
from adcore.testing import check_grads

RNG = np.random.default_rng(5)
WIDE = RNG.normal(size=(97, 11))


def encoder(x, k):
    w = np.outer(np.arange(1.0, 102.0) / 101, x) * np.sin(k)
    for _ in range(5):
        w = np.tanh(w) * 1.01 + 0.1
    return np.sum(w, axis=0), w[3]


def loop(x, k):
    def step(c, _):
        h, z = ad.region(encoder, name="encoder")(c, k)
        return h / 101 + z / 3, np.sum(z)

    c, ys = ad.scan(step, x, None, length=13)
    return np.sum(ys) + np.sum(c)


def single(x, k):
    h, z = ad.region(encoder, name="encoder")(x, k)
    return np.sum(h * h) + np.sum(z)


X, K = np.array([0.3, 0.4, 0.5]), 0.7
FORWARD = {"strategy": {"methods": {"call:encoder": "forward"}}}


def picked(f, *args, kind="grad", **asked):
    g = ad.trace(f, *args)
    request = Request(kind, select_inputs(g, None).positions, select_outputs(g, None))
    return choose(g, request, "auto", **asked)


# --- the method ----------------------------------------------------------------------------------


@pytest.mark.parametrize("f", [single, loop])
def test_a_region_in_forward_mode_gives_the_same_derivatives(f):
    plain = ad.value_and_grad(f, wrt=[0, 1])(X, K)
    found = ad.value_and_grad(f, wrt=[0, 1], config=FORWARD)(X, K)
    for a, b in zip(np.hstack([plain[0], *plain[1]]), np.hstack([found[0], *found[1]]), strict=True):
        assert a == pytest.approx(b, rel=1e-12)
    np.testing.assert_allclose(ad.hessian(f, config=FORWARD)(X, K), ad.hessian(f)(X, K), rtol=1e-10, atol=1e-12)
    check_grads(ad.trace(ad.grad(f, config=FORWARD), X, K), (X, K), order=1)


def test_a_region_in_forward_mode_keeps_its_jacobian_and_nothing_from_inside():
    graph = ad.trace(loop, X, K)
    plain, mixed = (ad.plan(ad.differentiate(graph, "grad", config=c)).cost for c in (None, FORWARD))
    assert mixed.peak_bytes < plain.peak_bytes / 2


def test_only_what_is_asked_for_is_a_column():
    graph = ad.trace(loop, X, K)
    one = ad.differentiate(graph, "grad", wrt="k", config=FORWARD)
    assert one(X, K) == pytest.approx(ad.grad(loop, wrt=1)(X, K), rel=1e-12)
    assert ad.plan(one).cost.peak_bytes < ad.plan(ad.differentiate(graph, "grad", config=FORWARD)).cost.peak_bytes


def test_integers_masks_and_unused_results_do_not_disturb_the_method():
    def block(x, n, unused):
        return {"y": np.sin(x) * n, "flag": x > 0, "same": unused, "none": np.cos(x)}

    def f(x, n, unused):
        out = ad.region(block, name="encoder")(x, n, unused)
        return np.sum(np.where(out["flag"], out["y"], 0.0))

    args = (np.array([0.5, -0.5]), np.int64(3), np.ones(2))
    np.testing.assert_allclose(ad.grad(f, config=FORWARD)(*args), ad.grad(f)(*args), rtol=1e-14)


def test_single_precision_stays_single_precision_in_a_forward_region():
    g = ad.grad(single, config=FORWARD)(X.astype(np.float32), np.float32(K))
    assert g.dtype == np.float32


def test_complex_inputs_of_a_forward_region_are_refused_at_their_line():
    f = lambda z: np.real(np.sum(ad.region(lambda z: z * z, name="encoder")(z)))
    with pytest.raises(RuleError, match=r"real inputs; input 0 of encoder is complex128\[2\]\n  at test_auto.py"):
        ad.grad(f, config=FORWARD)(np.ones(2, complex))


def test_a_method_holds_inside_regions_and_loops_of_the_graph():
    def outer(x, k):
        return ad.region(lambda x, k: loop(x, k) * 2.0, name="outer")(x, k)

    graph = ad.trace(outer, X, K)
    plain, mixed = (ad.differentiate(graph, "grad", config=c) for c in (None, FORWARD))
    np.testing.assert_allclose(mixed(X, K)[0], plain(X, K)[0], rtol=1e-12)
    assert ad.plan(mixed).cost.peak_bytes < ad.plan(plain).cost.peak_bytes / 2


def test_the_default_method_takes_back_one_that_an_earlier_place_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "adcore.toml").write_text('[strategy.methods]\n"call:encoder" = "forward"\n')
    graph = ad.trace(loop, X, K)
    peaks = [
        ad.plan(ad.differentiate(graph, "grad", config=c)).cost.peak_bytes
        for c in (None, {"strategy": {"methods": {"call:encoder": "default"}}})
    ]
    assert peaks[0] < peaks[1] / 2


def test_an_unknown_method_of_a_region_is_told_with_those_there_are():
    with pytest.raises(
        ConfigError, match=r'no method \'frward\'\n  strategy.methods."call:encoder" in .*\n  known: forw'
    ):
        ad.grad(single, config={"strategy": {"methods": {"call:encoder": "frward"}}})(X, K)


# --- the choice ----------------------------------------------------------------------------------


def test_many_inputs_and_one_output_go_in_reverse():
    choice = picked(lambda x: np.sum(np.tanh(WIDE @ x)), np.ones(11))
    assert choice.strategy.name == "reverse"
    assert choice.reason.startswith("1 reverse pass, ") and "; 11 forward passes, " in choice.reason
    assert "reverse peaks at " in choice.reason


def test_a_jacobian_goes_the_way_of_fewer_passes():
    assert picked(lambda x: np.tanh(WIDE @ x), np.ones(11), kind="jacobian").strategy.name == "forward"
    wide = picked(lambda x: np.tanh(WIDE.T @ x), np.ones(97), kind="jacobian")
    assert wide.strategy.name == "reverse" and wide.reason.startswith("11 reverse passes, ")


def long(x):
    y = x * np.ones(100003)
    for _ in range(29):
        y = np.sin(y) + y
    return np.sum(y)


def test_one_input_goes_forward_when_reverse_would_keep_far_more():
    choice = picked(long, 2.0)
    assert choice.strategy.name == "forward" and choice.reason.startswith("1 forward pass, ")
    assert choose(ad.trace(long, 2.0), Request("grad", (0,), (0,))).strategy.name == "reverse"


def test_a_budget_below_the_peak_of_reverse_is_told():
    few = picked(lambda x: long(x[0] + x[1] * x[2]), np.ones(3), memory="5 MB")
    assert "over the budget of 5.0 MB" in few.reason
    roomy = picked(lambda x: np.sum(np.tanh(WIDE @ x)), np.ones(11), memory="1 MiB")
    assert "within the budget of 1.0 MB" in roomy.reason
    if "checkpointed" in registry().strategies:
        assert roomy.strategy.name == "checkpointed"


def test_a_loop_over_a_region_with_few_inputs_is_mixed_and_says_so():
    choice = picked(loop, X, K)
    assert choice.strategy.name == "reverse" and choice.settings["methods"] == {"call:encoder": "forward"}
    assert "forward inside encoder, for its 4 inputs: " in choice.reason and " kept of it in place of " in choice.reason
    plain = ad.grad(loop, wrt=[0, 1])(X, K)
    found = ad.grad(loop, wrt=[0, 1], strategy="auto")(X, K)
    np.testing.assert_allclose(np.hstack(found), np.hstack(plain), rtol=1e-12)


def test_initial_value_problems_are_chosen_by_their_inputs():
    def f(y0, k):
        return np.sum(ad.solve_ivp(lambda t, y: -k * y, (0.0, 1.0), y0, rtol=1e-6).y[:, -1])

    choice = picked(f, np.ones(2), 0.5)
    assert choice.settings["methods"] == {"core::solve_ivp": "auto"}
    assert "; initial-value problems forward for 3 inputs, at most 10" in choice.reason
    asked = {"strategy": {"methods": {"core::solve_ivp": "gauss"}}}
    assert picked(f, np.ones(2), 0.5, config=asked).settings["methods"] == {"core::solve_ivp": "gauss"}
    found = ad.grad(f, wrt=[0, 1], strategy="auto")(np.ones(2), 0.5)
    np.testing.assert_allclose(np.hstack(found), [np.exp(-0.5)] * 2 + [-2.0 * np.exp(-0.5)], rtol=1e-5)


def test_what_loops_keep_is_told():
    def f(x, xs):
        return ad.scan(lambda c, x: (np.sin(c) * np.exp(-c) * np.tanh(c * x), None), x, xs)[0]

    choice = picked(f, 0.3, np.linspace(0.5, 1.0, 1009))
    assert ", of which loops keep " in choice.reason


def test_mixing_is_left_out_where_it_does_not_help_or_is_not_wanted():
    assert "methods" not in picked(single, X, K).settings  # one region: its columns are there all at once
    assert "methods" not in picked(loop, X, K, config={"strategy": {"name": "auto", "mix": False}}).settings
    chosen = {"strategy": {"methods": {"call:encoder": "forward"}}}
    assert picked(single, X, K, config=chosen).settings["methods"] == {"call:encoder": "forward"}


def test_options_for_what_auto_chooses_are_passed_on():
    asked = {"strategy": {"name": "auto", "forward": {"chunk": 5}, "reverse": {"chunk": 7}}}
    g = ad.trace(lambda x: np.tanh(WIDE @ x), np.ones(11))
    choice = choose(g, Request("jacobian", (0,), (0,)), config=asked)
    assert (choice.strategy.name, choice.strategy.options.chunk) == ("forward", 5)
    again = choose(g, Request("jacobian", (0,), (0,)), config=Config(()).over({"strategy": choice.settings}))
    assert (again.strategy.name, again.strategy.options) == (choice.strategy.name, choice.strategy.options)


def test_auto_plans_a_graph_as_it_is_when_nothing_is_asked_of_it():
    choice = choose(ad.trace(long, 2.0), None, "auto")
    assert choice.strategy.name == "reverse" and choice.reason.startswith("in its own order the graph peaks at ")


def test_a_plan_that_cannot_keep_the_budget_says_what_it_needs():
    graph = ad.differentiate(ad.trace(long, 2.0), "grad")
    need = ad.plan(graph, strategy="reverse").cost.peak_bytes
    assert ad.plan(graph, strategy="reverse", memory=need).cost.peak_bytes == need
    with pytest.raises(BudgetError, match=f"reverse needs {need:,} bytes, and the budget is {need - 1:,}\n  for graph"):
        ad.plan(graph, strategy="reverse", memory=need - 1)
    with pytest.raises(BudgetError, match="strategy checkpointed, which runs parts again"):
        ad.plan(graph, strategy="reverse", memory="50%")


def test_a_hook_chooses_before_auto_does(monkeypatch):
    from adcore.extend import hookimpl
    from adcore.plugins import loader

    class Chooser:
        @hookimpl
        def adcore_select_strategy(self, graph, request, budget):
            return ("forward", f"budget {budget.memory}") if budget == Budget(memory=12345) else None

    manager, chooser = loader().manager, Chooser()
    manager.register(chooser)
    try:
        choice = picked(lambda x: np.sum(WIDE @ x), np.ones(11), memory=12345)
        assert (choice.strategy.name, choice.reason) == ("forward", "budget 12345")
        assert picked(lambda x: np.sum(WIDE @ x), np.ones(11)).strategy.name == "reverse"
    finally:
        manager.unregister(chooser)


def test_the_report_of_a_batch_says_what_auto_chose_and_why(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ad.trace(lambda x: np.sum(np.tanh(WIDE @ x)), np.ones(11)).save("f.adg")
    Path("job.toml").write_text(
        '[job]\ngraph = "f.adg"\nout = "run"\nworkers = 1\n[sweep]\nstrategy = ["auto", "reverse"]\n'
        "random = { x = { uniform = [0.0, 1.0] } }\ncount = 2\n"
    )
    with open(verbs.run("job.toml").report, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == ["done"] * 4
    assert all(row["chosen"].startswith("reverse: 1 reverse pass, ") for row in rows[:2])
    assert [row["chosen"] for row in rows[2:]] == ["", ""]
