"""`adcore.testing` itself: for every law an op that breaks it and is caught, and the messages."""

from __future__ import annotations

import dataclasses
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import adcore as ad
from adcore.errors import LawError, OpError, StrategyError, UnknownOpError
from adcore.extend import (
    DTYPE,
    FLOAT,
    INTS,
    ZERO,
    Budget,
    Graph,
    Op,
    Plan,
    Request,
    Rule,
    Sample,
    Strategy,
    Type,
    elementwise,
    jvp,
    linear,
    multilinear,
    op,
    vjp,
)
from adcore.testing import LAWS, check_grads, check_op, check_strategy, laws

_number = itertools.count()
ONE, TWO = (Sample(((2, 3),)),), (Sample(((2, 3), (2, 3))),)


def made(run: Callable[..., Any], samples: Any = ONE, **fields: Any) -> Op:
    fields = {"rule": linear(lambda g, x: g * 2.0), **fields}
    return op(f"broken::op{next(_number)}", samples=samples, **fields)(run)


def same(x: Type, **params: Any) -> Type:
    return x


def doubled(x: Any, out: Any = None) -> Any:
    return np.multiply(x, 2.0, out)


class Counter:
    value = 0.0


def drifting(x: Any) -> Any:
    Counter.value += 1.0
    return x * Counter.value


def writing(x: Any) -> Any:
    x[0] = 0.0
    return x * 2.0


BROKEN: dict[str, Op] = {
    "types": made(lambda x: x.sum(), infer=same),
    "dtypes": made(doubled, infer=lambda x: Type(x.dtype, x.shape), elementwise=True),
    "pure": made(drifting, infer=same),
    "compiled": made(
        lambda x, out=None: np.multiply(x, 2.0 if out is None else 3.0, out), infer=same, elementwise=True, out=True
    ),
    "strided": made(lambda x: np.ravel(x, "K").reshape(x.shape) * 2.0, infer=same),
    "views": made(lambda x: x[:1], infer=lambda x: x.with_shape((1, *x.shape[1:])), view=lambda x, s, p: (8, 8)),
    "identity": made(doubled, infer=same, elementwise=True, same_as=lambda types, params: 0),
    "numpy": made(doubled, infer=same, elementwise=True, numpy=(lambda x: np.multiply(x, 3.0),)),
    "empty": made(lambda x: np.asarray(x * 2.0).reshape(-1), elementwise=True, infer=lambda x: x.with_shape((x.size,))),
    "single": made(lambda x: x * np.float64(2.0), elementwise=True),
    "tangents": made(np.sin, rule=elementwise(lambda y, x: np.cos(x) * 1.0001), elementwise=True),
    "transposes": made(doubled, rule=Rule(jvp=lambda ts, y, x: ts[0] * 2.0, vjp=lambda g, y, x: g * 2.1)),
    "second_order": made(
        np.sin, elementwise=True, rule=elementwise(lambda y, x: opaque(x)), samples=(Sample(((3,),)),)
    ),
    "batches": made(lambda x: np.flip(x), infer=same, batch="core", rule=linear(lambda g, x: np.flip(g))),
    "batched_rules": made(lambda x: x * 2.0, elementwise=True, rule=linear(lambda g, x: twisted(g))),
}
opaque = made(np.cos, rule=ZERO, elementwise=True)
twisted = made(doubled, infer=same, batch=lambda flags, size, node, xs: xs[0] * 3.0)


@pytest.mark.parametrize("law", BROKEN)
def test_an_op_that_breaks_a_law_is_caught(law: str) -> None:
    with pytest.raises(LawError, match=rf"^the law '{law}' does not hold: "):
        check_op(BROKEN[law], [law])


def test_every_law_is_broken_by_some_op_here() -> None:
    # no op can break "stated", which is about the engine; a broken param kind would break "file"
    assert {*BROKEN, "file", "stated"} == LAWS.keys()
    check_op(op("sound::ruleless", samples=ONE)(doubled), ["stated"])


def test_a_rule_that_is_wrong_for_a_batch_is_caught() -> None:
    first = op(
        "broken::first",
        infer=lambda x: x.with_shape(x.shape[1:]),
        batch=lambda flags, size, node, xs: xs[0][:, 0] if xs[0].ndim == 2 else xs[0][:, 0] * 2.0,
        rule=linear(lambda g, x: np.stack([g, np.zeros_like(g), np.zeros_like(g)])),
        samples=(Sample(((3,),)), Sample(((3, 2),))),
    )(lambda x: np.array(x[0]))
    with pytest.raises(LawError, match=r"^the law 'batches' does not hold: "):
        check_op(first)


def test_the_message_says_law_op_sample_and_numbers() -> None:
    with pytest.raises(
        LawError,
        match=r"^the law 'tangents' does not hold: -?[0-9.]+ in place of -?[0-9.]+ \(element \d of 6\)\n"
        r"  op broken::op\d+ \(sin\), sample 0: float64\[2,3\], seed \d+\n"
        r"  compare the rule with differences; a kink or pole near the sample is excluded by its ranges$",
    ):
        check_op(BROKEN["tangents"])


