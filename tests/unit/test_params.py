"""Static params are told apart by kind and content; trees are taken apart and put together; ops and errors."""

from __future__ import annotations

import math
import pickle
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import adcore as ad
import adcore.errors
from adcore.errors import AdcoreError, OpError, PluginError, RuleError, UnknownOpError
from adcore.extend import Op, Rule, elementwise, find_op, linear, multilinear, op
from adcore.params import BOOL, DTYPE, FLOAT, GRAPH, INT, INTS, SHAPE, SIZE, STR, Kind, many, normalise, optional
from adcore.registry import Origin, Registry, domains
from adcore.tree import flatten, flatten_as, paths, select, unflatten
from adcore.types import Dim

# --- params ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value", "wanted"),
    [
        (INT, np.int32(3), 3), (INT, np.array(3), 3), (BOOL, np.True_, True), (FLOAT, 3, 3.0),
        (FLOAT, np.float32(2), 2.0),
        (STR, "a", "a"), (DTYPE, float, np.dtype("float64")), (DTYPE, ">f4", np.dtype("float32")),
        (INTS, [1, 2], (1, 2)), (INTS, 3, (3,)), (INTS, np.arange(3), (0, 1, 2)),
        (SHAPE, (Dim.named("n"), 2), (Dim.named("n"), 2)),
        (optional(INT), None, None), (optional(INT), 3, 3), (many(many(INT)), [[1], (2, 3)], ((1,), (2, 3))),
    ],
)  # fmt: skip
def test_a_param_has_one_form_and_survives_packing(kind: Kind, value: Any, wanted: Any) -> None:
    found = kind.normalise(value)
    assert found == wanted
    assert type(found) is type(wanted)
    assert kind.unpack(kind.pack(found)) == found
    assert kind.key(found) == kind.key(kind.unpack(kind.pack(found)))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (INT, 1.0), (INT, True), (INT, "1"), (INT, 2**63), (INT, np.array([1])), (BOOL, 1), (FLOAT, True), (FLOAT, 1j),
        (FLOAT, "1"), (STR, 1), (DTYPE, "U3"), (DTYPE, object), (DTYPE, "no"), (GRAPH, 3), (SIZE, 1.5), (INTS, [None]),
    ],
)  # fmt: skip
def test_a_value_of_another_kind_is_refused(kind: Kind, value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        kind.normalise(value)


def test_params_are_never_told_apart_by_python_equality() -> None:
    assert FLOAT.key(0.0) != FLOAT.key(-0.0)
    assert FLOAT.key(math.nan) == FLOAT.key(float("nan"))
    assert many(FLOAT).key((0.0,)) != many(FLOAT).key((-0.0,))


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_floats_keep_their_bits_when_packed(x: float) -> None:
    again = FLOAT.unpack(FLOAT.pack(x))
    assert np.float64(again).tobytes() == np.float64(x).tobytes()


def test_missing_and_unknown_params_are_named() -> None:
    schema = {"axes": INTS, "keep": BOOL}
    assert list(normalise("op", schema, {"keep": True, "axes": 1})) == ["axes", "keep"]
    with pytest.raises(OpError, match=r"^op: param keep is missing or unknown\n  it takes: axes, keep$"):
        normalise("op", schema, {"axes": 1})
    with pytest.raises(OpError, match=r"^op: param more is missing or unknown\n  it takes: none$"):
        normalise("op", {}, {"more": 1})
    with pytest.raises(OpError, match=r"^op: param keep: a bool is needed, not 1\n  its kind is bool$"):
        normalise("op", schema, {"axes": 1, "keep": 1})


# --- trees -----------------------------------------------------------------------------------------


class Pair(NamedTuple):
    w: Any
    b: Any


@dataclass(frozen=True)
class Model:
    w: Any
    parts: Any


leaves = st.one_of(st.floats(allow_nan=False), st.integers(-9, 9), st.booleans())
statics = st.one_of(st.none(), st.text(max_size=3))
nested = st.recursive(
    leaves | statics,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(min_size=1, max_size=3) | st.integers(0, 5), inner, max_size=3)
        | st.builds(Pair, inner, inner)
        | st.builds(Model, inner, inner)
    ),
    max_leaves=12,
)


@given(nested)
def test_taken_apart_and_put_together_is_the_same(x: Any) -> None:
    found, tree = flatten(x)
    assert unflatten(tree, found) == x
    assert tree.leaves == len(found) == len(paths(tree, "x"))
    assert flatten_as(x, tree) == found


