"""`ad.vmap`: axes in and out, nestings, what is remembered, and what wrong axes are told."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import numpy as np
import pytest

import adcore as ad
from adcore.errors import InputError, TraceError

X = np.arange(3.0)
M = np.arange(6.0).reshape(2, 3)


class Pair(NamedTuple):
    a: Any
    b: Any


@pytest.mark.parametrize(
    ("f", "axes", "args", "wanted"),
    [
        (lambda v: v.sum(), {}, (M,), M.sum(1)),
        (lambda v: v.sum(), {"in_axes": 1}, (M,), M.sum(0)),
        (lambda v: v.sum(), {"in_axes": -1}, (M,), M.sum(0)),
        (lambda a, b: a * b, {"in_axes": [0, None]}, (X, 2.0), 2 * X),
        (lambda a, b: a @ b, {"in_axes": (None, 1)}, (M, M.T), M @ M.T),
        (lambda v: v * 2, {"out_axes": 1}, (M,), 2 * M.T),
        (lambda v: v * 2, {"out_axes": -1}, (M,), 2 * M.T),
        (lambda p: p["a"] * p["b"], {"in_axes": ({"b": None, "a": 0},)}, ({"a": X, "b": 2.0},), 2 * X),
        (lambda p, q: p.a * q[0] + p.b, {"in_axes": (Pair(0, None), 0)}, (Pair(X, 1.0), [X]), X * X + 1),
        (lambda mode, v: v * 2 if mode == "twice" else v, {"in_axes": (None, 0)}, ("twice", X), 2 * X),
        (lambda v, n: sum(v**i for i in range(n)), {"in_axes": (0, None)}, (X, 3), 1 + X + X**2),
        (lambda n: n + 1, {}, (np.arange(3),), np.arange(1, 4)),
        (lambda v: v * 2, {}, (np.zeros((0, 3)),), np.zeros((0, 3))),
        (lambda v: 3.0, {}, (X,), np.full(3, 3.0)),
    ],
)
def test_axes_go_in_and_out_where_they_are_said_to(f: Any, axes: Any, args: Any, wanted: Any) -> None:
    np.testing.assert_array_equal(ad.vmap(f, **axes)(*args), wanted)


def test_results_nest_and_so_do_their_axes() -> None:
    f = lambda v: {"twice": v * 2, "parts": (v.sum(), v)}
    found = ad.vmap(f, out_axes={"parts": (0, -1), "twice": 1})(M)
    np.testing.assert_array_equal(found["twice"], 2 * M.T)
    np.testing.assert_array_equal(found["parts"][0], M.sum(1))
    np.testing.assert_array_equal(found["parts"][1], M.T)


def test_batches_nest_and_mix_with_derivatives() -> None:
    outer = ad.vmap(ad.vmap(lambda a, b: a * b, in_axes=(None, 0)), in_axes=(0, None))
    np.testing.assert_array_equal(outer(X, X), np.outer(X, X))
    np.testing.assert_array_equal(ad.vmap(ad.grad(lambda v: v**3))(X), 3 * X**2)
    np.testing.assert_array_equal(ad.grad(lambda k: np.sum(ad.vmap(lambda v: v * k)(X)))(2.0), 3.0)
    np.testing.assert_array_equal(ad.vmap(ad.trace(lambda v: v**2, 1.0))(X), X**2)
    np.testing.assert_array_equal(ad.vmap(lambda v, *, k=2.0: v * k)(X), 2 * X)


def test_writes_inside_a_batch_stay_inside() -> None:
    def f(v: Any) -> Any:
        v *= 2.0
        v[v > 3] = 0.0
        return v

    before = M.copy()
    np.testing.assert_array_equal(ad.vmap(f)(M), np.where(2 * M > 3, 0.0, 2 * M))
    np.testing.assert_array_equal(M, before)


LOG = logging.getLogger("test_vmap")


def test_a_batched_function_is_traced_once_for_each_form(caplog: Any) -> None:
    def f(v: Any) -> Any:
        LOG.warning("traced at %s", v.shape)
        return np.sin(v)

    batched = ad.vmap(f)
    for _ in range(3):
        batched(X)
        batched(M)
    batched(X[:2])
    assert [r.getMessage() for r in caplog.records] == ["traced at ()", "traced at (3,)", "traced at ()"]


@pytest.mark.parametrize(
    ("axes", "args", "message"),
    [
        ({"in_axes": (0,)}, (X, X), r"^in_axes has 1 entries for 2 arguments$"),
        ({"in_axes": None}, (X, X), r"^a batch needs one size; found none\n  see in_axes=$"),
        ({}, (X, X[:2]), r"^a batch needs one size; found 2, 3\n  see in_axes=$"),
        ({"in_axes": 1}, (X, X), r"^an array of shape \(3,\) has no axis 1\n  see in_axes=$"),
        ({}, (X, 2.0), r"^an array of shape \(\) has no axis 0\n  see in_axes=$"),
        (
            {"in_axes": 0.5}, (X, X),
            r"^in_axes is 0\.5\n  for \[0\], \[1\]\n  give an axis, None, or as many of them, nested alike$",
        ),
        ({"in_axes": (True, 0)}, (X, X), r"^in_axes\[0\] is True\n  for no array\n|^in_axes\[0\] is True\n  for \n"),
        ({"in_axes": ({"a": 0}, 0)}, (X, X), r"^in_axes\[0\] is \{'a': 0\}\n"),
        ({"out_axes": 2}, (X, X), r"^a result of shape \(3,\) has no axis 2\n  see out_axes=$"),
        ({"out_axes": None}, (X, X), r"^out_axes is None, and every result has the batch axis\n  give an axis$"),
        ({"out_axes": (0, 0)}, (X, X), r"^out_axes is \(0, 0\)\n"),
    ],
)  # fmt: skip
def test_wrong_axes_are_named(axes: Any, args: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ad.vmap(lambda a, b: a * b, **axes)(*args)


def test_what_cannot_be_batched_says_so() -> None:
    with pytest.raises(InputError, match=r"^3 is no function\n"):
        ad.vmap(3)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^a batched function takes its arguments by position\n  got k$"):
        ad.vmap(lambda v, *, k: v * k)(X, k=2.0)
    with pytest.raises(TraceError, match=r"^`if` was asked about a traced bool\[\]"):
        ad.vmap(lambda v: v if v > 0 else -v)(X)


@pytest.mark.parametrize("length", [-1, 2.5, "3"])
def test_a_loop_needs_a_number_of_steps(length: Any) -> None:
    with pytest.raises(
        InputError, match=r"^the length of a scan is .*\n  at test_vmap\.py:\d+\n  give the number of its"
    ):
        ad.scan(lambda c, _: (c, None), 0.0, None, length=length)