def test_an_op_without_samples_is_not_passed() -> None:
    bare = op("broken::bare")(doubled)
    with pytest.raises(
        LawError,
        match=r"^broken::bare has no samples, so nothing would be tested\n"
        r"  list some beside its rule: samples=\(Sample\(\(\(2, 3\),\)\),\)$",
    ):
        check_op(bare)
    check_op(bare, laws=["types", "pure"], samples=ONE)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"shapes": (2, 3)}, r"^a sample has shapes \(2, 3\)\n  one per input\n  write \(\(2, 3\),\) for one input$"),
        ({"shapes": ((2,),), "ranges": ((0, 1), (0, 1))}, r"^a sample has 2 ranges for 1 inputs\n  give one, or one"),
        ({"shapes": ((2,), ()), "dtypes": ("int8",)}, r"^a sample has 1 dtypes for 2 inputs\n  give none, or one per"),
    ],
)
def test_a_sample_whose_parts_do_not_fit_is_refused(given: Any, message: str) -> None:
    with pytest.raises(OpError, match=message):
        Sample(**given)


def test_an_unknown_law_is_named() -> None:
    with pytest.raises(LawError, match=r"^no law is called 'typos'\n  known: types, dtypes, pure, "):
        check_op("core::sin", ["typos"])
    with pytest.raises(OpError, match=r"^no law is called 'typos'\n  known: types, dtypes, "):
        laws("core", skip=["typos"])


def test_one_line_makes_a_test_per_op_and_law() -> None:
    ids = [p.id for p in laws("core").pytestmark[0].args[1]]
    assert "core::sin-second_order" in ids
    assert len(set(ids)) == len(ids)
    pairs = laws([BROKEN["tangents"]], skip=["tangents"]).pytestmark[0].args[1]
    assert [law for _, law in (p.values for p in pairs)] == [law for law in LAWS if law != "tangents"]


def test_a_module_of_ops_is_a_package_too() -> None:
    import adcore_ops.matmul as module

    ids = [p.id for p in laws(module).pytestmark[0].args[1]]
    assert ids[0] == "core::matmul-types"


def test_a_package_without_ops_is_an_error() -> None:
    with pytest.raises(
        UnknownOpError,
        match=r"^nowhere brings no ops\n  named as a domain, a module or a list of ops\n"
        r"  install the package, or pass its module: laws\(acme_ops\)$",
    ):
        laws("nowhere")


def test_the_one_line_runs_under_pytest(tmp_path: Any) -> None:
    (tmp_path / "test_acme.py").write_text(
        "import numpy as np\n"
        "from adcore.extend import Sample, elementwise, op\n"
        "from adcore.testing import laws\n"
        "@op('acme::cube', rule=elementwise(lambda y, x: 3 * x**2), elementwise=True, samples=(Sample(((3,),)),))\n"
        "def cube(x):\n"
        "    return x**3\n"
        "test_acme = laws([cube])\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert re.search(rf"^{len(LAWS)} passed", done.stdout, re.M), done.stdout


def test_params_and_dtypes_are_part_of_a_sample() -> None:
    @op(
        "sound::scaled",
        rule=multilinear(lambda g, x, *, factor: scaled(g, factor=factor)),
        params={"factor": FLOAT},
        elementwise=True,
        samples=(
            Sample(((2, 3),), params={"factor": 0.5}),
            Sample(((3,),), params={"factor": -0.0}, dtypes=("complex128",)),
        ),
    )
    def scaled(x: Any, *, factor: float) -> Any:
        return x * factor

    check_op(scaled)


def test_several_results_and_integers_among_inputs_obey_the_laws() -> None:
    @op(
        "sound::extremes",
        infer=lambda x, k, *, axes: (x.with_shape(x.shape[:-1]), x.with_shape(x.shape[:-1])),
        rule=Rule(jvp=lambda ts, y, x, k, *, axes: (ts[0][..., 0] * k, np.sum(ts[0] * x, axis=-1) * 2.0)),
        params={"axes": INTS},
        samples=(Sample(((2, 3), ()), params={"axes": (1,)}, dtypes=("float64", "int64")),),
    )
    def extremes(x: Any, k: Any, *, axes: Any) -> Any:
        return np.array(x[..., 0] * k).astype(x.dtype), np.asarray(np.sum(x * x, axis=-1))

    check_op(extremes, [law for law in LAWS if law not in ("dtypes",)])


def test_a_param_that_is_a_dtype_may_widen() -> None:
    @op(
        "sound::cast",
        rule=linear(lambda g, x, *, dtype: cast(g, dtype=x.dtype)),
        infer=lambda x, *, dtype: Type(dtype, x.shape),
        params={"dtype": DTYPE},
        elementwise=True,
        samples=(Sample(((2, 3),), params={"dtype": "float64"}, dtypes=("float32",)),),
    )
    def cast(x: Any, *, dtype: Any) -> Any:
        return np.array(x.real if dtype.kind != "c" else x, dtype)

    check_op(cast)


# --- functions -----------------------------------------------------------------------------------


def test_check_grads_passes_smooth_functions_of_nested_arguments_to_third_order() -> None:
    rng = np.random.default_rng(1)
    args = ({"w": rng.normal(size=(2, 3)), "n": 2}, rng.normal(size=3))
    check_grads(lambda p, x: {"y": np.sin(p["w"] @ x) ** p["n"], "flags": x > 0}, args, order=3)
    check_grads(lambda p, x: np.sum(np.tanh(p["w"] @ x)), args, modes=("rev",))
    check_grads(lambda z: z * z + np.exp(1j * z), (rng.normal(size=3) + 0.5j,))


def test_check_grads_takes_graphs_and_single_precision() -> None:
    x = np.linspace(0.3, 1.0, 5, dtype=np.float32)
    check_grads(lambda x: np.exp(x) * np.sin(x), (x,))
    check_grads(ad.trace(lambda x: np.exp(x), 0.3), (0.3,))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (elementwise(lambda y, x: np.cos(x) * 1.001), r"^order 1 of <lambda> is .* in place of .*\n  by fwd\n"),
        (
            Rule(jvp=lambda ts, y, x: ts[0] * np.cos(x), vjp=lambda g, y, x: g * np.cos(x) * 1.001),
            r"^order 1 of <lambda>: <y_bar, J x_dot> = .*, <J\^T y_bar, x_dot> = .*\n  by rev\n",
        ),
        (elementwise(lambda y, x: opaque(x)), r"^order 2 of <lambda> is .* in place of .*\n  by fwd over fwd\n"),
    ],
)
def test_check_grads_names_order_and_mode(rule: Rule, message: str) -> None:
    wrong = made(np.sin, rule=rule, elementwise=True)
    with pytest.raises(LawError, match=message):
        check_grads(lambda x: wrong(x), (np.ones(3),))