@given(st.dictionaries(st.text(min_size=1, max_size=2), st.floats(allow_nan=False), min_size=2, max_size=5))
def test_the_order_of_a_dict_does_not_matter(x: dict[str, float]) -> None:
    found, tree = flatten(x)
    assert flatten_as(dict(reversed(x.items())), tree) == found


def test_what_is_nested_otherwise_does_not_match() -> None:
    _, tree = flatten({"a": (1.0, 2.0), "b": Pair(1.0, "static")})
    assert flatten_as({"a": [3.0, None], "b": SimpleNamespace(b=None, w=4.0)}, tree) == [3.0, None, 4.0]
    for other in (
        {"a": (1.0, 2.0)}, {"a": (1.0,), "b": Pair(1.0, 0)}, {"a": 1.0, "b": Pair(1.0, 0)}, 3.0, [1.0, 2.0],
        {"a": ((1.0,), 2.0), "b": Pair(1.0, 0)}, {"a": ("x", 2.0), "b": Pair(1.0, 0)},
    ):  # fmt: skip
        assert flatten_as(other, tree) is None


def test_paths_name_leaves_as_a_user_would() -> None:
    _, tree = flatten({"layers": [Pair(1.0, 2.0), Pair(3.0, None)], "n": (4.0,)})
    assert paths(tree, "p") == ["p.layers[0].w", "p.layers[0].b", "p.layers[1].w", "p.n[0]"]
    kept = select(tree, [True, False, False, True])
    assert unflatten(kept, [10, 20]) == {"layers": [Pair(10, None), Pair(None, None)], "n": (20,)}


def test_a_record_without_its_class_is_a_namespace() -> None:
    from dataclasses import replace

    _, tree = flatten(Pair(1.0, 2.0))
    assert unflatten(replace(tree, make=None), [1.0, 2.0]) == SimpleNamespace(w=1.0, b=2.0)


# --- ops and the registry --------------------------------------------------------------------------


def test_a_name_of_an_op_has_a_domain() -> None:
    for name in ("softplus", "acme:softplus", "Acme::x", "acme::", "acme::a b", "::x"):
        with pytest.raises(OpError, match=r"is no name of an op\n  write it as domain::name, as in acme::softplus$"):
            op(name)
    made = op("acme::Softplus2")(lambda x: x)
    assert (made.domain, repr(made)) == ("acme", "<op acme::Softplus2 v1>")


def test_an_op_runs_on_arrays_and_records_on_tracers() -> None:
    twice = op("unit::twice", rule=linear(lambda g, x: twice(g)), elementwise=True)(lambda x: x * 2.0)
    np.testing.assert_array_equal(twice(np.ones(2)), [2.0, 2.0])
    assert twice(3) == 6.0
    assert [n.op for n in ad.trace(lambda x: twice(x) + 1.0, np.ones(2)).nodes] == ["unit::twice", "core::add"]
    assert ad.grad(lambda x: twice(twice(x)))(1.0) == 4.0


def test_two_ops_of_one_name_are_an_error() -> None:
    first = op("unit::same")(lambda x: x)
    second = op("unit::same")(lambda x: x + 1)
    ad.trace(lambda x: first(x), 1.0)
    with pytest.raises(PluginError, match=r"^another op is called unit::same\n  brought by \(this process\)"):
        ad.trace(lambda x: second(x), 1.0)


def test_a_registry_says_who_brought_what_and_takes_back_whole_plugins() -> None:
    registry = Registry()
    acme, other = Origin("acme-ops", "0.3", "acme_ops"), Origin("other", "1.0", "other_ops")
    function = len
    made = Op("acme::f", lambda x: x, numpy=(function,))
    registry.add("ops", "acme::f", made, acme)
    registry.add("ops", "acme::f", made, acme)  # the same thing again is fine
    assert registry.functions[function] is made
    with pytest.raises(
        PluginError,
        match=r"^ops 'acme::f' is registered twice\n  by acme-ops 0\.3 \(acme_ops\) and by other 1\.0 \(other_ops\)\n"
        r"  uninstall one of them, or disable it with -p no:NAME$",
    ):
        registry.add("ops", "acme::f", Op("acme::f", lambda x: x), other)
    registry.remove(acme)
    assert registry.ops == registry.functions == registry.origins == {}


def test_an_unknown_op_says_what_is_near_and_how_to_get_it() -> None:
    assert "core" in domains()
    with pytest.raises(
        UnknownOpError,
        match=r"^no op is called core::cosh2\n  did you mean core::cosh\?\n  install the plugin that brings 'core'",
    ):
        find_op("core::cosh2")


# --- rules -----------------------------------------------------------------------------------------

