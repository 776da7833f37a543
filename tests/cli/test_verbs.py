"""What the verbs print, write and exit with, tried as a user would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import adcore as ad
from adcore.extend import elementwise

F, DX1, DX2 = 2.0 * 3.0 + np.sin(2.0), 3.0 + np.cos(2.0), 2.0


# --- trace ---------------------------------------------------------------------------------------


def test_a_function_is_traced_from_examples_types_or_a_function_of_examples(adcore, folder):
    for words in (["--example", "x=[1,2,3]"], ["--example", "x=float64[3]"], ["--examples", ":example"]):
        for module in ("model", "model.py"):
            assert adcore("trace", f"{module}:loss", *words, "-o", "out.adg").code == 0
            assert ad.load("out.adg").identity == ad.load("loss.adg").identity


def test_the_data_of_trace_goes_to_stdout_as_text_or_json(adcore, folder):
    told = adcore("trace", "model:f", "--example", "x1=2", "--example", "x2=3", "-o", "out.adg", "--json").json
    assert told["inputs"] == {"x1": "float64[]", "x2": "float64[]"} and told["identity"] == ad.load("f.adg").identity
    printed = adcore("trace", "model:f", "--example", "x1=2", "--example", "x2=3")
    assert printed.out.startswith("graph f(a: x1 float64[], b: x2 float64[]) {") and not printed.err


def test_a_graph_and_a_function_that_returns_one_are_saved_as_they_are(adcore, folder):
    Path("made.py").write_text(
        "import adcore as ad\ndef graph():\n    return ad.trace(lambda x: x * x, 2.0)\nready = graph()\n"
    )
    for name in ("graph", "ready"):
        assert adcore("trace", f"made.py:{name}", "-o", "out.adg").code == 0
        assert ad.load("out.adg")(3.0) == 9.0


def test_numbers_are_floats_unless_their_type_or_static_says_otherwise(adcore, folder):
    told = adcore("trace", "model:f", "--example", "x1=int64[]", "--example", "x2=3", "-o", "out.adg", "--json").json
    assert told["inputs"] == {"x1": "int64[]", "x2": "float64[]"}
    told = adcore("trace", "model:power", "--example", "x=2", "--example", "n=3", "--static", "n", "--json").json
    assert told["inputs"] == {"x": "float64[]"} and told["nodes"] == 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["model:los", "--example", "x=1"], "model has no 'los'\n  in model:los\n  did you mean 'loss'?"),
        (["absent:f"], "module absent cannot be imported: ModuleNotFoundError: No module named 'absent'"),
        (["absent.py:f"], "there is no file absent.py"),
        (["model"], "'model' names no function"),
        (["model:loss"], "loss cannot be called with these arguments: missing a required argument: 'x'"),
        (["model:loss", "--example", "x=one"], "'one' is no number or list of numbers\n  --example x=one"),
        (["model:loss", "--example", "x=[[1],[2,3]]"], "'[[1],[2,3]]' is no array: its lists differ in length"),
        (["model:branchy", "--example", "x=1"], "`if` was asked about a traced bool[]"),
        (["model:broken", "--example", "x=1"], "model:broken cannot be traced: KeyError: 'x'\n  at model.py:27"),
        (["model:example"], "takes no arguments and returned no graph, but tuple"),
    ],
)
def test_a_mistake_in_tracing_is_told_at_the_users_own_line(adcore, folder, words, told):
    ended = adcore("trace", *words)
    assert ended.code == 2 and told in ended.err and "Traceback" not in ended.err and not ended.out


# --- numbers -------------------------------------------------------------------------------------

GIVEN = [["-i", "x1=2", "-i", "x2=3"], ["-i", "inputs.json"], ["-i", "inputs.npz"], ["-i", "inputs.npz", "-i", "x1=2"]]


@pytest.mark.parametrize("given", GIVEN, ids=[" ".join(g) for g in GIVEN])
def test_inputs_come_inline_or_from_files(adcore, folder, given):
    assert adcore("eval", "f.adg", *given, "--json").json == {"y": F}
    assert adcore("grad", "f.adg", *given, "--json").json == {"x1_bar": DX1, "x2_bar": DX2}


def test_inputs_and_graphs_come_from_stdin_and_results_go_to_stdout(adcore, folder):
    text = Path("inputs.json").read_bytes()
    assert adcore("eval", "f.adg", "-i", "-", "--json", stdin=text).json == {"y": F}
    packed = adcore("eval", "f.adg", "-i", "-", "-o", "-", stdin=Path("inputs.npz").read_bytes())
    Path("out.npz").write_bytes(packed.data)
    assert np.load("out.npz")["y"] == F
    derived = adcore("differentiate", "-", "--kind", "grad", "-o", "-", stdin=Path("f.adg").read_bytes())
    assert "by reverse (the default)" in derived.err
    assert adcore("eval", "-", "-i", "inputs.json", "--json", stdin=derived.data).json == {"x1_bar": DX1, "x2_bar": DX2}


def test_results_go_to_files_by_ending(adcore, folder):
    assert adcore("hessian", "loss.adg", "-i", "x=[1,2,3]", "-o", "out.npz").out == ""
    assert adcore("hessian", "loss.adg", "-i", "x=[1,2,3]", "-o", "out.json").out == ""
    x = np.array([1.0, 2.0, 3.0])
    with np.load("out.npz") as found:
        assert found["x_bar_jac:x"].shape == (3, 3)
        np.testing.assert_allclose(np.diag(found["x_bar_jac:x"]), 2 * np.cos(x) - x * np.sin(x), rtol=1e-14)
    assert json.loads(Path("out.json").read_text())["x_bar"] == pytest.approx(np.sin(x) + x * np.cos(x), rel=1e-14)


def test_products_with_tangents_cotangents_and_vectors_take_them_as_inputs(adcore, folder):
    at = ["-i", "inputs.json"]
    assert adcore("jvp", "f.adg", *at, "-i", "x1_dot=1", "-i", "x2_dot=0", "--json").json == {"y": F, "y_dot": DX1}
    assert adcore("vjp", "f.adg", *at, "-i", "y_bar=2", "--json").json == {"y": F, "x1_bar": 2 * DX1, "x2_bar": 4.0}
    found = adcore("hvp", "f.adg", *at, "-i", "x1_dot=1", "-i", "x2_dot=0", "--json").json
    assert found["x1_bar_dot"] == pytest.approx(-np.sin(2.0)) and found["x2_bar_dot"] == 1.0


def test_wrt_and_strategy_are_obeyed(adcore, folder):
    for strategy in ("forward", "reverse"):
        found = adcore("grad", "f.adg", "-i", "inputs.json", "--wrt", "x2", "--strategy", strategy, "--json").json
        assert found == {"x2_bar": 2.0}
    by_position = adcore("grad", "f.adg", "-i", "inputs.json", "--wrt", "1,0", "--json").json
    assert by_position == {"x2_bar": DX2, "x1_bar": DX1}


def test_measuring_tells_time_and_peak_beside_the_data(adcore, folder):
    ended = adcore("eval", "f.adg", "-i", "inputs.json", "--measure", "--json")
    assert ended.json == {"y": F} and "peak" in ended.err and "predicted" in ended.err


def test_nested_inputs_may_be_given_nested_or_by_path(adcore, folder):
    g = ad.trace(lambda p, k: p["w"] * p["b"][0] + k, {"w": 2.0, "b": [3.0]}, 1.0)
    g.save("nested.adg")
    Path("nested.json").write_text('{"p": {"w": 2, "b": [3]}, "k": 1}')
    assert adcore("eval", "nested.adg", "-i", "nested.json", "--json").json == {"y": 7.0}
    assert adcore("eval", "nested.adg", "-i", "p.w=2", "-i", "p.b[0]=3", "-i", "k=1", "--json").json == {"y": 7.0}
    assert adcore("eval", "nested.adg", "-i", "nested.json", "-i", "p.w=4", "--json").json == {"y": 13.0}


def test_what_is_not_finite_or_complex_survives_json(adcore, folder):
    ad.trace(lambda z, x: (z * 2.0, x), 1 + 2j, np.ones(2)).save("c.adg")
    ended = adcore("eval", "c.adg", "-i", "z=1+2j", "-i", 'x=["nan", "-inf"]', "-o", "c.json")
    assert ended.code == 0 and json.loads(Path("c.json").read_text()) == {
        "y[0]": {"real": 2.0, "imag": 4.0}, "y[1]": ["nan", "-inf"],
    }  # fmt: skip
    Path("again.json").write_text('{"z": {"real": 2, "imag": 4}, "x": ["inf", 1]}')
    assert adcore("eval", "c.adg", "-i", "again.json", "--json").json["y[0]"] == {"real": 4.0, "imag": 8.0}


MISTAKES = [
    (["grad", "absent.adg"], 3, "the graph cannot be read: No such file or directory\n  absent.adg\n  give a graph"),
    (["eval", "model.py"], 3, "FileFormatError"),
    (["eval", "f.adg", "-i", "x1=2"], 2, "no value is given for input x2\n  graph f takes x1: float64[], x2: "),
    (["eval", "f.adg", "-i", "x3=2"], 2, "the graph has no input 'x3'\n  -i x3=2\n  allowed: x1, x2"),
    (["eval", "f.adg", "-i", "x1=[1,2]", "-i", "x2=1"], 2, "'x1' has shape (2,)\n  -i x1=[1,2]\n  give float64[]"),
    (["eval", "f.adg", "-i", "x1=1j", "-i", "x2=1"], 2, "fit float64"),
    (["eval", "f.adg", "-i", "absent.npz"], 2, "the inputs cannot be read: No such file or directory\n  absent.npz"),
    (["eval", "f.adg", "-i", "model.py"], 2, "it is neither .npz nor JSON"),
    (["grad", "f.adg", "-i", "x1=1", "--wrt", "x9"], 2, "no argument is called 'x9'"),
    (["grad", "f.adg", "-i", "inputs.json", "--strategy", "revers"], 2, "--strategy\n  did you mean 'reverse'?"),
    (["grad", "f.adg", "-i", "inputs.json", "--memory", "many"], 2, 'memory is "many"\n  --memory\n  write bytes'),
    (["grad", "f.adg", "-i", "inputs.json", "--set", "plugins.local=['x.py']"], 2, "plugins are loaded before"),
    (["grad", "f.adg", "-i", "inputs.json", "--set", "chnk=1"], 2, "there is no setting 'chnk'\n  --set strategy.chnk"),
    (["differentiate", "f.adg", "--kind", "gradient", "-o", "x"], 2, "invalid choice: 'gradient'"),
    (["show", "f.adg", "--format", "jso"], 2, "no format is called 'jso'\n  --format\n  did you mean 'json'?"),
    (["config", "show", "strateg"], 2, "there is no setting 'strateg'"),
    (["plugins", "acme"], 3, "no plugin is called 'acme'"),
    (["strategies", "forwad"], 2, "did you mean 'forward'?"),
    (["sho"], 2, "no verb is called 'sho'; did you mean 'show'?"),
    (["plugins", "-p", "absent"], 3, "no plugin is called 'absent'"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "code", "told"), MISTAKES, ids=[" ".join(m[0]) for m in MISTAKES])
def test_a_mistake_ends_with_its_exit_code_and_three_parts(adcore, folder, monkeypatch, words, code, told):
    from adcore import plugins

    monkeypatch.setattr(plugins, "_loader", plugins.Loader()) if "-p" in words else None
    ended = adcore(*words)
    assert ended.code == code, ended.err
    assert told in ended.err and "Traceback" not in ended.err and not ended.out


PLUGIN = """
from adcore import hookspecs
from adcore.extend import Op, hookimpl
class Say:
    help = "raise what nobody expects"
    def add_arguments(self, parser):
        parser.add_argument("word")
    def run(self, args):
        if args.word == "hello":
            print(args.word)
            return 0
        raise RuntimeError(args.word)