def test_check_grads_refuses_unknown_modes() -> None:
    with pytest.raises(LawError, match=r"""^mode 'reverse' is unknown\n  give "fwd", "rev" or both$"""):
        check_grads(np.sin, (1.0,), modes=("reverse",))


# --- strategies ----------------------------------------------------------------------------------


class Plain(Strategy):
    name = "plain"
    kinds = frozenset({"jvp", "vjp"})

    def differentiate(self, graph: Graph, request: Request, budget: Budget) -> Graph:
        if request.kind == "jvp":
            return jvp(graph, request.wrt, self.methods)
        return vjp(graph, request.wrt, request.of, self.methods)


class Wrong(Plain):
    def differentiate(self, graph: Graph, request: Request, budget: Budget) -> Graph:
        return vjp(graph, request.wrt, request.of, {"core::sin": elementwise(lambda y, x: np.cos(x) * 1.0001)})


class Reordered(Plain):
    def schedule(self, graph: Graph, budget: Budget) -> Plan:
        back = dataclasses.replace(graph, outputs=tuple(reversed(graph.outputs)))
        return super().schedule(back if len({v.type for v in graph.outputs}) == 1 else graph, budget)


class Swapped(Plain):
    def differentiate(self, graph: Graph, request: Request, budget: Budget) -> Graph:
        made = super().differentiate(graph, request, budget)
        return dataclasses.replace(made, output_names=tuple(reversed(made.output_names)))


def test_a_strategy_as_class_or_instance_passes() -> None:
    check_strategy(Plain, ["vjp", "jvp"])
    check_strategy(Plain(), ["grad"])


def test_a_strategy_with_another_signature_is_caught() -> None:
    with pytest.raises(
        LawError,
        match=r"^the law 'signature' does not hold: the names of outputs are .* in place of .*\n"
        r"  strategy plain, program 'product', kind vjp\n  see Strategy.differentiate$",
    ):
        check_strategy(Swapped, ["vjp"])


def test_a_strategy_with_wrong_values_is_caught() -> None:
    with pytest.raises(
        LawError,
        match=r"^the law 'values' does not hold: a_bar is .* in place of .*\n"
        r"  strategy plain, program 'product', kind vjp\n  compare with plain reverse$",
    ):
        check_strategy(Wrong, ["vjp"])


def test_a_schedule_that_changes_results_is_caught() -> None:
    with pytest.raises(
        LawError,
        match=r"^the law 'plans' does not hold: a_bar is .* in place of .*\n"
        r"  strategy plain, program 'product', kind grad, Budget\(.*\)\n"
        r"  a schedule may change when a node runs, never the order of arithmetic$",
    ):
        check_strategy(Reordered, ["grad"])


def test_what_is_no_strategy_is_refused() -> None:
    with pytest.raises(StrategyError, match=r"^int is no strategy\n  derive it from adcore.extend.Strategy$"):
        check_strategy(int)  # type: ignore[arg-type]


def test_importing_adcore_does_not_import_its_testing() -> None:
    code = "import sys, adcore; assert 'adcore.testing' not in sys.modules; adcore.testing.check_op('core::sin')"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": ":".join(sys.path)})