HERE = r"test_params\.py:\d+"


def ruled(name: str, rule: Rule | None, run: Any = np.sin) -> Any:
    return op(f"unit::{name}", rule=rule, infer=lambda x: x)(lambda x: run(x))


def test_an_op_without_a_rule_is_an_error_only_where_it_is_differentiated() -> None:
    opaque = ruled("opaque", None)
    assert ad.grad(lambda x, y: opaque(x) * y, wrt="y")(0.0, 2.0) == 0.0
    for derivative in (ad.grad(lambda x: opaque(x)), lambda x: ad.jvp(lambda x: opaque(x), (x,), (1.0,))):
        with pytest.raises(
            RuleError,
            match=rf"^unit::opaque has no derivative rule\n  applied at {HERE}\n"
            r"  give its op a rule, or stop the derivative before it$",
        ):
            derivative(1.0)


def test_a_rule_that_gives_another_shape_is_named() -> None:
    wide = ruled("wide", Rule(jvp=lambda ts, y, x: np.stack([ts[0], ts[0]])))
    with pytest.raises(
        RuleError,
        match=rf"^the rule of unit::wide gives float64\[2,3\] where float64\[3\] is needed\n  for the node at {HERE}\n"
        r"  a \(co\)tangent has the shape of its value$",
    ):
        ad.jvp(lambda x: wide(x), (np.ones(3),), (np.ones(3),))


def test_a_half_that_is_not_linear_cannot_be_transposed() -> None:
    squared = ruled("squared", Rule(jvp=lambda ts, y, x: ts[0] * ts[0]))
    with pytest.raises(
        RuleError,
        match=r"^the jvp of unit::squared is not linear in its seeds\n  at .*\n  state the vjp of unit::squared too$",
    ):
        ad.grad(lambda x: squared(x))(1.0)


def test_a_rule_in_terms_of_itself_is_named() -> None:
    circular = ruled("circular", Rule(jvp=lambda ts, y, x: circular(ts[0])))
    with pytest.raises(
        RuleError,
        match=r"^the vjp of unit::circular cannot be derived: its jvp uses unit::circular itself where it must be "
        r"transposed\n  at .*\n  state the vjp of unit::circular too$",
    ):
        ad.grad(lambda x: circular(x))(1.0)


def test_every_kind_of_rule_gives_both_modes() -> None:
    kinds = {
        "partials": elementwise(lambda y, x: np.cos(x)),
        "forward": Rule(jvp=lambda ts, y, x: ts[0] * np.cos(x)),
        "backward": Rule(vjp=lambda g, y, x: g * np.cos(x)),
        "both": Rule(jvp=lambda ts, y, x: ts[0] * np.cos(x), vjp=lambda g, y, x: g * np.cos(x)),
    }
    for name, rule in kinds.items():
        made = ruled(name, rule)
        ad.testing.check_grads(lambda x, made=made: made(x) * x, (np.linspace(0.1, 1.0, 3),), order=3)
    product = op("unit::product", rule=multilinear(lambda g, a, b: g * b, lambda g, a, b: g * a), infer=lambda a, b: a)(
        lambda a, b: a * b
    )
    ad.testing.check_grads(lambda a, b: product(a, b) * a, (np.ones(3), np.arange(3.0)), order=3)


def test_no_derivative_in_one_input_is_zero_there() -> None:
    half = op("unit::half", rule=elementwise(lambda y, a, b: 2.0, None), elementwise=True)(
        lambda a, b: a * 2.0 + 0.0 * b
    )
    assert ad.grad(lambda a, b: half(a, b), wrt=[0, 1])(1.0, 2.0) == (2.0, 0.0)


# --- errors ----------------------------------------------------------------------------------------

ERRORS = [e for e in vars(adcore.errors).values() if isinstance(e, type) and issubclass(e, AdcoreError)]


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: e.__name__)
def test_every_error_has_three_parts_a_builtin_base_and_a_place_in_the_tree(error: type[AdcoreError]) -> None:
    e = error("what happened", "where", "instead")
    assert str(e) == "what happened\n  where\n  instead"
    assert str(error("what happened", instead="instead")) == "what happened\n  instead"
    assert str(pickle.loads(pickle.dumps(e))) == str(e)
    assert type(pickle.loads(pickle.dumps(e))) is error
    if error is not AdcoreError:
        others = [
            b for b in error.__mro__ if b.__module__ == "builtins" and b not in (Exception, BaseException, object)
        ]
        assert others, f"{error.__name__} is no builtin error too"
    assert error.__name__ in str(adcore.errors.__doc__)
    assert error.__doc__
