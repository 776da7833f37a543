"""The functions of `import adcore`: what may be asked, how answers are nested, what wrong questions are told."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

import adcore as ad
from adcore.errors import DifferentiationError, InputError, StrategyError, TraceError

X = np.array([1.0, 2.0, 3.0])
P = {"w": X, "b": 1.0}


class Pair(NamedTuple):
    w: Any
    b: Any


@dataclass
class Model:
    w: Any
    n: Any
    name: str = "linear"


def f(p: Any, x: Any, *, k: Any = 2.0) -> Any:
    return np.sum(p["w"] * x) * k + p["b"]


def same(found: Any, wanted: Any) -> None:
    if isinstance(wanted, dict):
        assert list(found) == list(wanted)
        for k in wanted:
            same(found[k], wanted[k])
    elif isinstance(wanted, tuple | list):
        assert type(found) is type(wanted)
        assert len(found) == len(wanted)
        for a, b in zip(found, wanted, strict=True):
            same(a, b)
    elif wanted is None:
        assert found is None
    else:
        np.testing.assert_array_equal(found, wanted)


# --- wrt -------------------------------------------------------------------------------------------

BOTH = {"w": 3.0 * X, "b": 1.0}


@pytest.mark.parametrize(
    ("wrt", "wanted"),
    [
        (0, BOTH), ("p", BOTH), (-3, BOTH), (np.int64(0), BOTH), ("p.w", 3.0 * X), ("p.b", 1.0), ("x", 3.0 * X),
        ("k", 14.0), (-1, 14.0), (["p.b", "x"], (1.0, 3.0 * X)), (("x", "p.w"), (3.0 * X, 3.0 * X)),
        ([0, 0], (BOTH, BOTH)), ([0, "k"], (BOTH, 14.0)), (None, (BOTH, 3.0 * X, 14.0)),
    ],
    ids=str,
)  # fmt: skip
def test_wrt_names_arguments_and_parts_of_them(wrt: Any, wanted: Any) -> None:
    same(ad.grad(f, wrt=wrt)(P, X, k=3.0), wanted)
    graph = ad.trace(f, P, X, k=3.0)
    same(ad.grad(graph, wrt=wrt)(P, X, k=3.0), wanted)
    same(ad.differentiate(graph, "grad", wrt=wrt)(P, X, k=3.0), wanted)


@pytest.mark.parametrize(
    ("wrt", "message"),
    [
        ("q", r"^no argument is called 'q'\n  f has p\.w, p\.b, x, k$"),
        ("p.v", r"^no argument is called 'p\.v'\n  f has p\.w, p\.b, x, k\n  did you mean 'p\.[wb]'\?$"),
        (3, r"^there is no argument 3\n  f has 3: p, x, k$"),
        (-4, r"^there is no argument -4\n  f has 3: p, x, k$"),
        (1.5, r"^wrt=1\.5 names nothing\n  give positions, names or paths: 0, 'x', 'params\.w', or a list$"),
        (True, r"^wrt=True names nothing\n"),
        ([], r"^wrt=\[\] names nothing\n"),
        ([0, None, []], r"^wrt=\[\] names nothing\n"),
    ],
    ids=str,
)
def test_a_wrt_that_names_nothing_is_an_error(wrt: Any, message: str) -> None:
    with pytest.raises(DifferentiationError, match=message):
        ad.grad(f, wrt=wrt)(P, X, k=3.0)


def test_of_names_outputs() -> None:
    graph = ad.trace(lambda x: {"a": np.sum(x), "b": {"c": np.sum(x**2)}}, X)
    same(ad.differentiate(graph, "grad", wrt="x", of="a")(X), np.ones(3))
    same(ad.differentiate(graph, "grad", wrt="x", of="b.c")(X), 2 * X)
    same(ad.differentiate(graph, "grad", wrt="x", of=1)(X), 2 * X)
    with pytest.raises(DifferentiationError, match=r"^no output is called 'c'\n  graph <lambda> has y\.a, y\.b\.c$"):
        ad.differentiate(graph, "grad", wrt="x", of="c")
    with pytest.raises(DifferentiationError, match=r"^there is no output 2\n  graph <lambda> has 2$"):
        ad.differentiate(graph, "grad", wrt="x", of=2)


# --- arguments -------------------------------------------------------------------------------------


def test_arguments_nest_as_the_user_likes_and_gradients_with_them() -> None:
    found = ad.grad(lambda p: np.sum(p.w) * p.b)(Pair(X, 2.0))
    assert isinstance(found, Pair)
    same(tuple(found), (np.full(3, 2.0), 6.0))
    found = ad.grad(lambda m: np.sum(m.w) * m.n)(Model(X, 2.0))
    assert isinstance(found, Model)
    assert found.name == "linear"
    same([found.w, found.n], [np.full(3, 2.0), 6.0])
    same(ad.grad(lambda v: v[0] * v[1])([2.0, 3.0]), [3.0, 2.0])
    same(ad.grad(lambda v: v[0] * v[1]["u"])((2.0, {"u": 3.0})), (3.0, {"u": 2.0}))
    same(ad.grad(lambda *v: v[0] * v[1], wrt=[0, 1])(2.0, 3.0), (3.0, 2.0))
    same(ad.grad(lambda **v: v["a"] * v["b"], wrt="a")(a=2.0, b=3.0), 3.0)
    same(ad.grad(lambda mode, x: x * x if mode == "square" else x, wrt=1)("square", 3.0), 6.0)
    same(ad.grad(lambda x, n: sum(x**i for i in range(n)))(2.0, 4), 17.0)
    same(ad.grad(lambda x, flag: x * x if flag else x)(3.0, True), 6.0)
    same(ad.grad(lambda x, y=3.0: x * y)(2.0), 3.0)
    same(ad.grad(lambda x, /: x * x)(2.0), 4.0)


def test_whatever_can_be_called_can_be_differentiated() -> None:
    class Model:
        k = 3.0

        def __call__(self, x: Any) -> Any:
            return self.k * x * x

        def method(self, x: Any) -> Any:
            return self.k * x

    model = Model()
    assert ad.grad(np.sin)(0.0) == 1.0
    same(ad.grad(np.sum)(X), np.ones(3))
    assert ad.grad(functools.partial(lambda a, b: a * b, 3.0))(2.0) == 3.0
    assert ad.grad(model)(2.0) == 12.0
    assert ad.grad(model.method)(2.0) == 3.0
    model.k = 5.0
    assert ad.grad(model)(2.0) == 20.0


def test_python_ints_that_are_differentiated_are_floats_and_others_steer() -> None:
    assert ad.grad(lambda x: x * x)(3) == 6.0
    assert ad.grad(lambda x, n: x**n)(2.0, 3) == 12.0
    with pytest.raises(
        DifferentiationError,
        match=r"^n is int64\[\], which has no derivative\n  in <lambda>\n  pass floats, or leave it out of wrt$",
    ):
        ad.grad(lambda n: n * 2.0)(np.int64(3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: g(1.0, 2.0, 3.0), r"^<lambda> cannot be called with these arguments: too many positional"),
        (lambda g: g(1.0), r"^<lambda> cannot be called with these arguments: missing a required argument: 'y'$"),
        (lambda g: g(1.0, 2.0, z=1), r"^<lambda> cannot be called with these arguments: got an unexpected keyword"),
        (lambda g: g(np.array(["a"]), 2.0), r"^x has dtype <U1\n  pass one of bool, int8, .*, complex128$"),
        (lambda g: g(np.longdouble(1.0), 2.0), r"^x has dtype float128\n  pass one of "),
        (lambda g: g(np.ma.array([1.0]), 2.0), r"^x is a MaskedArray, which has an arithmetic of its own\n"),
        (lambda g: g(np.ones((1, 1)).view(np.matrix), 2.0), r"^x is a matrix, which has an arithmetic of its own\n"),
    ],
)  # fmt: skip
def test_arguments_that_do_not_fit_are_an_error(call: Any, message: str) -> None:
    for _ in range(2):  # the second time from what is remembered
        with pytest.raises(InputError, match=message):
            call(ad.grad(lambda x, y: np.sum(x * y)))


def test_what_is_no_function_is_an_error_at_once() -> None:
    with pytest.raises(InputError, match=r"^3 is no function\n  pass a function or a graph, and call what comes back$"):
        ad.grad(3)  # type: ignore[arg-type]
    with pytest.raises(
        InputError,
        match=r"^differentiate takes a graph, not a function\n  differentiate\(ad\.trace\(f, \*examples\), \.\.\.\)$",
    ):
        ad.differentiate(f, "grad")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^plan takes a graph, not a function\n"):
        ad.plan(f)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: x, r"^a gradient is of one number; <lambda> gives float64\[3\]\n  sum it up, or ask"),
        (lambda x: np.sum(x) * 1j, r"^a gradient is of one real number; <lambda> gives complex128\[\]\n  made by core"),
        (lambda x: (x[0], x[1]), r"^a gradient is of one output; <lambda> has 2\n  name it with of=, or ask for the"),
    ],
)  # fmt: skip
def test_a_gradient_of_what_is_no_single_real_number_is_an_error(f: Any, message: str) -> None:
    with pytest.raises(DifferentiationError, match=message):
        ad.grad(f)(X)


def test_unknown_options_strategies_and_kinds_are_named() -> None:
    with pytest.raises(InputError, match=r"^option 'stategy' is unknown\n  options: strategy, memory, "):
        ad.grad(np.sin, stategy="forward")
    with pytest.raises(StrategyError, match=r"^no strategy is called 'forwad'\n(?s:.*)did you mean 'forward'\?"):
        ad.grad(np.sin, strategy="forwad")(1.0)
    with pytest.raises(StrategyError, match=r"^no kind of derivative is called 'gradient'\n  known: jvp, vjp, grad, "):
        ad.differentiate(ad.trace(np.sin, 1.0), "gradient")


# --- graphs ----------------------------------------------------------------------------------------


def test_a_graph_takes_arguments_as_its_function_did() -> None:
    graph = ad.trace(f, P, X, k=3.0)
    assert graph.input_names == ("p.w", "p.b", "x", "k")
    assert graph(P, X, k=3.0) == graph(p=P, x=X, k=3.0) == graph({"b": 1.0, "w": X}, X, k=3.0) == 43.0
    assert graph({"w": np.arange(1, 4), "b": 1}, X, k=3) == 43.0
    record = ad.trace(lambda m: m.w * m.n, Model(X, 2.0))
    same(record(Model(X, 2.0)), 2.0 * X)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: g(P, X), r"^argument k is missing\n  graph f takes p, x, k$"),
        (lambda g: g(P, X, 3.0), r"^3 arguments were given, 2 are taken\n  graph f takes p, x, k$"),
        (lambda g: g(P, X, k=1.0, z=2), r"^argument z is unknown, or given twice\n  graph f takes p, x, k$"),
        (lambda g: g(P, X, x=X, k=1.0), r"^argument x is unknown, or given twice\n"),
        (lambda g: g({"w": X}, X, k=1.0), r"^argument p holds p\.w\n  graph f takes p\.w, p\.b$"),
        (lambda g: g({**P, "c": 1.0}, X, k=1.0), r"^argument p holds p\.w, p\.b, p\.c\n  graph f takes p\.w, p\.b$"),
        (lambda g: g([X, 1.0], X, k=1.0), r"^argument p holds p\[0\], p\[1\]\n  graph f takes p\.w, p\.b$"),
        (lambda g: g({"w": None, "b": 1.0}, X, k=1.0), r"^argument p holds p\.b\n  graph f takes p\.w, p\.b$"),
        (
            lambda g: g({"w": np.ones(4), "b": 1.0}, X, k=1.0),
            r"^p\.w has shape \(4,\), where float64\[3\] is needed\n  input of graph f\n  trace again for other shapes",
        ),
        (
            lambda g: g({"w": X * 1j, "b": 1.0}, X, k=1.0),
            r"^p\.w has dtype complex128, where float64\[3\] is needed\n  input of graph f\n"
            r"  convert it yourself: p\.w\.astype\('float64'\)$",
        ),
        (lambda g: g({"w": X, "b": 1j}, X, k=1.0), r"^p\.b is 1j, which is no float64\n  input of graph f$"),
    ],
)  # fmt: skip
def test_a_graph_at_wrong_arguments_says_which(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(ad.trace(f, P, X, k=3.0))


def test_a_graph_with_another_static_argument_is_refused() -> None:
    graph = ad.trace(lambda mode, opts, x: x * x if mode == "square" else x, "square", {"n": None, "y": 1.0}, 3.0)
    assert graph("square", {"n": None, "y": 1.0}, 4.0) == 16.0
    with pytest.raises(
        InputError, match=r"^mode is 'cube'; the graph was traced with 'square'\n  graph <lambda>\n  trace it again$"
    ):
        graph("cube", {"n": None, "y": 1.0}, 4.0)
    with pytest.raises(InputError, match=r"^opts\.n is 'few'; the graph was traced with None\n"):
        graph("square", {"y": 1.0, "n": "few"}, 4.0)


def test_dtypes_of_a_graph_are_kept_unless_they_cast_safely() -> None:
    graph = ad.trace(lambda x: x * 2, X.astype(np.float32))
    assert graph(X.astype(np.float16)).dtype == np.float32
    with pytest.raises(InputError, match=r"^x has dtype float64, where float32\[3\] is needed\n"):
        graph(X)
    whole = ad.trace(lambda n: n * 2, 3)
    assert whole(True) == 2
    with pytest.raises(InputError, match=r"^n is 2\.5, which is no int64\n  input of graph <lambda>$"):
        whole(2.5)


def test_arrays_of_any_layout_and_kind_are_taken() -> None:
    graph = ad.trace(lambda x: x * 2, np.ones((2, 3)))
    x = np.arange(6.0).reshape(2, 3)
    for y in (
        np.asfortranarray(x), x[::-1][::-1], np.ascontiguousarray(x.T).T, x.astype(">f8"), np.repeat(x, 2, 1)[:, ::2],
        np.broadcast_to(x, (5, 2, 3))[2], x.astype(np.int8), x.tolist() and np.array(x.tolist()),
    ):  # fmt: skip
        same(graph(y), x * 2)
    frozen = x.copy()
    frozen.flags.writeable = False
    same(ad.grad(lambda x: np.sum(x.__imul__(2.0)))(frozen), np.full((2, 3), 2.0))


# --- tangents and cotangents ----------------------------------------------------------------------


def test_tangents_go_by_key_and_none_is_zero() -> None:
    y, y_dot = ad.jvp(lambda p, n: np.sum(p["w"]) * p["b"] * n, (P, 2), ({"b": 0.5, "w": X}, None))
    assert (y, y_dot) == (12.0, 2 * (6.0 * 1.0 + 6.0 * 0.5))
    assert ad.jvp(lambda p: np.sum(p["w"]) * p["b"], (P,), ({"w": None, "b": 1.0},))[1] == 6.0
    same(ad.jvp(lambda n, x: n * x, (np.arange(3), X), (None, X))[1], np.arange(3) * X)
    same(ad.hvp(lambda p: np.sum(p["w"] ** 3) * p["b"], (P,), ({"b": None, "w": X},))[0]["w"], 6 * X * X)


def test_cotangents_go_by_key_and_none_is_zero() -> None:
    _, pullback = ad.vjp(lambda x: {"a": x * x, "b": 3.0 * x, "n": 1}, X)
    same(pullback({"b": 0.0 * X, "n": None, "a": X}), (2 * X * X,))
    same(pullback({"b": X, "n": 0, "a": None}), (3 * X,))
    _, pullback = ad.vjp(lambda n, x: n * x, np.arange(3), X)
    same(pullback(X), (None, np.arange(3) * X))


@pytest.mark.parametrize(
    ("tangents", "message"),
    [
        (({"w": X},), r"^the tangents hold \[0\]\.w, the primals \[0\]\.w, \[0\]\.b\n  nest them as the primals are$"),
        ((X, 1.0), r"^the tangents hold \[0\], \[1\], the primals \[0\]\.w, \[0\]\.b\n"),
        (({"w": X[:2], "b": 0.0},), r"^one of the tangents has shape \(2,\), its primal \(3,\)$"),
        (({"w": X * 1j, "b": 0.0},), r"^one of the tangents is complex, its primal is real$"),
    ],
)
def test_tangents_that_do_not_fit_are_an_error(tangents: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ad.jvp(lambda p: np.sum(p["w"]) * p["b"], (P,), tangents)


@pytest.mark.parametrize(
    ("y_bar", "message"),
    [
        (
            {"a": X},
            r"^the cotangent holds \.a, the result \.a, \.b\n  pullback of <lambda>\n  nest it as the result is$",
        ),
        ({"a": X, "c": X}, r"^the cotangent holds \.a, \.c, the result \.a, \.b\n"),
        ({"a": X, "b": 1.0}, r"^the cotangent has shape \(\), its result float64\[3\]\n  output y\.b$"),
        (None, r"^the cotangent holds no array, the result \.a, \.b\n"),
    ],
)
def test_cotangents_that_do_not_fit_are_an_error(y_bar: Any, message: str) -> None:
    _, pullback = ad.vjp(lambda x: {"a": x * x, "b": 3.0 * x}, X)
    with pytest.raises(InputError, match=message):
        pullback(y_bar)


# --- derivatives of derivatives ----------------------------------------------------------------------


def test_derivatives_nest_in_every_combination() -> None:
    cube = lambda x: x**5
    assert ad.grad(ad.grad(ad.grad(cube)))(2.0) == 240.0
    inner = lambda y: ad.jvp(ad.grad(cube), (y,), (1.0,))[1]
    assert ad.jvp(ad.grad(inner), (2.0,), (1.0,)) == (240.0, 240.0)
    loss = lambda x: np.sum(x**3)
    same(ad.jacobian(ad.grad(loss))(X), np.diag(6 * X))
    same(ad.grad(lambda x: np.trace(ad.jacobian(lambda y: y**3)(x)))(X), 6 * X)
    same(ad.grad(lambda x: np.trace(ad.hessian(loss)(x)))(X), np.full(3, 6.0))
    same(ad.grad(lambda x: np.sum(ad.vjp(lambda y: y**3, x)[1](x)[0]))(X), 9 * X**2)
    same(ad.grad(lambda x: np.sum(ad.hvp(loss, (x,), (x,))[0]))(X), 12 * X)
    same(ad.vmap(ad.grad(lambda x: x**3))(X), 3 * X**2)
    same(ad.grad(lambda x: np.sum(ad.vmap(lambda y: y**3)(x)))(X), 3 * X**2)
    same(ad.vmap(ad.hessian(loss))(np.stack([X, 2 * X])), np.stack([np.diag(6 * X), np.diag(12 * X)]))
    same(ad.grad(lambda x: ad.value_and_grad(loss)(x)[1][0])(X), np.array([6.0, 0, 0]))


def test_perturbations_are_not_confused() -> None:
    assert ad.grad(lambda x: x * ad.grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert ad.jvp(lambda x: x * ad.jvp(lambda y: x + y, (1.0,), (1.0,))[1], (1.0,), (1.0,))[1] == 1.0
    assert ad.jvp(lambda x: x * ad.grad(lambda y: x + y)(1.0), (1.0,), (1.0,))[1] == 1.0
    assert ad.grad(lambda x: x * ad.vjp(lambda y: x * y, 2.0)[1](1.0)[0])(3.0) == 6.0


def test_inner_functions_use_values_of_outer_ones() -> None:
    same(ad.grad(lambda x: ad.grad(lambda y: x * y * y)(2.0) * x)(3.0), 24.0)
    same(ad.grad(lambda x: np.sum(ad.vmap(lambda y: y * x)(np.ones(3))))(2.0), 3.0)
    same(ad.grad(lambda x: ad.jacobian(lambda y: y * x * np.ones(2))(1.0)[1])(3.0), 1.0)
    same(ad.grad(lambda x: ad.scan(lambda c, _: (c * x, None), x, None, length=2)[0])(3.0), 27.0)
    same(ad.grad(lambda x: ad.cond(x > 0, lambda y: y * x, lambda y: y, x))(3.0), 6.0)
    same(ad.vmap(lambda x: ad.grad(lambda y: x * y * y)(2.0))(X), 4 * X)
    with pytest.raises(
        InputError,
        match=r"^a graph cannot hold a traced value of another function\n  at .*\n  pass it as an argument",
    ):
        ad.trace(lambda x: ad.trace(lambda y: x * y, 1.0)(x), 1.0)


def test_jacobians_nest_as_results_and_arguments_do() -> None:
    found = ad.jacobian(lambda p: {"u": p["w"] * p["b"], "v": np.sum(p["w"])}, wrt="p")(P)
    same(found, {"u": {"w": np.eye(3), "b": X}, "v": {"w": np.ones(3), "b": 0.0}})
    same(ad.jacobian(lambda x, y: x * y, wrt=["x", "y"])(X, 2.0), (2 * np.eye(3), X))
    same(ad.jacobian(lambda x: (2 * x, np.argmax(x)))(X), (2 * np.eye(3), None))
    shapes = [[b.shape for b in row] for row in ad.hessian(lambda x, y: np.sum(x * x) * y, wrt=[0, 1])(X, 2.0)]
    assert shapes == [[(3, 3), (3,)], [(3,), ()]]


def test_complex_functions_follow_the_convention() -> None:
    z = np.array([1.0 + 2.0j, -0.5j])
    # of a real result the gradient is conjugated once, so that descent goes along it
    same(ad.grad(lambda z: np.sum(np.real(z * np.conjugate(z))))(z), 2 * z)
    same(ad.grad(lambda z: np.sum(z**3), holomorphic=True)(z), 3 * z**2)
    # the pairing of vjp has no conjugate
    same(ad.vjp(lambda z: z * (2 + 1j), z)[1](z), ((2 + 1j) * z,))


def test_bad_code_of_the_user_raises_his_own_error() -> None:
    with pytest.raises(ZeroDivisionError):
        ad.grad(lambda x: x * (1 / 0))(1.0)
    with pytest.raises(KeyError, match="missing"):
        ad.grad(lambda p: p["missing"])(P)
    with pytest.raises(TraceError, match=r"^<lambda> returned 'text', which holds no array\n"):
        ad.grad(lambda x: "text")(1.0)


def test_a_rule_that_was_derived_before_names_the_line_where_its_op_is_used_now() -> None:
    def at(f: Any) -> set[int]:
        graph = ad.differentiate(ad.trace(f, np.eye(3)), "vjp")
        graph = ad.differentiate(graph, "jvp")
        return {node.source.line for node in graph.nodes if node.source}

    first = at(lambda a: np.linalg.det(a))
    again = at(lambda a: np.linalg.det(a))
    assert len(first) == len(again) == 1
    assert again == {max(first) + 1}
