"""Plugins that are broken in every way: the program goes on, and says which, whose and why."""

from __future__ import annotations

import json

import pytest

BROKEN = [
    ("import_error", "import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
    ("syntax_error", "def (:", "SyntaxError"),
    (
        "misspelt",
        """
        from adcore.extend import hookimpl
        @hookimpl
        def adcore_register_opps():
            return []
        """,
        "adcore_register_opps",
    ),
    (
        "unmarked",
        """
        def adcore_registers_ops():
            return []
        """,
        "adcore_registers_ops is no hook",
    ),
    (
        "signature",
        """
        from adcore.extend import hookimpl
        @hookimpl
        def adcore_register_ops(everything):
            return []
        """,
        "everything",
    ),
    (
        "raising",
        """
        from adcore.extend import hookimpl
        @hookimpl
        def adcore_register_ops():
            return {}["x"]
        """,
        "KeyError: 'x'",
    ),
    (
        "no_ops",
        """
        from adcore.extend import hookimpl
        @hookimpl
        def adcore_register_ops():
            return [print]
        """,
        "adcore_register_ops gave",
    ),
    ("newer", "ADCORE_API = 99", "it is written for plugin interface 99; this adcore offers 1"),
    ("leaving", "import sys\nsys.exit(3)", "SystemExit: 3"),
    (
        "taken",
        """
        from adcore.extend import hookimpl, op, elementwise
        @op("core::sin", rule=elementwise(None), elementwise=True)
        def sin(x):
            return x
        @hookimpl
        def adcore_register_ops():
            return [sin]
        """,
        "ops 'core::sin' is registered twice",
    ),
]


@pytest.mark.parametrize("name, text, reason", BROKEN, ids=[b[0] for b in BROKEN])
def test_a_broken_plugin_is_named_with_its_reason_and_stops_nothing(site, name, text, reason):
    python = site(name, text)
    report = python.report()
    told = report[name]
    assert told["status"] == "failed" and told["distribution"] == name and told["version"] == "1.0"
    assert reason in told["reason"] + told["detail"]
    assert told["brought"] == {}
    assert f"plugin {name} of {name} was skipped" in report[""]["stderr"]
    assert "Traceback" not in report[""]["stderr"]
    python("-c", "import adcore as ad; assert ad.grad(lambda x: x * x)(3.0) == 6.0")
    strict = python.adcore("--strict-plugins", "plugins", code=3)
    assert f"plugin {name} could not be loaded" in strict.stderr


GOOD = """
from adcore.extend import elementwise, op
{more}
@op("{name}::twice", rule=elementwise(2.0), elementwise=True)
def twice(x):
    return x + x
"""


def test_two_plugins_with_one_name_name_both_distributions(site):
    site("first", GOOD.format(name="same", more=""), "same")
    python = site("second", GOOD.format(name="same", more=""), "same")
    both = [p for p in json.loads(python.adcore("plugins", "--json").stdout) if p["name"] == "same"]
    assert sorted(p["status"] for p in both) == ["failed", "loaded"]
    (failed,) = [p for p in both if p["status"] == "failed"]
    assert "ops 'same::twice' is registered twice" in failed["reason"]
    assert "first 1.0" in failed["detail"] and "second 1.0" in failed["detail"]


def test_what_a_plugin_prints_does_not_reach_stdout(site):
    python = site("loud", GOOD.format(name="loud", more='print("look at me")'))
    told = python.report()["loud"]
    assert told["status"] == "loaded" and told["printed"] == "look at me\n"
    assert "it printed: look at me" in python.adcore("plugins", "loud").stdout


def test_a_slow_plugin_is_called_slow_and_costs_nothing_until_it_is_needed(site):
    python = site("slow", GOOD.format(name="slow", more="import time; time.sleep(1.2)"))
    assert python.report()["slow"]["seconds"] > 1.0
    assert "which is slow" in python.adcore("plugins", "slow").stdout
    script = "import sys, adcore as ad; ad.grad(lambda x: x * x)(3.0); assert 'plugin_slow' not in sys.modules"
    python("-c", script)


def test_plugins_can_be_chosen_and_shut_out(site):
    site("one", GOOD.format(name="one", more=""))
    python = site("two", GOOD.format(name="two", more=""))
    status = lambda *args: {n: p["status"] for n, p in python.report(*args).items() if n in ("one", "two")}
    assert status() == {"one": "loaded", "two": "loaded"}
    assert status("-p", "one") == {"one": "loaded", "two": "blocked"}
    assert status("-p", "no:one") == {"one": "blocked", "two": "loaded"}
    assert status("--no-plugins") == {"one": "blocked", "two": "blocked"}
    unknown = python.adcore("-p", "on", "plugins", code=3)
    assert "no plugin is called 'on'" in unknown.stderr


def test_loading_can_be_watched(site):
    python = site("one", GOOD.format(name="one", more=""))
    traced = type(python)(python.executable, python.folder, python.path, {"ADCORE_TRACE_PLUGINS": "1"})
    assert "adcore: adcore_ops: adcore_register_ops" in traced.adcore("plugins").stderr
    shut = type(python)(python.executable, python.folder, python.path, {"ADCORE_DISABLE_PLUGINS": "one"})
    assert shut.report()["one"]["status"] == "blocked"


def test_a_named_thing_of_a_stranger_is_found_when_it_is_asked_for(site):
    python = site(
        "modes",
        """
        from adcore.extend import Strategy, hookimpl, vjp
        class Plain(Strategy):
            name, kinds = "plain", frozenset({"vjp"})
            def differentiate(self, graph, request, budget):
                return vjp(graph, request.wrt, request.of, self.methods)
        @hookimpl
        def adcore_register_strategies():
            return [Plain]
        """,
    )
    python("-c", "import adcore as ad; assert ad.grad(lambda x: x * x, strategy='plain')(3.0) == 6.0")
