"""One graph for all sizes: at each it must be, bit for bit, what tracing at that size gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import adcore as ad
from adcore.errors import GraphError, InputError, TraceError
from adcore.sizes import Sized, parse_size, sizes_of
from adcore.tree import flatten
from adcore.types import Dim, Trail

RNG = np.random.default_rng(20260202)


@dataclass(frozen=True)
class Case:
    """A program, its named sizes, and arguments at sizes."""

    f: Callable[..., Any]
    dims: dict[str, Any]
    args: Callable[..., tuple[Any, ...]]
    sizes: tuple[dict[str, int], ...]

    def __repr__(self) -> str:
        return self.f.__name__


CASES: list[Case] = []
ONE = ({"n": 2}, {"n": 5}, {"n": 23})
TWO = ({"n": 3, "m": 7}, {"n": 7, "m": 3}, {"n": 11, "m": 2})


def case(dims: dict[str, Any], args: Callable[..., tuple[Any, ...]], sizes: Any = ONE) -> Any:
    def add(f: Any) -> Any:
        CASES.append(Case(f, dims, args, sizes))
        return f

    return add


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape)


@case({"x": ("n",)}, lambda n: (normal(n),))
def moments(x):
    return np.mean(x), np.std(x), np.sum(x[1:] * x[:-1]) / len(x)


@case({"x": ("n", 3)}, lambda n: (normal(n, 3), normal(3, 2)))
def layer(x, w):
    return np.sum(np.tanh(x @ w) ** 2, axis=0), x[::-1] @ w


@case({"x": ("n", "m"), "w": ("m",)}, lambda n, m: (normal(n, m), normal(m)), TWO)
def two_sizes(x, w):
    return np.transpose(x) @ (x @ w), np.concatenate([x, x[:, ::-1] * 2.0], axis=1), np.mean(x, axis=0)


@case({"xs": ("n", 2)}, lambda n: (normal(2), normal(n, 2)))
def loop_over_a_size(c, xs):
    c, ys = ad.scan(lambda c, x: (np.sin(c) * x + c, c * c), c, xs)
    return c, ys


@case({"x": ("n",)}, lambda n: (normal(n),))
def loop_as_long_as_a_size(x):
    def step(c, _):
        return 0.9 * c + np.sin(x) / len(x), np.sum(c)

    return ad.scan(step, x, None, length=len(x) + 1)


@case({"params.w": ("n", 3), "params.parts[1]": ("n",)}, lambda n: ({"w": normal(n, 3), "parts": (1.5, normal(n))},))
def sizes_by_path(params):
    scale, b = params["parts"]
    return {"y": scale * (b @ params["w"]), "b": b + 1.0}


@case({"x": ("2*n",), "grid": ("n+1",)}, lambda n: (normal(2 * n), normal(n + 1)))
def affine_sizes(x, grid):
    pairs = x.reshape(-1, 2)
    return np.sum(pairs * (grid[1:] - grid[:-1])[:, None], axis=1), np.pad(grid, (1, 2))


@case({"x": ("n", "n")}, lambda n: (normal(n, n),))
def constants_that_hold_sizes(x):
    n = len(x)
    ramp = np.arange(n)
    masked = x * np.tri(n) + np.eye(n)
    return (
        masked @ (0.1 * ramp),
        masked @ np.full(n, 0.3),
        np.sum(x * (ramp[:, None] - ramp)),
        x[n - 1] / (n + 1),
        x / n,
    )


@case({"x": ("n",)}, lambda n: (normal(n),))
def a_region_and_a_branch(x):
    block = ad.region(lambda x: np.tanh(x) * np.mean(x), name="block")
    return ad.cond(np.sum(x) > 0, lambda x: block(x) * 2.0, lambda x: x - block(x)[::-1], x)


@case({"y0": ("m",), "times": ("n",)}, lambda n, m: (normal(m), 0.5, np.linspace(0.0, 2.0, n)), TWO)
def a_differential_equation(y0, k, times):
    found = ad.solve_ivp(lambda t, y: -k * y + np.sin(t) * y[::-1], (0.0, 2.0), y0, t_eval=times, rtol=1e-6)
    return found.y, np.sum(found.y[:, -1])


@case({"x": ("n",)}, lambda n: (normal(n).astype(np.float32),))
def single_precision(x):
    return np.mean(x * np.float32(2.0)), x / len(x)


@pytest.fixture(params=CASES, ids=repr)
def one(request: Any) -> Case:
    found: Case = request.param
    return found


def traced(one: Case) -> ad.Graph:
    return ad.trace(one.f, *one.args(**one.sizes[0]), dims=one.dims)


def assert_same_bits(found: Any, wanted: Any) -> None:
    xs, tree = flatten(found)
    ys, other = flatten(wanted)
    assert tree == other
    for x, y in zip(xs, ys, strict=True):
        x, y = np.asarray(x), np.asarray(y)
        assert x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()


def test_calls_at_any_size_are_those_of_a_graph_of_that_size(one: Case) -> None:
    graph = traced(one)
    for sizes in one.sizes:
        args = one.args(**sizes)
        assert_same_bits(graph(*args), ad.trace(one.f, *args)(*args))


def test_at_gives_types_that_tracing_gives(one: Case) -> None:
    graph = traced(one)
    assert set(graph.dims) == set(one.sizes[0])
    for sizes in one.sizes:
        found, wanted = graph.at(**sizes), ad.trace(one.f, *one.args(**sizes))
        assert [v.type for v in (*found.inputs, *found.outputs)] == [v.type for v in (*wanted.inputs, *wanted.outputs)]
        assert found.dims == () and found is graph.at(**sizes)


def test_a_file_keeps_named_sizes(one: Case) -> None:
    graph = traced(one)
    again = ad.loads(graph.dumps())
    assert again.dims == graph.dims and again.dumps() == graph.dumps() and again.identity == graph.identity
    args = one.args(**one.sizes[-1])
    assert_same_bits(again(*args), graph(*args))
    static = graph.at(**one.sizes[-1])
    assert ad.loads(static.dumps()).identity == static.identity == again.at(**one.sizes[-1]).identity


@pytest.mark.parametrize("kinds", [("vjp",), ("jvp",), ("jvp", "vjp")])
def test_derivatives_keep_named_sizes(one: Case, kinds: tuple[str, ...]) -> None:
    graph, fixed = traced(one), ad.trace(one.f, *one.args(**one.sizes[-1]))
    for kind in kinds:
        graph, fixed = ad.differentiate(graph, kind), ad.differentiate(fixed, kind)
    assert set(graph.dims) == set(one.sizes[0])
    static = graph.at(**one.sizes[-1])
    args, _ = flatten(one.args(**one.sizes[-1]))
    xs = [np.asarray(normal(*v.type.shape)).astype(v.type.dtype) for v in fixed.inputs]
    xs = [*map(np.asarray, args), *xs[len(args) :]]
    for a, b in zip(static.compile().all(*xs), fixed.compile().all(*xs), strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    assert ad.loads(graph.dumps()).at(**one.sizes[-1]).identity == static.identity


def test_functions_of_graphs_take_any_size() -> None:
    graph = ad.trace(lambda x, w: np.mean(np.tanh(x @ w)), normal(5, 3), normal(3), dims={"x": ("n", 3)})
    for n in (2, 7):
        x, w = normal(n, 3), normal(3)
        fixed = ad.trace(lambda x, w: np.mean(np.tanh(x @ w)), x, w)
        assert_same_bits(ad.grad(graph)(x, w), ad.grad(fixed)(x, w))
        assert_same_bits(ad.hessian(graph, wrt="w")(x, w), ad.hessian(fixed, wrt="w")(x, w))
        assert_same_bits(ad.jvp(graph, (x, w), (x, w)), ad.jvp(fixed, (x, w), (x, w)))
        assert_same_bits(ad.vjp(graph, x, w)[1](1.0), ad.vjp(fixed, x, w)[1](1.0))
        batch = normal(4, n, 3)
        assert_same_bits(ad.vmap(graph, (0, None))(batch, w), ad.vmap(fixed, (0, None))(batch, w))
        inner = ad.trace(lambda x, w: graph(x, w) * 2.0, x, w)
        assert_same_bits(inner(x, w), fixed(x, w) * 2.0)


def test_the_trail_of_a_derivative_is_as_long_as_the_size() -> None:
    graph = ad.differentiate(ad.trace(loop_over_a_size, normal(2), normal(5, 2), dims={"xs": ("n", 2)}), "vjp")
    trails = [v.type for node in graph.nodes for v in node.outputs if isinstance(v.type, Trail)]
    assert trails and all(t.length == Dim.named("n") for t in trails)
    assert "trails" in str(graph.dumps()) and "dims" in str(graph.dumps())


def test_static_arguments_and_sizes_go_together() -> None:
    def f(x: Any, times: int) -> Any:
        for _ in range(times):
            x = np.sin(x)
        return x

    graph = ad.trace(f, normal(3), 4, static=["times"], dims={"x": ("n",)})
    assert len(graph.nodes) == 4
    x = normal(7)
    assert_same_bits(graph(x), np.sin(np.sin(np.sin(np.sin(x)))))


# --- what does not fit ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "args", "dims", "message"),
    [
        (lambda x: x.reshape(-1), (np.ones((2, 2)),), {"x": ("n", "n")},
         r"param shape\[0\] is 45369 at n = 213 and 111556 at n = 334\n  core::reshape at test_sizes.py:\d+\n  "
         r"sizes may be whole multiples of n, plus a number"),
        (lambda x: x[: len(x) // 2], (np.ones(4),), {"x": ("n",)},
         r"param size\[0\] is 107 at n = 215 and 168 at n = 336\n  core::slice at test_sizes.py:\d+"),
        (lambda x: np.sum(x) if len(x) % 2 else np.prod(x), (np.ones(4),), {"x": ("n",)},
         r"what is computed is core::sum at n = 215 and core::prod at n = 336"),
        (lambda x: sum(v * v for v in x), (np.ones(4),), {"x": ("n",)},
         r"what is computed is .*\n.*test_sizes.py:\d+, in graph <lambda>\n  to loop over a size use ad.scan"),
        (lambda x: x * np.linspace(0, 1, len(x)), (np.ones(4),), {"x": ("n",)},
         r"a constant is .*\n  used by core::multiply at test_sizes.py:\d+, in graph <lambda>\n  make it of the arg"),
        (lambda x, y: x * y, (np.ones(4), np.ones(4)), {"x": ("n",)},
         r"the function does not work at n = 215: core::multiply cannot be applied to float64\[215\], float64\[4\]"),
    ],
)  # fmt: skip
def test_what_is_not_affine_is_named_with_its_line(f: Any, args: Any, dims: Any, message: str) -> None:
    with pytest.raises(TraceError, match=f"^{message}"):
        ad.trace(f, *args, dims=dims)


@pytest.mark.parametrize(
    ("dims", "message"),
    [
        ({"z": ("n",)}, r"dims names 'z', which is no array among the arguments\n  dims= of f\n  there are: x, y"),
        ({"x": "n"}, r"dims\['x'\] is 'n'\n  dims= of f\n  give one size per axis: \(\"n\", 3\)"),
        ({"x": ("n", 3)}, r"x has shape \(4,\), where \(n, 3\) is needed\n  in dims= of f"),
        ({"x": ("n",), "y": ("n",)}, r"y has shape \(6,\), where \(n,\) is needed: n is 4 by x\n  in dims= of f"),
        ({"x": ("3*n",)}, r"x has shape \(4,\), where \(3\*n,\) is needed: no n makes 3\*n = 4"),
        ({"x": ("n*n",)}, r"'n\*n' is no size"),
        ({"x": (4,)}, r"dims names no size"),
        ({"x": ("n+m",)}, r"size m cannot be told from the arguments"),
    ],
)
def test_dims_that_do_not_fit_the_examples_are_refused(dims: Any, message: str) -> None:
    def f(x: Any, y: Any) -> Any:
        return np.sum(x) * np.sum(y)

    with pytest.raises(InputError, match=message):
        ad.trace(f, np.ones(4), np.ones(6), dims=dims)


def test_arguments_that_do_not_fit_are_named() -> None:
    graph = ad.trace(lambda x, y: np.sum(x[:, 0] * y), normal(5, 3), normal(5), dims={"x": ("n", 3), "y": ("n",)})
    for args, message in (
        ((normal(4, 3), normal(5)), r"y has shape \(5,\), where \(n,\) is needed: n is 4 by x\n  in graph <lambda>"),
        ((normal(4, 2), normal(4)), r"x has shape \(4, 2\), where \(n, 3\) is needed\n  in graph <lambda>"),
        ((normal(4), normal(4)), r"x has shape \(4,\), where \(n, 3\) is needed\n  in graph <lambda>"),
    ):
        with pytest.raises(InputError, match=f"^{message}$"):
            graph(*args)


def test_sizes_at_which_the_graph_does_not_work_are_refused() -> None:
    graph = ad.trace(lambda x: x[10:], normal(20), dims={"x": ("n",)})
    assert graph(np.arange(12.0)).tolist() == [10.0, 11.0]
    with pytest.raises(GraphError, match=r"float64\[n-10\] has no size at n = 5\n  core::slice at test_sizes.py:\d+"):
        graph.at(n=5)
    with pytest.raises(InputError, match="size n is not given\n  graph <lambda> has the sizes n"):
        graph.at()
    with pytest.raises(InputError, match="size m is unknown"):
        graph.at(n=3, m=4)
    with pytest.raises(InputError, match=r"size n is 2\.5\n  in graph <lambda>\n  give an integer from 0"):
        graph.at(n=2.5)  # type: ignore[arg-type]


@pytest.mark.parametrize(("what", "use"), [("a plan", ad.plan), ("a program", lambda g: g.compile())])
def test_what_needs_numbers_says_so(what: str, use: Any) -> None:
    graph = ad.trace(lambda x: x * 2.0, normal(3), dims={"x": ("n",)})
    with pytest.raises(GraphError, match=rf"{what} needs numbers for the sizes n\n  .*\n  use graph.at\(n=\.\.\.\)"):
        use(graph)


# --- sizes as numbers and text -------------------------------------------------------------------

names = st.sampled_from(["n", "m", "width"])
dims_ = st.builds(
    lambda terms, c: sum((Dim.named(k) * f for k, f in terms.items()), c),
    st.dictionaries(names, st.integers(-9, 9).filter(bool), min_size=1),
    st.integers(-99, 99),
)


@given(dims_)
def test_a_size_is_read_as_it_is_printed(size: Dim) -> None:
    assert parse_size(str(size)) == size


@given(st.dictionaries(names, st.integers(0, 1000), min_size=1), st.data())
def test_sizes_are_found_again(sizes: dict[str, int], data: Any) -> None:
    own = [Dim.named(name) * data.draw(st.integers(1, 5)) + data.draw(st.integers(0, 9)) for name in sizes]
    mixed = [sum((Dim.named(name) for name in sizes), 0)]
    rows = [Sized(f"x{i}", (size,), (size.at(sizes),)) for i, size in enumerate([*mixed, *own])]
    assert sizes_of(rows, tuple(sizes), "here") == sizes
