"""Settings: which place wins, where each value says it comes from, and what a mistake is told."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

import adcore as ad
from adcore.config import SETTINGS, VARIABLES, Config, assignment, config, nested
from adcore.config.known import variable
from adcore.config.words import line_of
from adcore.errors import ConfigError, StrategyError
from adcore.settings import choose, fitted
from adcore.strategy import Budget, Request

DESIGN = """
[strategy]
name = "reverse"
memory = "512 MiB"
forward = { chunk = 5 }
[strategy.methods]
[profile.wide]
strategy = { name = "forward", chunk = 16 }
[backend]
name = "numpy"
[plugins]
strict = true
local = ["./my_ops.py"]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory, and no ADCORE_ variables."""
    for name in [n for n in os.environ if n.startswith("ADCORE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def square():
    return ad.trace(lambda x: np.sum(x * x), np.zeros(3))


def test_a_later_place_wins_over_an_earlier_one_and_says_its_name(folder: Path, monkeypatch):
    assert (config()["strategy.memory"], config().origin("strategy.memory")) == (None, "default")
    (folder / "pyproject.toml").write_text('[project]\nname = "x"\n[tool.adcore.strategy]\nmemory = "1 MiB"\n')
    assert config().origin("strategy.memory") == "[tool.adcore.strategy] memory in pyproject.toml:4"
    (folder / "adcore.toml").write_text('[strategy]\nmemory = "2 MiB"\n')
    assert config().origin("strategy.memory") == "[strategy] memory in adcore.toml:2"
    monkeypatch.setenv("ADCORE_MEMORY", "3 MiB")
    assert config().origin("strategy.memory") == "environment variable ADCORE_MEMORY"
    (folder / "other.toml").write_text('strategy.memory = "4 MiB"\n')
    assert config("other.toml").origin("strategy.memory") == "[strategy] memory in other.toml:1"
    given = config({"strategy": {"memory": "5 MiB"}})
    assert given.origin("strategy.memory") == "strategy.memory in the argument config="
    assert [c["strategy.memory"] for c in (config(), config("other.toml"), given)] == ["3 MiB", "4 MiB", "5 MiB"]


def test_the_nearest_file_above_the_working_directory_is_read(folder: Path, monkeypatch):
    (folder / "adcore.toml").write_text('strategy = "forward"\n')
    inner = folder / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    assert config()["strategy.name"] == "forward"
    assert config().origin("strategy.name") == f"strategy in {folder / 'adcore.toml'}:1"
    (folder / "a" / "adcore.toml").write_text('strategy = "reverse"\n')
    assert config()["strategy.name"] == "reverse"


def test_a_changed_file_or_variable_is_seen_at_once(folder: Path, monkeypatch):
    file = folder / "adcore.toml"
    for n in (1, 22, 3):
        file.write_text(f"strategy = {{ memory = {n} }}\n")
        os.utime(file, ns=(n, n))
        assert config()["strategy.memory"] == n
    monkeypatch.setenv("ADCORE_MEMORY", "7")
    assert config()["strategy.memory"] == 7
    file.unlink()
    monkeypatch.delenv("ADCORE_MEMORY")
    assert config()["strategy.memory"] is None


def test_asking_again_costs_microseconds(folder: Path):
    (folder / "adcore.toml").write_text(DESIGN)
    config().settings  # noqa: B018
    start = time.process_time()
    for _ in range(200):
        assert config()["strategy.memory"] == "512 MiB"
    assert (time.process_time() - start) / 200 < 1e-3


def test_every_part_of_the_documented_file_is_read(folder: Path, square):
    (folder / "adcore.toml").write_text(DESIGN)
    said = config()
    assert said["plugins.strict"] is True and said["plugins.local"] == [str(folder / "my_ops.py")]
    choice = choose(square, None)
    assert (choice.strategy.name, choice.budget, choice.backend) == ("reverse", Budget(memory=512 << 20), "numpy")
    assert choose(square, None, "forward").strategy.options.chunk == 5
    assert choose(square, None, "wide").strategy.options.chunk == 16


def test_a_profile_counts_where_its_name_is_asked_for(folder: Path, monkeypatch, square):
    (folder / "adcore.toml").write_text(
        '[strategy]\nmemory = 1000000\n[profile.tight]\nstrategy = { name = "forward", memory = 70000, chunk = 2 }\n'
    )
    assert choose(square, None, "reverse").budget.memory == 1000000
    monkeypatch.setenv("ADCORE_MEMORY", "80000")
    assert choose(square, None, "tight").budget.memory == 70000
    monkeypatch.setenv("ADCORE_STRATEGY", "tight")
    choice = choose(square, None)
    assert (choice.budget.memory, choice.strategy.name, choice.strategy.options.chunk) == (80000, "forward", 2)
    assert choice.reason == "asked for by [profile.tight.strategy] name in adcore.toml:4"
    assert choose(square, None, "reverse").strategy.options.chunk is None
    assert config().settings["profile",].origin == "environment variable ADCORE_STRATEGY"


def test_options_may_stand_beside_the_name_or_in_a_table(square):
    beside = {"strategy": {"name": "forward", "chunk": 3}}
    table = {"strategy": {"forward": {"chunk": 3}}}
    assert choose(square, None, config=beside).strategy.options.chunk == 3
    assert choose(square, None, "forward", config=table).strategy.options.chunk == 3
    assert choose(square, None, "forward", config={"strategy": {"chunk": 3}}).strategy.options.chunk == 3
    assert choose(square, None, "reverse", config=table).strategy.options.chunk is None


def test_a_budget_in_the_table_of_a_strategy_holds_for_that_strategy_only(square):
    said = {"strategy": {"memory": "1 MiB", "forward": {"memory": "2 MiB", "disk": "1 GiB"}}}
    assert choose(square, None, "forward", config=said).budget == Budget(memory=2 << 20, disk=1 << 30)
    assert choose(square, None, "reverse", config=said).budget == Budget(memory=1 << 20)


def test_a_choice_is_made_again_from_its_settings(square):
    first = choose(square, None, config={"strategy": {"name": "forward", "chunk": 3, "memory": "2 MiB"}})
    again = choose(square, None, config=Config(()).over({"strategy": first.settings}))
    assert (again.settings, again.budget, again.strategy.options) == (
        first.settings,
        first.budget,
        first.strategy.options,
    )


def test_without_a_word_the_kind_decides(folder: Path, square):
    wide = ad.trace(lambda x: np.ones(7) * x, 2.0)
    assert choose(square, Request("grad", (0,), (0,))).strategy.name == "reverse"
    assert choose(square, Request("jvp", (0,), (0,))).strategy.name == "forward"
    choice = choose(wide, Request("jacobian", (0,), (0,)))
    assert (choice.strategy.name, choice.reason) == ("forward", "1 passes forward, 7 in reverse")


def test_configured_strategies_give_the_same_gradient(folder: Path):
    f, x = lambda x: np.sum(np.sin(x) * x), np.arange(5.0)
    plain = ad.grad(f)(x)
    (folder / "adcore.toml").write_text('strategy = { name = "forward", chunk = 2 }\n')
    np.testing.assert_allclose(ad.grad(f)(x), plain, rtol=1e-15)
    np.testing.assert_array_equal(ad.grad(f, config={"strategy": "reverse"})(x), plain)


def test_the_backend_of_the_settings_runs_calls_and_derivatives(folder: Path, square):
    (folder / "adcore.toml").write_text('backend = "absent"\n')
    for run in (lambda: ad.trace(lambda x: x + 1.0, 2.0)(3.0), lambda: ad.grad(lambda x: x * x)(3.0)):
        with pytest.raises(StrategyError, match="no backend is called 'absent'"):
            run()
    assert ad.grad(lambda x: x * x, backend="numpy")(3.0) == 6.0


MISTAKES = [
    ('[strategy]\nmemroy = "1 MiB"', "there is no setting 'memroy'", "[strategy] memroy in adcore.toml:2", "'memory'"),
    ("[stratgy]\nx = 1", "there is no setting 'stratgy'", "stratgy in adcore.toml:1", "did you mean 'strategy'?"),
    ("[strategy]\nmemory = true", "strategy.memory is true", "[strategy] memory in adcore.toml:2", "bytes or a share"),
    ('[strategy]\ndisk = "12 furlongs"', 'strategy.disk is "12 furlongs"', "in adcore.toml:2", 'bytes, as in "4 GiB"'),
    ("[strategy]\nsnapshots = 0", "strategy.snapshots is 0", "in adcore.toml:2", "a whole number from 1"),
    ("[strategy]\nname = 3", "strategy.name is 3", "[strategy] name in adcore.toml:2", "the name of a strategy"),
    ('[strategy]\nname = "forwrad"', "no strategy is called 'forwrad'", "adcore.toml:2", "did you mean 'forward'?"),
    ("strategy = { name = 'forward', chnk = 2 }", "has no option 'chnk'", "chnk in adcore.toml:1", "mean 'chunk'?"),
    ("[strategy.forward]\nchunk = 'two'", "forward.chunk is 'two'", "adcore.toml:2", "write a whole number"),
    ("[strategy.forwad]\nchunk = 2", "no strategy is called 'forwad'", "adcore.toml:2", "did you mean 'forward'?"),
    ("[strategy.methods]\n'call:f' = 'foo'", "call:f has no method 'foo'", "adcore.toml:2", "known: "),
    ("[profile.wide]\nstrateg = 1", "there is no setting 'strateg'", "[profile.wide] strateg in adcore.toml:2", "mean"),
    ("profile = 3", "profile is 3", "profile in adcore.toml:1", "write a table [profile.NAME]"),
    ("[backend]\nnam = 1", "there is no setting 'nam'", "[backend] nam in adcore.toml:2", "did you mean 'name'?"),
    ("[plugins]\nlocal = 'x.py'", 'plugins.local is "x.py"', "[plugins] local in adcore.toml:2", "list of files"),
    ("a = ", "the settings file is not TOML: ", "adcore.toml", "see docs/strategies.md"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "what", "where", "instead"), MISTAKES, ids=[m[1] for m in MISTAKES])
def test_a_mistake_in_a_file_names_file_line_key_and_the_nearest(folder, square, text, what, where, instead):
    (folder / "adcore.toml").write_text(text)
    with pytest.raises((ConfigError, StrategyError)) as caught:
        choose(square, None)
    error = caught.value
    assert what in error.what and where in error.where and instead in error.instead


def test_mistakes_in_variables_and_arguments_are_told_too(folder, square, monkeypatch):
    with pytest.raises(ConfigError, match=r'strategy.memory is "64 MB!"\n  the argument memory=\n  write bytes'):
        choose(square, None, memory="64 MB!")
    with pytest.raises(StrategyError, match=r"'revers'\n  the argument strategy=\n  did you mean 'reverse'\?"):
        choose(square, None, "revers")
    with pytest.raises(ConfigError, match=r"cannot be read: No such file or directory\n  nowhere.toml"):
        config("nowhere.toml")
    monkeypatch.setenv("ADCORE_STRATEGY__FORWARD__CHUNK", "many")
    with pytest.raises(ConfigError, match=r"forward.chunk is 'many'\n  environment variable ADCORE_STRATEGY__FORWARD"):
        choose(square, None)
    monkeypatch.setenv("ADCORE_MEMROY", "1")
    with pytest.raises(ConfigError, match="ADCORE_MEMROY\n  in the environment\n  did you mean 'ADCORE_MEMORY'"):
        choose(square, None)


def test_a_profile_may_not_have_the_name_of_a_strategy(folder, square):
    with pytest.raises(ConfigError, match="profile reverse has the name of a strategy"):
        choose(square, None, config={"strategy": "reverse", "profile": {"reverse": {"strategy": "forward"}}})


TEXTS = {
    "strategy.memory": "4 GiB", "strategy.disk": "4 GiB", "strategy.snapshots": "3",
    "strategy.methods": '{ "call:f" = "forward" }', "plugins.enabled": "false", "plugins.strict": "true",
}  # fmt: skip


@pytest.mark.parametrize("key", SETTINGS)
def test_every_setting_has_a_variable_that_sets_it(folder, monkeypatch, key):
    assert variable(key) not in VARIABLES
    monkeypatch.setenv(variable(key), TEXTS.get(key, '["a"]' if key.startswith("plugins") else "some"))
    found = [s.origin for k, s in config().settings.items() if ".".join(k).startswith(key)]
    assert found == [f"environment variable {variable(key)}"]


def test_a_settings_file_may_be_named_by_a_variable(folder, monkeypatch):
    (folder / "mine.toml").write_text('strategy = "forward"\n')
    (folder / "adcore.toml").write_text('strategy = "reverse"\n')
    monkeypatch.setenv("ADCORE_CONFIG", "mine.toml")
    assert config()["strategy.name"] == "forward"
    monkeypatch.setenv("ADCORE_CONFIG", "absent.toml")
    with pytest.raises(ConfigError, match=r"absent.toml\n  see the environment variable ADCORE_CONFIG"):
        config()


def test_assignments_of_the_command_line_nest():
    told = ["strategy=forward", "chunk=3", 'strategy.methods."core::solve_ivp"={ name = "gauss" }', "memory=64 MiB"]
    assert nested(map(assignment, told)) == {
        "strategy": {
            "name": "forward", "chunk": 3, "methods": {"core::solve_ivp": {"name": "gauss"}}, "memory": "64 MiB",
        }
    }  # fmt: skip
    with pytest.raises(ConfigError, match="'chunk' is no setting\n  --set\n  write --set KEY=VALUE"):
        assignment("chunk")


def test_the_line_of_a_key_is_that_of_its_innermost_table():
    text = '# strategy\n[strategy]\nname = "a"\n\n[strategy.methods]\n"call:x" = { name = "b" }\n[other]\nname = 1\n'
    assert line_of(text, ("strategy", "name")) == 3
    assert line_of(text, ("strategy", "methods", "call:x", "name")) == 6
    assert line_of(text, ("other", "name")) == 8
    assert line_of(text, ("strategy", "absent")) == 2


@pytest.mark.parametrize(
    ("value", "hint", "fits"),
    [
        (3, int | None, 3), (None, int | None, None), (3, float, 3.0), ([1], tuple[int, ...], (1,)),
        ({"a": 1}, dict[str, int], {"a": 1}), (True, bool, True), (2.5, int | float, 2.5),
    ],
)  # fmt: skip
def test_options_are_fitted_to_their_annotation(value, hint, fits):
    found = fitted(value, hint)
    assert found == fits and type(found) is type(fits)


@pytest.mark.parametrize(
    ("value", "hint"), [(True, int), (1, bool), ("a", float), (1.5, int), (1, str), (1, tuple[int])]
)
def test_a_value_of_another_type_is_refused(value, hint):
    with pytest.raises(ValueError, match="write "):
        fitted(value, hint)