@hookimpl
def adcore_register_commands():
    return {"say": Say()}
"""


def test_a_plugin_brings_a_verb_and_an_unexpected_error_is_a_short_note(folder):
    Path("mine.py").write_text(PLUGIN)
    Path("adcore.toml").write_text('plugins = ["mine.py"]\n')

    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}

    def run(*words, **variables):
        found = [sys.executable, "-m", "adcore", "say", *words]
        return subprocess.run(found, capture_output=True, text=True, check=False, env=environment | variables)

    ended = run("hello")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "hello\n", "")
    assert "raise what nobody expects" in run("--help").stdout.lower()
    ended = run("moon")
    assert (ended.returncode, ended.stdout) == (4, "")
    assert ended.stderr.startswith("internal error: RuntimeError: moon\n  set ADCORE_TRACEBACK=1")
    assert "Traceback (most recent call last)" in run("moon", ADCORE_TRACEBACK="1").stderr


# --- graphs of graphs, plans, tables -------------------------------------------------------------


def test_a_derivative_is_a_graph_file_like_any_other(adcore, folder):
    told = adcore("differentiate", "f.adg", "--kind", "vjp", "--wrt", "x1", "-o", "d.adg", "--json").json
    assert told["name"] == "vjp(f)"
    assert (list(told["inputs"]), list(told["outputs"])) == (["x1", "x2", "y_bar"], ["y", "x1_bar"])
    assert adcore("eval", "d.adg", "-i", "inputs.json", "-i", "y_bar=1", "--json").json == {"y": F, "x1_bar": DX1}
    assert adcore("show", "d.adg").out.startswith("graph vjp(f)")
    assert adcore("differentiate", "d.adg", "--kind", "jvp", "-o", "dd.adg").code == 0


def test_files_are_verified_compared_and_upgraded(adcore, folder):
    found = adcore("verify", "f.adg", "--json").json
    assert found["identity"] == ad.load("f.adg").identity and found["nodes"] == 3
    assert adcore("diff", "f.adg", "f.adg").code == 0
    ended = adcore("diff", "f.adg", "loss.adg", "--json")
    assert ended.code == 1 and not ended.json["same"] and ended.json["changes"]
    assert adcore("upgrade", "f.adg", "-o", "new.adg").code == 0
    assert ad.load("new.adg").identity == ad.load("f.adg").identity
    Path("cut.adg").write_bytes(Path("f.adg").read_bytes()[:-7])
    for words in (
        ["verify", "cut.adg"],
        ["verify", "absent.adg"],
        ["upgrade", "cut.adg"],
        ["diff", "f.adg", "cut.adg"],
    ):
        ended = adcore(*words)
        assert ended.code == 3 and ended.err.startswith("FileFormatError") and "Traceback" not in ended.err


def test_a_plan_is_of_a_derivative_unless_the_graph_is_one(adcore, folder):
    found = adcore("plan", "loss.adg", "--strategy", "reverse", "--json").json
    assert (found["kind"], found["graph"], found["reason"]) == ("grad", "grad(loss)", "asked for by --strategy")
    assert found["cost"]["peak_bytes"] > 24
    adcore("differentiate", "loss.adg", "--kind", "vjp", "-o", "d.adg")
    assert adcore("plan", "d.adg", "--json").json["kind"] == "eval"
    assert adcore("plan", "loss.adg", "--kind", "eval", "--json").json["graph"] == "loss"
    assert "peak" in adcore("plan", "loss.adg").out


def test_named_sizes_come_from_the_inputs_or_from_at(adcore, folder):
    assert adcore("trace", "model:loss", "--example", "x=float64[3]", "--dims", "x=n", "-o", "any.adg").code == 0
    for x in ([1.0, 2.0], [1.0, 2.0, 3.0, 4.0, 5.0]):
        found = adcore("grad", "any.adg", "-i", f"x={x}", "--json").json["x_bar"]
        np.testing.assert_allclose(found, np.sin(x) + x * np.cos(x), rtol=1e-14)
    assert adcore("check", "any.adg", "-i", "x=[1,2]").code == adcore("check", "any.adg", "--at", "n=7").code == 0
    assert adcore("plan", "any.adg", "--at", "n=100", "--json").json["cost"]["input_bytes"] == 800
    assert adcore("differentiate", "any.adg", "--kind", "grad", "-o", "any_grad.adg").code == 0
    assert ad.load("any_grad.adg").dims == ("n",) and adcore("show", "any_grad.adg", "-o", "any.html").code == 0
    for words, told in (
        (["plan", "any.adg"], "a plan needs numbers for the sizes of loss\n  n\n  add --at n=57"),
        (["check", "any.adg"], "a check without inputs needs numbers"),
        (["plan", "any.adg", "--at", "n=x"], "'n=x' is no size\n  --at\n  write --at n=57"),
        (["plan", "any.adg", "--at", "m=3"], "size m is unknown"),
        (["grad", "any.adg", "-i", "x=[[1]]"], "input 'x' has shape (1, 1)"),
    ):
        ended = adcore(*words)
        assert ended.code == 2 and told in ended.err


def test_a_curve_trades_memory_for_work_until_nothing_fits(adcore, folder):
    def net(x, ws):
        for w in ws:
            x = np.tanh(x @ w)
        return np.sum(x * x)

    ad.trace(net, np.ones((11, 7)), [np.ones((7, 7))] * 5).save("net.adg")
    asked = ["--strategy", "checkpointed", "--set", "effort=quick", "--wrt", "x"]
    rows = adcore("plan", "net.adg", *asked, "--curve", "--json").json["curve"]
    fits = [row for row in rows if "error" not in row]
    assert len(fits) > 3 and all(row["peak_bytes"] <= row["budget"] for row in fits)
    extra = [row["overhead"] for row in fits]
    assert extra[0] == 0 and extra == sorted(extra) and extra[-1] > 0
    assert "are needed" in rows[-1]["error"]
    assert fits[-1]["budget"] == int(rows[-1]["error"].split(": ")[1].split()[0])  # the least, exactly
    drawn = adcore("plan", "net.adg", *asked, "--curve-svg", "curve.svg")
    assert "curve.svg" in drawn.err and "extra work" in drawn.out
    picture = ElementTree.parse("curve.svg").getroot()
    circles = [e for e in picture.iter() if e.tag.endswith("circle")]
    assert len(circles) == len(fits)
    assert f"{extra[-1]:.1%} more work" in "".join(picture.itertext())
    told = adcore("plan", "net.adg", "--strategy", "reverse", "--curve").out
    assert "100%" in told and "reverse needs" in told


@pytest.mark.parametrize("budget", [[], ["--strategy", "checkpointed", "--memory", "100%"], ["--memory", "1 MiB"]])
def test_a_timeline_is_a_picture_and_a_trace(adcore, folder, budget):
    given = ["-i", "x=[1,2,3]"]
    for file in ("memory.svg", "memory.json"):
        ended = adcore("plan", "loss.adg", "--kind", "hessian", "--timeline", file, *given, *budget, "--json")
        assert ended.code == 0 and file in ended.err
    picture = ElementTree.parse("memory.svg").getroot()
    words = "".join(picture.itertext())
    assert "memory of hessian(loss)" in words and "predicted peak" in words and "measured peak" in words
    assert ("budget 1.0 MB" in words) == ("1 MiB" in budget)
    found = json.loads(Path("memory.json").read_text())
    runs = [e for e in found["traceEvents"] if e["ph"] == "X"]
    assert len(runs) >= 8 and all(e["dur"] == 1 for e in runs)
    assert found["otherData"]["predicted_peak"] == ended.json["cost"]["peak_bytes"]


def test_the_tables_of_both_modes_have_all_rows_of_the_worked_example(adcore, folder):
    at = ["-i", "x1=2", "-i", "x2=3"]
    rows = [line.split() for line in adcore("explain", "f.adg", "--mode", "forward", *at).out.splitlines()]
    assert ["v1", "x1", "*", "x2", "6", "3", "2", "x1_dot", "*", "x2", "+", "x2_dot", "*", "x1"] in rows
    assert ["v2", "sin(x1)", "0.9092974", "-0.4161468", "0", "x1_dot", "*", "cos(x1)"] in rows
    assert ["v3", "v1", "+", "v2", "6.909297", "2.583853", "2", "v1_dot", "+", "v2_dot"] in rows
    text = adcore("explain", "f.adg", "--mode", "reverse", *at, "--format", "markdown").out
    assert "| 2.583853 | v2_bar * cos(x1) + v1_bar * x2  (sum of 2 paths: -0.4161468 + 3) |" in text
    found = adcore("explain", "f.adg", *at, "--format", "json", "-o", "table.json")
    assert found.code == 0 and "one pass gives all derivatives of y" in found.err
    assert json.loads(Path("table.json").read_text())["results"] == {"y": F, "dy/dx1": DX1, "dy/dx2": 2.0}


def test_a_graph_that_keeps_the_laws_is_checked_without_inputs_too(adcore, folder):
    found = adcore("check", "loss.adg", "--order", "3", "--json")
    assert found.code == 0 and [law["holds"] for law in found.json["laws"]] == [True] * 6
    assert adcore("check", "loss.adg", "-i", "x=[1,2,3]").out.count("holds") == 5


def test_a_wrong_rule_breaks_the_law_and_the_exit_code_says_so(adcore, folder):
    @ad.op("cli_test::cube", rule=elementwise(lambda y, x: 2.0 * x * x), elementwise=True)
    def cube(x):
        return x * x * x

    ad.trace(lambda x: cube(x), 1.0).save("cube.adg")
    ended = adcore("check", "cube.adg", "-i", "x=2")
    assert ended.code == 1 and ended.out.count("BROKEN") == 3 and "order 1 of <lambda>" in ended.out


# --- about ---------------------------------------------------------------------------------------


def test_settings_are_shown_with_their_origin(adcore, folder):
    Path("adcore.toml").write_text('[strategy]\nname = "forward"\nchunk = 4\n')
    found = adcore("config", "show", "--origin", "--memory", "1 MiB", "--json").json
    assert found["strategy.name"] == {"value": "forward", "origin": "[strategy] name in adcore.toml:2"}
    assert found["strategy.forward.chunk"] == {"value": 4, "origin": "[strategy] chunk in adcore.toml:3"}
    assert found["strategy.memory"]["origin"] == "--memory" and found["backend.name"]["origin"] == "default"
    assert adcore("config", "show", "backend").out.splitlines()[2] == "backend.name  numpy"


def test_a_settings_file_may_be_named(adcore, folder, monkeypatch):
    Path("mine.toml").write_text('strategy = "forward"\n')
    monkeypatch.setenv("ADCORE_CONFIG", "")
    found = adcore("config", "show", "--config", "mine.toml", "--origin", "--json").json
    assert found["strategy.name"]["origin"] == "strategy in mine.toml:1"


def test_plugins_ops_and_strategies_are_listed(adcore, folder):
    found = {p["name"]: p for p in adcore("plugins", "--json").json}
    assert found["adcore_ops"]["status"] == "loaded" and "core::sin" in found["adcore_ops"]["brought"]["ops"]
    ops = {op["name"]: op for op in adcore("ops", "sin", "--json").json}
    assert ops["core::sin"]["derivative"] == "elementwise" and ops["core::sin"]["numpy"] == ["np.sin"]
    listed = adcore("strategies", "--json").json
    assert {"forward", "reverse"} <= {s["name"] for s in listed["strategies"]}
    assert "chunk = None" in adcore("strategies", "reverse").out
    missing = [row["name"] for row in adcore("ops", "uni", "--missing", "--json").json]
    assert "np.union1d" in missing and all("uni" in name for name in missing)
    (sine,) = adcore("ops", "np.sinh", "--functions", "--json").json
    assert {sine[question] for question in ("traced", "jvp", "vjp", "second", "batched", "complex")} == {"yes"}


def test_the_doctor_finds_this_installation_well(adcore, folder):
    found = adcore("doctor", "--json")
    assert found.code == 0 and all(row["ok"] for row in found.json)
    Path("adcore.toml").write_text("strategy = 3\n")
    ended = adcore("doctor")
    assert ended.code == 1 and "PROBLEM" in ended.out
